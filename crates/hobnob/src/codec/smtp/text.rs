//! Letters as DATA and BDAT carry them.

use super::MAX_TEXT_LINE;

/// What is odd about a letter's bytes, which are kept as they are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct TextNotes {
    /// Bytes of the letter.
    pub bytes: u64,
    /// LFs without a CR before them.
    pub bare_lf: u64,
    /// CRs without an LF behind them.
    pub bare_cr: u64,
    /// Lines of more than [`MAX_TEXT_LINE`] bytes.
    pub long_lines: u64,
    /// Lines that began with a dot, which the sender had to double (RFC 5321 section 4.5.2).
    pub not_stuffed: u64,
    /// Whether a byte is not ASCII.
    pub has_8bit: bool,
    /// Whether a byte is NUL.
    pub has_nul: bool,
    /// Whether its last line has an end.
    pub is_ended: bool,
}

/// Looks at a letter's bytes as they pass.
#[derive(Debug, Default)]
pub(super) struct TextWitness {
    notes: TextNotes,
    /// Bytes of the line so far.
    line: u64,
    is_after_cr: bool,
}

impl TextWitness {
    pub(super) fn look(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.notes.bytes += bytes.len() as u64;
        self.notes.has_8bit |= !bytes.is_ascii();
        self.notes.has_nul |= memchr::memchr(0, bytes).is_some();
        if self.is_after_cr && bytes[0] != b'\n' {
            self.notes.bare_cr += 1;
        }
        let mut begun = 0;
        for at in memchr::memchr2_iter(b'\r', b'\n', bytes) {
            let is_after_cr = if at > 0 { bytes[at - 1] == b'\r' } else { self.is_after_cr };
            if bytes[at] == b'\r' {
                let follows = bytes.get(at + 1);
                self.notes.bare_cr += u64::from(follows.is_some_and(|byte| *byte != b'\n'));
            } else if is_after_cr {
                self.end_line((at + 1 - begun) as u64);
                begun = at + 1;
            } else {
                self.notes.bare_lf += 1;
            }
        }
        self.line += (bytes.len() - begun) as u64;
        self.is_after_cr = *last == b'\r';
    }

    fn end_line(&mut self, more: u64) {
        self.notes.long_lines += u64::from(self.line + more > MAX_TEXT_LINE);
        self.line = 0;
    }

    pub(super) fn note_not_stuffed(&mut self) {
        self.notes.not_stuffed += 1;
    }

    /// The letter is whole.
    pub(super) fn finish(mut self) -> TextNotes {
        self.notes.bare_cr += u64::from(self.is_after_cr);
        self.notes.is_ended = self.line == 0;
        self.notes.long_lines += u64::from(self.line > MAX_TEXT_LINE);
        self.notes
    }
}
