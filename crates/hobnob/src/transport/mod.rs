//! Transports: how one kind of medium is bound and connected.
//!
//! To add one: a file here with a `TransportRow`, a `mod` line and a line in [`TABLE`]. Nothing else.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> hobnob::Result<()> {
//! use hobnob::{Dialer, engine::parse};
//! for at in ["tcp://127.0.0.1:0", "unix:@hobnob-example-of-transports", "memory:letters"] {
//!     let running = hobnob::serve("echo", at)?;
//!     let bound = &running.bound()[0];
//!     let at = if bound.transport == "tcp" { bound.address.to_string() } else { at.to_owned() };
//!     let mut conn = Dialer::default().dial(&parse(&at)?).await?.conn;
//!     conn.send(b"hi").await?;
//!     assert_eq!(conn.recv(&mut [0; 8]).await?, Some(2));
//! }
//! # Ok(())
//! # }
//! ```

mod memory;
pub mod stdio;
mod tcp;
mod twin;
mod udp;
mod unix;

pub use twin::{Twin, over_ip};

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::address::{Address, canonical};
use crate::bus::Bus;
use crate::conn::listener::Listener;
use crate::conn::{Boxed, Conn, Facts};
use crate::endpoint::{Form, Host, Target};
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::socket::{Family, Observer, Socket, Type, host, option};
use crate::spec::{Options, Shape, Spec};

/// Every transport, in the order of the reference page.
pub static TABLE: &[&TransportRow] = &[
    &tcp::ROW,
    &udp::ROW,
    &unix::STREAM,
    &unix::DATAGRAM,
    &unix::SEQPACKET,
    &stdio::ROW,
    &memory::ROW,
    &later(
        &Spec { summary: "streams over UDP, encrypted", ..coming("quic") },
        Form::HostPort,
        Shape::Bytes,
    ),
    &later(
        &Spec { summary: "IP packets of one protocol", ..coming("raw") },
        Form::Host,
        Shape::Packets,
    ),
    &later(&Spec { summary: "echo requests", ..coming("icmp") }, Form::Host, Shape::Packets),
    &later(
        &Spec { summary: "a program, one process a session", ..coming("exec") },
        Form::Command,
        Shape::Bytes,
    ),
    &later(
        &Spec { summary: "a program on a terminal", ..coming("pty") },
        Form::Command,
        Shape::Bytes,
    ),
    &later(&Spec { summary: "a descriptor handed in", ..coming("fd") }, Form::Number, Shape::Bytes),
    &later(&Spec { summary: "a file", ..coming("file") }, Form::Path, Shape::Bytes),
];

/// A row that is not built in.
const fn later(spec: &'static Spec, form: Form, shape: Shape) -> TransportRow {
    TransportRow {
        spec,
        form,
        shape,
        socket: None,
        has_opening: true,
        transport: None,
        twins: |_| Vec::new(),
    }
}

const fn coming(name: &'static str) -> Spec {
    Spec { name, summary: "", options: &[], examples: &[], is_built_in: false }
}

/// One transport of the table.
#[derive(Debug)]
pub struct TransportRow {
    /// How the transport describes itself.
    pub spec: &'static Spec,
    /// The form of its targets.
    pub form: Form,
    /// The shape of its conns: packets where the medium keeps borders.
    pub shape: Shape,
    /// The type of its sockets; none where the transport has no socket of its own.
    pub socket: Option<Type>,
    /// Whether a peer arrives and leaves, and may be greeted; on plain datagrams it is no more than an address.
    pub has_opening: bool,
    /// The transport; none where it is not built in.
    pub transport: Option<&'static dyn Transport>,
    /// How nc, socat and Python would say the same.
    pub twins: fn(&Place) -> Vec<Twin>,
}

/// What is to be bound or connected: a target and the options, checked against the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Host and port, path, name.
    pub target: Target,
    /// The transport's own options.
    pub options: Options,
}

impl Place {
    /// Host and port. A plan gives a transport of the form `host:port` nothing else.
    pub fn host_and_port(&self) -> Result<(&Host, u16)> {
        match &self.target {
            Target::Net { host, port: Some(port) } => Ok((host, *port)),
            _ => Err(Error::new(Kind::Bug, "planned without a host and port")),
        }
    }

    /// What the host and port stand for, in the family that the scene asks for.
    pub async fn addresses(&self, scene: &Terms) -> Result<Vec<SocketAddr>> {
        let (host, port) = self.host_and_port()?;
        host::addresses(host, port, scene.family, scene.observer.clone()).await
    }

