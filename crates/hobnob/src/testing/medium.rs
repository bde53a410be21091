//! How one medium makes pairs of conns.

use std::future::poll_fn;
use std::task::Poll;

use tokio::task::JoinHandle;

use crate::address::Address;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::conn::demux::PeerLimits;
use crate::conn::listener::{Accepted, Listener};
use crate::conn::{Boxed, Conn, memory};
use crate::engine::{self, Limits};
use crate::error::{Error, Kind, Result};
use crate::spec::Shape;
use crate::transport::{Own, Terms, TransportRow};

/// Bytes that a clogged pair is asked to hold in each direction.
const SMALL: usize = 4_096;

/// One medium: a transport of the table at addresses of its own, or pairs made by hand.
pub struct Medium(Origin);

enum Origin {
    Table { row: &'static TransportRow, fresh: Box<dyn Fn() -> String + Send + Sync> },
    Memory(Shape),
    Made { name: &'static str, shape: Shape, make: Make },
}

type Make = Box<dyn Fn() -> Boxed<'static, Pair> + Send + Sync>;

/// Two conns that are each other's peers.
pub struct Pair {
    /// The end that dialled.
    pub dialled: Conn,
    /// The end that was accepted.
    pub accepted: Conn,
    /// Where it was bound.
    pub bound: Address,
    /// Whether the medium has an end that a peer can see. Where many share one socket it has none.
    pub has_ends: bool,
    pump: Option<JoinHandle<()>>,
}

impl Pair {
    /// Two conns that somebody made into each other's peers; `bound` is where one dialled the other.
    pub fn new(dialled: Conn, accepted: Conn, bound: Address) -> Self {
        Pair { dialled, accepted, bound, has_ends: true, pump: None }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.pump.iter().for_each(JoinHandle::abort);
    }
}

impl Medium {
    /// A transport of the table. `fresh` makes an endpoint to bind, each time one that is free: port 0, a new path.
    pub fn new(fresh: impl Fn() -> String + Send + Sync + 'static) -> Result<Self> {
        let row = engine::resolve(&engine::parse(&fresh())?)?.transport;
        Ok(Medium(Origin::Table { row, fresh: Box::new(fresh) }))
    }

    /// The pair in memory, with packets too, which no endpoint names.
    pub fn memory(shape: Shape) -> Self {
        Medium(Origin::Memory(shape))
    }

    /// A medium that takes more than its endpoint to be tried: standard input and output have another process at
    /// their other end, a terminal its user. `make` makes a pair with one end of each.
    pub fn made(
        name: &'static str,
        shape: Shape,
        make: impl Fn() -> Boxed<'static, Pair> + Send + Sync + 'static,
    ) -> Self {
        Medium(Origin::Made { name, shape, make: Box::new(make) })
    }

    /// The transport's name.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Origin::Table { row, .. } => row.spec.name,
            Origin::Memory(_) => "memory",
            Origin::Made { name, .. } => name,
        }
    }

    /// Whether it keeps borders.
    pub fn shape(&self) -> Shape {
        match &self.0 {
            Origin::Table { row, .. } => row.shape,
            Origin::Memory(shape) | Origin::Made { shape, .. } => *shape,
        }
    }

    /// A connected pair, in the runtime of whoever calls.
    pub async fn pair(&self) -> Result<Pair> {
        self.make(false).await
    }

    /// A pair whose buffers are the smallest that the medium has, where it can be told, for checks that fill them.
    pub async fn small_pair(&self) -> Result<Pair> {
        self.make(true).await
    }

    /// A small pair into which the dialled end has sent until nothing more went in: the bytes or packets that did.
    /// None where the medium never says that it is full, but drops.
    pub async fn clogged(&self) -> Result<Option<(Pair, usize)>> {
        let mut pair = self.make(true).await?;
        // The runtime's own way of saying "let others run" looks like a full medium.
        let went = tokio::task::unconstrained(fill(&mut pair.dialled)).await?;
        Ok(went.map(|went| (pair, went)))
    }

