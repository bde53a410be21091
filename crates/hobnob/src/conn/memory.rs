//! A pair of conns inside the process, bounded as a kernel's are: for tests, and for services that meet in
//! one program.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::task::coop;

use crate::address::Address;
use crate::chunk::COST;
use crate::conn::{Channel, Conn, Facts, too_long_to_receive};
use crate::error::{Error, Kind, Result};
use crate::spec::Shape;

/// Bytes that one direction holds before its sender waits, with what holding packets costs; a Unix socket's default is
/// about the same.
pub(crate) const CAPACITY: usize = 212_992;

/// Two conns that are each other's peers.
pub fn pair(shape: Shape) -> (Conn, Conn) {
    pair_holding(shape, CAPACITY)
}

/// Two conns of which each direction holds this many bytes. With 0 nothing can be sent: a clogged pair.
pub fn pair_holding(shape: Shape, capacity: usize) -> (Conn, Conn) {
    joined(shape, capacity, Address::name("memory:a"), Address::name("memory:b"))
}

/// A pair whose ends carry the given addresses: the dialling end first.
pub fn pair_named(shape: Shape, dialler: Address, listener: Address) -> (Conn, Conn) {
    joined(shape, CAPACITY, dialler, listener)
}

fn joined(shape: Shape, capacity: usize, one: Address, other: Address) -> (Conn, Conn) {
    let (there, back) =
        (Facts::new("memory", other.clone(), one.clone()), Facts::new("memory", one, other));
    let (there, back) = (HalfPipe::new(capacity, there), HalfPipe::new(capacity, back));
    (conn(shape, back.clone(), there.clone()), conn(shape, there, back))
}

fn conn(shape: Shape, from: Arc<HalfPipe>, to: Arc<HalfPipe>) -> Conn {
    Conn::new(from.facts.clone(), shape, Box::new(MemoryEnd { shape, from, to }))
}

/// One direction.
struct HalfPipe {
    capacity: usize,
    /// Those of the conn that receives from it. What is in it is noted there.
    facts: Arc<Facts>,
    state: Mutex<LaneState>,
}

