//! Takes a letter apart as it passes.

use std::ops::Range;

use super::field::{ContentType, fields, unfold};
use super::part::{MimePart, PartBody};
use super::{MAX_DEPTH, MAX_HEADS, MAX_PARTS};

/// Bytes of a line of a body that are looked at: a boundary has at most 70 (RFC 2046 section 5.1.1), and senders make
/// longer ones.
const LOOKED_AT: usize = 256;

/// Is given a letter, in pieces of any size, and says what its parts are. However it is cut, they are the same. It holds
/// heads, up to [`MAX_HEADS`], and no bodies.
#[derive(Debug)]
pub struct MimeReader {
    /// The parts that are open, the letter first.
    open: Vec<OpenPart>,
    parts: usize,
    /// The beginning of the line that is not whole yet.
    line: Vec<u8>,
    /// Bytes before that line, and of it so far.
    at: u64,
    length: u64,
    /// Bytes of the end of the line before: CR LF, LF, or nothing.
    end_before: u64,
    ends_with_cr: bool,
    /// Bytes of heads so far.
    heads: usize,
}

#[derive(Debug)]
struct OpenPart {
    head: Vec<u8>,
    head_at: Range<u64>,
    phase: PartPhase,
    body_at: u64,
    lines: u64,
    /// What it says of itself, once its head is whole.
    kind: Option<ContentType>,
    /// What separates its parts, where it has some.
    boundary: Option<Vec<u8>>,
    holds_letter: bool,
    /// Whether it is a letter, and not a part of one.
    is_letter: bool,
    /// Whether it is a part of a digest, and so a letter in it where it does not say otherwise (RFC 2046 section 5.1.5).
    is_of_digest: bool,
    text: BodyText,
    inside: Vec<MimePart>,
}

/// What the bytes of a body are, as far as they have come.
#[derive(Debug, Default)]
struct BodyText {
    has_8bit: bool,
    is_broken: bool,
    /// The beginning of a character that is not whole yet.
    begun: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartPhase {
    Head,
    Body,
    /// Behind the last of its parts.
    Epilogue,
}

impl Default for MimeReader {
    fn default() -> Self {
        MimeReader {
            open: vec![OpenPart::new(0, true)],
            parts: 1,
            line: Vec::new(),
            at: 0,
            length: 0,
            end_before: 0,
            ends_with_cr: false,
            heads: 0,
        }
    }
}

impl MimeReader {
    /// Takes a piece of the letter.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let length = end.map_or(bytes.len(), |at| at + 1);
            let (piece, rest) = bytes.split_at(length);
            bytes = rest;
            if let Some(part) = self.open.last_mut().filter(|part| part.phase == PartPhase::Body) {
                part.text.take(piece);
            }
            let room = self.room().saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let before =
                if piece.len() > 1 { piece[piece.len() - 2] == b'\r' } else { self.ends_with_cr };
            self.ends_with_cr = piece.last() == Some(&b'\r');
            self.length += length as u64;
            if end.is_some() {
                self.read_line(if before { 2 } else { 1 });
            }
        }
    }

    /// Bytes that it holds.
    pub fn held(&self) -> usize {
        self.heads + self.line.capacity()
    }

    /// The letter is whole: its parts.
    pub fn finish(mut self) -> MimePart {
        if self.length > 0 {
            self.read_line(0);
        }
        let end = self.at;
        while self.open.len() > 1 {
            self.close(end);
        }
        let last = self.open.pop().unwrap_or_else(|| OpenPart::new(0, true));
        last.finish(end)
    }

    /// Bytes of the line that are wanted: of a body, what a boundary may have.
    fn room(&self) -> usize {
        let is_head = self.open.last().is_some_and(|part| part.phase == PartPhase::Head);
        if is_head { LOOKED_AT + MAX_HEADS.saturating_sub(self.heads) } else { LOOKED_AT }
    }

    /// A line is whole, with an end of so many bytes.
    fn read_line(&mut self, end: u64) {
        let line = std::mem::take(&mut self.line);
        let from = self.at;
        let length = std::mem::take(&mut self.length);
        self.at += length;
        let is_separator = line.starts_with(b"--") && self.separate(&line, from);
        if !is_separator {
            self.take_line(&line, length, end);
        }
        self.end_before = end;
        self.line = line;
        self.line.clear();
    }

    /// Whether the line separates parts: then those before it are over.
    fn separate(&mut self, line: &[u8], from: u64) -> bool {
        let found = self.open.iter().rposition(|part| part.is_separated_by(line).is_some());
        let Some(depth) = found else { return false };
        let is_last = self.open[depth].is_separated_by(line) == Some(true);
        // The end of the line before belongs to the separator (RFC 2046 section 5.1.1), unless that is a line of a head.
        let is_in_body = |part: &OpenPart| part.phase != PartPhase::Head && part.body_at < from;
        let is_shared = self.end_before > 0 && self.open.last().is_some_and(is_in_body);
        let before = if is_shared { from - self.end_before } else { from };
        while self.open.len() > depth + 1 {
            if let Some(part) = self.open.last_mut().filter(|_| is_shared) {
                part.lines = part.lines.saturating_sub(1);
            }
            self.close(before);
        }
        let is_over = self.open[depth].phase == PartPhase::Epilogue;
        if is_last {
            self.open[depth].phase = PartPhase::Epilogue;
        } else if !is_over && self.parts < MAX_PARTS {
            self.parts += 1;
            let kind = self.open[depth].kind.as_ref();
            let is_of_digest = kind.is_some_and(|kind| kind.is("multipart", "digest"));
            self.open.push(OpenPart { is_of_digest, ..OpenPart::new(self.at, false) });
        }
        self.count_line(depth);
        true
    }

    /// A line that separates nothing.
    fn take_line(&mut self, line: &[u8], length: u64, end: u64) {
        let depth = self.open.len() - 1;
        if end > 0 {
            self.count_line(depth);
        }
        let part = &mut self.open[depth];
        if part.phase != PartPhase::Head {
            return;
        }
        let is_empty = length == end;
        part.head_at.end = self.at;
        if self.heads < MAX_HEADS {
            self.heads += line.len();
            part.head.extend_from_slice(line);
        }
        if is_empty && end > 0 {
            self.begin_body();
        }
    }

    /// The line that was just read is one of the bodies of all parts that are open up to this depth.
    fn count_line(&mut self, depth: usize) {
        for part in &mut self.open[..=depth] {
            part.lines += u64::from(part.phase != PartPhase::Head && part.body_at < self.at);
        }
    }

    /// The head of the innermost part is whole.
    fn begin_body(&mut self) {
        let (at, depth) = (self.at, self.open.len());
        let Some(part) = self.open.last_mut() else { return };
        part.begin_body(at);
        let may_go_deeper = depth < MAX_DEPTH && self.parts < MAX_PARTS;
        if !may_go_deeper {
            (part.boundary, part.holds_letter) = (None, false);
        }
        if part.holds_letter {
            self.parts += 1;
            self.open.push(OpenPart::new(at, true));
        }
    }

    /// The innermost part ends there.
    fn close(&mut self, end: u64) {
        let Some(part) = self.open.pop() else { return };
        let part = part.finish(end);
        if let Some(parent) = self.open.last_mut() {
            parent.inside.push(part);
        }
    }
}

