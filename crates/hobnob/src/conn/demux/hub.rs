//! What a demux and its conns share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use super::queue::{PeerQueue, lock};
use super::rules::{DatagramRules, MAX_PEERS};
use super::silence::Silence;
use crate::address::Address;
use crate::bus::Seldom;
use crate::conn::Facts;
use crate::conn::allowance::Allowance;
use crate::conn::incoming::{answer_from, tell_lost};
use crate::socket::{AsyncSocket, Received};

/// The limit on peers whose address may be forged.
const STRANGERS: &str = "strangers";

/// They all run on one thread, so the locks are never waited for.
pub(super) struct Hub {
    pub(super) socket: AsyncSocket,
    pub(super) address: Address,
    pub(super) rules: DatagramRules,
    pub(super) peers: Mutex<HashMap<PeerKey, Arc<PeerQueue>>>,
    /// Bytes in all mailboxes, and what holding them costs.
    pub(super) held: Arc<AtomicUsize>,
    /// Sessions that wait until the socket takes more, each once by the number of its peer, and the pump that waits for
    /// them: a socket has one write waker.
    pub(super) writers: Mutex<HashMap<usize, Waker>>,
    pub(super) pump: Mutex<Option<Waker>>,
    strangers: Mutex<Strangers>,
    /// The peers that are no strangers. None until one of them has to make room: most sockets never come to that.
    others: Mutex<Option<Silence>>,
    allowance: Mutex<Allowance>,
    seldom: Seldom,
}

/// The peers whose address may be forged.
#[derive(Default)]
struct Strangers {
    count: usize,
    silence: Silence,
}

/// What one conversation is known by: who asks, and which of our addresses. Asking two of them is two conversations.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PeerKey {
    pub(super) peer: Address,
    /// None where the socket has one address alone.
    asked: Option<IpAddr>,
}

