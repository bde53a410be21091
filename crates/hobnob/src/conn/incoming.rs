//! What the packets of a datagram socket are received into.

use std::os::fd::AsFd;

use crate::address::Address;
use crate::socket::{AsyncSocket, Batch};

/// Packets of one batch.
const SLOTS: usize = 32;
/// Bytes of the largest packet: no datagram is larger.
pub(super) const SLOT_BYTES: usize = 65_536;

/// A batch to receive into. On a wildcard address each packet tells where it came to, so that the answer leaves
/// from there. On any IP address it tells whether it is an answer: two listeners that one forged packet points at each
/// other would answer for ever.
pub(super) fn incoming(socket: &AsyncSocket, address: &Address) -> Batch {
    let mut batch = Batch::new(SLOTS, SLOT_BYTES);
    let Some(ip) = address.ip().map(|address| address.ip()) else { return batch };
    if ip.is_unspecified() {
        // Without it the kernel picks the address to answer from, as it would without us.
        drop(batch.ask_for_arrival(socket.as_fd()));
    }
    // Without it answers look like anything else, as they would without us.
    drop(batch.ask_for_answers(socket.as_fd()));
    batch
}
