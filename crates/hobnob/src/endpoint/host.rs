//! Hosts: names, IPv4 in four numbers, IPv6 in brackets.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::piece::Piece;
use crate::codec::hidden::is_hidden;
use crate::error::{Error, Result};

/// A host as it was named; nothing is resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// None was named: this machine alone, 127.0.0.1 and `::1`.
    Loopback,
    /// A name to look up: at most 253 bytes; may hold letters beyond ASCII.
    Name(String),
    /// An IPv4 address, `0.0.0.0` for every interface.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6 {
        /// The address; `::` for every interface.
        address: Ipv6Addr,
        /// The interface after `%`, by name or number (RFC 4007).
        zone: Option<String>,
    },
}

/// As it stands before `:port`: IPv6 in brackets, loopback as nothing at all.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Loopback => Ok(()),
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => write!(f, "{address}"),
            Host::V6 { address, zone: None } => write!(f, "[{address}]"),
            Host::V6 { address, zone: Some(zone) } => {
                // `%25eth0` is how RFC 6874 spells `%eth0`, so a zone that looks like it says its 25 twice.
                let mark = if is_escaped_zone(zone) { "%25" } else { "%" };
                write!(f, "[{address}{mark}{zone}]")
            }
        }
    }
}

/// Reads a host alone, an IPv6 address with its brackets.
pub(super) fn read(host: Piece) -> Result<Host> {
    let text = host.str();
    if let Some(inside) = text.strip_prefix('[') {
        let inner = host.from(1).until(inside.len().saturating_sub(1));
        return read_v6(inner);
    }
    if text.contains(':') {
        return read_v6(host);
    }
    if text == "*" {
        let every = host.replaced("0.0.0.0");
        return Err(host.bad("every interface is 0.0.0.0").hint_endpoint(every, ""));
    }
    if looks_like_v4(text) {
        return text.parse().map(Host::V4).map_err(|_| {
            host.bad("not an IPv4 address")
                .why("it is four numbers from 0 to 255, as in 127.0.0.1, without leading zeros")
                .why("programs disagree on every shorter way to write it, and no name ends in a number")
        });
    }
    check_name(host)?;
    Ok(Host::Name(text.to_owned()))
}

fn read_v6(typed: Piece) -> Result<Host> {
    let (address, zone) = split_zone(typed.str());
    let parsed: Ipv6Addr = address.parse().map_err(|_| {
        typed
            .until(address.len())
            .bad("not an IPv6 address")
            .why("as in ::1, fe80::1%eth0, 2001:db8::7")
    })?;
    let zone = zone.map(|zone| read_zone(typed.from(address.len()), zone)).transpose()?;
    Ok(Host::V6 { address: parsed, zone })
}

fn read_zone(typed: Piece, zone: &str) -> Result<String> {
    // IFNAMSIZ is 16 with its NUL; netdevice(7) allows nearly every character.
    let is_name = |c: char| !c.is_whitespace() && !c.is_control() && !"[]/%,".contains(c);
    if zone.is_empty() || zone.len() > 15 || !zone.chars().all(is_name) {
        let why = "after % stands an interface of at most 15 bytes, as in fe80::1%eth0";
        return Err(typed.bad("not an interface").why(why));
    }
    Ok(zone.to_owned())
}

/// The address and its zone, whose `%` may be typed as `%25`, as URLs have it (RFC 6874).
pub(super) fn split_zone(text: &str) -> (&str, Option<&str>) {
    let Some((address, zone)) = text.split_once('%') else { return (text, None) };
    (address, Some(if is_escaped_zone(zone) { &zone[2..] } else { zone }))
}

/// `25eth0` behind a percent sign; a number such as `25` or `253` is the index of an interface.
pub(super) fn is_escaped_zone(zone: &str) -> bool {
    let bare = zone.trim_start_matches("25");
    bare.len() < zone.len() && bare.starts_with(|c: char| !c.is_ascii_digit())
}

