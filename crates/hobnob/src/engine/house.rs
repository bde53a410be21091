//! What all the parts of one running server share.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use crate::address::Address;
use crate::bus::Bus;
use crate::chunk::Direction;
use crate::codec::text::Cutting;
use crate::conn::link::Pipes;
use crate::conn::{Boxed, Conn, Facts, Vitals};
use crate::engine::dial::Dialer;
use crate::engine::kept::Kept;
use crate::engine::limits::{Gate, Limits, Permit, Reflection};
use crate::engine::plan::{self, Ready};
use crate::engine::respond::Ending;
use crate::engine::running::Summary;
use crate::engine::shards::Shard;
use crate::engine::stack::Stack;
use crate::engine::target::Targets;
use crate::error::{Error, Kind, Result};
use crate::event::{By, Closed, End, Fact, How, Opened, Reason};
use crate::layer::{self, Role};
use crate::service::Made;
use crate::session::{Cut, Opening, Powers, Session};
use crate::transport::{self, Own};

/// How far a server is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It accepts.
    Open,
    /// As many came as may come; sessions go on to their own ends.
    UsedUp,
    /// It accepts no more; sessions come to their ends.
    Draining,
    /// Sessions are cut.
    Cutting,
    /// Nothing is left.
    Over,
}

/// A running server's shared state.
pub(super) struct House {
    pub service: Made,
    pub limits: Limits,
    pub cutting: Cutting,
    pub gate: Gate,
    pub bus: Bus,
    pub shards: Vec<Arc<Shard>>,
    pub phase: watch::Sender<Phase>,
    pub powers: Arc<EnginePowers>,
    pub seed: u64,
    pub totals: Totals,
    /// Sessions that may still come; negative: any number.
    pub quota: AtomicI64,
    /// Where we are bound: packets from there are never answered, and nothing is dialled there.
    pub own: Own,
    next_id: AtomicU64,
    live: AtomicI64,
    /// A session is over: there may be descriptors again.
    pub freed: Notify,
    /// Nobody can come any more, and nobody asked for that.
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

/// One bound endpoint, as its sessions see it.
pub(super) struct Door {
    pub stack: Stack,
    pub gate: Gate,
    /// Whether its peers can end: where they cannot, nobody waits for their end.
    pub has_ends: bool,
}

/// What a house is built from.
pub(super) struct Plan {
    pub service: Made,
    pub limits: Limits,
    pub cutting: Cutting,
    pub gate: Gate,
    pub bus: Bus,
    pub shards: Vec<Arc<Shard>>,
    pub scene: transport::Scene,
    pub targets: Vec<(String, Ready)>,
    pub seed: u64,
    pub quota: Option<u64>,
    /// Pipes that links may splice through, at most.
    pub pipes: usize,
}

impl House {
    pub(super) fn new(plan: Plan) -> Self {
        let own = plan.scene.own.clone();
        let dialer = Dialer::with_scene(plan.scene);
        House {
            service: plan.service,
            limits: plan.limits,
            cutting: plan.cutting,
            gate: plan.gate,
            bus: plan.bus,
            shards: plan.shards,
            phase: watch::Sender::new(Phase::Open),
            powers: Arc::new(EnginePowers {
                targets: Targets::new(dialer.clone(), plan.targets),
                dialer,
                undialled: Arc::default(),
                cutting: plan.cutting,
                pipes: Pipes::of(plan.pipes),
                layers: Kept::default(),
            }),
            seed: plan.seed,
            totals: Totals::default(),
            quota: AtomicI64::new(
                plan.quota.map_or(-1, |quota| i64::try_from(quota).unwrap_or(i64::MAX)),
            ),
            own,
            next_id: AtomicU64::new(1),
            live: AtomicI64::new(0),
            freed: Notify::new(),
            is_deserted: AtomicBool::new(false),
        }
    }

    /// Sessions that are open now.
    pub(super) fn live(&self) -> u64 {
        u64::try_from(self.live.load(Relaxed)).unwrap_or(0)
    }

