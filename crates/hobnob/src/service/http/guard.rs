//! Stands between a conn and hyper: only what is known to be in order passes, and only in time.
//!
//! A head passes when it is whole and was found in order, so hyper never waits in the middle of one: the deadline of
//! a head is kept here, and a conn that idles between two requests has none.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::AsyncWrite as _;
use tokio::time::Sleep;

use crate::codec::http::{RequestFault, RequestFraming, RequestPlace};
use crate::conn::stream::Stream;
use crate::conn::{Conn, scratch};
use crate::error::{Error, Kind};
use crate::session::Session;

/// Bytes of one read at most.
const READ: usize = 16 * 1_024;

/// How long a request may take to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The time for a whole head: from the opening of the conn, and later from the first byte of the head.
    pub head: Duration,
    /// The span over which the rate of a body is averaged.
    pub body: Duration,
    /// Bytes a second that a body must bring.
    pub rate: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { head: Duration::from_secs(10), body: Duration::from_secs(30), rate: 100 }
    }
}

/// What became of a conn, as the guard notes it and the service reads it.
#[derive(Default)]
pub(super) struct Outcome {
    refusal: OnceLock<Refusal>,
    is_told: AtomicBool,
}

/// Why no more requests are read.
pub(super) struct Refusal {
    /// The status of the answer that says so.
    pub(super) status: u16,
    /// The detail that our own events give.
    pub(super) error: Error,
}

impl Outcome {
    /// Why no more requests are read, if so.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.get()
    }

    /// Notes that an answer tells the peer. True: an answer had told it before.
    pub(super) fn tell(&self) -> bool {
        self.is_told.swap(true, Relaxed)
    }
}

/// The guard of one conn.
pub(super) struct Guard<'a> {
    stream: Stream<&'a mut Conn>,
    session: &'a Session,
    verdict: &'a Outcome,
    patience: Patience,
    framing: RequestFraming,
    held: Vec<u8>,
    /// How many of the bytes held were found in order.
    checked: usize,
    /// How many of the bytes held may pass.
    passed: usize,
    watch: Option<Meter>,
    is_fresh: bool,
    has_ended: bool,
    failed: Option<Error>,
}

/// A deadline that runs.
struct Meter {
    place: RequestPlace,
    sleep: Pin<Box<Sleep>>,
    /// Bytes of a body since it began.
    brought: u64,
}

impl<'a> Guard<'a> {
    pub(super) fn new(
        conn: &'a mut Conn,
        session: &'a Session,
        verdict: &'a Outcome,
        patience: Patience,
    ) -> Self {
        Guard {
            stream: Stream(conn),
            session,
            verdict,
            patience,
            framing: RequestFraming::default(),
            held: Vec::new(),
            checked: 0,
            passed: 0,
            watch: None,
            is_fresh: true,
            has_ended: false,
            failed: None,
        }
    }

    /// Gives back the conn, and the error that broke it, if one did.
    pub(super) fn part(self) -> (&'a mut Conn, Option<Error>) {
        (self.stream.0, self.failed)
    }

    /// Keeps what broke the conn, as hyper does not give it back whole.
    fn note(&mut self, error: &io::Error) {
        let ours = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        self.failed = ours.cloned().or_else(|| Some(Error::from_io("send", error)));
    }

    /// Ready once bytes may pass, or no more will.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.passed == 0 && !self.has_ended {
            let Guard { stream, held, .. } = self;
            let received = scratch::with(|buffer| {
                let buffer = &mut buffer[..READ];
                let received = stream.0.channel().poll_recv(cx, buffer);
                if let Poll::Ready(Ok(Some(length))) = received {
                    held.extend_from_slice(&buffer[..length]);
                }
                received
            });
            match received {
                Poll::Pending => {
                    self.session.note_held(self.held.len());
                    ready!(self.poll_late(cx));
                }
                Poll::Ready(Ok(Some(length))) => self.check(length),
                Poll::Ready(Ok(None)) => {
                    self.has_ended = true;
                    if self.framing.place() != RequestPlace::Between {
                        self.refuse(RequestFault { status: 400, what: "it ends in its middle" });
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.failed = Some(error.clone());
                    return Poll::Ready(Err(io::Error::other(error)));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Judges what came, as far as that goes.
    fn check(&mut self, came: usize) {
        self.is_fresh = false;
        if let Some(watch) = &mut self.watch {
            watch.brought += came as u64;
        }
        while self.checked < self.held.len() {
            match self.framing.advance(&self.held[self.checked..]) {
                Ok(Some(length)) => self.checked += length,
                Ok(None) => break,
                Err(fault) => return self.refuse(fault),
            }
            let place = self.framing.place();
            if place != RequestPlace::Head {
                self.passed = self.checked;
            }
            if self.watch.as_ref().is_some_and(|watch| watch.place != place) {
                self.watch = None;
            }
        }
    }

    fn refuse(&mut self, fault: RequestFault) {
        let text = format!("the request was refused: {}", fault.what);
        self.stop(fault.status, Error::new(Kind::BadFrame, text));
    }

    /// Refuses: no more is read, and what is held and did not pass is dropped.
    fn stop(&mut self, status: u16, error: Error) {
        self.has_ended = true;
        self.held.truncate(self.passed);
        self.watch = None;
        // The first refusal counts, and after it nothing is read.
        let _ = self.verdict.refusal.set(Refusal { status, error });
    }

    /// Ready when a deadline that still counts has passed.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let place = match self.framing.place() {
            RequestPlace::Between if self.is_fresh => RequestPlace::Head,
            place => place,
        };
        let span = match place {
            RequestPlace::Between => return Poll::Pending,
            RequestPlace::Head => self.patience.head,
            RequestPlace::Body => self.patience.body,
        };
        loop {
            let watch = self.watch.get_or_insert_with(|| Meter {
                place,
                sleep: Box::pin(tokio::time::sleep(span)),
                brought: 0,
            });
            ready!(watch.sleep.as_mut().poll(cx));
            let enough = u128::from(self.patience.rate) * span.as_millis() / 1_000;
            if place == RequestPlace::Head || u128::from(watch.brought) < enough {
                break;
            }
            self.watch = None;
        }
        let (limit, what) = match place {
            RequestPlace::Body => ("http-body", "the body of a request came too slowly"),
            _ => ("http-head", "the head of a request took too long"),
        };
        self.stop(408, Error::limit(limit, what));
        Poll::Ready(())
    }
}

impl Read for Guard<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_fill(cx))?;
        let length = self.passed.min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.drain(..length);
        self.passed -= length;
        self.checked = self.checked.saturating_sub(length);
        if self.held.is_empty() {
            // An idle session holds no buffer of ours.
            self.held = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Guard<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        Poll::Ready(written.inspect_err(|error| self.note(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        Poll::Ready(flushed.inspect_err(|error| self.note(error)))
    }

    /// Flushes alone: the engine ends the conn, and a refusal may have to be said first.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
