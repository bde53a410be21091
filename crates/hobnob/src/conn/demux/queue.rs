//! What came for one peer's session and was not taken yet.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::chunk::COST;
use crate::clock;
use crate::conn::Facts;

/// Packets that wait for one session; their bytes, and those of all sessions of a socket together, with what holding
/// them costs.
const MAILBOX: usize = 256;
const MAILBOX_BYTES: usize = 1 << 20;
const HELD_BYTES: usize = 64 << 20;

pub(super) struct PeerQueue {
    pub(super) mail: Mutex<PeerPackets>,
    /// Whose mailbox it is. What is in it is noted there.
    pub(super) facts: Arc<Facts>,
    /// What is in all mailboxes of the socket, this one among them.
    held: Arc<AtomicUsize>,
}

#[derive(Default)]
pub(super) struct PeerPackets {
    /// None while nothing waits: an idle peer's mailbox holds no buffer.
    #[expect(
        clippy::box_collection,
        reason = "8 bytes where a queue is 32, as thousands lie idle"
    )]
    packets: Option<Box<VecDeque<Box<[u8]>>>>,
    pub(super) is_over: bool,
    /// Whether anything was sent to the peer.
    pub(super) is_answered: bool,
    /// Whether it counts as a stranger in its socket.
    pub(super) is_stranger: bool,
    /// When something last passed, in nanoseconds of the clock: 8 bytes where a `Duration` is 16.
    pub(super) last: u64,
    pub(super) reader: Option<Waker>,
}

impl PeerPackets {
    pub(super) fn waiting(&self) -> usize {
        self.packets.as_ref().map_or(0, |packets| packets.len())
    }

    /// Notes that something passes.
    pub(super) fn touch(&mut self, now: Duration) {
        self.last = clock::nanos(now);
    }

    /// When something last passed.
    pub(super) fn last(&self) -> Duration {
        Duration::from_nanos(self.last)
    }
}

impl PeerQueue {
    pub(super) fn new(facts: Arc<Facts>, held: Arc<AtomicUsize>) -> Self {
        PeerQueue { mail: Mutex::default(), facts, held }
    }

    pub(super) fn end(&self) {
        let mut mail = lock(&self.mail);
        mail.is_over = true;
        let reader = mail.reader.take();
        drop(mail);
        reader.into_iter().for_each(Waker::wake);
    }

    /// False: it is full, or all together are.
    pub(super) fn deliver(&self, packet: &[u8], now: Duration) -> bool {
        let mut mail = lock(&self.mail);
        mail.touch(now);
        let (weight, unread) = (COST + packet.len(), self.facts.unread());
        let is_full = mail.waiting() >= MAILBOX || unread + weight > MAILBOX_BYTES;
        if is_full || self.held.load(Relaxed) + weight > HELD_BYTES {
            return false;
        }
        self.facts.note_unread(unread + weight);
        self.held.fetch_add(weight, Relaxed);
        mail.packets.get_or_insert_default().push_back(packet.into());
        let reader = mail.reader.take();
        drop(mail);
        reader.into_iter().for_each(Waker::wake);
        true
    }

    /// The packet that has waited longest. With the last of them goes the room for them.
    pub(super) fn take(&self, mail: &mut PeerPackets) -> Option<Box<[u8]>> {
        let Some(packet) = mail.packets.as_mut().and_then(|packets| packets.pop_front()) else {
            mail.packets = None;
            return None;
        };
        let weight = COST + packet.len();
        self.facts.note_unread(self.facts.unread() - weight);
        self.held.fetch_sub(weight, Relaxed);
        Some(packet)
    }
}

impl Drop for PeerQueue {
    fn drop(&mut self) {
        self.held.fetch_sub(self.facts.unread(), Relaxed);
    }
}

/// Locks what a demux and its conns share, also where a panic has left it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::conn::incoming::SLOT_BYTES;

    const NOW: Duration = Duration::ZERO;
    static LARGEST: [u8; SLOT_BYTES] = [0; SLOT_BYTES];
    const WEIGHT: usize = SLOT_BYTES + COST;

    fn mailbox(held: &Arc<AtomicUsize>) -> PeerQueue {
        let facts = Facts::new("udp", Address::Unnamed, Address::Unnamed);
        PeerQueue::new(Arc::new(facts), held.clone())
    }

    fn fill(mailbox: &PeerQueue, packet: &[u8]) -> usize {
        (0..=MAILBOX).take_while(|_| mailbox.deliver(packet, NOW)).count()
    }

    #[test]
    fn a_mailbox_is_bounded_by_its_packets_and_by_their_bytes() {
        let (small, large) = (mailbox(&Arc::default()), mailbox(&Arc::default()));
        assert_eq!(fill(&small, b""), MAILBOX);
        assert_eq!(fill(&large, &LARGEST), MAILBOX_BYTES / WEIGHT);
        assert!(large.take(&mut lock(&large.mail)).is_some());
        assert_eq!(fill(&large, &LARGEST), 1, "there is room again");
    }

    #[test]
    fn an_empty_packet_costs_what_holding_it_costs() {
        let mailbox = mailbox(&Arc::default());
        assert!(mailbox.deliver(b"", NOW) && mailbox.deliver(b"four", NOW));
        assert_eq!(mailbox.facts.unread(), 2 * COST + 4);
        assert!(mailbox.take(&mut lock(&mailbox.mail)).is_some());
        assert_eq!((mailbox.facts.unread(), mailbox.held.load(Relaxed)), (COST + 4, COST + 4));
    }

    #[test]
    fn all_mailboxes_of_a_socket_are_bounded_together() {
        let held = Arc::new(AtomicUsize::new(0));
        let each = MAILBOX_BYTES / WEIGHT;
        let most = HELD_BYTES / (each * WEIGHT) + 1;
        let mut mailboxes: Vec<_> = (0..=most).map(|_| mailbox(&held)).collect();
        let filled: usize = mailboxes.iter().map(|mailbox| fill(mailbox, &LARGEST)).sum();
        assert_eq!((filled, held.load(Relaxed)), (HELD_BYTES / WEIGHT, filled * WEIGHT));
        mailboxes.remove(0);
        assert_eq!(held.load(Relaxed), (filled - each) * WEIGHT, "what is unread goes with it");
        assert!(mailboxes[most - 1].deliver(b"x", NOW));
        drop(mailboxes);
        assert_eq!(held.load(Relaxed), 0);
    }
}
