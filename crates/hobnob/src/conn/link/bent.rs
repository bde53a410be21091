//! The way through the faults: what is received goes into their chain, and what comes out of it is sent.

use std::future::Future;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep_until;

use super::chime::Chime;
use super::way::{Progress, Timer, Way};
use super::witness::{Broken, Witness};
use crate::chunk::Chunk;
use crate::conn::{Conn, scratch};
use crate::error::{Error, Kind, Result};
use crate::fault::Item;
use crate::spec::Shape;

/// The longest time that a timer is set for; then it is set anew. A thousand years would be past what clocks can say.
const FAR: Duration = Duration::from_hours(24);

/// Up to this time ahead the millisecond that a runtime's timer is late is more than half a percent of it.
const SOON: Duration = Duration::from_millis(250);
/// How long nothing is taken in where all sessions together hold too much. Those that hold most are being cut by then.
const TIGHT: Duration = Duration::from_millis(5);

impl Way {
    /// Moves one thing out of the chain, or else into it.
    pub(super) fn poll_bent(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<(), Broken>> {
        let Some(chain) = &mut self.chain else { return Poll::Ready(Ok(())) };
        let now = witness.clock().now();
        let item = chain.take(now);
        let (is_empty, room, wake) = (chain.is_empty(), chain.room(), chain.wake());
        chain.hits().for_each(|hit| witness.hit(self.from, hit));
        match item {
            Some(Item::Chunk(chunk)) => {
                let passed = self.pass_chunk(cx, to, &chunk, witness);
                return Poll::Ready(self.unless_broken(passed, witness));
            }
            Some(Item::End { by }) => {
                if let Some(fault) = by {
                    witness.closed_by(fault);
                }
                (self.is_cut, self.chain, self.timer) = (by.is_some(), None, None);
                self.stage = Progress::Ending;
                return Poll::Ready(Ok(()));
            }
            Some(Item::Abort { by }) => {
                let error = Error::new(Kind::Fault, format!("torn down by the fault {by}"));
                return Poll::Ready(Err(Broken { side: self.from, error }));
            }
            None if is_empty => {
                (self.chain, self.timer) = (None, None);
                return Poll::Ready(Ok(()));
            }
            None => {}
        }
        let wants = self.stage == Progress::Open && room > 0;
        let may_take = wants && witness.has_room();
        let again = (wants && !may_take).then(|| now.saturating_add(TIGHT));
        let wake = wake.into_iter().chain(again).min();
        if self.poll_timer(cx, wake, now, witness).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if may_take {
            let received = self.poll_receive_bent(cx, from, room, witness);
            if received.is_ready() {
                return received;
            }
        }
        self.poll_flush(cx, to, witness)
    }

    fn pass_chunk(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Conn,
        chunk: &Chunk,
        witness: &dyn Witness,
    ) -> Result<()> {
        if chunk.is_packet {
            self.pass_packet(cx, to.channel(), &chunk.bytes, witness)
        } else {
            self.pass_bytes(cx, to.channel(), &chunk.bytes)
        }
    }

    /// Receives as much as the first fault has room for.
    fn poll_receive_bent(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        room: usize,
        witness: &dyn Witness,
    ) -> Poll<Result<(), Broken>> {
        let is_packet = from.shape() == Shape::Packets;
        let received = scratch::with_large(|buffer| {
            let room = if is_packet { buffer.len() } else { room.min(buffer.len()) };
            let received = from.channel().poll_recv(cx, &mut buffer[..room]);
            received.map_ok(|length| length.map(|length| Bytes::copy_from_slice(&buffer[..length])))
        });
        match received {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Some(bytes))) => {
                if let Some(chain) = &mut self.chain {
                    chain.push(bytes, is_packet, witness.clock().now());
                }
            }
            Poll::Ready(Ok(None)) => self.end(from, witness),
            Poll::Ready(Err(error)) if error.kind() == Kind::MessageTooLong => witness.too_large(),
            Poll::Ready(Err(error)) if self.ends_short(&error, witness) => {}
            Poll::Ready(Err(error)) => {
                return Poll::Ready(Err(Broken { side: self.from, error }));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the chain has something to do.
    fn poll_timer(
        &mut self,
        cx: &mut Context<'_>,
        wake: Option<Duration>,
        now: Duration,
        witness: &dyn Witness,
    ) -> Poll<()> {
        let Some(wake) = wake else {
            self.timer = None;
            return Poll::Pending;
        };
        if self.timer.as_ref().is_none_or(|timer| timer.wake != wake) {
            let ahead = wake.saturating_sub(now).min(FAR);
            let due = witness.clock().instant_in(ahead);
            let is_soon = ahead <= SOON;
            let chime = is_soon.then(|| Chime::wait(witness.clock(), due, cx.waker())).flatten();
            self.timer =
                Some(Box::new(Timer { wake, sleep: Box::pin(sleep_until(due)), _chime: chime }));
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        let elapsed = timer.sleep.as_mut().poll(cx);
        if elapsed.is_ready() {
            self.timer = None;
        }
        elapsed
    }
}