/// Whether resolvers would take it for numbers: the rule of the WHATWG URL standard, "ends in a number".
fn looks_like_v4(text: &str) -> bool {
    let last = text.strip_suffix('.').unwrap_or(text).rsplit('.').next().unwrap_or(text);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    is_digits(last) || hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// RFC 1035's lengths, and its characters with `_` and every letter beyond ASCII besides (RFC 5891 is the
/// resolver's to apply).
fn check_name(host: Piece) -> Result<()> {
    let text = host.str();
    if let Some(strange) = host.find(|c| !is_name_char(c)) {
        return Err(mistyped(host, strange).unwrap_or_else(|| {
            let error = strange.bad(format!("{:?} cannot be in a host name", strange.str()));
            match text.rsplit_once('@') {
                Some((_, bare)) if !bare.is_empty() => {
                    error.why("an address names no user").hint_endpoint(host.replaced(bare), "")
                }
                _ => error.why("a name is letters, digits, - and _ between dots"),
            }
        }));
    }
    let bare = text.strip_suffix('.').unwrap_or(text);
    if bare.len() > 253 {
        let error = host.bad(format!("{} bytes", bare.len()));
        return Err(error.why("a host name has at most 253 bytes"));
    }
    if bare.split('.').any(str::is_empty) {
        return Err(host.bad("nothing between two dots").why("as in db.example.com"));
    }
    if bare.split('.').any(|label| label.len() > 63 && label.is_ascii()) {
        return Err(host.bad("too long between two dots").why("each part has at most 63 bytes"));
    }
    if text.starts_with('-') {
        return Err(host.bad("a host name does not begin with a hyphen").why("was a flag meant?"));
    }
    Ok(())
}

fn is_name_char(c: char) -> bool {
    // Marks and joiners belong to words of many scripts, so beyond ASCII only what cannot be in any is out:
    // white space, what has no shape or turns the direction of writing, and full-width signs.
    let is_joiner = matches!(c, '\u{200c}' | '\u{200d}');
    let is_unseen = is_hidden(c) && !is_joiner || matches!(c, '\u{fff0}'..='\u{ffff}');
    let is_full_width = c == '\u{3002}' || narrow(c) != c;
    match c {
        '-' | '_' | '.' => true,
        _ if c.is_ascii() => c.is_ascii_alphanumeric(),
        _ => !(c.is_whitespace() || is_unseen || is_full_width),
    }
}

/// For what a keyboard or a paste gets wrong there is a remedy: full-width signs, and white space.
pub(super) fn mistyped(around: Piece, strange: Piece) -> Option<Error> {
    let is_wide = strange.str().chars().all(|c| narrow(c) != c);
    let is_space = strange.str().chars().all(char::is_whitespace);
    let label = match (is_wide, is_space) {
        (true, _) => "a full-width character",
        (_, true) => "a space",
        _ => return None,
    };
    let meant: String = around.str().chars().map(narrow).filter(|c| !c.is_whitespace()).collect();
    let error =
        strange.bad(label).why("an address is typed in half-width characters without spaces");
    Some(error.hint_endpoint(around.replaced(&meant), ""))
}

/// The ASCII character that a full-width one stands for (U+FF01 to U+FF5E, and the ideographic full stop).
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3002}' => '.',
        _ => c,
    }
}

pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{caret, parsed, refused};
    use super::*;

    #[test]
    fn hosts_print_as_they_stand_before_a_port() {
        let address = "fe80::1".parse().expect("an IPv6 address");
        let zoned = |zone: &str| Host::V6 { address, zone: Some(zone.to_owned()) }.to_string();
        assert_eq!(zoned("eth0"), "[fe80::1%eth0]");
        assert_eq!(zoned("25eth0"), "[fe80::1%2525eth0]");
        assert_eq!(zoned("25"), "[fe80::1%25]");
        assert_eq!(Host::Loopback.to_string(), "");
    }

    #[test]
    fn a_zone_may_be_typed_as_urls_have_it() {
        for (text, zone) in [
            ("fe80::1", None),
            ("fe80::1%eth0", Some("eth0")),
            ("fe80::1%25eth0", Some("eth0")),
            ("fe80::1%2525eth0", Some("25eth0")),
            ("fe80::1%25", Some("25")),
            ("fe80::1%253", Some("253")),
        ] {
            assert_eq!(split_zone(text), ("fe80::1", zone));
        }
    }

    #[test]
    fn what_ends_in_a_number_is_no_name() {
        for text in ["127.1", "1", "0x7f", "a.1", "1.2.3.4.", "0x"] {
            assert!(looks_like_v4(text), "{text}");
        }
        for text in ["1a", "a1", "1.example", "0xg", "\u{661}"] {
            assert!(!looks_like_v4(text), "{text}");
        }
    }

    #[test]
    fn names_have_a_longest() {
        let label = "a".repeat(63);
        let longest = [label.as_str(); 4].join(".")[..253].to_owned();
        assert!(matches!(parsed(&format!("{longest}:80")).host(), Some(Host::Name(_))));
        assert_eq!(caret(&refused(&format!("{longest}aa:80"))).1, "255 bytes");
        assert_eq!(caret(&refused(&format!("a{label}:80"))).1, "too long between two dots");
    }
}
