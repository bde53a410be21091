//! Stands between a conn and hyper: only what is known to be in order passes, and only in time.
//!
//! A head passes when it is whole and was found in order, so hyper never waits in the middle of one: the deadlines of
//! heads and of the silence between two requests are kept here. Hyper is given one request at a time, and no other while
//! too many answers wait in the [`AnswerQueue`].

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::Sleep;

use super::queue::AnswerQueue;
use crate::codec::http::{RequestFault, RequestFraming, RequestPlace};
use crate::conn::{Conn, scratch};
use crate::error::{Error, Kind, Result};
use crate::session::Session;
use crate::spec::show_duration;

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
    /// The silence between two requests after which a conn is kept no longer.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            rate: 100,
            idle: Duration::from_secs(75),
        }
    }
}

/// What became of a conn, as the guard notes it and the service reads it.
#[derive(Default)]
pub(super) struct Outcome {
    refusal: OnceLock<Refusal>,
    is_told: AtomicBool,
    answered: AtomicUsize,
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

    /// Counts a request whose answer hyper is about to write.
    pub(super) fn note_answer(&self) {
        self.answered.fetch_add(1, Relaxed);
    }
}

/// The guard of one conn.
pub(super) struct Guard<'a> {
    conn: &'a mut Conn,
    session: &'a Session,
    verdict: &'a Outcome,
    patience: Patience,
    framing: RequestFraming,
    held: BytesMut,
    /// How many of the bytes held were found in order: up to the end of one request at most.
    checked: usize,
    /// How many of the bytes held may pass.
    passed: usize,
    /// Whether a request ends with the bytes that may pass.
    is_whole: bool,
    /// Requests that hyper has been given.
    given: usize,
    answers: AnswerQueue,
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
            conn,
            session,
            verdict,
            patience,
            framing: RequestFraming::default(),
            held: BytesMut::new(),
            checked: 0,
            passed: 0,
            is_whole: false,
            given: 0,
            answers: AnswerQueue::default(),
            watch: None,
            is_fresh: true,
            has_ended: false,
            failed: None,
        }
    }

    /// Gives back the conn, the answers that were not sent yet, and the error that broke the conn, if one did.
    pub(super) fn part(self) -> (&'a mut Conn, AnswerQueue, Option<Error>) {
        (self.conn, self.answers, self.failed)
    }

    /// Keeps what broke the conn, as hyper does not give it back whole.
    fn note<T>(&mut self, result: Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            self.failed = Some(error.clone());
            io::Error::other(error)
        })
    }

    fn note_held(&self) {
        self.session.note_held(self.held.len() + self.answers.len());
    }

    /// Ready once bytes may pass, or no more will.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.check();
            if self.passed > 0 || self.has_ended {
                return Poll::Ready(Ok(()));
            }
            let Guard { conn, held, .. } = self;
            let received = scratch::with(|buffer| {
                let buffer = &mut buffer[..READ];
                let received = conn.channel().poll_recv(cx, buffer);
                if let Poll::Ready(Ok(Some(length))) = received {
                    held.extend_from_slice(&buffer[..length]);
                }
                received
            });
            match received {
                Poll::Pending => {
                    // Nothing more is asked for now, so what was answered leaves.
                    let _ = self.poll_answers(cx)?;
                    ready!(self.poll_late(cx));
                }
                Poll::Ready(Ok(Some(length))) => {
                    self.is_fresh = false;
                    if let Some(watch) = &mut self.watch {
                        watch.brought += length as u64;
                    }
                }
                Poll::Ready(Ok(None)) => {
                    self.has_ended = true;
                    if self.framing.place() != RequestPlace::Between {
                        self.refuse(RequestFault { status: 400, what: "it ends in its middle" });
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(self.note(Err(error))),
            }
        }
    }

    /// Judges what is held as far as the end of one request, once all that was in order before has passed.
    fn check(&mut self) {
        while self.checked < self.held.len() && !self.is_whole && !self.has_ended {
            let is_first = self.framing.is_at_a_request();
            let length = match self.framing.advance(&self.held[self.checked..]) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(fault) => return self.refuse(fault),
            };
            let place = self.framing.place();
            if self.watch.as_ref().is_some_and(|watch| watch.place != place) {
                self.watch = None;
            }
            if is_first && place == RequestPlace::Between {
                // An empty line before a request is nobody's.
                self.held.advance(length);
                continue;
            }
            if is_first {
                know_minor(&mut self.held[self.checked..self.checked + length]);
            }
            self.checked += length;
            if place != RequestPlace::Head {
                self.passed = self.checked;
            }
            self.is_whole = place == RequestPlace::Between;
        }
        if self.is_whole {
            self.watch = None;
            if self.framing.is_over() {
                self.end_input();
            }
        }
    }

    fn refuse(&mut self, fault: RequestFault) {
        let text = format!("the request was refused: {}", fault.what);
        self.stop(fault.status, Error::new(Kind::BadFrame, text));
    }

    fn stop(&mut self, status: u16, error: Error) {
        self.end_input();
        // The first refusal counts, and after it nothing is read.
        let _ = self.verdict.refusal.set(Refusal { status, error });
    }

    /// From now on nothing is read, and what is held and did not pass is dropped.
    fn end_input(&mut self) {
        self.has_ended = true;
        self.held.truncate(self.passed);
        self.watch = None;
    }

    /// Ready when a deadline that still counts has passed.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let place = match self.framing.place() {
            RequestPlace::Between if self.is_fresh => RequestPlace::Head,
            place => place,
        };
        let span = match place {
            // A peer that does not take its answer is not silent, but stalls.
            RequestPlace::Between if !self.answers.is_empty() => return Poll::Pending,
            RequestPlace::Between => self.patience.idle,
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
            if place != RequestPlace::Body || u128::from(watch.brought) < enough {
                break;
            }
            self.watch = None;
        }
        match place {
            RequestPlace::Between => {
                let text = format!("no request for {}", show_duration(span));
                self.session.conclude(Some("http-idle"), text);
                self.end_input();
            }
            RequestPlace::Head => {
                let what = "the head of a request took too long";
                self.stop(408, Error::limit("http-head", what));
            }
            RequestPlace::Body => {
                let what = "the body of a request came too slowly";
                self.stop(408, Error::limit("http-body", what));
            }
        }
        Poll::Ready(())
    }

    /// Whether hyper still has something to answer or is about to be given it: until then answers may wait.
    fn has_more(&mut self) -> bool {
        self.check();
        self.passed > 0 || self.given > self.verdict.answered.load(Relaxed)
    }

    /// Sends the answers that wait. Whoever asks for it, what waits on counts against the budget of memory.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.answers.poll_flush(cx, self.conn);
        self.note_held();
        Poll::Ready(self.note(ready!(sent)))
    }
}

