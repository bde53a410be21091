//! Both directions of one conn, and everything else that can happen meanwhile, as one stream of happenings.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::conn::Conn;
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::Shape;
use tokio::time::Sleep;

use crate::process::signals::{Quit, Signals};
use crate::report::writer::Writer;

/// Bytes of one receive: more than any packet.
const RECEIVE: usize = 128 * 1_024;

/// How long the last words of a peer are waited for that takes no more of ours. Where it tore the conn down, they are
/// there already, and a reset behind them.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Whether a send failed as the peer takes nothing more.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), Kind::ConnectionReset | Kind::ConnectionBroken)
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Happening<I> {
    /// So many bytes are in [`Converse::received`]; a packet may be empty.
    Received(usize),
    /// The peer has ended its direction.
    PeerEnded,
    /// What was to be sent is on its way.
    Sent,
    /// Our direction has ended.
    Ended,
    /// There is something to send, or to do.
    Input(I),
    /// The writer has written something, or could not.
    Written(std::io::Result<()>),
    /// The timer ran out.
    Silence,
    /// Somebody asks us to stop.
    Asked(Quit),
    /// The conn failed.
    Failed(Error),
}

/// A conn in conversation.
#[allow(clippy::struct_excessive_bools, reason = "each is a state of one of the two directions")]
pub(crate) struct Converse {
    pub(crate) conn: Conn,
    clock: Clock,
    buffer: Vec<u8>,
    outgoing: Option<Vec<u8>>,
    sent_of_it: usize,
    is_flushed: bool,
    wants_end: bool,
    /// Our direction has ended.
    pub(crate) has_ended: bool,
    /// The peer's direction has ended.
    pub(crate) peer_ended: bool,
    receives_first: bool,
    /// Why the peer takes nothing more, and until when what it had said before is waited for.
    refusal: Option<(Error, Pin<Box<Sleep>>)>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Bytes sent and in how many messages.
    pub(crate) sent: (u64, u64),
    /// Bytes received and in how many receives.
    pub(crate) heard: (u64, u64),
}

impl Converse {
    /// A conversation over an open conn.
    pub(crate) fn new(conn: Conn, clock: Clock) -> Self {
        Converse {
            conn,
            clock,
            buffer: vec![0; RECEIVE],
            outgoing: None,
            sent_of_it: 0,
            is_flushed: true,
            wants_end: false,
            has_ended: false,
            peer_ended: false,
            receives_first: false,
            refusal: None,
            timer: None,
            sent: (0, 0),
            heard: (0, 0),
        }
    }

    /// The bytes that were received last.
    pub(crate) fn received(&self, length: usize) -> &[u8] {
        &self.buffer[..length]
    }

    /// Whether something can be given to be sent.
    pub(crate) fn can_send(&self) -> bool {
        self.outgoing.is_none() && self.is_flushed && !self.wants_end
    }

    /// Sends this next. Only when [`can_send`](Self::can_send).
    pub(crate) fn send(&mut self, bytes: Vec<u8>) {
        self.outgoing = Some(bytes);
        self.sent_of_it = 0;
    }

    /// Ends our direction once everything is sent.
    pub(crate) fn end(&mut self) {
        self.wants_end = true;
    }

    /// How many bytes were taken over and are not with the kernel.
    pub(crate) fn unsent(&self) -> usize {
        self.outgoing.as_ref().map_or(0, |bytes| bytes.len() - self.sent_of_it)
    }

    /// Whether everything that was taken over is with the kernel.
    pub(crate) fn is_sent(&self) -> bool {
        self.outgoing.is_none() && self.is_flushed
    }

    /// Sets the timer anew; none stops it.
    pub(crate) fn set_timer(&mut self, time: Option<Duration>) {
        self.timer =
            time.map(|time| Box::pin(tokio::time::sleep_until(self.clock.instant_in(time))));
    }

