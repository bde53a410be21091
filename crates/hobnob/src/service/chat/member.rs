//! One member: its conn and its mailbox, polled in one future.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use super::order::RoomOrder;
use super::proof::{Proof, Verdict};
use super::room::Inbox;
use super::show;
use crate::codec::text::Cutter;
use crate::conn::{Channel, scratch};
use crate::error::{Error, Kind, Result};
use crate::session::Session;
use crate::spec::Shape;

/// How long the rest of a character that came in part is waited for.
const SHORT_WAIT: Duration = Duration::from_millis(20);

/// How long a member may take nothing of what waits for it.
const STALL: Duration = Duration::from_secs(10);

/// Bytes of a stream that are heard at once. Short messages under a long name become many times as much.
const HEARD: usize = 4_096;

/// The pause of who says more than others can read. It gives those who read the time to, and is far too short for
/// who does not: nobody waits for that one.
const PACE: Duration = Duration::from_millis(10);

/// Reads before the other members of the thread get their turn: they have mailboxes to empty.
const ROUNDS: usize = 2;

/// One member's state. An idle member holds no buffer but its mailbox.
pub(super) struct Member<'a> {
    pub(super) order: &'a dyn RoomOrder,
    pub(super) session: &'a Session,
    pub(super) mailbox: Arc<Inbox>,
    pub(super) stage: Standing,
    shape: Shape,
    /// Cuts bytes into messages; none: each packet is a message.
    cutter: Option<Cutter>,
    /// Text that was taken out of the mailbox, of which the bytes from `sent` on are not sent yet.
    unsent: Vec<u8>,
    sent: usize,
    /// The wait for the rest of a character.
    rest: Option<Pin<Box<Sleep>>>,
    /// The deadline of a send that waits.
    stall: Option<Pin<Box<Sleep>>>,
    /// Whether somebody has much to read of what this member said.
    pub(super) is_outrunning: bool,
    /// The pause of a member that says more than others can read.
    pace: Option<Pin<Box<Sleep>>>,
    /// The error that tears the session down.
    failure: Option<Error>,
    /// Whether it has said anything in the room: what opens with an HTTP request has not.
    has_spoken: bool,
    /// Whether the member leaves once all is sent.
    pub(super) is_leaving: bool,
}

/// How far a member has come.
pub(super) enum Standing {
    /// The peer has yet to prove that it hears us.
    Proving(Proof),
    /// The peer was asked for its name.
    Naming,
    /// Others are asked for the name that it wants. What it says meanwhile is heard afterwards, and no more is received.
    Claiming {
        /// Whether it is in the room, under another name.
        is_inside: bool,
        /// What came together with the name.
        unheard: Vec<Box<[u8]>>,
    },
    /// The member is in the room.
    Inside,
}

impl<'a> Member<'a> {
    /// With a proof it must first prove itself; else it is admitted at once.
    pub(super) fn new(
        order: &'a dyn RoomOrder,
        proof: Option<Proof>,
        session: &'a Arc<Session>,
        shape: Shape,
    ) -> Self {
        let cutting = session.cutting();
        let is_proven = proof.is_none();
        let mut member = Member {
            order,
            session,
            mailbox: Inbox::of(session.clone()),
            stage: proof.map_or(Standing::Naming, Standing::Proving),
            shape,
            cutter: (shape == Shape::Bytes).then(|| Cutter::new(cutting.rule, cutting.line)),
            unsent: Vec::new(),
            sent: 0,
            rest: None,
            stall: None,
            is_outrunning: false,
            pace: None,
            failure: None,
            has_spoken: false,
            is_leaving: false,
        };
        if is_proven {
            member.admit();
        }
        member
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut dyn Channel,
    ) -> Poll<Result<()>> {
        let polled = self.advance(cx, channel);
        let cut = self.cutter.as_ref().map_or(0, Cutter::held);
        self.mailbox.note(cut);
        polled
    }

