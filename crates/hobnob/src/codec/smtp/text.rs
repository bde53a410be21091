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

/// Reads what DATA carries up to the line that is a dot, and takes away the dots that the sender doubled.
#[derive(Debug, Default)]
pub(super) struct DotReader {
    place: DotPlace,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum DotPlace {
    /// At the beginning of a line, which is behind CR LF and nowhere else.
    #[default]
    LineStart,
    /// In a line.
    Inside,
    /// Behind a CR in a line.
    Cr,
    /// Behind the dot that a line began with.
    Dot,
    /// Behind that dot and a CR.
    DotCr,
}

/// What stands next.
pub(super) enum Dotted<'a> {
    Text(&'a [u8]),
    /// The line that began there with a dot was not stuffed.
    NotStuffed,
    End,
}

impl DotReader {
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Dotted<'a>> {
        let all = *bytes;
        let mut at = 0;
        while at < all.len() {
            match (self.place, all[at]) {
                (DotPlace::LineStart, b'.') => {
                    if at > 0 {
                        break;
                    }
                    *bytes = &all[1..];
                    self.place = DotPlace::Dot;
                    return self.after_dot(bytes);
                }
                (DotPlace::Dot | DotPlace::DotCr, _) => return self.after_dot(bytes),
                (DotPlace::Cr, b'\n') => {
                    self.place = DotPlace::LineStart;
                    at += 1;
                }
                _ => {
                    self.place = DotPlace::Inside;
                    let stop = memchr::memchr(b'\r', &all[at..]);
                    at = stop.map_or(all.len(), |stop| at + stop + 1);
                    if stop.is_some() {
                        self.place = DotPlace::Cr;
                    }
                }
            }
        }
        let (text, rest) = all.split_at(at);
        *bytes = rest;
        (!text.is_empty()).then_some(Dotted::Text(text))
    }

    /// What a line is that began with a dot, once that can be told.
    fn after_dot<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Dotted<'a>> {
        loop {
            let first = *bytes.first()?;
            match (self.place, first) {
                (DotPlace::Dot, b'\r') => {
                    *bytes = &bytes[1..];
                    self.place = DotPlace::DotCr;
                }
                (DotPlace::Dot, b'.') => {
                    self.place = DotPlace::Inside;
                    return self.next(bytes);
                }
                (DotPlace::Dot, _) => {
                    self.place = DotPlace::Inside;
                    return Some(Dotted::NotStuffed);
                }
                (DotPlace::DotCr, b'\n') => {
                    *bytes = &bytes[1..];
                    self.place = DotPlace::LineStart;
                    return Some(Dotted::End);
                }
                // The CR belongs to the letter.
                _ => {
                    self.place = DotPlace::Cr;
                    return Some(Dotted::Text(b"\r"));
                }
            }
        }
    }
}
