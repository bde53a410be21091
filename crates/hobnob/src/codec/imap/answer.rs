//! Answers, as a client reads them. It takes what odd servers send, as far as that can be told apart.

use super::MAX_NESTING;

/// Bytes of an answer at most, where nobody says otherwise: a letter comes as a literal.
const MAX_ANSWER: usize = 64 << 20;
/// Things in an answer at most.
const MAX_ITEMS: usize = 1_000_000;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImapAnswer {
    /// `*`, `+`, or the tag of the command that it ends.
    pub tag: String,
    /// What it says. Of `OK`, `NO`, `BAD`, `BYE` and `PREAUTH`: the word, what stands in square brackets (without them; empty
    /// where there is nothing), and the rest as one text.
    pub items: Vec<ImapItem>,
}

/// A thing in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImapItem {
    /// A word or number, as it stands: `FETCH`, `12`, `\Seen`, `BODY[1.TEXT]<0>`.
    Word(String),
    /// A string, from quotes or a literal.
    Text(Vec<u8>),
    /// `NIL`.
    Nil,
    /// A list.
    List(Vec<ImapItem>),
}

/// What is no answer, after which nothing can be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImapAnswerFault {
    /// It is larger than the reader takes.
    TooLong,
    /// It cannot be read.
    NotImap,
}

/// Reads answer after answer.
#[derive(Debug)]
pub struct ImapAnswerReader {
    text: Vec<u8>,
    /// Where in it the line begins that is not whole yet.
    line: usize,
    /// Bytes of a literal that are missing.
    literal: usize,
    most: usize,
}

impl Default for ImapAnswerReader {
    fn default() -> Self {
        ImapAnswerReader { text: Vec::new(), line: 0, literal: 0, most: MAX_ANSWER }
    }
}

impl ImapAnswerReader {
    /// A reader of answers of at most so many bytes.
    pub fn of(most: usize) -> Self {
        ImapAnswerReader { most, ..ImapAnswerReader::default() }
    }

    /// Reads on in `bytes`, and takes from them what it has read. None: more must come.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<ImapAnswer>, ImapAnswerFault> {
        while !bytes.is_empty() {
            let end = if self.literal > 0 { None } else { memchr::memchr(b'\n', bytes) };
            let length = match (self.literal, end) {
                (0, Some(end)) => end + 1,
                (0, None) => bytes.len(),
                (left, _) => left.min(bytes.len()),
            };
            if self.text.len() + length > self.most {
                return Err(ImapAnswerFault::TooLong);
            }
            self.text.extend_from_slice(&bytes[..length]);
            *bytes = &bytes[length..];
            if self.literal > 0 {
                self.literal -= length;
                self.line = self.text.len();
            } else if end.is_some() {
                match announced(&self.text[self.line..]) {
                    Some(size) if size > self.most => return Err(ImapAnswerFault::TooLong),
                    Some(size) => (self.literal, self.line) = (size, self.text.len()),
                    None => {
                        let text = std::mem::take(&mut self.text);
                        self.line = 0;
                        return read(&text).map(Some).ok_or(ImapAnswerFault::NotImap);
                    }
                }
            }
        }
        Ok(None)
    }
}

