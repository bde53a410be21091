//! What is encoded in letters, as a person reads it: words of heads (RFC 2047), parameters (RFC 2231), bodies (RFC 2045
//! section 6), and the characters in them. What is broken is read as far as it goes.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_parser::decoders::charsets::map::charset_decoder;

use super::field::ContentType;

/// Base64 as senders write it: with and without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Segments of a parameter at most (RFC 2231 section 3).
const MAX_SEGMENTS: usize = 64;

/// Bytes in the characters of that name; UTF-8 where the name is not known. What is no character is U+FFFD.
pub fn decode_text(charset: Option<&[u8]>, bytes: &[u8]) -> String {
    let decoder = charset.map(<[u8]>::trim_ascii).and_then(charset_decoder);
    decoder.map_or_else(|| String::from_utf8_lossy(bytes).into_owned(), |decode| decode(bytes))
}

/// The value of a field, unfolded already, with its encoded words read.
pub fn decode_words(value: &[u8]) -> String {
    let (mut out, mut rest) = (String::new(), value);
    // Neighbours of one charset are read together: senders cut within characters.
    let mut pending: Option<(Vec<u8>, Vec<u8>)> = None;
    let flush = |pending: &mut Option<(Vec<u8>, Vec<u8>)>, out: &mut String| {
        if let Some((charset, bytes)) = pending.take() {
            out.push_str(&decode_text(Some(&charset), &bytes));
        }
    };
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let Some((charset, bytes, length)) = encoded_word(&rest[at..]) else {
            flush(&mut pending, &mut out);
            out.push_str(&String::from_utf8_lossy(&rest[..at + 2]));
            rest = &rest[at + 2..];
            continue;
        };
        let between = &rest[..at];
        let is_gap = pending.is_some() && between.iter().all(u8::is_ascii_whitespace);
        if !is_gap {
            flush(&mut pending, &mut out);
            out.push_str(&String::from_utf8_lossy(between));
        }
        match &mut pending {
            Some((before, all)) if before.eq_ignore_ascii_case(&charset) => all.extend(bytes),
            _ => {
                flush(&mut pending, &mut out);
                pending = Some((charset, bytes));
            }
        }
        rest = &rest[at + length..];
    }
    flush(&mut pending, &mut out);
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// `=?charset?B?text?=` at the beginning: the charset, the bytes and how long it is.
fn encoded_word(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>, usize)> {
    let inner = text.strip_prefix(b"=?")?;
    let mark = memchr::memchr(b'?', inner)?;
    let charset = inner[..mark].split(|byte| *byte == b'*').next().unwrap_or_default();
    let how = inner.get(mark + 1)?.to_ascii_uppercase();
    let body = inner.get(mark + 2..)?.strip_prefix(b"?")?;
    let end = memchr::memmem::find(body, b"?=")?;
    let said = &body[..end];
    if charset.is_empty() || said.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    let bytes = match how {
        b'B' => decode_base64(said),
        b'Q' => {
            let blank = |byte: &u8| if *byte == b'_' { b' ' } else { *byte };
            decode_quoted(&said.iter().map(blank).collect::<Vec<_>>())
        }
        _ => return None,
    };
    Some((charset.to_vec(), bytes, 2 + mark + 3 + end + 2))
}

/// The body of a part, as its `Content-Transfer-Encoding` says.
pub fn decode_body(encoding: Option<&[u8]>, raw: &[u8]) -> Vec<u8> {
    let is = |name: &str| {
        encoding.is_some_and(|encoding| encoding.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    if is("base64") {
        decode_base64(raw)
    } else if is("quoted-printable") {
        decode_quoted(raw)
    } else {
        raw.to_vec()
    }
}

/// What is of the alphabet counts, up to the padding.
fn decode_base64(text: &[u8]) -> Vec<u8> {
    let is_of_it = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut plain: Vec<u8> = text.iter().filter(is_of_it).copied().collect();
    if plain.len() % 4 == 1 {
        plain.pop(); // six bits make no byte
    }
    BASE64.decode(&plain).unwrap_or_default()
}

fn decode_quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let (line, end) = match line.strip_suffix(b"\n") {
            Some(line) => (line.strip_suffix(b"\r").unwrap_or(line), &b"\r\n"[..]),
            None => (line, &b""[..]),
        };
        // Blanks at the end of a line were put there on the way (RFC 2045 section 6.7).
        let line = if end.is_empty() { line } else { line.trim_ascii_end() };
        let (line, end) = match line.strip_suffix(b"=") {
            Some(line) => (line, &b""[..]),
            None => (line, end),
        };
        let mut rest = line;
        while let Some(at) = memchr::memchr(b'=', rest) {
            out.extend_from_slice(&rest[..at]);
            let digit = |at: usize| rest.get(at).and_then(|byte| char::from(*byte).to_digit(16));
            if let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &rest[at + 3..];
            } else {
                out.push(b'=');
                rest = &rest[at + 1..];
            }
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(end);
    }
    out
}