    /// Opens a socket, with the options set that are its own.
    pub fn open(&self, family: Family, kind: Type, scene: &Terms) -> Result<Socket> {
        let socket = Socket::open(family, kind, 0, scene.observer.clone())?;
        option::apply(&socket, &self.options)?;
        Ok(socket)
    }

    /// Binds each of the addresses, and tells which of them this machine does not have.
    pub async fn bind_each(
        &self,
        scene: &Terms,
        bind: impl Fn(SocketAddr) -> Result<Socket>,
    ) -> Result<Vec<Socket>> {
        let (sockets, missing) = host::bind_all(&self.addresses(scene).await?, bind)?;
        scene.leave_out(&missing);
        Ok(sockets)
    }

    /// The address family, where the target alone says it.
    pub fn family(&self) -> Option<Family> {
        match &self.target {
            Target::Net { host: Host::V4(_), .. } => Some(Family::V4),
            Target::Net { host: Host::V6 { .. }, .. } => Some(Family::V6),
            Target::Path(_) | Target::Abstract(_) => Some(Family::Unix),
            _ => None,
        }
    }
}

/// What the engine hands to a transport beside the place.
#[derive(Clone)]
pub struct Terms {
    /// `-4`, `-6`.
    pub family: Option<Family>,
    /// How long a dial may take in all.
    pub timeout: Duration,
    /// The observer that is to see each call to the kernel.
    pub observer: Option<Arc<dyn Observer>>,
    /// The bus that notes go to.
    pub bus: Bus,
    /// How many peers a datagram socket remembers at most.
    pub max_peers: usize,
    /// Silence after which a peer of a datagram socket is forgotten.
    pub peer_idle: Duration,
    /// The addresses at which the server listens on whose behalf this is.
    pub own: Own,
}

/// Where a server listens, each address with its transport's name: known once all is bound. A wildcard stands there as
/// each address of this machine.
#[derive(Debug, Clone, Default)]
pub struct Own(Arc<OnceLock<Vec<(&'static str, Address)>>>);

impl Own {
    /// Notes where the server listens. Only the first call counts.
    pub(crate) fn are(&self, own: Vec<(&'static str, Address)>) {
        self.0.get_or_init(|| own);
    }

    /// The addresses at which the server listens.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.0.get().into_iter().flatten().map(|(_, address)| address.clone()).collect()
    }

    /// Whether a dial to this address would come back to the server that makes it, and so go on for ever.
    pub fn check(&self, transport: &'static str, address: &Address) -> Result<()> {
        let is_own = |own: &(&str, Address)| own.0 == transport && leads_to(address, &own.1);
        if !self.0.get().into_iter().flatten().any(is_own) {
            return Ok(());
        }
        let text = format!("{transport} {address} is where this very server listens");
        Err(Error::new(Kind::Loop, text).why("each session would open the next, for ever"))
    }
}

impl Terms {
    /// Tells that addresses are left out because this machine does not have them: no IPv6 here.
    fn leave_out(&self, missing: &[SocketAddr]) {
        for address in missing {
            let note = format!("{} is left out: this machine does not have it", address.ip());
            self.bus.emit(0, 0, Fact::Note(note));
        }
    }
}

/// Whether who dials `asked` arrives at `own`. A wildcard hears all of loopback, and dialled it is loopback; a path may
/// have many names.
fn leads_to(asked: &Address, own: &Address) -> bool {
    if let (Address::Path(asked), Address::Path(own)) = (asked, own) {
        return asked == own || is_same_file(asked, own);
    }
    let (Some(to), Some(at)) = (asked.ip(), own.ip()) else { return asked == own };
    let (there, here) = (canonical(to.ip()), canonical(at.ip()));
    let is_local = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let is_wide = there.is_unspecified() || here.is_unspecified();
    to.port() == at.port() && (there == here || is_wide && is_local(there) && is_local(here))
}

/// Whether both paths are there and are one file. The look-up of a socket's path waits for nobody.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    identity(one).is_some_and(|file| Some(file) == identity(other))
}

/// Knows how to bind and connect one kind of medium.
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Binds. One listener per bound address (both loopbacks are two); if one of them cannot be had, none stays open.
    /// Called, and polled, inside the runtime that the listeners will live on.
    fn bind<'a>(&'a self, at: &'a Place, scene: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>>;

    /// Connects. `asker` is the session on whose behalf, if there is one.
    fn connect<'a>(
        &'a self,
        to: &'a Place,
        scene: &'a Terms,
        asker: Option<&'a Facts>,
    ) -> Boxed<'a, Conn>;
}
