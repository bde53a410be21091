//! A command, as it is read from left to right. Literals stand in it as they came: `{3}`, CR LF, three bytes.

use super::set::SequenceSet;

/// What is wrong, and where, in bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: &'static str,
    pub(super) at: usize,
}

pub(super) type Read<T> = Result<T, Wrong>;

pub(super) struct ImapScan<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl<'a> ImapScan<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        ImapScan { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    pub(super) fn wrong<T>(&self, what: &'static str) -> Read<T> {
        Err(Wrong { what, at: self.at })
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// Passes over this byte, where it stands next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// Passes over this text, in any case, where it stands next.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let next = self.rest().get(..word.len());
        let is_there = next.is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()));
        self.at += if is_there { word.len() } else { 0 };
        is_there
    }

    pub(super) fn space(&mut self) -> Read<()> {
        if self.eat(b' ') { Ok(()) } else { self.wrong("a space belongs here") }
    }

    pub(super) fn expect(&mut self, byte: u8, what: &'static str) -> Read<()> {
        if self.eat(byte) { Ok(()) } else { self.wrong(what) }
    }

    pub(super) fn end(&self) -> Read<()> {
        if self.rest().is_empty() { Ok(()) } else { self.wrong("the command should end here") }
    }

    fn take(&mut self, is_of_kind: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest().iter().take_while(|byte| is_of_kind(**byte)).count();
        let taken = &self.rest()[..length];
        self.at += length;
        taken
    }

    /// An atom (RFC 3501 section 9).
    pub(super) fn atom(&mut self) -> Read<String> {
        let atom = self.take(is_atom);
        if atom.is_empty() {
            return self.wrong("a word belongs here");
        }
        Ok(String::from_utf8_lossy(atom).into_owned())
    }

    /// The tag that a command begins with.
    pub(super) fn tag(&mut self) -> Read<String> {
        let tag = self.take(|byte| is_astring(byte) && byte != b'+');
        if tag.is_empty() {
            return self.wrong("a tag belongs here, as in: a1 NOOP");
        }
        Ok(String::from_utf8_lossy(tag).into_owned())
    }

    pub(super) fn number(&mut self) -> Read<u32> {
        let from = self.at;
        let digits = self.take(|byte| byte.is_ascii_digit());
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        number.ok_or(Wrong { what: "a number of at most 4294967295 belongs here", at: from })
    }

    /// `"..."` or a literal.
    pub(super) fn string(&mut self) -> Read<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => self.wrong("a string in quotes, or a literal, belongs here"),
        }
    }

    /// A string, or a word that needs no quotes.
    pub(super) fn astring(&mut self) -> Read<Vec<u8>> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string();
        }
        let word = self.take(is_astring);
        if word.is_empty() {
            self.wrong("a word or a string belongs here")
        } else {
            Ok(word.to_vec())
        }
    }

    /// A string that is text.
    pub(super) fn text(&mut self) -> Read<String> {
        let at = self.at;
        let not_text = Wrong { what: "this is not UTF-8", at };
        String::from_utf8(self.astring()?).map_err(|_| not_text)
    }

    /// The name of a mailbox. INBOX is itself in any case (RFC 3501 section 5.1).
    pub(super) fn mailbox(&mut self) -> Read<String> {
        let name = self.text()?;
        Ok(if name.eq_ignore_ascii_case("inbox") { "INBOX".to_owned() } else { name })
    }

    /// A name with `%` and `*`.
    pub(super) fn pattern(&mut self) -> Read<String> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.text();
        }
        let at = self.at;
        let pattern = self.take(|byte| is_astring(byte) || matches!(byte, b'%' | b'*'));
        let what = "a name, with % and * in it, belongs here";
        if pattern.is_empty() {
            return self.wrong(what);
        }
        String::from_utf8(pattern.to_vec()).map_err(|_| Wrong { what, at })
    }

    fn quoted(&mut self) -> Read<Vec<u8>> {
        let from = self.at;
        self.at += 1;
        let mut text = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return Ok(text),
                b'\\' => match self.peek() {
                    Some(escaped @ (b'"' | b'\\')) => {
                        self.at += 1;
                        text.push(escaped);
                    }
                    _ => return self.wrong("behind a backslash stands a quote or a backslash"),
                },
                b'\r' | b'\n' | 0 => break,
                other => text.push(other),
            }
        }
        Err(Wrong { what: "a string does not end", at: from })
    }

    fn literal(&mut self) -> Read<Vec<u8>> {
        let from = self.at;
        let wrong = Wrong { what: "this is no literal", at: from };
        self.at += 1;
        let length = usize::try_from(self.number()?).map_err(|_| wrong)?;
        self.eat(b'+');
        let is_one = self.eat(b'}') && self.eat_word("\r\n");
        let text = self.rest().get(..length).filter(|_| is_one).ok_or(wrong)?;
        self.at += length;
        if text.contains(&0) {
            return Err(Wrong { what: "a NUL stands in a literal", at: from });
        }
        Ok(text.to_vec())
    }

    pub(super) fn set(&mut self) -> Read<SequenceSet> {
        let from = self.at;
        let set = self.take(|byte| byte.is_ascii_digit() || b"*:,".contains(&byte));
        let set = std::str::from_utf8(set).ok().and_then(SequenceSet::parse);
        set.ok_or(Wrong { what: "a set of numbers belongs here, as in 1:3,7,9:*", at: from })
    }

    /// `(... ...)`, with spaces between; without any where there may be none.
    pub(super) fn list<T>(
        &mut self,
        may_be_empty: bool,
        mut item: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        self.expect(b'(', "a list in ( and ) belongs here")?;
        let mut all = Vec::new();
        if may_be_empty && self.eat(b')') {
            return Ok(all);
        }
        loop {
            all.push(item(self)?);
            if self.eat(b')') {
                return Ok(all);
            }
            self.space()?;
        }
    }

    /// `\Seen`, or a keyword.
    pub(super) fn flag(&mut self) -> Read<String> {
        let mark = if self.eat(b'\\') { "\\" } else { "" };
        Ok(format!("{mark}{}", self.atom()?))
    }
}

/// RFC 3501 section 9, `ATOM-CHAR`; 8-bit characters pass, as RFC 9051 has them in names.
fn is_atom(byte: u8) -> bool {
    !byte.is_ascii_control() && !b"(){ %*\"\\]".contains(&byte)
}

fn is_astring(byte: u8) -> bool {
    is_atom(byte) || byte == b']'
}
