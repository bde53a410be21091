//! The faults of one direction of one session, one behind the other, each with its queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::active::{ActiveSetting, Hits};
use super::log::{Logged, Logger};
use super::trigger::{Trigger, Turn};
use crate::chunk::Chunk;
use crate::fault::outbox::{Act, Item, NEVER, Outbox, PLACE, weight};
use crate::fault::{Chance, Fault};

/// A row of faults. What comes in at the front goes through all of them; what is to be done now comes out at the back.
///
/// It does nothing by itself: it is driven with the time as an argument.
#[derive(Default)]
pub struct Chain {
    stages: Vec<ChainStep>,
    /// What faults that were taken away still had, and nobody stands behind them.
    freed: VecDeque<Item>,
    hits: Vec<Hit>,
}

/// What a fault did, to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The fault.
    pub kind: &'static str,
    /// What it did.
    pub act: Act,
}

/// One fault with its trigger and its queue.
pub(super) struct ChainStep {
    pub(super) plan: Arc<ActiveSetting>,
    /// Its place among the faults of the setting.
    pub(super) index: usize,
    fault: Box<dyn Fault>,
    trigger: Trigger,
    out: Outbox,
    hold: usize,
    hits: Arc<Hits>,
    log: Option<Logger>,
}

impl Chain {
    /// Whether there is nothing in it that could bend anything, nor anything left to pass on.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty() && self.freed.is_empty()
    }

    /// Whether something is on its way.
    pub fn is_holding(&self) -> bool {
        !self.freed.is_empty() || self.stages.iter().any(|stage| stage.out.due().is_some())
    }

    /// Bytes on their way, and what holding them costs.
    pub fn held(&self) -> usize {
        let freed: usize = self.freed.iter().map(weight).sum();
        freed + self.stages.iter().map(|stage| stage.out.weight()).sum::<usize>()
    }

    /// The same of the last fault alone.
    #[cfg(test)]
    pub(super) fn held_last(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.out.weight())
    }

    /// How many bytes may come in now; 0: the sender has to wait.
    pub fn room(&self) -> usize {
        let has_closed = self.stages.iter().any(|stage| stage.out.has_closed);
        if has_closed || !self.freed.is_empty() {
            return 0;
        }
        self.stages.first().map_or(usize::MAX, ChainStep::room)
    }

    /// Bytes of a stream, or a packet, come in.
    pub fn push(&mut self, bytes: Bytes, is_packet: bool, now: Duration) {
        self.feed(0, Item::Chunk(Chunk { bytes, at: 0, is_packet }), now);
    }

    /// Nothing more comes in.
    pub fn end(&mut self, now: Duration) {
        self.feed(0, Item::End { by: None }, now);
    }

    /// What is to be done now, one thing at a time.
    pub fn take(&mut self, now: Duration) -> Option<Item> {
        if let Some(item) = self.freed.pop_front() {
            return Some(item);
        }
        self.settle(now);
        let last = self.stages.len().checked_sub(1)?;
        self.leave(last, usize::MAX, now)
    }

    /// When there will be something to do, if nothing comes in.
    pub fn wake(&self) -> Option<Duration> {
        if !self.freed.is_empty() {
            return Some(Duration::ZERO);
        }
        let wakes = self.stages.iter().enumerate().filter_map(|(at, stage)| {
            // What cannot go on has to wait for room, and not for its time, which has come.
            let can_leave = self.stages.get(at + 1).is_none_or(|next| next.room() > 0);
            stage.wake(can_leave)
        });
        wakes.min()
    }

    /// What the faults did since this was asked last.
    pub fn hits(&mut self) -> impl Iterator<Item = Hit> {
        self.hits.drain(..)
    }

    /// Moves what is due from each fault to the next.
    fn settle(&mut self, now: Duration) {
        for stage in &mut self.stages {
            stage.tick(now, &mut self.hits);
        }
        loop {
            let mut has_moved = false;
            for at in (1..self.stages.len()).rev() {
                loop {
                    let room = self.stages[at].room();
                    if room == 0 {
                        break;
                    }
                    let Some(item) = self.leave(at - 1, room, now) else { break };
                    self.feed(at, item, now);
                    has_moved = true;
                }
            }
            if !has_moved {
                return;
            }
        }
    }

    fn feed(&mut self, at: usize, item: Item, now: Duration) {
        match self.stages.get_mut(at) {
            Some(stage) => stage.feed(item, now, &mut self.hits),
            None => self.freed.push_back(item),
        }
    }

    /// What is due at a fault, of a stream at most so many bytes.
    fn leave(&mut self, at: usize, most: usize, now: Duration) -> Option<Item> {
        let stage = &mut self.stages[at];
        let (item, held) = stage.out.take(now, most)?;
        if !held.is_zero() && matches!(item, Item::Chunk(_)) {
            let (kind, act) = (stage.kind(), Act::Held(held));
            // What goes at one time was held once.
            match self.hits.last_mut() {
                Some(Hit { kind: last, act: Act::Held(time) }) if *last == kind => {
                    *time = held.max(*time);
                }
                _ => self.hits.push(Hit { kind, act }),
            }
        }
        Some(item)
    }

    /// Becomes the row of these faults. One that stays keeps what it holds; what others hold goes on at once, in order.
    pub(super) fn become_row(&mut self, wanted: Vec<Wanted>, now: Duration) {
        let mut old: VecDeque<ChainStep> = std::mem::take(&mut self.stages).into();
        let mut row: Vec<ChainStep> = Vec::new();
        let mut gone: Vec<(usize, ChainStep)> = Vec::new();
        for wanted in wanted {
            let stays = old.iter().position(|stage| wanted.is(stage));
            match stays {
                Some(at) => {
                    gone.extend(old.drain(..at).map(|stage| (row.len(), stage)));
                    row.extend(old.pop_front());
                }
                None => row.extend(wanted.make(now)),
            }
        }
        let behind = row.len();
        gone.extend(old.into_iter().map(|stage| (behind, stage)));
        self.stages = row;
        // From the back, so that nothing overtakes. What one that is gone held goes to the next that was there before.
        for (next, mut stage) in gone.into_iter().rev() {
            for item in stage.out.empty() {
                self.feed(next, item, now);
            }
        }
    }
}

