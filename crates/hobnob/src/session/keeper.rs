//! What a service is given for work that belongs to no session: while it opens, and for as long as its server runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::bus::Bus;
use crate::clock::Clock;
use crate::conn::Conn;
use crate::error::Result;
use crate::event::Fact;
use crate::session::powers::{Destination, Dress, Powers};
use crate::session::ways;

/// How long a keeper has from the moment that somebody wants the server over now.
const HURRIED: Duration = Duration::from_millis(300);

/// What the engine does for a service outside of all sessions: dial, dress, emit, tell time, run work that blocks.
#[derive(Clone)]
pub struct Keeper {
    bus: Bus,
    powers: Arc<dyn Powers>,
    is_over: watch::Receiver<bool>,
    is_hurried: watch::Receiver<bool>,
}

impl Keeper {
    /// A keeper with these powers, which is asked to end once `is_over` is true, and to wait for nothing any more once
    /// `is_hurried` is.
    pub(crate) fn new(
        bus: Bus,
        powers: Arc<dyn Powers>,
        [is_over, is_hurried]: [watch::Receiver<bool>; 2],
    ) -> Self {
        Keeper { bus, powers, is_over, is_hurried }
    }

    /// The clock that stamps the events.
    pub fn clock(&self) -> Clock {
        self.bus.clock()
    }

    /// The bus that the events go to. [`Bus::is_watched`] says whether anybody looks.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Tells a fact that is about no session.
    pub fn emit(&self, fact: Fact) {
        self.bus.emit(0, 0, fact);
    }

    /// Opens a conn, layers and all.
    pub async fn dial(&self, to: Destination<'_>) -> Result<Conn> {
        self.powers.dial(to, None).await
    }

    /// Puts a layer on a conn that is open.
    pub async fn dress(&self, dress: Dress<'_>, conn: Conn) -> Result<Conn> {
        self.powers.dress(dress, conn).await
    }

    /// Makes a layer ready that sessions will put on, and opens nothing: a mistake in the layer's files is an error now,
    /// and not at the first peer.
    pub fn rehearse(&self, dress: Dress<'_>) -> Result<()> {
        self.powers.rehearse(dress)
    }

    /// Runs work that may block, such as reading a disk, off the threads of the sessions.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        ways::run(&*self.powers, work).await
    }

    /// Resolves once all sessions are over and the keeper is to come to its end.
    pub async fn asked_to_end(&self) {
        // An error would mean that the engine is gone, which is an end too.
        drop(self.is_over.clone().wait_for(|is_over| *is_over).await);
    }

    /// Resolves after so long at most; sooner where somebody wants the server over now (a second Ctrl-C). What a keeper
    /// does last waits for others no longer than that, so that it can still tell what it could not do.
    pub async fn patience(&self, most: Duration) {
        let hurried = async {
            drop(self.is_hurried.clone().wait_for(|is_hurried| *is_hurried).await);
            tokio::time::sleep(HURRIED).await;
        };
        drop(tokio::time::timeout(most, hurried).await);
    }
}
