//! How many relays of this machine a conn has come through, so that relays which dial each other notice.
//!
//! A relay dials what is on its own machine with a TTL of 255 less the number of relays so far (ip(7) `IP_TTL`, ipv6(7)
//! `IPV6_UNICAST_HOPS`). Such packets pass no router, so that the number arrives as it was sent. Of a connection the kernel
//! keeps that of the first packet; with a datagram it tells it. The price is one getsockopt(2) for each accepted conn that
//! comes from this machine, 24 bytes with each datagram that comes to a relay, and one setsockopt(2) for each dial.
//!
//! Unix sockets have no TTL, but names: a relay dials from an abstract name that has the number in it (unix(7)). The price
//! is one bind(2) for each dial, one getpeername(2) for each conn that is accepted, and a name where the target would see
//! none.
//!
//! Whoever forwards in between and is not hobnob begins the count anew.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::address::{Address, canonical};
use crate::conn::Facts;
use crate::error::{Error, Kind, Result};
use crate::socket::{Received, Socket};

/// More relays than this one behind the other are a circle: each lap of one would open another session with each.
const MOST: u8 = 16;
/// The TTL of who has come through no relay; other programs send with less than what any count of relays leaves.
const FARTHEST: u8 = 255;
/// How the abstract name of a Unix socket begins from which a relay dials. The number of relays follows, and what tells the
/// name from others.
const NAME: &str = "hobnob-relay-";

/// How many relays of this machine are behind an accepted conn.
pub(crate) fn relays_behind(socket: &Socket, local: IpAddr, peer: IpAddr) -> u8 {
    if !is_near(peer, Some(local)) {
        return 0;
    }
    socket.reach(local.is_ipv6()).map_or(0, relays_of_reach)
}

/// How many relays of this machine are behind the sender of a datagram, which came to this address of ours.
pub(crate) fn relays_behind_packet(packet: &Received<'_>, local: &Address) -> u8 {
    match &packet.peer {
        Address::Ip(peer) if is_near(peer.ip(), local.ip().map(|local| local.ip())) => {
            packet.reach.map_or(0, relays_of_reach)
        }
        Address::Abstract(name) => relays_named(name).unwrap_or(0),
        _ => 0,
    }
}

fn relays_of_reach(reach: u8) -> u8 {
    let hops = FARTHEST - reach;
    if hops <= MOST { hops } else { 0 }
}

/// A name to dial from, for who has come through so many relays.
pub(crate) fn name_behind(hops: u8) -> Address {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let (process, number) = (std::process::id(), NAMES.fetch_add(1, Relaxed));
    Address::Abstract(format!("{NAME}{hops}-{process}-{number}").into_bytes().into())
}

/// The number of relays in an abstract name that a relay dials from; none: it is another's name.
pub(crate) fn relays_named(name: &[u8]) -> Option<u8> {
    let (hops, _) = std::str::from_utf8(name).ok()?.strip_prefix(NAME)?.split_once('-')?;
    hops.parse().ok().filter(|hops| *hops <= MOST)
}

/// The relays that a conn has come through which is dialled for this one. An error: they stand in a circle.
pub(crate) fn relays_of_dial(asker: Option<&Facts>) -> Result<Option<u8>> {
    let Some(asker) = asker else { return Ok(None) };
    let hops = asker.hops() + 1;
    if hops <= MOST {
        return Ok(Some(hops));
    }
    let text = format!("{MOST} relays of this machine stand one behind the other, in a circle");
    Err(Error::new(Kind::Loop, text)
        .why("one of them dials an earlier one: each session would open the next, for ever"))
}

/// Sends the count along, where the address is on this machine. A kernel that does not take it costs the count alone.
pub(crate) fn send_relays_along(socket: &Socket, hops: u8, asker: &Facts, to: IpAddr) {
    let here = match &asker.local {
        Address::Ip(here) => Some(here.ip()),
        _ => None,
    };
    if is_near(to, here) {
        drop(socket.set_reach(FARTHEST - hops));
    }
}

/// Whether who has this address is on this machine, as far as is known without asking for all of its addresses.
fn is_near(ip: IpAddr, here: Option<IpAddr>) -> bool {
    let ip = canonical(ip);
    ip.is_loopback() || ip.is_unspecified() || here.is_some_and(|here| canonical(here) == ip)
}
