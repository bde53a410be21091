//! The servers of a made-up cluster: one stream, with the faults that such streams have.

use std::collections::{HashMap, HashSet};

use crate::cluster::{BatchMark, ClusterRule, RoomBatch};

/// A stream, and what it has lost.
#[derive(Default)]
pub(super) struct FakeServers {
    /// How many were there before the first that is.
    before: u64,
    messages: Vec<RoomBatch>,
    /// The batches that are known by their numbers when they come again.
    known: HashMap<String, u64>,
    /// What stood where before the stream went back: some servers have not noticed yet.
    ghosts: HashMap<u64, RoomBatch>,
    /// Each line that stood in a part that was lost, as its origin's letters and its number.
    pub lost: HashSet<(String, u64)>,
    broken: Option<ClusterRule>,
}

impl FakeServers {
    pub(super) fn new(broken: Option<ClusterRule>) -> Self {
        FakeServers { broken, ..FakeServers::default() }
    }

    pub(super) fn first(&self) -> u64 {
        self.before + 1
    }

    pub(super) fn end(&self) -> u64 {
        self.before + self.messages.len() as u64
    }

    /// Appends a batch: where it stands, and whether that is new.
    pub(super) fn append(&mut self, batch: &RoomBatch) -> (u64, bool) {
        let id = match self.broken {
            // A batch that is not frozen is known by its first number alone, as a message would be.
            Some(ClusterRule::FrozenBatch) => format!("{}.{}", batch.origin, batch.first),
            _ => batch.id(),
        };
        if let Some(place) = self.known.get(&id) {
            return (*place, false);
        }
        self.messages.push(batch.clone());
        let place = self.end();
        self.known.insert(id, place);
        (place, true)
    }

    pub(super) fn at(&self, place: u64) -> Option<&RoomBatch> {
        self.messages.get(usize::try_from(place.checked_sub(self.first())?).ok()?)
    }

    pub(super) fn mark(&self, place: u64) -> Option<BatchMark> {
        self.at(place).map(RoomBatch::mark)
    }

    /// What a server that lags has at a place.
    pub(super) fn ghost(&self, place: u64) -> Option<&RoomBatch> {
        self.ghosts.get(&place)
    }

    /// All servers have noticed.
    pub(super) fn lay_ghosts(&mut self) {
        self.ghosts.clear();
    }

    /// Loses the last batches, acked or not, and what was known of them.
    pub(super) fn go_back(&mut self, count: u64) {
        let kept =
            self.messages.len() - usize::try_from(count).unwrap_or(0).min(self.messages.len());
        let kept_to = self.before + kept as u64;
        for (index, batch) in self.messages.drain(kept..).enumerate() {
            let numbers = batch.first..batch.next();
            self.lost.extend(numbers.map(|number| (batch.origin.to_string(), number)));
            self.ghosts.insert(kept_to + 1 + index as u64, batch);
        }
        self.known.retain(|_, place| *place <= kept_to);
    }

    /// Loses everything: the next batch is the first.
    pub(super) fn begin_anew(&mut self) {
        self.go_back(u64::MAX);
        self.before = 0;
    }

    /// The oldest batches expire, but so many.
    pub(super) fn expire(&mut self, but: usize) {
        let count = self.messages.len().saturating_sub(but);
        for batch in self.messages.drain(..count) {
            let numbers = batch.first..batch.next();
            self.lost.extend(numbers.map(|number| (batch.origin.to_string(), number)));
        }
        self.before += count as u64;
    }

    /// Batches are not known any more when they come again.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// Every line that is there.
    pub(super) fn lines(&self) -> HashSet<(String, u64)> {
        let lines = self.messages.iter().flat_map(|batch| {
            (batch.first..batch.next()).map(|number| (batch.origin.to_string(), number))
        });
        lines.collect()
    }
}
