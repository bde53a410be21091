//! One datagram socket: its packets answered in batches, or dealt out to a conn per peer.
//!
//! As a listener it yields the demux itself, once: it and all its conns live on one shard, and its pump runs
//! whenever the engine polls it for new peers. Every mailbox is bounded; what does not fit is dropped and counted.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::Sleep;

use crate::address::Address;
use crate::bus::Bus;
use crate::conn::listener::{Accepted, Answer, Answered, Datagram, Datagrams, Listener};
use crate::conn::{Channel, Conn, Facts, too_long_to_receive};
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::socket::{AsyncSocket, Batch, Outgoing, Socket};
use crate::spec::Shape;

/// Packets of one batch.
const SLOTS: usize = 32;
/// Bytes of the largest packet: no datagram is larger.
const SLOT_BYTES: usize = 65_536;
/// Packets that wait for one session, and their bytes; those of all sessions of a socket together.
const MAILBOX: usize = 256;
const MAILBOX_BYTES: usize = 1 << 20;
const HELD_BYTES: usize = 64 << 20;

/// What a datagram listener is made with.
pub struct Rules {
    /// The transport's name.
    pub transport: &'static str,
    /// Peers that are remembered, at least one; past it the one that was silent longest is forgotten.
    pub max_peers: usize,
    /// Silence after which a peer is forgotten, and its session ends.
    pub peer_idle: Duration,
    /// Where drops are told.
    pub bus: Bus,
}

/// A bound datagram socket. It joins the runtime that is entered when it is first polled.
pub struct DatagramListener {
    address: Address,
    /// The socket until it has joined a runtime.
    socket: Option<Socket>,
    rules: Option<Rules>,
    batch: Option<Batching>,
    /// What removes the path of a Unix socket.
    claim: Option<Box<dyn Send>>,
}

impl DatagramListener {
    /// Around a bound socket. `claim` is dropped with it: what removes the path of a Unix socket.
    pub fn new(socket: Socket, rules: Rules, claim: Option<Box<dyn Send>>) -> Result<Self> {
        let address = socket.local_address()?;
        Ok(DatagramListener {
            address,
            socket: Some(socket),
            rules: Some(rules),
            batch: None,
            claim,
        })
    }
}

impl Listener for DatagramListener {
    fn address(&self) -> Address {
        self.address.clone()
    }

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Accepted> {
        let (Some(socket), Some(rules)) = (self.socket.take(), self.rules.take()) else {
            return Poll::Ready(Accepted::NoMore);
        };
        Poll::Ready(match Demux::new(socket, self.address.clone(), rules, self.claim.take()) {
            Ok(demux) => Accepted::Many(Box::new(demux)),
            Err(error) => Accepted::Failed(error),
        })
    }

    fn datagrams(&mut self) -> Option<&mut dyn Datagrams> {
        Some(self)
    }
}

/// What answering in batches needs; made when it begins.
struct Batching {
    socket: AsyncSocket,
    incoming: Batch,
    outgoing: Outgoing,
    bus: Bus,
}

/// A batch to receive into. On a wildcard address each packet tells where it came to, so that the answer leaves
/// from there. On any IP address it tells whether it is an answer: two listeners that one forged packet points at each
/// other would answer for ever.
fn incoming(socket: &AsyncSocket, address: &Address) -> Batch {
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

impl DatagramListener {
    fn batching(&mut self) -> Result<&mut Batching> {
        if self.batch.is_none() {
            let gone = || Error::new(Kind::ConnectionBroken, "the socket was handed to a demux");
            let (socket, rules) =
                (self.socket.take().ok_or_else(gone)?, self.rules.take().ok_or_else(gone)?);
            let socket = AsyncSocket::new(socket)?;
            let incoming = incoming(&socket, &self.address);
            self.batch =
                Some(Batching { socket, incoming, outgoing: Outgoing::new(), bus: rules.bus });
        }
        self.batch.as_mut().ok_or_else(|| Error::new(Kind::Bug, "the batch was just made"))
    }
}

impl Datagrams for DatagramListener {
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        answer: &mut dyn FnMut(&Datagram<'_>, &mut Vec<u8>) -> Answer,
    ) -> Poll<Result<Answered>> {
        let local = self.address.clone();
        let Batching { socket, incoming, outgoing, bus } = self.batching()?;
        let received = ready!(socket.poll_recv_batch(cx, incoming))?;
        let mut answered = Answered { received, dropped: 0 };
        for packet in incoming.iter() {
            if packet.is_truncated() {
                bus.drop_by("packet-size", 1);
                continue;
            }
            let datagram = Datagram {
                peer: &packet.peer,
                local: &local,
                bytes: packet.bytes,
                is_answer: packet.is_answer,
            };
            if answer(&datagram, outgoing.draft()) == Answer::Send {
                let from = packet.arrival.and_then(|arrival| arrival.answer_from);
                if outgoing.commit(&packet.peer, from).is_err() {
                    answered.dropped += 1;
                }
            }
        }
        if !outgoing.is_empty() {
            let sent = socket.try_send_batch(outgoing, &mut |_, error| {
                if !is_the_peers_own(&error) {
                    bus.emit(0, 0, Fact::Failed(Error::from_io("sendto()", &error)));
                }
            });
            answered.dropped += sent.failed + sent.left;
        }
        Poll::Ready(Ok(answered))
    }

    fn try_send(&mut self, to: &Address, bytes: &[u8]) -> Result<()> {
        self.batching()?.socket.try_send_to(bytes, to).map(drop)
    }
}

/// A Unix peer whose queue is full, that is gone, or whose path is: its answer counts as dropped, which is all that
/// there is to tell. It could ask a thousand times a second.
fn is_the_peers_own(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, WouldBlock};
    matches!(error.kind(), WouldBlock | ConnectionRefused | NotFound)
}

