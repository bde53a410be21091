//! A relay's two directions, in one future: what comes in on one conn goes out on the other, with its end.
//!
//! Faults stand between: what comes in goes through their chain, while one is on; see `bent`.
//!
//! Small reads are copied through a buffer of the thread; reads that fill it go through a kernel pipe (splice(2)), which
//! halves their cost and would raise that of small ones. A link that waits holds nothing but what could not be sent.

mod ahead;
mod bent;
mod copied;
mod spliced;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

pub use self::ahead::Ahead;
use self::copied::Unsent;
pub use self::spliced::Pipes;
use self::spliced::{LentPipe, are_bare};
use crate::chunk::Side;
use crate::clock::Clock;
use crate::conn::{Conn, Kernel, scratch};
use crate::error::{Error, Kind, Result};
use crate::fault::{Bend, Chain, Hit};

/// Rounds of both directions before other sessions of the thread get their turn.
const ROUNDS: usize = 16;
/// Silence after which nothing more is expected of a peer that cannot be told that we have said all.
const QUIET: Duration = Duration::from_secs(1);
/// Silence after which a link that is asked to end takes it that the accepted side has said all.
const LULL: Duration = Duration::from_millis(250);

/// Is told what only the link sees, and tells the link what only its owner knows.
pub trait Witness: Sync {
    /// This side has said all, and the other is about to hear so.
    fn ended(&self, by: Side);
    /// This side takes no more. What it still says is passed on.
    fn broke(&self, by: Side);
    /// A packet was larger than the other side carries, and was dropped.
    fn too_large(&self);
    /// Bytes that wait in buffers and pipes.
    fn holds(&self, bytes: usize);
    /// Whether the link is to come to an end in order, as soon as that cuts nothing short.
    fn is_asked_to_end(&self) -> bool;
    /// The link ends because it was asked to: the dialled side is told that no more will come.
    fn ends_as_asked(&self);
    /// A fault did something to what this side said.
    fn hit(&self, from: Side, hit: Hit);
    /// A fault has ended both directions.
    fn closed_by(&self, fault: &'static str);
    /// The clock that faults go by.
    fn clock(&self) -> Clock;
    /// The pipes that bytes may be spliced through; none: they are copied.
    fn pipes(&self) -> Option<&Pipes>;
}

/// A conn failed, and with it the link. The other is its owner's to tear down.
#[derive(Debug)]
pub struct Broken {
    /// Whose conn.
    pub side: Side,
    /// How.
    pub error: Error,
}

/// Runs until both sides have said all, or one of them failed. A plain future of what it must remember: thousands lie
/// idle.
pub fn run<'a>(
    downstream: &'a mut Conn,
    upstream: &'a mut Conn,
    ahead: Ahead,
    bend: Bend,
    witness: &'a impl Witness,
) -> impl Future<Output = Result<(), Broken>> + Send + 'a {
    let mut link = Link::new(ahead, bend);
    poll_fn(move |cx| link.poll(cx, downstream, upstream, witness))
}

struct Link {
    up: Way,
    down: Way,
    is_ups_turn: bool,
    /// Until it is first polled: whether the accepted side has said all already.
    had_ended: Option<bool>,
    /// Since when nothing has come from a peer that will not say when it has said all.
    quiet: Option<Pin<Box<Sleep>>>,
    /// The session's hold on the knobs.
    bend: Bend,
}

