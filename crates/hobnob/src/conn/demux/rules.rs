//! What a datagram listener is made with.

use std::time::Duration;

use crate::address::Address;
use crate::bus::Bus;
use crate::conn::users::Users;
use crate::socket::Received;
use crate::spec::{OptionSpec, Options, ValueKind};

/// The limit on the peers of one socket.
pub(super) const MAX_PEERS: &str = "max-peers";

/// What a datagram listener is made with.
pub struct DatagramRules {
    /// The transport's name.
    pub transport: &'static str,
    /// How many peers it has, and for how long.
    pub peers: PeerLimits,
    /// Whether the peer that was silent longest makes room for a new one; otherwise the new one is turned away.
    pub evicts: bool,
    /// The users who may come, on a Unix socket; none: the medium knows no users.
    pub users: Option<Users>,
    /// How many relays of this machine the sender of a packet has come through, of a packet that came to this address of
    /// ours, as far as the transport can tell.
    pub relays_behind: fn(&Received<'_>, &Address) -> u8,
    /// Whether it is a raw IP socket. It has a protocol where others have a port, and over IPv4 it shows the header of
    /// each packet (raw(7)), which is no part of the message.
    pub is_raw: bool,
    /// Where drops are told.
    pub bus: Bus,
}

/// The option that bounds the peers of one socket, in place of the limit of that name.
pub const MAX_PEERS_OPTION: OptionSpec = OptionSpec {
    name: MAX_PEERS,
    kind: ValueKind::Within(1, u64::MAX),
    default: "",
    help: "where one listens: how many peers are remembered at once (65536)",
};

/// The option that says what becomes of a peer for whom there is no place.
pub const EVICT_OPTION: OptionSpec = OptionSpec {
    name: "evict",
    kind: ValueKind::Flag,
    default: "yes",
    help: "where one listens: the peer that was silent longest makes room for a new one; no-evict turns the new one away",
};

impl DatagramRules {
    /// Rules for sockets of this transport, with the options of the place.
    pub fn new(transport: &'static str, options: &Options, peers: PeerLimits, bus: &Bus) -> Self {
        let most = options.count(MAX_PEERS_OPTION.name);
        let most = most.map_or(peers.most, |most| usize::try_from(most).unwrap_or(usize::MAX));
        DatagramRules {
            transport,
            peers: PeerLimits { most, ..peers },
            evicts: options.flag(EVICT_OPTION.name),
            users: None,
            relays_behind: |_, _| 0,
            is_raw: false,
            bus: bus.clone(),
        }
    }
}

/// How many peers a datagram socket has, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct PeerLimits {
    /// Peers that are remembered, at least one; past it the one that was silent longest is forgotten.
    pub most: usize,
    /// Of those, the ones whose address may be forged ([`Facts::is_stranger`](crate::conn::Facts::is_stranger)), at least one.
    pub strangers: usize,
    /// Silence after which a peer is forgotten, and its session ends.
    pub idle: Duration,
    /// Whether the service itself has its peers prove that they hear what is sent to their address. Where it does not, a
    /// peer on this machine is believed, and one elsewhere has proven it with a packet that came after one of ours went.
    pub must_prove: bool,
    /// Whether all addresses are taken for true: nobody is a stranger, and answers are not bounded by what came.
    pub are_trusted: bool,
}

impl Default for PeerLimits {
    fn default() -> Self {
        PeerLimits {
            most: 65_536,
            strangers: 1_024,
            idle: Duration::from_mins(1),
            must_prove: false,
            are_trusted: false,
        }
    }
}