    /// The share of the budget of buffers that is used, in percent, as last swept.
    pub(super) fn memory_percent(&self) -> u64 {
        self.percent_of_memory(self.shards.iter().map(|shard| shard.held.load(Relaxed)).sum())
    }

    /// The share of the budget of buffers, in percent, that sessions use which hold so many bytes.
    pub(super) fn percent_of_memory(&self, held: u64) -> u64 {
        let queued: u64 = self.shards.iter().map(|shard| shard.queued.load(Relaxed)).sum();
        held.saturating_add(queued).saturating_mul(100) / self.limits.memory.max(1)
    }

    /// Takes one of the sessions that may still come; false: there are none.
    pub(super) fn take_quota(&self) -> bool {
        let left = self.quota.load(Relaxed);
        if left < 0 {
            return true;
        }
        self.quota.fetch_update(Relaxed, Relaxed, |left| (left > 0).then(|| left - 1)).is_ok()
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.quota.load(Relaxed) == 0
    }

    /// After the last that may come has come: the doors that wait for more are told.
    pub(super) fn note_used_up(&self) {
        if self.is_used_up() {
            self.advance(Phase::UsedUp);
        }
    }

    /// Moves on; never back.
    pub(super) fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let is_later = phase > *now;
            *now = phase.max(*now);
            is_later
        });
    }

    /// What it did so far. Bytes of open sessions count when they close.
    pub(super) fn summary(&self) -> Summary {
        Summary {
            sessions: self.totals.sessions.load(Relaxed),
            bytes_in: self.totals.bytes_in.load(Relaxed),
            bytes_out: self.totals.bytes_out.load(Relaxed),
            refused: self.totals.refused.load(Relaxed),
            dropped: self.bus.drops(),
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

    /// Keeps datagram answers from being a weapon.
    pub(super) fn reflection(&self) -> Reflection {
        Reflection::of(self.own.addresses())
    }

    /// Opens a session on a shard. The presence closes it when dropped.
    pub(super) fn open(
        self: &Arc<Self>,
        shard: &Arc<Shard>,
        facts: Arc<Facts>,
        permit: Permit,
        parent: u64,
    ) -> Presence {
        let id = self.next_id.fetch_add(1, Relaxed);
        let opened = self.bus.is_watched().then(|| Opened {
            parent,
            transport: facts.transport,
            local: facts.local.clone(),
            peer: facts.peer.clone(),
        });
        let session = Arc::new(Session::open(Opening {
            id,
            parent,
            door: "",
            facts,
            shard: shard.index,
            bus: self.bus.clone(),
            seed: mix(self.seed, id),
            powers: self.powers.clone(),
        }));
        if self.limits.idle.is_some() {
            session.watch_silence();
        }
        self.totals.sessions.fetch_add(1, Relaxed);
        self.live.fetch_add(1, Relaxed);
        self.note_used_up();
        shard.enter(&session);
        if let Some(opened) = opened {
            session.emit(Fact::Opened(Box::new(opened)));
        }
        let presence = Presence { house: self.clone(), session, end: None, _permit: permit };
        // A drain that began meanwhile has already asked the others.
        if *self.phase.borrow() >= Phase::Draining {
            presence.session.ask_to_end();
        }
        presence
    }
}

/// A session's place in the house. However the session ends, by its service, a cut, a panic or a dropped
/// runtime, dropping this tells so, counts, and gives the permit back.
pub(super) struct Presence {
    pub house: Arc<House>,
    pub session: Arc<Session>,
    end: Option<Box<Ended>>,
    _permit: Permit,
}

/// How a session ended, where it lived to say so.
struct Ended {
    result: Result<Ending>,
    /// What cut it before it was done.
    cut: Option<Cut>,
    vitals: Option<Vitals>,
}

impl Presence {
    /// Notes how the session ended, to be told when this drops.
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
        if house.bus.is_watched() {
            let closed = closed(session, self.end.take());
            session.emit(Fact::Closed(Box::new(closed)));
        }
        house.shards[session.shard].leave(session.id);
        house.live.fetch_sub(1, Relaxed);
        house.freed.notify_waiters();
    }
}

