//! Lists of addresses in a head (RFC 5322 section 3.4), as IMAP's envelope has them.

use super::field::{FieldScan, unfold};

/// One entry of a list: an address, or the beginning or end of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvelopeAddress {
    /// The name, not decoded.
    pub name: Option<Vec<u8>>,
    /// A route before the address: `@a,@b`.
    pub route: Option<Vec<u8>>,
    /// The part before the `@`; in the first entry of a group, its name; none in the last.
    pub mailbox: Option<Vec<u8>>,
    /// The domain; none in the first and last entry of a group, empty where it is missing.
    pub host: Option<Vec<u8>>,
}

/// Addresses of a field at most.
const MAX_ADDRESSES: usize = 10_000;

impl EnvelopeAddress {
    /// Reads the value of a field. What is no address is taken as far as it goes.
    pub fn list(value: &[u8]) -> Vec<Self> {
        let value = unfold(value);
        let (mut scan, mut all, mut is_in_group) = (FieldScan::new(&value), Vec::new(), false);
        loop {
            scan.blank();
            if scan.rest.is_empty() || all.len() >= MAX_ADDRESSES {
                break;
            }
            if scan.eat(b',') {
                continue;
            }
            if scan.eat(b';') {
                all.extend(std::mem::take(&mut is_in_group).then(EnvelopeAddress::default));
                continue;
            }
            let before = scan.rest.len();
            scan.comment = None;
            let (words, text) = phrase(&mut scan);
            if !is_in_group && scan.eat(b':') {
                is_in_group = true;
                all.push(EnvelopeAddress { mailbox: Some(text), ..EnvelopeAddress::default() });
            } else if scan.rest.first() == Some(&b'<') {
                all.push(in_brackets(&mut scan, (words > 0).then_some(text)));
            } else if words > 0 || scan.rest.first() == Some(&b'@') {
                let address = bare(&mut scan, text);
                all.push(EnvelopeAddress { name: name_in_comment(&mut scan), ..address });
            }
            if scan.rest.len() == before {
                scan.rest = &scan.rest[1..]; // no address begins so
            }
        }
        all.extend(is_in_group.then(EnvelopeAddress::default));
        all
    }
}

/// `app@test (Li Lei)`, as names were written before there were brackets.
fn name_in_comment(scan: &mut FieldScan<'_>) -> Option<Vec<u8>> {
    scan.blank();
    let comment = scan.comment.take()?.trim_ascii();
    let mut escaped = false;
    let is_said = |byte: &&u8| {
        escaped = **byte == b'\\' && !escaped;
        !escaped
    };
    let name: Vec<u8> = comment.iter().filter(is_said).copied().collect();
    (!name.is_empty()).then_some(name)
}

/// The words before a bracket, a colon or an `@`: how many, and what they say. A dot is as good as a letter.
fn phrase(scan: &mut FieldScan<'_>) -> (usize, Vec<u8>) {
    let (mut words, mut text) = (0, Vec::new());
    loop {
        let had_blank = scan.rest.first().is_some_and(u8::is_ascii_whitespace);
        scan.blank();
        let word = if scan.rest.first() == Some(&b'"') { scan.quoted() } else { atom(scan) };
        let Some(word) = word else { return (words, text) };
        if words > 0 && had_blank {
            text.push(b' ');
        }
        words += 1;
        text.extend_from_slice(&word);
    }
}

fn atom(scan: &mut FieldScan<'_>) -> Option<Vec<u8>> {
    let is_of_one = |byte: &u8| !byte.is_ascii_whitespace() && !b"()<>@,;:\\\"[]".contains(byte);
    let length = scan.rest.iter().take_while(|byte| is_of_one(byte)).count();
    let (word, rest) = scan.rest.split_at(length);
    scan.rest = rest;
    (!word.is_empty()).then(|| word.to_vec())
}

