//! What a client may do wrong on purpose, to see what a server makes of it.

use super::stuffing::Stuffer;

/// One thing that is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpBreak {
    /// Lines of the letter end with LF alone (RFC 5321 section 2.3.8).
    BareLf,
    /// Dots that lines begin with are not doubled (section 4.5.2).
    NoStuffing,
    /// EHLO leaves before the greeting has come (section 4.3.1).
    EarlyTalk,
    /// The letter leaves before DATA is answered.
    EarlyData,
    /// A line of the letter has 4,000 bytes (section 4.5.3.1.6).
    LongLine,
    /// A dot between CR LF and CR CR LF, which ends nothing, and a command behind it.
    CrCrLf,
    /// A command stands behind STARTTLS in the same write (RFC 3207 section 4.2).
    PipelineStartTls,
}

/// Each with its word, and what is to come of it.
const TABLE: &[(SmtpBreak, &str, &str)] = &[
    (SmtpBreak::BareLf, "bare-lf", "lines of the letter end with LF alone"),
    (SmtpBreak::NoStuffing, "no-stuffing", "dots at the beginning of a line are not doubled"),
    (SmtpBreak::EarlyTalk, "early-talk", "EHLO leaves before the greeting has come"),
    (SmtpBreak::EarlyData, "early-data", "the letter leaves before DATA is answered"),
    (SmtpBreak::LongLine, "long-line", "a line of the letter has 4,000 bytes"),
    (SmtpBreak::CrCrLf, "crcrlf", "CR LF . CR CR LF stands in the letter, and a command behind it"),
    (SmtpBreak::PipelineStartTls, "pipeline-starttls", "a command stands behind STARTTLS"),
];

/// Bytes of the line that is too long.
const LONG: usize = 4_000;
/// What must not end a letter, and a command that must not be one.
const SMUGGLED: &[u8] = b"\r\n.\r\r\nNOOP smuggled\r\n";

impl SmtpBreak {
    /// The words, each with what it does.
    pub fn words() -> impl Iterator<Item = (&'static str, &'static str)> {
        TABLE.iter().map(|(_, word, what)| (*word, *what))
    }

    /// What one of the words means.
    pub fn of(word: &str) -> Option<Self> {
        TABLE.iter().find(|(_, name, _)| *name == word).map(|(one, ..)| *one)
    }

    /// What is done wrong, in plain words.
    pub fn what(self) -> &'static str {
        TABLE.iter().find(|(one, ..)| *one == self).map_or("", |(_, _, what)| what)
    }
}

/// A letter as it goes over the wire, in pieces, with its dot behind it.
#[derive(Debug)]
pub struct SmtpText {
    stuffer: Stuffer,
    how: Option<SmtpBreak>,
}

impl SmtpText {
    /// A letter that begins, done wrong in this way.
    pub fn new(how: Option<SmtpBreak>) -> Self {
        SmtpText { stuffer: Stuffer::default(), how }
    }

    /// Writes a piece.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self.how {
            Some(SmtpBreak::NoStuffing) => out.extend_from_slice(piece),
            Some(SmtpBreak::BareLf) => {
                out.extend(piece.iter().copied().filter(|byte| *byte != b'\r'));
            }
            _ => self.stuffer.push(piece, out),
        }
    }

    /// Writes the end.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        match self.how {
            Some(SmtpBreak::NoStuffing | SmtpBreak::BareLf) => {
                out.extend_from_slice(b"\r\n.\r\n");
                return;
            }
            Some(SmtpBreak::LongLine) => {
                self.stuffer.push(&[b"\r\n", &[b'x'; LONG][..]].concat(), out);
            }
            Some(SmtpBreak::CrCrLf) => out.extend_from_slice(SMUGGLED),
            _ => {}
        }
        self.stuffer.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(how: Option<SmtpBreak>, letter: &[u8]) -> Vec<u8> {
        let whole = |cut: usize| {
            let (mut text, mut out) = (SmtpText::new(how), Vec::new());
            text.push(&letter[..cut], &mut out);
            text.push(&letter[cut..], &mut out);
            text.finish(&mut out);
            out
        };
        let first = whole(0);
        (0..=letter.len()).for_each(|cut| assert_eq!(whole(cut), first, "cut at {cut}"));
        first
    }

    #[test]
    fn a_letter_is_broken_as_it_was_asked_for_and_no_otherwise() {
        let letter = b"a\r\n.b\r\n";
        assert_eq!(sent(None, letter), b"a\r\n..b\r\n.\r\n");
        assert_eq!(sent(Some(SmtpBreak::EarlyTalk), letter), b"a\r\n..b\r\n.\r\n");
        assert_eq!(sent(Some(SmtpBreak::NoStuffing), letter), b"a\r\n.b\r\n\r\n.\r\n");
        assert_eq!(sent(Some(SmtpBreak::BareLf), letter), b"a\n.b\n\r\n.\r\n");
        let smuggling = sent(Some(SmtpBreak::CrCrLf), letter);
        assert!(smuggling.ends_with(b"\r\n.\r\r\nNOOP smuggled\r\n.\r\n"));
        let long = sent(Some(SmtpBreak::LongLine), letter);
        assert!(long.split(|byte| *byte == b'\n').any(|line| line.len() > LONG));
    }

    #[test]
    fn each_word_is_one_of_them() {
        for (word, what) in SmtpBreak::words() {
            assert_eq!(SmtpBreak::of(word).map(SmtpBreak::what), Some(what), "{word}");
        }
        assert_eq!(SmtpBreak::of("nothing"), None);
    }
}
