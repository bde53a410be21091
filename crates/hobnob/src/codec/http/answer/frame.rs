//! What the fields of a head say of the body's end.

use super::head::{Head, Length};
use super::unreadable::Unreadable;
use crate::codec::http::{Version, field};

/// What the fields so far have said.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Frame {
    length: Option<u64>,
    /// Two different lengths were said.
    is_torn: bool,
    /// The last transfer coding is `chunked`.
    is_chunked: bool,
    /// There is another transfer coding, which the body still has when its chunks are taken off.
    is_coded: bool,
}

impl Frame {
    pub(super) fn read(
        &mut self,
        name: &[u8],
        value: &[u8],
        is_lenient: bool,
    ) -> Result<(), Unreadable> {
        let read = if name.eq_ignore_ascii_case(b"content-length") {
            self.read_length(value)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.read_codings(value)
        } else {
            return Ok(());
        };
        if is_lenient { Ok(()) } else { read }
    }

    /// Said twice alike it means one thing; that is so common that it is let pass.
    fn read_length(&mut self, value: &[u8]) -> Result<(), Unreadable> {
        for length in value.split(|byte| *byte == b',') {
            let length = field::length(length.trim_ascii())
                .ok_or(Unreadable::Bad("the Content-Length is not digits alone"))?;
            if self.length.replace(length).is_some_and(|other| other != length) {
                self.is_torn = true;
                return Err(Unreadable::Bad("two different Content-Lengths"));
            }
        }
        Ok(())
    }

    /// RFC 9112 section 6.1. `identity`, which RFC 2616 had, says nothing.
    fn read_codings(&mut self, value: &[u8]) -> Result<(), Unreadable> {
        let codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let says_nothing =
            |coding: &&[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
        for coding in codings.filter(|coding| !says_nothing(coding)) {
            if self.is_chunked {
                return Err(Unreadable::Bad("chunked is not the last Transfer-Encoding"));
            }
            if coding.eq_ignore_ascii_case(b"chunked") {
                self.is_chunked = true;
            } else {
                self.is_coded = true;
            }
        }
        Ok(())
    }

    /// RFC 9112 section 6.3. Where the fields contradict each other, a lenient reader believes the chunks, and of two lengths
    /// none.
    pub(super) fn length(
        self,
        head: &Head,
        allows_body: bool,
        is_lenient: bool,
    ) -> Result<Length, Unreadable> {
        let is_coded = self.is_chunked || self.is_coded;
        if is_coded && self.length.is_some() && !is_lenient {
            return Err(Unreadable::Bad("both a Content-Length and a Transfer-Encoding"));
        }
        if self.is_chunked && head.version == Version::Http10 && !is_lenient {
            return Err(Unreadable::Bad("HTTP/1.0 has no Transfer-Encoding"));
        }
        if !allows_body || matches!(head.status, 101 | 204 | 304) {
            return Ok(Length::Nothing);
        }
        Ok(match self.length {
            _ if self.is_chunked => Length::Chunked,
            Some(length) if !self.is_coded && !self.is_torn => Length::Exactly(length),
            _ => Length::ToTheEnd,
        })
    }
}
