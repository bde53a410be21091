//! `tap`: looks and never changes. Counts what passes, notes how it ended, and hands chunks to subscribers.
//!
//! The engine lays it over every session. When nobody looks it costs two additions a chunk. A packet that is longer than
//! the service has room for is dropped, told and counted here.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::chunk::Direction;
use crate::conn::{Boxed, Channel, Conn, Kernel, Vitals, wire};
use crate::error::{Error, Kind, Result};
use crate::event::{By, Data, Fact, How};
use crate::layer::Row;
use crate::session::Session;
use crate::spec::{Shape, Spec};

/// Listed so that it has a page; it takes a session, so no endpoint can name it.
pub static ROW: Row = Row {
    spec: Spec {
        name: "tap",
        summary: "looks and counts, on every session, without being asked",
        options: &[],
        examples: &[],
        is_built_in: true,
    },
    below: None,
    above: None,
    is_one_line: false,
    make: None,
};

/// Lays a tap over a session's conn.
pub fn lay(session: &Arc<Session>, conn: &mut Conn) {
    let (session, shape, has_end) = (session.clone(), conn.shape(), conn.facts().has_end);
    let is_send_waiting = false;
    conn.wrap(shape, |inner| Box::new(Tap { inner, session, shape, has_end, is_send_waiting }));
}

struct Tap {
    inner: Box<dyn Channel>,
    session: Arc<Session>,
    shape: Shape,
    /// Whether the medium has ends: where it has none, an end is our own word that the peer was silent for too long.
    has_end: bool,
    /// The last send found no room. A flush that has nothing to do does not change that.
    is_send_waiting: bool,
}

impl Tap {
    fn saw(&self, direction: Direction, bytes: &[u8]) {
        let ordinal = self.session.count(direction, bytes.len());
        if self.session.bus().wants_data() {
            self.tell(direction, ordinal, bytes);
        }
    }

    #[cold]
    fn tell(&self, direction: Direction, ordinal: u64, bytes: &[u8]) {
        let kept = bytes.len().min(self.session.bus().snap());
        self.session.emit(Fact::Data(Box::new(Data {
            direction,
            ordinal,
            bytes: bytes[..kept].into(),
            length: bytes.len(),
            is_packet: self.shape == Shape::Packets,
            peer: None,
        })));
    }

    fn failed(&self, direction: Direction, error: Error) -> Error {
        let (by, how) = match error.kind() {
            // The error is about one packet, and ends no direction.
            Kind::MessageTooLong => return error,
            Kind::ConnectionReset | Kind::ConnectionBroken => (By::Peer, How::Rst),
            Kind::TimedOut | Kind::Unreachable | Kind::ConnectionRefused => (By::Kernel, How::Rst),
            _ => (By::Us, How::None),
        };
        self.session.note_end(direction, by, how);
        if how == How::Rst {
            // A reset takes both directions; which of the two calls heard of it is chance.
            self.session.note_end(Direction::In, by, how);
            self.session.note_end(Direction::Out, by, how);
        }
        error
    }
}

impl Channel for Tap {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        let received = loop {
            match ready!(self.inner.poll_recv(cx, buf)) {
                // One packet is refused, and told here, so that no service takes it for the end of its session.
                Err(error) if error.kind() == Kind::MessageTooLong => self.session.drop_packet(),
                received => break received,
            }
        };
        match &received {
            Ok(Some(length)) => self.saw(Direction::In, &buf[..*length]),
            Ok(None) if self.has_end => self.session.note_end(Direction::In, By::Peer, How::Fin),
            Ok(None) => self.session.note_end(Direction::In, By::Us, How::None),
            Err(_) => {}
        }
        Poll::Ready(received.map_err(|error| self.failed(Direction::In, error)))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let sent = self.inner.poll_send(cx, buf);
        self.is_send_waiting = sent.is_pending();
        self.session.note_stall(self.is_send_waiting);
        let sent = ready!(sent);
        if let Ok(length) = sent {
            self.saw(Direction::Out, &buf[..length]);
        }
        Poll::Ready(sent.map_err(|error| self.failed(Direction::Out, error)))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = self.inner.poll_flush(cx);
        self.session.note_stall(self.is_send_waiting || flushed.is_pending());
        flushed
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let ended = self.inner.poll_end(cx);
        self.session.note_stall(ended.is_pending());
        let ended = ready!(ended);
        if ended.is_ok() {
            let how = if self.has_end { How::Fin } else { How::None };
            self.session.note_end(Direction::Out, By::Us, how);
        }
        Poll::Ready(ended.map_err(|error| self.failed(Direction::Out, error)))
    }

    fn abort(&mut self) {
        self.session.note_end(Direction::Out, By::Us, How::Rst);
        self.session.note_end(Direction::In, By::Us, How::Rst);
        self.inner.abort();
    }

    fn left(&mut self) -> Boxed<'_, ()> {
        Box::pin(async move {
            let left = self.inner.left().await;
            left.map_err(|error| self.failed(Direction::Out, error))
        })
    }

    /// A splice never shows its bytes, so there is no kernel to be had while somebody looks at them.
    fn kernel(&mut self) -> Option<&mut dyn Kernel> {
        if self.session.bus().wants_data() || self.inner.kernel().is_none() {
            None
        } else {
            Some(self)
        }
    }

    fn vitals(&self) -> Option<Vitals> {
        self.inner.vitals()
    }
}

/// What moves below without passing through here is counted by what the calls say they moved.
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
            Ok(0) => self.session.note_end(Direction::In, By::Peer, How::Fin),
            Ok(length) => drop(self.session.count(Direction::In, *length)),
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
        self.session.note_stall(moved.is_pending());
        let moved = ready!(moved);
        match &moved {
            Ok(length) => drop(self.session.count(Direction::Out, *length)),
            Err(error) => drop(self.failed(Direction::Out, wire::failed("splice", error))),
        }
        Poll::Ready(moved)
    }

    fn rest(&mut self) {
        if let Some(kernel) = self.inner.kernel() {
            kernel.rest();
        }
    }
}

fn gone() -> io::Error {
    io::Error::from(io::ErrorKind::NotConnected)
}
