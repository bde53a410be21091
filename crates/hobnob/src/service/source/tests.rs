//! The source, over a channel that takes and hears what the test wants.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::Waker;

use super::*;
use crate::address::Address;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::conn::{Channel, Facts};
use crate::error::Error;
use crate::session::Opening;
use crate::session::powers::Powers;
use crate::spec::Options;

/// What the other end does and has got.
#[derive(Default)]
struct Far {
    is_packets: bool,
    says: VecDeque<Result<Option<usize>>>,
    /// Bytes or packets that it takes before it is full.
    room: usize,
    got: Vec<Vec<u8>>,
    is_closed: bool,
    flushes: usize,
}

struct Scripted(Arc<Mutex<Far>>);

impl Channel for Scripted {
    fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<Option<usize>>> {
        self.0.lock().expect("one thread").says.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_send(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let mut far = self.0.lock().expect("one thread");
        if far.is_closed {
            return Poll::Ready(Err(Error::new(Kind::ConnectionReset, "reset")));
        }
        if far.room == 0 {
            return Poll::Pending;
        }
        let taken = if far.is_packets { buf.len() } else { buf.len().min(far.room) };
        far.room -= if far.is_packets { 1 } else { taken };
        far.got.push(buf[..taken].to_vec());
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.lock().expect("one thread").flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {}
}

struct Nobody;

impl Powers for Nobody {}

/// A session with its far end.
struct Stage {
    service: Box<dyn Service>,
    session: Arc<Session>,
    conn: Conn,
    far: Arc<Mutex<Far>>,
}

fn stage(shape: Shape, given: &[(&str, &str)]) -> Stage {
    let mut options = Options::of(ROW.spec.options);
    for (name, value) in given {
        options.set(ROW.spec.options, name, Some(value)).expect("a known option");
    }
    let Ok(Made::Service(service)) = ROW.make.expect("built in")(&options) else {
        panic!("a service")
    };
    let name = Address::name("far");
    let facts = Arc::new(Facts::new("memory", name.clone(), name));
    let is_packets = shape == Shape::Packets;
    let far = Arc::new(Mutex::new(Far { is_packets, ..Far::default() }));
    let conn = Conn::new(facts.clone(), shape, Box::new(Scripted(far.clone())));
    let session = Arc::new(Session::open(Opening {
        id: 1,
        parent: 0,
        door: Some(""),
        facts,
        shard: 0,
        bus: Bus::new(Clock::start(), 1),
        seed: 1,
        powers: Arc::new(Nobody),
    }));
    Stage { service, session, conn, far }
}

impl Stage {
    /// Polls a run in the steps that the test makes in between; ends with the last poll's outcome.
    fn run(&mut self, steps: &[&dyn Fn(&mut Far, &Session)]) -> Poll<Result<()>> {
        let mut run = self.service.run(&self.session, &mut self.conn);
        let mut cx = Context::from_waker(Waker::noop());
        let mut outcome = Poll::Pending;
        for step in steps {
            assert!(outcome.is_pending(), "it ended before its time");
            step(&mut self.far.lock().expect("one thread"), &self.session);
            outcome = run.as_mut().poll(&mut cx);
        }
        outcome
    }

    fn got(&self) -> Vec<u8> {
        self.far.lock().expect("one thread").got.concat()
    }
}

fn assert_is_the_text(got: &[u8]) {
    let mut text = vec![0; got.len()];
    write_lines(0, &mut text);
    assert!(got == text, "lost, repeated or moved");
}

#[test]
fn the_text_is_the_same_wherever_it_is_begun() {
    let mut whole = vec![0; 64 * 40];
    write_lines(0, &mut whole);
    assert!(whole.starts_with(b"00000000000000000000 abc"));
    assert_eq!(&whole[64 * 17 - 1..][..21], b"\n00000000000000001088");
    for start in 0..200 {
        for length in [0, 1, 63, 64, 65, 1_000] {
            let mut part = vec![0; length];
            write_lines(start as u64, &mut part);
            assert_eq!(part, whole[start..start + length]);
        }
    }
    write_lines(u64::MAX - 70, &mut [0; 200]);
}

#[test]
fn a_slow_reader_gets_every_byte_in_its_place() {
    let mut stage = stage(Shape::Bytes, &[]);
    let outcome = stage.run(&[
        &|far, _| far.room = 5_000,
        &|far, _| far.room = 1,
        &|far, _| far.room = 300_000,
        &|far, _| far.room = 77,
    ]);
    assert!(outcome.is_pending());
    assert_eq!(stage.got().len(), 305_078);
    assert_is_the_text(&stage.got());
    assert_eq!(stage.far.lock().expect("one thread").flushes, 4, "flush before you wait");
}

#[test]
fn an_endless_reader_leaves_others_their_turn() {
    let mut stage = stage(Shape::Bytes, &[]);
    assert!(stage.run(&[&|far, _| far.room = usize::MAX]).is_pending());
    assert_eq!(stage.got().len(), ROUNDS * scratch::SIZE);
}

#[test]
fn it_stops_after_its_bytes() {
    for (bytes, length) in [("100k", 102_400), ("1", 1), ("0", 0)] {
        let mut stage = stage(Shape::Bytes, &[("bytes", bytes)]);
        let outcome = stage.run(&[&|far, _| far.room = usize::MAX]);
        assert!(matches!(outcome, Poll::Ready(Ok(()))));
        assert_eq!(stage.got().len(), length);
        assert_is_the_text(&stage.got());
    }
}

#[test]
fn a_half_close_keeps_it_pouring_until_the_peer_closes() {
    let mut stage = stage(Shape::Bytes, &[]);
    let outcome = stage.run(&[
        &|far, _| {
            far.says.push_back(Ok(Some(3)));
            far.says.push_back(Ok(None));
            far.room = 100_000;
        },
        &|far, _| far.room = 100_000,
        &|far, _| far.is_closed = true,
    ]);
    assert!(matches!(outcome, Poll::Ready(Ok(()))), "the peer has stopped, which is no failure");
    assert_eq!(stage.got().len(), 200_000);
}

/// Case 6: a reset is an error, and is seen while the peer reads nothing.
#[test]
fn case_06_a_reset_is_no_clean_end() {
    let mut stage = stage(Shape::Bytes, &[]);
    let reset = || Err(Error::new(Kind::ConnectionReset, "reset"));
    let outcome = stage.run(&[&|_, _| (), &|far, _| far.says.push_back(reset())]);
    assert!(matches!(outcome, Poll::Ready(Err(error)) if error.kind() == Kind::ConnectionReset));
}

#[test]
fn a_drain_ends_it_although_the_peer_reads_nothing() {
    let mut stage = stage(Shape::Bytes, &[]);
    let outcome = stage.run(&[&|_, _| (), &|_, session| session.ask_to_end()]);
    assert!(matches!(outcome, Poll::Ready(Ok(()))));
}

#[test]
fn packets_go_to_who_asks() {
    let mut stage = stage(Shape::Packets, &[("bytes", "2500")]);
    let outcome = stage.run(&[&|far, _| far.room = 100, &|far, _| {
        assert!(far.got.is_empty(), "nobody has asked");
        far.says.push_back(Ok(Some(0)));
    }]);
    assert!(matches!(outcome, Poll::Ready(Ok(()))));
    let far = stage.far.lock().expect("one thread");
    assert_eq!(far.got.iter().map(Vec::len).collect::<Vec<_>>(), [1_024, 1_024, 452]);
    assert_is_the_text(&far.got.concat());
}

/// A datagram peer that is gone cannot say so: what nobody asks for any more stops.
#[tokio::test(start_paused = true)]
async fn packets_stop_when_nobody_has_asked_for_a_while() {
    let mut stage = stage(Shape::Packets, &[]);
    let far = stage.far.clone();
    let mut run = stage.service.run(&stage.session, &mut stage.conn);
    let mut cx = Context::from_waker(Waker::noop());
    let mut poll = |ahead: Duration, asks: bool| {
        let mut there = far.lock().expect("one thread");
        there.got.clear();
        there.room = 5;
        if asks {
            there.says.push_back(Ok(Some(1)));
        }
        drop(there);
        let far = far.clone();
        let poll = run.as_mut().poll(&mut cx);
        assert!(poll.is_pending(), "it waits for the next packet after {ahead:?}");
        far.lock().expect("one thread").got.len()
    };
    assert_eq!(poll(Duration::ZERO, true), 5);
    tokio::time::advance(INTEREST / 2).await;
    assert_eq!(poll(INTEREST / 2, false), 5);
    tokio::time::advance(INTEREST / 2).await;
    assert_eq!(poll(INTEREST, false), 0);
    assert_eq!(poll(INTEREST, true), 5);
}

#[test]
fn a_packet_peer_that_has_ended_asks_no_more() {
    let mut stage = stage(Shape::Packets, &[]);
    let outcome = stage.run(&[&|far, _| far.says.push_back(Ok(None))]);
    assert!(matches!(outcome, Poll::Ready(Ok(()))));
}
