//! The tap: looks and never changes. Counts what passes, notes how it ended, and hands chunks to subscribers.
//!
//! One lies over each conn of a session: over the one that came, and over each that the session dialled. A layer that
//! is put on in mid-session goes beneath it. When nobody looks, a tap costs two additions a chunk. A packet that is
//! longer than the service has room for is dropped, told and counted here.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::chunk::{Direction, Side};
use crate::conn::{Beneath, Channel, Conn, Kernel, Vitals, wire};
use crate::error::{Error, Kind, Result};
use crate::event::{By, Data, Fact, How};
use crate::session::Session;
use crate::spec::Shape;

/// Packets that one poll refuses at most; then the other tasks of the thread have their turn.
const AT_ONCE: u32 = 16;

/// Lays a tap over one of a session's conns.
pub(crate) fn lay(session: &Arc<Session>, side: Side, conn: &mut Conn) {
    let (session, shape, has_end) = (session.clone(), conn.shape(), conn.facts().has_end);
    let is_send_waiting = false;
    conn.wrap(shape, |inner| {
        Box::new(Tap { inner, session, side, shape, has_end, is_send_waiting })
    });
}

/// Takes out what lies beneath the tap, for a layer that is to go there, and says which side the conn is for. A conn
/// without a tap is taken whole.
pub(super) fn lift(conn: &mut Conn) -> (Conn, Option<Side>) {
    let (facts, shape) = (conn.facts().clone(), conn.shape());
    match conn.channel().beneath() {
        Some(Beneath { channel, side, .. }) => {
            let inner = std::mem::replace(channel, Box::new(crate::conn::TakenChannel));
            (Conn::new(facts, shape, inner), Some(side))
        }
        None => (conn.take(), None),
    }
}

/// Puts what was lifted back beneath the tap, with its new layer on.
pub(super) fn slip_under(conn: &mut Conn, dressed: Conn) {
    let (facts, shape) = (dressed.facts().clone(), dressed.shape());
    let Some(beneath) = conn.channel().beneath() else {
        *conn = dressed;
        return;
    };
    *beneath.shape = shape;
    *beneath.channel = dressed.into_channel();
    conn.become_dressed(facts, shape);
}

struct Tap {
    inner: Box<dyn Channel>,
    session: Arc<Session>,
    side: Side,
    shape: Shape,
    /// Whether the medium has ends. On a medium without ends, an end means that the peer was silent for too long.
    has_end: bool,
    /// The last send found no room. A flush that has nothing to do does not change that.
    is_send_waiting: bool,
}

impl Tap {
    fn saw(&self, direction: Direction, bytes: &[u8]) {
        let ordinal = self.session.count(self.side, direction, bytes.len());
        if self.session.bus().wants_data_of(self.side) || self.session.lanes().is_some() {
            self.tell(direction, ordinal, bytes);
        }
    }

    #[cold]
    fn tell(&self, direction: Direction, ordinal: u64, bytes: &[u8]) {
        let is_hidden = self.session.is_hushed();
        let data = |kept: usize| Data {
            direction,
            side: self.side,
            ordinal,
            bytes: if is_hidden { Box::default() } else { bytes[..kept].into() },
            length: bytes.len(),
            is_hidden,
            is_packet: self.shape == Shape::Packets,
            peer: None,
        };
        if let Some(lanes) = self.session.lanes() {
            lanes.keep(self.session.clock().now(), &data(bytes.len()));
        }
        let bus = self.session.bus();
        if bus.wants_data_of(self.side) {
            bus.emit(
                self.session.shard(),
                self.session.id,
                Fact::Data(Box::new(data(bytes.len().min(bus.snap())))),
            );
        }
    }

    /// Ready when every sink that keeps everything has room for more.
    fn poll_kept(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.session.lanes() {
            Some(lanes) => lanes.poll_room(cx),
            None => Poll::Ready(()),
        }
    }

    fn note_end(&self, direction: Direction, by: By, how: How) {
        // The service says how the far side ended, as only the service knows what it made of that end.
        if self.side == Side::Downstream {
            self.session.note_end(direction, by, how);
        }
    }

    fn note_stall(&self, is_stalled: bool) {
        self.session.note_stall(self.side, is_stalled);
    }

    fn failed(&self, direction: Direction, error: Error) -> Error {
        let (by, how) = match error.kind() {
            // The error is about one packet, and ends no direction.
            Kind::MessageTooLong => return error,
            Kind::ConnectionReset | Kind::ConnectionBroken => (By::Peer, How::Rst),
            Kind::TimedOut | Kind::Unreachable | Kind::ConnectionRefused => (By::Kernel, How::Rst),
            _ => (By::Us, How::None),
        };
        self.note_end(direction, by, how);
        if how == How::Rst {
            // A reset ends both directions, and chance decides which of the two calls hears of the reset.
            self.note_end(Direction::In, by, how);
            self.note_end(Direction::Out, by, how);
        }
        error
    }
}

