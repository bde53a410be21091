//! One open channel, handshakes done: facts, a shape, and the bytes or packets themselves.
//!
//! ```
//! use hobnob::conn::memory;
//! use hobnob::spec::Shape;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
//! # runtime.block_on(async {
//! let (mut client, mut server) = memory::pair(Shape::Packets);
//! client.send(b"hello").await?;
//! client.send(b"").await?;
//! client.end().await?;
//! let mut room = [0; 64];
//! assert_eq!(server.recv(&mut room).await?, Some(5));
//! assert_eq!(server.recv(&mut room).await?, Some(0)); // an empty packet
//! assert_eq!(server.recv(&mut room).await?, None); // the end
//! # Ok::<(), hobnob::Error>(())
//! # })?;
//! # Ok::<(), hobnob::Error>(())
//! ```

pub(crate) mod allowance;
pub(crate) mod blocking;
pub mod datagrams;
pub mod demux;
mod incoming;
pub mod link;
pub mod listener;
mod lookout;
pub mod memory;
pub mod packets;
mod prefix;
pub mod scratch;
pub mod stream;
pub mod users;
pub(crate) mod watched;
pub mod wire;

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::address::Address;
use crate::chunk::Side;
use crate::error::{Error, Kind, Result};
use crate::event::Learnt;
use crate::socket::Socket;
use crate::spec::Shape;

pub use prefix::prefix;

/// A future of the contracts. Always `Send`: sessions are spawned onto shards from elsewhere.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// What carries bytes or packets; one trait for both shapes.
///
/// All state is in `self`, so every method may be polled again or given up at any time: nothing is lost,
/// repeated or shifted. After an error only [`abort`](Channel::abort) makes sense;
/// [`Kind::MessageTooLong`] alone is about one packet, and the next is as good as ever.
pub trait Channel: Send {
    /// Receives into `buf`. Bytes: at least one, as many as are there. Packets: one packet, `Some(0)` being an
    /// empty one. `None`: the peer has ended its direction, now and at every later call.
    ///
    /// A packet larger than `buf` is a [`Kind::MessageTooLong`] error, never a silent cut.
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>>;

    /// Sends. Bytes: takes a part, at least one byte of a non-empty `buf`. Packets: all of it, or none.
    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>>;

    /// Ready when what was taken is on its way to the kernel. A driver flushes before it waits.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Half-close: flushes, then ends our direction. May be called again. Where the medium has no end
    /// (datagrams) it does nothing.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Half-closes a direction that was cut short, behind all that was taken: the peer can tell that what ends here is not
    /// all there was, as nothing vouches for its end. False: the medium has no such end, and nothing was done. A layer
    /// without ends of its own passes the call on.
    fn poll_cut_short(&mut self, _: &mut Context<'_>) -> Poll<Result<bool>> {
        Poll::Ready(Ok(false))
    }

    /// Tears the conn down: the peer sees a reset where the medium has one. No default: a layer must pass it on.
    fn abort(&mut self);

    /// Ready when the peer will take nothing any more, also while nobody receives or sends: well where the peer closed in
    /// order, with an error where it tore the conn down; now and at every later call. Where the medium does not tell, it is
    /// never ready: on TCP an end may be that of one direction, and only a reset is beyond doubt. Nothing else wakes the
    /// task. A layer passes the call on.
    fn poll_left(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Pending
    }

    /// The bare kernel socket below, where nothing stands between it and the bytes.
    fn kernel(&mut self) -> Option<&mut dyn Kernel> {
        None
    }

    /// The kernel's socket below, for questions that are about no byte of the conn, such as what became of a packet on its
    /// way ([`objections`](crate::socket::objections)). None where there is none, and above a layer.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Gives its socket up, out of its runtime and still non-blocking; the channel is then as one that was aborted. None
    /// where it is no bare socket.
    fn give_up(&mut self) -> Option<Socket> {
        self.kernel()?.give_up().map(Socket::from)
    }

    /// What the kernel counts about the connection (`TCP_INFO`), where it does; a layer passes it on.
    fn vitals(&self) -> Option<Vitals> {
        None
    }

    /// What is to be said of how it ended, once both directions are over: the exit status of a program. A layer passes
    /// it on.
    fn last_word(&mut self) -> Option<String> {
        None
    }