/// A fault as a chain is to have it.
pub(super) struct Wanted {
    pub(super) plan: Arc<ActiveSetting>,
    pub(super) index: usize,
    pub(super) chance: Chance,
    pub(super) hits: Arc<Hits>,
    pub(super) log: Option<Logger>,
}

impl Wanted {
    fn is(&self, stage: &ChainStep) -> bool {
        Arc::ptr_eq(&self.plan, &stage.plan) && self.index == stage.index
    }

    fn make(self, now: Duration) -> Option<ChainStep> {
        let (row, _) = self.plan.setting.faults()[self.index];
        let fault = self.plan.setting.flow(self.index, self.chance)?;
        let mut out = Outbox::new(row.spec.name, row.claims.keeps_order);
        out.logs = self.log.is_some();
        Some(ChainStep {
            trigger: Trigger::new(self.plan.setting.rules(), now),
            hold: self.plan.setting.hold(self.index, fault.needs()),
            index: self.index,
            plan: self.plan,
            fault,
            out,
            hits: self.hits,
            log: self.log,
        })
    }
}

impl ChainStep {
    fn kind(&self) -> &'static str {
        self.plan.setting.faults()[self.index].0.spec.name
    }

    /// Bytes that may come in. Where each piece of them costs more than its bytes, so many fewer.
    fn room(&self) -> usize {
        let left = self.hold.saturating_sub(self.out.weight());
        match self.fault.piece() {
            Some(piece) if left > 0 && !self.plan.is_packets() => fitting(left, piece.max(1)),
            _ => left,
        }
    }

    fn feed(&mut self, item: Item, now: Duration, told: &mut Vec<Hit>) {
        self.out.begin(now);
        if item == (Item::End { by: None }) {
            // It may be all that ever comes.
            self.turn(now, self.plan.is_packets(), true);
        }
        match item {
            Item::Chunk(chunk) => self.feed_chunk(chunk, now),
            Item::End { by: None } if self.trigger.is_open() => {
                self.out.is_ending = true;
                self.fault.end(now, &mut self.out);
                self.out.is_ending = false;
            }
            other => self.out.pass(other),
        }
        self.tell(told);
    }

    fn feed_chunk(&mut self, mut chunk: Chunk, now: Duration) {
        let is_packet = chunk.is_packet;
        loop {
            let mut length = self.trigger.look(&chunk, now);
            self.turn(now, is_packet, true);
            if self.trigger.is_open() {
                // It may have turned just now, and looks further.
                length = self.trigger.look(&chunk, now);
            }
            let at = self.trigger.at(is_packet);
            let rest = if is_packet { Bytes::new() } else { chunk.bytes.split_off(length) };
            let part = Chunk { bytes: std::mem::replace(&mut chunk.bytes, rest), at, is_packet };
            self.trigger.note(&part);
            if self.trigger.is_open() {
                self.fault.chunk(part, now, &mut self.out);
            } else {
                self.out.pass(Item::Chunk(part));
            }
            if chunk.bytes.is_empty() {
                break;
            }
        }
        // At the very byte, and not with the next.
        self.turn(now, is_packet, false);
    }

    fn turn(&mut self, now: Duration, is_packet: bool, has_come: bool) {
        while let Some(turn) = self.trigger.turn(now, has_come) {
            match turn {
                Turn::Opened => self.fault.begin(self.trigger.at(is_packet), now, &mut self.out),
                Turn::Over => self.out.release(),
            }
        }
    }

    /// What time alone brings.
    fn tick(&mut self, now: Duration, told: &mut Vec<Hit>) {
        self.out.begin(now);
        self.turn(now, self.plan.is_packets(), self.fault.is_prompt());
        if self.out.take_wake(now) {
            self.fault.wake(now, &mut self.out);
        }
        self.tell(told);
    }

    fn tell(&mut self, told: &mut Vec<Hit>) {
        if self.out.is_hit {
            self.hits.count();
        }
        let kind = self.kind();
        told.extend(self.out.acts.drain(..).map(|act| Hit { kind, act }));
        if let Some(Logger { log, session, direction }) = &self.log {
            for decision in self.out.decisions.drain(..) {
                let (session, direction) = (*session, *direction);
                log.decided(&Logged { session, direction, fault: kind, decision });
            }
        }
    }

    fn wake(&self, can_leave: bool) -> Option<Duration> {
        let due = self.out.due().filter(|due| can_leave && *due != NEVER);
        [due, self.out.wake(), self.trigger.wake()].into_iter().flatten().min()
    }
}

/// How many bytes weigh `left` at most when they are held in pieces of so many; one at least.
fn fitting(left: usize, piece: usize) -> usize {
    let bytes = left as u128 * piece as u128 / (piece as u128 + PLACE as u128);
    usize::try_from(bytes).unwrap_or(usize::MAX).max(1)
}
