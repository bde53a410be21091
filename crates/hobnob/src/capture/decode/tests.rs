use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::capture::headers::TcpChoice;
use crate::capture::testing::{each_kind, ethernet, ipv4, tcp, udp, whole};
use crate::capture::{CapturedFrame, Filter, SequenceOrigins, StreamFollower};

#[test]
fn each_header_says_what_it_says() {
    let ip = |decoded: &Decoded<'_>| match &decoded.net {
        Some(NetLayer::Ip(ip)) => ip.clone(),
        other => panic!("{other:?}"),
    };
    for (name, link, bytes) in each_kind() {
        let decoded = decode(&whole(link, &bytes));
        assert_eq!(decoded.flaw, None, "{name}");
        match name {
            "tcp" | "vlan" | "null" | "cooked" => {
                let Some(TransportLayer::Tcp(segment)) = &decoded.transport else {
                    panic!("{name}")
                };
                assert_eq!((segment.source_port, segment.destination_port), (53_142, 9_000));
                assert_eq!(segment.flags.to_string(), "S");
                assert_eq!(ip(&decoded).source.to_string(), "10.0.0.1", "{name}");
                assert_eq!(decoded.vlans, if name == "vlan" { vec![5] } else { vec![] }, "{name}");
            }
            "tcp options" => {
                let Some(TransportLayer::Tcp(segment)) = &decoded.transport else {
                    panic!("{name}")
                };
                let choices =
                    [TcpChoice::MaximumSegment(1_460), TcpChoice::Nop, TcpChoice::WindowScale(7)];
                assert_eq!((segment.choices(), segment.payload), (choices.to_vec(), &b"hi"[..]));
                assert_eq!((segment.length, segment.flags.to_string()), (2, "P.".to_owned()));
            }
            "udp" | "udp6 raw" | "two vlans" => {
                let Some(TransportLayer::Udp(packet)) = &decoded.transport else {
                    panic!("{name}")
                };
                assert_eq!(packet.payload.len(), packet.length, "{name}");
            }
            "arp" => {
                let Some(NetLayer::Arp(arp)) = &decoded.net else { panic!("{name}") };
                assert_eq!((arp.operation, arp.sender_hardware.len()), (1, 6));
                assert_eq!(arp.target.map(|ip| ip.to_string()).as_deref(), Some("10.0.0.2"));
            }
            "icmp" | "icmp6" => {
                let Some(TransportLayer::Icmp(message)) = &decoded.transport else {
                    panic!("{name}")
                };
                assert_eq!(message.kind, if message.is_v6 { 128 } else { 8 });
            }
            "igmp" => {
                let Some(TransportLayer::Igmp(message)) = &decoded.transport else {
                    panic!("{name}")
                };
                assert_eq!((message.kind, message.payload.len()), (0x22, 8));
            }
            "first fragment" | "later fragment" | "udp6 fragment" => {
                let part = ip(&decoded).fragment.expect(name);
                assert_eq!(
                    (part.offset > 0, part.has_more),
                    (name == "later fragment", !name.starts_with("later"))
                );
                // The first of them has the ports, and no other.
                let ports = decoded.transport.as_ref().and_then(TransportLayer::ports);
                let expected = (name != "later fragment").then_some((1_000, 53));
                assert_eq!((ports, ip(&decoded).protocol), (expected, 17), "{name}");
            }
            "other" => {
                assert_eq!((decoded.ether_type, decoded.payload), (Some(0x88cc), &b"lldp"[..]));
            }
            other => panic!("{other} is not looked at"),
        }
    }
}

#[test]
fn a_length_that_lies_is_told_apart_from_what_is_here() {
    let segment = tcp((1, 2), TcpFlags::ACK, 1, 1, b"0123456789");
    let mut frame = ethernet(&[], 0x800, &ipv4(6, &segment));
    frame[16..18].copy_from_slice(&1_000_u16.to_be_bytes());
    let decoded = decode(&whole(LinkType::Ethernet, &frame));
    let Some(NetLayer::Ip(ip)) = &decoded.net else { panic!("{decoded:?}") };
    assert_eq!((ip.length, ip.missing), (980, 950));
    let Some(TransportLayer::Tcp(segment)) = &decoded.transport else { panic!("{decoded:?}") };
    assert_eq!((segment.length, segment.payload), (960, &b"0123456789"[..]));
    // A header that says that it is longer than all of it.
    frame[14] = 0x4f;
    frame.truncate(40);
    let decoded = decode(&whole(LinkType::Ethernet, &frame));
    assert!(decoded.flaw.is_some() && decoded.transport.is_none(), "{decoded:?}");
    // UDP that says more than the frame has, and less than its own header.
    for length in [9_000_u16, 3] {
        let mut packet = udp(1, 2, b"x");
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        let bytes = ipv4(17, &packet);
        let decoded = decode(&whole(LinkType::Raw, &bytes));
        assert!(
            matches!(decoded.transport, Some(TransportLayer::Udp(_))) || decoded.flaw.is_some()
        );
    }
}

#[test]
fn a_frame_that_is_cut_anywhere_says_so_or_says_less() {
    for (name, link, bytes) in each_kind() {
        for kept in 0..bytes.len() {
            let cut = CapturedFrame { bytes: &bytes[..kept], ..whole(link, &bytes) };
            let decoded = decode(&cut);
            let missing = match &decoded.net {
                Some(NetLayer::Ip(ip)) => ip.missing > 0,
                _ => false,
            };
            let is_told = decoded.flaw.is_some() || missing || name == "other";
            assert!(is_told, "{name} cut to {kept}: {decoded:?}");
        }
    }
}

/// A frame of a known kind with some bytes changed and its tail cut, or nothing but noise.
fn crafted() -> impl Strategy<Value = (LinkType, Vec<u8>)> {
    let kinds = each_kind();
    let links = prop::sample::select(vec![
        LinkType::Ethernet,
        LinkType::Raw,
        LinkType::Null,
        LinkType::Cooked,
        LinkType::CookedToo,
        LinkType::Other(9),
    ]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let bent = (0..kinds.len(), changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        move |(kind, changes, cut, is_cut)| {
            let (_, link, mut bytes) = kinds[kind].clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            (link, bytes)
        },
    );
    prop_oneof![4 => bent, 1 => (links, prop::collection::vec(any::<u8>(), 0..120))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_crafted_packet_is_too_much_for_any_decoder(frames in prop::collection::vec(crafted(), 1..4)) {
        let (mut origins, mut follower) = (SequenceOrigins::default(), StreamFollower::default());
        let filter = Filter::parse("not (tcp port 9000 or host fd00::1) and (net 10.0.0.0/8 or udp)").expect("words");
        for (link, bytes) in &frames {
            let frame = whole(*link, bytes);
            let decoded = decode(&frame);
            filter.matches(&frame);
            let is_part = |part: &[u8]| bytes.as_ptr_range().contains(&part.as_ptr()) || part.is_empty();
            prop_assert!(is_part(decoded.payload) || decoded.payload.as_ptr() == bytes.as_ptr_range().end);
            if let (Some(NetLayer::Ip(ip)), Some(TransportLayer::Tcp(segment))) = (&decoded.net, &decoded.transport) {
                segment.choices();
                let [a, b] = [(ip.source, segment.source_port), (ip.destination, segment.destination_port)];
                origins.numbers(a.into(), b.into(), segment);
            }
            let mut said = 0;
            follower.packet(Duration::ZERO, &decoded, |_| said += 1);
            prop_assert!(said < 100);
        }
        follower.finish(|_| ());
    }
}
