//! What a bound endpoint yields: conns, or packets to be answered in batches.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::address::Address;
use crate::conn::{Conn, Facts};
use crate::error::{Error, Result};

/// What came in.
pub enum Accepted {
    /// A conn, ready.
    Conn(Conn),
    /// A listener within: a datagram socket's peers, a QUIC connection's streams.
    Many(Many),
    /// A packet from this peer that is itself a listener's answer. It is gone: to answer it could go on for ever.
    Answer(Address),
    /// Accepting failed; the engine sorts by consequence, and alone waits.
    Failed(Error),
    /// There will be no more.
    NoMore,
}

/// A listener within a listener. It and all its sessions live on one shard, and it must go on being polled whatever
/// the limits say: what comes is dropped and counted instead.
pub struct Many {
    /// The peer that all within belong to, where there is one, as of a QUIC connection. It passes the gate, holds a
    /// place, and is a session of its own: the parent of those within. None: a datagram socket, whose peers are many.
    pub peer: Option<Arc<Facts>>,
    /// Yields those within. When it yields no more, its peer is gone.
    pub listener: Box<dyn Listener>,
}

/// A bound endpoint that yields conns.
pub trait Listener: Send {
    /// Where it is bound; with port 0, the port that the kernel gave.
    fn address(&self) -> Address;

    /// Yields what comes in. The conn belongs to the runtime that is entered during the call.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted>;

    /// Refuses who comes from now on, and keeps its address. False: the medium has no refusal, and it goes on.
    fn shut(&mut self) -> bool {
        false
    }

    /// Takes in who comes again, after [`shut`](Self::shut).
    fn reopen(&mut self) -> Result<()> {
        Ok(())
    }

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
    ) -> Poll<Result<BatchAnswered>>;

    /// Sends one packet that was held back; `WouldBlock` is the caller's to drop and count.
    fn try_send(&mut self, to: &Address, bytes: &[u8]) -> Result<()>;
}

/// One packet of a batch.
pub struct Datagram<'a> {
    /// The address that sent it.
    pub peer: &'a Address,
    /// Where it came to.
    pub local: &'a Address,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether it is itself a listener's answer. It is not to be answered: that could go on for ever.
    pub is_answer: bool,
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
pub struct BatchAnswered {
    /// Packets received.
    pub received: usize,
    /// Answers that could not be sent at once, and were dropped.
    pub dropped: usize,
}
