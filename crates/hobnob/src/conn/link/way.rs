//! One direction of a link: what it holds, and how it comes to its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use super::chime::Waits;
use super::pipes::LentPipe;
use super::unsent::Unsent;
use super::witness::{Broken, Witness};
use crate::chunk::Side;
use crate::conn::Conn;
use crate::error::{Error, Kind, Result};
use crate::fault::Chain;

/// One direction.
#[expect(clippy::struct_excessive_bools, reason = "four questions about one direction")]
pub(super) struct Way {
    pub(super) from: Side,
    pub(super) stage: Progress,
    /// Its sender is gone, and cannot be told anything either.
    pub(super) is_gone: bool,
    /// The other direction is over.
    pub(super) is_alone: bool,
    /// Only while it is used: an idle link has none.
    pub(super) waiting: Option<Box<Unsent>>,
    pub(super) full_reads: u8,
    pub(super) small_reads: u8,
    pub(super) is_spliced: bool,
    /// Only while something is in it.
    pub(super) pipe: Option<Box<LentPipe>>,
    /// Only while a fault is on, or what one held is on its way.
    pub(super) chain: Option<Box<Chain>>,
    pub(super) timer: Option<Box<Timer>>,
    /// A fault has ended it, and the other direction has not heard yet.
    pub(super) is_cut: bool,
    /// Nothing vouches for the end of its sender, as this error says.
    pub(super) cut_short: Option<Box<Error>>,
}

/// How far a direction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// More may come.
    Open,
    /// Nothing more comes, but the faults are not done with what came.
    Passing,
    /// Nothing more comes; the other side is to be told, once it has all.
    Ending,
    /// It was told.
    Over,
    /// It takes no more, although there was more or an end to tell.
    Refused,
}

/// Why a direction does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deafness {
    /// Its receiver is slow. What was said is still to be passed on, as long as the receiver takes something.
    Waits,
    /// Its sender has said all, or faults hold all that they may.
    Held,
}

/// When the chain has something to do again.
pub(super) struct Timer {
    pub(super) wake: Duration,
    pub(super) sleep: Pin<Box<Sleep>>,
    /// Where it comes soon: the same to the tenth of a millisecond.
    pub(super) _chime: Option<Waits>,
}

impl Way {
    pub(super) fn from(from: Side) -> Self {
        Way {
            from,
            stage: Progress::Open,
            is_gone: false,
            is_alone: false,
            waiting: None,
            full_reads: 0,
            small_reads: 0,
            is_spliced: false,
            pipe: None,
            chain: None,
            timer: None,
            is_cut: false,
            cut_short: None,
        }
    }

    pub(super) fn to(&self) -> Side {
        match self.from {
            Side::Downstream => Side::Upstream,
            Side::Upstream => Side::Downstream,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Progress::Over | Progress::Refused)
    }

    /// Whether something was received and could not be sent yet.
    pub(super) fn is_holding(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.is_something)
    }

    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.waiting.get_or_insert_default().keep(bytes);
    }

    /// Whether it waits for its receiver.
    pub(super) fn is_sending(&self) -> bool {
        self.pipe.is_some() || self.is_holding() || self.stage == Progress::Ending
    }

    /// Whether it waits for more to come, and not for room for what came: then silence says nothing of its sender.
    pub(super) fn is_listening(&self) -> bool {
        self.stage == Progress::Open && !self.is_holding() && self.pipe.is_none()
    }

    /// Why its sender is not read from, if it is not: then no read would tell that the sender is gone.
    pub(super) fn deafness(&self) -> Option<Deafness> {
        if self.is_holding() || self.pipe.is_some() || self.stage == Progress::Ending {
            return Some(Deafness::Waits);
        }
        let is_held = match (&self.chain, self.stage) {
            (_, Progress::Over | Progress::Refused) => true,
            (Some(chain), Progress::Open) => chain.room() == 0,
            // What time alone lets go will be passed on, and then the direction is over.
            (Some(chain), Progress::Passing) => chain.wake().is_none(),
            _ => false,
        };
        is_held.then_some(Deafness::Held)
    }

    pub(super) fn held(&self) -> usize {
        let waiting = self.waiting.as_ref().map_or(0, |waiting| waiting.bytes.capacity());
        let piped = self.pipe.as_ref().map_or(0, |pipe| pipe.filled());
        waiting + piped + self.chain.as_ref().map_or(0, |chain| chain.held())
    }

    /// Flushes before the wait. A failure counts at once, because the sender may have nothing more to say that would fail.
    pub(super) fn poll_flush(
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

    /// A side that takes no more may still be saying its last words, so this direction alone is over. Where that side has
    /// said all, nothing is left of it: its reset is passed on.
    pub(super) fn unless_broken(
        &mut self,
        sent: Result<()>,
        witness: &dyn Witness,
    ) -> Result<(), Broken> {
        match sent {
            Err(error) if is_closed(error.kind()) && !self.is_alone => {
                witness.broke(self.to());
                self.waiting = None;
                (self.pipe, self.chain, self.timer) = (None, None, None);
                self.stage = Progress::Refused;
                Ok(())
            }
            Err(error) => Err(Broken { side: self.to(), error }),
            Ok(()) => Ok(()),
        }
    }

    /// Its sender has said all.
    pub(super) fn end(&mut self, from: &Conn, witness: &dyn Witness) {
        witness.ended(self.from);
        if self.from == Side::Downstream && witness.is_accepted_cut_short() {
            self.cut_short =
                Some(Box::new(Error::new(Kind::TlsTruncated, "the end may be missing")));
        }
        self.end_behind_all(witness);
        // Where the medium has no ends, this is our own word that the peer was silent for too long.
        self.is_gone = !from.facts().has_end;
    }

    /// A receive has failed. True: all that came before is to be passed on, and then that its end may be missing.
    pub(super) fn ends_short(&mut self, error: &Error, witness: &dyn Witness) -> bool {
        let is_short = error.kind() == Kind::TlsTruncated;
        if is_short {
            witness.was_cut_short(self.from);
            self.cut_short = Some(Box::new(error.clone()));
            self.end_behind_all(witness);
        }
        is_short
    }

    /// Tells the other side that its sender has said all, or that more may be missing.
    ///
    /// A medium that has no word for that but a reset is told so of what the dialled side said, which it has by then. Of
    /// what the accepted side said it is told as of an end in order: a reset would take the answer away.
    pub(super) fn poll_tell_end(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<(), Broken>> {
        let mut told = Ok(());
        let mut is_told = false;
        if let Some(error) = &self.cut_short {
            match ready!(to.channel().poll_cut_short(cx)) {
                Ok(false) if self.from == Side::Upstream => {
                    return Poll::Ready(Err(Broken { side: self.from, error: (**error).clone() }));
                }
                Ok(was_cut_short) => is_told = was_cut_short,
                Err(error) => (is_told, told) = (true, Err(error)),
            }
        }
        if !is_told {
            told = ready!(to.channel().poll_end(cx));
        }
        self.stage = Progress::Over;
        Poll::Ready(self.unless_broken(told, witness))
    }

    /// Whether faults still have something that is to be passed on.
    pub(super) fn is_bending(&self) -> bool {
        let is_open = matches!(self.stage, Progress::Open | Progress::Passing);
        is_open && self.chain.as_ref().is_some_and(|chain| chain.is_holding())
    }

    /// Whether a fault has ended it, and its receiver has heard.
    pub(super) fn is_closed(&self) -> bool {
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
}

fn is_closed(kind: Kind) -> bool {
    matches!(kind, Kind::ConnectionReset | Kind::ConnectionBroken)
}
