//! Notices that what we sent came back with its newline in the middle of something: whoever answers takes the newline for
//! a part of the message, as a server does that never strips what it receives.

/// What was sent last, until that has been noticed once.
#[derive(Debug, Default)]
pub(super) struct Echoed {
    /// The last line that was sent, with its newline; empty where there was none.
    line: Vec<u8>,
    is_told: bool,
}

impl Echoed {
    /// Notes what is sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.line.clear();
        if self.is_told || !bytes.ends_with(b"\n") {
            return;
        }
        let last = bytes[..bytes.len() - 1].rsplit(|byte| *byte == b'\n').next();
        if last.is_some_and(|line| !line.trim_ascii().is_empty()) {
            self.line.extend_from_slice(&bytes[bytes.len() - last.map_or(0, <[u8]>::len) - 1..]);
        }
    }

    /// Whether this answer has our newline in its middle; true once.
    pub(super) fn is_in(&mut self, answer: &[u8]) -> bool {
        let is_in = !self.is_told && !self.line.is_empty() && has_inside(answer, &self.line);
        self.is_told |= is_in;
        is_in
    }
}

/// Whether something follows the line that cannot be a line by itself: the rest of a sentence, as in `Hello, exit\n!`.
fn has_inside(answer: &[u8], line: &[u8]) -> bool {
    let Some(at) = answer.windows(line.len()).rposition(|part| part == line) else { return false };
    let rest = &answer[at + line.len()..];
    let sentence = rest.trim_ascii_end();
    let is_whole_line =
        sentence.len() < rest.len() && sentence.iter().any(u8::is_ascii_alphanumeric);
    let begins_a_word = sentence.first().is_none_or(u8::is_ascii_alphanumeric);
    !begins_a_word && !is_whole_line && !sentence.contains(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_of_ours_within_a_sentence_is_noticed_once() {
        for (sent, answer, is_inside) in [
            ("exit\n", "Hello, exit\n!", true),
            ("exit\r\n", "Hello, exit\r\n!\n", true),
            ("a\nb\n", "you said b\n, thanks", true),
            ("hi\n", "hi\n", false),
            ("hi\n", "Ada: hi\nBob: yo\n", false),
            ("hi\n", "Ada: hi\n[Bob] yo\n", false),
            ("hi\n", "hi\n\n", false),
            ("\n", "Hello, \n!", false),
            ("hi", "Hello, hi!", false),
            ("hi\n", "Hello, hi!\n", false),
        ] {
            let mut echoed = Echoed::default();
            echoed.sent(sent.as_bytes());
            assert_eq!(echoed.is_in(answer.as_bytes()), is_inside, "{sent:?} {answer:?}");
            echoed.sent(sent.as_bytes());
            assert!(!is_inside || !echoed.is_in(answer.as_bytes()), "{answer:?} twice");
        }
    }
}
