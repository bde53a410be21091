//! The fields of a head.

/// One field, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadField<'a> {
    /// The name before the colon.
    pub name: &'a [u8],
    /// What stands behind the colon, line ends and all.
    pub value: &'a [u8],
    /// Where all of it stands in the head, with its line ends.
    pub at: (usize, usize),
}

/// The fields of a head, in their order. A line that is neither a field nor goes on with one is passed over.
pub fn fields(head: &[u8]) -> impl Iterator<Item = HeadField<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < head.len() {
            let from = at;
            at = end_of_line(head, at);
            while at < head.len() && matches!(head[at], b' ' | b'\t') {
                at = end_of_line(head, at);
            }
            let whole = &head[from..at];
            let Some(colon) = memchr::memchr(b':', whole) else { continue };
            let name = whole[..colon].trim_ascii_end();
            let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
            if is_name {
                return Some(HeadField { name, value: &whole[colon + 1..], at: (from, at) });
            }
        }
        None
    })
}

/// Where the next line begins.
fn end_of_line(head: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &head[from..]).map_or(head.len(), |end| from + end + 1)
}

/// The value of a field without its line ends and the blanks around it (RFC 5322 section 2.2.3).
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    let bytes: Vec<u8> = value.iter().copied().filter(|byte| !is_end(byte)).collect();
    bytes.trim_ascii().to_vec()
}

/// `<1@test>` without what is around it.
pub(super) fn without_brackets(id: &str) -> String {
    let inner = id.trim();
    let inner = inner.strip_prefix('<').unwrap_or(inner);
    inner.split_once('>').map_or(inner, |(inner, _)| inner).to_owned()
}

/// The value of `Content-Type`, and of what is written as it is: `Content-Disposition`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType {
    /// `text`, as it was written.
    pub kind: Vec<u8>,
    /// `plain`; empty for a disposition.
    pub subtype: Vec<u8>,
    /// The parameters, as they were written, without quotes.
    pub parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Parameters of a field at most.
const MAX_PARAMETERS: usize = 64;

impl ContentType {
    /// `message/rfc822`.
    pub(super) fn letter() -> Self {
        let (kind, subtype) = (b"message".to_vec(), b"rfc822".to_vec());
        ContentType { kind, subtype, parameters: Vec::new() }
    }

    /// Reads a value. None where it has no type and subtype.
    pub fn read(value: &[u8]) -> Option<Self> {
        let mut scan = FieldScan::new(value);
        let kind = scan.word()?;
        scan.eat(b'/').then_some(())?;
        let subtype = scan.word()?;
        Some(ContentType { kind, subtype, parameters: scan.parameters() })
    }

    /// Reads a value that has no subtype.
    pub fn read_disposition(value: &[u8]) -> Option<Self> {
        let mut scan = FieldScan::new(value);
        let kind = scan.word()?;
        Some(ContentType { kind, subtype: Vec::new(), parameters: scan.parameters() })
    }

    /// Whether it is this, in any case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// The parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        let is_it = |(found, _): &&(Vec<u8>, Vec<u8>)| found.eq_ignore_ascii_case(name.as_bytes());
        self.parameters.iter().find(is_it).map(|(_, value)| &**value)
    }
}

/// A place in the value of a structured field.
pub(super) struct FieldScan<'a> {
    pub(super) rest: &'a [u8],
    /// What the last comment that was passed over says, as it stands.
    pub(super) comment: Option<&'a [u8]>,
}

