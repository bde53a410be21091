//! Answers that wait to be sent: few bytes, so that many small answers leave in one send, and a peer that takes none of
//! its answers holds little.

use std::io::IoSlice;
use std::task::{Context, Poll, ready};

use crate::conn::Conn;
use crate::error::Result;

/// Bytes that wait at most.
const MOST: usize = 64 * 1_024;

/// Answers of one conn.
#[derive(Default)]
pub(super) struct AnswerQueue {
    /// Bytes, of which those from `sent` on wait.
    bytes: Vec<u8>,
    sent: usize,
    /// Whether something was sent since the last flush.
    is_dirty: bool,
}

impl AnswerQueue {
    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether so much waits that nothing more should be answered.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= MOST / 2
    }

    /// Takes what there is room for; the number of bytes. What is larger than all of the room is sent from where it is,
    /// once nothing waits before it.
    pub(super) fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let mut taken = 0;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            if self.bytes.len() + piece.len() > MOST {
                match self.poll_send(cx, conn)? {
                    Poll::Ready(()) => {}
                    Poll::Pending if taken > 0 => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            if piece.len() > MOST {
                if let Poll::Ready(length) = conn.channel().poll_send(cx, piece)? {
                    self.is_dirty = true;
                    taken += length;
                } else if taken == 0 {
                    return Poll::Pending;
                }
                // Whether the rest of it is taken is asked again.
                break;
            }
            self.bytes.extend_from_slice(piece);
            taken += piece.len();
        }
        Poll::Ready(Ok(taken))
    }

    /// Sends what waits.
    fn poll_send(&mut self, cx: &mut Context<'_>, conn: &mut Conn) -> Poll<Result<()>> {
        while self.sent < self.bytes.len() {
            self.sent += ready!(conn.channel().poll_send(cx, &self.bytes[self.sent..]))?;
            self.is_dirty = true;
        }
        // An idle session holds no buffer of ours.
        (self.bytes, self.sent) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    /// Sends what waits, and has the conn send what it holds itself.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>, conn: &mut Conn) -> Poll<Result<()>> {
        ready!(self.poll_send(cx, conn))?;
        if self.is_dirty {
            ready!(conn.channel().poll_flush(cx))?;
            self.is_dirty = false;
        }
        Poll::Ready(Ok(()))
    }
}
