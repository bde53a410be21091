//! JSON (RFC 8259): values that are read, and texts that are written.

use std::fmt::{Display, Write as _};

/// Values within values at most.
const MAX_DEPTH: usize = 16;

/// A value that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonValue {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<JsonValue>),
    /// An object; of two members of one name the first is found.
    Object(Vec<(String, JsonValue)>),
}

impl JsonValue {
    /// Reads one value that is all there is. None where it is none, or is nested too deep.
    pub fn read(text: &str) -> Option<Self> {
        let mut reader = JsonReader { rest: text };
        let value = reader.value(0)?;
        reader.skip_space();
        reader.rest.is_empty().then_some(value)
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&JsonValue> {
        let JsonValue::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The text of the member of this name; empty where it has none.
    pub fn text(&self, name: &str) -> &str {
        match self.member(name) {
            Some(JsonValue::Text(text)) => text,
            _ => "",
        }
    }

    /// The whole number of the member of this name. None where it has none, or it is below 0 or above 9e15: beyond that
    /// not every whole number can be told from the next.
    pub fn count(&self, name: &str) -> Option<u64> {
        match self.member(name) {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is in bounds"
            )]
            Some(JsonValue::Number(number)) if (0.0..=9e15).contains(number) => {
                Some(*number as u64)
            }
            _ => None,
        }
    }

    /// The texts of the member of this name, which is a list.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let Some(JsonValue::List(items)) = self.member(name) else { return Vec::new() };
        let text = items.iter().filter_map(|item| match item {
            JsonValue::Text(text) => Some(text.as_str()),
            _ => None,
        });
        text.collect()
    }
}

struct JsonReader<'a> {
    rest: &'a str,
}