impl<'a> FieldScan<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        FieldScan { rest, comment: None }
    }

    /// Passes over blanks and comments, which may nest. A comment that does not end takes all.
    pub(super) fn blank(&mut self) {
        let mut depth = 0_usize;
        let mut begin = self.rest;
        while let [first, after @ ..] = self.rest {
            match first {
                b'(' => {
                    depth += 1;
                    begin = if depth == 1 { after } else { begin };
                }
                b')' if depth > 0 => {
                    depth -= 1;
                    if depth == 0 {
                        self.comment = Some(&begin[..begin.len() - self.rest.len()]);
                    }
                }
                b'\\' if depth > 0 => {
                    self.rest = after.get(1..).unwrap_or_default();
                    continue;
                }
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if depth > 0 => {}
                _ => return,
            }
            self.rest = after;
        }
    }

    /// Passes over this byte, and the blanks before it.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        self.blank();
        let is_there = self.rest.first() == Some(&byte);
        if is_there {
            self.rest = &self.rest[1..];
        }
        is_there
    }

    /// A token (RFC 2045 section 5.1).
    pub(super) fn word(&mut self) -> Option<Vec<u8>> {
        self.blank();
        let is_of_one =
            |byte: &u8| !byte.is_ascii_whitespace() && !b"()<>@,;:\\\"/[]?=\0".contains(byte);
        let length = self.rest.iter().take_while(|byte| is_of_one(byte)).count();
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        (!word.is_empty()).then(|| word.to_vec())
    }

    /// What stands in quotes, without them and without the backslashes. One that does not end goes to the end.
    pub(super) fn quoted(&mut self) -> Option<Vec<u8>> {
        self.eat(b'"').then_some(())?;
        let mut text = Vec::new();
        while let [first, after @ ..] = self.rest {
            self.rest = after;
            match first {
                b'"' => break,
                b'\\' => {
                    text.extend(after.first().filter(|byte| !matches!(byte, b'\r' | b'\n')));
                    self.rest = after.get(1..).unwrap_or_default();
                }
                b'\r' | b'\n' | 0 => {}
                other => text.push(*other),
            }
        }
        Some(text)
    }

    /// `; name=value`, as many as there are. One that is broken is passed over.
    fn parameters(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut parameters = Vec::new();
        while let Some(next) =
            memchr::memchr(b';', self.rest).filter(|_| parameters.len() < MAX_PARAMETERS)
        {
            self.rest = &self.rest[next + 1..];
            let Some(name) = self.word() else { continue };
            if !self.eat(b'=') {
                continue;
            }
            self.blank();
            let value = if self.rest.first() == Some(&b'"') { self.quoted() } else { self.loose() };
            parameters.extend(value.map(|value| (name, value)));
        }
        parameters
    }

    /// A value without quotes, which senders write with more in it than a token may have.
    fn loose(&mut self) -> Option<Vec<u8>> {
        let is_end = |byte: &u8| matches!(byte, b';' | b' ' | b'\t' | b'\r' | b'\n' | 0);
        let length = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(length);
        self.rest = rest;
        (!value.is_empty()).then(|| value.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_with_their_places_and_unfolded() {
        let head = b"A: one\r\nnonsense\r\nB :two\r\n\tthree\r\n: x\r\nC:\n";
        let found: Vec<_> = fields(head)
            .map(|field| (field.name.to_vec(), unfold(field.value), field.at))
            .collect();
        assert_eq!(
            found,
            [
                (b"A".to_vec(), b"one".to_vec(), (0, 8)),
                (b"B".to_vec(), b"two\tthree".to_vec(), (18, 34)),
                (b"C".to_vec(), Vec::new(), (39, 42)),
            ]
        );
    }

    #[test]
    fn types_are_read_with_comments_quotes_and_what_senders_write() {
        let read = |value: &str| {
            let read = ContentType::read(value.as_bytes())?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let all = read.parameters.iter().map(|(a, b)| format!("{}={}", text(a), text(b)));
            Some(format!(
                "{}/{} {}",
                text(&read.kind),
                text(&read.subtype),
                all.collect::<Vec<_>>().join(",")
            ))
        };
        for (value, shown) in [
            (" text/plain", Some("text/plain ")),
            ("text / (a (b\\)) c) plain; charset = utf-8 (x)", Some("text/plain charset=utf-8")),
            (
                "multipart/mixed;\r\n boundary=\"a;b\\\"c\"; x",
                Some("multipart/mixed boundary=a;b\"c"),
            ),
            ("image/png; name=a b.png; size=9", Some("image/png name=a,size=9")),
            ("multipart/mixed; boundary=a=b/c", Some("multipart/mixed boundary=a=b/c")),
            ("text", None),
            ("text/", None),
            ("(text/plain", None),
            ("", None),
        ] {
            assert_eq!(read(value).as_deref(), shown, "{value:?}");
        }
        let many = format!("a/b{}", ";c=d".repeat(10_000));
        assert_eq!(
            ContentType::read(many.as_bytes()).expect("a type").parameters.len(),
            MAX_PARAMETERS
        );
        let deep = vec![b'('; 100_000];
        assert_eq!(ContentType::read(&deep), None);
    }
}
