//! Answers, as a client reads them: where the head ends, how long the body is, and whether all of it came.
//!
//! What frames a body is beyond doubt, or the answer is refused; a lenient reader takes the likelier of two readings. Beside
//! it a reader of pages is kinder than a server: lines of a head may end in LF alone, as the servers of many tutorials write
//! them, and a field may go on in the next line.

mod frame;
mod head;
mod unreadable;

use std::ops::Range;

use self::frame::Frame;
pub use self::head::{Head, Length};
use self::head::{could_begin, is_interim, split, status_line};
pub use self::unreadable::Unreadable;
use super::chunked::{MAX_SIZE_LINE, chunk_size};
use super::field;

/// Bytes of all heads of one answer at most, the interim ones too. Of its trailers too.
const MAX_HEAD: usize = 64 * 1_024;
/// Fields of one head at most, and of the trailers.
const MAX_FIELDS: usize = 500;
/// Bytes of chunk extensions in one answer: nobody needs any.
const MAX_EXTENSIONS: usize = 16 * 1_024;

/// Follows one answer, byte for byte. However the bytes are cut, the parts say the same.
#[derive(Debug)]
pub struct AnswerReader {
    phase: AnswerPhase,
    /// Whether the request allows a body: not after HEAD.
    allows_body: bool,
    is_lenient: bool,
    /// The line that is not whole yet.
    line: Vec<u8>,
    head: Head,
    /// Where in the head or the trailers the last field stands, which may go on in the next line.
    field: Option<Range<usize>>,
    /// What is wrong with the head; it is read to its end all the same, so that it can be shown.
    wrong: Option<Unreadable>,
    /// The head for which the answer was refused.
    refused: Option<Head>,
    /// Bytes of heads, later of trailers.
    size: usize,
    /// Fields of this head, or of the trailers.
    count: usize,
    extensions: usize,
    frame: Frame,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerPhase {
    StatusLine,
    Fields,
    /// So many more bytes of the body.
    Exactly(u64),
    ChunkSize,
    /// So many more bytes of a chunk.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    ToTheEnd,
    Whole,
    /// Whole, and that was said.
    Over,
}

/// The next thing in an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum AnswerPart<'a> {
    /// A head that says to wait for another one: `100 Continue`, `103 Early Hints`.
    Interim(Head),
    /// The head.
    Head(Head),
    /// Bytes of the body.
    Body(&'a [u8]),
    /// The lines behind the last chunk, with the empty one, where there are any.
    Trailers(Vec<u8>),
    /// The answer is whole.
    End,
}

/// What was missing when the conn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// All of it.
    Everything,
    /// The rest of the head.
    Head,
    /// The rest of the body; so many bytes, where its length was said.
    Body(Option<u64>),
}

impl AnswerReader {
    /// The answer to a request of this method.
    pub fn to(method: &str) -> Self {
        AnswerReader {
            phase: AnswerPhase::StatusLine,
            allows_body: method != "HEAD",
            is_lenient: false,
            line: Vec::new(),
            head: Head::default(),
            field: None,
            wrong: None,
            refused: None,
            size: 0,
            count: 0,
            extensions: 0,
            frame: Frame::default(),
        }
    }

    /// Takes the likelier reading where there are two, and passes over what means nothing.
    pub fn lenient(self, is_lenient: bool) -> Self {
        AnswerReader { is_lenient, ..self }
    }

    /// The head for which the answer was refused, where it was the head.
    pub fn refused(&self) -> Option<&Head> {
        self.refused.as_ref()
    }