/// `<@a,@b:app@test>`.
fn in_brackets(scan: &mut FieldScan<'_>, name: Option<Vec<u8>>) -> EnvelopeAddress {
    scan.eat(b'<');
    scan.blank();
    let end = memchr::memchr(b':', scan.rest).filter(|_| scan.rest.first() == Some(&b'@'));
    let is_before = |end: &usize| memchr::memchr(b'>', scan.rest).is_none_or(|close| *end < close);
    let route = end.filter(is_before).map(|end| {
        let route = scan.rest[..end].to_vec();
        scan.rest = &scan.rest[end + 1..];
        route
    });
    let (_, local) = phrase(scan);
    let address = bare(scan, local);
    let close = memchr::memchr(b'>', scan.rest).map_or(scan.rest.len(), |close| close + 1);
    scan.rest = &scan.rest[close..];
    EnvelopeAddress { name, route, ..address }
}

/// What follows the part before the `@`.
fn bare(scan: &mut FieldScan<'_>, local: Vec<u8>) -> EnvelopeAddress {
    let mut host = Vec::new();
    if scan.eat(b'@') {
        scan.blank();
        if scan.rest.first() == Some(&b'[') {
            let end = memchr::memchr(b']', scan.rest).map_or(scan.rest.len(), |end| end + 1);
            host = scan.rest[..end].to_vec();
            scan.rest = &scan.rest[end..];
        } else {
            host = phrase(scan).1;
        }
    }
    EnvelopeAddress { mailbox: Some(local), host: Some(host), ..EnvelopeAddress::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<String> {
        let show = |part: &Option<Vec<u8>>| match part {
            None => "NIL".to_owned(),
            Some(part) => String::from_utf8_lossy(part).into_owned(),
        };
        let all = EnvelopeAddress::list(value.as_bytes());
        let line =
            |a: &EnvelopeAddress| [&a.name, &a.route, &a.mailbox, &a.host].map(show).join("|");
        all.iter().map(line).collect()
    }

    #[test]
    fn lists_are_read_as_envelopes_have_them() {
        for (value, entries) in [
            ("app@test", &["NIL|NIL|app|test"][..]),
            ("Li Lei <li@test>, han@test", &["Li Lei|NIL|li|test", "NIL|NIL|han|test"]),
            ("\"Lei, Li\" <li@test>", &["Lei, Li|NIL|li|test"]),
            ("=?utf-8?B?5L2g?= <li@test>", &["=?utf-8?B?5L2g?=|NIL|li|test"]),
            ("J. Doe (x) <@a,@b:\"j d\"@[1.2.3.4]>", &["J. Doe|@a,@b|j d|[1.2.3.4]"]),
            (
                "All: a@b, C <c@d>;, e@f",
                &["NIL|NIL|All|NIL", "NIL|NIL|a|b", "C|NIL|c|d", "NIL|NIL|NIL|NIL", "NIL|NIL|e|f"],
            ),
            ("Undisclosed: ;", &["NIL|NIL|Undisclosed|NIL", "NIL|NIL|NIL|NIL"]),
            ("nobody", &["NIL|NIL|nobody|"]),
            ("<>", &["NIL|NIL||"]),
            (
                "li@test (Li \\(Lei\\)), (x) han@test (a (b))",
                &["Li (Lei)|NIL|li|test", "a (b)|NIL|han|test"],
            ),
            ("<li (x) @ (y) a.test> (z), h@test ()", &["NIL|NIL|li|a.test", "NIL|NIL|h|test"]),
            ("", &[]),
            (", ,;,", &[]),
            ("<a@b", &["NIL|NIL|a|b"]),
        ] {
            assert_eq!(read(value), entries, "{value:?}");
        }
        assert_eq!(read(&"a,".repeat(100_000)).len(), MAX_ADDRESSES);
        for odd in ["]]]]", "@@@@", "\\\\", ">>>", "(((", "\"", "a@[", "<<<<a@b>>>>", ":::", ";;;"]
        {
            read(odd);
        }
    }
}
