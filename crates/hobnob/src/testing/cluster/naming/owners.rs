//! Who has which name, as members were told, and whether that may be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{GONE_MILLIS, NAMES, NameWorld, NamedNode, NamingReport};

/// How long a request, and what comes of it, may be on its way at most, twice.
const LATEST: u64 = 18_000;

impl NameWorld {
    /// A member has a name, or waits for it under another one, and gives back what else it had.
    pub(super) fn keep_only(&mut self, at: usize, seat: u64, name: &str) {
        let (now, key) = (Duration::from_millis(self.now), name.to_lowercase());
        let node = &mut self.nodes[at];
        node.claiming.remove(&seat);
        node.waiting.retain(|(own, other)| *own != seat || *other == key);
        node.owners.retain(|other, own| *own != seat || *other == key);
        node.desk.keep_only(now, seat, name);
    }

    /// A name stands as this node's now. Whoever else believes to have it must have been away for too long.
    pub(super) fn landed(&mut self, at: usize, key: &str) {
        self.nodes[at].outdated.remove(key);
        self.nodes[at].stood.insert(key.to_owned(), self.now);
        for other in (0..self.nodes.len()).filter(|other| *other != at) {
            let node = &self.nodes[other];
            // Who was stopped has heard nobody, and must know it.
            let heard = *self.nodes[at].heard.get(&node.me).unwrap_or(&node.came);
            let heard = heard.max(self.nodes[at].resumed);
            // What was on its way when it came back still counts, if it has not written the name anew.
            let is_back = node.returned > 0 && self.now < node.returned + LATEST;
            let was_away = is_back && node.stood.get(key).is_none_or(|at| *at < node.returned);
            let is_silent = heard + GONE_MILLIS <= self.now;
            if node.owners.contains_key(key) && (is_silent || was_away || self.has_lost) {
                self.nodes[other].outdated.insert(key.to_owned());
            }
        }
    }

    /// A member has a name now.
    pub(super) fn own(&mut self, at: usize, seat: u64, name: &str) {
        let key = name.to_lowercase();
        let has_it = |node: &NamedNode| {
            node.is_alive && node.owners.contains_key(&key) && !node.outdated.contains(&key)
        };
        let others = (0..self.nodes.len()).filter(|other| *other != at);
        let doubled = others.filter(|other| has_it(&self.nodes[*other])).count();
        // Who was away for too long may be told once more that it has what it had.
        let is_excused = self.has_lost || self.nodes[at].outdated.contains(&key);
        self.report.doubled += if is_excused { 0 } else { doubled };
        let node = &mut self.nodes[at];
        node.waiting.remove(&(seat, key.clone()));
        node.owners.insert(key, seat);
    }

    /// All have come to rest: each name has one owner, and nobody waits. Then all leave.
    pub(super) fn leave_all(&mut self) {
        let mut owners = BTreeMap::<String, usize>::new();
        for node in self.nodes.iter().filter(|node| node.is_alive) {
            self.report.stuck += node.waiting.len() + usize::from(!node.desk.is_settled());
            node.owners.keys().for_each(|key| *owners.entry(key.clone()).or_default() += 1);
        }
        self.report.doubled += owners.values().filter(|count| **count > 1).count();
        for at in 0..self.nodes.len() {
            (1..=self.nodes[at].seats).for_each(|seat| self.leave(at, seat));
        }
    }

    pub(super) fn judged(mut self) -> NamingReport {
        let owned = self.alive(0).map_or(0, |at| self.nodes[at].owners.len());
        let is_any_alive = self.alive(0).is_some();
        self.report.stuck += if is_any_alive { NAMES.len() - 1 - owned } else { 0 };
        self.report
    }
}
