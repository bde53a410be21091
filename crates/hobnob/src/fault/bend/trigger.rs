//! Whether a fault is on: its trigger opens and shuts it at exact bytes, packets and times.

use std::time::Duration;

use super::rules::{Amount, Rules};
use crate::chunk::Chunk;
use crate::codec::pattern::{Pattern, Search};

/// The trigger of one fault in one direction of one session.
#[derive(Debug)]
pub(super) struct Trigger {
    after: Option<Amount>,
    on: Option<(Pattern, Search)>,
    lasts: Option<Amount>,
    state: TriggerState,
    /// When the trigger was put there.
    began: Duration,
    /// What has passed it, open or not.
    passed: Passed,
    /// Where the pattern was found: how many bytes are before what is hit.
    matched: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Passed {
    bytes: u64,
    packets: u64,
}

#[derive(Debug, Clone, Copy)]
enum TriggerState {
    Shut,
    Open { since: Duration, from: Passed },
    Over,
}

/// How a trigger has turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is open from here on.
    Opened,
    /// It is shut for good.
    Over,
}

impl Trigger {
    pub(super) fn new(rules: &Rules, now: Duration) -> Self {
        let is_here = |amount: &Amount| !matches!(amount, Amount::Sessions(_));
        Trigger {
            after: rules.after.filter(is_here),
            on: rules.on.clone().map(|pattern| (pattern.clone(), pattern.search())),
            lasts: rules.lasts.filter(is_here),
            state: TriggerState::Shut,
            began: now,
            passed: Passed::default(),
            matched: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, TriggerState::Open { .. })
    }

    /// Where the direction is: the offset of the next byte, or the number of the next packet.
    pub(super) fn at(&self, is_packet: bool) -> u64 {
        if is_packet { self.passed.packets } else { self.passed.bytes }
    }

    /// Turns, if it is time. A trigger without a rule opens when something comes.
    pub(super) fn turn(&mut self, now: Duration, has_come: bool) -> Option<Turn> {
        match self.state {
            TriggerState::Shut => {
                let has_rule = self.after.is_some() || self.on.is_some();
                let is_due = self.is_after(now) && self.is_matched();
                (is_due && (has_rule || has_come)).then(|| {
                    self.state = TriggerState::Open { since: now, from: self.passed };
                    Turn::Opened
                })
            }
            TriggerState::Open { since, from } => {
                let is_over = match self.lasts? {
                    Amount::Time(time) => now >= since.saturating_add(time),
                    Amount::Bytes(bytes) => self.passed.bytes - from.bytes >= bytes,
                    Amount::Packets(packets) => self.passed.packets - from.packets >= packets,
                    Amount::Sessions(_) | Amount::Times(_) | Amount::Often { .. } => false,
                };
                is_over.then(|| {
                    self.state = TriggerState::Over;
                    Turn::Over
                })
            }
            TriggerState::Over => None,
        }
    }

    fn is_matched(&self) -> bool {
        self.on.is_none() || self.matched.is_some_and(|at| self.passed.bytes >= at)
    }

    fn is_after(&self, now: Duration) -> bool {
        match self.after {
            None | Some(Amount::Sessions(_) | Amount::Times(_) | Amount::Often { .. }) => true,
            Some(Amount::Time(time)) => now >= self.began.saturating_add(time),
            Some(Amount::Bytes(bytes)) => self.passed.bytes >= bytes,
            Some(Amount::Packets(packets)) => self.passed.packets >= packets,
        }
    }

    /// Looks at what comes next while it is shut: a packet that matches is itself the first that is hit. Of a stream,
    /// how many bytes are behind the first that turns it.
    pub(super) fn look(&mut self, chunk: &Chunk, now: Duration) -> usize {
        let length = chunk.bytes.len();
        if let (TriggerState::Shut, true, None) = (self.state, self.is_after(now), self.matched)
            && let Some((pattern, search)) = &mut self.on
        {
            if chunk.is_packet {
                *search = pattern.search();
            }
            let found = pattern.find(search, &chunk.bytes);
            let passes = found.filter(|_| !chunk.is_packet);
            self.matched = found.map(|_| self.passed.bytes + passes.unwrap_or(0) as u64);
            return passes.unwrap_or(length);
        }
        let left = match (self.state, self.after, self.lasts) {
            (TriggerState::Shut, Some(Amount::Bytes(bytes)), _) => {
                bytes.checked_sub(self.passed.bytes)
            }
            (TriggerState::Open { from, .. }, _, Some(Amount::Bytes(bytes))) => {
                bytes.checked_sub(self.passed.bytes - from.bytes)
            }
            _ => None,
        };
        match left.filter(|left| *left > 0 && !chunk.is_packet) {
            Some(left) => usize::try_from(left).unwrap_or(length).min(length),
            None => length,
        }
    }

    /// So much has passed.
    pub(super) fn note(&mut self, chunk: &Chunk) {
        self.passed.bytes += chunk.bytes.len() as u64;
        self.passed.packets += u64::from(chunk.is_packet);
    }

    /// When it turns by itself.
    pub(super) fn wake(&self) -> Option<Duration> {
        match (self.state, self.after, self.lasts) {
            (TriggerState::Shut, Some(Amount::Time(time)), _) if self.on.is_none() => {
                Some(self.began.saturating_add(time))
            }
            (TriggerState::Open { since, .. }, _, Some(Amount::Time(time))) => {
                Some(since.saturating_add(time))
            }
            _ => None,
        }
    }
}