    /// Reads on in `bytes` and takes from them what it has read. None: they are used up, and more must come; or the
    /// answer is over, and what is left does not belong to it.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<AnswerPart<'a>>, Unreadable> {
        loop {
            match self.phase {
                AnswerPhase::Over => return Ok(None),
                AnswerPhase::Whole => {
                    self.phase = AnswerPhase::Over;
                    return Ok(Some(AnswerPart::End));
                }
                _ if bytes.is_empty() => return Ok(None),
                AnswerPhase::Exactly(left) | AnswerPhase::Chunk(left) => {
                    return Ok(Some(AnswerPart::Body(self.pass(left, bytes))));
                }
                AnswerPhase::ToTheEnd => return Ok(Some(AnswerPart::Body(std::mem::take(bytes)))),
                _ => {}
            }
            if !self.take_line(bytes)? {
                return Ok(None);
            }
            if let Some(part) = self.read_line()? {
                return Ok(Some(part));
            }
        }
    }

    /// The conn has ended. An error where that cuts the answer short.
    pub fn end(&mut self) -> Result<(), Missing> {
        match self.phase {
            AnswerPhase::Whole | AnswerPhase::Over => Ok(()),
            AnswerPhase::ToTheEnd => {
                self.phase = AnswerPhase::Whole;
                Ok(())
            }
            AnswerPhase::StatusLine if self.size + self.line.len() == 0 => Err(Missing::Everything),
            AnswerPhase::StatusLine | AnswerPhase::Fields => Err(Missing::Head),
            AnswerPhase::Exactly(left) => Err(Missing::Body(Some(left))),
            _ => Err(Missing::Body(None)),
        }
    }

    /// Whether nothing of it is missing.
    pub fn is_over(&self) -> bool {
        self.phase == AnswerPhase::Over
    }

    /// Takes what belongs to the body.
    fn pass<'a>(&mut self, left: u64, bytes: &mut &'a [u8]) -> &'a [u8] {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (taken, rest) = bytes.split_at(length);
        *bytes = rest;
        let left = left - length as u64;
        self.phase = match self.phase {
            AnswerPhase::Exactly(_) if left == 0 => AnswerPhase::Whole,
            AnswerPhase::Exactly(_) => AnswerPhase::Exactly(left),
            _ if left == 0 => AnswerPhase::ChunkEnd,
            _ => AnswerPhase::Chunk(left),
        };
        taken
    }

    /// Moves a line, or the part of it that is there; whether it is whole.
    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<bool, Unreadable> {
        let end = memchr::memchr(b'\n', bytes);
        let length = end.map_or(bytes.len(), |at| at + 1);
        let (room, what) = self.room();
        if self.line.len() + length > room {
            return Err(what);
        }
        self.line.extend_from_slice(&bytes[..length]);
        *bytes = &bytes[length..];
        if self.phase == AnswerPhase::StatusLine && !could_begin(&self.line) {
            return Err(Unreadable::NotHttp);
        }
        Ok(end.is_some())
    }

    /// Bytes that a line may have here, and what is wrong with more.
    fn room(&self) -> (usize, Unreadable) {
        let left = MAX_HEAD.saturating_sub(self.size);
        match self.phase {
            AnswerPhase::ChunkSize => {
                (MAX_SIZE_LINE, Unreadable::TooLarge("a chunk's size takes a line without end"))
            }
            AnswerPhase::ChunkEnd => (2, Unreadable::Bad("a chunk is longer than it says")),
            AnswerPhase::Trailers => (left, Unreadable::TooLarge("its trailers are over 64 KiB")),
            _ => (left, Unreadable::TooLarge("its head is over 64 KiB")),
        }
    }

    fn read_line(&mut self) -> Result<Option<AnswerPart<'static>>, Unreadable> {
        let raw = std::mem::take(&mut self.line);
        let line = raw.strip_suffix(b"\n").unwrap_or(&raw);
        let has_cr = line.ends_with(b"\r");
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_odd = !self.is_lenient && line.iter().any(|byte| matches!(byte, b'\r' | 0));
        let odd = Unreadable::Bad("a CR or NUL stands inside a line");
        match self.phase {
            AnswerPhase::Fields => {
                if is_odd {
                    self.wrong.get_or_insert(odd);
                }
                let at = self.keep(&raw);
                self.read_head(at, line)
            }
            _ if is_odd => Err(odd),
            AnswerPhase::StatusLine => {
                self.keep(&raw);
                (self.head.version, self.head.status) = status_line(line)?;
                (self.phase, self.count, self.frame) = (AnswerPhase::Fields, 0, Frame::default());
                Ok(None)
            }
            AnswerPhase::Trailers => {
                let at = self.keep(&raw);
                self.read_trailer(at, line)
            }
            _ if !has_cr && !self.is_lenient => {
                Err(Unreadable::Bad("a line of the chunks ends in LF without CR"))
            }
            AnswerPhase::ChunkSize => self.read_size(line).map(|()| None),
            _ if line.is_empty() => {
                self.phase = AnswerPhase::ChunkSize;
                Ok(None)
            }
            _ => Err(Unreadable::Bad("a chunk is longer than it says")),
        }
    }

    /// Keeps a line of a head or of trailers; where it stands.
    fn keep(&mut self, raw: &[u8]) -> usize {
        let at = self.head.raw.len();
        self.size += raw.len();
        self.head.raw.extend_from_slice(raw);
        at
    }

    /// The line of a head that stands at `at`.
    fn read_head(
        &mut self,
        at: usize,
        line: &[u8],
    ) -> Result<Option<AnswerPart<'static>>, Unreadable> {
        match self.follow(at, line) {
            Err(large @ Unreadable::TooLarge(_)) => return Err(large),
            Err(wrong) => drop(self.wrong.get_or_insert(wrong)),
            Ok(()) => {}
        }
        if !line.is_empty() {
            return Ok(None);
        }
        let mut head = std::mem::take(&mut self.head);
        let is_interim = is_interim(head.status);
        let length = match self.wrong.take() {
            Some(wrong) => Err(wrong),
            None if is_interim => Ok(Length::Nothing),
            None => self.frame.length(&head, self.allows_body, self.is_lenient),
        };
        match length {
            Ok(length) => head.length = length,
            Err(wrong) => {
                self.refused = Some(head);
                return Err(wrong);
            }
        }
        if is_interim {
            self.phase = AnswerPhase::StatusLine;
            return Ok(Some(AnswerPart::Interim(head)));
        }
        self.phase = match head.length {
            Length::Nothing | Length::Exactly(0) => AnswerPhase::Whole,
            Length::Exactly(length) => AnswerPhase::Exactly(length),
            Length::Chunked => AnswerPhase::ChunkSize,
            Length::ToTheEnd => AnswerPhase::ToTheEnd,
        };
        Ok(Some(AnswerPart::Head(head)))
    }

    /// The line that stands at `at` ends the field before it, or goes on with it: then spaces stand for the end of the line
    /// between the two (RFC 9112 section 5.2).
    fn follow(&mut self, at: usize, line: &[u8]) -> Result<(), Unreadable> {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let Some(field) = &mut self.field else {
                if self.is_lenient {
                    return Ok(());
                }
                return Err(Unreadable::Bad("a field goes on that has not begun"));
            };
            self.head.raw[field.end..at].fill(b' ');
            field.end = at + line.len();
            return Ok(());
        }
        let next = (!line.is_empty()).then_some(at..at + line.len());
        let Some(field) = std::mem::replace(&mut self.field, next) else { return Ok(()) };
        self.count += 1;
        if self.count > MAX_FIELDS {
            return Err(Unreadable::TooLarge("it has over 500 fields"));
        }
        match split(&self.head.raw[field], self.is_lenient) {
            Ok((name, value)) if self.phase == AnswerPhase::Fields => {
                self.frame.read(name, value, self.is_lenient)
            }
            Ok((name, _)) if field::frames(name) && !self.is_lenient => {
                Err(Unreadable::Bad("a trailer that belongs into the head"))
            }
            Ok(_) => Ok(()),
            Err(_) if self.is_lenient => Ok(()),
            Err(wrong) => Err(wrong),
        }
    }

    /// RFC 9112 section 7.1, and the blank space that some servers put around the size.
    fn read_size(&mut self, line: &[u8]) -> Result<(), Unreadable> {
        let end = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
        let size = chunk_size(line[..end].trim_ascii());
        let size = size.map_err(|fault| Unreadable::Bad(fault.what))?;
        self.extensions += line.len() - end;
        if self.extensions > MAX_EXTENSIONS {
            return Err(Unreadable::TooLarge("its chunk extensions are over 16 KiB"));
        }
        (self.size, self.count) = (0, 0);
        self.phase = if size == 0 { AnswerPhase::Trailers } else { AnswerPhase::Chunk(size) };
        Ok(())
    }

    fn read_trailer(
        &mut self,
        at: usize,
        line: &[u8],
    ) -> Result<Option<AnswerPart<'static>>, Unreadable> {
        self.follow(at, line)?;
        if !line.is_empty() {
            return Ok(None);
        }
        self.phase = AnswerPhase::Whole;
        let lines = std::mem::take(&mut self.head.raw);
        Ok((self.count > 0).then_some(AnswerPart::Trailers(lines)))
    }
}

#[cfg(test)]
mod tests;
