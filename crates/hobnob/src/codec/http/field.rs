//! The fields of a head, as far as they say where the body ends.

use super::MAX_FIELDS;
use super::fault::{RequestFault, TOO_LARGE, bad};

/// What the fields so far have said.
#[derive(Debug, Default, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is what one field says")]
pub(super) struct FieldReader {
    count: usize,
    pub(super) has_host: bool,
    pub(super) length: Option<u64>,
    pub(super) is_chunked: bool,
    /// `Connection: close`.
    pub(super) closes: bool,
    /// `Connection: keep-alive`, which HTTP/1.0 says where it wants to go on.
    pub(super) keeps: bool,
}

impl FieldReader {
    /// Reads one line of a head.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<(), RequestFault> {
        let (name, raw) = self.split(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            if std::mem::replace(&mut self.has_host, true) {
                return Err(bad("more than one Host"));
            }
            if !is_host(raw.trim_ascii()) {
                return Err(bad("the Host is no host"));
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let length = plain(raw).and_then(length);
            let length = length.ok_or(bad("the Content-Length is not digits alone"))?;
            if self.length.replace(length).is_some() {
                return Err(bad("more than one Content-Length"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_known = plain(raw).is_some_and(|raw| raw.eq_ignore_ascii_case(b"chunked"));
            if !is_known {
                return Err(bad("a Transfer-Encoding other than chunked"));
            }
            if std::mem::replace(&mut self.is_chunked, true) {
                return Err(bad("more than one Transfer-Encoding"));
            }
        } else if name.eq_ignore_ascii_case(b"connection") {
            for word in raw.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.closes |= word.eq_ignore_ascii_case(b"close");
                self.keeps |= word.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }

    /// Reads one line behind the last chunk, where nothing may be said of the framing any more.
    pub(super) fn read_trailer(&mut self, line: &[u8]) -> Result<(), RequestFault> {
        let (name, _) = self.split(line)?;
        if frames(name) {
            return Err(bad("a trailer that belongs into the head"));
        }
        Ok(())
    }

    /// Name, and the value with the spaces around it.
    fn split<'a>(&mut self, line: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), RequestFault> {
        self.count += 1;
        if self.count > MAX_FIELDS {
            return Err(TOO_LARGE);
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(bad("a field goes on in a second line"));
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err(bad("a field without a colon"));
        };
        let name = &line[..colon];
        if name.ends_with(b" ") || name.ends_with(b"\t") {
            return Err(bad("a space stands before a colon"));
        }
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(bad("a field's name is no name"));
        }
        Ok((name, &line[colon + 1..]))
    }
}

/// Whether a field of this name says where a message ends, or to whom it goes.
pub(super) fn frames(name: &[u8]) -> bool {
    let frames = [&b"host"[..], b"content-length", b"transfer-encoding"];
    frames.iter().any(|field| name.eq_ignore_ascii_case(field))
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A value with one space before it, or none: what frames a body leaves nothing to be trimmed in two ways.
fn plain(raw: &[u8]) -> Option<&[u8]> {
    let value = raw.strip_prefix(b" ").unwrap_or(raw);
    (value.trim_ascii() == value).then_some(value)
}

/// Digits alone.
pub(super) fn length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()
}

/// The characters of a name or address with a port; an `http` URL has one, so it is not empty.
fn is_host(value: &[u8]) -> bool {
    let is_of_one =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte);
    !value.is_empty() && value.iter().all(is_of_one)
}
