//! What a session may dial: endpoints planned before anything was open, and any other on the spot. Where a target is to
//! be waited for, its peers are accepted here.

use std::collections::HashMap;

use tokio::sync::{Mutex, OnceCell};

use crate::conn::{Conn, Facts};
use crate::endpoint::{Host, Target as Name};
use crate::engine::Bound;
use crate::engine::dial::{Dialer, Waiting};
use crate::engine::kept::Kept;
use crate::engine::plan::{self, Ready};
use crate::error::{Error, Kind, Result};

/// The targets of one server.
pub(super) struct Targets {
    dialer: Dialer,
    planned: HashMap<String, Target>,
    /// What was dialled before without having been planned.
    others: Kept<Ready>,
}

struct Target {
    ready: Ready,
    /// Peers come one by one: a session waits for its own, behind those that wait already.
    waiting: OnceCell<Mutex<Waiting>>,
}

impl Targets {
    pub(super) fn new(dialer: Dialer, planned: Vec<(String, Ready)>) -> Self {
        let target = |ready| Target { ready, waiting: OnceCell::new() };
        let planned = planned.into_iter().map(|(text, ready)| (text, target(ready))).collect();
        Targets { dialer, planned, others: Kept::default() }
    }

    /// Those that were planned, as they were named.
    pub(super) fn planned(&self) -> Vec<String> {
        let mut planned: Vec<_> = self.planned.keys().cloned().collect();
        planned.sort_unstable();
        planned
    }

    /// Binds those that are waited for, and refuses those that are plainly where we listen ourselves.
    pub(super) async fn open(&self) -> Result<Vec<Bound>> {
        let mut bound = Vec::new();
        for target in self.planned.values() {
            let ready = &target.ready;
            if ready.is_turned {
                let waiting = self.dialer.wait_on(ready).await?;
                bound.extend(waiting.bound());
                // It was just made, so nobody else has set it.
                let _ = target.waiting.set(Mutex::new(waiting));
            } else if is_here(&ready.place.target) {
                for address in ready.place.addresses(&self.dialer.scene).await? {
                    self.dialer.scene.own.check(ready.name, &address.into())?;
                }
            }
        }
        Ok(bound)
    }

    /// A conn to the target, layers and all: dialled, or of a peer who came by itself.
    pub(super) async fn dial(&self, to: &str, asker: &Facts) -> Result<Conn> {
        let Some(target) = self.planned.get(to) else {
            let ready = self.others.get(to, || self.dialer.plan(&plan::parse(to)?))?;
            return Ok(self.dialer.dial_for(&ready, Some(asker)).await?.conn);
        };
        if !target.ready.is_turned {
            return Ok(self.dialer.dial_for(&target.ready, Some(asker)).await?.conn);
        }
        let not_open = || Error::new(Kind::Bug, "a target was dialled before it was opened");
        let mut waiting = target.waiting.get().ok_or_else(not_open)?.lock().await;
        waiting.next().await
    }
}

/// Whether no look-up is needed to know where that is.
fn is_here(target: &Name) -> bool {
    matches!(target, Name::Net { host: Host::Loopback | Host::V4(_) | Host::V6 { .. }, .. })
}
