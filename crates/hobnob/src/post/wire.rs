//! The conn to a server: what came and was not read yet, and how long silence may last.

use std::future::{Future as _, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::failure;
use super::route::MailRoute;
use crate::clock::Clock;
use crate::conn::Conn;
use crate::engine::LaterLayer;
use crate::error::{Error, Result};
use crate::event::Learnt;

/// Bytes of one receive, and of what may wait to be read.
const RECEIVE: usize = 64 * 1_024;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// The layer behind which nobody reads along.
const SECURE: &str = "tls";

pub(super) struct MailWire {
    conn: Conn,
    clock: Clock,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
    buffer: Vec<u8>,
    unread: Range<usize>,
    /// Why the server did not take all. It may have said so itself.
    untaken: Option<Error>,
    name: String,
    later: Option<LaterLayer>,
    received: u64,
}

impl MailWire {
    pub(super) async fn dial(to: &MailRoute, patience: Duration) -> Result<Self> {
        let dialed = to.route.dial().await?;
        let clock = Clock::start();
        Ok(MailWire {
            conn: dialed.conn,
            clock,
            patience,
            silence: Box::pin(tokio::time::sleep_until(clock.instant_in(patience))),
            buffer: vec![0; RECEIVE],
            unread: 0..0,
            untaken: None,
            name: to.name.clone(),
            later: to.later.clone(),
            received: 0,
        })
    }

    /// Whom the errors are about.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether nobody reads along.
    pub(super) fn is_secure(&self) -> bool {
        self.learnt().iter().any(|learnt| learnt.layer == SECURE)
    }

    pub(super) fn learnt(&self) -> &[Learnt] {
        self.conn.facts().learnt()
    }

    /// How long a server may say nothing.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// What came and was not read.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// All but so many bytes of that was read.
    pub(super) fn left(&mut self, bytes: usize) {
        self.unread.start = self.unread.end - bytes;
    }

    /// Waits until more came. The error also tells of an end: nobody expects one here.
    pub(super) async fn receive(&mut self) -> Result<()> {
        self.rewind();
        let length = poll_fn(|cx| self.poll_receive(cx)).await;
        match length {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(failure::cut(&self.name, self.received, self.untaken.take())),
            // What the server said before it broke off was read; why it did not listen is worth more.
            Err(error) => Err(self.untaken.take().unwrap_or(error)),
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<usize>>> {
        if let Poll::Ready(received) = self.poll_fill(cx) {
            return Poll::Ready(received);
        }
        match self.silence.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(failure::silent(&self.name, self.patience))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Receives behind what was not read.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<usize>>> {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == self.buffer.len() && self.unread.start > 0 {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        let room = &mut self.buffer[self.unread.end..];
        if room.is_empty() {
            return Poll::Pending;
        }
        self.conn.channel().poll_recv(cx, room).map_ok(|length| {
            let came = length.unwrap_or(0);
            self.unread.end += came;
            self.received += came as u64;
            length.filter(|came| *came > 0)
        })
    }

    /// Sends all of it, and hears meanwhile: a server may refuse in the middle of a letter. One that takes no more is no
    /// error yet, as its answer may have come.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let mut sent = 0;
        self.rewind();
        while sent < bytes.len() && self.untaken.is_none() {
            match poll_fn(|cx| self.poll_pass(cx, &bytes[sent..])).await {
                Ok(passed) => sent += passed,
                Err(error) => self.untaken = Some(error),
            }
            self.rewind();
        }
        if self.untaken.is_none()
            && let Err(error) = poll_fn(|cx| self.poll_flushed(cx)).await
        {
            self.untaken = Some(error);
        }
        Ok(())
    }

    fn poll_pass(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if let Poll::Ready(sent) = self.conn.channel().poll_send(cx, bytes) {
            return Poll::Ready(sent);
        }
        self.poll_beside(cx).map(|()| Err(failure::silent(&self.name, self.patience)))
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Poll::Ready(flushed) = self.conn.channel().poll_flush(cx) {
            return Poll::Ready(flushed);
        }
        self.poll_beside(cx).map(|()| Err(failure::silent(&self.name, self.patience)))
    }

    /// Hears while something waits to be sent. Ready: that took too long.
    fn poll_beside(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What is wrong with hearing is said when somebody listens.
        while let Poll::Ready(Ok(Some(_))) = self.poll_fill(cx) {}
        self.silence.as_mut().poll(cx)
    }

    /// Puts on the layer that was agreed upon. What came before is no part of what comes behind it.
    pub(super) async fn secure(&mut self) -> Result<()> {
        let later = self.later.clone().ok_or_else(failure::no_layer)?;
        self.conn = later.put_on(self.conn.take()).await?;
        Ok(())
    }

    fn rewind(&mut self) {
        self.silence.as_mut().reset(self.clock.instant_in(self.patience));
    }

    /// Says goodbye in order.
    pub(super) async fn close(mut self) {
        // All is said: a peer that does not care for a goodbye changes nothing.
        let _ = tokio::time::timeout(GOODBYE, self.conn.end()).await;
    }
}