    /// The next thing that happens. Nothing is received while the writer has no room: a slow reader of ours is a slow
    /// reader of the peer's. `input` is told whether something can
    /// be sent, and how often something was received.
    pub(crate) async fn next<I>(
        &mut self,
        signals: &mut Signals,
        writer: &mut Writer,
        mut input: impl FnMut(&mut Context<'_>, bool, u64) -> Poll<I>,
    ) -> Happening<I> {
        poll_fn(|cx| {
            if let Poll::Ready(asked) = signals.poll_next(cx) {
                return Poll::Ready(Happening::Asked(asked));
            }
            if let Poll::Ready(result) = writer.poll_back(cx) {
                return Poll::Ready(Happening::Written(result));
            }
            let may_receive = writer.has_room();
            if self.refusal.is_some() {
                return self.poll_last_words(cx, may_receive);
            }
            self.receives_first = !self.receives_first;
            if self.receives_first
                && let Poll::Ready(happened) = self.poll_receive(cx, may_receive)
            {
                return Poll::Ready(happened);
            }
            if let Poll::Ready(happened) = self.poll_sending(cx) {
                return Poll::Ready(happened);
            }
            if let Poll::Ready(input) = input(cx, self.can_send(), self.heard.1) {
                return Poll::Ready(Happening::Input(input));
            }
            if !self.receives_first
                && let Poll::Ready(happened) = self.poll_receive(cx, may_receive)
            {
                return Poll::Ready(happened);
            }
            match self.timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => {
                    self.timer = None;
                    Poll::Ready(Happening::Silence)
                }
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Ends our direction before we leave, so that the peer can tell an end from a cut. One that takes nothing more is
    /// not waited for long, and with `patience` of zero not at all.
    pub(crate) async fn part(&mut self, patience: Duration) {
        if !self.has_ended {
            let ended = tokio::time::timeout(patience, self.conn.end()).await;
            self.has_ended = matches!(ended, Ok(Ok(())));
        }
    }

    /// The error of a peer that had ended and drops what it was sent since; it is waited for no longer than `within`.
    pub(crate) async fn refusal(&mut self, within: Duration) -> Option<Error> {
        let left = tokio::time::timeout(within, self.conn.left()).await;
        left.ok().and_then(Result::err)
    }

    fn poll_receive<I>(&mut self, cx: &mut Context<'_>, may: bool) -> Poll<Happening<I>> {
        if self.peer_ended || !may {
            return Poll::Pending;
        }
        let received = std::task::ready!(self.conn.channel().poll_recv(cx, &mut self.buffer));
        Poll::Ready(match received {
            Ok(Some(length)) => {
                self.heard.0 += length as u64;
                self.heard.1 += 1;
                Happening::Received(length)
            }
            Ok(None) => {
                self.peer_ended = true;
                Happening::PeerEnded
            }
            Err(error) => Happening::Failed(error),
        })
    }

    /// Receives what the peer had said before it refused what we send, and then tells the refusal. The kernel may tell of
    /// the refusal first, as a send hears of it at once and a receive with the next event.
    fn poll_last_words<I>(&mut self, cx: &mut Context<'_>, may: bool) -> Poll<Happening<I>> {
        let heard = self.poll_receive(cx, may);
        if heard.is_ready() || !may {
            return heard;
        }
        let Some((_, timer)) = &mut self.refusal else { return Poll::Pending };
        if !self.peer_ended {
            std::task::ready!(timer.as_mut().poll(cx));
        }
        match self.refusal.take() {
            Some((error, _)) => Poll::Ready(Happening::Failed(error)),
            None => Poll::Pending,
        }
    }

    fn poll_sending<I>(&mut self, cx: &mut Context<'_>) -> Poll<Happening<I>> {
        if self.outgoing.is_none() && self.is_flushed && (!self.wants_end || self.has_ended) {
            return Poll::Pending;
        }
        let result = std::task::ready!(self.poll_out(cx));
        Poll::Ready(match result {
            Ok(()) if self.has_ended => Happening::Ended,
            Ok(()) => Happening::Sent,
            Err(error) if is_refusal(&error) && !self.peer_ended => {
                let until = self.clock.instant_in(LAST_WORDS);
                self.refusal = Some((error, Box::pin(tokio::time::sleep_until(until))));
                // The refusal is polled with everything else.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Err(error) => Happening::Failed(error),
        })
    }

    /// Sends what there is, flushes, and ends our direction if that is wanted.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let shape = self.conn.shape();
        let channel = self.conn.channel();
        if let Some(bytes) = &self.outgoing {
            self.is_flushed = false;
            while self.sent_of_it < bytes.len() || (shape == Shape::Packets && bytes.is_empty()) {
                let taken = std::task::ready!(channel.poll_send(cx, &bytes[self.sent_of_it..]))?;
                self.sent_of_it += taken;
                if shape == Shape::Packets {
                    break;
                }
            }
            self.sent.0 += bytes.len() as u64;
            self.sent.1 += 1;
            self.outgoing = None;
        }
        if !self.is_flushed {
            std::task::ready!(channel.poll_flush(cx))?;
            self.is_flushed = true;
            return Poll::Ready(Ok(()));
        }
        std::task::ready!(channel.poll_end(cx))?;
        self.has_ended = true;
        Poll::Ready(Ok(()))
    }
}
