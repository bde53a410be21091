//! `hobnob sniff`: of files here, of interfaces in networks of the tests' own.

mod files;
mod live;

use std::time::Duration;

use hobnob::capture::{CaptureWriter, CapturedFrame, LinkType};

/// An IPv4 packet with a TCP segment: ports, flags, sequence, acknowledgment, bytes.
pub(crate) fn segment(
    ports: (u16, u16),
    flags: u8,
    numbers: (u32, u32),
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(40 + payload.len()).expect("short");
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 7, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    packet.extend(ports.0.to_be_bytes());
    packet.extend(ports.1.to_be_bytes());
    packet.extend(numbers.0.to_be_bytes());
    packet.extend(numbers.1.to_be_bytes());
    packet.extend([0x50, flags, 2, 0, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}

/// A whole conversation: a handshake, a greeting, the same once more, an answer, two ends.
pub(crate) fn conversation(greeting: &[u8]) -> Vec<Vec<u8>> {
    let (up, down) = ((53_142, 9_000), (9_000, 53_142));
    let length = u32::try_from(greeting.len()).expect("short");
    vec![
        segment(up, 0x02, (99, 0), b""),
        segment(down, 0x12, (499, 100), b""),
        segment(up, 0x10, (100, 500), b""),
        segment(down, 0x18, (500, 100), greeting),
        segment(down, 0x18, (500, 100), greeting),
        segment(up, 0x18, (100, 500 + length), b"Michael"),
        segment(up, 0x11, (107, 500 + length), b""),
        segment(down, 0x11, (500 + length, 108), b""),
        segment(up, 0x10, (108, 501 + length), b""),
    ]
}

/// A capture file of these packets, a millisecond apart, from an interface of this name.
pub(crate) fn file_of(packets: &[Vec<u8>], interface: &str) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = CaptureWriter::new(&mut file, "a test").expect("a vector");
    for (number, bytes) in packets.iter().enumerate() {
        let at = Duration::from_secs(1_700_000_000) + Duration::from_millis(number as u64);
        let (link, length) = (LinkType::Raw, bytes.len());
        let frame = CapturedFrame { at, link, interface, bytes, length };
        writer.frame(&frame).expect("a vector");
    }
    file
}