impl Link {
    fn new(ahead: Ahead, bend: Bend) -> Self {
        let Ahead { waiting, has_ended } = ahead;
        let mut up = Way::from(Side::Downstream);
        up.waiting = waiting.is_something.then(|| Box::new(waiting));
        let down = Way::from(Side::Upstream);
        Link { up, down, is_ups_turn: true, had_ended: Some(has_ended), quiet: None, bend }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut Conn,
        upstream: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<(), Broken>> {
        self.heed_knobs(cx, witness);
        if let Some(had_ended) = self.had_ended.take() {
            self.begin(downstream, had_ended, witness);
        }
        for _ in 0..ROUNDS {
            let has_moved = self.take_turns(cx, downstream, upstream, witness)?;
            let has_closed = self.heed_close();
            if self.up.is_left() || self.down.is_left() || self.up.is_over() && self.down.is_over()
            {
                return Poll::Ready(Ok(()));
            }
            if has_moved || has_closed {
                self.quiet = None;
                continue;
            }
            self.let_rest(downstream, upstream);
            witness.holds(self.up.held() + self.down.held());
            if ready!(self.poll_silence(cx, downstream, upstream, witness)) {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Polls each direction once; the one that was second is first the next time. True: something has moved.
    fn take_turns(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut Conn,
        upstream: &mut Conn,
        witness: &dyn Witness,
    ) -> Result<bool, Broken> {
        let mut has_moved = false;
        for is_up in [self.is_ups_turn, !self.is_ups_turn] {
            let round = if is_up {
                self.up.poll_round(cx, downstream, upstream, witness)
            } else {
                self.down.poll_round(cx, upstream, downstream, witness)
            };
            has_moved |= round?.is_ready();
        }
        self.is_ups_turn = !self.is_ups_turn;
        Ok(has_moved)
    }

    /// Ready when nothing has moved for long enough to mean something. True: it was the end.
    fn poll_silence(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &Conn,
        upstream: &Conn,
        witness: &dyn Witness,
    ) -> Poll<bool> {
        let is_unheard = self.up.is_over() && !upstream.facts().has_end
            || self.down.is_over() && !downstream.facts().has_end;
        if is_unheard {
            if self.up.is_bending() || self.down.is_bending() {
                return Poll::Pending;
            }
            return self.poll_quiet(cx, QUIET).map(|()| true);
        }
        if !witness.is_asked_to_end() || !self.up.is_listening() {
            return Poll::Pending;
        }
        ready!(self.poll_quiet(cx, LULL));
        witness.ends_as_asked();
        self.up.end_behind_all(witness);
        self.quiet = None;
        Poll::Ready(false)
    }

    /// Lets a side rest that is not read from until what it sent has gone, and for which nothing waits: all that it sends
    /// on would wake us for nothing.
    fn let_rest(&self, downstream: &mut Conn, upstream: &mut Conn) {
        for (way, back, from) in
            [(&self.up, &self.down, downstream), (&self.down, &self.up, upstream)]
        {
            if way.pipe.is_some() && !back.is_sending() {
                from.channel().kernel().into_iter().for_each(Kernel::rest);
            }
        }
    }

    fn poll_quiet(&mut self, cx: &mut Context<'_>, silence: Duration) -> Poll<()> {
        self.quiet.get_or_insert_with(|| Box::pin(sleep(silence))).as_mut().poll(cx)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// More may come.
    Open,
    /// Nothing more comes, but the faults are not done with what came.
    Passing,
    /// Nothing more comes; the other side is to be told, once it has all.
    Ending,
    /// It was told, or takes no more.
    Over,
}

/// One direction.
struct Way {
    from: Side,
    stage: Progress,
    /// Its sender is gone, and cannot be told anything either.
    is_gone: bool,
    /// Only while it is used: an idle link has none.
    waiting: Option<Box<Unsent>>,
    full_reads: u8,
    small_reads: u8,
    is_spliced: bool,
    /// Only while something is in it.
    pipe: Option<Box<LentPipe>>,
    /// Only while a fault is on, or what one held is on its way.
    chain: Option<Box<Chain>>,
    timer: Option<Box<bent::Timer>>,
    /// A fault has ended it, and the other direction has not heard yet.
    is_cut: bool,
}

impl Way {
    fn from(from: Side) -> Self {
        Way {
            from,
            stage: Progress::Open,
            is_gone: false,
            waiting: None,
            full_reads: 0,
            small_reads: 0,
            is_spliced: false,
            pipe: None,
            chain: None,
            timer: None,
            is_cut: false,
        }
    }

    fn to(&self) -> Side {
        match self.from {
            Side::Downstream => Side::Upstream,
            Side::Upstream => Side::Downstream,
        }
    }

    fn is_over(&self) -> bool {
        self.stage == Progress::Over
    }

    /// Whether something was received and could not be sent yet.
    fn is_holding(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.is_something)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.waiting.get_or_insert_default().keep(bytes);
    }

    /// Whether it waits for its receiver.
    fn is_sending(&self) -> bool {
        self.pipe.is_some() || self.is_holding() || self.stage == Progress::Ending
    }

    /// Whether it waits for more to come, and not for room for what came: then silence says nothing of its sender.
    fn is_listening(&self) -> bool {
        self.stage == Progress::Open && !self.is_holding() && self.pipe.is_none()
    }

    fn held(&self) -> usize {
        let waiting = self.waiting.as_ref().map_or(0, |waiting| waiting.bytes.capacity());
        let piped = self.pipe.as_ref().map_or(0, |pipe| pipe.filled());
        waiting + piped + self.chain.as_ref().map_or(0, |chain| chain.held())
    }

    /// Moves one thing; pending where nothing can be moved.
    fn poll_round(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<(), Broken>> {
        // What was taken out of a pipe goes before what is still in it.
        if self.is_holding() {
            let sent = ready!(self.poll_send_waiting(cx, to, witness));
            return Poll::Ready(self.unless_broken(sent, witness));
        }
        if self.pipe.is_some() {
            let poured = ready!(self.poll_pour(cx, to));
            return Poll::Ready(self.unless_broken(poured, witness));
        }
        match self.stage {
            Progress::Over => Poll::Pending,
            Progress::Open | Progress::Passing if self.chain.is_some() => {
                self.poll_bent(cx, from, to, witness)
            }
            Progress::Ending | Progress::Passing => {
                let ended = ready!(to.channel().poll_end(cx));
                self.stage = Progress::Over;
                Poll::Ready(self.unless_broken(ended, witness))
            }
            Progress::Open => self.poll_receive(cx, from, to, witness),
        }
    }

    /// Flushes before the wait. A failure counts at once, because the sender may have nothing more to say that would fail.
    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<(), Broken>> {
        match to.channel().poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(self.unless_broken(Err(error), witness)),
            _ => Poll::Pending,
        }
    }

    /// A side that takes no more may still be saying its last words, so this direction alone is over.
    fn unless_broken(&mut self, sent: Result<()>, witness: &dyn Witness) -> Result<(), Broken> {
        match sent {
            Err(error) if is_closed(error.kind()) => {
                witness.broke(self.to());
                self.waiting = None;
                (self.pipe, self.chain, self.timer) = (None, None, None);
                self.stage = Progress::Over;
                Ok(())
            }
            Err(error) => Err(Broken { side: self.to(), error }),
            Ok(()) => Ok(()),
        }
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<(), Broken>> {
        self.is_spliced = self.is_spliced && are_bare(from, to);
        let received = if self.is_spliced {
            self.poll_fill(cx, from, witness)
        } else {
            scratch::with_large(|buffer| self.poll_copy(cx, from, to, buffer, witness))
        };
        match received {
            Poll::Pending => {
                // An idle link holds no buffer.
                self.waiting = None;
                self.poll_flush(cx, to, witness)
            }
            Poll::Ready(Ok(Some(passed))) => Poll::Ready(self.unless_broken(passed, witness)),
            Poll::Ready(Ok(None)) => {
                self.end(from, witness);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) if error.kind() == Kind::MessageTooLong => {
                witness.too_large();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Broken { side: self.from, error })),
        }
    }

    /// Its sender has said all.
    fn end(&mut self, from: &Conn, witness: &dyn Witness) {
        witness.ended(self.from);
        self.end_behind_all(witness);
        // Where the medium has no ends, this is our own word that the peer was silent for too long.
        self.is_gone = !from.facts().has_end;
    }
}

fn is_closed(kind: Kind) -> bool {
    matches!(kind, Kind::ConnectionReset | Kind::ConnectionBroken)
}

#[cfg(test)]
mod tests;
