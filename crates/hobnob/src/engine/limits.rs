//! Limits on everything that a peer controls. Each has a name, and whatever it refuses is counted by that name.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

pub use crate::address::Network;
use crate::address::{Address, canonical};
use crate::conn::allowance::Allowance;
use crate::conn::demux::PeerLimits;

/// The limits of a server, with their defaults.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `max-conns`: most peers at once; at the limit accepting pauses. The default is the limit on open files less 64.
    /// Where each session dials, the default is three eighths of that: a session takes two files then, and a quarter of
    /// all files is kept for pipes between conns.
    pub max_conns: Option<usize>,
    /// `per-source`: most peers at once from one address, or from one /64 of IPv6; loopback is exempt.
    pub per_source: usize,
    /// `accept-rate`: new peers a second from elsewhere than loopback. Those that are too many wait in a line for each
    /// source, and the sources take turns.
    pub accept_rate: u32,
    /// How many may come at once before `accept-rate` counts.
    pub accept_burst: u32,
    /// `allow`: the only sources that may come; empty: all. An endpoint's own `allow` narrows these, and never lets in
    /// others.
    pub allow: Vec<Network>,
    /// `idle`: silence after which a session is closed; none: never.
    pub idle: Option<Duration>,
    /// `stall`: how long a peer may take nothing of what we send.
    pub stall: Duration,
    /// `handshake`: how long the layers of a session may take in all.
    pub handshake: Duration,
    /// How long the end of a session waits for the peer's own end before it closes.
    pub linger: Duration,
    /// `grace`: how long a drain waits for sessions before it cuts them.
    pub grace: Duration,
    /// `memory`: bytes of buffers that all sessions hold together. From 88 % on, accepting pauses; from 90 % on, those
    /// that hold most are cut, at once, until 82 % is left. The rest is for what they hold until they are gone.
    pub memory: u64,
    /// `max-peers`: peers that one datagram socket remembers, at least one.
    pub max_peers: usize,
    /// Silence after which a peer of a datagram socket is forgotten.
    pub peer_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_conns: None,
            per_source: 64,
            accept_rate: 1_000,
            accept_burst: 2_000,
            allow: Vec::new(),
            idle: None,
            stall: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            grace: Duration::from_secs(5),
            memory: 256 * 1_024 * 1_024,
            max_peers: 65_536,
            peer_idle: Duration::from_mins(1),
        }
    }
}

impl Limits {
    /// What holds for the peers of a datagram socket where so many sessions may be open at once. Strangers have places of
    /// their own, beside those of all sessions: enough for who really comes to answer, and few enough to cost little.
    pub(super) fn peers(&self, max_conns: usize) -> PeerLimits {
        PeerLimits {
            most: self.max_peers,
            strangers: (max_conns / 8).clamp(64, 4_096),
            idle: self.peer_idle,
            must_prove: false,
            are_trusted: false,
        }
    }
}

/// Decides which peers may come in, and how many at once.
#[derive(Clone)]
pub(super) struct Gate {
    slots: Arc<Semaphore>,
    sources: Arc<Mutex<HashMap<IpAddr, u32>>>,
    per_source: u32,
    /// The rules of the server.
    allow: Arc<[Network]>,
    /// The rules of one endpoint, which narrow those of the server.
    own: Arc<[Network]>,
}

/// A peer's place among those that may be here at once. Dropping the permit gives the place back.
pub(super) struct Permit {
    /// None once the place is another peer's.
    slots: Option<Arc<Semaphore>>,
    /// Boxed, because thousands of permits lie idle, and peers of this machine have none.
    _source: Option<Box<SourceSlot>>,
}

impl Permit {
    /// Lets go without giving the place back: another peer has it.
    pub(super) fn bequeath(mut self) {
        self.slots = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(slots) = &self.slots {
            slots.add_permits(1);
        }
    }
}

struct SourceSlot {
    sources: Arc<Mutex<HashMap<IpAddr, u32>>>,
    source: IpAddr,
}

impl Gate {
    pub(super) fn new(limits: &Limits, max_conns: usize) -> Self {
        Gate {
            slots: Arc::new(Semaphore::new(max_conns.min(Semaphore::MAX_PERMITS))),
            sources: Arc::default(),
            per_source: u32::try_from(limits.per_source).unwrap_or(u32::MAX),
            allow: limits.allow.clone().into(),
            own: Arc::default(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.available_permits() == 0
    }

    /// Resolves when a place is free, without taking it.
    pub(super) async fn freed(&self) {
        drop(self.slots.acquire().await);
    }

    /// Whether this peer may come at all; the error is the limit's name.
    pub(super) fn allows(&self, peer: &Address) -> Result<(), &'static str> {
        let Some(ip) = peer.ip().map(|address| canonical(address.ip())) else { return Ok(()) };
        let is_held = |by: &[Network]| by.is_empty() || by.iter().any(|rule| rule.contains(ip));
        if is_held(&self.allow) && is_held(&self.own) { Ok(()) } else { Err("allow") }
    }

    /// Whether this peer may come at all, and one more from its address; the error is the limit's name.
    pub(super) fn admit(&self, peer: &Address) -> Result<Guest, &'static str> {
        self.allows(peer)?;
        let ip = peer.ip().map(|address| canonical(address.ip()));
        let Some(ip) = ip.filter(|ip| !ip.is_loopback()) else {
            return Ok(Guest { source: None });
        };
        let source = source_of(ip);
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        // A peer that is refused leaves no entry behind: otherwise refused peers could fill the memory.
        if sources.get(&source).copied().unwrap_or(0) >= self.per_source {
            return Err("per-source");
        }
        *sources.entry(source).or_insert(0) += 1;
        let slot = SourceSlot { sources: self.sources.clone(), source };
        Ok(Guest { source: Some(Box::new(slot)) })
    }

