//! The headers of IP packets, as far as a raw socket shows them (RFC 791, section 3.1; RFC 8200, section 3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Kind, Result};

/// Bytes of an IPv4 header without options.
const SHORTEST_V4: usize = 20;
/// Bytes of an IPv6 header, without those that may follow it.
const LENGTH_V6: usize = 40;
/// IPv4 counts the words of its header in 4 bytes each.
const WORD: usize = 4;

/// What the header of a packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpHeader {
    /// Bytes of the header, options included; on IPv6 of the first header alone.
    pub length: usize,
    /// Bytes of the packet, as the header has it.
    pub total: usize,
    /// Who has sent it.
    pub from: IpAddr,
    /// Whom it is for.
    pub to: IpAddr,
    /// The protocol of what follows the header.
    pub protocol: u8,
    /// How many routers it may still pass.
    pub reach: u8,
}

impl IpHeader {
    /// Reads the header of a packet, and checks that it does not lie about lengths: the header lies within the packet, and
    /// the packet is as long as it says.
    pub fn read(packet: &[u8]) -> Result<Self> {
        let header = match packet.first().map(|first| first >> 4) {
            Some(4) => Self::read_v4(packet)?,
            Some(6) => Self::read_v6(packet)?,
            Some(version) => return Err(bad(format!("IP has no version {version}"))),
            None => return Err(bad("an IP packet is not empty")),
        };
        if header.total != packet.len() {
            let (says, has) = (header.total, packet.len());
            return Err(bad(format!("its header says {says} bytes, and it has {has}")));
        }
        Ok(header)
    }

    fn read_v4(packet: &[u8]) -> Result<Self> {
        let Some(fixed) = packet.first_chunk::<SHORTEST_V4>() else {
            let has = packet.len();
            return Err(bad(format!("an IPv4 header has at least {SHORTEST_V4} bytes, not {has}")));
        };
        let length = usize::from(fixed[0] & 0xf) * WORD;
        if length < SHORTEST_V4 || length > packet.len() {
            return Err(bad(format!("its IPv4 header cannot have {length} bytes")));
        }
        let address =
            |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        Ok(IpHeader {
            length,
            total: u16::from_be_bytes([fixed[2], fixed[3]]).into(),
            from: address(12).into(),
            to: address(16).into(),
            protocol: fixed[9],
            reach: fixed[8],
        })
    }

    fn read_v6(packet: &[u8]) -> Result<Self> {
        let Some(fixed) = packet.first_chunk::<LENGTH_V6>() else {
            let has = packet.len();
            return Err(bad(format!("an IPv6 header has {LENGTH_V6} bytes, not {has}")));
        };
        let address = |at: usize| {
            let bytes: [u8; 16] = fixed[at..at + 16].try_into().expect("16 of 40 bytes");
            Ipv6Addr::from(bytes)
        };
        Ok(IpHeader {
            length: LENGTH_V6,
            total: LENGTH_V6 + usize::from(u16::from_be_bytes([fixed[4], fixed[5]])),
            from: address(8).into(),
            to: address(24).into(),
            protocol: fixed[6],
            reach: fixed[7],
        })
    }
}

/// The Internet checksum (RFC 1071). Of bytes that have theirs in them it is 0.
pub fn checksum(bytes: &[u8]) -> u16 {
    let (pairs, last) = bytes.as_chunks::<2>();
    let odd = last.first().map_or(0, |last| u64::from(*last) << 8);
    let mut sum = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>() + odd;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("it was folded into 16 bits")
}

fn bad(what: impl Into<String>) -> Error {
    Error::new(Kind::BadFrame, what).hint_topic("raw", "what a packet looks like there")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 192.0.2.1 to 127.0.0.1, protocol 253, with an option of 4 bytes and two bytes of payload.
    const V4: [u8; 26] = [
        0x46, 0, 0, 26, 0, 1, 0, 0, 64, 253, 0, 0, 192, 0, 2, 1, 127, 0, 0, 1, 1, 1, 1, 0, b'h',
        b'i',
    ];

    #[test]
    fn a_header_is_read_field_by_field() {
        let header = IpHeader::read(&V4).expect("a packet");
        assert_eq!((header.length, header.total, header.protocol, header.reach), (24, 26, 253, 64));
        assert_eq!(header.from.to_string(), "192.0.2.1");
        assert_eq!(header.to.to_string(), "127.0.0.1");
        let mut v6 = vec![0x60, 0, 0, 0, 0, 2, 253, 9];
        v6.extend(Ipv6Addr::LOCALHOST.octets());
        v6.extend("2001:db8::2".parse::<Ipv6Addr>().expect("one").octets());
        v6.extend(b"hi");
        let header = IpHeader::read(&v6).expect("a packet");
        assert_eq!((header.length, header.total, header.protocol, header.reach), (40, 42, 253, 9));
        assert_eq!(
            (header.from.to_string(), header.to.to_string().as_str()),
            ("::1".to_owned(), "2001:db8::2")
        );
    }

    #[test]
    fn a_header_that_lies_about_a_length_is_refused() {
        let lies: [(usize, u8); 5] = [(0, 0x44), (0, 0x4f), (3, 25), (3, 27), (0, 0x76)];
        for (at, byte) in lies {
            let mut packet = V4;
            packet[at] = byte;
            let error = IpHeader::read(&packet).expect_err("it lies");
            assert_eq!(error.kind(), Kind::BadFrame, "{at} {byte}");
            assert!(!error.hints().is_empty());
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The example of RFC 1071, section 3.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff]), !0xff00);
        assert_eq!(checksum(&[]), 0xffff);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn crafted_packets_are_read_or_refused(mut packet in prop::collection::vec(any::<u8>(), 0..96), first in any::<u8>()) {
            if let Some(byte) = packet.first_mut() {
                *byte = if first.is_multiple_of(2) { 0x40 | first >> 4 } else { 0x60 };
            }
            if let Ok(header) = IpHeader::read(&packet) {
                prop_assert!(header.length <= packet.len() && header.total == packet.len());
            }
        }
    }
}
