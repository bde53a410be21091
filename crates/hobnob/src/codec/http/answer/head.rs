//! The head of an answer: kept as it came, and read.

use super::unreadable::Unreadable;
use crate::codec::http::Version;
use crate::codec::http::field::is_token;

/// The first lines of an answer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Head {
    /// What the server said it speaks.
    pub version: Version,
    /// `200`.
    pub status: u16,
    /// How the end of the body is known.
    pub length: Length,
    /// The lines as they came, with the empty one. Where a field went on in the next line, spaces stand for the end of
    /// the line between.
    pub raw: Vec<u8>,
}

/// How the end of a body is known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// There is none: after HEAD, and with the statuses 101, 204 and 304.
    #[default]
    Nothing,
    /// So many bytes.
    Exactly(u64),
    /// Chunks, of which an empty one is the last.
    Chunked,
    /// The conn ends.
    ToTheEnd,
}

impl Head {
    /// The lines without their ends, the empty one not among them.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        lines(&self.raw)
    }

    /// Names and values of the fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines().skip(1).filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
    }

    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields();
        fields
            .find(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// `Not Found`: the server's own words; may be empty.
    pub fn reason(&self) -> &[u8] {
        self.lines().next().and_then(|line| line.get(13..)).unwrap_or_default()
    }
}

/// Name and value of a field.
pub(super) fn split(line: &[u8], is_lenient: bool) -> Result<(&[u8], &[u8]), Unreadable> {
    let colon = memchr::memchr(b':', line).ok_or(Unreadable::Bad("a field without a colon"))?;
    let (mut name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if is_lenient {
        name = name.trim_ascii_end();
    }
    if name.ends_with(b" ") || name.ends_with(b"\t") {
        return Err(Unreadable::Bad("a space stands before a colon"));
    }
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(Unreadable::Bad("a field's name is no name"));
    }
    Ok((name, value))
}

/// The lines of a head or of trailers, without their ends and the empty one.
fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = raw.split(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty())
}

/// Whether another head follows. 101 is the last of HTTP: from there on something else is spoken.
pub(super) fn is_interim(status: u16) -> bool {
    status < 200 && status != 101
}

/// Whether an answer may begin like this. A peer that speaks something else may never send a newline.
pub(super) fn could_begin(line: &[u8]) -> bool {
    line.iter().zip(b"HTTP/1.").all(|(byte, expected)| byte == expected)
}

/// RFC 9112 section 4: `HTTP/1.1 200 OK`, also where nothing follows the number.
pub(super) fn status_line(line: &[u8]) -> Result<(Version, u16), Unreadable> {
    let bad = Unreadable::Bad("the first line is not HTTP/1.1 and a status of three digits");
    let rest = line.strip_prefix(b"HTTP/1.").ok_or(bad)?;
    let [minor, b' ', hundreds, tens, ones, rest @ ..] = rest else { return Err(bad) };
    let digits = [hundreds, tens, ones];
    if !minor.is_ascii_digit() || !digits.iter().all(|digit| digit.is_ascii_digit()) {
        return Err(bad);
    }
    let status = digits.iter().fold(0, |number, digit| number * 10 + u16::from(**digit - b'0'));
    if status < 100 || !(rest.is_empty() || rest.starts_with(b" ")) {
        return Err(bad);
    }
    Ok((if *minor == b'0' { Version::Http10 } else { Version::Http11 }, status))
}
