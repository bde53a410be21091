//! A relay's two directions, in one future: what comes in on one conn goes out on the other, with its end.
//!
//! Faults stand between: what comes in goes through their chain, while one is on; see `bent`.
//!
//! Small reads are copied through a buffer of the thread; reads that fill it go through a kernel pipe (splice(2)), which
//! halves their cost and would raise that of small ones. A link that waits holds nothing but what could not be sent.

mod ahead;
mod bent;
mod chime;
mod copied;
mod glance;
mod pipes;
mod round;
mod spliced;
mod unsent;
mod way;
mod witness;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

pub use self::ahead::Ahead;
use self::glance::Glance;
pub use self::pipes::Pipes;
use self::unsent::Unsent;
use self::way::{Progress, Way};
pub use self::witness::{Broken, Witness};
use crate::chunk::Side;
use crate::conn::Conn;
use crate::error::{Error, Kind};
use crate::fault::{Act, Bend, Hit};
use crate::spec::Shape;

/// Rounds of both directions before other sessions of the thread get their turn.
const ROUNDS: usize = 16;
/// Silence after which nothing more is expected of a peer that cannot be told that we have said all.
const QUIET: Duration = Duration::from_secs(1);
/// Silence after which it is told that the link waits for what follows the end of standard input.
const PUZZLING: Duration = Duration::from_secs(2);
/// Silence after which a link that is asked to end takes it that the accepted side has said all.
const LULL: Duration = Duration::from_millis(250);

/// How a link came to its end in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// Both sides had said all, or were asked to end.
    SaidAll,
    /// The same, and this side was still speaking when the other had said all. Whether that was heard is not known.
    SaidLate(Side),
    /// What this side still had to say was not taken any more.
    Refused(Side),
    /// This side said nothing for as long as its conn, or the other's, is patient after the other side's end.
    Silent(Side),
}

/// Runs until both sides have said all, or one of them failed. A plain future of what it must remember: thousands lie
/// idle.
pub fn run<'a>(
    downstream: &'a mut Conn,
    upstream: &'a mut Conn,
    ahead: Ahead,
    bend: Bend,
    witness: &'a impl Witness,
) -> impl Future<Output = Result<LinkEnd, Broken>> + Send + 'a {
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
    finish: LinkEnd,
    /// It was told that the link waits for what follows the end of standard input.
    is_wait_told: bool,
    /// What is known of sides that are not read from.
    glance: Glance,
    /// The session's hold on the knobs.
    bend: Bend,
}