/// The literal that a line announces at its end.
fn announced(line: &[u8]) -> Option<usize> {
    let inner = line.trim_ascii_end().strip_suffix(b"}")?;
    let at = memchr::memrchr(b'{', inner)?;
    let digits = std::str::from_utf8(&inner[at + 1..]).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

fn read(text: &[u8]) -> Option<ImapAnswer> {
    let text = text.trim_ascii_end();
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    let tag = std::str::from_utf8(&text[..end]).ok()?.to_owned();
    let rest = text.get(end + 1..).unwrap_or_default();
    if tag.is_empty() {
        return None;
    }
    if tag == "+" {
        return Some(ImapAnswer { tag, items: vec![ImapItem::Text(rest.to_vec())] });
    }
    let word_end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let word = String::from_utf8_lossy(&rest[..word_end]).to_ascii_uppercase();
    if ["OK", "NO", "BAD", "BYE", "PREAUTH"].contains(&word.as_str()) {
        let said = rest.get(word_end + 1..).unwrap_or_default();
        let code = said.strip_prefix(b"[").and_then(|inner| {
            let end = memchr::memchr(b']', inner)?;
            Some((&inner[..end], inner[end + 1..].trim_ascii_start()))
        });
        let (code, said) = code.unwrap_or((b"", said));
        let items = vec![
            ImapItem::Word(word),
            ImapItem::Text(code.to_vec()),
            ImapItem::Text(said.to_vec()),
        ];
        return Some(ImapAnswer { tag, items });
    }
    let (mut at, mut left) = (0, MAX_ITEMS);
    let items = items(rest, &mut at, 0, &mut left)?;
    (at >= rest.len()).then_some(ImapAnswer { tag, items })
}

/// What stands up to the end, or up to the bracket that ends the list.
fn items(text: &[u8], at: &mut usize, depth: usize, left: &mut usize) -> Option<Vec<ImapItem>> {
    // Structures of letters nest deeper than anything a client says.
    if depth > 8 * MAX_NESTING {
        return None;
    }
    let mut all = Vec::new();
    while let Some(first) = text.get(*at) {
        *left = left.checked_sub(1)?;
        match first {
            b' ' => *at += 1,
            b')' if depth > 0 => {
                *at += 1;
                return Some(all);
            }
            b')' => return None,
            b'(' => {
                *at += 1;
                all.push(ImapItem::List(items(text, at, depth + 1, left)?));
            }
            b'"' => all.push(ImapItem::Text(quoted(text, at)?)),
            b'{' => all.push(ImapItem::Text(literal(text, at)?)),
            _ => all.push(word(text, at)),
        }
    }
    (depth == 0).then_some(all)
}

fn quoted(text: &[u8], at: &mut usize) -> Option<Vec<u8>> {
    let mut said = Vec::new();
    *at += 1;
    loop {
        let byte = *text.get(*at)?;
        *at += 1;
        match byte {
            b'"' => return Some(said),
            b'\\' => {
                said.push(*text.get(*at)?);
                *at += 1;
            }
            other => said.push(other),
        }
    }
}

fn literal(text: &[u8], at: &mut usize) -> Option<Vec<u8>> {
    let end = *at + memchr::memchr(b'\n', &text[*at..])? + 1;
    let size = announced(&text[*at..end])?;
    let said = text.get(end..end.checked_add(size)?)?.to_vec();
    *at = end + size;
    Some(said)
}

/// A word; blanks and brackets within `[` and `]` belong to it.
fn word(text: &[u8], at: &mut usize) -> ImapItem {
    let from = *at;
    let mut is_inside = false;
    while let Some(byte) = text.get(*at) {
        match byte {
            b'[' => is_inside = true,
            b']' => is_inside = false,
            b' ' | b'(' | b')' | b'"' if !is_inside => break,
            _ => {}
        }
        *at += 1;
    }
    let word = String::from_utf8_lossy(&text[from..*at]).into_owned();
    if word.eq_ignore_ascii_case("nil") { ImapItem::Nil } else { ImapItem::Word(word) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answers(text: &[u8], splits: &[usize]) -> Result<Vec<ImapAnswer>, ImapAnswerFault> {
        let (mut reader, mut all, mut from) = (ImapAnswerReader::of(10_000), Vec::new(), 0);
        for end in splits.iter().copied().chain([text.len()]) {
            let mut bytes = &text[from..end];
            while let Some(answer) = reader.next(&mut bytes)? {
                all.push(answer);
            }
            from = end;
        }
        Ok(all)
    }

    #[test]
    fn answers_are_read_with_their_literals_at_every_split() {
        let text = b"* OK [CAPABILITY IMAP4rev1] it's (ready\r\n* 1 FETCH (FLAGS (\\Seen $X) BODY[HEADER.FIELDS (TO)] \
            {5}\r\na)\"\r\n ENVELOPE (\"a \\\"b\" NIL))\r\n+ \r\na1 NO no\r\n* SEARCH\r\n* LIST () \"/\" INBOX\r\n";
        let word = |text: &str| ImapItem::Word(text.to_owned());
        let said = |text: &str| ImapItem::Text(text.as_bytes().to_vec());
        let whole = answers(text, &[]).expect("all are answers");
        assert_eq!(whole[0].items, [word("OK"), said("CAPABILITY IMAP4rev1"), said("it's (ready")]);
        assert_eq!(
            whole[1].items,
            [
                word("1"),
                word("FETCH"),
                ImapItem::List(vec![
                    word("FLAGS"),
                    ImapItem::List(vec![word("\\Seen"), word("$X")]),
                    word("BODY[HEADER.FIELDS (TO)]"),
                    said("a)\"\r\n"),
                    word("ENVELOPE"),
                    ImapItem::List(vec![said("a \"b"), ImapItem::Nil]),
                ]),
            ]
        );
        assert_eq!((&*whole[2].tag, &*whole[3].tag, whole.len()), ("+", "a1", 6));
        for split in 0..text.len() {
            assert_eq!(answers(text, &[split]).as_ref(), Ok(&whole), "{split}");
        }
        for wrong in [
            "* (\r\n",
            "* )\r\n",
            "* \"\r\n",
            " x\r\n",
            "\r\n",
            &format!("* {}\r\n", "(".repeat(9_000)),
        ] {
            assert_eq!(answers(wrong.as_bytes(), &[]), Err(ImapAnswerFault::NotImap), "{wrong:?}");
        }
        for long in ["* x {99999999999999999999}\r\n".to_owned(), "x".repeat(10_001)] {
            assert_eq!(answers(long.as_bytes(), &[]), Err(ImapAnswerFault::TooLong));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn any_answer_is_read_the_same_however_it_is_cut(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                &b"\r\n"[..], b"* ", b"a1 OK ", b"[", b"]", b"(", b")", b"\"", b"\\", b"{3}\r\n", b"abc", b" ", b"NIL", b"\0",
                b"\xff", b"\n", b"{0}\r\n", b"FETCH", b"+ ",
            ]), 0..24),
            split in any::<proptest::sample::Index>(),
        ) {
            let all = pieces.concat();
            prop_assert_eq!(answers(&all, &[split.index(all.len() + 1)]), answers(&all, &[]));
        }
    }
}
