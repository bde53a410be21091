use proptest::prelude::*;

use super::*;
use crate::capture::decode::decode;
use crate::capture::frame::LinkType;
use crate::capture::headers::TcpFlags;
use crate::capture::testing::{ipv4, tcp, whole};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const FIN: u8 = 0x11;
const RST: u8 = 0x14;
/// The numbers with which both sides begin: the client's comes round soon.
const ISN: (u32, u32) = (u32::MAX - 3, 5_000);

/// A segment of one conversation: up or down, its flags, how far from its side's first byte, and its bytes.
#[derive(Debug, Clone)]
struct Sent {
    is_up: bool,
    flags: u8,
    at: u32,
    heard: u32,
    bytes: Vec<u8>,
}

fn up(flags: u8, at: u32, heard: u32, bytes: &[u8]) -> Sent {
    Sent { is_up: true, flags, at, heard, bytes: bytes.to_vec() }
}

fn down(flags: u8, at: u32, heard: u32, bytes: &[u8]) -> Sent {
    Sent { is_up: false, ..up(flags, at, heard, bytes) }
}

/// The handshake, of which place 0 is the first byte behind it.
fn shaken() -> Vec<Sent> {
    let before = u32::MAX;
    vec![
        Sent { heard: 0, ..up(SYN, before, 0, b"") },
        down(SYN | ACK, before, 0, b""),
        up(ACK, 0, 0, b""),
    ]
}

/// One line an event, as short as it can be.
fn told(all: &[Sent]) -> Vec<String> {
    let mut follower = StreamFollower::default();
    let mut lines = Vec::new();
    for (number, sent) in all.iter().enumerate() {
        let (ports, origin, other) =
            if sent.is_up { ((7_000, 80), ISN.0, ISN.1) } else { ((80, 7_000), ISN.1, ISN.0) };
        let number_of = |origin: u32, at: u32| origin.wrapping_add(1).wrapping_add(at);
        let (sequence, heard) = (number_of(origin, sent.at), number_of(other, sent.heard));
        let segment = tcp(ports, TcpFlags(sent.flags), sequence, heard, &sent.bytes);
        let mut packet = ipv4(6, &segment);
        if !sent.is_up {
            let (first, second) = packet.split_at_mut(16);
            first[12..16].swap_with_slice(&mut second[..4]);
        }
        let frame = whole(LinkType::Raw, &packet);
        let at = Duration::from_millis(number as u64);
        assert!(follower.packet(at, &decode(&frame), |event| lines.push(line(event))));
    }
    follower.finish(|event| lines.push(line(event)));
    assert_eq!(follower.held, 0, "nothing is kept for ever");
    lines
}

fn line(event: StreamEvent<'_>) -> String {
    let arrow = |way| if way == StreamWay::Up { '>' } else { '<' };
    match event {
        StreamEvent::Opened(opened) => {
            let times = [opened.times.asked, opened.times.answered, opened.times.shaken];
            let times = times.map(|time| time.map_or(-1, |time| time.as_millis().cast_signed()));
            format!("open {} {times:?}", opened.client.port())
        }
        StreamEvent::Said { way, bytes, .. } => {
            format!("{} {}", arrow(way), String::from_utf8_lossy(bytes))
        }
        StreamEvent::Faulty { way, fault, offset, length, .. } => {
            format!("{} {fault:?} {offset}+{length}", arrow(way))
        }
        StreamEvent::Missed { way, bytes, .. } => format!("{} missed {bytes}", arrow(way)),
        StreamEvent::Closed(closed) => {
            let faults = (closed.retransmitted(), closed.out_of_order());
            format!("{:?} {} segments {faults:?}", closed.how, closed.segments)
        }
    }
}

fn after_the_handshake(sent: &[Sent]) -> Vec<String> {
    let mut lines = told(&[shaken(), sent.to_vec()].concat());
    assert_eq!(lines.remove(0), "open 7000 [0, 1, 2]");
    lines
}

#[test]
fn a_conversation_is_told_from_its_handshake_to_its_ends() {
    let lines = after_the_handshake(&[
        down(ACK, 0, 0, b"Welcome!"),
        up(ACK, 0, 8, b"Michael"),
        down(ACK, 8, 7, b"Hello, Michael!"),
        up(FIN, 7, 23, b""),
        down(FIN, 23, 8, b""),
        up(ACK, 8, 24, b""),
    ]);
    let expected = ["< Welcome!", "> Michael", "< Hello, Michael!", "Ended(Up) 9 segments (0, 0)"];
    assert_eq!(lines, expected);
}

