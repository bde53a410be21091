//! Answers, as a client reads them.

/// Bytes of an answer at most, all its lines together.
const MAX_ANSWER: usize = 64 * 1_024;

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpAnswer {
    /// 250.
    pub code: u16,
    /// The text of each line, behind the code. It comes from the peer: who shows it escapes it.
    pub lines: Vec<String>,
}

impl SmtpAnswer {
    /// Whether it says yes: 2xx.
    pub fn is_ok(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether the same may be well later: 4xx.
    pub fn is_for_now(&self) -> bool {
        self.code / 100 == 4
    }
}

/// What is no answer, after which nothing can be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFault {
    /// A line does not begin with three digits and a space or a hyphen.
    NotSmtp,
    /// The lines of an answer have several codes.
    TwoCodes,
    /// It is longer than 64 KiB.
    TooLong,
}

/// Reads answer after answer. A line may end in LF alone, as odd servers end it.
#[derive(Debug, Default)]
pub struct SmtpAnswerReader {
    line: Vec<u8>,
    size: usize,
    code: Option<u16>,
    lines: Vec<String>,
}

impl SmtpAnswerReader {
    /// Reads on in `bytes`, and takes from them what it has read. None: more must come.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<SmtpAnswer>, AnswerFault> {
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let length = end.map_or(bytes.len(), |at| at + 1);
            self.size += length;
            if self.size > MAX_ANSWER {
                return Err(AnswerFault::TooLong);
            }
            self.line.extend_from_slice(&bytes[..length]);
            *bytes = &bytes[length..];
            if end.is_some() && self.read_line()? {
                self.size = 0;
                let code = self.code.take().unwrap_or_default();
                return Ok(Some(SmtpAnswer { code, lines: std::mem::take(&mut self.lines) }));
            }
        }
        Ok(None)
    }

    /// Whether nothing of a next answer has come.
    pub fn is_between(&self) -> bool {
        self.size == 0
    }

    /// Reads a line, and says whether the line is the last of its answer.
    fn read_line(&mut self) -> Result<bool, AnswerFault> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let digits = line.get(..3).filter(|code| code.iter().all(u8::is_ascii_digit));
        let code = digits.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        let code = code.filter(|code| (200..600).contains(code)).ok_or(AnswerFault::NotSmtp)?;
        let is_last = match line.get(3) {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return Err(AnswerFault::NotSmtp),
        };
        if self.code.is_some_and(|before| before != code) {
            return Err(AnswerFault::TwoCodes);
        }
        self.code = Some(code);
        let text = line.get(4..).unwrap_or_default();
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        Ok(is_last)
    }
}

/// What a server offers in its answer to EHLO.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SmtpOffers(Vec<(String, Vec<String>)>);

impl SmtpOffers {
    /// Reads the lines behind the first.
    pub fn of(answer: &SmtpAnswer) -> Self {
        let offers = answer.lines.iter().skip(1).filter_map(|line| {
            // Some old servers write AUTH=LOGIN.
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            let keyword = words.next()?.to_ascii_uppercase();
            Some((keyword, words.map(str::to_ascii_uppercase).collect()))
        });
        SmtpOffers(offers.collect())
    }

    /// Whether it offers this: `STARTTLS`.
    pub fn has(&self, keyword: &str) -> bool {
        self.0.iter().any(|(offered, _)| offered == keyword)
    }

    /// Bytes of the largest letter that it takes; none where it does not say.
    pub fn size(&self) -> Option<u64> {
        let size = self.words("SIZE").next()?.parse().ok()?;
        (size > 0).then_some(size)
    }

    /// Whether it takes this mechanism to log in: `PLAIN`.
    pub fn has_mechanism(&self, mechanism: &str) -> bool {
        self.words("AUTH").any(|offered| offered == mechanism)
    }

    fn words<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        let of_it = self.0.iter().filter(move |(offered, _)| offered == keyword);
        of_it.flat_map(|(_, words)| words.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(all: &[u8], split: usize) -> Result<Vec<SmtpAnswer>, AnswerFault> {
        let (mut reader, mut answers) = (SmtpAnswerReader::default(), Vec::new());
        for mut part in [&all[..split], &all[split..]] {
            while let Some(answer) = reader.next(&mut part)? {
                answers.push(answer);
            }
        }
        Ok(answers)
    }

    #[test]
    fn answers_of_one_line_and_of_several_are_read_at_every_split() {
        let text =
            b"220 hi\r\n250-mail\r\n250-SIZE 9000\r\n250-auth=LOGIN\r\n250 AUTH plain\r\n354\n";
        for split in 0..text.len() {
            let answers = read(text, split).expect("all are answers");
            assert_eq!(answers.iter().map(|a| a.code).collect::<Vec<_>>(), [220, 250, 354]);
            let offers = SmtpOffers::of(&answers[1]);
            assert_eq!(offers.size(), Some(9_000));
            assert!(offers.has_mechanism("PLAIN") && offers.has_mechanism("LOGIN"));
            assert!(!offers.has("MAIL") && offers.has("AUTH"));
        }
    }

    #[test]
    fn what_is_no_answer_is_told_and_its_length_is_bounded() {
        for (fault, text) in [
            (AnswerFault::NotSmtp, "HTTP/1.1 400 Bad\r\n"),
            (AnswerFault::NotSmtp, "25\r\n"),
            (AnswerFault::NotSmtp, "250x\r\n"),
            (AnswerFault::NotSmtp, "099 x\r\n"),
            (AnswerFault::TwoCodes, "250-a\r\n550 b\r\n"),
        ] {
            for split in 0..text.len() {
                assert_eq!(read(text.as_bytes(), split), Err(fault), "{text}");
            }
        }
        assert_eq!(read(&vec![b'2'; MAX_ANSWER + 1], 9), Err(AnswerFault::TooLong));
        assert_eq!(read(&b"250-x\r\n".repeat(10_000), 9), Err(AnswerFault::TooLong));
    }
}
