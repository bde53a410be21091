//! What a load does: the contract between whoever knows a protocol and whoever keeps the time.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::conn::Boxed;
use crate::error::{Error, Kind, Result};

/// What is done over and over: a message and its reply, a conn, a request.
pub trait Driver: Send + Sync + 'static {
    /// Opens the talker of this number. It is called on the worker that the talker stays on.
    fn open(&self, number: usize) -> Boxed<'static, OpenTalker>;
}

/// A talker that is ready for its first round.
pub struct OpenTalker {
    /// The talker.
    pub talker: Box<dyn Talker>,
    /// How long its conn took, handshakes of the layers included; none where it has no conn yet.
    pub connected: Option<Duration>,
}

/// One of the many that make a load: most have one conn, and do one round at a time or several deep. All state is in
/// `self`, so that each method may be called again.
pub trait Talker: Send {
    /// How many rounds may begin now, beside those under way.
    fn room(&self) -> usize;

    /// Begins a round. There was room for it.
    fn begin(&mut self, round: Round);

    /// Goes on with the rounds that were begun: what came next. Each round comes to one end. `now` is the time since the
    /// load's clock began; a talker whose rounds may be lost is polled each tenth of a second, whatever happens.
    fn poll_next(&mut self, cx: &mut Context<'_>, now: Duration) -> Poll<Upshot>;

    /// Says goodbye in order, once no round begins any more.
    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One round of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Its number, one sequence in each worker.
    pub number: u64,
    /// When it was due, by the load's clock: where its time counts from. In a closed loop that is when it began.
    pub due: Duration,
    /// When it began.
    pub begun: Duration,
}

/// What came of rounds.
#[derive(Debug)]
pub enum Upshot {
    /// A round is over and all was as expected: bytes of what was sent for it, and of what came back.
    Done {
        /// Which round.
        round: Round,
        /// Bytes that were sent.
        sent: u64,
        /// Bytes that were received.
        received: u64,
    },
    /// Its reply has not come within the talker's patience.
    Lost(Round),
    /// Its reply is another than was expected.
    Wrong(Round, Box<Mismatch>),
    /// It came to an error, and the talker goes on.
    Failed(Round, Error),
    /// A conn was made for a round, and took so long.
    Connected(Duration),
    /// A packet came that ends no round.
    Stray(Stray),
    /// The talker is over, with all of its rounds.
    Broken(Error),
    /// The talker is over, with all of its rounds: after a reply that was wrong nobody can tell where the next one begins.
    GivenUp,
}

/// A packet that ends no round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// The reply of a round that was lost before.
    Late,
    /// A reply that came before.
    Doubled,
    /// No reply of ours.
    Strange,
}

/// A reply that was not the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What was expected: the reply, or words for it.
    pub expected: Vec<u8>,
    /// What came.
    pub came: Vec<u8>,
}

impl Mismatch {
    /// Bytes of each side that are kept.
    const KEPT: usize = 256;

    /// Keeps the beginning of both.
    pub fn new(expected: &[u8], came: &[u8]) -> Box<Self> {
        let kept = |bytes: &[u8]| bytes[..bytes.len().min(Self::KEPT)].to_vec();
        Box::new(Mismatch { expected: kept(expected), came: kept(came) })
    }
}

/// Whether an error says that this machine, or this process, has no more to give: it tells nothing of the server.
pub fn is_ours(error: &Error) -> bool {
    const OURS: [i32; 5] =
        [libc::EADDRNOTAVAIL, libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.kind() == Kind::TooManyFiles || error.errno().is_some_and(|errno| OURS.contains(&errno))
}

/// The end of a conn on which replies were still to come.
pub(super) fn ended() -> Error {
    Error::new(Kind::ConnectionBroken, "the server closed the connection")
        .why("it does so where it has heard enough, or is at its end")
}
