//! What the packets of a datagram socket are received into.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use crate::address::Address;
use crate::bus::{Bus, Seldom};
use crate::codec::ip::IpHeader;
use crate::conn::listener::OWN_ANSWER;
use crate::conn::users::{ALLOW_USER, Users};
use crate::error::{Error, Result};
use crate::socket::{AsyncSocket, Batch, Received, Socket};

/// Packets of one batch.
const SLOTS: usize = 32;
/// Bytes of the largest packet: no datagram is larger.
pub(super) const SLOT_BYTES: usize = 65_536;

/// A batch to receive into. On a wildcard address each packet tells where it came to, so that the answer leaves
/// from there. On any IP address it tells whether it is an answer: two listeners that one forged packet points at each
/// other would answer for ever. And it tells how many the kernel has dropped. On a Unix socket that is not for everybody
/// it tells whose it is.
pub(super) fn incoming(
    socket: &AsyncSocket,
    address: &Address,
    users: Option<&Users>,
) -> Result<Batch> {
    let mut batch = Batch::new(SLOTS, SLOT_BYTES);
    ask(&mut batch, socket.as_fd(), address, users)?;
    Ok(batch)
}

/// Asks a socket to tell all that before it is bound to this address. What comes before that is asked is told without.
pub fn prepare(socket: &Socket, address: &Address, users: Option<&Users>) -> Result<()> {
    ask(&mut Batch::new(0, 0), socket.as_fd(), address, users)
}

fn ask(
    batch: &mut Batch,
    socket: BorrowedFd<'_>,
    address: &Address,
    users: Option<&Users>,
) -> Result<()> {
    if users.is_some_and(|users| !users.are_all()) {
        let asked = batch.ask_for_users(socket);
        asked.map_err(|error| Error::from_io("setsockopt(SO_PASSCRED)", &error))?;
    }
    let Some(ip) = address.ip().map(|address| address.ip()) else { return Ok(()) };
    // Without it losses are not told, as they would not be without us.
    drop(batch.ask_for_losses(socket));
    if ip.is_unspecified() {
        // Without it the kernel picks the address to answer from, as it would without us.
        drop(batch.ask_for_arrival(socket));
    }
    // Without it answers look like anything else, as they would without us.
    drop(batch.ask_for_answers(socket));
    Ok(())
}

/// The address of ours that a packet came to, where the socket has all of them, and so the one that its answer is to
/// leave from.
pub(super) fn asked(packet: &Received<'_>, address: &Address) -> Address {
    let Some(bound) = address.ip().filter(|bound| bound.ip().is_unspecified()) else {
        return address.clone();
    };
    let asked = packet.arrival.and_then(|arrival| arrival.answer_from);
    asked.map_or_else(|| address.clone(), |ip| Address::Ip(SocketAddr::new(ip, bound.port())))
}

/// What a packet says: behind the IP header where it shows one. None where the header lies about a length.
pub(super) fn message<'a>(packet: &Received<'a>, is_raw: bool) -> Option<&'a [u8]> {
    let shows_header = is_raw && packet.peer.ip().is_some_and(|peer| peer.is_ipv4());
    if !shows_header {
        return Some(packet.bytes);
    }
    let header = IpHeader::read(packet.bytes).ok()?;
    packet.bytes.get(header.length..)
}

/// The rule by which a packet is not to be heard, if there is one.
pub(super) fn refusal(packet: &Received<'_>, users: Option<&Users>) -> Option<&'static str> {
    if packet.is_answer {
        return Some(OWN_ANSWER);
    }
    let may_come = users.is_none_or(|users| users.hold(packet.user));
    (!may_come).then_some(ALLOW_USER)
}

/// Where an answer is to leave from, for a peer that has asked `local`; none where that is where the socket is bound.
pub(super) fn answer_from(local: &Address, address: &Address) -> Option<IpAddr> {
    let local = local.ip().filter(|_| local != address)?;
    Some(local.ip())
}

/// Tells how many packets the kernel dropped, for want of room in the socket at this address.
pub(super) fn tell_lost(bus: &Bus, seldom: &Seldom, address: &Address, count: u64) {
    if count == 0 {
        return;
    }
    bus.drop_by("receive-buffer", usize::try_from(count).unwrap_or(usize::MAX));
    seldom.warned_of(bus, "receive-buffer", count, |count| {
        format!("the kernel dropped {count} datagrams at {address}: they came faster than they were read; rcvbuf=4m holds more of them")
    });
}
