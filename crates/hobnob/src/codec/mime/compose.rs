//! Makes letters (RFC 5322, RFC 2045 to 2047, RFC 2231). Lines end with CR LF, none is longer than the 998 bytes that
//! everybody takes, and every byte is ASCII but for addresses that are not.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a line of a body that is left as it is (RFC 5322 section 2.1.1).
const MAX_LINE: usize = 998;
/// Columns at which lines that are made here are folded.
const COLUMNS: usize = 76;
/// Bytes of text in one encoded word: 75 columns, less the marks, three quarters of them.
const WORD: usize = 45;

/// What a letter is made of.
#[derive(Debug, Clone, Default)]
pub struct Composition {
    /// Fields in their order, with values that are not encoded yet: `From`, `To`, `Subject`, others.
    pub fields: Vec<(String, String)>,
    /// The text.
    pub text: Option<String>,
    /// The same as HTML.
    pub html: Option<String>,
    /// Files behind it.
    pub files: Vec<Attached>,
    /// What separates parts; nothing in them says the same.
    pub boundary: String,
}

/// A file of a letter.
#[derive(Debug, Clone)]
pub struct Attached {
    /// Its name, without a folder.
    pub name: String,
    /// `image/png`.
    pub kind: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Composition {
    /// The addresses of a list as a person types it, each without its name.
    pub fn addresses(value: &str) -> Vec<String> {
        let bare = |one: &String| match one.split_once('<') {
            Some((_, rest)) => rest.trim_end().trim_end_matches('>').trim().to_owned(),
            None => one.clone(),
        };
        split_addresses(value).iter().map(bare).collect()
    }

    /// The letter, as bytes.
    ///
    /// # Errors
    ///
    /// A field cannot stand in a head: which, and why.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        for (name, value) in &self.fields {
            write_field(&mut out, name, value)?;
        }
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        if self.files.is_empty() {
            self.write_texts(&mut out);
            return Ok(out);
        }
        let mark = format!("{}-m", self.boundary);
        begin_parts(&mut out, "mixed", &mark);
        self.write_texts(&mut out);
        for file in &self.files {
            next_part(&mut out, &mark);
            write_file(&mut out, file);
        }
        end_parts(&mut out, &mark);
        Ok(out)
    }

    fn write_texts(&self, out: &mut Vec<u8>) {
        match (&self.text, &self.html) {
            (Some(text), Some(html)) => {
                let mark = format!("{}-a", self.boundary);
                begin_parts(out, "alternative", &mark);
                write_text(out, "plain", text);
                next_part(out, &mark);
                write_text(out, "html", html);
                end_parts(out, &mark);
            }
            (None, Some(html)) => write_text(out, "html", html),
            (text, None) => write_text(out, "plain", text.as_deref().unwrap_or_default()),
        }
    }
}

/// The head of something with parts, and the mark before the first of them.
fn begin_parts(out: &mut Vec<u8>, kind: &str, mark: &str) {
    let head = format!("Content-Type: multipart/{kind}; boundary=\"{mark}\"\r\n\r\n--{mark}\r\n");
    out.extend_from_slice(head.as_bytes());
}

/// The line end before a mark belongs to the mark (RFC 2046 section 5.1.1), so that a text keeps its own.
fn next_part(out: &mut Vec<u8>, mark: &str) {
    out.extend_from_slice(format!("\r\n--{mark}\r\n").as_bytes());
}

fn end_parts(out: &mut Vec<u8>, mark: &str) {
    out.extend_from_slice(format!("\r\n--{mark}--\r\n").as_bytes());
}

