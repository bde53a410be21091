//! Runs a responder over a conn: receive, cut into messages, answer, send, to the end.
//!
//! A message is answered straight from the thread's buffer, in the poll that received it. Only answers that could not
//! be sent at once, or are held back, are kept. An idle session owns no buffer and no timer.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use crate::codec::text::{Cutter, Cutting, Message};
use crate::conn::{Channel, Conn, scratch};
use crate::engine::ending::Ending;
use crate::error::{Kind, Result};
use crate::event::Reason;
use crate::service::{Ask, Framing, Reply, Responder, Whence};
use crate::session::Session;
use crate::spec::Shape;

/// How long the rest of a character that came in part is waited for.
const SHORT_WAIT: Duration = Duration::from_millis(20);

/// Bytes of answers that may gather before they are sent. A peer that asks much in one go is answered in several sends.
const GATHER: usize = 256 * 1_024;

thread_local! {
    static SPARE: Cell<Option<Reply>> = const { Cell::new(None) };
}

/// Holds a session until it is over. This is a hand-written future that keeps only what it must remember, because
/// thousands of them lie idle.
pub(super) fn run<'a>(
    responder: &'a dyn Responder,
    session: &'a Session,
    conn: &'a mut Conn,
    cutting: Cutting,
) -> impl Future<Output = Result<Ending>> + Send + Unpin + 'a {
    let shape = conn.shape();
    let cutter = match (responder.framing(), shape) {
        (Framing::Text, Shape::Bytes) => Some(Cutter::new(cutting.rule, cutting.line)),
        _ => None,
    };
    let mut talk = Talk {
        responder,
        session,
        shape,
        cutter,
        unsent: Vec::new(),
        sent: 0,
        rest: Vec::new(),
        ending: None,
        timer: None,
        is_held: false,
        is_over: false,
        has_packet: false,
    };
    talk.greet();
    poll_fn(move |cx| talk.poll(cx, conn.channel()))
}

struct Talk<'a> {
    responder: &'a dyn Responder,
    session: &'a Session,
    shape: Shape,
    /// Cuts bytes into messages; none: each chunk or packet is a message.
    cutter: Option<Cutter>,
    /// Answers, of which the bytes from `sent` on are not sent yet.
    unsent: Vec<u8>,
    sent: usize,
    /// Bytes that were received and not cut into messages yet.
    rest: Vec<u8>,
    ending: Option<Box<Ending>>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the timer holds an answer back; otherwise the timer is for the rest of a character.
    is_held: bool,
    /// The peer has ended its direction.
    is_over: bool,
    /// Whether `unsent` is a packet to be sent, which may be an empty one.
    has_packet: bool,
}

impl<'a> Talk<'a> {
    fn poll(&mut self, cx: &mut Context<'_>, channel: &mut dyn Channel) -> Poll<Result<Ending>> {
        let polled = self.advance(cx, channel);
        let cut = self.cutter.as_ref().map_or(0, Cutter::held);
        self.session.note_held(self.unsent.capacity() + self.rest.capacity() + cut);
        polled
    }

    fn advance(&mut self, cx: &mut Context<'_>, channel: &mut dyn Channel) -> Poll<Result<Ending>> {
        loop {
            if self.is_held {
                if let Some(timer) = &mut self.timer {
                    ready!(timer.as_mut().poll(cx));
                }
                (self.is_held, self.timer) = (false, None);
            }
            ready!(self.poll_unsent(cx, channel))?;
            if self.ending.is_some() {
                ready!(channel.poll_flush(cx))?;
                return Poll::Ready(Ok(self
                    .ending
                    .take()
                    .map_or_else(Ending::default, |ending| *ending)));
            }
            if !self.rest.is_empty() {
                let rest = std::mem::take(&mut self.rest);
                self.feed(cx, channel, &rest)?;
                continue;
            }
            if self.is_over {
                if self.cutter.as_ref().is_some_and(|cutter| cutter.held() > 0) {
                    self.finish();
                    continue;
                }
                ready!(channel.poll_flush(cx))?;
                return Poll::Ready(Ok(Ending::default()));
            }
            if self.session.is_draining() {
                ready!(channel.poll_flush(cx))?;
                return Poll::Ready(Ok(Ending { reason: Some(Reason::Stopped), detail: None }));
            }
            match scratch::with(|buffer| self.poll_receive(cx, channel, buffer)) {
                Poll::Ready(received) => received?,
                Poll::Pending => {
                    // The answers leave before we wait, so that sixteen pipelined lines are answered in one write.
                    let _ = channel.poll_flush(cx)?;
                    ready!(self.poll_short_wait(cx));
                }
            }
        }
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut dyn Channel,
        buffer: &mut [u8],
    ) -> Poll<Result<()>> {
        match ready!(channel.poll_recv(cx, buffer))? {
            Some(length) => {
                self.feed(cx, channel, &buffer[..length])?;
                if !self.is_held && !self.cutter.as_ref().is_some_and(Cutter::is_waiting) {
                    self.timer = None;
                }
            }
            None => self.is_over = true,
        }
        Poll::Ready(Ok(()))
    }

