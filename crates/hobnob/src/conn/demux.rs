//! One datagram socket, and a conn for each of its peers.
//!
//! As a listener it is yielded itself, once: it and all its conns live on one shard, and its pump runs whenever the engine
//! polls it for new peers. Every mailbox is bounded; what does not fit is dropped and counted.

mod queue;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::Sleep;

use self::queue::{PeerQueue, lock};
use crate::address::Address;
use crate::bus::Bus;
use crate::conn::incoming::incoming;
use crate::conn::listener::{Accepted, Listener};
use crate::conn::{Channel, Conn, Facts, too_long_to_receive};
use crate::error::{Kind, Result};
use crate::socket::{AsyncSocket, Batch, Socket};
use crate::spec::Shape;

/// What a datagram listener is made with.
pub struct DatagramRules {
    /// The transport's name.
    pub transport: &'static str,
    /// Peers that are remembered, at least one; past it the one that was silent longest is forgotten.
    pub max_peers: usize,
    /// Silence after which a peer is forgotten, and its session ends.
    pub peer_idle: Duration,
    /// Where drops are told.
    pub bus: Bus,
}

/// A datagram socket whose peers have sessions.
pub(super) struct Demux {
    hub: Arc<Hub>,
    incoming: Batch,
    /// What is to be accepted: conns of new peers, and addresses that have sent us answers.
    new: VecDeque<Accepted>,
    sweep: Option<Pin<Box<Sleep>>>,
    _claim: Option<Box<dyn Send>>,
}

/// What the demux and its conns share. They all run on one thread, so the locks are never waited for.
struct Hub {
    socket: AsyncSocket,
    address: Address,
    rules: DatagramRules,
    peers: Mutex<HashMap<Address, Arc<PeerQueue>>>,
    /// Bytes in all mailboxes, and what holding them costs.
    held: Arc<AtomicUsize>,
    /// Sessions that wait until the socket takes more, each once by the number of its peer, and the pump that waits for
    /// them: a socket has one write waker.
    writers: Mutex<HashMap<usize, Waker>>,
    pump: Mutex<Option<Waker>>,
}

impl Hub {
    fn now(&self) -> Duration {
        self.rules.bus.clock().now()
    }

    fn dropped(&self, limit: &'static str, count: usize) {
        self.rules.bus.drop_by(limit, count);
    }

    /// Forgets peers: their sessions see an end.
    fn forget(&self, mut is_forgotten: impl FnMut(Duration) -> bool) -> usize {
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
        gone.len()
    }

    /// Makes room where the peers are too many: those that were silent longest go, a sixteenth at once, so that
    /// a flood of new addresses does not pay a search each.
    fn make_room(&self) {
        let mut times: Vec<Duration> =
            lock(&self.peers).values().map(|mailbox| lock(&mailbox.mail).last()).collect();
        times.sort_unstable();
        let count = (self.rules.max_peers / 16).max(1);
        let oldest = times[count.min(times.len()) - 1];
        let mut left = count;
        let gone = self.forget(|last| {
            let goes = last <= oldest && left > 0;
            left -= usize::from(goes);
            goes
        });
        self.dropped("max-peers", gone);
    }
}

impl Demux {
    pub(super) fn new(
        socket: Socket,
        address: Address,
        rules: DatagramRules,
        claim: Option<Box<dyn Send>>,
    ) -> Result<Self> {
        let socket = AsyncSocket::new(socket)?;
        let incoming = incoming(&socket, &address);
        let hub = Hub {
            socket,
            address,
            rules,
            peers: Mutex::default(),
            held: Arc::default(),
            writers: Mutex::default(),
            pump: Mutex::default(),
        };
        Ok(Demux { hub: Arc::new(hub), incoming, new: VecDeque::new(), sweep: None, _claim: claim })
    }