    /// What lies beneath a tap, for a layer that is put on in mid-session. The tap's alone to answer.
    fn beneath(&mut self) -> Option<Beneath<'_>> {
        None
    }
}

/// The place beneath a tap.
pub struct Beneath<'a> {
    /// What the tap looks at.
    pub channel: &'a mut Box<dyn Channel>,
    /// The shape of that.
    pub shape: &'a mut Shape,
    /// Whose conn it is.
    pub side: Side,
}

/// Which side of a handshake we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The side that was dialled.
    Server,
    /// The side that dialled.
    Client,
}

/// A channel that is a plain kernel socket: for splice, and for what only the kernel knows.
pub trait Kernel {
    /// The descriptor; it stays the channel's own. None once the channel was aborted.
    fn descriptor(&mut self) -> Option<BorrowedFd<'_>>;

    /// Runs `operation` once the descriptor is readable; `WouldBlock` from it means: wait again.
    fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>>;

    /// Runs `operation` once the descriptor is writable; `WouldBlock` from it means: wait again.
    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>>;

    /// Lets the socket wake nobody, not even by its failure, until an operation on it would block again. A task that
    /// cannot take what comes would be woken for nothing by all of it.
    fn rest(&mut self);

    /// Ready where there is room for a write. Until then the task is woken by room and by a failure, and not by what
    /// comes, until a read would block.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Gives the socket up, out of its runtime and still non-blocking; the channel is then as one that was aborted. None
    /// where the channel keeps it.
    fn give_up(&mut self) -> Option<OwnedFd> {
        None
    }
}

/// What the kernel knows about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// Smoothed round trip.
    pub round_trip: Duration,
    /// Segments sent again.
    pub resent: u32,
    /// Whether the peer's kernel has not acknowledged all that was sent.
    pub is_sending: bool,
}

/// The process at the other end of a Unix socket, as the kernel vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Process id.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// What is asked of the standard streams of this process, of which a conn is made: how long silence may last once one of
/// the two directions is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StdioPatience {
    /// How long standard input may say nothing after the other side has ended; zero where a person types, who has nobody
    /// left to talk to.
    pub input: Duration,
    /// How long the other side may say nothing after standard input has ended; none: as long as it likes.
    pub answer: Option<Duration>,
}

/// What few conns have, in a box of its own: thousands lie idle.
#[derive(Debug, Clone, Copy, Default)]
struct Rare {
    credentials: Option<Credentials>,
    patience: Option<StdioPatience>,
}

/// What is known about a conn.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The transport's name.
    pub transport: &'static str,
    /// Our end.
    pub local: Address,
    /// The other end.
    pub peer: Address,
    /// True where whoever sends may have forged the peer's address: plain UDP.
    pub can_be_forged: bool,
    /// False where neither side can tell the other that it has said all: datagrams.
    pub has_end: bool,
    /// How many relays of this machine the peer has come through, as far as that is known.
    hops: u8,
    rare: Option<Box<Rare>>,
    /// What the layers learnt in their handshakes; one pointer, as most learn nothing.
    learnt: Option<Arc<Vec<Learnt>>>,
    /// Bytes that wait in this process to be received.
    unread: Unread,
    /// How its peer stands with the limits on peers.
    standing: PeerStanding,
}

/// A count that is kept by the channel and read by the session, over the facts that both share.
#[derive(Debug, Default)]
struct Unread(AtomicU32);

impl Clone for Unread {
    fn clone(&self) -> Self {
        Unread(AtomicU32::new(self.0.load(Relaxed)))
    }
}

/// How the peer of a datagram socket stands with the limits on peers. The listener and the engine note it, over the facts
/// that both share.
#[derive(Debug, Default)]
struct PeerStanding(AtomicU8);

/// Its address may be forged, and nothing has shown yet that it is not.
const STRANGER: u8 = 1;
/// It has one of the places that all peers share.
const SEATED: u8 = 2;
/// It had to make room for another peer.
const EVICTED: u8 = 4;
/// Its place has become another peer's.
const INHERITED: u8 = 8;

impl Clone for PeerStanding {
    fn clone(&self) -> Self {
        PeerStanding(AtomicU8::new(self.0.load(Relaxed)))
    }
}

