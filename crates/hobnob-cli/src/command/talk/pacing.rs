//! When the next message goes out: once the answer to the one before has begun to come, or after some silence.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::clock::Clock;
use tokio::time::Sleep;

/// Holds each message back until its time has come.
pub(super) struct Pacing {
    clock: Clock,
    /// How long an answer is waited for.
    patience: Duration,
    gate: Option<Pin<Box<Sleep>>>,
    /// Received so far when the gate was closed.
    heard: u64,
    /// The gate was opened by its time, and by no answer.
    has_waited: bool,
    /// The message that went out last.
    last: Option<Vec<u8>>,
    /// The first message that had no answer in its time, until that is told.
    unanswered: Option<Vec<u8>>,
    has_unanswered: bool,
}

impl Pacing {
    /// `greet`: how long the peer may take to say something first; zero: nothing is waited for.
    pub(super) fn new(clock: Clock, greet: Duration, patience: Duration) -> Self {
        let mut pacing = Pacing {
            clock,
            patience,
            gate: None,
            heard: 0,
            has_waited: false,
            last: None,
            unanswered: None,
            has_unanswered: false,
        };
        if !greet.is_zero() {
            pacing.close(greet, 0);
        }
        pacing
    }

    fn close(&mut self, time: Duration, heard: u64) {
        self.gate = Some(Box::pin(tokio::time::sleep_until(self.clock.instant_in(time))));
        self.heard = heard;
    }

    /// Ready when the next message may go out. `heard`: how many times something was received; from a peer that
    /// `has_ended` no answer is waited for.
    pub(super) fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        heard: u64,
        has_ended: bool,
    ) -> Poll<()> {
        if let Some(gate) = &mut self.gate
            && heard == self.heard
            && !has_ended
        {
            std::task::ready!(gate.as_mut().poll(cx));
            self.has_waited = true;
        }
        self.gate = None;
        Poll::Ready(())
    }

    /// Notes that a message goes out, and waits for its answer from now.
    pub(super) fn sends(&mut self, message: &[u8], heard: u64) {
        let before = self.last.replace(message.to_vec());
        if std::mem::take(&mut self.has_waited) && !self.has_unanswered && before.is_some() {
            self.has_unanswered = true;
            self.unanswered = before;
        }
        self.close(self.patience, heard);
    }

    /// Waits for no more answers.
    pub(super) fn stop(&mut self) {
        self.gate = None;
    }

    /// Whether a message had no answer in its time.
    pub(super) fn has_unanswered(&self) -> bool {
        self.has_unanswered
    }

    /// Whether nothing has gone out yet.
    pub(super) fn is_first(&self) -> bool {
        self.last.is_none()
    }

    /// The first message that had no answer within its time, told once, and that time.
    pub(super) fn unanswered(&mut self) -> Option<(Vec<u8>, Duration)> {
        self.unanswered.take().map(|message| (message, self.patience))
    }
}
