//! The way through the faults: what is received goes into their chain, and what comes out of it is sent.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep_until};

use super::copied::Unsent;
use super::{Broken, Link, Progress, Way, Witness};
use crate::chunk::Chunk;
use crate::conn::{Conn, scratch};
use crate::error::{Error, Kind, Result};
use crate::fault::Item;
use crate::spec::Shape;

/// The longest time that a timer is set for; then it is set anew. A thousand years would be past what clocks can say.
const FAR: Duration = Duration::from_hours(24);

/// When the chain has something to do again.
pub(super) struct Timer {
    wake: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Link {
    /// Makes the chains what the knobs say, if they were turned.
    pub(super) fn heed_knobs(&mut self, cx: &mut Context<'_>, witness: &dyn Witness) {
        if self.bend.is_stale() {
            let chains = [&mut self.up.chain, &mut self.down.chain];
            self.bend.refresh(cx.waker(), witness.clock().now(), chains);
        }
    }

    /// Puts what was read ahead through the faults, and notes an end that was read ahead.
    pub(super) fn begin(&mut self, downstream: &Conn, had_ended: bool, witness: &dyn Witness) {
        if let Some(chain) = self.up.chain.as_mut()
            && let Some(waiting) = self.up.waiting.take()
        {
            let Unsent { bytes, .. } = *waiting;
            let is_packet = downstream.shape() == Shape::Packets;
            chain.push(bytes.into(), is_packet, witness.clock().now());
        }
        if had_ended {
            self.up.end(downstream, witness);
        }
    }

    /// Ends the other direction too, where a fault has ended one. True: it has.
    pub(super) fn heed_close(&mut self) -> bool {
        let is_up = match (self.up.is_closed(), self.down.is_closed()) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => return false,
        };
        let (up, down) = (&mut self.up, &mut self.down);
        let (closed, other) = if is_up { (up, down) } else { (down, up) };
        closed.is_cut = false;
        if !other.is_over() {
            (other.chain, other.timer, other.stage) = (None, None, Progress::Ending);
        }
        true
    }
}

impl Way {
    /// Whether faults still have something that is to be passed on.
    pub(super) fn is_bending(&self) -> bool {
        let is_open = matches!(self.stage, Progress::Open | Progress::Passing);
        is_open && self.chain.as_ref().is_some_and(|chain| chain.is_holding())
    }

    /// Whether a fault has ended it, and its receiver has heard.
    fn is_closed(&self) -> bool {
        self.is_over() && self.is_cut
    }

    /// Whether its sender has left without an end, and all that it said has been passed on.
    pub(super) fn is_left(&self) -> bool {
        self.is_gone && !self.is_bending()
    }

    /// Nothing more comes: the other side hears so behind all that the faults hold.
    pub(super) fn end_behind_all(&mut self, witness: &dyn Witness) {
        self.stage = match &mut self.chain {
            Some(chain) => {
                chain.end(witness.clock().now());
                Progress::Passing
            }
            None => Progress::Ending,
        };
    }

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
        if self.poll_timer(cx, wake, now, witness).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if self.stage == Progress::Open && room > 0 {
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
            let sleep = Box::pin(sleep_until(witness.clock().instant_in(ahead)));
            self.timer = Some(Box::new(Timer { wake, sleep }));
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        let elapsed = timer.sleep.as_mut().poll(cx);
        if elapsed.is_ready() {
            self.timer = None;
        }
        elapsed
    }
}
