//! What comes in while the other side is still being dialled.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::unsent::Unsent;
use crate::conn::{Conn, scratch};
use crate::error::{Error, Kind, Result};
use crate::spec::Shape;

/// Bytes that are read ahead for a conn that is still being dialled.
const AHEAD: usize = 65_536;

/// What a conn has said while nobody could take it yet.
#[derive(Debug, Default)]
pub struct Ahead {
    pub(super) waiting: Unsent,
    pub(super) has_ended: bool,
}

impl Ahead {
    /// Reads on while the other side is being dialled: ready when the conn has failed, or its peer is gone without a word,
    /// so that nobody dials for a peer that is gone. `holds` is told how many bytes wait.
    pub async fn read(&mut self, conn: &mut Conn, holds: impl Fn(usize)) -> Error {
        let read = poll_fn(|cx| {
            let read = self.poll_read(cx, conn);
            holds(self.waiting.bytes.capacity());
            read
        });
        if let Err(error) = read.await {
            return error;
        }
        // From here on no read will tell.
        match conn.left().await {
            // What it said before it left is to be delivered.
            Ok(()) if self.waiting.is_something => std::future::pending().await,
            Ok(()) => {
                Error::new(Kind::ConnectionBroken, "the peer left before anybody was there for it")
            }
            Err(error) => error,
        }
    }

    /// Ready when no more is read: the peer has said all, or more than is read ahead.
    fn poll_read(&mut self, cx: &mut Context<'_>, conn: &mut Conn) -> Poll<Result<()>> {
        let shape = conn.shape();
        loop {
            let is_full = match shape {
                Shape::Bytes => self.waiting.bytes.len() >= AHEAD,
                Shape::Packets => self.waiting.is_something,
            };
            if is_full || self.has_ended {
                return Poll::Ready(Ok(()));
            }
            let received = scratch::with(|buffer| {
                let received = conn.channel().poll_recv(cx, buffer);
                if let Poll::Ready(Ok(Some(length))) = received {
                    self.waiting.keep(&buffer[..length]);
                }
                received
            });
            match ready!(received) {
                Ok(received) => self.has_ended = received.is_none(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}
