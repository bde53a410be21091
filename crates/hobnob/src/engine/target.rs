//! The endpoints that a session may dial: those that were planned before anything was open, and any other on the spot.
//! Where a target is to be waited for, its peers are accepted here.

use std::collections::HashMap;

use tokio::sync::{Mutex, OnceCell};

use crate::address::Address;
use crate::conn::{Conn, Facts};
use crate::endpoint::{Endpoint, Host, Target as Name};
use crate::engine::bound::Bound;
use crate::engine::dial::{Dialer, Waiting};
use crate::engine::kept::Kept;
use crate::engine::plan::Ready;
use crate::error::{Error, Kind, Result};
use crate::session::Destination;

/// The targets of one server.
pub(super) struct Targets {
    dialer: Dialer,
    planned: HashMap<&'static str, PlannedTarget>,
    /// Endpoints that were not planned, and were dialled before.
    others: Kept<Ready>,
}

struct PlannedTarget {
    ready: Ready,
    /// Where peers are waited for. They come one by one, and each session waits behind those that wait already.
    waiting: OnceCell<Mutex<Waiting>>,
}

impl Targets {
    pub(super) fn new(dialer: Dialer, planned: Vec<(&'static str, Ready)>) -> Self {
        let target = |ready| PlannedTarget { ready, waiting: OnceCell::new() };
        let planned = planned.into_iter().map(|(name, ready)| (name, target(ready))).collect();
        Targets { dialer, planned, others: Kept::default() }
    }

    /// The endpoints that were planned.
    pub(super) fn planned(&self) -> Vec<Endpoint> {
        let mut planned: Vec<_> = self.planned.iter().collect();
        planned.sort_unstable_by_key(|(name, _)| **name);
        planned.into_iter().map(|(_, target)| target.ready.endpoint.clone()).collect()
    }

    /// Binds the targets that are waited for, and refuses a target that is plainly an address where we listen
    /// ourselves.
    pub(super) async fn open(&self) -> Result<Vec<Bound>> {
        let mut bound = Vec::new();
        for target in self.planned.values() {
            let ready = &target.ready;
            if ready.is_turned {
                let waiting = self.dialer.wait_on(ready).await?;
                bound.extend(waiting.bound());
                // The cell was made with this target, and only this loop sets it.
                let _ = target.waiting.set(Mutex::new(waiting));
            } else {
                for address in self.known_addresses(ready).await? {
                    self.dialer.scene.own.check(ready.name, &address)?;
                }
            }
        }
        Ok(bound)
    }

    /// A conn to a destination, layers and all: dialled, or that of a peer which came by itself.
    pub(super) async fn dial(&self, to: Destination<'_>, asker: Option<&Facts>) -> Result<Conn> {
        let target = match to {
            Destination::Target(name) => self
                .planned
                .get(name)
                .ok_or_else(|| Error::new(Kind::Bug, format!("no target {name} was planned")))?,
            Destination::Endpoint(endpoint) => {
                let plan = || self.dialer.plan(endpoint);
                let ready = self.others.get(&endpoint.to_string(), plan)?;
                return Ok(self.dialer.dial_for(&ready, asker).await?.conn);
            }
        };
        if !target.ready.is_turned {
            return Ok(self.dialer.dial_for(&target.ready, asker).await?.conn);
        }
        let not_open = || Error::new(Kind::Bug, "a target was dialled before it was opened");
        let mut waiting = target.waiting.get().ok_or_else(not_open)?.lock().await;
        waiting.next().await
    }

    /// The addresses of a target, as far as they are known without a look-up.
    async fn known_addresses(&self, ready: &Ready) -> Result<Vec<Address>> {
        Ok(match &ready.place.target {
            Name::Net { host: Host::Name(_), .. } => Vec::new(),
            Name::Net { .. } => {
                let addresses = ready.place.addresses(&self.dialer.scene).await?;
                addresses.into_iter().map(Address::Ip).collect()
            }
            Name::Path(path) => vec![Address::path(path.clone())],
            Name::Abstract(name) => vec![Address::Abstract(name.as_slice().into())],
            Name::Name(name) => vec![Address::name(&format!("{}:{name}", ready.name))],
            _ => Vec::new(),
        })
    }
}
