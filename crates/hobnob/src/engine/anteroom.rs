//! Where newcomers from other machines wait for the accept rate: a line for each source, and the sources take turns. So
//! one source that comes too often waits for itself, and neither for the accept loop nor for anybody else.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Sleep;

use crate::clock::Clock;
use crate::conn::Conn;
use crate::engine::door::Doorway;
use crate::engine::limits::{Bucket, Guest};
use crate::engine::shards::Shard;

/// How many may wait. One more, and the last of the longest line is turned away.
const MOST: usize = 1_024;

/// A conn whose peer may come in, and where it belongs.
pub(super) struct Newcome {
    pub conn: Conn,
    pub guest: Guest,
    pub door: Arc<Doorway>,
    pub shard: Arc<Shard>,
}

/// What becomes of a newcomer at once.
pub(super) enum Entering {
    /// It may come in now.
    Now(Newcome),
    /// It waits for its turn.
    Waits,
    /// There are too many: this one is turned away, which may be another one.
    Full(Newcome),
}

pub(super) struct Anteroom {
    bucket: Bucket,
    lines: HashMap<IpAddr, VecDeque<Newcome>>,
    /// The sources that have a line, the one whose turn it is first.
    turns: VecDeque<IpAddr>,
    waiting: usize,
    most: usize,
    /// The wait for the next token; there is none while nobody waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Anteroom {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Anteroom {
            bucket: Bucket::new(per_second, burst),
            lines: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            most: MOST,
            timer: None,
        }
    }

    /// Takes a newcomer in. Peers of this machine never wait, and take no token.
    pub(super) fn enter(&mut self, newcome: Newcome, clock: Clock) -> Entering {
        let Some(source) = newcome.guest.source() else { return Entering::Now(newcome) };
        if self.waiting == 0 && self.bucket.take(clock.now()).is_ok() {
            return Entering::Now(newcome);
        }
        let turned_away = if self.waiting < self.most { None } else { self.thin(source) };
        if self.waiting >= self.most {
            return Entering::Full(newcome);
        }
        let line = self.lines.entry(source).or_default();
        if line.is_empty() {
            self.turns.push_back(source);
        }
        line.push_back(newcome);
        self.waiting += 1;
        turned_away.map_or(Entering::Waits, Entering::Full)
    }

    /// Takes the last out of the longest line, unless the line of this source is as long.
    fn thin(&mut self, source: IpAddr) -> Option<Newcome> {
        let own = self.lines.get(&source).map_or(0, VecDeque::len);
        let longest = self.lines.values_mut().max_by_key(|line| line.len())?;
        // A line of one keeps its one: a source with nobody in its line would still have a turn.
        if longest.len() <= own.max(1) {
            return None;
        }
        self.waiting -= 1;
        longest.pop_back()
    }

    /// The one whose turn it is, once there is a token. Pending also where nobody waits.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>, clock: Clock) -> Poll<Newcome> {
        while self.waiting > 0 {
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
                self.timer = None;
            }
            match self.bucket.take(clock.now()) {
                Ok(()) => return self.next().map_or(Poll::Pending, Poll::Ready),
                Err(wait) => self.timer = Some(Box::pin(tokio::time::sleep(wait))),
            }
        }
        Poll::Pending
    }

    /// The next in turn, whatever the rate says: all of them one after another, when the server closes.
    pub(super) fn next(&mut self) -> Option<Newcome> {
        let source = self.turns.pop_front()?;
        let line = self.lines.get_mut(&source)?;
        let next = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        self.waiting -= 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::address::Address;
    use crate::conn::memory;
    use crate::engine::door::WayIn;
    use crate::engine::limits::{Gate, Limits};
    use crate::engine::shards::Crew;
    use crate::engine::stack::Stack;
    use crate::spec::Shape;

    /// Makes newcomers, and an anteroom in which nobody has a token.
    struct Stage {
        gate: Gate,
        door: Arc<Doorway>,
        crew: Crew,
        room: Anteroom,
        clock: Clock,
    }

    impl Stage {
        fn new(most: usize) -> Self {
            let clock = Clock::start();
            let gate = Gate::new(&Limits::default(), 10);
            let stack = Stack::bare(&crate::bus::Bus::new(clock, 1));
            let way = WayIn { stack, door: "" };
            let door = Arc::new(Doorway::new(way, gate.clone(), true, true));
            let mut room = Anteroom { most, ..Anteroom::new(1, 1) };
            assert_eq!(room.bucket.take(clock.now()), Ok(()));
            Stage { gate, door, crew: Crew::of(1, clock).expect("a thread"), room, clock }
        }

        /// The port tells who it is.
        fn enter(&mut self, from: &str) -> Entering {
            let peer = Address::Ip(from.parse().expect("an address"));
            let guest = self.gate.admit(&peer).expect("it may come");
            let (conn, _) = memory::pair(Shape::Bytes);
            let mut facts = (**conn.facts()).clone();
            facts.peer = peer;
            let conn = Conn::new(facts, Shape::Bytes, conn.into_channel());
            let shard = self.crew.shards().remove(0);
            self.room.enter(Newcome { conn, guest, door: self.door.clone(), shard }, self.clock)
        }
    }

    fn name(newcome: &Newcome) -> String {
        newcome.conn.facts().peer.to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn each_source_waits_in_a_line_of_its_own_and_this_machine_in_none() {
        let mut stage = Stage::new(MOST);
        for from in ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.2:1", "[fd00::1]:1"] {
            assert!(matches!(stage.enter(from), Entering::Waits), "{from}");
        }
        assert!(matches!(stage.enter("127.0.0.1:1"), Entering::Now(_)));
        let (clock, mut order) = (stage.clock, Vec::new());
        for second in 1..=5 {
            let next = std::future::poll_fn(|cx| stage.room.poll_next(cx, clock)).await;
            order.push(name(&next));
            assert!(clock.now() >= Duration::from_secs(second), "at {:?}", clock.now());
        }
        let turns = ["10.0.0.1:1", "10.0.0.2:1", "[fd00::1]:1", "10.0.0.1:2", "10.0.0.1:3"];
        assert_eq!(order, turns);
        assert!(stage.room.next().is_none() && stage.room.lines.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn where_too_many_wait_the_longest_line_gives_way() {
        let mut stage = Stage::new(3);
        for from in ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"] {
            assert!(matches!(stage.enter(from), Entering::Waits));
        }
        let turned_away = |entering| match entering {
            Entering::Full(newcome) => name(&newcome),
            _ => panic!("nobody was turned away"),
        };
        assert_eq!(turned_away(stage.enter("10.0.0.1:4")), "10.0.0.1:4");
        assert_eq!(turned_away(stage.enter("10.0.0.2:1")), "10.0.0.1:3");
        assert_eq!(turned_away(stage.enter("10.0.0.3:1")), "10.0.0.1:2");
        assert_eq!(turned_away(stage.enter("10.0.0.4:1")), "10.0.0.4:1", "each has a line of one");
        let left = std::iter::from_fn(|| stage.room.next()).map(|next| name(&next));
        assert_eq!(left.collect::<Vec<_>>(), ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
    }
}
