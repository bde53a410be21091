//! A range of addresses, as rules name it.

use std::net::IpAddr;

use super::canonical;
use crate::error::{Error, Kind, Result};

/// A range of addresses: `10.0.0.0/8`, `::1`, `192.168.1.20`. Bits of the base behind the prefix do not count, as for
/// nginx and `PostgreSQL`'s `pg_hba.conf`: `10.0.0.5/8` is `10.0.0.0/8`. IPv4 addresses mapped into IPv6 (RFC 4291,
/// 2.5.5.2) are IPv4 addresses: `::ffff:10.0.0.0/104` is `10.0.0.0/8`, and no IPv6 network holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

/// Bits before an IPv4 address that is mapped into IPv6.
const MAPPED_BITS: u8 = 96;

impl Network {
    /// Reads an address with or without a prefix length. The prefix of a mapped address is from 96 up: a network with a
    /// shorter one would hold both families, and no peer is seen with a mapped address.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |expected: &str| {
            let wrong = format!("allow does not take {text:?}");
            Error::expecting(Kind::BadOption, &wrong, expected)
                .why("as in 10.0.0.0/8, 192.168.1.20, fd00::/8")
        };
        let neither = || bad("it takes an address or a network");
        let (base, bits) =
            text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| neither())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| neither()))?;
        if bits > most {
            return Err(neither());
        }
        let (base, bits) = match canonical(base) {
            IpAddr::V4(mapped) if most == 128 => {
                let bits = bits.checked_sub(MAPPED_BITS).ok_or_else(|| {
                    bad("the prefix of an IPv4 address that is mapped into IPv6 is from 96 up")
                })?;
                (IpAddr::V4(mapped), bits)
            }
            base => (base, bits),
        };
        Ok(Network { base, bits })
    }

    /// Whether it holds this address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (base, ip, most) = match (self.base, canonical(ip)) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                (u128::from(base.to_bits()), u128::from(ip.to_bits()), 32)
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => (base.to_bits(), ip.to_bits(), 128),
            _ => return false,
        };
        self.bits == 0 || (base ^ ip) >> (most - u32::from(self.bits)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_say() {
        let ten = Network::parse("10.0.0.0/8").expect("a network");
        assert!(ten.contains("10.255.0.1".parse().expect("an address")));
        assert!(ten.contains("::ffff:10.0.0.1".parse().expect("an address")));
        assert!(!ten.contains("11.0.0.1".parse().expect("an address")));
        assert!(
            Network::parse("0.0.0.0/0")
                .expect("all")
                .contains("1.2.3.4".parse().expect("an address"))
        );
        let host = Network::parse("10.0.0.5/8").expect("bits behind the prefix do not count");
        assert!(host.contains("10.255.0.1".parse().expect("an address")));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "", "::/129", "10.0.0.0/-1"] {
            assert_eq!(Network::parse(wrong).expect_err(wrong).kind(), Kind::BadOption);
        }
    }

    #[test]
    fn a_network_of_mapped_addresses_is_the_network_that_they_are() {
        let peer = "10.255.0.1".parse().expect("an address");
        for (text, holds) in [
            ("::ffff:10.0.0.0/104", true),
            ("::ffff:0:0/96", true),
            ("::ffff:10.255.0.1", true),
            ("::ffff:11.0.0.0/104", false),
        ] {
            assert_eq!(Network::parse(text).expect(text).contains(peer), holds, "{text}");
        }
        let error = Network::parse("::ffff:10.0.0.0/90").expect_err("no peer has that");
        assert_eq!(error.kind(), Kind::BadOption);
        assert!(error.message().contains("from 96 up"), "{error:?}");
    }
}
