//! The common way: through a buffer of the thread. What could not be sent at once is kept.

use std::task::{Context, Poll, ready};

use super::way::Way;
use super::witness::Witness;
use crate::conn::{Channel, Conn};
use crate::error::{Kind, Result};
use crate::spec::Shape;

impl Way {
    /// Receives once, and sends as much of it as can be sent. None: the end. The inner result is the sending's.
    pub(super) fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        buffer: &mut [u8],
        witness: &dyn Witness,
    ) -> Poll<Result<Option<Result<()>>>> {
        let Some(length) = ready!(from.channel().poll_recv(cx, buffer))? else {
            return Poll::Ready(Ok(None));
        };
        let received = &buffer[..length];
        let passed = match from.shape() {
            Shape::Packets => self.pass_packet(cx, to.channel(), received, witness),
            Shape::Bytes => {
                self.note_read(length, from, to);
                self.pass_bytes(cx, to.channel(), received)
            }
        };
        Poll::Ready(Ok(Some(passed)))
    }

    pub(super) fn pass_packet(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut dyn Channel,
        packet: &[u8],
        witness: &dyn Witness,
    ) -> Result<()> {
        match to.poll_send(cx, packet) {
            Poll::Pending => self.keep(packet),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) if error.kind() == Kind::MessageTooLong => witness.too_large(),
            Poll::Ready(Err(error)) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn pass_bytes(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut dyn Channel,
        mut bytes: &[u8],
    ) -> Result<()> {
        while !bytes.is_empty() {
            match to.poll_send(cx, bytes) {
                Poll::Ready(sent) => bytes = &bytes[sent?..],
                Poll::Pending => {
                    self.keep(bytes);
                    break;
                }
            }
        }
        Ok(())
    }

    pub(super) fn poll_send_waiting(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<()>> {
        let Some(waiting) = &mut self.waiting else { return Poll::Ready(Ok(())) };
        match ready!(to.channel().poll_send(cx, &waiting.bytes[waiting.sent..])) {
            Ok(sent) => waiting.sent += sent,
            Err(error) if error.kind() == Kind::MessageTooLong => {
                witness.too_large();
                waiting.clear();
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
        if waiting.sent == waiting.bytes.len() {
            waiting.clear();
        }
        Poll::Ready(Ok(()))
    }
}