/// Rewrites the minor version of a first line to one that hyper knows: a higher one means the highest that we know (RFC
/// 9110 section 2.5).
fn know_minor(line: &mut [u8]) {
    if let [.., b'.', minor @ b'2'..=b'9', b'\r', b'\n'] = line {
        *minor = b'1';
    }
}

impl Read for Guard<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.answers.is_full() {
            ready!(self.poll_answers(cx))?;
        }
        ready!(self.poll_fill(cx))?;
        let length = self.passed.min(buf.remaining());
        buf.put_slice(&self.held[..length]);
        self.held.advance(length);
        self.passed -= length;
        self.checked -= length;
        if self.passed == 0 && self.is_whole {
            self.is_whole = false;
            self.given += 1;
        }
        if self.held.is_empty() {
            // An idle session holds no buffer of ours.
            self.held = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Guard<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Guard { conn, answers, .. } = &mut *self;
        let taken = answers.poll_take(cx, conn, bufs);
        if taken.is_pending() {
            self.note_held();
        }
        let taken = ready!(taken);
        Poll::Ready(self.note(taken))
    }

    /// Answers to requests that came together leave together.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.answers.is_full() && self.has_more() {
            return Poll::Ready(Ok(()));
        }
        self.poll_answers(cx)
    }

    /// Flushes alone: the engine ends the conn, and a refusal may have to be said first.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_answers(cx)
    }
}
