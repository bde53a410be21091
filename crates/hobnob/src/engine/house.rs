//! What all the parts of one running server share.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::address::Address;
use crate::bus::{Bus, Seldom};
use crate::codec::text::Cutting;
use crate::engine::dial::Dialer;
use crate::engine::ledger::Ledger;
use crate::engine::limits::{Gate, Limits, Reflection};
use crate::engine::model::Hands;
use crate::engine::plan::Ready;
use crate::engine::powers::EnginePowers;
use crate::engine::seats::MAX_CONNS;
use crate::engine::shards::Shard;
use crate::error::Error;
use crate::event::Fact;
use crate::service::Made;
use crate::session::{Keeper, Session};
use crate::transport::{self, Own};

/// The limit `failed-handshakes`, of a server whose sessions are counted.
const FAILED_HANDSHAKES: i64 = 1_000;

/// The stages of a server's life, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The server accepts.
    Open,
    /// As many sessions came as may come. Those that are open go on to their own ends.
    UsedUp,
    /// The server accepts no more, and sessions are asked to come to their ends.
    Draining,
    /// Whoever runs the server has the sessions that are left cut, and waits for nothing else for long.
    Cutting,
    /// Nothing is left.
    Over,
}

/// A running server's shared state.
pub(super) struct House {
    pub service: Made,
    pub hands: Hands,
    pub limits: Limits,
    pub cutting: Cutting,
    pub gate: Gate,
    pub bus: Bus,
    pub shards: Vec<Arc<Shard>>,
    pub phase: watch::Sender<Phase>,
    /// Becomes true once all sessions are over, and so the keeper is to end.
    pub is_empty: watch::Sender<bool>,
    /// Becomes true once whoever runs the server wants it over now.
    is_hurried: watch::Sender<bool>,
    pub powers: Arc<EnginePowers>,
    pub seed: u64,
    pub totals: Totals,
    /// Sessions that may still come; negative: any number.
    pub quota: AtomicI64,
    /// Handshakes that may still fail before nobody may come any more; only where the sessions are counted too.
    failures: AtomicI64,
    /// The addresses that we are bound to. Packets from there are never answered, and nothing is dialled there.
    pub own: Own,
    pub next_id: AtomicU64,
    live: AtomicI64,
    /// Sessions in which nothing passes, and to which others belong.
    parents: AtomicI64,
    /// Notified when a session is over, as its descriptors are free again.
    pub freed: Notify,
    /// Why the session over the standard streams of this process did not end well.
    pub spoilt: Mutex<Option<Error>>,
    /// Set once nobody can come any more although no drain was asked for.
    pub is_deserted: AtomicBool,
}

/// Sums over all sessions and packets.
#[derive(Default)]
pub(super) struct Totals {
    pub sessions: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub refused: AtomicU64,
}

/// What a server did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Sessions; on packets without sessions, packets that were admitted.
    pub sessions: u64,
    /// Bytes from peers.
    pub bytes_in: u64,
    /// Bytes to peers.
    pub bytes_out: u64,
    /// Peers and packets that a limit or rule turned away.
    pub refused: u64,
    /// What a limit dropped: answers, packets, and sessions when `grace` was over.
    pub dropped: u64,
    /// Operations that failed without ending a session, told or not: accepts, handshakes of a transport, sends.
    pub failed: u64,
    /// How long the server ran.
    pub lasted: Duration,
}

/// What a house is built from.
pub(super) struct Foundation {
    pub service: Made,
    pub hands: Hands,
    pub limits: Limits,
    pub cutting: Cutting,
    pub gate: Gate,
    pub bus: Bus,
    pub shards: Vec<Arc<Shard>>,
    pub scene: transport::Terms,
    pub targets: Vec<(&'static str, Ready)>,
    pub seed: u64,
    pub quota: Option<u64>,
    /// How many pipes links may splice through, at most.
    pub pipes: usize,
}

impl House {
    pub(super) fn new(plan: Foundation) -> Self {
        let own = plan.scene.own.clone();
        let dialer = Dialer::with_scene(plan.scene);
        let ledger = Ledger::new(plan.limits.memory, plan.shards.clone());
        let gate = plan.gate.clone();
        let powers =
            EnginePowers::new(dialer, plan.targets, plan.cutting, plan.pipes, gate, ledger);
        House {
            service: plan.service,
            hands: plan.hands,
            limits: plan.limits,
            cutting: plan.cutting,
            gate: plan.gate.clone(),
            bus: plan.bus,
            shards: plan.shards,
            phase: watch::Sender::new(Phase::Open),
            is_empty: watch::Sender::new(false),
            is_hurried: watch::Sender::new(false),
            powers: Arc::new(powers),
            seed: plan.seed,
            totals: Totals::default(),
            quota: AtomicI64::new(
                plan.quota.map_or(-1, |quota| i64::try_from(quota).unwrap_or(i64::MAX)),
            ),
            failures: AtomicI64::new(FAILED_HANDSHAKES),
            own,
            next_id: AtomicU64::new(1),
            live: AtomicI64::new(0),
            parents: AtomicI64::new(0),
            freed: Notify::new(),
            spoilt: Mutex::new(None),
            is_deserted: AtomicBool::new(false),
        }
    }

