//! Percent signs: every byte in paths and names, the comma alone in values.

/// Reads `%HH` as that byte; any other percent sign stands for itself.
pub(super) fn read_bytes(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = escaped(&bytes[at..]);
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    out
}

/// Writes what [`read_bytes`] reads back, as readable as it can be: only commas, white space, control
/// characters, bytes that are not UTF-8 and percent signs that would be read are escaped.
pub(super) fn write_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let is_read = c == '%' && is_hex_pair(&rest[1..]);
            let (this, next) = rest.split_at(c.len_utf8());
            rest = next;
            if is_read || c == ',' || c.is_whitespace() || c.is_control() {
                push_escaped(&mut out, this);
            } else {
                out.push(c);
            }
        }
        push_escaped(&mut out, chunk.invalid());
        rest = &rest[chunk.invalid().len()..];
    }
    out
}

/// One byte as `%HH`.
pub(super) fn push_escaped(out: &mut String, bytes: &[u8]) {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in bytes {
        out.extend(['%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Reads `%2C` as a comma, and `%252C` as the text `%2C`; nothing else, so that `2%` and `/a%20b` stay.
pub(super) fn read_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match comma_depth(rest) {
            Some(0) => {
                out.push(',');
                rest = &rest[2..];
            }
            Some(_) => {
                out.push('%');
                rest = &rest[2..];
            }
            None => out.push('%'),
        }
    }
    out + rest
}

/// Writes what [`read_commas`] reads back.
pub(super) fn write_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            ',' => out.push_str("%2C"),
            '%' if comma_depth(&text[at + 1..]).is_some() => out.push_str("%25"),
            _ => out.push(c),
        }
    }
    out
}

/// How often the comma behind a percent sign is escaped: `2C` 0 times, `252C` once, `25252C` twice.
fn comma_depth(after: &str) -> Option<usize> {
    let bare = after.trim_start_matches("25");
    let is_comma = bare.starts_with("2C") || bare.starts_with("2c");
    is_comma.then_some((after.len() - bare.len()) / 2)
}

fn escaped(bytes: &[u8]) -> Option<u8> {
    let (b'%', after) = bytes.split_first()? else { return None };
    let digit = |at: usize| char::from(after[at]).to_digit(16).and_then(|d| u8::try_from(d).ok());
    if is_hex_pair(after) { Some(digit(0)? << 4 | digit(1)?) } else { None }
}

fn is_hex_pair(bytes: &[u8]) -> bool {
    bytes.len() >= 2 && bytes[..2].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_would_be_read_is_escaped() {
        assert_eq!(write_bytes(b"/tmp/a,b 100% %41 \xff"), "/tmp/a%2Cb%20100%%20%2541%20%FF");
        assert_eq!(read_bytes("/tmp/%2c%zz%"), b"/tmp/,%zz%");
        assert_eq!(write_commas("2%,/a%20b,%2C"), "2%%2C/a%20b%2C%252C");
        assert_eq!(read_commas("%2C %2c %252C %25252c %25 %"), ", , %2C %252c %25 %");
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'%'), Just(b'2'), Just(b'5')], 0..40)) {
            prop_assert_eq!(read_bytes(&write_bytes(&bytes)), bytes);
        }

        #[test]
        fn values_come_back(text in "([%25Cc,a]|\\PC){0,20}") {
            prop_assert_eq!(read_commas(&write_commas(&text)), text);
        }
    }
}
