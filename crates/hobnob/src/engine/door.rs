//! A bound address, as the sessions that come there see it: the ways in, tried in order.

use std::time::Duration;

use crate::conn::Conn;
use crate::engine::limits::Gate;
use crate::engine::stack::{Dressing, Stack, declined, within};
use crate::error::Result;

/// A bound address with the ways in behind it.
pub(super) struct Doorway {
    /// The ways in, at least one. The first takes each conn that comes, unless one of its layers declines the conn;
    /// then the next way that can go on from there takes it.
    ways: Vec<WayIn>,
    pub gate: Gate,
    /// Whether peers can end on this medium. Where they cannot, no session waits for its peer's end.
    pub has_ends: bool,
    /// Whether peers have ports on this medium. Where they have none, port 0 says nothing about a peer.
    pub has_ports: bool,
}

/// One way in: the layers of an endpoint, and the door of the service behind them.
pub(super) struct WayIn {
    pub stack: Stack,
    /// The door's name; empty for a service with one door.
    pub door: &'static str,
}

impl Doorway {
    pub(super) fn new(first: WayIn, gate: Gate, has_ends: bool, has_ports: bool) -> Self {
        Doorway { ways: vec![first], gate, has_ends, has_ports }
    }

    /// Whether a conn that the ways before decline can come in this way.
    pub(super) fn can_add(&self, stack: &Stack) -> bool {
        self.ways.iter().any(|way| way.stack.may_leave_to(stack))
    }

    /// Adds a way behind those that are there.
    pub(super) fn add(&mut self, way: WayIn) {
        self.ways.push(way);
    }

    /// Whether there are no layers at all, so that a conn that comes is at the service at once.
    pub(super) fn is_bare(&self) -> bool {
        self.ways.len() == 1 && self.ways[0].stack.is_bare()
    }

    /// The door by which every peer comes in here; none where only the layers can tell.
    pub(super) fn door(&self) -> Option<&'static str> {
        let first = self.ways[0].door;
        self.ways.iter().all(|way| way.door == first).then_some(first)
    }

    /// Puts the layers of the way that takes the conn on it, and says by which door it comes in. `None`: a layer
    /// answered by itself and kept the conn.
    pub(super) async fn enter(
        &self,
        conn: Conn,
        deadline: Duration,
    ) -> Result<Option<(Conn, &'static str)>> {
        within(deadline, self.try_ways(conn)).await
    }

    async fn try_ways(&self, mut conn: Conn) -> Result<Option<(Conn, &'static str)>> {
        let (mut at, mut on) = (0, 0);
        loop {
            let way = &self.ways[at];
            let left = match way.stack.wrap(conn, on).await? {
                Dressing::Conn(conn) => return Ok(Some((conn, way.door))),
                Dressing::Answered => return Ok(None),
                Dressing::Declined(left) => left,
            };
            let next = self.ways.iter().enumerate().skip(at + 1);
            let mut next = next.filter(|(_, next)| next.stack.shares(left.on, &way.stack));
            let Some((next, _)) = next.next() else { return Err(declined()) };
            (conn, at, on) = (left.conn, next, left.on);
        }
    }
}