    /// Sessions that are open now.
    pub(super) fn live(&self) -> u64 {
        u64::try_from(self.live.load(Relaxed)).unwrap_or(0)
    }

    /// Whether sessions are open that others belong to.
    pub(super) fn has_parents(&self) -> bool {
        self.parents.load(Relaxed) > 0
    }

    /// The count of such sessions that are open: of those to which others belong, or of all others.
    pub(super) fn counted(&self, is_parent: bool) -> &AtomicI64 {
        if is_parent { &self.parents } else { &self.live }
    }

    /// Whether the budget of buffers has no room for anybody new.
    pub(super) fn is_crowded(&self) -> bool {
        self.powers.ledger.is_crowded()
    }

    /// Counts one off the sessions that may still come; false: none may.
    pub(super) fn take_quota(&self) -> bool {
        let left = self.quota.load(Relaxed);
        if left < 0 {
            return true;
        }
        self.quota.fetch_update(Relaxed, Relaxed, |left| (left > 0).then(|| left - 1)).is_ok()
    }

    /// Counts a handshake that failed. It is none of the sessions that may come, so that a stranger who knocks does not use
    /// up the only one; but a server that was to end some day does not serve strangers for ever.
    pub(super) fn note_failed_handshake(&self) {
        let is_counted = self.quota.load(Relaxed) >= 0;
        if is_counted && self.failures.fetch_sub(1, Relaxed) == 1 {
            let text = format!(
                "{FAILED_HANDSHAKES} handshakes have failed, so nobody else is let in (failed-handshakes)"
            );
            self.bus.emit(0, 0, Fact::Warning(text));
            self.advance(Phase::UsedUp);
        }
    }

    /// Resolves once as many sessions have come as may come.
    pub(super) async fn used_up(&self) {
        let mut phase = self.phase.subscribe();
        // The house holds the sender.
        let _ = phase.wait_for(|phase| *phase >= Phase::UsedUp && self.is_used_up()).await;
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.quota.load(Relaxed) == 0
    }

    /// Ends accepting once the last session that may come has come.
    pub(super) fn note_used_up(&self) {
        if self.is_used_up() {
            self.advance(Phase::UsedUp);
        }
    }

    /// Moves on to a phase. A phase that is past already changes nothing.
    pub(super) fn advance(&self, phase: Phase) {
        if phase >= Phase::Cutting {
            self.is_hurried.send_replace(true);
        }
        self.phase.send_if_modified(|now| {
            let is_later = phase > *now;
            *now = phase.max(*now);
            is_later
        });
    }

    /// What the server did so far. The bytes of a session count once the session is closed.
    pub(super) fn summary(&self) -> Summary {
        Summary {
            sessions: self.totals.sessions.load(Relaxed),
            bytes_in: self.totals.bytes_in.load(Relaxed),
            bytes_out: self.totals.bytes_out.load(Relaxed),
            refused: self.totals.refused.load(Relaxed),
            dropped: self.bus.drops(),
            failed: self.bus.failures(),
            lasted: self.bus.clock().now(),
        }
    }

    pub(super) fn each_session(&self, mut visit: impl FnMut(&Arc<Session>)) {
        self.shards.iter().for_each(|shard| shard.each(&mut visit));
    }

    /// The session of this number, if it is open.
    pub(super) fn session(&self, id: u64) -> Option<Arc<Session>> {
        self.shards.iter().find_map(|shard| shard.session(id))
    }

    /// Counts and tells that a peer was turned away.
    pub(super) fn refuse(&self, shard: usize, peer: &Address, limit: &'static str) {
        self.totals.refused.fetch_add(1, Relaxed);
        self.bus.emit(shard, 0, Fact::Refused { peer: peer.clone(), limit });
    }

    /// The guard that keeps datagram answers from being a weapon.
    pub(super) fn reflection(&self, has_ports: bool) -> Reflection {
        Reflection::of(self.own.addresses(), has_ports)
    }

    /// Counts and tells that a peer of a datagram socket was turned away, and warns where the want of places did it.
    pub(super) fn refuse_datagrams(
        &self,
        seldom: &Seldom,
        shard: usize,
        peer: &Address,
        limit: &'static str,
    ) {
        self.refuse(shard, peer, limit);
        if limit == MAX_CONNS {
            seldom.warned(&self.bus, limit, |count| {
                format!(
                    "{count} datagram peers were turned away by {limit}: all places are taken, and a larger \
                     --{limit} or limit of open files (ulimit -n) makes more"
                )
            });
        }
    }

    /// What the service is given for work that belongs to no session.
    pub(super) fn keeper(&self) -> Keeper {
        let asked = [self.is_empty.subscribe(), self.is_hurried.subscribe()];
        Keeper::new(self.bus.clone(), self.powers.clone(), asked)
    }
}