/// A text in the way in which most of it can still be read.
fn write_text(out: &mut Vec<u8>, kind: &str, text: &str) {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let is_plain = text.is_ascii()
        && !text.contains('\0')
        && text.split('\n').all(|line| line.len() <= MAX_LINE);
    let foreign = text.bytes().filter(|byte| !byte.is_ascii()).count();
    let how = match () {
        () if is_plain => "7bit",
        () if foreign * 6 <= text.len() => "quoted-printable",
        () => "base64",
    };
    let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
    let head = format!(
        "Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {how}\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    let ended = if text.ends_with('\n') || text.is_empty() { text } else { text + "\n" };
    match how {
        "7bit" => out.extend_from_slice(ended.replace('\n', "\r\n").as_bytes()),
        "base64" => write_base64(out, ended.replace('\n', "\r\n").as_bytes()),
        _ => ended.lines().for_each(|line| write_quoted(out, line)),
    }
}

/// A line as quoted-printable (RFC 2045 section 6.7).
fn write_quoted(out: &mut Vec<u8>, line: &str) {
    let mut columns = 0;
    for (at, byte) in line.bytes().enumerate() {
        let is_last = at + 1 == line.len();
        let stands =
            matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && !is_last);
        let shown = if stands { char::from(byte).to_string() } else { format!("={byte:02X}") };
        if columns + shown.len() >= COLUMNS {
            out.extend_from_slice(b"=\r\n");
            columns = 0;
        }
        out.extend_from_slice(shown.as_bytes());
        columns += shown.len();
    }
    out.extend_from_slice(b"\r\n");
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    for row in STANDARD.encode(bytes).as_bytes().chunks(COLUMNS) {
        out.extend_from_slice(row);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_file(out: &mut Vec<u8>, file: &Attached) {
    let kind = &file.kind;
    let name = parameter("filename", &file.name);
    let head = format!(
        "Content-Type: {kind}\r\nContent-Disposition: attachment;\r\n {name}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    write_base64(out, &file.bytes);
}

/// A parameter in quotes, or as RFC 2231 has it where quotes are not enough.
fn parameter(key: &str, value: &str) -> String {
    let is_plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    if value.chars().all(is_plain) && value.len() <= COLUMNS - 20 {
        return format!("{key}=\"{value}\"");
    }
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("{key}*=utf-8''{encoded}")
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &str) -> Result<(), String> {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !is_name {
        return Err(format!("{name:?} cannot be the name of a field"));
    }
    if value.contains(['\r', '\n', '\0']) {
        return Err(format!(
            "a line ends in the value of {name}, and what follows would be a field of its own"
        ));
    }
    let is_address = ["from", "to", "cc", "bcc", "sender", "reply-to"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own));
    let words = if is_address { addresses(value) } else { vec![phrase(value)] };
    let mut column = name.len() + 1;
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    for word in words.iter().flat_map(|phrase| phrase.split(' ')).filter(|word| !word.is_empty()) {
        if column + 1 + word.len() > COLUMNS && column > name.len() + 1 {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
        column += 1 + word.len();
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// A text for a head: as it is where it may be, in encoded words where not.
fn phrase(text: &str) -> String {
    let is_plain = |c: char| matches!(c, ' '..='~' | '\t');
    let fits = text.split(' ').all(|word| word.len() <= MAX_LINE / 2);
    // Blanks that a folded line would lose, and what looks like an encoded word, must not be taken for what they are not.
    let is_exact =
        !text.contains("  ") && text.trim() == text && !text.contains("=?") && !text.contains('\t');
    if text.chars().all(is_plain) && fits && is_exact {
        return text.to_owned();
    }
    let (mut words, mut piece) = (Vec::new(), String::new());
    let encode = |piece: &str| format!("=?utf-8?B?{}?=", STANDARD.encode(piece));
    for c in text.chars() {
        if piece.len() + c.len_utf8() > WORD {
            words.push(encode(&piece));
            piece.clear();
        }
        piece.push(c);
    }
    if !piece.is_empty() {
        words.push(encode(&piece));
    }
    words.join(" ")
}

/// A list of addresses, each with its name as it may stand there.
fn addresses(value: &str) -> Vec<String> {
    let mut all: Vec<String> = split_addresses(value).iter().map(|one| address(one)).collect();
    let last = all.len().saturating_sub(1);
    all.iter_mut().take(last).for_each(|one| one.push(','));
    all
}

/// The addresses of a list, as they were typed.
fn split_addresses(value: &str) -> Vec<String> {
    let (mut all, mut one, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in value.chars() {
        is_quoted ^= c == '"';
        if c == ',' && !is_quoted {
            all.push(std::mem::take(&mut one));
        } else {
            one.push(c);
        }
    }
    all.push(one);
    all.iter().map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

/// `Li Lei <li@test>`: the name in quotes or encoded, where it has to be.
fn address(text: &str) -> String {
    let Some((name, rest)) = text.split_once('<') else { return text.to_owned() };
    let name = name.trim().trim_matches('"');
    let address = rest.trim_end().trim_end_matches('>');
    if name.is_empty() {
        return format!("<{address}>");
    }
    let is_atom = |c: char| c.is_ascii_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c);
    let name = if name.chars().all(is_atom) {
        phrase(name)
    } else if name.is_ascii() && !name.contains("=?") {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        phrase(name)
    };
    format!("{name} <{address}>")
}

/// What a file of this name most likely is.
pub fn kind_of_file(name: &str) -> &'static str {
    const KINDS: &[(&str, &str)] = &[
        ("txt", "text/plain"),
        ("html", "text/html"),
        ("csv", "text/csv"),
        ("md", "text/markdown"),
        ("json", "application/json"),
        ("xml", "application/xml"),
        ("pdf", "application/pdf"),
        ("zip", "application/zip"),
        ("gz", "application/gzip"),
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("gif", "image/gif"),
        ("svg", "image/svg+xml"),
        ("webp", "image/webp"),
        ("mp3", "audio/mpeg"),
        ("mp4", "video/mp4"),
        ("ics", "text/calendar"),
        ("eml", "application/octet-stream"), // message/rfc822 must not be base64 (RFC 2046 section 5.2.1)
    ];
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let known = KINDS.iter().find(|(known, _)| ending.as_deref() == Some(known));
    known.map_or("application/octet-stream", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::mime::LetterView;

    fn made(composition: &Composition) -> (String, LetterView) {
        let raw = composition.write().expect("a letter");
        let text = String::from_utf8(raw.clone()).expect("UTF-8");
        assert!(
            text.split("\r\n").all(|line| line.len() <= MAX_LINE && !line.contains(['\r', '\n'])),
            "{text}"
        );
        (text, LetterView::read(raw))
    }

    fn of(fields: &[(&str, &str)]) -> Composition {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Composition {
            fields: fields.collect(),
            boundary: "mark".to_owned(),
            ..Composition::default()
        }
    }

    #[test]
    fn what_is_put_in_is_what_is_read() {
        let letter = Composition {
            text: Some("see you at 8\n.\ncafé\n".to_owned()),
            html: Some("<p>你好你好你好</p>".to_owned()),
            files: vec![
                Attached {
                    name: "map.png".to_owned(),
                    kind: "image/png".to_owned(),
                    bytes: (0..=255).collect(),
                },
                Attached {
                    name: "地图 \"1\".txt".to_owned(),
                    kind: "text/plain".to_owned(),
                    bytes: b"x".to_vec(),
                },
            ],
            ..of(&[
                ("From", "李雷 <app@test>"),
                ("To", "\"Lei, Li\" <li@test>, han@test, O'Neil (x) <o@test>"),
                ("Subject", "你好，这是一个很长很长很长很长很长很长很长很长很长的主题"),
            ])
        };
        let (text, view) = made(&letter);
        assert!(text.is_ascii(), "{text}");
        assert_eq!(view.field("From").as_deref(), Some("李雷 <app@test>"));
        assert_eq!(
            view.field("To").as_deref(),
            Some("\"Lei, Li\" <li@test>, han@test, \"O'Neil (x)\" <o@test>")
        );
        assert_eq!(
            view.field("Subject").as_deref(),
            Some("你好，这是一个很长很长很长很长很长很长很长很长很长的主题")
        );
        assert_eq!(view.text().as_deref(), Some("see you at 8\r\n.\r\ncafé\r\n"));
        assert_eq!(view.html().as_deref(), Some("<p>你好你好你好</p>\r\n"));
        let files: Vec<_> = view.files().collect();
        assert_eq!(files[0].name.as_deref(), Some("map.png"));
        assert_eq!(view.part_bytes(files[0]), (0..=255).collect::<Vec<u8>>());
        assert_eq!(files[1].name.as_deref(), Some("地图 \"1\".txt"));
    }

    #[test]
    fn no_value_makes_a_field_of_its_own() {
        for (name, value) in
            [("Subject", "a\r\nBcc: x"), ("Subject", "a\nb"), ("A b", "c"), ("", "c"), ("A:", "c")]
        {
            assert!(of(&[(name, value)]).write().is_err(), "{name:?} {value:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn any_subject_and_text_come_back(subject in "[^\\p{Cc}]{0,120}", text in "([^\\r\\x00]{0,40}\\n){0,5}") {
            let letter = Composition { text: Some(text.clone()), ..of(&[("Subject", &subject)]) };
            let (_, view) = made(&letter);
            prop_assert_eq!(view.field("Subject"), Some(subject));
            prop_assert_eq!(view.text().map(|text| text.replace("\r\n", "\n")), Some(text));
        }
    }
}
