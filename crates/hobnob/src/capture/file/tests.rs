use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::capture::frame::LinkType;
use crate::capture::testing::{each_kind, whole};
use crate::error::{Error, Kind};

/// What one frame says, without its borrows.
type Kept = (Duration, LinkType, String, Vec<u8>, usize);

fn read_all(file: &[u8]) -> (Vec<Kept>, Option<Error>) {
    let mut all = Vec::new();
    let mut reader = match CaptureReader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (all, Some(error)),
    };
    loop {
        match reader.frame() {
            Ok(Some(frame)) => all.push((
                frame.at,
                frame.link,
                frame.interface.to_owned(),
                frame.bytes.to_vec(),
                frame.length,
            )),
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

fn written() -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = CaptureWriter::new(&mut file, "a test").expect("a vector");
    for (_, link, bytes) in each_kind() {
        writer.frame(&whole(link, &bytes)).expect("a vector");
    }
    writer.counts(16, 3).expect("a vector");
    writer.flush().expect("a vector");
    assert_eq!(writer.frames(), each_kind().len() as u64);
    file
}

#[test]
fn what_is_written_is_read_to_the_nanosecond() {
    let (all, error) = read_all(&written());
    assert_eq!(error, None);
    assert_eq!(all.len(), each_kind().len());
    for ((at, link, name, bytes, length), (_, expected, frame)) in all.into_iter().zip(each_kind())
    {
        assert_eq!((at, name.as_str()), (Duration::new(1_700_000_000, 123_456_789), "eth0"));
        assert_eq!((link, &bytes, length), (expected, &frame, frame.len()));
    }
}

#[test]
fn a_file_of_ever_new_interfaces_costs_the_writer_no_more_memory() {
    let mut file = Vec::new();
    let mut writer = CaptureWriter::new(&mut file, "a test").expect("a vector");
    let names: Vec<_> = (0..3_000).map(|number| format!("eth{}", number % 2_000)).collect();
    for name in &names {
        let frame = CapturedFrame { interface: name, ..whole(LinkType::Raw, b"E") };
        writer.frame(&frame).expect("a vector");
    }
    drop(writer);
    let sections = file.windows(4).filter(|four| *four == 0x0a0d_0d0a_u32.to_ne_bytes()).count();
    assert_eq!(sections, 3, "1,024 interfaces are in one");
    let (all, error) = read_all(&file);
    assert_eq!(error, None);
    assert_eq!(all.into_iter().map(|kept| kept.2).collect::<Vec<_>>(), names);
}

/// A pcap file of one frame in this byte order and with this first number.
fn pcap(magic: u32, is_big: bool) -> Vec<u8> {
    let long = |number: u32| if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
    let short = |number: u16| if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
    let mut file = long(magic).to_vec();
    file.extend([short(2), short(4)].concat());
    file.extend([0_u32, 0, 262_144, 101].map(long).concat());
    file.extend([7_u32, 9, 3, 60].map(long).concat());
    file.extend(b"abc");
    file
}

#[test]
fn pcap_is_read_in_both_byte_orders_and_both_units() {
    for (magic, nanos) in [(0xa1b2_c3d4, 9_000), (0xa1b2_3c4d, 9)] {
        for is_big in [false, true] {
            let (all, error) = read_all(&pcap(magic, is_big));
            assert_eq!(error, None);
            let expected =
                (Duration::new(7, nanos), LinkType::Raw, String::new(), b"abc".to_vec(), 60);
            assert_eq!(all, [expected]);
        }
    }
}

#[test]
fn a_big_endian_section_with_old_and_simple_packets_is_read() {
    let block = |kind: u32, body: &[u8]| {
        let length = u32::try_from(body.len() + 12).expect("short").to_be_bytes();
        [&kind.to_be_bytes()[..], &length, body, &length].concat()
    };
    let longs = |all: &[u32]| all.iter().flat_map(|one| one.to_be_bytes()).collect::<Vec<_>>();
    let section =
        block(0x0a0d_0d0a, &[&longs(&[0x1a2b_3c4d, 0x0001_0000]), &[0xff; 8][..]].concat());
    // Times in 1/1024 of a second, an hour later than they are told, and frames of at most 2 bytes.
    let options =
        [&[0, 9, 0, 1, 0x8a, 0, 0, 0, 0, 14, 0, 8][..], &3_600_u64.to_be_bytes()].concat();
    let interface = block(1, &[&longs(&[0x0065_0000, 2]), &options[..]].concat());
    let old = block(2, &[&longs(&[0, 0, 512, 2, 60]), &b"ab\0\0"[..]].concat());
    let simple = block(3, &[&longs(&[60]), &b"cd\0\0"[..]].concat());
    let unknown = block(0x0bad, b"skip");
    let (all, error) = read_all(&[section, interface, unknown, old, simple].concat());
    assert_eq!(error, None);
    assert_eq!(all[0].0, Duration::new(3_600, 500_000_000));
    assert_eq!((&all[0].3[..], all[0].4), (&b"ab"[..], 60));
    assert_eq!((&all[1].3[..], all[1].4), (&b"cd"[..], 60));
}

#[test]
fn a_file_that_is_cut_anywhere_gives_each_whole_packet_and_then_the_error() {
    for (file, last) in [(written(), 44), (pcap(0xa1b2_c3d4, false), 0)] {
        let whole = read_all(&file).0.len();
        let mut most = 0;
        for kept in 0..file.len() {
            let (all, error) = read_all(&file[..kept]);
            assert!(all.len() >= most && all.len() <= whole, "{kept}");
            most = all.len();
            let is_border = error.is_none();
            assert!(is_border || error.is_some_and(|error| error.kind() == Kind::BadCapture));
            assert!(kept < file.len() - last || !is_border || last > 0, "{kept}");
        }
    }
    let file = pcap(0xa1b2_c3d4, false);
    let mut reader = CaptureReader::new(&file[..41]).expect("the head is there");
    let error = reader.frame().expect_err("it is cut");
    assert_eq!(error.message(), "the file ends in the middle of packet 1");
    assert_eq!(error.reasons(), ["at byte 24, behind 0 whole packets"]);
    assert_eq!(reader.frame().expect("it is over"), None);
}

#[test]
fn a_length_that_lies_takes_no_memory() {
    let mut file = pcap(0xa1b2_c3d4, false);
    file[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = read_all(&file).1.expect("too large");
    assert!(error.message().ends_with("packet 1 says that it has 4294967295 bytes"), "{error}");
    for (what, file) in [("empty", &b""[..]), ("text", b"hello, world"), ("short", b"\xd4\xc3")] {
        assert_eq!(read_all(file).1.expect(what).kind(), Kind::BadCapture, "{what}");
    }
    let file = written();
    for length in [0_u32, 8, 13, 1 << 30] {
        let mut file = file.clone();
        file[4..8].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(read_all(&file).1.expect("a lie").kind(), Kind::BadCapture, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_crafted_file_is_too_much(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        is_pcap in any::<bool>(),
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut file = if is_pcap { pcap(0xa1b2_c3d4, true) } else { written() };
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        file.extend(noise);
        let (all, error) = read_all(&file);
        prop_assert!(all.len() <= file.len());
        prop_assert!(error.is_none_or(|error| error.kind() == Kind::BadCapture));
    }
}
