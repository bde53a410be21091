//! What a peer said, as others may see it: on one line, and nothing in it that a terminal would obey.

use std::fmt::Write;

use crate::codec::hidden::is_hidden;

/// Characters that a name may have, as it is shown.
const NAME: usize = 32;

/// Text with every control character, bidi or line-separator code point, and every byte that is not UTF-8, escaped. What
/// else is not seen stands: joiners and variation selectors make one sign of several.
///
/// Bytes that are not UTF-8 do not pass: a terminal may take one for a control character of 8 bits.
pub(super) fn escaped(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                c if c.is_ascii_control() => push_byte(&mut out, c as u8),
                c if c.is_control() || is_misleading(c) => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c)); // a String takes all
                }
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| push_byte(&mut out, *byte));
    }
    out
}

fn push_byte(out: &mut String, byte: u8) {
    let _ = write!(out, "\\x{byte:02x}"); // a String takes all
}

/// Whether a character turns the direction of writing, or ends a line.
fn is_misleading(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}')
}

/// A message without the newline that ended it.
pub(super) fn without_newline(message: &[u8]) -> &[u8] {
    let message = message.strip_suffix(b"\n").unwrap_or(message);
    message.strip_suffix(b"\r").unwrap_or(message)
}

/// A name as it is shown; the error says what is wrong with the name.
///
/// Nobody may be called what would make a line of the room's own, or what looks like the name of somebody else.
pub(super) fn name(text: &[u8]) -> Result<String, &'static str> {
    let text = text.trim_ascii();
    let is_alike =
        |c: char| !c.is_ascii() && (is_hidden(c) || c.is_whitespace() || c == '\u{2800}');
    if text.utf8_chunks().any(|chunk| chunk.valid().trim().contains(is_alike)) {
        return Err("a name has only characters that are seen, and no blank but the space");
    }
    let name = escaped(text);
    let name = name.trim();
    if name.is_empty() {
        return Err("a name has at least one character");
    }
    if name.chars().count() > NAME {
        return Err("a name has at most 32 characters");
    }
    if name.starts_with(['*', '#', '/']) || name.contains(':') {
        return Err("a name does not begin with * # or /, and has no colon");
    }
    Ok(name.to_owned())
}

/// Whether this is how an HTTP client begins, which a web page can make any browser do to a port of its machine. The
/// line may have come in part, and it may be the end of one that did.
pub(super) fn is_http_request(line: &[u8]) -> bool {
    let Some(space) = memchr::memchr(b' ', line) else { return false };
    let (method, target) = (&line[..space], line[space..].trim_ascii_start());
    let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    let has_target = target.starts_with(b"/")
        || target.starts_with(b"* HTTP/")
        || target.starts_with(b"http://")
        || target.starts_with(b"https://");
    let has_version = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next();
    is_method && has_target || has_version.is_some_and(|word| word.starts_with(b"HTTP/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_26_nothing_that_a_terminal_obeys_is_shown_raw() {
        assert_eq!(escaped(b"\x1b]52;c;aGk=\x07"), r"\x1b]52;c;aGk=\x07");
        assert_eq!(escaped(b"a\rb\nc\td\0\x7f"), r"a\x0db\x0ac\x09d\x00\x7f");
        assert_eq!(
            escaped("\u{9b}31m\u{202e}x\u{2028}\u{2067}".as_bytes()),
            r"\u{9b}31m\u{202e}x\u{2028}\u{2067}"
        );
        assert_eq!(escaped(b"\x9b31m \xc4\xe3 \xe6\x9d"), r"\x9b31m \xc4\xe3 \xe6\x9d");
        assert_eq!(escaped("李雷 👩\u{200d}💻 é".as_bytes()), "李雷 👩\u{200d}💻 é");
        let all: Vec<u8> = (0..=255).collect();
        assert!(!escaped(&all).contains(char::is_control));
    }

    #[test]
    fn names_are_trimmed_and_cannot_forge_a_line() {
        assert_eq!(name(" 李雷 \r\n".as_bytes()).as_deref(), Ok("李雷"));
        assert_eq!(name("\u{3000}Ada\u{3000}".as_bytes()).as_deref(), Ok("Ada"));
        assert_eq!(name(b"\x1b[2J").as_deref(), Ok(r"\x1b[2J"));
        assert!(name(b"x".repeat(32).as_slice()).is_ok());
        for bad in ["", " \t", &"x".repeat(33), "Ada: yes", "* Ada", "#3", "/quit"] {
            assert!(name(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_name_only_looks_different_from_another() {
        for c in
            "\u{ad}\u{34f}\u{115f}\u{17b4}\u{180e}\u{200b}\u{200d}\u{202e}\u{2060}\u{3164}".chars()
        {
            assert!(name(format!("A{c}da").as_bytes()).is_err(), "{}", c.escape_unicode());
            assert!(name(format!("Ada{c}").as_bytes()).is_err(), "{}", c.escape_unicode());
            assert!(name(c.to_string().as_bytes()).is_err(), "{}", c.escape_unicode());
        }
        for c in "\u{fe0f}\u{feff}\u{ffa0}\u{e0041}\u{a0}\u{2003}\u{2800}\u{3000}".chars() {
            assert!(name(format!("A{c}da").as_bytes()).is_err(), "{}", c.escape_unicode());
        }
        assert!(name("A\u{200b}da\n\u{ff}".as_bytes()).is_err());
        let broken = [&b"A"[..], "\u{200b}".as_bytes(), b"\xff"].concat();
        assert!(name(&broken).is_err(), "what is no UTF-8 elsewhere changes nothing");
        for good in ["Ada", "李雷", "Łukasz", "é", "e\u{301}", "Ada Lovelace"] {
            assert_eq!(name(good.as_bytes()).as_deref(), Ok(good));
        }
    }

    #[test]
    fn case_30_request_lines_are_known_whole_and_in_part() {
        for line in [
            "GET / HTTP/1.1",
            "POST /send HTTP/1.0",
            "OPTIONS * HTTP/1.1",
            "CONNECT example.com:443 HTTP/1.1",
            "GET http://127.0.0.1:9000/ HTTP/1.1",
            "GET /aaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaa HTTP/1.1",
            "PRI * HTTP/2.0",
        ] {
            assert!(is_http_request(line.as_bytes()), "{line}");
        }
        for line in
            ["GET", "hello", "Get / now", "I said GET /", "/name GET", "what is HTTP/2 for?"]
        {
            assert!(!is_http_request(line.as_bytes()), "{line}");
        }
    }
}