impl Facts {
    /// The facts of a conn between two addresses, over a transport.
    pub fn new(transport: &'static str, local: Address, peer: Address) -> Self {
        Facts {
            transport,
            local,
            peer,
            rare: None,
            can_be_forged: false,
            has_end: true,
            hops: 0,
            learnt: None,
            unread: Unread::default(),
            standing: PeerStanding::default(),
        }
    }

    /// The same, with the process that the kernel vouches for.
    pub fn with_credentials(mut self, credentials: Option<Credentials>) -> Self {
        if credentials.is_some() {
            self.rare.get_or_insert_default().credentials = credentials;
        }
        self
    }

    /// The same, made of the standard streams of this process.
    pub fn with_patience(mut self, patience: StdioPatience) -> Self {
        self.rare.get_or_insert_default().patience = Some(patience);
        self
    }

    /// What is asked of the standard streams of this process, where the conn is made of them.
    pub fn patience(&self) -> Option<StdioPatience> {
        self.rare.as_ref()?.patience
    }

    /// The other end's process, on Unix sockets.
    pub fn credentials(&self) -> Option<Credentials> {
        self.rare.as_ref()?.credentials
    }

    /// The same, on a medium without ends.
    pub fn without_end(self) -> Self {
        Facts { has_end: false, ..self }
    }

    /// The same, of a peer that has come through so many relays of this machine.
    pub(crate) fn behind(self, hops: u8) -> Self {
        Facts { hops, ..self }
    }

    /// How many relays of this machine the peer has come through, as far as that is known.
    pub(crate) fn hops(&self) -> u8 {
        self.hops
    }

    /// Notes how many bytes wait in this process to be received, with what holding them costs. The channel's to call, on
    /// the facts that it was made with, where what came for it does not wait in the kernel.
    pub fn note_unread(&self, bytes: usize) {
        self.unread.0.store(u32::try_from(bytes).unwrap_or(u32::MAX), Relaxed);
    }

    /// Bytes that wait in this process to be received, with what holding them costs.
    pub(crate) fn unread(&self) -> usize {
        self.unread.0.load(Relaxed) as usize
    }

    /// Whether the peer's address may be forged, and nothing has shown yet that the peer hears what is sent there. A
    /// stranger takes none of the places that all peers share, and makes room first.
    pub fn is_stranger(&self) -> bool {
        self.stands(STRANGER)
    }

    /// Whether it has one of the places that all peers share.
    pub fn is_seated(&self) -> bool {
        self.stands(SEATED)
    }

    /// Notes that the peer has one of the places that all peers share. From now on it is no stranger.
    pub fn note_seated(&self) {
        self.standing.0.fetch_and(!STRANGER, Relaxed);
        self.standing.0.fetch_or(SEATED, Relaxed);
    }

    pub(crate) fn note_stranger(&self) {
        self.standing.0.fetch_or(STRANGER, Relaxed);
    }

    /// Whether the peer had to make room for another one.
    pub(crate) fn is_evicted(&self) -> bool {
        self.stands(EVICTED)
    }

    pub(crate) fn note_evicted(&self) {
        self.standing.0.fetch_or(EVICTED, Relaxed);
    }

    /// Whether another peer has its place already.
    pub(crate) fn is_inherited(&self) -> bool {
        self.stands(INHERITED)
    }

    pub(crate) fn note_inherited(&self) {
        self.standing.0.fetch_or(INHERITED, Relaxed);
    }

    fn stands(&self, standing: u8) -> bool {
        self.standing.0.load(Relaxed) & standing != 0
    }

    /// What the layers learnt in their handshakes, wire first.
    pub fn learnt(&self) -> &[Learnt] {
        self.learnt.as_deref().map_or(&[], Vec::as_slice)
    }
}

/// One open channel with its facts.
pub struct Conn {
    /// Shared with its session: thousands lie idle.
    facts: Arc<Facts>,
    shape: Shape,
    channel: Box<dyn Channel>,
}

impl Conn {
    /// A conn over a channel of this shape.
    pub fn new(facts: impl Into<Arc<Facts>>, shape: Shape, channel: Box<dyn Channel>) -> Self {
        Conn { facts: facts.into(), shape, channel }
    }