    /// The same places, for an endpoint with rules of its own, which narrow those of the server.
    pub(super) fn with_allow(&self, own: &[Network]) -> Self {
        Gate { own: own.into(), ..self.clone() }
    }

    /// A place for an admitted peer; waits for one.
    pub(super) async fn seat(&self, guest: Guest) -> Permit {
        self.slots.acquire().await.expect("nobody closes the semaphore").forget();
        self.permit(guest)
    }

    /// A place for an admitted peer, if one is free now; otherwise the peer goes on waiting.
    pub(super) fn try_seat(&self, guest: Guest) -> Result<Permit, Guest> {
        let Ok(slot) = self.slots.try_acquire() else { return Err(guest) };
        slot.forget();
        Ok(self.permit(guest))
    }

    /// The place of a peer that has made room for this one, and whose own permit is to be [bequeathed](Permit::bequeath).
    pub(super) fn inherit(&self, guest: Guest) -> Permit {
        self.permit(guest)
    }

    fn permit(&self, guest: Guest) -> Permit {
        Permit { slots: Some(self.slots.clone()), _source: guest.source }
    }
}

/// A peer that may come in.
pub(super) struct Guest {
    source: Option<Box<SourceSlot>>,
}

impl Guest {
    /// The address by which it is counted; none: it is not.
    pub(super) fn source(&self) -> Option<IpAddr> {
        self.source.as_ref().map(|slot| slot.source)
    }
}

impl Drop for SourceSlot {
    fn drop(&mut self) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sources.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

/// The address by which a peer is counted: the /64 of an IPv6 address, as a host has a whole /64 to itself.
fn source_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// A token bucket. Each call is told the time.
pub(super) struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Duration,
}

impl Bucket {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        Bucket {
            per_second: f64::from(per_second.max(1)),
            burst,
            tokens: burst,
            filled: Duration::ZERO,
        }
    }

    /// Takes a token; the error is how long until there is one.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let since = now.saturating_sub(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.per_second).min(self.burst);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.tokens) / self.per_second))
    }
}

/// Ports whose owners answer anything: an answer to one could start an endless exchange between two machines.
const CHATTY_PORTS: [u16; 8] = [0, 7, 13, 17, 19, 37, 53, 123];

/// Keeps datagram answers from being a weapon: no loops, no amplification, no floods. The socket of sessions keeps an
/// allowance of its own, and asks here only who may come.
#[derive(Default)]
pub(super) struct Reflection {
    /// The addresses that we are bound to.
    own: Vec<Address>,
    /// Whether the medium has no ports, so that port 0 says nothing about a peer.
    is_portless: bool,
    /// None where the addresses of peers are taken for true.
    allowance: Option<Allowance>,
}

impl Reflection {
    /// A guard for sockets that are bound to these addresses.
    pub(super) fn of(own: Vec<Address>, has_ports: bool) -> Self {
        Reflection { own, is_portless: !has_ports, allowance: Some(Allowance::default()) }
    }

    /// The same where the addresses of peers are taken for true: answers are as large and as many as they are.
    pub(super) fn trusting(self, trusts: bool) -> Self {
        if trusts { Reflection { allowance: None, ..self } } else { self }
    }

    /// Whether a packet may be answered at all; the error is the rule's name.
    pub(super) fn allows(&self, peer: &Address) -> Result<(), &'static str> {
        if self.own.contains(peer) {
            return Err("own-address");
        }
        let Some(address) = peer.ip() else {
            return if peer.is_reachable() { Ok(()) } else { Err("unnamed-peer") };
        };
        if address.port() == 0 && !self.is_portless {
            return Err("chatty-port");
        }
        let ip = canonical(address.ip());
        if ip.is_loopback() {
            return Ok(());
        }
        if !self.is_portless && CHATTY_PORTS.contains(&address.port()) {
            return Err("chatty-port");
        }
        if is_to_many(ip) {
            return Err("not-one-host");
        }
        Ok(())
    }

    /// The same, and counts the packet for what may be answered.
    pub(super) fn admit(
        &mut self,
        peer: &Address,
        bytes: usize,
        now: Duration,
    ) -> Result<(), &'static str> {
        self.allows(peer)?;
        if let Some(allowance) = &mut self.allowance {
            allowance.came(peer, bytes, now);
        }
        Ok(())
    }

    /// Whether an answer of so many bytes may go to this peer, and counts it; the error is the rule's name.
    pub(super) fn answer(
        &mut self,
        peer: &Address,
        bytes: usize,
        now: Duration,
    ) -> Result<(), &'static str> {
        let Some(allowance) = &mut self.allowance else { return Ok(()) };
        allowance.may(peer, bytes, now)?;
        allowance.went(peer, bytes, now);
        Ok(())
    }
}