#[test]
fn what_came_again_or_out_of_order_is_marked_and_told_once_and_in_order() {
    let lines = after_the_handshake(&[
        up(ACK, 0, 0, b"abc"),
        up(ACK, 0, 0, b"abc"),
        up(ACK, 6, 0, b"ghi"),
        up(ACK, 6, 0, b"ghi"),
        up(ACK, 3, 0, b"def"),
        up(ACK, 7, 0, b"hijk"),
        down(RST, 0, 11, b""),
    ]);
    let expected = [
        "> abc",
        "> Retransmitted 0+3",
        "> Retransmitted 6+3",
        "> OutOfOrder 3+3",
        "> def",
        "> ghi",
        "> Retransmitted 7+4",
        "> jk",
        "Reset(Down) 10 segments (3, 1)",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_question_whether_the_other_lives_is_no_fault_and_an_end_that_comes_again_is() {
    let lines = after_the_handshake(&[
        up(ACK, 0, 0, b"abc"),
        up(ACK, 2, 0, b"c"),
        up(FIN, 3, 0, b""),
        up(FIN, 3, 0, b""),
        down(FIN, 0, 4, b""),
        up(ACK, 4, 1, b""),
    ]);
    assert_eq!(lines, ["> abc", "> Retransmitted 3+0", "Ended(Up) 9 segments (1, 0)"]);
}

#[test]
fn what_was_acknowledged_and_not_captured_is_missed() {
    let lines = after_the_handshake(&[
        up(ACK, 0, 0, b"abc"),
        up(ACK, 9, 0, b"jkl"),
        down(ACK, 0, 12, b""),
        up(ACK, 12, 0, b"m"),
        down(ACK, 0, 20, b""),
    ]);
    let expected =
        ["> abc", "> missed 6", "> jkl", "> m", "> missed 7", "StillOpen 8 segments (0, 0)"];
    assert_eq!(lines, expected);
}

#[test]
fn a_stream_may_be_found_in_its_middle_or_never_answered_or_refused() {
    let lines = told(&[down(ACK, 8, 7, b"late"), up(ACK, 7, 12, b"yes")]);
    assert_eq!(lines, ["open 7000 [-1, -1, -1]", "< late", "> yes", "StillOpen 2 segments (0, 0)"]);
    let ask = shaken()[0].clone();
    let lines = told(&[ask.clone(), ask.clone()]);
    let expected = ["> Retransmitted 0+0", "open 7000 [0, -1, -1]", "StillOpen 2 segments (1, 0)"];
    assert_eq!(lines, expected);
    let lines = told(&[ask, down(RST, 0, 0, b"")]);
    assert_eq!(lines, ["open 7000 [0, -1, -1]", "Reset(Down) 2 segments (0, 0)"]);
    assert_eq!(told(&[up(RST, 0, 0, b"")]), Vec::<String>::new(), "a reset alone is no stream");
}

#[test]
fn the_same_ends_may_connect_again() {
    let first = [shaken(), vec![up(RST, 0, 0, b"")]].concat();
    let mut second = shaken();
    second[0].at = 99;
    let lines = told(&[first, second].concat());
    assert_eq!(lines.iter().filter(|line| line.starts_with("open")).count(), 2, "{lines:?}");
}

#[test]
fn however_many_streams_there_are_only_so_many_are_kept() {
    let mut follower = StreamFollower::default();
    let mut forgotten = 0;
    for number in 0..u32::try_from(MOST_STREAMS).expect("small") + 5 {
        let mut packet = ipv4(6, &tcp((7_000, 80), TcpFlags(SYN), 1, 0, b""));
        packet[12..16].copy_from_slice(&number.to_be_bytes());
        let frame = whole(LinkType::Raw, &packet);
        follower.packet(Duration::ZERO, &decode(&frame), |event| {
            forgotten += u64::from(matches!(event, StreamEvent::Closed(_)));
        });
    }
    assert_eq!((follower.streams.len(), forgotten), (MOST_STREAMS, 5));
    // One pair of ends that connects again and again is one stream at a time.
    for number in 0..3 * u32::try_from(MOST_STREAMS).expect("small") {
        let packet = ipv4(6, &tcp((7_001, 80), TcpFlags(SYN), number, 0, b""));
        let frame = whole(LinkType::Raw, &packet);
        follower.packet(Duration::ZERO, &decode(&frame), |_| ());
    }
    assert!(follower.order.len() <= 2 * MOST_STREAMS, "{}", follower.order.len());
}

#[test]
fn what_waits_for_a_gap_is_bounded() {
    let mut follower = StreamFollower::default();
    let mut missed = 0;
    let mut send = |at: u32, payload: &[u8]| {
        let segment = tcp((7_000, 80), TcpFlags(ACK), at, 0, payload);
        let packet = ipv4(6, &segment);
        let frame = whole(LinkType::Raw, &packet);
        follower.packet(Duration::ZERO, &decode(&frame), |event| {
            missed += u64::from(matches!(event, StreamEvent::Missed { .. }));
        });
        follower.held
    };
    send(0, b"x");
    let mut most = 0;
    for piece in 0..3_000 {
        most = most.max(send(1_000 + piece * 2_000, &[b'y'; 1_000]));
    }
    assert!(most <= MOST_HELD_OF_ONE + 2_000 && missed > 1, "{most} {missed}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However segments are cut, repeated and reordered, what is told is what was sent.
    #[test]
    fn whatever_order_segments_come_in_the_bytes_are_told_in_theirs(
        pieces in prop::collection::vec((0_usize..60, 1_usize..20), 1..40),
        order in any::<u64>(),
    ) {
        let all: Vec<u8> = (0..80).map(|at| b'0' + at).collect();
        let covers = (0..80).step_by(10).map(|at| (at, 10));
        let mut sent: Vec<Sent> = pieces
            .into_iter()
            .chain(covers)
            .map(|(at, length)| {
                let place = u32::try_from(at).expect("small");
                up(ACK, place, 0, &all[at..at + length])
            })
            .collect();
        let mut state = order;
        for at in (1..sent.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            sent.swap(at, usize::try_from(state >> 33).expect("small") % (at + 1));
        }
        let lines = after_the_handshake(&sent);
        let said: String = lines
            .iter()
            .filter_map(|line| line.strip_prefix("> "))
            .filter(|line| !line.starts_with("Retransmitted") && !line.starts_with("OutOfOrder"))
            .collect();
        prop_assert_eq!(said.as_bytes(), &all[..]);
    }
}