impl Channel for Tap {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        ready!(self.poll_kept(cx));
        let mut refused = 0;
        let received = loop {
            match ready!(self.inner.poll_recv(cx, buf)) {
                // The packet is refused and told here, so that no service takes the error for the end of the session.
                Err(error) if error.kind() == Kind::MessageTooLong => self.session.drop_packet(),
                received => break received,
            }
            refused += 1;
            if refused == AT_ONCE {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        let received = match received {
            // The peer was careless, or somebody cut it between: it gets its answer all the same, as its direction alone
            // has ended. That nobody vouches for this end is told with the end of the session.
            Err(error) if error.kind() == Kind::TlsTruncated && self.side == Side::Downstream => {
                self.note_end(Direction::In, By::Peer, How::Truncated);
                Ok(None)
            }
            received => received,
        };
        match &received {
            Ok(Some(length)) => self.saw(Direction::In, &buf[..*length]),
            Ok(None) if self.has_end => self.note_end(Direction::In, By::Peer, How::Fin),
            Ok(None) => self.note_end(Direction::In, By::Us, How::None),
            Err(_) => {}
        }
        Poll::Ready(received.map_err(|error| self.failed(Direction::In, error)))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        ready!(self.poll_kept(cx));
        let sent = self.inner.poll_send(cx, buf);
        self.is_send_waiting = sent.is_pending();
        self.note_stall(self.is_send_waiting);
        let sent = ready!(sent);
        if let Ok(length) = sent {
            self.saw(Direction::Out, &buf[..length]);
        }
        Poll::Ready(sent.map_err(|error| self.failed(Direction::Out, error)))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = self.inner.poll_flush(cx);
        self.note_stall(self.is_send_waiting || flushed.is_pending());
        flushed
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let ended = self.inner.poll_end(cx);
        self.note_stall(ended.is_pending());
        let ended = ready!(ended);
        if ended.is_ok() {
            let how = if self.has_end { How::Fin } else { How::None };
            self.note_end(Direction::Out, By::Us, how);
        }
        Poll::Ready(ended.map_err(|error| self.failed(Direction::Out, error)))
    }

    fn poll_cut_short(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        let cut = ready!(self.inner.poll_cut_short(cx));
        if cut == Ok(true) {
            self.note_end(Direction::Out, By::Us, How::Truncated);
        }
        Poll::Ready(cut.map_err(|error| self.failed(Direction::Out, error)))
    }

    fn abort(&mut self) {
        self.note_end(Direction::Out, By::Us, How::Rst);
        self.note_end(Direction::In, By::Us, How::Rst);
        self.inner.abort();
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let left = ready!(self.inner.poll_left(cx));
        Poll::Ready(left.map_err(|error| self.failed(Direction::Out, error)))
    }

    /// A splice never shows its bytes, so there is no kernel to be had while somebody looks at them.
    fn kernel(&mut self) -> Option<&mut dyn Kernel> {
        let is_seen = self.session.bus().wants_data_of(self.side) || self.session.lanes().is_some();
        if is_seen || self.inner.kernel().is_none() { None } else { Some(self) }
    }

    fn vitals(&self) -> Option<Vitals> {
        self.inner.vitals()
    }

    fn last_word(&mut self) -> Option<String> {
        self.inner.last_word()
    }

    fn beneath(&mut self) -> Option<Beneath<'_>> {
        Some(Beneath { channel: &mut self.inner, shape: &mut self.shape, side: self.side })
    }
}

/// What moves below does not pass through here, so the tap counts what the calls say that they moved.
impl Kernel for Tap {
    fn descriptor(&mut self) -> Option<BorrowedFd<'_>> {
        self.inner.kernel()?.descriptor()
    }

    fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Some(kernel) = self.inner.kernel() else { return Poll::Ready(Err(gone())) };
        let moved = ready!(kernel.poll_read_with(cx, operation));
        match &moved {
            Ok(0) => self.note_end(Direction::In, By::Peer, How::Fin),
            Ok(length) => drop(self.session.count(self.side, Direction::In, *length)),
            Err(error) => drop(self.failed(Direction::In, wire::failed("splice", error))),
        }
        Poll::Ready(moved)
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Some(kernel) = self.inner.kernel() else { return Poll::Ready(Err(gone())) };
        let moved = kernel.poll_write_with(cx, operation);
        self.note_stall(moved.is_pending());
        let moved = ready!(moved);
        match &moved {
            Ok(length) => drop(self.session.count(self.side, Direction::Out, *length)),
            Err(error) => drop(self.failed(Direction::Out, wire::failed("splice", error))),
        }
        Poll::Ready(moved)
    }

    fn rest(&mut self) {
        if let Some(kernel) = self.inner.kernel() {
            kernel.rest();
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(kernel) = self.inner.kernel() else { return Poll::Ready(Err(gone())) };
        kernel.poll_room(cx)
    }
}

fn gone() -> io::Error {
    io::Error::from(io::ErrorKind::NotConnected)
}
