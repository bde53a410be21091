//! Addresses as text and as bytes. In this library an address is never in the network's byte order: `octets()` of
//! `std::net::Ipv4Addr` and `Ipv6Addr` are the bytes as they travel, and their `Display` is the text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Family;
use crate::error::{Error, Kind, Result};

/// The IP address of this family that the text is: four decimal numbers, or IPv6 as RFC 4291 section 2.2 has it.
///
/// Python `inet_pton`, C `inet_pton(3)`. It asks nobody: a name is no address.
///
/// # Errors
/// `Kind::BadAddress` where it is none, or the family has none.
///
/// ```
/// use hobnob::socket::{Family, address_of_text};
/// assert_eq!(address_of_text(Family::V6, "::1")?.to_string(), "::1");
/// assert!(address_of_text(Family::V4, "127.1").is_err(), "loose_address takes that");
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn address_of_text(family: Family, text: &str) -> Result<IpAddr> {
    let address = match family {
        Family::V4 => text.parse().ok().map(IpAddr::V4),
        Family::V6 => text.parse().ok().map(IpAddr::V6),
        Family::Unix | Family::Packet => None,
    };
    address.ok_or_else(|| not_an_address(text, family))
}

/// The IP address of this family whose bytes these are, as they travel: four, or sixteen. Its `Display` is the text.
///
/// Python `inet_ntop`, and `inet_ntoa` for IPv4; C `inet_ntop(3)`. The other way is `octets()`.
///
/// # Errors
/// `Kind::BadAddress` where there are more or fewer, or the family has no IP addresses.
///
/// ```
/// use hobnob::socket::{Family, address_of_bytes};
/// assert_eq!(address_of_bytes(Family::V4, &[127, 0, 0, 1])?.to_string(), "127.0.0.1");
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn address_of_bytes(family: Family, bytes: &[u8]) -> Result<IpAddr> {
    let address = match family {
        Family::V4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        Family::V6 => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        Family::Unix | Family::Packet => None,
    };
    address.ok_or_else(|| {
        let message = format!("{} bytes are no address of {}", bytes.len(), family.name());
        Error::new(Kind::BadAddress, message)
    })
}

/// An IPv4 address as old programs take it: up to four numbers, decimal, octal with a 0 before, or hexadecimal with 0x; the
/// last one fills what is left, so that `127.1` is 127.0.0.1.
///
/// Python `inet_aton`, C `inet_aton(3)`. Where somebody else's text is checked, what reads it next may read it otherwise:
/// [`address_of_text`] takes one form alone.
///
/// # Errors
/// `Kind::BadAddress`.
///
/// ```
/// use hobnob::socket::loose_address;
/// for text in ["127.0.0.1", "127.1", "0x7f000001", "0177.0.0.01", "2130706433"] {
///     assert_eq!(loose_address(text)?, std::net::Ipv4Addr::LOCALHOST);
/// }
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn loose_address(text: &str) -> Result<Ipv4Addr> {
    let parts: Option<Vec<u32>> = text.split('.').map(loose_number).collect();
    let number = parts.filter(|parts| parts.len() <= 4).and_then(|parts| {
        let (last, before) = parts.split_last()?;
        let room = u32::MAX.checked_shr(8 * u32::try_from(before.len()).ok()?)?;
        let is_in_range = *last <= room && before.iter().all(|part| *part <= 0xff);
        let high = (0..).zip(before).fold(0, |high, (at, part)| high | part << (24 - 8 * at));
        is_in_range.then_some(high | last)
    });
    number.map(Ipv4Addr::from).ok_or_else(|| not_an_address(text, Family::V4))
}

/// As strtoul(3) with base 0, but without a sign.
fn loose_number(text: &str) -> Option<u32> {
    let is_hex = |text: &&str| text.starts_with("0x") || text.starts_with("0X");
    let (digits, base) = match text {
        hex if is_hex(&hex) => (&hex[2..], 16),
        "0" => ("0", 10),
        octal if octal.starts_with('0') => (&octal[1..], 8),
        decimal => (decimal, 10),
    };
    let is_plain = digits.starts_with(|first: char| first.is_digit(base));
    is_plain.then(|| u32::from_str_radix(digits, base).ok()).flatten()
}

fn not_an_address(text: &str, family: Family) -> Error {
    let message = format!("{text:?} is no address of {}", family.name());
    Error::new(Kind::BadAddress, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_addresses_fill_what_is_left_and_no_more() {
        let read = |text: &str| loose_address(text).ok().map(|address| address.to_string());
        for (text, address) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.772", "1.2.3.4"),
            ("1.131844", "1.2.3.4"),
            ("0", "0.0.0.0"),
            ("255.255.255.255", "255.255.255.255"),
            ("4294967295", "255.255.255.255"),
            ("0xFF.0377.1", "255.255.0.1"),
        ] {
            assert_eq!(read(text).as_deref(), Some(address), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            "1..2",
            "1.2.3.4.5",
            "256.1",
            "1.2.3.256",
            "1.2.65536",
            "1.16777216",
            "4294967296",
            "0x",
            "08",
            "-1",
            "+1",
            "1.2.3.4x",
            "0x+1",
            "a",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_of_its_family_alone() {
        assert!(address_of_text(Family::V4, "::1").is_err());
        assert!(address_of_text(Family::V6, "127.0.0.1").is_err());
        assert!(address_of_text(Family::Unix, "127.0.0.1").is_err());
        assert!(address_of_bytes(Family::V6, &[0; 4]).is_err());
        let error = address_of_text(Family::V4, "localhost").expect_err("a name");
        assert_eq!(error.kind(), Kind::BadAddress);
    }
}
