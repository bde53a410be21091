//! Places of peers that came as strangers: they have none until they have proven that they hear what is sent to them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::conn::Facts;
use crate::engine::limits::{Gate, Permit};

/// The limit that turns a peer away where no place is free.
pub(super) const MAX_CONNS: &str = "max-conns";

/// The places that strangers were given later.
pub(super) struct Seats {
    gate: Gate,
    /// By the facts of the conn, which live as long as its session.
    late: Mutex<HashMap<usize, Permit>>,
}

impl Seats {
    pub(super) fn new(gate: Gate) -> Self {
        Seats { gate, late: Mutex::default() }
    }

    /// Gives a stranger a place, or the place of whom `make_room` turns out; the error is the limit's name. A peer that
    /// has one keeps it.
    pub(super) fn settle(
        &self,
        facts: &Arc<Facts>,
        make_room: impl FnOnce() -> Option<Arc<Facts>>,
    ) -> Result<(), &'static str> {
        if facts.is_seated() {
            return Ok(());
        }
        let permit = self.permit(facts, make_room)?;
        self.lock().insert(number(facts), permit);
        Ok(())
    }

    /// A place for the peer of a datagram socket, if one is free, or the place of whom `make_room` turns out.
    pub(super) fn permit(
        &self,
        facts: &Facts,
        make_room: impl FnOnce() -> Option<Arc<Facts>>,
    ) -> Result<Permit, &'static str> {
        let guest = self.gate.admit(&facts.peer)?;
        let permit = match self.gate.try_seat(guest) {
            Ok(permit) => permit,
            Err(guest) => {
                make_room().ok_or(MAX_CONNS)?.note_inherited();
                self.gate.inherit(guest)
            }
        };
        facts.note_seated();
        Ok(permit)
    }

    /// The place that the peer of a session was given late.
    pub(super) fn take(&self, facts: &Arc<Facts>) -> Option<Permit> {
        self.lock().remove(&number(facts))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Permit>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(facts: &Arc<Facts>) -> usize {
    Arc::as_ptr(facts).addr()
}
