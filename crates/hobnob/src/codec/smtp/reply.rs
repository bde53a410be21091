//! Replies of a server.

/// One reply, of one line or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpReply {
    /// 250.
    pub code: u16,
    /// The enhanced status (RFC 2034); empty where there is none: in a greeting, in what HELO, EHLO and DATA are answered.
    pub status: &'static str,
    /// The lines, at least one.
    pub lines: Vec<String>,
}

impl SmtpReply {
    /// A reply of one line.
    pub fn new(code: u16, status: &'static str, text: impl Into<String>) -> Self {
        SmtpReply { code, status, lines: vec![text.into()] }
    }

    /// A reply without an enhanced status.
    pub fn plain(code: u16, text: impl Into<String>) -> Self {
        SmtpReply::new(code, "", text)
    }

    /// Adds a line.
    pub fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// Writes it as it goes over the wire. A control character in the text, which may be a peer's, becomes `?`.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (n, line) in self.lines.iter().enumerate() {
            let mark = if n + 1 < self.lines.len() { '-' } else { ' ' };
            out.extend_from_slice(format!("{}{mark}", self.code).as_bytes());
            if !self.status.is_empty() {
                out.extend_from_slice(self.status.as_bytes());
                out.push(b' ');
            }
            let shown = line.chars().map(|c| if c.is_control() { '?' } else { c });
            out.extend_from_slice(shown.collect::<String>().as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_code_and_no_text_makes_a_line_of_its_own() {
        let mut out = Vec::new();
        SmtpReply::plain(250, "mail.test").line("SIZE 9").write(&mut out);
        SmtpReply::new(550, "5.1.1", "no a\r\n250 b").write(&mut out);
        assert_eq!(out, b"250-mail.test\r\n250 SIZE 9\r\n550 5.1.1 no a??250 b\r\n");
    }
}
