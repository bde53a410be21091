//! The ways out of a session: other conns, layers in mid-session, work that blocks.

use std::sync::Arc;

use crate::chunk::Side;
use crate::conn::Conn;
use crate::error::{Error, Kind, Result};
use crate::event::By;
use crate::session::powers::{Destination, Dress, Powers};
use crate::session::{Session, tap};

impl Session {
    /// Opens another conn, layers and all, with a tap on it.
    pub async fn dial(self: &Arc<Self>, to: Destination<'_>) -> Result<Conn> {
        let mut conn = self.powers().dial(to, Some(&self.facts)).await?;
        self.note_upstream(conn.facts());
        tap::lay(self, Side::Upstream, &mut conn);
        Ok(conn)
    }

    /// Puts a layer on one of the session's conns in mid-session. The layer goes beneath the tap, so that whoever looks
    /// goes on seeing what the service sees. After an error the conn can no longer be used.
    pub async fn dress(&self, dress: Dress<'_>, conn: &mut Conn) -> Result<()> {
        let (bare, side) = tap::lift(conn);
        let before = bare.facts().learnt().len();
        let dressed = self.powers().dress(dress, bare).await?;
        let with = if side == Some(Side::Upstream) { By::Upstream } else { By::Peer };
        self.tell_learnt(with, &dressed.facts().learnt()[before..]);
        tap::slip_under(conn, dressed);
        Ok(())
    }

    /// Says that the peer has proven to hear what is sent to its address. From now on it has one of the places that all
    /// peers share; the error is that none is free.
    pub fn proven(&self) -> Result<()> {
        self.powers().seat(&self.facts)
    }

    /// Runs work that may block, such as writing to a disk, off the thread of the sessions.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        run(&**self.powers(), work).await
    }
}

/// Runs work that may block, and returns what the work made.
pub(super) async fn run<T: Send + 'static>(
    powers: &dyn Powers,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (done, made) = tokio::sync::oneshot::channel();
    // The send fails where nobody waits for the outcome any more.
    let job = Box::new(move || drop(done.send(work())));
    powers.work(job).await?;
    made.await.map_err(|_| Error::new(Kind::Bug, "work that may block panicked"))
}