    /// Pending until the wait for the rest of a character is over. Then the part that came is a message as it is.
    fn poll_short_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.cutter.as_ref().is_some_and(Cutter::is_waiting) {
            return Poll::Pending;
        }
        let ahead = || Box::pin(tokio::time::sleep(SHORT_WAIT));
        ready!(self.timer.get_or_insert_with(ahead).as_mut().poll(cx));
        self.timer = None;
        self.finish();
        Poll::Ready(())
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>, channel: &mut dyn Channel) -> Poll<Result<()>> {
        if self.has_packet {
            ready!(self.poll_send_packet(cx, channel, &self.unsent))?;
            self.has_packet = false;
            self.unsent = Vec::new();
        }
        while self.sent < self.unsent.len() {
            self.sent += ready!(channel.poll_send(cx, &self.unsent[self.sent..]))?;
        }
        if !self.unsent.is_empty() {
            (self.unsent, self.sent) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends an answer that is one packet. A packet that is too long for the medium is dropped, and the session goes
    /// on.
    fn poll_send_packet(
        &self,
        cx: &mut Context<'_>,
        channel: &mut dyn Channel,
        packet: &[u8],
    ) -> Poll<Result<()>> {
        match ready!(channel.poll_send(cx, packet)) {
            Err(error) if error.kind() == Kind::MessageTooLong => self.session.drop_packet(),
            sent => drop(sent?),
        }
        Poll::Ready(Ok(()))
    }

    fn scene(&self) -> Whence<'a> {
        let facts = &self.session.facts;
        Whence {
            peer: &facts.peer,
            local: &facts.local,
            shape: self.shape,
            has_opening: true,
            clock: self.session.clock(),
        }
    }

    fn greet(&mut self) {
        with_reply(|reply| {
            self.responder.greet(&self.scene(), reply);
            if self.shape == Shape::Packets && reply.bytes().ends_with(b"\n") {
                reply.buffer().pop(); // a packet has its own border
            }
            let is_said = reply.is_said();
            self.keep(reply, is_said);
        });
    }

    /// Answers what came, and sends as much as goes at once. The rest of the answers is kept.
    fn feed(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut dyn Channel,
        bytes: &[u8],
    ) -> Result<()> {
        if self.responder.is_mirror() && self.cutter.is_none() && self.shape == Shape::Bytes {
            return self.send_back(cx, channel, bytes);
        }
        with_reply(|reply| {
            let is_said = self.answer(bytes, reply);
            if reply.held().is_some() || !is_said {
                self.keep(reply, is_said);
                return Ok(());
            }
            let mut sent = 0;
            if self.shape == Shape::Packets {
                match self.poll_send_packet(cx, channel, reply.bytes())? {
                    Poll::Ready(()) => self.note_goodbye(reply),
                    Poll::Pending => self.keep(reply, true),
                }
                return Ok(());
            }
            while sent < reply.bytes().len() {
                match channel.poll_send(cx, &reply.bytes()[sent..])? {
                    Poll::Ready(length) => sent += length,
                    Poll::Pending => break,
                }
            }
            reply.buffer().drain(..sent);
            let is_left = !reply.bytes().is_empty();
            self.keep(reply, is_left);
            Ok(())
        })
    }

    /// As [`feed`](Self::feed) where the answer is what came: nothing is copied that goes at once.
    fn send_back(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut dyn Channel,
        mut bytes: &[u8],
    ) -> Result<()> {
        while !bytes.is_empty() {
            match channel.poll_send(cx, bytes)? {
                Poll::Ready(length) => bytes = &bytes[length..],
                Poll::Pending => break,
            }
        }
        self.unsent.extend_from_slice(bytes);
        Ok(())
    }

    /// Fills `reply` with the answers to what came. Bytes that are not answered yet go to `rest`. True: there is an
    /// answer.
    fn answer(&mut self, bytes: &[u8], reply: &mut Reply) -> bool {
        let Some(mut cutter) = self.cutter.take() else {
            let message = match (self.responder.framing(), self.shape) {
                (Framing::Text, Shape::Packets) => split_ending(bytes),
                _ => Message { body: bytes, ending: b"" },
            };
            let _ = one(self.responder, self.scene(), message, reply);
            return reply.is_said();
        };
        let (responder, scene) = (self.responder, self.scene());
        let mut is_said = false;
        let cut = cutter.feed(bytes, |message| {
            let flow = one(responder, scene, message, reply);
            is_said |= reply.is_said();
            flow
        });
        match cut {
            Ok(used) => self.rest.extend_from_slice(&bytes[used..]),
            Err(too_long) => {
                reply.push(format!("a line holds at most {} bytes\n", too_long.cap).as_bytes());
                is_said = true;
                let detail = Some(format!("a line of more than {} bytes", too_long.cap));
                self.ending =
                    Some(Box::new(Ending { reason: Some(Reason::Limit("line")), detail }));
            }
        }
        self.cutter = Some(cutter);
        is_said
    }

    /// Answers what the cutter still holds, as a message of its own.
    fn finish(&mut self) {
        let Some(mut cutter) = self.cutter.take() else { return };
        with_reply(|reply| {
            let (responder, scene) = (self.responder, self.scene());
            let _ = cutter.finish(|message| one(responder, scene, message, reply));
            let is_said = reply.is_said();
            self.keep(reply, is_said);
        });
        self.cutter = Some(cutter);
    }

    /// Keeps an answer for later, with its goodbye and the time for which it is to be held back.
    fn keep(&mut self, reply: &mut Reply, is_said: bool) {
        if is_said {
            self.unsent.extend_from_slice(reply.bytes());
            self.has_packet = self.shape == Shape::Packets;
        }
        if let Some(hold) = reply.held() {
            self.timer = Some(Box::pin(tokio::time::sleep(hold)));
            self.is_held = true;
        }
        self.note_goodbye(reply);
    }

    fn note_goodbye(&mut self, reply: &Reply) {
        if let Some(why) = reply.goodbye() {
            self.rest = Vec::new();
            self.ending = Some(Box::new(Ending { reason: None, detail: Some(why.to_owned()) }));
        }
    }
}

/// Answers one message. The answer ends as the message ended.
fn one(
    responder: &dyn Responder,
    scene: Whence<'_>,
    message: Message<'_>,
    reply: &mut Reply,
) -> ControlFlow<()> {
    reply.turn();
    responder.answer(&Ask { message: message.body, scene }, reply);
    if reply.is_said() {
        reply.push(message.ending);
    }
    let must_stop =
        reply.goodbye().is_some() || reply.held().is_some() || reply.bytes().len() >= GATHER;
    if must_stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The message of a packet, and the newline that ended it, if one did.
pub(super) fn split_ending(packet: &[u8]) -> Message<'_> {
    let ending: &'static [u8] = match packet {
        [.., b'\r', b'\n'] => b"\r\n",
        [.., b'\n'] => b"\n",
        _ => b"",
    };
    Message { body: &packet[..packet.len() - ending.len()], ending }
}

/// Lends this thread's reply, empty.
pub(super) fn with_reply<T>(use_it: impl FnOnce(&mut Reply) -> T) -> T {
    let mut reply = SPARE.take().unwrap_or_default();
    reply.clear();
    let result = use_it(&mut reply);
    if reply.buffer().capacity() <= 2 * GATHER {
        SPARE.set(Some(reply));
    }
    result
}
