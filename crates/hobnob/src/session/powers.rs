//! What the engine does for a session, or for a service that keeps house.

use crate::codec::text::Cutting;
use crate::conn::link::Pipes;
use crate::conn::{Boxed, Conn, Facts, Role};
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind, Result};

/// The engine as a session sees it. Each method by itself refuses: a session without an engine has no powers.
pub trait Powers: Send + Sync {
    /// Opens a conn, layers and all. `asker` is the session that wants it, where one does.
    fn dial<'a>(&'a self, _: Destination<'a>, _asker: Option<&'a Facts>) -> Boxed<'a, Conn> {
        Box::pin(std::future::ready(Err(no_engine("dial"))))
    }

    /// Puts a layer on a conn in mid-session.
    fn dress<'a>(&'a self, _: Dress<'a>, _conn: Conn) -> Boxed<'a, Conn> {
        Box::pin(std::future::ready(Err(no_engine("dress"))))
    }

    /// Makes a layer ready and opens nothing: what is wrong with its files is said now.
    fn rehearse(&self, _: Dress<'_>) -> Result<()> {
        Err(no_engine("dress"))
    }

    /// Runs work that may block on a thread for such work, once there is room; resolves when it is done.
    fn work(&self, _: Job) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(Err(no_engine("work"))))
    }

    /// The pipes that links of sessions may splice through; none: they copy.
    fn pipes(&self) -> Option<&Pipes> {
        None
    }

    /// How the person wants text cut into messages: `--framing`.
    fn cutting(&self) -> Cutting {
        Cutting::default()
    }
}

/// Work that may block.
pub type Job = Box<dyn FnOnce() + Send>;

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
    /// Which side of the handshake we are.
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
