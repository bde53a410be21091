use hobnob::capture::{LinkType, decode};
use proptest::prelude::*;

use super::*;

/// The line of a packet that begins with its IP header, or of a frame of this link.
fn shown(link: LinkType, bytes: &[u8], length: usize) -> String {
    let at = Duration::new(1_795_269_731, 123_456_789);
    let frame = CapturedFrame { at, link, interface: "eth0", bytes, length };
    let decoded = decode(&frame);
    let mut words = PacketWords::new();
    let numbers = words.numbers(&decoded);
    words.line(&frame, &decoded, numbers)
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(20 + payload.len()).expect("short");
    let head = [0x45, 0, 0, length, 0, 7, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&head[..], payload].concat()
}

#[test]
fn each_kind_of_packet_is_one_line() {
    let syn = [
        0xcf, 0x96, 0x23, 0x28, 0, 0, 0, 7, 0, 0, 0, 0, 0x70, 2, 255, 215, 0, 0, 0, 0, 2, 4, 0xff,
        0xd7, 1, 3, 3, 7,
    ];
    let said =
        [0x23, 0x28, 0xcf, 0x96, 0, 0, 0, 9, 0, 0, 0, 8, 0x50, 0x18, 2, 0, 0, 0, 0, 0, 104, 105];
    let refused =
        [&[3, 3, 0, 0, 0, 0, 0, 0][..], &ipv4(17, &[0, 1, 0x23, 0x28, 0, 9, 0, 0, 1])].concat();
    let report = [0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 239, 1, 2, 3];
    for (packet, expected) in [
        (
            ipv4(6, &syn),
            "IP 10.0.0.1:53142 > 10.0.0.2:9000: Flags [S], seq 7, win 65495, \
             options [mss 65495,nop,wscale 7], length 0",
        ),
        (
            ipv4(6, &said),
            "IP 10.0.0.1:9000 > 10.0.0.2:53142: Flags [P.], seq 9:11, ack 8, win 512, length 2",
        ),
        (
            ipv4(17, &[0, 53, 0, 54, 0, 10, 0, 0, 104, 105]),
            "IP 10.0.0.1:53 > 10.0.0.2:54: UDP, length 2",
        ),
        (
            ipv4(1, &[8, 0, 0, 0, 0, 9, 0, 1]),
            "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 9, seq 1, length 8",
        ),
        (
            ipv4(1, &refused),
            "IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.2 udp port 9000 unreachable, length 37",
        ),
        (
            ipv4(2, &report),
            "IP 10.0.0.1 > 10.0.0.2: igmp v3 report, 1 group record(s) [gaddr 239.1.2.3 to_ex, 0 source(s)]",
        ),
        (ipv4(253, b"x"), "IP 10.0.0.1 > 10.0.0.2: protocol 253, length 1"),
    ] {
        assert_eq!(shown(LinkType::Raw, &packet, packet.len()), expected);
    }
}

#[test]
fn a_frame_without_ip_and_one_that_is_cut_or_lies_are_told() {
    let ends = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    let arp =
        [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
    let frame = [&ends[..], &[0x81, 0, 0, 5, 8, 6], &arp].concat();
    let line = "vlan 5, ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28";
    assert_eq!(shown(LinkType::Ethernet, &frame, frame.len()), line);
    let frame = [&ends[..], &[0x88, 0xcc], b"\x1b[2J"].concat();
    let line = "02:00:00:00:00:01 > 02:00:00:00:00:02: ethertype 0x88cc, length 18";
    assert_eq!(shown(LinkType::Ethernet, &frame, frame.len()), line);
    let mut packet = ipv4(17, &[0, 53, 0, 54, 0, 10, 0, 0, 104, 105]);
    packet[3] = 90;
    let line = "IP 10.0.0.1:53 > 10.0.0.2:54: UDP, length 2 [says 60 B more than there are]";
    assert_eq!(shown(LinkType::Raw, &packet, 30), line);
    let line = "IP 10.0.0.1:53 > 10.0.0.2:54: UDP, length 2 [60 B not captured]";
    assert_eq!(shown(LinkType::Raw, &packet, 90), line);
    assert!(shown(LinkType::Raw, &packet[..19], 30).contains("[cut short in the IP header]"));
    assert_eq!(shown(LinkType::Other(9), b"xyz", 3), "link type 9, length 3");
}

#[test]
fn a_time_is_shown_to_the_microsecond_and_none_is_too_large() {
    let mut words = PacketWords::new();
    assert!(words.time(Duration::new(1_795_269_731, 123_456_789)).ends_with(":11.123456"));
    assert!(words.time(Duration::new(u64::MAX, 0)).ends_with(" s.000000"));
}

/// A packet of one of these protocols with whatever behind its header, which may be cut anywhere; or noise.
fn crafted() -> impl Strategy<Value = (LinkType, Vec<u8>)> {
    let protocols = prop::sample::select(vec![1, 2, 6, 17, 58, 132, 253]);
    let behind = prop::collection::vec(any::<u8>(), 0..80);
    let cut = any::<prop::sample::Index>();
    let packet = (protocols, behind, cut).prop_map(|(protocol, behind, cut)| {
        let mut packet = ipv4(protocol, &behind);
        packet.truncate(cut.index(packet.len()) + 1);
        (LinkType::Raw, packet)
    });
    let links = [LinkType::Ethernet, LinkType::Raw, LinkType::Cooked, LinkType::Other(9)];
    let noise = (prop::sample::select(links.to_vec()), prop::collection::vec(any::<u8>(), 0..99));
    prop_oneof![3 => packet, 1 => noise]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_crafted_packet_is_more_than_one_harmless_line((link, bytes) in crafted(), more in 0_usize..9) {
        let line = shown(link, &bytes, bytes.len() + more);
        prop_assert!(!line.is_empty() && !line.contains(char::is_control), "{line:?}");
    }
}