impl Hub {
    pub(super) fn new(socket: AsyncSocket, address: Address, rules: DatagramRules) -> Self {
        Hub {
            socket,
            address,
            rules,
            peers: Mutex::default(),
            held: Arc::default(),
            writers: Mutex::default(),
            pump: Mutex::default(),
            strangers: Mutex::default(),
            others: Mutex::default(),
            allowance: Mutex::default(),
            seldom: Seldom::default(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.rules.bus.clock().now()
    }

    pub(super) fn dropped(&self, limit: &'static str, count: usize) {
        self.rules.bus.drop_by(limit, count);
    }

    /// Tells what the kernel dropped for want of room.
    pub(super) fn lost(&self, count: u64) {
        tell_lost(&self.rules.bus, &self.seldom, &self.address, count);
    }

    pub(super) fn key(&self, peer: Address, local: &Address) -> PeerKey {
        PeerKey { peer, asked: answer_from(local, &self.address) }
    }

    /// The facts of a peer that has asked this address of ours.
    pub(super) fn facts_of(&self, peer: Address, local: Address) -> Facts {
        let is_near = peer.is_local_only();
        let limits = &self.rules.peers;
        let mut facts = Facts::new(self.rules.transport, local, peer).without_end();
        facts.can_be_forged = self.address.ip().is_some() && !limits.are_trusted;
        if facts.can_be_forged && (limits.must_prove || !is_near) {
            facts.note_stranger();
        }
        facts
    }
}

/// What may be sent.
impl Hub {
    /// Counts a packet for what may be sent to its source.
    pub(super) fn came(&self, packet: &Received<'_>, now: Duration) {
        if !self.rules.peers.are_trusted {
            lock(&self.allowance).came(&packet.peer, packet.bytes.len(), now);
        }
    }

    /// Whether a packet may go to a peer. One that may not is dropped, and told.
    pub(super) fn may_send(&self, peer: &Address, bytes: usize) -> bool {
        if self.rules.peers.are_trusted {
            return true;
        }
        let Err(limit) = lock(&self.allowance).may(peer, bytes, self.now()) else { return true };
        self.dropped(limit, 1);
        self.seldom.warned(&self.rules.bus, limit, |count| {
            let rule = if limit == "amplification" {
                "three times what came from there"
            } else {
                "a thousand a second"
            };
            format!(
                "{count} packets to peers like {peer} were dropped by {limit}: more than {rule}, and whoever \
                 forges an address could turn that against its owner; the setting `trusted` lifts it"
            )
        });
        false
    }

    pub(super) fn went(&self, peer: &Address, bytes: usize) {
        if !self.rules.peers.are_trusted {
            lock(&self.allowance).went(peer, bytes, self.now());
        }
    }

    /// Where packets of a conn leave from; none: where the socket is bound.
    pub(super) fn source(&self, facts: &Facts) -> Option<IpAddr> {
        answer_from(&facts.local, &self.address)
    }
}

/// Who is here.
impl Hub {
    pub(super) fn enter(&self, key: PeerKey, mailbox: &Arc<PeerQueue>) {
        let count = {
            let mut peers = lock(&self.peers);
            peers.insert(key, mailbox.clone());
            peers.len()
        };
        if mailbox.facts.is_stranger() {
            let mut strangers = lock(&self.strangers);
            lock(&mailbox.mail).is_stranger = true;
            strangers.count += 1;
            strangers.silence.note(mailbox);
            strangers.silence.tidy(count);
        } else if let Some(others) = &mut *lock(&self.others) {
            others.note(mailbox);
            others.tidy(count);
        }
    }

    /// Forgets the conversation of a conn that is over.
    pub(super) fn leave(&self, mailbox: &Arc<PeerQueue>) {
        let key = &self.key(mailbox.facts.peer.clone(), &mailbox.facts.local);
        let mut peers = lock(&self.peers);
        // The key may be another session's by now.
        if peers.get(key).is_some_and(|there| Arc::ptr_eq(there, mailbox)) {
            peers.remove(key);
        }
        drop(peers);
        self.note_no_stranger(mailbox);
    }

    /// Forgets peers: their sessions see an end.
    pub(super) fn forget(&self, mut is_forgotten: impl FnMut(Duration) -> bool) {
        let mut gone = Vec::new();
        lock(&self.peers).retain(|_, mailbox| {
            let is_gone = is_forgotten(lock(&mailbox.mail).last());
            if is_gone {
                gone.push(mailbox.clone());
            }
            !is_gone
        });
        for mailbox in &gone {
            mailbox.end();
        }
    }

    /// A peer that has a place now is no stranger any more.
    pub(super) fn note_if_seated(&self, mailbox: &Arc<PeerQueue>) {
        if mailbox.facts.is_seated()
            && self.note_no_stranger(mailbox)
            && let Some(others) = &mut *lock(&self.others)
        {
            others.note(mailbox);
        }
    }

    /// Notes the same of a peer that has just proven itself: it may send nothing more, and is to make room in its turn.
    pub(super) fn note_proven(&self, facts: &Facts) {
        let key = self.key(facts.peer.clone(), &facts.local);
        let mailbox = lock(&self.peers).get(&key).cloned();
        if let Some(mailbox) = mailbox {
            self.note_if_seated(&mailbox);
        }
    }

    /// True: it was one until now.
    fn note_no_stranger(&self, mailbox: &PeerQueue) -> bool {
        let was_stranger = std::mem::take(&mut lock(&mailbox.mail).is_stranger);
        lock(&self.strangers).count -= usize::from(was_stranger);
        was_stranger
    }
}

/// Who makes room.
impl Hub {
    /// Makes room for a peer that is about to enter, and says whether there is room now.
    pub(super) fn make_room_for(&self, facts: &Facts) -> bool {
        let limits = &self.rules.peers;
        while facts.is_stranger() && lock(&self.strangers).count >= limits.strangers.max(1) {
            if !self.evict_stranger(STRANGERS) {
                break;
            }
        }
        while lock(&self.peers).len() >= limits.most.max(1) {
            let has_room = self.evict_stranger(MAX_PEERS)
                || self.rules.evicts && self.evict_other(MAX_PEERS, |_| true).is_some();
            if !has_room {
                self.seldom.warned(&self.rules.bus, MAX_PEERS, |count| {
                    let most = limits.most;
                    format!(
                        "{count} peers were turned away: all {most} that max-peers allows are here"
                    )
                });
                return false;
            }
        }
        true
    }

    /// Ends the session of the peer that was silent longest, of those that have a place.
    pub(super) fn evict_seated(&self, limit: &'static str) -> Option<Arc<Facts>> {
        self.evict_other(limit, |mailbox| mailbox.facts.is_seated())
    }

    fn evict_stranger(&self, limit: &'static str) -> bool {
        let is_one = |mailbox: &PeerQueue| is_here(mailbox) && mailbox.facts.is_stranger();
        let oldest = lock(&self.strangers).silence.longest(is_one, |_| true);
        oldest.inspect(|mailbox| self.evict(mailbox, limit)).is_some()
    }

    fn evict_other(
        &self,
        limit: &'static str,
        counts: impl Fn(&PeerQueue) -> bool,
    ) -> Option<Arc<Facts>> {
        let found = {
            let mut others = lock(&self.others);
            let others = others.get_or_insert_with(|| {
                let mut all = Silence::default();
                let peers = lock(&self.peers);
                let here = peers.values().filter(|mailbox| !lock(&mailbox.mail).is_stranger);
                here.for_each(|mailbox| all.note(mailbox));
                all
            });
            others.longest(is_here, counts)
        };
        let mailbox = found?;
        self.evict(&mailbox, limit);
        Some(mailbox.facts.clone())
    }

    fn evict(&self, mailbox: &Arc<PeerQueue>, limit: &'static str) {
        let facts = &mailbox.facts;
        facts.note_evicted();
        self.leave(mailbox);
        mailbox.end();
        self.dropped(limit, 1);
        self.seldom.warned(&self.rules.bus, limit, |count| match limit {
            STRANGERS => format!(
                "{count} peers that have not answered yet made room for new ones; a larger --max-conns has more of them"
            ),
            MAX_PEERS => {
                let most = self.rules.peers.most;
                format!("{count} silent peers made room for new ones: max-peers is {most}")
            }
            limit => format!(
                "{count} silent peers made room for new ones: {limit} is reached, and a larger --{limit} or \
                 limit of open files (ulimit -n) raises that"
            ),
        });
    }
}

/// Whether the mailbox is still one of the socket's.
fn is_here(mailbox: &PeerQueue) -> bool {
    !lock(&mailbox.mail).is_over
}
