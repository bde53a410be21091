//! What a bound endpoint yields: conns, or packets to be answered in batches.

use std::os::fd::BorrowedFd;
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
    /// A peer that was accepted as a stranger has proven that it hears what is sent to its address. It asks for a place
    /// of its own, until it has one: [`Facts::note_seated`].
    Proven(Arc<Facts>),
    /// Who came was turned away by the rule of this name. A packet is gone then.
    Refused(Address, &'static str),
    /// Accepting failed; the engine sorts by consequence, and alone waits.
    Failed(Error),
    /// There will be no more.
    NoMore,
}

/// The rule that refuses a packet which is itself an answer of a listener of ours, in this or another process: to answer
/// it could go on for ever.
pub const OWN_ANSWER: &str = "own-answer";

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

    /// Ends the session of the peer that was silent longest, of those that have a place ([`Facts::note_seated`]), and
    /// says which one. None: there is no such peer, or it is not to make room for others.
    fn make_room(&mut self) -> Option<Arc<Facts>> {
        None
    }

    /// Refuses who comes from now on, and keeps its address. False: the medium has no refusal, and it goes on.
    fn shut(&mut self) -> bool {
        false
    }

    /// Takes in who comes again, after [`shut`](Self::shut).
    fn reopen(&mut self) -> Result<()> {
        Ok(())
    }

    /// The listening socket, where it is one of the kernel's.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
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

    /// Sends one packet that was held back, to a peer whose packet came to this address; `WouldBlock` is the caller's to
    /// drop and count.
    fn try_send(&mut self, local: &Address, to: &Address, bytes: &[u8]) -> Result<()>;

    /// Whether the addresses of peers are taken for true, so that no answer can be turned against somebody else.
    fn trusts_sources(&self) -> bool {
        false
    }
}

/// One packet of a batch.
pub struct Datagram<'a> {
    /// The address that sent it.
    pub peer: &'a Address,
    /// Where it came to: on a wildcard address, the address of ours that was asked.
    pub local: &'a Address,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The rule by which it is not to be answered, where the socket knows one: [`OWN_ANSWER`].
    pub refused: Option<&'static str>,
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
