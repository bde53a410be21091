//! A session's place in the house: from its opening to the moment in which its end is told.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::chunk::Direction;
use crate::conn::{Facts, Vitals};
use crate::engine::ending::{self, Ended, Ending, closed};
use crate::engine::house::{House, Phase};
use crate::engine::limits::Permit;
use crate::engine::powers;
use crate::engine::shards::Shard;
use crate::error::Result;
use crate::event::{Fact, Opened};
use crate::session::{Cut, Opening, Session};

/// What is known of a peer that arrives.
pub(super) struct Newcomer {
    pub facts: Arc<Facts>,
    /// None: a stranger, which has places of its own until it has proven itself.
    pub permit: Option<Permit>,
    /// The number of the session that the new one belongs to; 0: none.
    pub parent: u64,
    /// The door, where it is known before the layers are on.
    pub door: Option<&'static str>,
}

/// A session's place in the house. However the session ends, by its service, a cut, a panic or a dropped runtime, the
/// presence is dropped: it tells the end, counts, and gives the permit back.
pub(super) struct Presence {
    pub house: Arc<House>,
    pub session: Arc<Session>,
    /// The shard that the session lives on. The presence holds the shard itself, as a shard may come to be that is not
    /// one of the house's.
    shard: Arc<Shard>,
    end: Option<Box<Ended>>,
    permit: Option<Permit>,
}

impl Presence {
    /// Opens a session on a shard. The presence closes it when dropped.
    pub(super) fn open(house: &Arc<House>, shard: &Arc<Shard>, arrival: Newcomer) -> Self {
        let presence = Presence::begin(house, shard, arrival, false);
        if house.limits.idle.is_some() {
            presence.session.watch_silence();
        }
        presence
    }

    /// Opens a session to which others belong. Nothing passes in it, and no drain waits for it.
    pub(super) fn open_parent(house: &Arc<House>, shard: &Arc<Shard>, arrival: Newcomer) -> Self {
        Presence::begin(house, shard, arrival, true)
    }

    fn begin(house: &Arc<House>, shard: &Arc<Shard>, arrival: Newcomer, is_parent: bool) -> Self {
        let Newcomer { facts, permit, parent, door } = arrival;
        let id = house.next_id.fetch_add(1, Relaxed);
        let is_told = house.bus.is_watched() || house.bus.has_sinks();
        let opened = is_told.then(|| Opened {
            parent,
            transport: facts.transport,
            local: facts.local.clone(),
            peer: facts.peer.clone(),
            door: door.unwrap_or_default(),
        });
        let session = Arc::new(Session::open(Opening {
            id,
            parent,
            door,
            facts,
            shard: shard.index,
            bus: house.bus.clone(),
            seed: mix(house.seed, id),
            powers: house.powers.clone(),
        }));
        house.totals.sessions.fetch_add(1, Relaxed);
        if is_parent {
            session.expect_children();
        }
        house.counted(is_parent).fetch_add(1, Relaxed);
        house.note_used_up();
        shard.enter(&session);
        if let Some(opened) = opened {
            session.emit(Fact::Opened(Box::new(opened)));
        }
        let presence =
            Presence { house: house.clone(), session, shard: shard.clone(), end: None, permit };
        // A drain that began meanwhile has asked all other sessions already, but not this one.
        if *house.phase.borrow() >= Phase::Draining {
            presence.session.ask_to_end();
        }
        presence
    }

    /// Notes how the session ended, to be told when the presence drops.
    pub(super) fn ended(
        &mut self,
        result: Result<Ending>,
        cut: Option<Cut>,
        vitals: Option<Vitals>,
    ) {
        self.end = Some(Box::new(Ended { result, cut, vitals }));
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let (house, session) = (&self.house, &self.session);
        let (bytes_in, bytes_out) = (session.bytes(Direction::In), session.bytes(Direction::Out));
        house.totals.bytes_in.fetch_add(bytes_in, Relaxed);
        house.totals.bytes_out.fetch_add(bytes_out, Relaxed);
        if session.is_over_own_streams() {
            let spoilt = ending::spoilt(session, self.end.as_deref(), &house.limits);
            if let Some(error) = &spoilt {
                powers::note(&house.spoilt, error);
            }
        }
        if house.bus.is_watched() || session.lanes().is_some() {
            let closed = closed(session, self.end.take());
            session.emit(Fact::Closed(Box::new(closed)));
        }
        let permit = self.permit.take().or_else(|| house.powers.seats.take(&session.facts));
        // Before the count falls: it tells that the place is free.
        if session.facts.is_inherited() {
            permit.into_iter().for_each(Permit::bequeath);
        } else {
            drop(permit);
        }
        self.shard.leave(session.id);
        house.counted(session.has_children()).fetch_sub(1, Relaxed);
        house.freed.notify_waiters();
    }
}

/// The seed of a session, from the seed of the run and the session's number (the finalizer of `SplitMix64`).
fn mix(seed: u64, id: u64) -> u64 {
    let mut z = seed.wrapping_add(id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
