//! The handle for every console, in this process or another: list, watch, kill, drain, turn the knobs of faults.

#[cfg(feature = "mail")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::bus::{Subscription, Wish};
use crate::chunk::Direction;
use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::engine::house::{House, Phase, Summary};
use crate::event::Fact;
use crate::fault::Panel;
use crate::session::{Cut, Session};

/// A handle of a server, from [`Running::control`](super::Running::control). There may be many handles, and none of
/// them keeps the server running. The handle of a server that is over says that nothing is open.
#[derive(Clone)]
pub struct Control {
    house: Arc<House>,
}

/// An open session, as it was when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    /// The number of the session.
    pub id: u64,
    /// The number of the session that this one belongs to; 0: none.
    pub parent: u64,
    /// The door of the service by which the peer came in; empty for a service with one door.
    pub door: &'static str,
    /// The transport's name.
    pub transport: &'static str,
    /// Our end.
    pub local: Address,
    /// The other end.
    pub peer: Address,
    /// The address that the session has dialled, if it has.
    pub upstream: Option<Address>,
    /// How long the session has been open.
    pub age: Duration,
    /// Bytes from the peer.
    pub bytes_in: u64,
    /// Bytes to the peer.
    pub bytes_out: u64,
}

impl Control {
    pub(super) fn of(house: Arc<House>) -> Self {
        Control { house }
    }

    /// The endpoints that the sessions of a relay are passed on to. Most services have none.
    pub fn targets(&self) -> Vec<Endpoint> {
        self.house.powers.targets.planned()
    }

    /// The folder of the letters that its service keeps, where it keeps some.
    #[cfg(feature = "mail")]
    pub fn letters(&self) -> Option<PathBuf> {
        self.house.service.letters().map(|letters| letters.folder().to_owned())
    }

    /// The knobs of the faults, where the server is a relay. They may be turned while it runs.
    pub fn faults(&self) -> Option<Panel> {
        self.house.service.panel().cloned()
    }

    /// The seed of all chance in this run.
    pub fn seed(&self) -> u64 {
        self.house.seed
    }

    /// At most `most` of the open sessions whose numbers are above `after`, in the order of their numbers. To page
    /// through all of them, give the last number of one page as `after` of the next.
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

    /// Tells a note to whoever looks at the server, such as what a console has changed.
    pub fn note(&self, text: String) {
        self.house.bus.emit(0, 0, Fact::Note(text));
    }

    /// Cuts a session, whatever its service is doing. Its end is told as stopped, with `killed` as the detail. False:
    /// no session of that number is open. Returns at once.
    pub fn kill(&self, id: u64) -> bool {
        let session = self.house.session(id);
        session.inspect(|session| session.cut(Cut::Killed)).is_some()
    }

    /// Stops accepting, lets sessions come to their ends, and cuts those that are left after `grace`. Returns at once.
    pub fn drain(&self) {
        self.house.advance(Phase::Draining);
    }

    /// Whether the server has stopped accepting.
    pub fn is_draining(&self) -> bool {
        *self.house.phase.borrow() >= Phase::Draining
    }

    /// A subscription to what happens from now on.
    pub fn subscribe(&self, wish: Wish) -> Subscription {
        self.house.bus.subscribe(wish)
    }

    /// The clock that stamps the events.
    pub fn clock(&self) -> Clock {
        self.house.bus.clock()
    }

    /// What the server did so far. The bytes of a session count once the session is closed.
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