#[derive(Default)]
struct LaneState {
    /// Bytes: one queue in `bytes`. Packets: their lengths in `borders`, their bytes behind each other.
    bytes: VecDeque<u8>,
    borders: VecDeque<usize>,
    is_ended: bool,
    is_reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl LaneState {
    /// Bytes that are in it, and what holding packets costs.
    fn weight(&self) -> usize {
        self.bytes.len() + self.borders.len() * COST
    }
}

impl HalfPipe {
    fn new(capacity: usize, facts: Facts) -> Arc<Self> {
        Arc::new(HalfPipe { capacity, facts: Arc::new(facts), state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_unread(&self, state: &LaneState) {
        self.facts.note_unread(state.weight());
    }

    /// Marks and wakes both sides: whoever waits must see it.
    fn change(&self, change: impl FnOnce(&mut LaneState)) {
        let mut state = self.state();
        change(&mut state);
        self.note_unread(&state);
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// One end.
struct MemoryEnd {
    shape: Shape,
    from: Arc<HalfPipe>,
    to: Arc<HalfPipe>,
}

fn reset() -> Error {
    Error::new(Kind::ConnectionReset, "the peer dropped the connection without goodbye")
}

fn broken() -> Error {
    Error::new(Kind::ConnectionBroken, "the peer is gone")
}

impl MemoryEnd {
    /// Moves what is there into `buf`; none: nothing is there yet.
    fn take(&self, state: &mut LaneState, buf: &mut [u8]) -> Option<Result<Option<usize>>> {
        let length = match self.shape {
            Shape::Bytes if state.bytes.is_empty() => None,
            Shape::Bytes => Some(state.bytes.len().min(buf.len())),
            Shape::Packets => state.borders.pop_front(),
        };
        let Some(length) = length else {
            // As a kernel does: what came before the reset is heard before it.
            if std::mem::take(&mut state.is_reset) {
                state.is_ended = true; // told once; from then on it is over
                return Some(Err(reset()));
            }
            return state.is_ended.then_some(Ok(None));
        };
        if length > buf.len() {
            state.bytes.drain(..length);
            return Some(Err(too_long_to_receive(length, buf.len())));
        }
        let (front, back) = state.bytes.as_slices();
        let from_front = front.len().min(length);
        buf[..from_front].copy_from_slice(&front[..from_front]);
        buf[from_front..length].copy_from_slice(&back[..length - from_front]);
        state.bytes.drain(..length);
        Some(Ok(Some(length)))
    }
}

impl Channel for MemoryEnd {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        // As tokio's own sockets: a task that always finds something still lets the others of its thread run.
        let budget = ready!(coop::poll_proceed(cx));
        let mut state = self.from.state();
        match self.take(&mut state, buf) {
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(taken) => {
                budget.made_progress();
                self.from.note_unread(&state);
                let writer = state.writer.take();
                drop(state);
                writer.into_iter().for_each(Waker::wake);
                Poll::Ready(taken)
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let mut state = self.to.state();
        if state.is_reset || state.is_ended {
            return Poll::Ready(Err(broken()));
        }
        let capacity = self.to.capacity;
        if self.shape == Shape::Packets && buf.len() > capacity && capacity > 0 {
            let text = format!("{} bytes do not fit into one packet of {capacity}", buf.len());
            return Poll::Ready(Err(Error::new(Kind::MessageTooLong, text)));
        }
        let room = capacity.saturating_sub(state.weight());
        let (takes, is_full) = match self.shape {
            Shape::Bytes => (room.min(buf.len()), room == 0 && !buf.is_empty()),
            // The largest packet that may be passes where nothing else is.
            Shape::Packets if state.borders.is_empty() => (buf.len(), capacity == 0),
            Shape::Packets => (buf.len(), room < buf.len() + COST),
        };
        if is_full {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.bytes.extend(&buf[..takes]);
        if self.shape == Shape::Packets {
            state.borders.push_back(takes);
        }
        self.to.note_unread(&state);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(takes))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.to.change(|state| state.is_ended = true);
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.to.change(|state| state.is_reset = true);
        self.from.change(|state| {
            state.is_reset = true;
            state.bytes.clear(); // nothing is heard after an abort of one's own
            state.borders.clear();
        });
    }

    /// As a kernel's TCP does: of a reset it tells, also before what came is read.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut state = self.from.state();
        if state.is_reset {
            return Poll::Ready(Err(reset()));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for MemoryEnd {
    /// As a kernel does: an orderly end, but a reset where the peer's bytes were left unread.
    fn drop(&mut self) {
        let mut from = self.from.state();
        let is_unread = !from.bytes.is_empty() || !from.borders.is_empty();
        from.is_ended = true;
        let writer = from.writer.take();
        drop(from);
        writer.into_iter().for_each(Waker::wake);
        self.to.change(|state| {
            state.is_ended = true;
            state.is_reset |= is_unread;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_keep_their_borders_also_when_empty() {
        let (mut a, mut b) = pair(Shape::Packets);
        for packet in [&b"one"[..], b"", b"three"] {
            a.send(packet).await.expect("room is there");
        }
        a.end().await.expect("an end");
        let mut buf = [0; 16];
        assert_eq!(b.recv(&mut buf).await, Ok(Some(3)));
        assert_eq!(b.recv(&mut buf).await, Ok(Some(0)));
        assert_eq!(b.recv(&mut buf).await, Ok(Some(5)));
        assert_eq!(b.recv(&mut buf).await, Ok(None));
        assert_eq!(b.recv(&mut buf).await, Ok(None));
    }

    #[tokio::test]
    async fn unread_bytes_turn_a_close_into_a_reset() {
        let (mut a, b) = pair(Shape::Bytes);
        a.send(b"unread").await.expect("room is there");
        drop(b);
        let error = a.recv(&mut [0; 8]).await.expect_err("a reset");
        assert_eq!(error.kind(), Kind::ConnectionReset);
    }

    #[tokio::test]
    async fn last_words_are_heard_before_a_reset() {
        let (mut a, mut b) = pair(Shape::Bytes);
        a.send(b"unread").await.expect("room is there");
        b.send(b"last words").await.expect("room is there");
        drop(b);
        let mut buf = [0; 16];
        assert_eq!(a.recv(&mut buf).await, Ok(Some(10)));
        assert_eq!(a.recv(&mut buf).await.expect_err("a reset").kind(), Kind::ConnectionReset);
    }

    #[tokio::test]
    async fn an_abort_of_ones_own_is_the_end_of_hearing() {
        let (mut a, mut b) = pair(Shape::Bytes);
        b.send(b"unheard").await.expect("room is there");
        a.abort();
        assert!(a.recv(&mut [0; 16]).await.is_err());
    }

    /// A conn that is always ready must not keep the other tasks of its thread waiting.
    #[tokio::test]
    async fn a_busy_conn_lets_others_run() {
        let (mut a, mut b) = pair(Shape::Bytes);
        let other = tokio::spawn(async {});
        for _ in 0..10_000 {
            a.send(b"x").await.expect("room is there");
            b.recv(&mut [0; 1]).await.expect("it was sent");
        }
        assert!(other.is_finished());
    }

    #[tokio::test]
    async fn empty_packets_are_not_free() {
        let (mut a, mut b) = pair_holding(Shape::Packets, 10 * COST);
        let mut sent = 0;
        let full = std::future::poll_fn(|cx| {
            while sent < 100 && a.channel().poll_send(cx, b"").is_ready() {
                sent += 1;
            }
            Poll::Ready(b.facts().unread())
        });
        assert_eq!(full.await, 10 * COST);
        assert_eq!(sent, 10);
        assert_eq!(b.recv(&mut [0; 8]).await, Ok(Some(0)));
        assert_eq!((b.facts().unread(), a.facts().unread()), (9 * COST, 0));
        a.send(b"").await.expect("there is room again");
    }

    #[tokio::test]
    async fn a_clogged_pair_takes_nothing() {
        let (mut a, _b) = pair_holding(Shape::Bytes, 0);
        let sent = std::future::poll_fn(|cx| Poll::Ready(a.channel().poll_send(cx, b"x")));
        assert!(sent.await.is_pending());
    }
}
