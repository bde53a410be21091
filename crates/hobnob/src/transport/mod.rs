//! Transports: how one kind of medium is bound and connected.
//!
//! To add one: a file here with a `Row`, a `mod` line and a line in [`TABLE`]. Nothing else.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::address::Address;
use crate::bus::Bus;
use crate::conn::{Boxed, Conn, Facts};
use crate::endpoint::{Form, Target};
use crate::error::{Error, Result};
use crate::socket::{Family, Observer};
use crate::spec::{Options, Shape, Spec};

/// Every transport, in the order of the reference page.
pub static TABLE: &[&Row] = &[];

/// One transport of the table.
#[derive(Debug)]
pub struct Row {
    /// How it describes itself.
    pub spec: &'static Spec,
    /// What its target looks like.
    pub form: Form,
    /// Whether it keeps borders.
    pub shape: Shape,
    /// The transport; none where it is not built in.
    pub transport: Option<&'static dyn Transport>,
}

/// What is to be bound or connected: a target and the options, checked against the spec.
#[derive(Debug, Clone)]
pub struct Place {
    /// Host and port, path, name.
    pub target: Target,
    /// The transport's own options.
    pub options: Options,
}

/// What the engine hands to a transport beside the place.
#[derive(Clone)]
pub struct Scene {
    /// `-4`, `-6`.
    pub family: Option<Family>,
    /// How long a dial may take in all.
    pub timeout: Duration,
    /// Who wants to see each call to the kernel.
    pub observer: Option<Arc<dyn Observer>>,
    /// Where notes go.
    pub bus: Bus,
    /// How many peers a datagram socket remembers at most.
    pub max_peers: usize,
    /// Silence after which such a peer is forgotten.
    pub peer_idle: Duration,
}

/// Knows how to bind and connect one kind of medium.
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Binds. One listener per bound address (both loopbacks are two); if one of them cannot be had, none stays open.
    /// Called, and polled, inside the runtime that the listeners will live on.
    fn bind<'a>(&'a self, at: &'a Place, scene: &'a Scene) -> Boxed<'a, Vec<Box<dyn Listener>>>;

    /// Connects. `asker` is the session on whose behalf, if there is one.
    fn connect<'a>(
        &'a self,
        to: &'a Place,
        scene: &'a Scene,
        asker: Option<&'a Facts>,
    ) -> Boxed<'a, Conn>;
}

/// What came in.
pub enum Accepted {
    /// A conn, ready.
    Conn(Conn),
    /// A conn whose handshake is still to be done, on its own task and under its own deadline.
    Opening(Boxed<'static, Conn>),
    /// A listener within: a datagram socket's peers, a QUIC connection's streams. It and all its sessions live on
    /// one shard, and it must go on being polled whatever the limits say: what comes is dropped and counted instead.
    Many(Box<dyn Listener>),
    /// Accepting failed; the engine sorts by consequence, and alone waits.
    Failed(Error),
    /// There will be no more.
    NoMore,
}

/// A bound endpoint that yields conns.
pub trait Listener: Send {
    /// Where it is bound; with port 0, the port that the kernel gave.
    fn address(&self) -> Address;

    /// Yields what comes in. The conn belongs to the runtime that is entered during the call.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted>;

    /// Its packets without sessions, where it can answer them in batches.
    fn datagrams(&mut self) -> Option<&mut dyn Datagrams> {
        None
    }
}

/// Batched answering on a datagram socket.
pub trait Datagrams: Send {
    /// Receives a batch, asks `answer` for each, and sends what it wants sent. Resolves to how many were received. An
    /// answer that the socket does not take at once is dropped, and the second number counts it.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        answer: &mut dyn FnMut(&Datagram<'_>, &mut Vec<u8>) -> Answer,
    ) -> Poll<Result<Answered>>;

    /// Sends one packet that was held back; `WouldBlock` is the caller's to drop and count.
    fn try_send(&mut self, to: &Address, bytes: &[u8]) -> Result<()>;
}

/// One packet of a batch.
pub struct Datagram<'a> {
    /// Who sent it.
    pub peer: &'a Address,
    /// Where it came to.
    pub local: &'a Address,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What is to be done about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Send what was written, also when that is nothing: an empty packet.
    Send,
    /// Send nothing.
    Silence,
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered {
    /// Packets received.
    pub received: usize,
    /// Answers that could not be sent at once, and were dropped.
    pub dropped: usize,
}