    /// What is known about it.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// Whether borders are kept.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The same conn with another channel around or in place of its own: how a layer wraps.
    pub fn map(
        self,
        shape: Shape,
        wrap: impl FnOnce(Box<dyn Channel>) -> Box<dyn Channel>,
    ) -> Self {
        Conn { facts: self.facts, shape, channel: wrap(self.channel) }
    }

    /// Wraps the channel in its place, as [`map`](Self::map) does with an owned conn.
    pub fn wrap(&mut self, shape: Shape, wrap: impl FnOnce(Box<dyn Channel>) -> Box<dyn Channel>) {
        let inner = std::mem::replace(&mut self.channel, Box::new(TakenChannel));
        (self.shape, self.channel) = (shape, wrap(inner));
    }

    /// Takes the conn out of a borrowed place and leaves a closed one. Whatever wraps a conn in mid-session, or hands it to
    /// a protocol stack, must own it.
    pub fn take(&mut self) -> Conn {
        let facts = self.facts.clone();
        std::mem::replace(self, Conn { facts, shape: self.shape, channel: Box::new(TakenChannel) })
    }

    /// The channel alone.
    pub(crate) fn into_channel(self) -> Box<dyn Channel> {
        self.channel
    }

    /// After a layer slipped beneath the tap: what it learnt, and the shape that it makes.
    pub(crate) fn become_dressed(&mut self, facts: Arc<Facts>, shape: Shape) {
        (self.facts, self.shape) = (facts, shape);
    }

    /// Adds what a layer learnt in its handshake.
    pub fn learn(&mut self, learnt: impl IntoIterator<Item = Learnt>) {
        let all = Arc::make_mut(&mut self.facts).learnt.get_or_insert_default();
        Arc::make_mut(all).extend(learnt);
    }

    /// The channel itself, for a driver that polls.
    pub fn channel(&mut self) -> &mut dyn Channel {
        &mut *self.channel
    }

    /// Receives as [`Channel::poll_recv`].
    pub async fn recv(&mut self, buf: &mut [u8]) -> Result<Option<usize>> {
        poll_fn(|cx| self.channel.poll_recv(cx, buf)).await
    }

    /// Sends all of `bytes` and flushes; on packets it is one packet, also when empty.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let mut sent = 0;
        if self.shape == Shape::Packets {
            poll_fn(|cx| self.channel.poll_send(cx, bytes)).await?;
            sent = bytes.len();
        }
        while sent < bytes.len() {
            sent += poll_fn(|cx| self.channel.poll_send(cx, &bytes[sent..])).await?;
        }
        poll_fn(|cx| self.channel.poll_flush(cx)).await
    }

    /// Ends our direction as [`Channel::poll_end`].
    pub async fn end(&mut self) -> Result<()> {
        poll_fn(|cx| self.channel.poll_end(cx)).await
    }

    /// Waits until the peer is gone as [`Channel::poll_left`].
    pub async fn left(&mut self) -> Result<()> {
        poll_fn(|cx| self.channel.poll_left(cx)).await
    }

    /// Tears it down as [`Channel::abort`].
    pub fn abort(&mut self) {
        self.channel.abort();
    }

    /// What is to be said of how it ended, as [`Channel::last_word`].
    pub fn last_word(&mut self) -> Option<String> {
        self.channel.last_word()
    }

    /// The kernel's socket below, as [`Channel::descriptor`].
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.channel.descriptor()
    }

    /// The kernel's own figures, where there are any.
    pub fn vitals(&self) -> Option<Vitals> {
        self.channel.vitals()
    }
}

/// The channel of a conn that was taken out of its place.
pub(crate) struct TakenChannel;

impl TakenChannel {
    fn gone<T>() -> Poll<Result<T>> {
        Poll::Ready(Err(Error::new(Kind::ConnectionBroken, "the conn was taken")))
    }
}

impl Channel for TakenChannel {
    fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<Option<usize>>> {
        Poll::Ready(Ok(None))
    }

    fn poll_send(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize>> {
        Self::gone()
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {}
}

/// The error of a packet that is larger than the buffer it was to go into.
pub fn too_long_to_receive(length: usize, room: usize) -> Error {
    Error::new(
        Kind::MessageTooLong,
        format!("a packet of {length} bytes came, and the buffer holds {room}"),
    )
}