impl OpenPart {
    fn new(at: u64, is_letter: bool) -> Self {
        OpenPart {
            head: Vec::new(),
            head_at: at..at,
            phase: PartPhase::Head,
            body_at: at,
            lines: 0,
            kind: None,
            boundary: None,
            holds_letter: false,
            is_letter,
            is_of_digest: false,
            text: BodyText::default(),
            inside: Vec::new(),
        }
    }

    /// Whether a line separates its parts, and whether it is behind the last of them.
    fn is_separated_by(&self, line: &[u8]) -> Option<bool> {
        let rest = line.strip_prefix(b"--")?.strip_prefix(&**self.boundary.as_ref()?)?;
        let (is_last, rest) = rest.strip_prefix(b"--").map_or((false, rest), |rest| (true, rest));
        rest.trim_ascii().is_empty().then_some(is_last)
    }

    fn begin_body(&mut self, at: u64) {
        (self.phase, self.body_at) = (PartPhase::Body, at);
        self.kind = match self.text("content-type") {
            Some(value) => ContentType::read(&value),
            None => self.is_of_digest.then(ContentType::letter),
        };
        let Some(kind) = &self.kind else { return };
        if kind.kind.eq_ignore_ascii_case(b"multipart") {
            let boundary = kind.parameter("boundary").map(<[u8]>::trim_ascii_end);
            let boundary = boundary.filter(|b| !b.is_empty() && b.len() < LOOKED_AT - 8);
            self.boundary = boundary.map(<[u8]>::to_vec);
        } else if kind.is("message", "rfc822") || kind.is("message", "global") {
            // One that is encoded is bytes until somebody decodes it.
            let encoding = self.text("content-transfer-encoding").unwrap_or_default();
            let is_plain = [&b""[..], b"7bit", b"8bit", b"binary"];
            self.holds_letter = is_plain.iter().any(|plain| encoding.eq_ignore_ascii_case(plain));
        }
    }

    fn text(&self, name: &str) -> Option<Vec<u8>> {
        let is_it = |found: &[u8]| found.eq_ignore_ascii_case(name.as_bytes());
        fields(&self.head).find(|field| is_it(field.name)).map(|field| unfold(field.value))
    }

    fn finish(mut self, end: u64) -> MimePart {
        if self.phase == PartPhase::Head {
            // A head without an empty line behind it: there is no body.
            self.head_at.end = self.head_at.end.min(end).max(self.head_at.start);
            self.begin_body(self.head_at.end);
        }
        let body = self.body_at..end.max(self.body_at);
        let inside = if self.holds_letter {
            self.inside.pop().map_or(PartBody::Bytes, |letter| PartBody::Letter(Box::new(letter)))
        } else if self.inside.is_empty() {
            PartBody::Bytes
        } else {
            PartBody::Parts(std::mem::take(&mut self.inside))
        };
        let disposition = self.text("content-disposition");
        MimePart {
            body,
            lines: self.lines,
            disposition: disposition.and_then(|value| ContentType::read_disposition(&value)),
            encoding: self.text("content-transfer-encoding"),
            id: self.text("content-id"),
            description: self.text("content-description"),
            md5: self.text("content-md5"),
            language: self.text("content-language"),
            location: self.text("content-location"),
            kind: self.kind,
            has_8bit: self.text.has_8bit,
            is_utf8: !self.text.is_broken && self.text.begun.is_empty(),
            is_closed: self.phase == PartPhase::Epilogue,
            text: if self.is_letter { self.head } else { Vec::new() },
            head: self.head_at,
            inside,
        }
    }
}

impl BodyText {
    fn take(&mut self, piece: &[u8]) {
        if piece.is_ascii() && self.begun.is_empty() {
            return;
        }
        self.has_8bit = true;
        if self.is_broken {
            return;
        }
        self.begun.extend_from_slice(piece);
        let text = std::mem::take(&mut self.begun);
        if let Err(error) = std::str::from_utf8(&text) {
            match error.error_len() {
                None => self.begun = text[error.valid_up_to()..].to_vec(),
                Some(_) => self.is_broken = true,
            }
        }
    }
}

#[cfg(test)]
mod tests;