/// A parameter: `filename="a"`, `filename*=utf-8''%E4%BD%A0`, `filename*0*=...`, and encoded words, which senders write there
/// although they may not.
pub fn decode_parameter(content: &ContentType, name: &str) -> Option<String> {
    if let Some(plain) = content.parameter(name) {
        return Some(decode_words(plain));
    }
    if let Some(extended) = content.parameter(&format!("{name}*")) {
        let (charset, rest) = charset_of(extended);
        return Some(decode_text(charset, &decode_percent(rest)));
    }
    let (mut charset, mut bytes) = (None, Vec::new());
    for number in 0..MAX_SEGMENTS {
        if let Some(plain) = content.parameter(&format!("{name}*{number}")) {
            bytes.extend_from_slice(plain);
        } else if let Some(extended) = content.parameter(&format!("{name}*{number}*")) {
            let (named, rest) = if number == 0 { charset_of(extended) } else { (None, extended) };
            charset = charset.or(named);
            bytes.extend(decode_percent(rest));
        } else if number == 0 {
            return None;
        } else {
            break;
        }
    }
    Some(decode_text(charset, &bytes))
}

/// `utf-8'en'text`.
fn charset_of(value: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(text)) => (Some(charset), text),
        _ => (None, value),
    }
}

fn decode_percent(text: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            rest = &after[2..];
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_a_head_are_read_in_their_characters() {
        for (value, text) in [
            ("plain", "plain"),
            ("=?utf-8?B?5L2g5aW9?=", "你好"),
            ("=?UTF-8?q?caf=C3=A9_au?= lait", "café au lait"),
            ("=?utf-8?b?5L2g?= =?utf-8?b?5aW9?=", "你好"),
            ("=?utf-8?b?5L0=?=  =?utf-8?b?oA==?=", "你"),
            ("a =?gb2312?B?xOO6ww==?= b", "a 你好 b"),
            ("=?iso-8859-1*en?Q?=E9?=", "é"),
            ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
            ("=?utf-8?x?a?= =?utf-8?b", "=?utf-8?x?a?= =?utf-8?b"),
            ("=?nothing?q?a?=", "a"),
            ("=?utf-8?q?a b?=", "=?utf-8?q?a b?="),
            ("=?", "=?"),
        ] {
            assert_eq!(decode_words(value.as_bytes()), text, "{value}");
        }
        assert_eq!(decode_words(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn bodies_are_read_as_they_say_and_as_far_as_they_go() {
        for (encoding, raw, body) in [
            (Some("base64"), "aGVs\r\nbG8=\r\n", "hello"),
            (Some("BASE64 "), "aGVsbG8", "hello"),
            (Some("base64"), "a", ""),
            (Some("base64"), "!?aGVs bG8==", "hello"),
            (Some("quoted-printable"), "a=3Db=\r\nc \t\r\nd=", "a=bc\r\nd"),
            (Some("quoted-printable"), "=G1 =4", "=G1 =4"),
            (Some("7bit"), "=3D", "=3D"),
            (None, "x", "x"),
        ] {
            let read = decode_body(encoding.map(str::as_bytes), raw.as_bytes());
            assert_eq!(String::from_utf8_lossy(&read), body, "{raw:?}");
        }
    }

    #[test]
    fn names_of_files_are_read_in_all_their_spellings() {
        for (value, name) in [
            ("attachment; filename=\"a.png\"", Some("a.png")),
            ("attachment; filename*=UTF-8''%e4%bd%a0.png", Some("你.png")),
            ("attachment; filename*0=\"a\"; filename*1=\"b.png\"", Some("ab.png")),
            (
                "attachment; filename*0*=utf-8''%e4%bd; filename*1*=%a0; filename*2=.png",
                Some("你.png"),
            ),
            ("attachment; filename=\"=?utf-8?b?5L2g?=.png\"", Some("你.png")),
            ("attachment; filename*=%zz", Some("%zz")),
            ("attachment", None),
        ] {
            let read = ContentType::read_disposition(value.as_bytes()).expect("a disposition");
            assert_eq!(decode_parameter(&read, "filename").as_deref(), name, "{value}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_is_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            decode_words(&bytes);
            decode_body(Some(b"base64"), &bytes);
            decode_body(Some(b"quoted-printable"), &bytes);
            for charset in [
                "iso-2022-jp", "iso-2022-kr", "utf-7", "utf-16", "utf-16le", "utf-16be", "gb18030", "big5", "shift_jis",
                "euc-jp", "euc-kr", "iso-8859-8", "tis-620", "cp850", "ibm866", "koi8-r", "macintosh", "windows-1258", "",
            ] {
                decode_text(Some(charset.as_bytes()), &bytes);
            }
        }

        #[test]
        fn what_python_would_write_is_read(text in "\\PC{0,40}") {
            let encoded = base64::engine::general_purpose::STANDARD.encode(&text);
            prop_assert_eq!(decode_words(format!("=?utf-8?B?{encoded}?=").as_bytes()), text);
        }
    }
}
