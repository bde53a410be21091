//! The faults on fake time: each exact to the millisecond, each held to what its row claims.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::fault::outbox::{Decision, Item};
use crate::fault::{Act, TABLE};
use crate::spec::Shape;

mod claims;
mod exact;
mod live;
mod replies;
mod spelling;
mod toxics;
mod triggers;

/// One direction of one session, and its own time.
struct Bench {
    panel: Panel,
    bend: Bend,
    chains: [Option<Box<Chain>>; 2],
    shape: Shape,
    now: Duration,
    log: Arc<Notes>,
    /// What came out at the far end, and when.
    out: Vec<(Duration, Item)>,
    hits: Vec<Hit>,
}

#[derive(Default)]
struct Notes(Mutex<Vec<Logged>>);

impl Log for Notes {
    fn decided(&self, decision: &Logged) {
        self.0.lock().expect("nobody panicked").push(decision.clone());
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn settings(texts: &[&str]) -> Vec<Setting> {
    texts.iter().map(|text| Setting::parse(text).expect(text)).collect()
}

impl Bench {
    fn new(shape: Shape, texts: &[&str], seed: u64) -> Self {
        let panel = Panel::default();
        let log = Arc::new(Notes::default());
        panel.log(log.clone());
        panel.fit(shape).expect("nothing is on");
        panel.set(settings(texts)).expect("they fit");
        let bend = panel.enter(1, seed, None).bend;
        let (now, out, hits) = (Duration::ZERO, Vec::new(), Vec::new());
        let mut bench = Bench { panel, bend, chains: [None, None], shape, now, log, out, hits };
        bench.refresh();
        bench
    }

    fn bytes(texts: &[&str]) -> Self {
        Bench::new(Shape::Bytes, texts, 1)
    }

    fn packets(texts: &[&str]) -> Self {
        Bench::new(Shape::Packets, texts, 1)
    }

    fn refresh(&mut self) {
        let [up, down] = &mut self.chains;
        self.bend.refresh(None, std::task::Waker::noop(), self.now, [up, down]);
    }

    fn set(&mut self, texts: &[&str]) {
        self.panel.set(settings(texts)).expect("they fit");
        assert!(self.bend.is_stale());
        self.refresh();
    }

    fn up(&mut self) -> Option<&mut Chain> {
        self.chains[0].as_deref_mut()
    }

    /// Takes what is due; answers whether anything was.
    fn take(&mut self) -> bool {
        let now = self.now;
        let mut has_taken = false;
        while let Some(item) = self.up().and_then(|chain| chain.take(now)) {
            self.out.push((now, item));
            has_taken = true;
        }
        let hits: Vec<Hit> = self.up().map(|chain| chain.hits().collect()).unwrap_or_default();
        self.hits.extend(hits);
        has_taken
    }

    /// Says this now, whatever the room.
    fn say(&mut self, bytes: &[u8]) {
        let (now, is_packet) = (self.now, self.shape == Shape::Packets);
        let bytes = Bytes::copy_from_slice(bytes);
        if let Some(chain) = self.up() {
            chain.push(bytes, is_packet, now);
        } else {
            let chunk = crate::chunk::Chunk { bytes, at: 0, is_packet };
            self.out.push((now, Item::Chunk(chunk)));
        }
        self.take();
    }

    /// Says it as a sender does who waits for room.
    fn say_all(&mut self, mut bytes: &[u8], most: usize) {
        while !bytes.is_empty() {
            let room = self.up().map_or(usize::MAX, |chain| chain.room());
            let length = room.min(most).min(bytes.len());
            if length == 0 {
                assert!(self.step(), "there is no room, and there will be none");
                continue;
            }
            self.say(&bytes[..length]);
            bytes = &bytes[length..];
        }
    }

    fn end(&mut self) {
        let now = self.now;
        self.up().expect("there are faults").end(now);
        self.take();
    }

    /// Goes to the next time at which something is to be done.
    fn step(&mut self) -> bool {
        let Some(wake) = self.up().and_then(|chain| chain.wake()) else { return false };
        self.now = self.now.max(wake);
        self.take();
        true
    }

    /// Goes on until a time, doing what is to be done on the way.
    fn until(&mut self, time: Duration) {
        while self.up().and_then(|chain| chain.wake()).is_some_and(|wake| wake <= time) {
            self.step();
        }
        self.now = time;
        self.take();
    }

    /// Goes on until nothing moves any more.
    fn finish(&mut self) {
        for _ in 0..10_000_000_u64 {
            if !self.step() {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn text(&self) -> Vec<u8> {
        self.pieces().concat()
    }

    fn pieces(&self) -> Vec<Vec<u8>> {
        let pieces = self.out.iter().filter_map(|(_, item)| match item {
            Item::Chunk(chunk) => Some(chunk.bytes.to_vec()),
            _ => None,
        });
        pieces.collect()
    }

    fn times(&self) -> Vec<u64> {
        self.out.iter().map(|(time, _)| u64::try_from(time.as_millis()).expect("short")).collect()
    }

    fn decisions(&self) -> Vec<(&'static str, Decision)> {
        let log = self.log.0.lock().expect("nobody panicked");
        log.iter().map(|logged| (logged.fault, logged.decision.clone())).collect()
    }
}

/// Text in which each byte is known by its place.
fn numbered(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 7 + at / 251) % 256).expect("a byte")).collect()
}
