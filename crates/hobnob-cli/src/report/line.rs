//! One line of JSON, written field by field into a buffer.

use std::io::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
        digits(self.0, number);
    }

    pub(crate) fn seconds(&mut self, key: &str, time: Duration) {
        self.key(key);
        digits(self.0, time.as_secs());
        self.0.push(b'.');
        fraction(self.0, time.subsec_micros(), 6);
    }

    /// A time in milliseconds, to the microsecond.
    pub(crate) fn millis(&mut self, key: &str, time: Duration) {
        self.key(key);
        digits(self.0, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.0.push(b'.');
        fraction(self.0, time.subsec_micros() % 1_000, 3);
    }

    /// A time in whole microseconds.
    pub(crate) fn micros(&mut self, key: &str, time: Duration) {
        self.number(key, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
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
            self.key("b64");
            self.0.push(b'"');
            base64(self.0, bytes);
            self.0.push(b'"');
        }
    }

    pub(crate) fn end(self) {
        self.0.extend_from_slice(b"}\n");
    }
}

/// A number, in the shortest way: each event has several.
fn digits(out: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(&mut *out, &number).expect("a number always has a JSON form");
}

/// So many digits of a number, with zeros in front.
fn fraction(out: &mut Vec<u8>, number: u32, places: u32) {
    for place in (0..places).rev() {
        out.push(b'0' + u8::try_from(number / 10_u32.pow(place) % 10).unwrap_or_default());
    }
}

/// Straight to where it belongs, without a text of its own.
fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let length = STANDARD.encode_slice(bytes, &mut out[start..]).expect("there is room for it");
    out.truncate(start + length);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut JsonLine<'_>)) -> String {
        let mut out = b"{".to_vec();
        write(&mut JsonLine::within(&mut out));
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn numbers_and_times_are_written_to_the_last_digit() {
        for number in [0, 9, 10, 1_000_007, u64::MAX] {
            assert_eq!(written(|line| line.number("n", number)), format!("{{\"n\":{number}"));
        }
        for (micros, seconds, millis) in [
            (0, "0.000000", "0.000"),
            (7, "0.000007", "0.007"),
            (1_000_000, "1.000000", "1000.000"),
            (61_000_040_300, "61000.040300", "61000040.300"),
        ] {
            let time = Duration::from_micros(micros);
            assert_eq!(written(|line| line.seconds("t", time)), format!("{{\"t\":{seconds}"));
            assert_eq!(written(|line| line.millis("t", time)), format!("{{\"t\":{millis}"));
            assert_eq!(written(|line| line.micros("t", time)), format!("{{\"t\":{micros}"));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        for (bytes, encoded) in [
            (&b"\xff"[..], "/w=="),
            (b"\xff\xfe", "//4="),
            (b"\xff\xfe\x00", "//4A"),
            (b"\xff\xfe\x00\xff", "//4A/w=="),
        ] {
            let expected = format!("{{\"b64\":\"{encoded}\"");
            assert_eq!(written(|line| line.payload(bytes)), expected);
        }
    }
}