    /// Puts each packet of the batch where it belongs.
    fn deal(&mut self) {
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
            if packet.is_answer {
                self.new.push_back(Accepted::Answer(packet.peer));
                continue;
            }
            let known = lock(&self.hub.peers).get(&packet.peer).cloned();
            if let Some(mailbox) = known {
                full += usize::from(!mailbox.deliver(packet.bytes, now));
            } else {
                // No more than a batch of them: the next one is received when these were accepted.
                let facts = facts_of(&self.hub, packet.peer);
                let mailbox = Arc::new(PeerQueue::new(Arc::new(facts), self.hub.held.clone()));
                if mailbox.deliver(packet.bytes, now) {
                    self.new.push_back(Accepted::Conn(admit(&self.hub, mailbox)));
                } else {
                    full += 1;
                }
            }
        }
        if full > 0 {
            self.hub.dropped("mailbox", full);
        }
    }

    /// Forgets the silent, now and then.
    fn poll_sweep(&mut self, cx: &mut Context<'_>) {
        loop {
            let idle = self.hub.rules.peer_idle;
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

fn facts_of(hub: &Hub, peer: Address) -> Facts {
    let mut facts = Facts::new(hub.rules.transport, hub.address.clone(), peer).without_end();
    facts.can_be_forged = hub.address.ip().is_some();
    facts
}

fn admit(hub: &Arc<Hub>, mailbox: Arc<PeerQueue>) -> Conn {
    if lock(&hub.peers).len() >= hub.rules.max_peers.max(1) {
        hub.make_room();
    }
    let facts = mailbox.facts.clone();
    lock(&hub.peers).insert(facts.peer.clone(), mailbox.clone());
    Conn::new(facts, Shape::Packets, Box::new(PeerChannel { hub: hub.clone(), mailbox }))
}

impl Listener for Demux {
    fn address(&self) -> Address {
        self.hub.address.clone()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        self.poll_sweep(cx);
        self.poll_writers(cx);
        loop {
            if let Some(accepted) = self.new.pop_front() {
                return Poll::Ready(accepted);
            }
            match ready!(self.hub.socket.poll_recv_batch(cx, &mut self.incoming)) {
                Ok(_) => self.deal(),
                Err(error) => return Poll::Ready(Accepted::Failed(error)),
            }
        }
    }
}

impl Drop for Demux {
    /// Nothing comes any more: the sessions see an end.
    fn drop(&mut self) {
        self.hub.forget(|_| true);
    }
}

/// One peer's conn.
struct PeerChannel {
    hub: Arc<Hub>,
    mailbox: Arc<PeerQueue>,
}

impl PeerChannel {
    /// What tells it from the other peers of the socket, for as long as it lives.
    fn number(&self) -> usize {
        Arc::as_ptr(&self.mailbox).addr()
    }
}

impl Channel for PeerChannel {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        let mut mail = lock(&self.mailbox.mail);
        match self.mailbox.take(&mut mail) {
            Some(packet) if packet.len() > buf.len() => {
                Poll::Ready(Err(too_long_to_receive(packet.len(), buf.len())))
            }
            Some(packet) => {
                buf[..packet.len()].copy_from_slice(&packet);
                Poll::Ready(Ok(Some(packet.len())))
            }
            None if mail.is_over => Poll::Ready(Ok(None)),
            None => {
                mail.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        match self.hub.socket.try_send_to(buf, &self.mailbox.facts.peer) {
            Err(error) if error.kind() == Kind::WouldBlock => {
                // However often it is polled, it waits once.
                let waker = cx.waker().clone();
                let before = lock(&self.hub.writers).insert(self.number(), waker);
                if before.is_none() {
                    lock(&self.hub.pump).iter().for_each(Waker::wake_by_ref);
                }
                Poll::Pending
            }
            sent => {
                // It is not forgotten in the middle of a long answer.
                lock(&self.mailbox.mail).touch(self.hub.now());
                Poll::Ready(sent)
            }
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// A datagram peer cannot be told.
    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.mailbox.end();
    }
}

impl Drop for PeerChannel {
    fn drop(&mut self) {
        let (mut peers, peer) = (lock(&self.hub.peers), &self.mailbox.facts.peer);
        // The address may be another session's by now.
        if peers.get(peer).is_some_and(|mailbox| Arc::ptr_eq(mailbox, &self.mailbox)) {
            peers.remove(peer);
        }
        drop(peers);
        lock(&self.hub.writers).remove(&self.number());
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Wake;

    use super::*;
    use crate::clock::Clock;
    use crate::socket::{Family, Flags, Type};

    struct Sleeper;

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {}
    }

    fn socket() -> (Socket, Address) {
        let socket = Socket::open(Family::Unix, Type::Datagram, 0, None).expect("a socket");
        socket.bind(&Address::Unnamed).expect("the kernel picks a name");
        let address = socket.local_address().expect("it is bound");
        (socket, address)
    }

    #[tokio::test]
    async fn a_session_that_is_blocked_waits_once_however_often_it_is_polled() {
        let ((ours, at), (deaf, _)) = (socket(), socket());
        let bus = Bus::new(Clock::start(), 1);
        let idle = Duration::from_mins(1);
        let rules = DatagramRules { transport: "unixgram", max_peers: 8, peer_idle: idle, bus };
        let mut demux = Demux::new(ours, at.clone(), rules, None).expect("a runtime");
        deaf.send_to(b"hello", Flags::NONE, &at).expect("sent");
        let accepted = poll_fn(|cx| demux.poll_accept(cx)).await;
        let Accepted::Conn(mut conn) = accepted else { panic!("nobody came") };
        let wakers: Vec<Waker> = (0..100).map(|_| Arc::new(Sleeper).into()).collect();
        let mut blocked = 0;
        for waker in wakers.iter().cycle().take(10_000) {
            let sent = conn.channel().poll_send(&mut Context::from_waker(waker), b"unheard");
            blocked += usize::from(sent.is_pending());
        }
        assert!(blocked > 1_000, "it was blocked {blocked} times");
        assert_eq!(lock(&demux.hub.writers).len(), 1);
        drop(conn);
        assert_eq!(lock(&demux.hub.writers).len(), 0);
    }
}
