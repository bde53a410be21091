//! Where a thread that reads packets puts them, and where they are taken from. It holds a bounded number of bytes: the
//! thread waits until there is room.

use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hobnob::capture::{CapturedFrame, LinkType};
use tokio::sync::Notify;

/// Bytes that are held, and one packet more.
const MOST: usize = 256 << 10;
/// What a packet costs beside its bytes.
const OVERHEAD: usize = 128;

/// Packets on their way from one thread to another.
#[derive(Default)]
pub(super) struct PacketShelf {
    packets: Mutex<StoredPackets>,
    has_room: Condvar,
    has_news: Notify,
}

/// Packets in the order in which they were put there.
#[derive(Default)]
pub(super) struct StoredPackets {
    packets: Vec<StoredPacket>,
    /// The bytes of all of them.
    bytes: Vec<u8>,
}

struct StoredPacket {
    at: Duration,
    link: LinkType,
    interface: String,
    bytes: Range<usize>,
    length: usize,
}

impl PacketShelf {
    /// Adds a packet, and waits for room before.
    pub(super) fn put(&self, frame: &CapturedFrame<'_>) {
        let is_full = |packets: &mut StoredPackets| packets.size() >= MOST;
        let waited = self.has_room.wait_while(self.lock(), is_full);
        waited.unwrap_or_else(PoisonError::into_inner).add(frame);
        self.has_news.notify_one();
    }

    /// Waits until something was added since the last time. May be given up at any time.
    pub(super) async fn news(&self) {
        self.has_news.notified().await;
    }

    /// Takes all there is, which may be nothing.
    pub(super) fn take(&self) -> StoredPackets {
        let taken = std::mem::take(&mut *self.lock());
        self.has_room.notify_one();
        taken
    }

    /// The packets are whole at every moment, also where a thread panicked.
    fn lock(&self) -> MutexGuard<'_, StoredPackets> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredPackets {
    fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD * self.packets.len()
    }

    fn add(&mut self, frame: &CapturedFrame<'_>) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(frame.bytes);
        self.packets.push(StoredPacket {
            at: frame.at,
            link: frame.link,
            interface: frame.interface.to_owned(),
            bytes: begin..self.bytes.len(),
            length: frame.length,
        });
    }

    /// Shows each of them.
    pub(super) fn each(&self, mut look: impl FnMut(&CapturedFrame<'_>)) {
        for packet in &self.packets {
            look(&CapturedFrame {
                at: packet.at,
                link: packet.link,
                interface: &packet.interface,
                bytes: &self.bytes[packet.bytes.clone()],
                length: packet.length,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const LENGTH: usize = 100_000;

    fn frame(bytes: &[u8]) -> CapturedFrame<'_> {
        let (link, length) = (LinkType::Raw, bytes.len());
        CapturedFrame { at: Duration::ZERO, link, interface: "lo", bytes, length }
    }

    #[tokio::test]
    async fn all_packets_come_in_their_order_and_few_of_them_at_once() {
        let shelf = Arc::new(PacketShelf::default());
        let filled = Arc::clone(&shelf);
        let thread = std::thread::spawn(move || {
            for number in 0..100 {
                filled.put(&frame(&vec![number; LENGTH]));
            }
        });
        let mut numbers = Vec::new();
        while numbers.len() < 100 {
            shelf.news().await;
            let taken = shelf.take();
            assert!(taken.size() <= MOST + LENGTH + OVERHEAD, "{}", taken.size());
            taken.each(|frame| numbers.push(frame.bytes[0]));
        }
        thread.join().expect("no panic");
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    }
}
