//! Packets for the tests of this part, made by hand.

use std::time::Duration;

use super::frame::{CapturedFrame, LinkType};
use super::headers::TcpFlags;

/// A frame that is all there.
pub(super) fn whole(link: LinkType, bytes: &[u8]) -> CapturedFrame<'_> {
    let at = Duration::new(1_700_000_000, 123_456_789);
    CapturedFrame { at, link, interface: "eth0", bytes, length: bytes.len() }
}

/// An Ethernet frame with these tags around a packet of this type.
pub(super) fn ethernet(tags: &[u16], kind: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    for tag in tags {
        frame.extend([0x81, 0x00]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2.
pub(super) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).expect("short");
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 7, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(payload);
    packet
}

/// An IPv6 packet from `fd00::1` to `fd00::2`.
pub(super) fn ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([protocol, 64]);
    for last in [1, 2] {
        packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(payload);
    packet
}

/// A UDP packet.
pub(super) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("short");
    let mut packet = Vec::new();
    for word in [source, destination, length, 0] {
        packet.extend(word.to_be_bytes());
    }
    packet.extend(payload);
    packet
}

/// A TCP segment without options.
pub(super) fn tcp(
    ports: (u16, u16),
    flags: TcpFlags,
    sequence: u32,
    acknowledgment: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(ports.0.to_be_bytes());
    segment.extend(ports.1.to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend(acknowledgment.to_be_bytes());
    segment.extend([0x50, flags.0, 0x10, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// An ARP question: who has 10.0.0.2?
pub(super) fn arp() -> Vec<u8> {
    let mut message = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1];
    message.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    message
}

/// One frame of each kind that is decoded, with a word for it.
pub(super) fn each_kind() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let syn = tcp((53_142, 9_000), TcpFlags::SYN, 7, 0, b"");
    let mut options =
        tcp((9_000, 53_142), TcpFlags(0x18), 7, 8, b"\x02\x04\x05\xb4\x01\x03\x03\x07hi");
    options[12] = 0x70;
    let mut fragment = ipv4(17, &udp(1_000, 53, b"part"));
    fragment[6] = 0x20;
    let mut later = ipv4(17, b"\x23\x28\x23\x28 looks like ports");
    later[7] = 9;
    let v6_fragment = [&[17, 0, 0, 1, 0, 0, 0, 9][..], &udp(1_000, 53, b"part")].concat();
    let igmp = [0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 239, 1, 2, 3];
    let echo = [8, 0, 0, 0, 0, 9, 0, 1, b'x'];
    let ether =
        |tags: &[u16], kind, packet: &[u8]| (LinkType::Ethernet, ethernet(tags, kind, packet));
    let all = [
        ("tcp", ether(&[], 0x800, &ipv4(6, &syn))),
        ("tcp options", ether(&[], 0x86dd, &ipv6(6, &options))),
        ("udp", ether(&[], 0x800, &ipv4(17, &udp(53, 1_000, b"hello")))),
        ("udp6 raw", (LinkType::Raw, ipv6(17, &udp(1_000, 53, b"hello")))),
        ("vlan", ether(&[5], 0x800, &ipv4(6, &syn))),
        ("two vlans", ether(&[5, 6], 0x86dd, &ipv6(17, &udp(53, 53, b"")))),
        ("arp", ether(&[], 0x806, &arp())),
        ("icmp", ether(&[], 0x800, &ipv4(1, &echo))),
        ("icmp6", ether(&[], 0x86dd, &ipv6(58, &[128, 0, 0, 0, 0, 1, 0, 2]))),
        ("igmp", ether(&[], 0x800, &ipv4(2, &igmp))),
        ("first fragment", ether(&[], 0x800, &fragment)),
        ("later fragment", ether(&[], 0x800, &later)),
        ("udp6 fragment", ether(&[], 0x86dd, &ipv6(44, &v6_fragment))),
        ("other", ether(&[], 0x88cc, b"lldp")),
        ("null", (LinkType::Null, [&[2, 0, 0, 0][..], &ipv4(6, &syn)].concat())),
        ("cooked", (LinkType::Cooked, [&[0; 14][..], &[8, 0], &ipv4(6, &syn)].concat())),
    ];
    all.map(|(name, (link, bytes))| (name, link, bytes)).to_vec()
}
