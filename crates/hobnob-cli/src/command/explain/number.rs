//! Addresses and ports as numbers, and what they are known for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use crate::report::show::safe;

/// An IPv4 address is a number of 32 bits; one of IPv6 has 8 groups of 16 bits, which are rarely written out.
pub(super) fn spelt(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => format!("{v4}   the number {}, 0x{:08x}", v4.to_bits(), v4.to_bits()),
        IpAddr::V6(v6) => format!("{v6}   in full {}", in_full(v6)),
    }
}

pub(super) fn json_of(ip: IpAddr) -> Value {
    match ip {
        IpAddr::V4(v4) => json!({ "address": ip, "number": v4.to_bits(), "range": range(ip).name }),
        IpAddr::V6(v6) => json!({ "address": ip, "in_full": in_full(v6), "range": range(ip).name }),
    }
}

/// All 32 digits (RFC 4291, section 2.2, form 1).
pub(super) fn in_full(ip: Ipv6Addr) -> String {
    ip.segments().map(|group| format!("{group:04x}")).join(":")
}

/// The IPv4 address that is written as one number: in decimal, beyond what a port can be, or in hexadecimal.
pub(super) fn address_of(word: &str) -> Option<Ipv4Addr> {
    let hex = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    let (digits, base) = hex.map_or((word, 10), |digits| (digits, 16));
    let is_plain = digits.starts_with(|first: char| first.is_digit(base));
    let number = u32::from_str_radix(digits, base).ok().filter(|_| is_plain)?;
    let is_port = hex.is_none() && u16::try_from(number).is_ok();
    (!is_port).then(|| Ipv4Addr::from_bits(number))
}

/// What the addresses around this one are for (the IANA registries of special-purpose addresses, RFC 6890).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AddressRange {
    /// In one word.
    pub(super) name: &'static str,
    /// What that means, and where it is said.
    pub(super) meaning: &'static str,
}

const fn range_of(name: &'static str, meaning: &'static str) -> AddressRange {
    AddressRange { name, meaning }
}

const WILDCARD: AddressRange =
    range_of("wildcard", "all addresses of this machine, for who listens");
const PUBLIC: AddressRange = range_of("public", "of anybody on the Internet");
const RESERVED: AddressRange = range_of("reserved", "nobody has it (RFC 6890)");

pub(super) fn range(ip: IpAddr) -> AddressRange {
    match ip {
        IpAddr::V4(v4) => range_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(_) => range_of("mapped", "IPv4 in the form of IPv6 (RFC 4291)"),
            None => range_v6(v6),
        },
    }
}

fn range_v4(ip: Ipv4Addr) -> AddressRange {
    match ip.octets() {
        [0, 0, 0, 0] => WILDCARD,
        [127, ..] => range_of("loopback", "this machine itself (RFC 1122)"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => {
            range_of("private", "of a network behind a router (RFC 1918)")
        }
        [100, 64..=127, ..] => {
            range_of("shared", "between a provider and its customers (RFC 6598)")
        }
        [169, 254, ..] => range_of("link-local", "of one link, given by nobody (RFC 3927)"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            range_of("documentation", "for examples (RFC 5737)")
        }
        [224..=239, ..] => range_of("multicast", "a group (RFC 5771)"),
        [255, 255, 255, 255] => range_of("broadcast", "everybody on the link (RFC 919)"),
        [0 | 240..=255, ..] => RESERVED,
        _ => PUBLIC,
    }
}

fn range_v6(ip: Ipv6Addr) -> AddressRange {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => WILDCARD,
        [0, 0, 0, 0, 0, 0, 0, 1] => range_of("loopback", "this machine itself (RFC 4291)"),
        [0xfe80..=0xfebf, ..] => {
            range_of("link-local", "of one link, so that it takes a zone (RFC 4291)")
        }
        [0xfc00..=0xfdff, ..] => {
            range_of("unique-local", "of a network behind a router (RFC 4193)")
        }
        [0xff00..=0xffff, ..] => range_of("multicast", "a group (RFC 4291)"),
        [0x2001, 0xdb8, ..] => range_of("documentation", "for examples (RFC 3849)"),
        [0x2000..=0x3fff, ..] => PUBLIC,
        _ => RESERVED,
    }
}

/// `port 53 is domain over tcp and udp`.
pub(super) fn spoken(port: u16, services: &[(String, &str)]) -> String {
    let names = match services {
        [(name, first), (other, second)] if name == other => {
            format!("{name} over {first} and {second}")
        }
        each => {
            let all: Vec<_> =
                each.iter().map(|(name, over)| format!("{name} over {over}")).collect();
            all.join(", ")
        }
    };
    safe(&format!("port {port} is {names} (services(5) of this machine)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_address_where_it_cannot_be_a_port() {
        let read = |word| address_of(word).map(|ip| ip.to_string());
        for (word, address) in [
            ("2130706433", Some("127.0.0.1")),
            ("0x7f000001", Some("127.0.0.1")),
            ("0X0A000007", Some("10.0.0.7")),
            ("0x50", Some("0.0.0.80")),
            ("65536", Some("0.1.0.0")),
            ("4294967295", Some("255.255.255.255")),
            ("65535", None),
            ("0", None),
            ("4294967296", None),
            ("0x100000000", None),
            ("0x", None),
            ("+70000", None),
            ("0x+1", None),
            ("", None),
            ("localhost", None),
        ] {
            assert_eq!(read(word).as_deref(), address, "{word}");
        }
    }

    #[test]
    fn every_address_has_a_range() {
        for (ip, name) in [
            ("127.9.9.9", "loopback"),
            ("0.0.0.0", "wildcard"),
            ("0.0.0.80", "reserved"),
            ("172.16.0.1", "private"),
            ("172.32.0.1", "public"),
            ("100.64.0.1", "shared"),
            ("100.128.0.1", "public"),
            ("169.254.0.1", "link-local"),
            ("203.0.113.9", "documentation"),
            ("224.0.0.1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("250.0.0.1", "reserved"),
            ("::", "wildcard"),
            ("::1", "loopback"),
            ("::2", "reserved"),
            ("fe80::1", "link-local"),
            ("fd00::1", "unique-local"),
            ("ff02::1", "multicast"),
            ("2001:db8::1", "documentation"),
            ("2a00::1", "public"),
            ("::ffff:1.2.3.4", "mapped"),
        ] {
            assert_eq!(range(ip.parse().expect("an address")).name, name, "{ip}");
        }
    }

    #[test]
    fn services_of_one_name_are_said_once() {
        let said = |services: [(&str, &'static str); 2]| {
            spoken(53, &services.map(|(name, over)| (name.to_owned(), over)))
        };
        assert_eq!(
            said([("domain", "one"), ("domain", "other")]),
            "port 53 is domain over one and other (services(5) of this machine)"
        );
        assert_eq!(
            said([("a", "one"), ("b", "other")]),
            "port 53 is a over one, b over other (services(5) of this machine)"
        );
    }
}
