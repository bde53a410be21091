//! What a session may ask of the engine.

use std::sync::{Arc, Mutex, PoisonError};

use crate::codec::text::Cutting;
use crate::conn::link::Pipes;
use crate::conn::{Boxed, Conn, Facts};
use crate::engine::dial::Dialer;
use crate::engine::kept::Kept;
use crate::engine::ledger::Ledger;
use crate::engine::limits::Gate;
use crate::engine::plan::{self, Ready};
use crate::engine::seats::Seats;
use crate::engine::stack::Stack;
use crate::engine::target::Targets;
use crate::engine::workshop::Workshop;
use crate::error::{Error, Kind, Result};
use crate::layer;
use crate::session::powers::{Destination, Dress, Job, Powers};

/// What a session may ask of the engine.
pub(super) struct EnginePowers {
    pub dialer: Dialer,
    pub targets: Targets,
    /// The error of the last dial that failed, of a session or of an endpoint that is dialled to become one.
    pub undialled: Arc<Mutex<Option<Error>>>,
    pub workshop: Workshop,
    /// The places of peers that were strangers.
    pub seats: Seats,
    pub ledger: Ledger,
    cutting: Cutting,
    pipes: Pipes,
    /// The layers that sessions have put on in mid-session before.
    layers: Kept<Stack>,
}

impl EnginePowers {
    pub(super) fn new(
        dialer: Dialer,
        targets: Vec<(&'static str, Ready)>,
        cutting: Cutting,
        pipes: usize,
        gate: Gate,
        ledger: Ledger,
    ) -> Self {
        EnginePowers {
            targets: Targets::new(dialer.clone(), targets),
            dialer,
            undialled: Arc::default(),
            workshop: Workshop::new(),
            seats: Seats::new(gate),
            ledger,
            cutting,
            pipes: Pipes::of(pipes),
            layers: Kept::default(),
        }
    }

    fn stack(&self, Dress { layer, role, host }: Dress<'_>) -> Result<Arc<Stack>> {
        let key = format!("{role:?} {} {layer}", host.unwrap_or_default());
        self.layers.get(&key, || {
            let bus = self.dialer.bus().clone();
            let host = host.map(str::to_owned);
            let scene = layer::Surroundings { host, bus, ..layer::Surroundings::alone(role) };
            Stack::prepare(vec![plan::layer(layer)?], scene)
        })
    }
}

/// Notes the error of a dial that failed. The last one counts, as the last failure is what ends a server.
pub(super) fn note(undialled: &Mutex<Option<Error>>, error: &Error) {
    *undialled.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
}

impl Powers for EnginePowers {
    fn dial<'a>(&'a self, to: Destination<'a>, asker: Option<&'a Facts>) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let dialled = self.targets.dial(to, asker).await;
            dialled.inspect_err(|error| note(&self.undialled, error))
        })
    }

    fn dress<'a>(&'a self, dress: Dress<'a>, conn: Conn) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let dressed = self.stack(dress)?.dress(conn, self.dialer.scene.timeout).await?;
            dressed.ok_or_else(|| Error::new(Kind::ConnectionBroken, "the layer kept the conn"))
        })
    }

    fn rehearse(&self, dress: Dress<'_>) -> Result<()> {
        self.stack(dress).map(drop)
    }

    fn seat(&self, facts: &Arc<Facts>) -> Result<()> {
        // Nobody is turned out of a room for a newcomer to it.
        self.seats.settle(facts, || None).map_err(|limit| {
            let why = "the peer has proven itself, and there is no place for one more";
            Error::limit(limit, why)
        })
    }

    fn work(&self, job: Job) -> Boxed<'_, ()> {
        Box::pin(self.workshop.take(job))
    }

    fn pipes(&self) -> Option<&Pipes> {
        Some(&self.pipes)
    }

    fn note_held(&self, before: u64, after: u64) {
        self.ledger.note(before, after);
    }

    fn may_hold_more(&self) -> bool {
        !self.ledger.is_full()
    }

    fn cutting(&self) -> Cutting {
        self.cutting
    }
}