fn is_to_many(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.is_multicast() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::allowance::HEADERS;

    fn address(text: &str) -> Address {
        Address::Ip(text.parse().expect("an address"))
    }

    #[tokio::test]
    async fn a_source_has_its_share_and_gives_it_back() {
        let limits = Limits { per_source: 2, ..Limits::default() };
        let gate = Gate::new(&limits, 10);
        let peer = address("[2001:db8::1]:1");
        let neighbour = address("[2001:db8::ffff:1]:1");
        let first = gate.admit(&peer).map(|guest| gate.try_seat(guest).ok()).expect("the first");
        let second = gate.admit(&neighbour).map(|guest| gate.try_seat(guest).ok());
        let _second = second.expect("the second");
        assert_eq!(gate.admit(&peer).err(), Some("per-source"));
        assert!(gate.admit(&address("127.0.0.1:5")).is_ok(), "loopback is exempt");
        drop(first);
        assert!(gate.admit(&peer).is_ok());
    }

    #[test]
    fn who_is_refused_leaves_nothing_behind() {
        let gate = Gate::new(&Limits { per_source: 0, ..Limits::default() }, 10);
        assert_eq!(gate.admit(&address("192.0.2.1:1")).err(), Some("per-source"));
        assert!(gate.sources.lock().expect("no panic").is_empty());
    }

    #[test]
    fn the_bucket_says_how_long_to_wait() {
        let mut bucket = Bucket::new(10, 2);
        let now = Duration::from_secs(1);
        assert_eq!((bucket.take(now), bucket.take(now)), (Ok(()), Ok(())));
        let wait = bucket.take(now).expect_err("empty");
        assert!(wait > Duration::from_millis(99) && wait <= Duration::from_millis(100));
        assert_eq!(bucket.take(now + Duration::from_millis(101)), Ok(()));
    }

    // safety.md 18
    #[test]
    fn loops_and_amplification_are_refused() {
        let (own, now) = (address("192.0.2.1:9000"), Duration::from_secs(9));
        let mut guard = Reflection::of(vec![own.clone()], true);
        assert_eq!(guard.admit(&own, 10, now), Err("own-address"));
        for port in [7, 13, 17, 19, 37, 53] {
            let peer = address(&format!("192.0.2.9:{port}"));
            assert_eq!(guard.admit(&peer, 10, now), Err("chatty-port"));
        }
        assert_eq!(guard.admit(&address("127.0.0.1:0"), 10, now), Err("chatty-port"));
        let mut portless = Reflection::of(Vec::new(), false);
        assert_eq!(portless.admit(&address("192.0.2.9:0"), 10, now), Ok(()));
        assert_eq!(guard.admit(&address("127.0.0.1:7"), 10, now), Ok(()));
        assert_eq!(guard.admit(&address("255.255.255.255:99"), 10, now), Err("not-one-host"));
        assert_eq!(guard.admit(&address("224.0.0.1:99"), 10, now), Err("not-one-host"));
        assert_eq!(guard.admit(&Address::Unnamed, 10, now), Err("unnamed-peer"));
        let peer = address("192.0.2.9:5000");
        assert_eq!(guard.admit(&peer, 10, now), Ok(()));
        let most = 3 * (10 + HEADERS) - HEADERS;
        assert_eq!(guard.answer(&peer, most + 1, now), Err("amplification"));
        assert_eq!(guard.answer(&peer, most, now), Ok(()));
        assert_eq!(guard.answer(&peer, 1, now), Err("amplification"));
        for _ in 1..1_000 {
            assert_eq!(guard.admit(&peer, 1_000, now), Ok(()));
            assert_eq!(guard.answer(&peer, 1, now), Ok(()));
        }
        assert_eq!(guard.answer(&peer, 1, now), Err("answer-rate"));
        let later = now + Duration::from_secs(1);
        assert_eq!(guard.admit(&peer, 10, later), Ok(()));
        assert_eq!(guard.answer(&peer, 1, later), Ok(()));
        let mut trusting = Reflection::of(Vec::new(), true).trusting(true);
        assert_eq!(trusting.answer(&peer, 65_000, now), Ok(()));
        assert_eq!(trusting.allows(&address("224.0.0.1:99")), Err("not-one-host"));
    }
}
