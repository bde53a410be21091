//! One datagram socket, and a conn for each of its peers.
//!
//! As a listener it is yielded itself, once: it and all its conns live on one shard, and its pump runs whenever the engine
//! polls it for new peers. Every mailbox is bounded; what does not fit is dropped and counted.
//!
//! A peer is an address, and an address can be forged: see [`PeerLimits::must_prove`].

mod channel;
mod hub;
mod queue;
mod rules;
mod silence;

use std::collections::VecDeque;
use std::future::Future;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::Sleep;

use self::channel::PeerChannel;
use self::hub::{Hub, PeerKey};
use self::queue::{PeerQueue, lock};
use self::rules::MAX_PEERS;
use crate::address::Address;
use crate::conn::incoming::{asked, incoming, message, refusal};
use crate::conn::listener::{Accepted, Listener};
use crate::conn::{Conn, Facts};
use crate::error::Result;
use crate::socket::{AsyncSocket, Batch, Received, Socket};
use crate::spec::Shape;

pub use self::rules::{DatagramRules, EVICT_OPTION, MAX_PEERS_OPTION, PeerLimits};

/// A datagram socket whose peers have sessions.
pub(super) struct Demux {
    hub: Arc<Hub>,
    incoming: Batch,
    /// What is to be accepted: conns of new peers, proofs, and who was turned away.
    new: VecDeque<Accepted>,
    /// The peer whose proof was accepted last. It has been given a place by the next accept, where one was free.
    proven: Option<Arc<Facts>>,
    sweep: Option<Pin<Box<Sleep>>>,
    _claim: Option<Box<dyn Send>>,
}

impl Demux {
    pub(super) fn new(
        socket: Socket,
        address: Address,
        rules: DatagramRules,
        claim: Option<Box<dyn Send>>,
    ) -> Result<Self> {
        let socket = AsyncSocket::new(socket)?;
        let mut incoming = incoming(&socket, &address, rules.users.as_ref())?;
        if address.ip().is_some() {
            // Without it relays that dial each other do not notice.
            drop(incoming.ask_for_reach(socket.as_fd()));
        }
        let hub = Arc::new(Hub::new(socket, address, rules));
        Ok(Demux { hub, incoming, new: VecDeque::new(), proven: None, sweep: None, _claim: claim })
    }

    /// Puts each packet of the batch where it belongs.
    fn deal(&mut self) {
        self.hub.lost(self.incoming.take_lost());
        let now = self.hub.now();
        let mut full = 0;
        for packet in self.incoming.iter() {
            if packet.is_truncated() {
                self.hub.dropped("packet-size", 1);
                continue;
            }
            if !packet.peer.is_reachable() {
                self.hub.dropped("unnamed-peer", 1);
                continue;
            }
            if let Some(limit) = refusal(&packet, self.hub.rules.users.as_ref()) {
                self.new.push_back(Accepted::Refused(packet.peer, limit));
                continue;
            }
            let Some(bytes) = message(&packet, self.hub.rules.is_raw) else {
                self.hub.dropped("packet-header", 1);
                continue;
            };
            self.hub.came(&packet, now);
            let local = asked(&packet, &self.hub.address);
            let key = self.hub.key(packet.peer.clone(), &local);
            let known = lock(&self.hub.peers).get(&key).cloned();
            let (is_taken, accepted) = match known {
                Some(mailbox) => known_peer(&self.hub, &mailbox, bytes, now),
                // No more than a batch of them: the next one is received when these were accepted.
                None => new_peer(&self.hub, key, local, &packet, bytes, now),
            };
            full += usize::from(!is_taken);
            self.new.extend(accepted);
        }
        if full > 0 {
            self.hub.dropped("mailbox", full);
        }
    }

    /// Forgets the silent, now and then.
    fn poll_sweep(&mut self, cx: &mut Context<'_>) {
        loop {
            let idle = self.hub.rules.peers.idle;
            let pause = (idle / 8).max(Duration::from_millis(1));
            let sweep = self.sweep.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            if sweep.as_mut().poll(cx).is_pending() {
                return;
            }
            self.sweep = None;
            let now = self.hub.now();
            self.hub.forget(|last| now.saturating_sub(last) >= idle);
        }
    }

    /// Wakes the sessions that wait for the socket, once it takes more.
    fn poll_writers(&mut self, cx: &mut Context<'_>) {
        *lock(&self.hub.pump) = Some(cx.waker().clone());
        if lock(&self.hub.writers).is_empty() {
            return;
        }
        if self.hub.socket.poll_write_ready(cx).is_ready() {
            std::mem::take(&mut *lock(&self.hub.writers)).into_values().for_each(Waker::wake);
        }
    }
}

/// Delivers a packet, and says whether it was taken. The peer of an answered packet hears us, unless it is the service
/// that is to say so.
fn known_peer(
    hub: &Hub,
    mailbox: &Arc<PeerQueue>,
    bytes: &[u8],
    now: Duration,
) -> (bool, Option<Accepted>) {
    let is_taken = mailbox.deliver(bytes, now);
    hub.note_if_seated(mailbox);
    let has_proven = mailbox.facts.is_stranger()
        && !hub.rules.peers.must_prove
        && lock(&mailbox.mail).is_answered;
    (is_taken, has_proven.then(|| Accepted::Proven(mailbox.facts.clone())))
}

