//! Answers, as a client reads them: where the head ends, how long the body is, and whether all of it came.
//!
//! What frames a body is read as strictly as in requests. Beside it a reader of pages is kinder than a server: lines of a
//! head may end in LF alone, as the servers of many tutorials write them, and nothing else hangs on them.

mod head;
mod unreadable;

pub use self::head::{Head, Length};
use self::head::{could_begin, is_interim, status_line};
pub use self::unreadable::Unreadable;
use super::Version;
use super::chunked::{MAX_SIZE_LINE, chunk_size};
use super::field::{self, is_token};

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
    /// The line that is not whole yet.
    line: Vec<u8>,
    head: Head,
    /// Bytes of heads, later of trailers.
    size: usize,
    /// Fields of this head, or of the trailers.
    count: usize,
    extensions: usize,
    frame: Frame,
}

/// What the fields say of the body.
#[derive(Debug, Default, Clone, Copy)]
struct Frame {
    length: Option<u64>,
    is_chunked: bool,
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
            line: Vec::new(),
            head: Head::default(),
            size: 0,
            count: 0,
            extensions: 0,
            frame: Frame::default(),
        }
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
        if line.iter().any(|byte| matches!(byte, b'\r' | 0)) {
            return Err(Unreadable::Bad("a CR or NUL stands inside a line"));
        }
        match self.phase {
            AnswerPhase::StatusLine | AnswerPhase::Fields => {
                self.size += raw.len();
                self.head.raw.extend_from_slice(&raw);
                self.read_head(line)
            }
            AnswerPhase::Trailers => {
                self.size += raw.len();
                self.head.raw.extend_from_slice(&raw);
                self.read_trailer(line)
            }
            _ if !has_cr => Err(Unreadable::Bad("a line of the chunks ends in LF without CR")),
            AnswerPhase::ChunkSize => self.read_size(line).map(|()| None),
            _ if line.is_empty() => {
                self.phase = AnswerPhase::ChunkSize;
                Ok(None)
            }
            _ => Err(Unreadable::Bad("a chunk is longer than it says")),
        }
    }

    fn read_head(&mut self, line: &[u8]) -> Result<Option<AnswerPart<'static>>, Unreadable> {
        if self.phase == AnswerPhase::StatusLine {
            (self.head.version, self.head.status) = status_line(line)?;
            (self.phase, self.count, self.frame) = (AnswerPhase::Fields, 0, Frame::default());
            return Ok(None);
        }
        if !line.is_empty() {
            let (name, value) = self.split(line)?;
            self.frame.read(name, value)?;
            return Ok(None);
        }
        let mut head = std::mem::take(&mut self.head);
        if is_interim(head.status) {
            self.phase = AnswerPhase::StatusLine;
            return Ok(Some(AnswerPart::Interim(head)));
        }
        head.length = self.length(&head)?;
        self.phase = match head.length {
            Length::Nothing | Length::Exactly(0) => AnswerPhase::Whole,
            Length::Exactly(length) => AnswerPhase::Exactly(length),
            Length::Chunked => AnswerPhase::ChunkSize,
            Length::ToTheEnd => AnswerPhase::ToTheEnd,
        };
        Ok(Some(AnswerPart::Head(head)))
    }

    /// RFC 9112 section 6.3.
    fn length(&self, head: &Head) -> Result<Length, Unreadable> {
        let Frame { length, is_chunked } = self.frame;
        match (length, is_chunked) {
            (Some(_), true) => {
                Err(Unreadable::Bad("both a Content-Length and a Transfer-Encoding"))
            }
            (_, true) if head.version == Version::Http10 => {
                Err(Unreadable::Bad("HTTP/1.0 has no Transfer-Encoding"))
            }
            _ if !self.allows_body || matches!(head.status, 101 | 204 | 304) => Ok(Length::Nothing),
            (_, true) => Ok(Length::Chunked),
            (Some(length), _) => Ok(Length::Exactly(length)),
            (None, _) => Ok(Length::ToTheEnd),
        }
    }

    fn read_size(&mut self, line: &[u8]) -> Result<(), Unreadable> {
        let size = chunk_size(line).map_err(|fault| Unreadable::Bad(fault.what))?;
        self.extensions +=
            line.iter().position(|byte| *byte == b';').map_or(0, |at| line.len() - at);
        if self.extensions > MAX_EXTENSIONS {
            return Err(Unreadable::TooLarge("its chunk extensions are over 16 KiB"));
        }
        (self.size, self.count) = (0, 0);
        self.phase = if size == 0 { AnswerPhase::Trailers } else { AnswerPhase::Chunk(size) };
        Ok(())
    }

    fn read_trailer(&mut self, line: &[u8]) -> Result<Option<AnswerPart<'static>>, Unreadable> {
        if line.is_empty() {
            self.phase = AnswerPhase::Whole;
            let lines = std::mem::take(&mut self.head.raw);
            return Ok((self.count > 0).then_some(AnswerPart::Trailers(lines)));
        }
        let (name, _) = self.split(line)?;
        if field::frames(name) {
            return Err(Unreadable::Bad("a trailer that belongs into the head"));
        }
        Ok(None)
    }

    /// Name and value of a field.
    fn split<'l>(&mut self, line: &'l [u8]) -> Result<(&'l [u8], &'l [u8]), Unreadable> {
        self.count += 1;
        if self.count > MAX_FIELDS {
            return Err(Unreadable::TooLarge("it has over 500 fields"));
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(Unreadable::Bad("a field goes on in a second line"));
        }
        let colon = memchr::memchr(b':', line).ok_or(Unreadable::Bad("a field without a colon"))?;
        let name = &line[..colon];
        if name.ends_with(b" ") || name.ends_with(b"\t") {
            return Err(Unreadable::Bad("a space stands before a colon"));
        }
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(Unreadable::Bad("a field's name is no name"));
        }
        Ok((name, line[colon + 1..].trim_ascii()))
    }
}

impl Frame {
    fn read(&mut self, name: &[u8], value: &[u8]) -> Result<(), Unreadable> {
        if name.eq_ignore_ascii_case(b"content-length") {
            // Said twice alike it means one thing; that is so common that it is let pass.
            for length in value.split(|byte| *byte == b',') {
                let length = field::length(length.trim_ascii())
                    .ok_or(Unreadable::Bad("the Content-Length is not digits alone"))?;
                if self.length.replace(length).is_some_and(|other| other != length) {
                    return Err(Unreadable::Bad("two different Content-Lengths"));
                }
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Unreadable::Bad("a Transfer-Encoding other than chunked"));
            }
            if std::mem::replace(&mut self.is_chunked, true) {
                return Err(Unreadable::Bad("more than one Transfer-Encoding"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
