//! Which peer was silent longest, found without a search through all of them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};

use super::queue::{PeerQueue, lock};

/// The peers of a socket in the order of their silence.
///
/// A peer stands at the time that was noted of it, which may be long past by now: nothing is done here when a packet
/// passes. Whoever turns up as silent longest, and was not, is put back with its true time. So the first that stays is
/// truly the one: no other is noted earlier than it, and none was active before it was noted.
#[derive(Default)]
pub(super) struct Silence(BinaryHeap<Noted>);

struct Noted {
    at: u64,
    mailbox: Weak<PeerQueue>,
}

impl Silence {
    pub(super) fn note(&mut self, mailbox: &Arc<PeerQueue>) {
        let at = lock(&mailbox.mail).last;
        self.0.push(Noted { at, mailbox: Arc::downgrade(mailbox) });
    }

    /// Takes out the peer that was silent longest, of those that count here. Peers that are gone are forgotten, and so
    /// are those that belong here no more.
    pub(super) fn longest(
        &mut self,
        belongs: impl Fn(&PeerQueue) -> bool,
        counts: impl Fn(&PeerQueue) -> bool,
    ) -> Option<Arc<PeerQueue>> {
        let mut aside = Vec::new();
        let found = loop {
            let Some(Noted { at, mailbox }) = self.0.pop() else { break None };
            let Some(mailbox) = mailbox.upgrade().filter(|mailbox| belongs(mailbox)) else {
                continue;
            };
            if lock(&mailbox.mail).last > at {
                self.note(&mailbox);
            } else if counts(&mailbox) {
                break Some(mailbox);
            } else {
                aside.push(mailbox);
            }
        };
        aside.iter().for_each(|mailbox| self.note(mailbox));
        found
    }

    /// Lets go of peers that are gone, where they are more than those that are here.
    pub(super) fn tidy(&mut self, peers: usize) {
        if self.0.len() > 2 * peers + 64 {
            self.0.retain(|noted| noted.mailbox.strong_count() > 0);
        }
    }
}

/// The earliest is the greatest, as a heap gives out its greatest first.
impl Ord for Noted {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Noted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Noted {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Noted {}
