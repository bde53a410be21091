//! What clients of relays say while their targets are being dialled: it is passed on behind the dial, and shown there.

use std::collections::HashMap;
use std::time::Duration;

use hobnob::event::{Event, Fact};

/// A dial that takes longer is no matter of order: what the client says is shown at once again.
const SOON: Duration = Duration::from_millis(100);
/// So much of one client is kept at most.
const MOST: usize = 8;

/// A session of a server, by the place of the server among those that are told about.
type Key = (usize, u64);

/// The sessions whose targets are being dialled.
#[derive(Default)]
pub(super) struct Early(HashMap<Key, SaidEarly>);

struct SaidEarly {
    since: Duration,
    said: Vec<Event>,
}

impl Early {
    /// Whether this is kept, to be told behind the dial.
    pub(super) fn keeps(&mut self, key: Key, event: &Event) -> bool {
        match (&event.fact, self.0.get_mut(&key)) {
            (Fact::Opened(_), _) => {
                self.0.insert(key, SaidEarly { since: event.at, said: Vec::new() });
                false
            }
            (Fact::Data(_), Some(kept)) => {
                let fits = event.at < kept.since + SOON && kept.said.len() < MOST;
                if fits {
                    kept.said.push(event.clone());
                }
                fits
            }
            _ => false,
        }
    }

    /// What is not to be kept any longer, as this has happened.
    pub(super) fn take(&mut self, key: Key, event: &Event) -> Vec<Event> {
        match event.fact {
            // These come before a dial.
            Fact::Opened(_) | Fact::Dressed { .. } => Vec::new(),
            _ => self.0.remove(&key).map_or_else(Vec::new, |kept| kept.said),
        }
    }

    /// All that is kept of a server's sessions.
    pub(super) fn take_all(&mut self, server: usize) -> Vec<Event> {
        let of = |(key, _): &(&Key, &mut SaidEarly)| key.0 == server;
        self.0.iter_mut().filter(of).flat_map(|(_, kept)| std::mem::take(&mut kept.said)).collect()
    }

    /// How many sessions there are.
    pub(super) fn sessions(&self) -> usize {
        self.0.len()
    }

    /// Forgets the others.
    pub(super) fn retain(&mut self, mut is_wanted: impl FnMut(Key) -> bool) {
        self.0.retain(|key, _| is_wanted(*key));
    }
}
