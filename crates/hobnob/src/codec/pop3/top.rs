//! The beginning of a letter: its head, the empty line, and so many lines of its body (RFC 1939, `TOP`).

/// Says how much of a letter belongs to its beginning. However the letter is cut, that is the same.
#[derive(Debug)]
pub struct Top {
    /// Lines of the body that are still wanted; none: all of the letter.
    left: Option<u64>,
    is_in_body: bool,
    /// Bytes of the line so far that are not its end.
    line: u64,
    is_over: bool,
}

impl Top {
    /// So many lines of the body; none: the whole letter.
    pub fn new(lines: Option<u64>) -> Self {
        Top { left: lines, is_in_body: false, line: 0, is_over: false }
    }

    /// How many bytes of this part belong to it.
    pub fn take(&mut self, part: &[u8]) -> usize {
        let Some(mut left) = self.left else { return part.len() };
        if self.is_over {
            return 0;
        }
        let mut begun = 0;
        for end in memchr::memchr_iter(b'\n', part) {
            let line = &part[begun..end];
            let length = line.strip_suffix(b"\r").unwrap_or(line).len() as u64;
            // A CR that came before the cut was counted, so that an empty line has one byte then.
            let is_empty = self.line + length == 0 || self.line == u64::MAX && length == 0;
            (begun, self.line) = (end + 1, 0);
            if self.is_in_body {
                left -= 1;
            } else if is_empty {
                self.is_in_body = true;
            }
            self.left = Some(left);
            if self.is_in_body && left == 0 {
                self.is_over = true;
                return begun;
            }
        }
        let rest = &part[begun..];
        if !rest.is_empty() {
            // A lone CR may be the first half of an empty line's end.
            let is_cr = self.line == 0 && rest == b"\r";
            self.line = if is_cr { u64::MAX } else { 1 };
        }
        part.len()
    }

    /// Whether nothing behind belongs to it.
    pub fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_the_same_at_every_split() {
        let letter = b"a: b\r\nc: d\r\n\r\none\r\n\r\nthree";
        for (lines, beginning) in [
            (Some(0), "a: b\r\nc: d\r\n\r\n"),
            (Some(1), "a: b\r\nc: d\r\n\r\none\r\n"),
            (Some(2), "a: b\r\nc: d\r\n\r\none\r\n\r\n"),
            (Some(3), "a: b\r\nc: d\r\n\r\none\r\n\r\nthree"),
            (None, "a: b\r\nc: d\r\n\r\none\r\n\r\nthree"),
        ] {
            for split in 0..=letter.len() {
                let (mut top, mut out) = (Top::new(lines), Vec::new());
                for part in [&letter[..split], &letter[split..]] {
                    let taken = top.take(part);
                    out.extend_from_slice(&part[..taken]);
                }
                assert_eq!(String::from_utf8_lossy(&out), beginning, "{lines:?} at {split}");
            }
            let (mut top, mut out) = (Top::new(lines), Vec::new());
            for byte in letter.chunks(1) {
                let taken = top.take(byte);
                out.extend_from_slice(&byte[..taken]);
            }
            assert_eq!(String::from_utf8_lossy(&out), beginning, "{lines:?} byte by byte");
        }
        assert_eq!(Top::new(Some(0)).take(b"a: b\n\nc\n"), 6, "LF alone ends lines too");
        assert_eq!(Top::new(Some(0)).take(b"\r\nc\r\n"), 2, "a letter without a head");
    }
}
