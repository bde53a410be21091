//! How often a service was about to answer, and how often something else was answered.

use std::collections::VecDeque;
use std::time::Duration;

use super::rules::{Amount, Rules};

/// What has come of a setting since it was turned on, in all sessions.
#[derive(Debug, Default)]
pub(super) struct AnswerCount {
    /// When it was first looked at.
    pub(super) since: Option<Duration>,
    /// Answers that it may change.
    pub(super) matched: u64,
    /// Those that it has changed.
    pub(super) changed: u64,
    /// When those came that it has let be, as far back as it counts.
    recent: VecDeque<Duration>,
}

impl AnswerCount {
    pub(super) fn is_after(&mut self, rules: &Rules, now: Duration, since: Duration) -> bool {
        match rules.after {
            Some(Amount::Times(times)) => self.matched > times,
            Some(Amount::Time(time)) => now >= since.saturating_add(time),
            Some(Amount::Often { times, per }) => {
                while self.recent.front().is_some_and(|at| now >= at.saturating_add(per)) {
                    self.recent.pop_front();
                }
                let is_over = self.recent.len() as u64 >= times;
                if !is_over {
                    self.recent.push_back(now);
                }
                is_over
            }
            _ => true,
        }
    }

    pub(super) fn is_within(&self, rules: &Rules, now: Duration, since: Duration) -> bool {
        let begin = match rules.after {
            Some(Amount::Time(time)) => since.saturating_add(time),
            _ => since,
        };
        match rules.lasts {
            Some(Amount::Times(times)) => self.changed < times,
            Some(Amount::Time(time)) => now < begin.saturating_add(time),
            _ => true,
        }
    }
}
