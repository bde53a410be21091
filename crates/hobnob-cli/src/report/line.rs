//! One line of JSON, written field by field into a buffer.

use std::io::Write as _;
use std::time::Duration;

use base64::Engine as _;
use hobnob::codec::hidden::is_hidden;

/// A line that is being written.
pub(crate) struct JsonLine<'a>(pub(super) &'a mut Vec<u8>);

impl<'a> JsonLine<'a> {
    /// Begins a line of this version of its form.
    pub(crate) fn begin(out: &'a mut Vec<u8>, word: &str) -> Self {
        out.extend_from_slice(br#"{"v":1,"type":""#);
        out.extend_from_slice(word.as_bytes());
        out.push(b'"');
        JsonLine(out)
    }

    /// Goes on after a brace.
    pub(crate) fn within(out: &'a mut Vec<u8>) -> Self {
        JsonLine(out)
    }

    /// Fields that are written already.
    pub(crate) fn fields(&mut self, fields: &[u8]) {
        if !fields.is_empty() {
            self.0.push(b',');
            self.0.extend_from_slice(fields);
        }
    }

    fn key(&mut self, key: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    pub(crate) fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        let _ = write!(self.0, "{number}");
    }

    pub(crate) fn seconds(&mut self, key: &str, time: Duration) {
        self.key(key);
        let micros = time.as_micros();
        let _ = write!(self.0, "{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    }

    /// A time in milliseconds, to the microsecond.
    pub(crate) fn millis(&mut self, key: &str, time: Duration) {
        let micros = time.as_micros();
        self.raw(key, &format!("{}.{:03}", micros / 1_000, micros % 1_000));
    }

    /// A time in whole microseconds.
    pub(crate) fn micros(&mut self, key: &str, time: Duration) {
        self.raw(key, &time.as_micros().to_string());
    }

    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        string(self.0, text);
    }

    pub(crate) fn texts<'t>(&mut self, key: &str, texts: impl Iterator<Item = &'t str>) {
        self.key(key);
        self.0.push(b'[');
        for (at, text) in texts.enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            string(self.0, text);
        }
        self.0.push(b']');
    }

    /// Names and values, in their order and each as often as it is there.
    pub(crate) fn pairs<'t>(
        &mut self,
        key: &str,
        pairs: impl Iterator<Item = (&'t [u8], &'t [u8])>,
    ) {
        self.key(key);
        self.0.push(b'[');
        for (at, (name, value)) in pairs.enumerate() {
            self.0.extend_from_slice(if at == 0 { br#"{"name":"# } else { br#",{"name":"# });
            string(self.0, &String::from_utf8_lossy(name));
            self.0.extend_from_slice(br#","value":"#);
            string(self.0, &String::from_utf8_lossy(value));
            self.0.push(b'}');
        }
        self.0.push(b']');
    }

    /// Objects, in their order, each written field by field.
    pub(crate) fn objects<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut JsonLine<'_>, T),
    ) {
        self.key(key);
        self.0.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            self.0.extend_from_slice(if at == 0 { b"{" } else { b",{" });
            write(&mut JsonLine(self.0), item);
            self.0.push(b'}');
        }
        self.0.push(b']');
    }

    /// One object.
    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut JsonLine<'_>)) {
        self.key(key);
        self.0.push(b'{');
        write(&mut JsonLine(self.0));
        self.0.push(b'}');
    }

    pub(crate) fn payload(&mut self, bytes: &[u8]) {
        if let Ok(text) = std::str::from_utf8(bytes) {
            self.text("text", text);
        } else {
            let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
            self.raw("b64", &format!("\"{encoded}\""));
        }
    }

    pub(crate) fn end(self) {
        self.0.extend_from_slice(b"}\n");
    }
}

/// A JSON string. What could drive a terminal is escaped too: somebody will look at this with `cat`.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    let is_suspect = |c: char| is_hidden(c) && c >= '\x7f';
    if text.is_ascii() && !text.contains('\x7f') || !text.contains(is_suspect) {
        serde_json::to_writer(&mut *out, text).expect("a string always has a JSON form");
        return;
    }
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(is_suspect) {
        let (before, tail) = rest.split_at(at);
        escaped(out, before);
        let mut chars = tail.chars();
        // Beyond U+FFFF a character is two units (RFC 8259, 7).
        for unit in chars.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
        rest = chars.as_str();
    }
    escaped(out, rest);
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, text: &str) {
    let quoted = serde_json::to_string(text).expect("a string always has a JSON form");
    out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
}
