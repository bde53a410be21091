//! What the engine does for a session, or for a service outside of all sessions.

use std::sync::Arc;

use crate::codec::text::Cutting;
use crate::conn::link::Pipes;
use crate::conn::{Boxed, Conn, Facts, Role};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result};

/// The engine as a session sees it. The methods that are given here refuse: a session without an engine, as tests make
/// one, has no powers.
pub(crate) trait Powers: Send + Sync {
    /// Opens a conn, layers and all. The last argument tells of the conn of the session that asks, where one does.
    fn dial<'a>(&'a self, _: Destination<'a>, _asker: Option<&'a Facts>) -> Boxed<'a, Conn> {
        Box::pin(std::future::ready(Err(no_engine("dial"))))
    }

    /// Puts a layer on a conn in mid-session.
    fn dress<'a>(&'a self, _: Dress<'a>, _conn: Conn) -> Boxed<'a, Conn> {
        Box::pin(std::future::ready(Err(no_engine("dress"))))
    }

    /// Makes a layer ready and opens nothing: a mistake in the layer's files is an error now.
    fn rehearse(&self, _: Dress<'_>) -> Result<()> {
        Err(no_engine("dress"))
    }

    /// Gives a peer that was a stranger one of the places that all peers share; the error is that there is none.
    fn seat(&self, _: &Arc<Facts>) -> Result<()> {
        Ok(())
    }

    /// Gives work that may block to a thread for such work, once there is room. Resolves when the work is in the queue.
    fn work(&self, _: Job) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(Err(no_engine("work"))))
    }

    /// The pipes that the links of sessions may splice through; none: the links copy.
    fn pipes(&self) -> Option<&Pipes> {
        None
    }

    /// A session held so many bytes of buffers, and now holds so many.
    fn note_held(&self, _before: u64, _after: u64) {}

    /// Whether there is room for more buffers in the budget of all sessions.
    fn may_hold_more(&self) -> bool {
        true
    }

    /// How the person wants text cut into messages: `--framing`.
    fn cutting(&self) -> Cutting {
        Cutting::default()
    }
}

/// Work that may block.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Where to dial.
#[derive(Debug, Clone, Copy)]
pub enum Destination<'a> {
    /// The endpoint that the service was given for its option of this name. It was planned before anything was open.
    Target(&'a str),
    /// Any other endpoint.
    Endpoint(&'a Endpoint),
}

/// A layer to put on a conn in mid-session, as after STARTTLS.
#[derive(Debug, Clone, Copy)]
pub struct Dress<'a> {
    /// The layer's name and its settings behind commas, as an endpoint has them: `tls,cert=c.pem`.
    pub layer: &'a str,
    /// Our side of the handshake.
    pub role: Role,
    /// The host that was dialled, which a certificate must be for.
    pub host: Option<&'a str>,
}

impl<'a> Dress<'a> {
    /// As the side that was dialled.
    pub fn server(layer: &'a str) -> Self {
        Dress { layer, role: Role::Server, host: None }
    }

    /// As the side that dialled this host.
    pub fn client(layer: &'a str, host: &'a str) -> Self {
        Dress { layer, role: Role::Client, host: Some(host) }
    }
}

fn no_engine(power: &str) -> Error {
    Error::new(Kind::Bug, format!("a session without an engine cannot {power}"))
}