impl JsonReader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn takes(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<JsonValue> {
        self.skip_space();
        match *self.rest.as_bytes().first()? {
            _ if depth > MAX_DEPTH => None,
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.string().map(JsonValue::Text),
            _ if self.takes("null") => Some(JsonValue::Null),
            _ if self.takes("true") => Some(JsonValue::Flag(true)),
            _ if self.takes("false") => Some(JsonValue::Flag(false)),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<JsonValue> {
        let mut members = Vec::new();
        self.rest = &self.rest[1..];
        self.skip_space();
        if self.takes("}") {
            return Some(JsonValue::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.takes(":").then_some(())?;
            members.push((name, self.value(depth + 1)?));
            self.skip_space();
            if self.takes("}") {
                return Some(JsonValue::Object(members));
            }
            self.takes(",").then_some(())?;
        }
    }

    fn list(&mut self, depth: usize) -> Option<JsonValue> {
        let mut items = Vec::new();
        self.rest = &self.rest[1..];
        self.skip_space();
        if self.takes("]") {
            return Some(JsonValue::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.takes("]") {
                return Some(JsonValue::List(items));
            }
            self.takes(",").then_some(())?;
        }
    }

    fn number(&mut self) -> Option<JsonValue> {
        let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        let digits = number.strip_prefix('-').unwrap_or(number);
        let has_zero = digits.len() > 1 && digits.starts_with('0');
        let is_one = digits.starts_with(|c: char| c.is_ascii_digit())
            && !(has_zero && digits.as_bytes()[1].is_ascii_digit())
            && !digits.ends_with('.');
        self.rest = rest;
        number.parse().ok().filter(|_| is_one).map(JsonValue::Number)
    }

    fn string(&mut self) -> Option<String> {
        self.takes("\"").then_some(())?;
        let mut text = String::new();
        loop {
            let end = self.rest.find(|c: char| c == '"' || c == '\\' || c < ' ')?;
            text.push_str(&self.rest[..end]);
            let stop = self.rest.as_bytes()[end];
            self.rest = &self.rest[end + 1..];
            match stop {
                b'"' => return Some(text),
                b'\\' => text.push(self.escaped()?),
                _ => return None,
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.unit()?;
                let is_high = (0xd800..0xdc00).contains(&unit);
                let units =
                    if is_high && self.takes("\\u") { [unit, self.unit()?] } else { [unit, 0] };
                let count = if units[1] == 0 { 1 } else { 2 };
                // Half of a pair stands for nothing.
                let mut chars = char::decode_utf16(units[..count].iter().copied());
                chars.next()?.unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u16> {
        let digits =
            self.rest.get(..4).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.rest = &self.rest[4..];
        u16::from_str_radix(digits, 16).ok()
    }
}

/// A text that is written member by member.
#[derive(Debug, Default)]
pub struct JsonWriter {
    out: String,
    needs_comma: bool,
}

impl JsonWriter {
    /// What was written.
    pub fn finish(self) -> String {
        self.out
    }

    /// Begins an object or a list with its bracket.
    pub fn begin(&mut self, bracket: char) -> &mut Self {
        self.separate();
        self.out.push(bracket);
        self.needs_comma = false;
        self
    }

    /// Ends it.
    pub fn end(&mut self, bracket: char) -> &mut Self {
        self.out.push(bracket);
        self.needs_comma = true;
        self
    }

    /// The name of a member, whose value comes next.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.separate();
        quote(&mut self.out, name);
        self.out.push(':');
        self.needs_comma = false;
        self
    }

    /// A string.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.separate();
        quote(&mut self.out, text);
        self
    }

    /// A number, `true`, `false`, or a value that is JSON already.
    pub fn plain(&mut self, value: impl Display) -> &mut Self {
        self.separate();
        let _ = write!(self.out, "{value}"); // a String takes all
        self
    }

    /// A list of strings.
    pub fn texts<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) -> &mut Self {
        self.begin('[');
        for text in texts {
            self.text(text);
        }
        self.end(']')
    }

    fn separate(&mut self) {
        if std::mem::replace(&mut self.needs_comma, true) {
            self.out.push(',');
        }
    }
}

/// Adds a string with its quotes.
pub fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_read_and_nothing_else() {
        let read = JsonValue::read;
        let value = read(
            " {\"IDs\" : [\"a\\u4f60\\ud83d\\ude00\\n\", 1, \"b\"], \"Read\":true,\"n\":-1.5e2} ",
        );
        let value = value.expect("JSON");
        assert_eq!(value.texts("IDs"), ["a\u{4f60}\u{1f600}\n", "b"]);
        assert_eq!(value.member("Read"), Some(&JsonValue::Flag(true)));
        assert_eq!(value.member("n"), Some(&JsonValue::Number(-150.0)));
        assert_eq!((value.text("Read"), value.text("none")), ("", ""));
        let numbers = read("{\"a\":0,\"b\":9e15,\"c\":-1,\"d\":1e16,\"e\":\"1\"}").expect("JSON");
        let counts = ["a", "b", "c", "d", "e", "f"].map(|name| numbers.count(name));
        assert_eq!(counts, [Some(0), Some(9_000_000_000_000_000), None, None, None, None]);
        assert_eq!(read("\"\\ud800x\""), Some(JsonValue::Text("\u{fffd}x".to_owned())));
        for wrong in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "01",
            "1.",
            "+1",
            "nul",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "1 2",
            "{a:1}",
            "NaN",
            "-",
            "'a'",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&deep(MAX_DEPTH)).is_some());
        assert_eq!(read(&deep(100_000)), None);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut json = JsonWriter::default();
        json.begin('{')
            .name("a")
            .begin('[')
            .plain(1)
            .text("\"\\\u{1b}")
            .begin('{')
            .end('}')
            .end(']');
        json.name("b").texts(["x", "y"]).name("c").plain(true).end('}');
        let text = json.finish();
        assert_eq!(text, "{\"a\":[1,\"\\\"\\\\\\u001b\",{}],\"b\":[\"x\",\"y\"],\"c\":true}");
        assert!(JsonValue::read(&text).is_some());
    }
}