/// A datagram socket whose peers have sessions.
struct Demux {
    hub: Arc<Hub>,
    incoming: Batch,
    /// What is to be accepted: new peers' conns, and who sent us answers.
    new: VecDeque<Accepted>,
    sweep: Option<Pin<Box<Sleep>>>,
    _claim: Option<Box<dyn Send>>,
}

/// What the demux and its conns share. They all run on one thread, so the locks are never waited for.
struct Hub {
    socket: AsyncSocket,
    address: Address,
    rules: Rules,
    peers: Mutex<HashMap<Address, Arc<Mailbox>>>,
    /// Bytes in all mailboxes.
    held: Arc<AtomicUsize>,
    /// Sessions that wait until the socket takes more, and the pump that waits for them: a socket has one write waker.
    writers: Mutex<Vec<Waker>>,
    pump: Mutex<Option<Waker>>,
}

struct Mailbox {
    mail: Mutex<Mail>,
    /// Bytes in all mailboxes of the socket, this one among them.
    held: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Mail {
    packets: VecDeque<Box<[u8]>>,
    bytes: usize,
    is_over: bool,
    last: Duration,
    reader: Option<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            let is_gone = is_forgotten(lock(&mailbox.mail).last);
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
            lock(&self.peers).values().map(|mailbox| lock(&mailbox.mail).last).collect();
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

impl Mailbox {
    fn new(held: Arc<AtomicUsize>) -> Self {
        Mailbox { mail: Mutex::default(), held }
    }

    fn end(&self) {
        let mut mail = lock(&self.mail);
        mail.is_over = true;
        let reader = mail.reader.take();
        drop(mail);
        reader.into_iter().for_each(Waker::wake);
    }

    /// False: it is full, or all together are.
    fn deliver(&self, packet: &[u8], now: Duration) -> bool {
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
    fn take(&self, mail: &mut Mail) -> Option<Box<[u8]>> {
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

impl Demux {
    fn new(
        socket: Socket,
        address: Address,
        rules: Rules,
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
                let mailbox = Arc::new(Mailbox::new(self.hub.held.clone()));
                if mailbox.deliver(packet.bytes, now) {
                    self.new.push_back(Accepted::Conn(admit(&self.hub, packet.peer, mailbox)));
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
            std::mem::take(&mut *lock(&self.hub.writers)).into_iter().for_each(Waker::wake);
        }
    }
}

fn admit(hub: &Arc<Hub>, peer: Address, mailbox: Arc<Mailbox>) -> Conn {
    if lock(&hub.peers).len() >= hub.rules.max_peers.max(1) {
        hub.make_room();
    }
    lock(&hub.peers).insert(peer.clone(), mailbox.clone());
    let mut facts =
        Facts::new(hub.rules.transport, hub.address.clone(), peer.clone()).without_end();
    facts.can_be_forged = hub.address.ip().is_some();
    Conn::new(facts, Shape::Packets, Box::new(Peer { hub: hub.clone(), mailbox, address: peer }))
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
struct Peer {
    hub: Arc<Hub>,
    mailbox: Arc<Mailbox>,
    address: Address,
}

impl Channel for Peer {
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
        match self.hub.socket.try_send_to(buf, &self.address) {
            Err(error) if error.kind() == Kind::WouldBlock => {
                lock(&self.hub.writers).push(cx.waker().clone());
                lock(&self.hub.pump).iter().for_each(Waker::wake_by_ref);
                Poll::Pending
            }
            sent => {
                // It is not forgotten in the middle of a long answer.
                lock(&self.mailbox.mail).last = self.hub.now();
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

impl Drop for Peer {
    fn drop(&mut self) {
        let mut peers = lock(&self.hub.peers);
        // The address may be another session's by now.
        if peers.get(&self.address).is_some_and(|mailbox| Arc::ptr_eq(mailbox, &self.mailbox)) {
            peers.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn fill(mailbox: &Mailbox, packet: &[u8]) -> usize {
        (0..=MAILBOX).take_while(|_| mailbox.deliver(packet, NOW)).count()
    }

    #[test]
    fn a_mailbox_is_bounded_by_its_packets_and_by_their_bytes() {
        let (small, large) = (Mailbox::new(Arc::default()), Mailbox::new(Arc::default()));
        assert_eq!(fill(&small, b""), MAILBOX);
        assert_eq!(fill(&large, &[0; SLOT_BYTES]), MAILBOX_BYTES / SLOT_BYTES);
        assert!(large.take(&mut lock(&large.mail)).is_some());
        assert_eq!(fill(&large, &[0; SLOT_BYTES]), 1, "there is room again");
    }

    #[test]
    fn all_mailboxes_of_a_socket_are_bounded_together() {
        let held = Arc::new(AtomicUsize::new(0));
        let most = HELD_BYTES / MAILBOX_BYTES;
        let mut mailboxes: Vec<_> = (0..=most).map(|_| Mailbox::new(held.clone())).collect();
        let filled = mailboxes.iter().filter(|mailbox| fill(mailbox, &[0; SLOT_BYTES]) > 0);
        assert_eq!((filled.count(), held.load(Relaxed)), (most, HELD_BYTES));
        mailboxes.remove(0);
        assert_eq!(held.load(Relaxed), HELD_BYTES - MAILBOX_BYTES, "what is unread goes with it");
        assert!(mailboxes[most - 1].deliver(b"x", NOW));
        drop(mailboxes);
        assert_eq!(held.load(Relaxed), 0);
    }
}
