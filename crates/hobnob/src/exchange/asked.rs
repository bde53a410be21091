//! A request on its way, and its answer as it comes.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use crate::clock::Clock;
use crate::codec::http::{AnswerPart, AnswerReader, Head};
use crate::conn::{Conn, Facts};
use crate::engine::Dialer;
use crate::error::{Error, Kind, Result};
use crate::exchange::failure::Counterpart;
use crate::exchange::plan::{Exchange, PROTOCOL};
use crate::exchange::stopwatch::{Stopwatch, Times};

/// How long a goodbye may take: a peer that takes nothing any more cannot be told.
const GOODBYE: Duration = Duration::from_secs(1);
/// Bytes of one receive.
const RECEIVE: usize = 64 * 1_024;

/// An answer as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Status and fields.
    pub head: Head,
    /// The body, out of its chunks.
    pub body: Vec<u8>,
}

impl Exchange {
    /// Dials, and begins to ask.
    pub async fn ask(&self, dialer: &Dialer) -> Result<Asked> {
        Asked::dial(self, dialer).await
    }
}

/// A request that was asked. Receive while there is no [`part`](Asked::part), until one is the end.
pub struct Asked {
    conn: Conn,
    peer: Counterpart,
    clock: Clock,
    began: Duration,
    times: Times,
    answer: AnswerReader,
    /// Head and body in one piece, so that they leave in one write.
    request: Vec<u8>,
    sent: usize,
    is_flushed: bool,
    /// Why the peer did not take all of the request. It may answer all the same.
    untaken: Option<Error>,
    buffer: Vec<u8>,
    /// What was received and not read.
    unread: std::ops::Range<usize>,
    received: u64,
    has_ended: bool,
    idle: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Asked {
    async fn dial(exchange: &Exchange, dialer: &Dialer) -> Result<Self> {
        let stopwatch = Stopwatch::start();
        let dialer = dialer.clone().speaking(PROTOCOL).observer(Arc::clone(&stopwatch) as _);
        let clock = dialer.bus().clock();
        let dialed = dialer.dial(exchange.endpoint()).await?;
        // Who was not there yet was waited for: that is no part of how long it took.
        let began = clock.now().saturating_sub(dialed.took);
        let has_layers = !exchange.endpoint().layers().is_empty();
        let times = Times {
            look_up: stopwatch.look_up(),
            connect: Some(dialed.connected),
            layers: has_layers.then_some(dialed.took),
            ..Times::default()
        };
        let mut request = exchange.head();
        request.extend_from_slice(exchange.request().body.as_deref().unwrap_or_default());
        Ok(Asked {
            peer: Counterpart::of(exchange.endpoint(), dialed.conn.facts(), exchange.is_lenient),
            conn: dialed.conn,
            clock,
            began,
            times,
            answer: AnswerReader::to(&exchange.request().method).lenient(exchange.is_lenient),
            request,
            sent: 0,
            is_flushed: false,
            untaken: None,
            buffer: vec![0; RECEIVE],
            unread: 0..0,
            received: 0,
            has_ended: false,
            idle: None,
        })
    }

    /// Gives up after so much silence: nothing sent and nothing received.
    pub fn set_idle(&mut self, idle: Option<Duration>) {
        let clock = self.clock;
        let timer = |time| Box::pin(tokio::time::sleep_until(clock.instant_in(time)));
        self.idle = idle.map(|time| (time, timer(time)));
    }

    /// Who talks to whom over what, and what the layers learnt.
    pub fn facts(&self) -> &Facts {
        self.conn.facts()
    }

    /// The next part of the answer in what was received. None: receive more.
    pub fn part(&mut self) -> Result<Option<AnswerPart<'_>>> {
        let mut bytes = &self.buffer[self.unread.clone()];
        let part = self.answer.next(&mut bytes);
        self.unread.start = self.unread.end - bytes.len();
        part.map_err(|unreadable| {
            self.peer.unreadable(unreadable, &self.buffer[..self.unread.end], self.received)
        })
    }

    /// The head for which the answer was refused, where it was the head.
    pub fn refused(&self) -> Option<&Head> {
        self.answer.refused()
    }

    /// Receives a piece of the answer, while the request goes out. May be given up and called again. Empty: the peer has
    /// ended.
    pub async fn receive(&mut self) -> Result<&[u8]> {
        let length = poll_fn(|cx| self.poll_receive(cx)).await?;
        self.unread = 0..length.unwrap_or(0);
        self.received += self.unread.len() as u64;
        match length {
            Some(_) if self.times.first_byte.is_none() => self.times.first_byte = Some(self.age()),
            Some(_) => {}
            None => self.end()?,
        }
        Ok(&self.buffer[self.unread.clone()])
    }

    fn end(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.has_ended, true) {
            return Err(Error::new(Kind::Bug, "an answer that is over was to be received"));
        }
        self.answer.end().map_err(|cut| self.peer.cut(cut, self.received, self.untaken.as_ref()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<usize>>> {
        let before = (self.sent, self.is_flushed);
        if let Poll::Ready(Err(error)) = self.poll_ask(cx) {
            self.is_flushed = true;
            self.untaken = Some(error);
        }
        if let Poll::Ready(received) = self.conn.channel().poll_recv(cx, &mut self.buffer) {
            self.rewind();
            return Poll::Ready(received);
        }
        if before != (self.sent, self.is_flushed) {
            self.rewind();
        }
        let Some((idle, timer)) = &mut self.idle else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(self.peer.silent(*idle, self.sent, self.received)))
    }

    /// Sends what is left of the request.
    fn poll_ask(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.sent < self.request.len() && self.untaken.is_none() {
            self.sent += ready!(self.conn.channel().poll_send(cx, &self.request[self.sent..]))?;
        }
        if !self.is_flushed {
            ready!(self.conn.channel().poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn rewind(&mut self) {
        if let Some((time, timer)) = &mut self.idle {
            timer.as_mut().reset(self.clock.instant_in(*time));
        }
    }

    fn age(&self) -> Duration {
        self.clock.now().saturating_sub(self.began)
    }

    /// What took how long so far.
    pub fn times(&self) -> Times {
        Times { total: self.age(), ..self.times }
    }

    /// Bytes sent so far, and received.
    pub fn passed(&self) -> (u64, u64) {
        (self.sent as u64, self.received)
    }

    /// Bytes that came behind the answer and belong to nothing.
    pub fn surplus(&self) -> usize {
        if self.answer.is_over() { self.unread.len() } else { 0 }
    }

    /// Says goodbye in order.
    pub async fn close(mut self) {
        // The answer is there: a peer that does not care for a goodbye changes nothing.
        let _ = tokio::time::timeout(GOODBYE, self.conn.end()).await;
    }

    /// Hears the whole answer, with at most so many bytes of a body.
    pub async fn collect(mut self, most: usize) -> Result<Answered> {
        let mut answered = Answered { head: Head::default(), body: Vec::new() };
        loop {
            match self.part()? {
                Some(AnswerPart::Head(head)) => answered.head = head,
                Some(AnswerPart::Body(bytes)) if answered.body.len() + bytes.len() > most => {
                    let text = format!("the body of the answer is over {most} bytes");
                    return Err(Error::new(Kind::MessageTooLong, text));
                }
                Some(AnswerPart::Body(bytes)) => answered.body.extend_from_slice(bytes),
                Some(AnswerPart::End) => break,
                Some(AnswerPart::Interim(_) | AnswerPart::Trailers(_)) => {}
                None => drop(self.receive().await?),
            }
        }
        self.close().await;
        Ok(answered)
    }
}
