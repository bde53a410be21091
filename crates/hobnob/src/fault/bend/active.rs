//! A setting that is on, and what it has hit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::count::AnswerCount;
use super::setting::Setting;
use crate::chunk::Direction;
use crate::spec::Shape;

/// A setting that is on.
pub(super) struct ActiveSetting {
    pub(super) setting: Setting,
    /// Its place when it was set, from which its chance comes.
    pub(super) place: u64,
    is_packets: bool,
    /// For each of its faults, what it has hit on the way up and down.
    pub(super) hits: Vec<[Arc<Hits>; 2]>,
    /// What has come of it where a service answers.
    pub(super) answers: Mutex<AnswerCount>,
}

/// Counts what a fault has hit.
#[derive(Debug, Default)]
pub struct Hits(AtomicU64);

/// What one fault of a setting is, and what it has hit so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultState {
    /// The setting that it belongs to, as it was typed.
    pub setting: String,
    /// The fault.
    pub kind: &'static str,
    /// Chunks, packets or sessions that it did something to on the way up; none: it is not for that way.
    pub up: Option<u64>,
    /// The same on the way down.
    pub down: Option<u64>,
}

impl ActiveSetting {
    pub(super) fn new(setting: Setting, place: u64, shape: Shape) -> Self {
        let hits = setting.kinds().map(|_| [Arc::default(), Arc::default()]).collect();
        let (is_packets, answers) = (shape == Shape::Packets, Mutex::default());
        ActiveSetting { setting, place, is_packets, hits, answers }
    }

    pub(super) fn is_packets(&self) -> bool {
        self.is_packets
    }

    pub(super) fn state(&self) -> Vec<FaultState> {
        let hits = |direction: Direction, hits: &[Arc<Hits>; 2]| {
            self.setting.is_for(direction).then(|| hits[direction as usize].0.load(Relaxed))
        };
        let state = |(kind, counts)| FaultState {
            setting: self.setting.text().to_owned(),
            kind,
            up: hits(Direction::In, counts),
            down: hits(Direction::Out, counts),
        };
        self.setting.kinds().zip(&self.hits).map(state).collect()
    }

    pub(super) fn sum_up(&self, totals: &mut HashMap<&'static str, u64>) {
        for (kind, hits) in self.setting.kinds().zip(&self.hits) {
            let sum: u64 = hits.iter().map(|hits| hits.0.load(Relaxed)).sum();
            *totals.entry(kind).or_default() += sum;
        }
    }
}

impl Hits {
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}