fn closed(session: &Session, end: Option<Box<Ended>>) -> Closed {
    let Ended { result, cut, vitals } = match end {
        Some(end) => *end,
        // Nobody said how: the task panicked, or its runtime is gone.
        None => Ended {
            result: if std::thread::panicking() {
                Err(Error::new(Kind::Bug, "the session panicked: this is a bug in hobnob"))
            } else {
                Ok(Ending { reason: Some(Reason::Stopped), detail: None })
            },
            cut: session.cut_by(),
            vitals: None,
        },
    };
    let (reason, detail) = match (cut, result) {
        (Some(Cut::Idle), _) => (Reason::Timeout("idle"), None),
        (Some(Cut::Stall), _) => (Reason::Timeout("stall"), None),
        (Some(Cut::Memory), _) => (Reason::Limit("memory"), None),
        (Some(Cut::Stopped), _) => (Reason::Stopped, None),
        (Some(Cut::Killed), _) => (Reason::Stopped, Some("killed".to_owned())),
        (None, Ok(ending)) => (ending.reason.unwrap_or(Reason::Eof), ending.detail),
        (None, Err(error)) => {
            let fault = session.conclusion().and_then(|conclusion| conclusion.fault);
            let reason = match (error.kind(), error.limit_name()) {
                (Kind::Fault, _) => Reason::Fault(fault.unwrap_or_default()),
                (Kind::ConnectionReset | Kind::ConnectionBroken, _) => Reason::Reset,
                (Kind::TimedOut, limit) => Reason::Timeout(limit.unwrap_or("kernel")),
                (_, Some(limit)) => Reason::Limit(limit),
                _ => Reason::Error,
            };
            (reason, Some(error.message().to_owned()))
        }
    };
    let end_of =
        |direction| session.end_of(direction).unwrap_or(End { by: By::Us, how: How::None });
    Closed {
        inward: end_of(Direction::In),
        outward: end_of(Direction::Out),
        reason,
        detail,
        bytes_in: session.bytes(Direction::In),
        bytes_out: session.bytes(Direction::Out),
        lasted: session.clock().now().saturating_sub(session.opened),
        round_trip: vitals.map(|vitals| vitals.round_trip),
        resent: vitals.map(|vitals| vitals.resent),
        upstream: session.conclusion().and_then(|conclusion| conclusion.upstream.clone()),
    }
}

/// A number of its own for each session, from the run's seed (the finalizer of `SplitMix64`).
fn mix(seed: u64, id: u64) -> u64 {
    let mut z = seed.wrapping_add(id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a session may ask of the engine.
pub(super) struct EnginePowers {
    pub dialer: Dialer,
    pub targets: Targets,
    /// Why the last who could not be dialled was not, for a session or to be one.
    pub undialled: Arc<Mutex<Option<Error>>>,
    cutting: Cutting,
    pipes: Pipes,
    /// What sessions were dressed in before.
    layers: Kept<Stack>,
}

/// The last word counts: who ends it is who failed last.
pub(super) fn note(undialled: &Mutex<Option<Error>>, error: &Error) {
    *undialled.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
}

impl Powers for EnginePowers {
    fn dial<'a>(&'a self, to: &'a str, asker: &'a Facts) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let dialled = self.targets.dial(to, asker).await;
            dialled.inspect_err(|error| note(&self.undialled, error))
        })
    }

    fn cutting(&self) -> Cutting {
        self.cutting
    }

    fn pipes(&self) -> Option<&Pipes> {
        Some(&self.pipes)
    }

    fn dress<'a>(&'a self, name: &'a str, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let stack = self.layers.get(name, || {
                let bus = self.dialer.bus().clone();
                let scene = layer::Scene { bus, ..layer::Scene::alone(Role::Server) };
                Stack::prepare(vec![plan::layer(name)?], scene)
            })?;
            let dressed = stack.dress(conn.take(), self.dialer.scene.timeout).await?;
            *conn = dressed
                .ok_or_else(|| Error::new(Kind::ConnectionBroken, "the layer kept the conn"))?;
            Ok(())
        })
    }
}