fn new_peer(
    hub: &Arc<Hub>,
    key: PeerKey,
    local: Address,
    packet: &Received<'_>,
    bytes: &[u8],
    now: Duration,
) -> (bool, Option<Accepted>) {
    let relays = (hub.rules.relays_behind)(packet, &local);
    let facts = hub.facts_of(key.peer.clone(), local).behind(relays);
    if !hub.make_room_for(&facts) {
        return (true, Some(Accepted::Refused(key.peer, MAX_PEERS)));
    }
    let mailbox = Arc::new(PeerQueue::new(Arc::new(facts), hub.held.clone()));
    if !mailbox.deliver(bytes, now) {
        return (false, None);
    }
    let facts = mailbox.facts.clone();
    hub.enter(key, &mailbox);
    let channel = PeerChannel::new(hub.clone(), mailbox);
    (true, Some(Accepted::Conn(Conn::new(facts, Shape::Packets, Box::new(channel)))))
}

impl Listener for Demux {
    fn address(&self) -> Address {
        self.hub.address.clone()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        if let Some(facts) = self.proven.take() {
            self.hub.note_proven(&facts);
        }
        self.poll_sweep(cx);
        self.poll_writers(cx);
        loop {
            if let Some(accepted) = self.new.pop_front() {
                if let Accepted::Proven(facts) = &accepted {
                    self.proven = Some(facts.clone());
                }
                return Poll::Ready(accepted);
            }
            match ready!(self.hub.socket.poll_recv_batch(cx, &mut self.incoming)) {
                Ok(_) => self.deal(),
                Err(error) => return Poll::Ready(Accepted::Failed(error)),
            }
        }
    }

    fn make_room(&mut self) -> Option<Arc<Facts>> {
        if self.hub.rules.evicts { self.hub.evict_seated("max-conns") } else { None }
    }
}

impl Drop for Demux {
    /// Nothing comes any more: the sessions see an end.
    fn drop(&mut self) {
        self.hub.forget(|_| true);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::bus::Bus;
    use crate::clock::Clock;
    use crate::socket::{Family, Flags, Type};
    use crate::spec::Options;

    fn socket() -> (Socket, Address) {
        let socket = Socket::open(Family::Unix, Type::Datagram, 0, None).expect("a socket");
        socket.bind(&Address::Unnamed).expect("the kernel picks a name");
        let address = socket.local_address().expect("it is bound");
        (socket, address)
    }

    fn demux(socket: Socket, at: &Address, most: usize) -> Demux {
        let bus = Bus::new(Clock::start(), 1);
        let peers = PeerLimits { most, ..PeerLimits::default() };
        let rules = DatagramRules::new("unixgram", &Options::default(), peers, &bus);
        let rules = DatagramRules { evicts: true, ..rules };
        Demux::new(socket, at.clone(), rules, None).expect("a runtime")
    }

    #[tokio::test(start_paused = true)]
    async fn a_unix_peer_whose_queue_is_full_is_tried_again_after_pauses_that_grow() {
        let ((ours, at), (deaf, _)) = (socket(), socket());
        let mut demux = demux(ours, &at, 8);
        deaf.send_to(b"hello", Flags::NONE, &at).expect("sent");
        let Accepted::Conn(mut conn) = poll_fn(|cx| demux.poll_accept(cx)).await else {
            panic!("nobody came")
        };
        let mut polls = 0;
        let blocked = poll_fn(|cx| {
            polls += 1;
            assert!(demux.poll_accept(cx).is_pending());
            while conn.channel().poll_send(cx, b"unheard").is_ready() {}
            if polls < 1_000 { Poll::Pending } else { Poll::Ready(()) }
        });
        let blocked = tokio::time::timeout(Duration::from_secs(10), blocked).await;
        assert!(blocked.is_err(), "it was polled {polls} times in ten seconds");
        assert!((50..150).contains(&polls), "it was polled {polls} times in ten seconds");
        while deaf.recv(&mut [0; 16], Flags::DONT_WAIT).is_ok() {}
        assert_eq!(poll_fn(|cx| conn.channel().poll_send(cx, b"heard")).await, Ok(5));
    }

    #[tokio::test(start_paused = true)]
    async fn the_peer_that_was_silent_longest_makes_room_whoever_came_first() {
        let (ours, at) = socket();
        let mut demux = demux(ours, &at, 3);
        let mut conns: Vec<Conn> = Vec::new();
        let clients: Vec<_> = (0..5).map(|_| socket().0).collect();
        // The first speaks again before the others are too many, and the third once one of them was.
        let speaking = [0, 1, 2, 0, 3, 2, 4];
        for (turn, speaks) in speaking.into_iter().enumerate() {
            let is_new = !speaking[..turn].contains(&speaks);
            tokio::time::advance(Duration::from_secs(1)).await;
            clients[speaks].send_to(b"x", Flags::NONE, &at).expect("sent");
            if !is_new {
                let heard = poll_fn(|cx| {
                    assert!(demux.poll_accept(cx).is_pending());
                    conns[speaks].channel().poll_recv(cx, &mut [0; 8])
                });
                // What it said first, and what it says now.
                assert_eq!(heard.await, Ok(Some(1)));
                continue;
            }
            let Accepted::Conn(conn) = poll_fn(|cx| demux.poll_accept(cx)).await else {
                panic!("nobody came")
            };
            conns.push(conn);
        }
        let gone = conns.iter().map(|conn| conn.facts().is_evicted());
        assert_eq!(gone.collect::<Vec<_>>(), [true, true, false, false, false]);
        let evicted = conns[1].recv(&mut [0; 8]).await.expect_err("it is over");
        assert_eq!(evicted.limit_name(), Some("max-peers"));
    }
}