impl Link {
    fn new(ahead: Ahead, bend: Bend) -> Self {
        let Ahead { waiting, has_ended } = ahead;
        let mut up = Way::from(Side::Downstream);
        up.waiting = waiting.is_something.then(|| Box::new(waiting));
        let down = Way::from(Side::Upstream);
        Link {
            up,
            down,
            is_ups_turn: true,
            had_ended: Some(has_ended),
            quiet: None,
            finish: LinkEnd::SaidAll,
            is_wait_told: false,
            glance: Glance::default(),
            bend,
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut Conn,
        upstream: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<LinkEnd, Broken>> {
        self.heed_knobs(cx, witness)?;
        if let Some(had_ended) = self.had_ended.take() {
            self.begin(downstream, had_ended, witness);
        }
        for _ in 0..ROUNDS {
            let late = self.speaks_late();
            let has_moved = self.take_turns(cx, downstream, upstream, witness)?;
            if let (Some(side), LinkEnd::SaidAll, true) = (late, self.finish, has_moved) {
                self.finish = LinkEnd::SaidLate(side);
            }
            let has_closed = self.heed_close();
            if self.up.is_left() || self.down.is_left() || self.up.is_over() && self.down.is_over()
            {
                return Poll::Ready(Ok(self.finish()));
            }
            if has_moved || has_closed {
                self.quiet = None;
                self.glance.moved();
                continue;
            }
            if self.poll_rest(cx, downstream, upstream).is_ready() {
                continue;
            }
            witness.holds(self.up.held() + self.down.held());
            let ways = [(&self.up, &mut *downstream), (&self.down, &mut *upstream)];
            if let Poll::Ready(broken) = self.glance.poll(cx, ways) {
                return Poll::Ready(Err(broken));
            }
            if ready!(self.poll_silence(cx, downstream, upstream, witness)) {
                return Poll::Ready(Ok(self.finish()));
            }
        }
        witness.holds(self.up.held() + self.down.held());
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
        (self.up.is_alone, self.down.is_alone) = (self.down.is_over(), self.up.is_over());
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
        if let Some((silent, patience)) = self.is_waited_for(downstream, upstream) {
            ready!(self.poll_quiet(cx, patience));
            return Poll::Ready(self.end_silence(silent, patience, witness));
        }
        if !witness.is_asked_to_end() || !self.up.is_listening() {
            let Some(side) = self.is_behind_input(downstream, upstream) else {
                return Poll::Pending;
            };
            ready!(self.poll_quiet(cx, PUZZLING));
            (self.is_wait_told, self.quiet) = (true, None);
            witness.waits_for(side);
            return Poll::Ready(false);
        }
        ready!(self.poll_quiet(cx, LULL));
        witness.ends_as_asked();
        self.up.end_behind_all(witness);
        self.quiet = None;
        Poll::Ready(false)
    }

    /// The side that alone may still say something, where the other is standard input and nobody has been told of the wait.
    fn is_behind_input(&self, downstream: &Conn, upstream: &Conn) -> Option<Side> {
        let (side, other) = match (self.up.is_over(), self.down.is_over()) {
            (true, false) if self.down.is_listening() => (Side::Upstream, downstream),
            (false, true) if self.up.is_listening() => (Side::Downstream, upstream),
            _ => return None,
        };
        (!self.is_wait_told && other.facts().patience().is_some()).then_some(side)
    }

    fn finish(&self) -> LinkEnd {
        match (self.up.stage, self.down.stage) {
            (Progress::Refused, _) => LinkEnd::Refused(Side::Downstream),
            (_, Progress::Refused) => LinkEnd::Refused(Side::Upstream),
            _ => self.finish,
        }
    }

    /// The side that is listened to although the other has said all.
    fn speaks_late(&self) -> Option<Side> {
        match (self.up.stage, self.down.stage) {
            (Progress::Open, Progress::Over) => Some(Side::Downstream),
            (Progress::Over, Progress::Open) => Some(Side::Upstream),
            _ => None,
        }
    }

    /// The side that alone may still say something, and how long it may be silent, where one of the two is made of the
    /// standard streams.
    fn is_waited_for(&self, downstream: &Conn, upstream: &Conn) -> Option<(Side, Duration)> {
        let silent = match (self.up.is_over(), self.down.is_over()) {
            (false, true) if self.up.is_listening() => Side::Downstream,
            (true, false) if self.down.is_listening() => Side::Upstream,
            _ => return None,
        };
        let (its, other) = match silent {
            Side::Downstream => (downstream, upstream),
            Side::Upstream => (upstream, downstream),
        };
        let input = its.facts().patience().map(|patience| patience.input);
        let answer = || other.facts().patience().and_then(|patience| patience.answer);
        Some((silent, input.or_else(answer)?))
    }

    /// Ends a side in order that was silent for too long. True: at once, as a person types there, who is not waited for.
    fn end_silence(&mut self, silent: Side, patience: Duration, witness: &dyn Witness) -> bool {
        self.quiet = None;
        if patience.is_zero() {
            return true;
        }
        self.finish = LinkEnd::Silent(silent);
        let way = if silent == Side::Downstream { &mut self.up } else { &mut self.down };
        way.end_behind_all(witness);
        false
    }

    /// Lets a side rest that is not read from until what it sent has gone, and for which nothing waits: all that it sends
    /// on would wake us for nothing. A side for which something waits tells of its room alone. Ready where one has room by
    /// now.
    fn poll_rest(
        &self,
        cx: &mut Context<'_>,
        downstream: &mut Conn,
        upstream: &mut Conn,
    ) -> Poll<()> {
        let mut has_room = false;
        for (way, back, from) in
            [(&self.up, &self.down, downstream), (&self.down, &self.up, upstream)]
        {
            let Some(kernel) = from.channel().kernel().filter(|_| way.pipe.is_some()) else {
                continue;
            };
            if !back.is_sending() {
                kernel.rest();
            } else if back.pipe.is_some() {
                // A failure is told by the write that meets it.
                has_room |= kernel.poll_room(cx).is_ready();
            }
        }
        if has_room { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_quiet(&mut self, cx: &mut Context<'_>, silence: Duration) -> Poll<()> {
        self.quiet.get_or_insert_with(|| Box::pin(sleep(silence))).as_mut().poll(cx)
    }

    /// Makes the chains what the knobs say, if they were turned. An error: a fault has shut the door.
    fn heed_knobs(&mut self, cx: &mut Context<'_>, witness: &dyn Witness) -> Result<(), Broken> {
        if self.bend.is_stale() {
            let chains = [&mut self.up.chain, &mut self.down.chain];
            let now = witness.clock().now();
            if let Some(kind) = self.bend.refresh(witness.peer(), cx.waker(), now, chains) {
                witness.hit(Side::Downstream, Hit { kind, act: Act::Aborted });
                let error = Error::new(Kind::Fault, format!("torn down by the fault {kind}"));
                return Err(Broken { side: Side::Downstream, error });
            }
        }
        Ok(())
    }

    /// Puts what was read ahead through the faults, and notes an end that was read ahead.
    fn begin(&mut self, downstream: &Conn, had_ended: bool, witness: &dyn Witness) {
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
    fn heed_close(&mut self) -> bool {
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

#[cfg(test)]
mod tests;
