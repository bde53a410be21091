//! What came for one peer's session and was not taken yet.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use super::lock;

/// Packets that wait for one session, and their bytes; those of all sessions of a socket together.
const MAILBOX: usize = 256;
const MAILBOX_BYTES: usize = 1 << 20;
const HELD_BYTES: usize = 64 << 20;

pub(super) struct Mailbox {
    pub(super) mail: Mutex<Mail>,
    /// Bytes in all mailboxes of the socket, this one among them.
    held: Arc<AtomicUsize>,
}

#[derive(Default)]
pub(super) struct Mail {
    packets: VecDeque<Box<[u8]>>,
    bytes: usize,
    pub(super) is_over: bool,
    pub(super) last: Duration,
    pub(super) reader: Option<Waker>,
}

impl Mailbox {
    pub(super) fn new(held: Arc<AtomicUsize>) -> Self {
        Mailbox { mail: Mutex::default(), held }
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
        mail.last = now;
        let is_full = mail.packets.len() >= MAILBOX || mail.bytes + packet.len() > MAILBOX_BYTES;
        if is_full || self.held.load(Relaxed) + packet.len() > HELD_BYTES {
            return false;
        }
        mail.bytes += packet.len();
        self.held.fetch_add(packet.len(), Relaxed);
        mail.packets.push_back(packet.into());
        let reader = mail.reader.take();
        drop(mail);
        reader.into_iter().for_each(Waker::wake);
        true
    }

    /// The packet that has waited longest. With the last of them goes the room for them.
    pub(super) fn take(&self, mail: &mut Mail) -> Option<Box<[u8]>> {
        let Some(packet) = mail.packets.pop_front() else {
            mail.packets = VecDeque::new(); // an idle peer's mailbox holds no buffer
            return None;
        };
        mail.bytes -= packet.len();
        self.held.fetch_sub(packet.len(), Relaxed);
        Some(packet)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.held.fetch_sub(lock(&self.mail).bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::datagrams::SLOT_BYTES;

    const NOW: Duration = Duration::ZERO;
    static LARGEST: [u8; SLOT_BYTES] = [0; SLOT_BYTES];

    fn fill(mailbox: &Mailbox, packet: &[u8]) -> usize {
        (0..=MAILBOX).take_while(|_| mailbox.deliver(packet, NOW)).count()
    }

    #[test]
    fn a_mailbox_is_bounded_by_its_packets_and_by_their_bytes() {
        let (small, large) = (Mailbox::new(Arc::default()), Mailbox::new(Arc::default()));
        assert_eq!(fill(&small, b""), MAILBOX);
        assert_eq!(fill(&large, &LARGEST), MAILBOX_BYTES / SLOT_BYTES);
        assert!(large.take(&mut lock(&large.mail)).is_some());
        assert_eq!(fill(&large, &LARGEST), 1, "there is room again");
    }

    #[test]
    fn all_mailboxes_of_a_socket_are_bounded_together() {
        let held = Arc::new(AtomicUsize::new(0));
        let most = HELD_BYTES / MAILBOX_BYTES;
        let mut mailboxes: Vec<_> = (0..=most).map(|_| Mailbox::new(held.clone())).collect();
        let filled = mailboxes.iter().filter(|mailbox| fill(mailbox, &LARGEST) > 0);
        assert_eq!((filled.count(), held.load(Relaxed)), (most, HELD_BYTES));
        mailboxes.remove(0);
        assert_eq!(held.load(Relaxed), HELD_BYTES - MAILBOX_BYTES, "what is unread goes with it");
        assert!(mailboxes[most - 1].deliver(b"x", NOW));
        drop(mailboxes);
        assert_eq!(held.load(Relaxed), 0);
    }
}