    fn advance(&mut self, cx: &mut Context<'_>, channel: &mut dyn Channel) -> Poll<Result<()>> {
        for _ in 0..ROUNDS {
            if self.session.is_draining() && !self.is_leaving {
                self.close();
            }
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Err(failure));
            }
            let delivered = self.poll_deliver(cx, channel)?;
            if self.is_leaving {
                // From now on it hears nothing more: a room that goes on talking would hold it.
                self.order.leave(self.session.id, false);
                ready!(delivered);
                return channel.poll_flush(cx);
            }
            if matches!(self.stage, Standing::Claiming { .. }) && self.take_verdict() {
                continue;
            }
            let is_claiming = matches!(self.stage, Standing::Claiming { .. });
            if is_claiming || self.poll_pace(cx).is_pending() {
                let _ = channel.poll_flush(cx)?;
                return Poll::Pending;
            }
            // It is heard while a send waits too: what it says is for others, and its end or reset is to be seen.
            match scratch::with(|buffer| self.poll_hear(cx, channel, buffer)) {
                Poll::Ready(heard) => heard?,
                Poll::Pending => {
                    let _ = channel.poll_flush(cx)?;
                    ready!(self.poll_rest(cx));
                }
            }
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Err(failure));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends what waits. Ready: all is out, and the next push wakes us. Pending: the peer does not take it, or not now.
    fn poll_deliver(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut dyn Channel,
    ) -> Poll<Result<()>> {
        loop {
            if self.mailbox.is_over() {
                return Poll::Ready(Err(backlog()));
            }
            while self.sent < self.unsent.len() {
                match channel.poll_send(cx, &self.unsent[self.sent..]) {
                    Poll::Ready(Ok(sent)) => self.sent += sent,
                    Poll::Ready(Err(error)) if error.kind() == Kind::MessageTooLong => {
                        // The error is about this packet alone, and the next one may be sent.
                        self.session.drop_packet();
                        self.sent = self.unsent.len();
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return self.poll_stall(cx),
                }
                self.stall = None;
            }
            (self.unsent, self.sent) = (Vec::new(), 0);
            if self.mailbox.poll_take(cx, self.shape, &mut self.unsent).is_pending() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Starts the deadline of a send that waits, or looks whether it has passed.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.mailbox.wait(cx) {
            return Poll::Ready(Err(backlog()));
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL)));
        ready!(stall.as_mut().poll(cx));
        let why = "it took nothing of the room's text for 10 s";
        Poll::Ready(Err(Error::limit("chat-stall", why)))
    }

    /// Pending while this member has to pause.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.is_outrunning) {
            self.pace = Some(Box::pin(tokio::time::sleep(PACE)));
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.as_mut().poll(cx));
            self.pace = None;
        }
        Poll::Ready(())
    }

    /// Receives once, and does what the messages say.
    fn poll_hear(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut dyn Channel,
        buffer: &mut [u8],
    ) -> Poll<Result<()>> {
        let room = if self.shape == Shape::Bytes { HEARD } else { buffer.len() };
        let Some(length) = ready!(channel.poll_recv(cx, &mut buffer[..room]))? else {
            if let Some(mut cutter) = self.cutter.take() {
                let _ = cutter.finish(|message| self.hear(message.body));
            }
            self.is_leaving = true;
            return Poll::Ready(Ok(()));
        };
        let heard = &buffer[..length];
        let Some(mut cutter) = self.cutter.take() else {
            let _ = self.hear(heard);
            return Poll::Ready(Ok(()));
        };
        match cutter.feed(heard, |message| self.hear(message.body)) {
            Ok(_) if cutter.is_waiting() => {}
            Ok(_) => self.rest = None,
            Err(too_long) => self.refuse_line(too_long.cap),
        }
        self.cutter = Some(cutter);
        Poll::Ready(Ok(()))
    }

    /// Pending until the wait for the rest of a character is over; then the part goes as it is.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.cutter.as_ref().is_some_and(Cutter::is_waiting) {
            return Poll::Pending;
        }
        let ahead = || Box::pin(tokio::time::sleep(SHORT_WAIT));
        ready!(self.rest.get_or_insert_with(ahead).as_mut().poll(cx));
        self.rest = None;
        if let Some(mut cutter) = self.cutter.take() {
            let _ = cutter.flush(|message| self.hear(message.body));
            self.cutter = Some(cutter);
        }
        Poll::Ready(())
    }

    /// Takes what came of the name that was asked for, and hears what was said behind it. False: it is not known yet, and
    /// the mailbox wakes us.
    fn take_verdict(&mut self) -> bool {
        let Some(answer) = self.order.verdict(self.session.id) else { return false };
        let was = std::mem::replace(&mut self.stage, Standing::Naming);
        let Standing::Claiming { is_inside, unheard } = was else { return false };
        if is_inside {
            self.stage = Standing::Inside;
        }
        self.answered(answer);
        self.has_spoken |= matches!(self.stage, Standing::Inside);
        let _ = unheard.iter().try_for_each(|message| self.hear(message));
        true
    }

    /// Does what one message says. Break: that message is the last.
    fn hear(&mut self, message: &[u8]) -> ControlFlow<()> {
        if let Standing::Claiming { unheard, .. } = &mut self.stage {
            unheard.push(message.into());
            return ControlFlow::Continue(());
        }
        if !self.has_spoken && show::is_http_request(message) {
            let why = "it opened with an HTTP request, and this is a chat room";
            return self.fail(Error::limit("http-request", why));
        }
        if let Standing::Proving(proof) = &mut self.stage {
            match proof.judge(message) {
                Verdict::Proven => match self.session.proven() {
                    Ok(()) => self.admit(),
                    Err(full) => return self.fail(full),
                },
                Verdict::Tell(text) => self.answer(&text),
                Verdict::Wait => {}
                Verdict::Refuse => {
                    let why = "it did not send back what it was sent";
                    return self.fail(Error::limit("cookie", why));
                }
            }
            return ControlFlow::Continue(());
        }
        self.obey(show::without_newline(message));
        self.has_spoken |= matches!(self.stage, Standing::Inside);
        if self.is_leaving { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Says something to this member alone.
    pub(super) fn answer(&self, line: &str) {
        self.mailbox.push(&Arc::from(line));
    }

    fn fail(&mut self, error: Error) -> ControlFlow<()> {
        self.failure = Some(error);
        ControlFlow::Break(())
    }

    fn refuse_line(&mut self, cap: usize) {
        self.answer(&format!("* a line holds at most {cap} bytes"));
        self.session.conclude(Some("line"), format!("a line of more than {cap} bytes"));
        self.is_leaving = true;
    }

    /// Says that the room closes. A peer that has proven nothing is told nothing.
    fn close(&mut self) {
        self.order.leave(self.session.id, true);
        if !matches!(self.stage, Standing::Proving(_)) {
            self.answer("* the room is closing");
        }
        self.is_leaving = true;
    }
}

fn backlog() -> Error {
    Error::limit("chat-backlog", "more than 1 MiB of the room's text waited for it")
}

impl Drop for Member<'_> {
    /// Tells the others that the member left, however its session ended.
    fn drop(&mut self) {
        self.order.leave(self.session.id, false);
    }
}
