//! Answers, as a client reads them.

use crate::codec::dots::{DotReader, Dotted};

/// Bytes of the first line of an answer at most; RFC 2449 section 4 asks for 512.
const MAX_LINE: usize = 16 * 1_024;

/// A part of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Pop3Answer<'a> {
    /// `+OK` with its text.
    Ok(String),
    /// `-ERR` with its text.
    Err(String),
    /// `+ ` with a challenge in base64.
    Challenge(String),
    /// Bytes of the lines behind it, without the dots that were doubled.
    Text(&'a [u8]),
    /// Those lines are over.
    End,
}

/// What is no answer, after which nothing can be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pop3AnswerFault {
    /// It begins with neither `+OK`, `-ERR` nor `+ `.
    NotPop3,
    /// Its first line has over 16 KiB.
    TooLong,
}

/// Reads answer after answer.
#[derive(Debug, Default)]
pub struct Pop3AnswerReader {
    line: Vec<u8>,
    /// Whether lines follow an answer that says yes.
    expects_lines: bool,
    dots: Option<DotReader>,
}

impl Pop3AnswerReader {
    /// Whether lines follow the next answer where it says yes, as they do for RETR.
    pub fn expect_lines(&mut self, expects_lines: bool) {
        self.expects_lines = expects_lines;
    }

    /// Reads on in `bytes`, and takes from them what it has read. None: more must come.
    pub fn next<'a>(
        &mut self,
        bytes: &mut &'a [u8],
    ) -> Result<Option<Pop3Answer<'a>>, Pop3AnswerFault> {
        if let Some(dots) = &mut self.dots {
            loop {
                match dots.next(bytes) {
                    None => return Ok(None),
                    Some(Dotted::NotStuffed) => {}
                    Some(Dotted::Text(text)) => return Ok(Some(Pop3Answer::Text(text))),
                    Some(Dotted::End) => {
                        self.dots = None;
                        return Ok(Some(Pop3Answer::End));
                    }
                }
            }
        }
        let end = memchr::memchr(b'\n', bytes);
        let length = end.map_or(bytes.len(), |at| at + 1);
        if self.line.len() + length > MAX_LINE {
            return Err(Pop3AnswerFault::TooLong);
        }
        self.line.extend_from_slice(&bytes[..length]);
        *bytes = &bytes[length..];
        if end.is_none() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        let behind = |word: &str| {
            let rest = line.get(word.len()..)?;
            let is_it = line[..word.len()].eq_ignore_ascii_case(word);
            (is_it && (rest.is_empty() || rest.starts_with(' ')))
                .then(|| rest.trim_start().to_owned())
        };
        if let Some(text) = behind("+OK") {
            self.dots = self.expects_lines.then(DotReader::default);
            return Ok(Some(Pop3Answer::Ok(text)));
        }
        if let Some(text) = behind("-ERR") {
            return Ok(Some(Pop3Answer::Err(text)));
        }
        let challenge = behind("+").map(Pop3Answer::Challenge);
        challenge.map(Some).ok_or(Pop3AnswerFault::NotPop3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_at_every_split_and_dots_are_taken_away() {
        let text = b"+OK hi\r\n-ERR [IN-USE] no\r\n+ \r\n+ok 9 octets\r\n..a\r\n.\r\n";
        for split in 0..text.len() {
            let (mut reader, mut heard, mut body) =
                (Pop3AnswerReader::default(), Vec::new(), Vec::new());
            for mut part in [&text[..split], &text[split..]] {
                while let Some(answer) = reader.next(&mut part).expect("answers") {
                    match answer {
                        Pop3Answer::Ok(text) | Pop3Answer::Err(text) => heard.push(text),
                        Pop3Answer::Challenge(text) => {
                            reader.expect_lines(true);
                            heard.push(text);
                        }
                        Pop3Answer::Text(text) => body.extend_from_slice(text),
                        Pop3Answer::End => heard.push("end".to_owned()),
                    }
                }
            }
            assert_eq!(heard, ["hi", "[IN-USE] no", "", "9 octets", "end"], "{split}");
            assert_eq!(body, b".a\r\n");
        }
        let mut reader = Pop3AnswerReader::default();
        assert_eq!(reader.next(&mut &b"220 hi\r\n"[..]), Err(Pop3AnswerFault::NotPop3));
        let long = vec![b'+'; MAX_LINE + 1];
        assert_eq!(reader.next(&mut &long[..]), Err(Pop3AnswerFault::TooLong));
    }
}
