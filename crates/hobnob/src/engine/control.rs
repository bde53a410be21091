//! The handle for every console, in this process or another: list, watch, kill, drain, turn the knobs of faults.

use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::bus::{Subscription, Wish};
use crate::chunk::Direction;
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::engine::house::{House, Phase, Summary};
use crate::fault::Panel;
use crate::session::{Cut, Session};

/// A handle of a server, from [`Running::control`](super::Running::control). As many as are wanted; none of them keeps
/// the server running, and of one that is over it tells that nothing is open.
#[derive(Clone)]
pub struct Control {
    house: Arc<House>,
}

/// An open session, as it was when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    /// Its number.
    pub id: u64,
    /// The session that it belongs to; 0: none.
    pub parent: u64,
    /// The door of the service that it came in by; empty for a service with one.
    pub door: &'static str,
    /// The transport's name.
    pub transport: &'static str,
    /// Our end.
    pub local: Address,
    /// The other end.
    pub peer: Address,
    /// Whom it has dialled.
    pub upstream: Option<Address>,
    /// How long it has been open.
    pub age: Duration,
    /// Bytes from its peer.
    pub bytes_in: u64,
    /// Bytes to its peer.
    pub bytes_out: u64,
}

impl Control {
    pub(super) fn of(house: Arc<House>) -> Self {
        Control { house }
    }

    /// Where its sessions are passed on to; for most services nowhere.
    pub fn targets(&self) -> Vec<Endpoint> {
        self.house.powers.targets.planned()
    }

    /// The knobs of its faults, where it is a relay: they may be turned while it runs.
    pub fn faults(&self) -> Option<Panel> {
        self.house.service.panel().cloned()
    }

    /// The seed of all its chance.
    pub fn seed(&self) -> u64 {
        self.house.seed
    }

    /// Up to so many of the open sessions, by their numbers, which are all above `after`: with the last of one page the
    /// next begins.
    pub fn sessions(&self, after: u64, most: usize) -> Vec<SessionState> {
        let mut found = Vec::new();
        // Only the handles are taken under the shards' locks: sessions that open and close wait for those.
        self.house.each_session(|session| {
            if session.id > after {
                found.push(session.clone());
            }
        });
        found.sort_unstable_by_key(|session| session.id);
        found.truncate(most);
        let now = self.clock().now();
        found.iter().map(|session| SessionState::of(session, now)).collect()
    }

    /// How many sessions are open.
    pub fn open(&self) -> u64 {
        self.house.live()
    }

    /// Cuts a session: it is torn down whatever it is doing, and told as stopped, with `killed` as the detail. False:
    /// there is none of that number. Returns at once.
    pub fn kill(&self, id: u64) -> bool {
        let session = self.house.session(id);
        session.inspect(|session| session.cut(Cut::Killed)).is_some()
    }

    /// Accepts no more, lets sessions come to their ends, cuts what is left after `grace`. Returns at once.
    pub fn drain(&self) {
        self.house.advance(Phase::Draining);
    }

    /// Whether it accepts no more.
    pub fn is_draining(&self) -> bool {
        *self.house.phase.borrow() >= Phase::Draining
    }

    /// Sees what happens from now on.
    pub fn subscribe(&self, wish: Wish) -> Subscription {
        self.house.bus.subscribe(wish)
    }

    /// The clock that stamps the events.
    pub fn clock(&self) -> Clock {
        self.house.bus.clock()
    }

    /// What it did so far. Bytes of open sessions count when they close.
    pub fn summary(&self) -> Summary {
        self.house.summary()
    }
}

impl SessionState {
    fn of(session: &Session, now: Duration) -> Self {
        let facts = &session.facts;
        SessionState {
            id: session.id,
            parent: session.parent,
            door: session.door(),
            transport: facts.transport,
            local: facts.local.clone(),
            peer: facts.peer.clone(),
            upstream: session.upstream().cloned(),
            age: now.saturating_sub(session.opened()),
            bytes_in: session.bytes(Direction::In),
            bytes_out: session.bytes(Direction::Out),
        }
    }
}
