//! Layers: conn in, conn out.
//!
//! To add one: a file here with a `LayerRow`, a `mod` line and a line in [`TABLE`]. Nothing else.
//!
//! A layer is a word before the transport. Under `lines` each send is a message, however the bytes below it travel:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> hobnob::Result<()> {
//! use hobnob::{Dialer, engine::parse};
//! let at = "lines+memory:example-of-layers";
//! let _running = hobnob::serve("echo", at)?;
//! let mut conn = Dialer::default().dial(&parse(at)?).await?.conn;
//! conn.send(b"one").await?;
//! conn.send(b"two, longer").await?;
//! assert_eq!(conn.recv(&mut [0; 64]).await?, Some(3));
//! assert_eq!(conn.recv(&mut [0; 64]).await?, Some(11));
//! # Ok(())
//! # }
//! ```

pub mod lines;
mod tap;
#[cfg(feature = "tls")]
pub mod tls;

use std::net::IpAddr;
use std::path::PathBuf;

use crate::bus::Bus;
use crate::clock::Clock;
pub use crate::conn::Role;
use crate::conn::{Boxed, Conn};
use crate::error::Result;
use crate::spec::{Options, Shape, Spec};

/// Every layer, in the order of the reference page.
pub static TABLE: &[&LayerRow] = &[
    &lines::ROW,
    &tap::ROW,
    #[cfg(feature = "tls")]
    &tls::ROW,
    #[cfg(not(feature = "tls"))]
    &later("tls", "encryption and who is who", Some(Shape::Bytes), None),
    &later("ws", "WebSocket messages", Some(Shape::Bytes), Some(Shape::Packets)),
    &later("len16", "messages with a length of 16 bits", Some(Shape::Bytes), Some(Shape::Packets)),
    &later("len32", "messages with a length of 32 bits", Some(Shape::Bytes), Some(Shape::Packets)),
];

/// A row that is not built in.
const fn later(
    name: &'static str,
    summary: &'static str,
    below: Option<Shape>,
    above: Option<Shape>,
) -> LayerRow {
    let spec = Spec { name, summary, options: &[], examples: &[], is_built_in: false };
    LayerRow { spec, below, above, is_one_line: false, may_decline: false, make: None }
}

/// One layer of the table.
#[derive(Debug)]
pub struct LayerRow {
    /// How the layer describes itself.
    pub spec: Spec,
    /// The shape that the layer needs below; none: either shape.
    pub below: Option<Shape>,
    /// The shape that the layer makes; none: the shape below.
    pub above: Option<Shape>,
    /// Whether a message above is a line, so that none with a newline in it passes.
    pub is_one_line: bool,
    /// Whether the layer may decline a conn, which another endpoint with the same bind address may take then.
    pub may_decline: bool,
    /// Makes a layer from its options; none where the layer is not built in.
    pub make: Option<fn(&Options) -> Result<Box<dyn Layer>>>,
}

/// What the engine tells a layer about the endpoint that it is part of.
#[derive(Clone)]
pub struct Surroundings {
    /// Our side of the handshake.
    pub role: Role,
    /// The host as it was dialled, which a certificate must be for: a name, or an address. None where we were
    /// dialled, and where the endpoint has no host.
    pub host: Option<String>,
    /// The addresses of this machine, where we were dialled: a certificate that is made here is for them.
    pub addresses: Vec<IpAddr>,
    /// The bus that notes go to.
    pub bus: Bus,
}

impl Surroundings {
    /// The scene of a layer outside an engine: without a host, and with a bus that nobody looks at.
    pub fn alone(role: Role) -> Self {
        Surroundings { role, host: None, addresses: Vec::new(), bus: Bus::new(Clock::start(), 1) }
    }
}

/// Wraps conns. One value serves all the conns of an endpoint.
pub trait Layer: Send + Sync {
    /// Reads what it needs for its role: files, keys. Called once, before anything is bound or dialled, so that what
    /// is wrong with them is said at once.
    fn prepare(&mut self, _scene: &Surroundings) -> Result<()> {
        Ok(())
    }

    /// What who dials says to its own layer of this kind, as `-O` takes it; none: the same as here. Of a prepared
    /// layer that was dialled.
    fn dialled(&self) -> Option<Vec<String>> {
        None
    }

    /// The file that other programs must trust where the layer made its own certificate. Of a prepared layer that was
    /// dialled.
    fn vouched_by(&self) -> Option<PathBuf> {
        None
    }

    /// Wraps a conn, and may do a handshake first.
    fn wrap<'a>(&'a self, scene: &'a Surroundings, conn: Conn) -> Boxed<'a, Dressed>;
}

/// What became of a conn that a layer was to wrap.
pub enum Dressed {
    /// The conn with the layer on.
    Conn(Conn),
    /// The layer answered by itself and kept the conn.
    Answered,
    /// What came is not for this layer. The conn is as it was: what was read of it is given back with
    /// [`conn::prefix`](crate::conn::prefix).
    Declined(Conn),
}

impl Dressed {
    /// The conn with the layer on; none where the layer did not put itself on.
    pub fn into_conn(self) -> Option<Conn> {
        match self {
            Dressed::Conn(conn) => Some(conn),
            Dressed::Answered | Dressed::Declined(_) => None,
        }
    }
}
