//! Letters as a client sends them behind DATA.

/// Doubles the dots that lines begin with, and ends every line with CR LF, however it ended before: no neighbour finds an
/// end in the letter that is none. However the letter is cut, the same bytes go out.
#[derive(Debug)]
pub struct Stuffer {
    is_line_start: bool,
    is_after_cr: bool,
}

impl Default for Stuffer {
    fn default() -> Self {
        Stuffer { is_line_start: true, is_after_cr: false }
    }
}

impl Stuffer {
    /// Writes a part of the letter to `out`.
    pub fn push(&mut self, mut part: &[u8], out: &mut Vec<u8>) {
        while let Some(first) = part.first() {
            if std::mem::take(&mut self.is_after_cr) && *first == b'\n' {
                part = &part[1..];
                continue;
            }
            if self.is_line_start && *first == b'.' {
                out.push(b'.');
            }
            let stop = memchr::memchr2(b'\r', b'\n', part).unwrap_or(part.len());
            out.extend_from_slice(&part[..stop]);
            self.is_line_start = false;
            if let Some(end) = part.get(stop) {
                out.extend_from_slice(b"\r\n");
                (self.is_line_start, self.is_after_cr) = (true, *end == b'\r');
            }
            part = part.get(stop + 1..).unwrap_or_default();
        }
    }

    /// Writes the end of the letter, with the dot.
    pub fn finish(self, out: &mut Vec<u8>) {
        if !self.is_line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

/// The bytes that a letter has where every line of it ends with CR LF, which is what SIZE announces; dots that are doubled do
/// not count (RFC 1870 section 6.1).
pub(super) fn announced_size(letter: &[u8]) -> u64 {
    let (mut size, mut before): (u64, Option<usize>) = (letter.len() as u64, None);
    for at in memchr::memchr2_iter(b'\r', b'\n', letter) {
        let is_one_end = letter[at] == b'\n' && before.is_some_and(|before| before + 1 == at);
        // A CR or LF alone becomes both; of CR LF, each was counted.
        size += u64::from(!is_one_end);
        size -= u64::from(is_one_end);
        before = (letter[at] == b'\r').then_some(at);
    }
    let is_open = letter.last().is_some_and(|last| !matches!(last, b'\r' | b'\n'));
    size + if is_open { 2 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_that_is_announced_is_the_size_that_is_sent() {
        for letter in [
            "",
            "a",
            "a\r\n",
            "a\n",
            "a\r",
            "a\r\n\r\nb",
            "a\n\nb\n",
            "a\r\rb",
            "a\r\r\n\n\r\n",
            "\n",
            "\r\n",
        ] {
            let (mut stuffer, mut out) = (Stuffer::default(), Vec::new());
            stuffer.push(letter.as_bytes(), &mut out);
            stuffer.finish(&mut out);
            let dot = b".\r\n".len();
            assert_eq!(announced_size(letter.as_bytes()), (out.len() - dot) as u64, "{letter:?}");
        }
    }

    #[test]
    fn dots_are_doubled_and_lines_end_with_cr_lf_at_every_split() {
        for (letter, sent) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("..a\r\n.b\r\nc.\r\n", "...a\r\n..b\r\nc.\r\n.\r\n"),
            ("a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r\r\n.\n\r\n", "a\r\n\r\n..\r\n\r\n.\r\n"),
        ] {
            for split in 0..=letter.len() {
                let (mut stuffer, mut out) = (Stuffer::default(), Vec::new());
                stuffer.push(&letter.as_bytes()[..split], &mut out);
                stuffer.push(&letter.as_bytes()[split..], &mut out);
                stuffer.finish(&mut out);
                assert_eq!(out, sent.as_bytes(), "{letter:?} at {split}");
            }
        }
    }
}