    async fn make(&self, is_small: bool) -> Result<Pair> {
        let (row, fresh) = match &self.0 {
            Origin::Table { row, fresh } => (row, fresh),
            Origin::Memory(shape) => {
                let capacity = if is_small { SMALL } else { memory::CAPACITY };
                let (dialled, accepted) = memory::pair_holding(*shape, capacity);
                let bound = dialled.facts().peer.clone();
                return Ok(Pair::new(dialled, accepted, bound));
            }
            Origin::Made { make, .. } => return make().await,
        };
        let options = if is_small { small(row) } else { String::new() };
        let scene = scene();
        let transport = row.transport.ok_or_else(|| {
            Error::new(Kind::NotBuiltIn, format!("{} is not built in", row.spec.name))
        })?;
        let at = engine::resolve(&engine::parse(&(fresh() + &options))?)?.place;
        let mut listener = transport.bind(&at, &scene).await?.swap_remove(0);
        let (bound, has_ends) = (listener.address(), listener.datagrams().is_none());
        let to = endpoint_of(row.spec.name, &bound) + &options;
        let to = engine::resolve(&engine::parse(&to)?)?.place;
        let mut dialled = transport.connect(&to, &scene, None).await?;
        if !has_ends {
            dialled.send(b"knock").await?; // nobody is there before a packet has come
        }
        let mut accepted = accept(&mut listener).await?;
        if !has_ends {
            accepted.recv(&mut [0; 16]).await?;
        }
        let pump = tokio::spawn(async move {
            loop {
                if let Accepted::NoMore = poll_fn(|cx| listener.poll_accept(cx)).await {
                    return;
                }
            }
        });
        Ok(Pair { dialled, accepted, bound, has_ends, pump: Some(pump) })
    }
}

/// Sends until nothing more goes in. The kernel may still be moving bytes onward, so that is asked several times.
async fn fill(conn: &mut Conn) -> Result<Option<usize>> {
    let (piece, shape) = ([b'#'; 1_024], conn.shape());
    let (mut went, mut refused) = (0, 0);
    while refused < 8 {
        let sent = poll_fn(|cx| Poll::Ready(conn.channel().poll_send(cx, &piece)));
        match sent.await {
            Poll::Ready(sent) => {
                went += if shape == Shape::Bytes { sent? } else { 1 };
                refused = 0;
            }
            Poll::Pending => {
                refused += 1;
                tokio::task::yield_now().await;
            }
        }
        if shape == Shape::Packets && went > 100_000 {
            return Ok(None);
        }
    }
    Ok(Some(went))
}

/// Accepts one conn; a listener within takes the listener's place.
async fn accept(listener: &mut Box<dyn Listener>) -> Result<Conn> {
    loop {
        match poll_fn(|cx| listener.poll_accept(cx)).await {
            Accepted::Conn(conn) => return Ok(conn),
            Accepted::Many(within) => *listener = within.listener,
            Accepted::Refused(..) | Accepted::Proven(_) => {}
            Accepted::Failed(error) => return Err(error),
            Accepted::NoMore => return Err(Error::new(Kind::ConnectionBroken, "nobody came")),
        }
    }
}

/// The endpoint that dials a bound address.
pub(super) fn endpoint_of(transport: &str, bound: &Address) -> String {
    match bound {
        Address::Ip(address) => format!("{transport}://{address}"),
        Address::Name(name) => name.to_string(),
        other => format!("{transport}:{other}"),
    }
}

/// The options that make its buffers small, where it has any.
fn small(row: &TransportRow) -> String {
    let has = |name: &str| row.spec.options.iter().any(|option| option.name == name);
    let mut options = String::new();
    for (name, setting) in [("rcvbuf", ",rcvbuf=4k"), ("sndbuf", ",sndbuf=4k")] {
        if has(name) {
            options += setting;
        }
    }
    options
}

fn scene() -> Terms {
    let limits = Limits::default();
    Terms {
        family: None,
        timeout: limits.handshake,
        observer: None,
        bus: Bus::new(Clock::start(), 1),
        peers: PeerLimits::default(),
        own: Own::default(),
    }
}
