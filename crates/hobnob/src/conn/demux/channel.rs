//! One peer's conn.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::Sleep;

use super::hub::Hub;
use super::queue::{PeerQueue, lock};
use crate::conn::{Channel, too_long_to_receive};
use crate::error::{Error, Kind, Result};

/// The first pause before a Unix peer whose queue is full is tried again, and the longest. Each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct PeerChannel {
    hub: Arc<Hub>,
    mailbox: Arc<PeerQueue>,
    /// The wait for room in the peer's queue. Boxed, as thousands lie idle.
    pause: Option<Box<Pause>>,
}

/// No event tells of room in the queue of a Unix datagram peer: it is tried again, after pauses that grow.
struct Pause {
    timer: Pin<Box<Sleep>>,
    length: Duration,
    is_over: bool,
}

impl Pause {
    fn of(length: Duration) -> Self {
        Pause { timer: Box::pin(tokio::time::sleep(length)), length, is_over: false }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_over {
            ready!(self.timer.as_mut().poll(cx));
            self.is_over = true;
        }
        Poll::Ready(())
    }
}

impl PeerChannel {
    pub(super) fn new(hub: Arc<Hub>, mailbox: Arc<PeerQueue>) -> Self {
        PeerChannel { hub, mailbox, pause: None }
    }

    /// What tells it from the other peers of the socket, for as long as it lives.
    fn number(&self) -> usize {
        Arc::as_ptr(&self.mailbox).addr()
    }

    /// Waits until the next try is due: on an IP socket when it has room, on a Unix socket when a pause is over.
    fn wait_for_room(&mut self, cx: &mut Context<'_>) {
        if self.hub.address.ip().is_none() {
            let last = self.pause.as_ref().map(|pause| pause.length);
            let next = last.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
            let pause = self.pause.insert(Box::new(Pause::of(next)));
            // It is not over yet: this is how its timer comes to know the task.
            let _ = pause.poll(cx);
            return;
        }
        // However often it is polled, it waits once.
        let before = lock(&self.hub.writers).insert(self.number(), cx.waker().clone());
        if before.is_none() {
            lock(&self.hub.pump).iter().for_each(Waker::wake_by_ref);
        }
    }

    /// The error of a peer that has made room for another.
    fn made_room(&self) -> Result<()> {
        if !self.mailbox.facts.is_evicted() {
            return Ok(());
        }
        let why = "it was silent longest, and made room for another peer";
        Err(Error::limit("max-peers", why))
    }
}

impl Channel for PeerChannel {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        self.made_room()?;
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
        self.made_room()?;
        if let Some(pause) = &mut self.pause {
            ready!(pause.poll(cx));
        }
        let facts = self.mailbox.facts.clone();
        if !self.hub.may_send(&facts.peer, buf.len()) {
            return Poll::Ready(Ok(buf.len()));
        }
        match self.hub.socket.try_send_from(buf, self.hub.source(&facts), &facts.peer) {
            Err(error) if error.kind() == Kind::WouldBlock => {
                self.wait_for_room(cx);
                Poll::Pending
            }
            Err(error) => {
                // The peer has heard nothing, so that its next packet proves nothing.
                self.pause = None;
                Poll::Ready(Err(error))
            }
            Ok(sent) => {
                self.pause = None;
                self.hub.went(&facts.peer, buf.len());
                // It is not forgotten in the middle of a long answer.
                let mut mail = lock(&self.mailbox.mail);
                mail.touch(self.hub.now());
                mail.is_answered = true;
                Poll::Ready(Ok(sent))
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

    /// A datagram peer does not tell, but we do of one that had to make room for another.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.made_room()?;
        lock(&self.mailbox.mail).reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for PeerChannel {
    fn drop(&mut self) {
        self.hub.leave(&self.mailbox);
        lock(&self.hub.writers).remove(&self.number());
        // A packet that came while the session was ending has no session that could take it.
        let left = lock(&self.mailbox.mail).waiting();
        self.hub.dropped("session-end", left);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use super::*;
    use crate::address::Address;
    use crate::bus::{Bus, Wish};
    use crate::clock::Clock;
    use crate::conn::demux::rules::{DatagramRules, PeerLimits};
    use crate::event::{Event, Fact};
    use crate::socket::{AsyncSocket, Family, Socket, Type};
    use crate::spec::Options;

    struct Sleeper;

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {}
    }

    /// A hub on this machine, and its conn with that peer.
    fn channel(peer: &str) -> (Arc<Hub>, PeerChannel) {
        let socket = Socket::open(Family::V4, Type::Datagram, 0, None).expect("a socket");
        let here = Address::Ip("127.0.0.1:0".parse().expect("an address"));
        socket.bind(&here).expect("a free port");
        let (peers, bus) = (PeerLimits::default(), Bus::new(Clock::start(), 1));
        let rules = DatagramRules::new("udp", &Options::default(), peers, &bus);
        let rules = DatagramRules { evicts: true, ..rules };
        let at = socket.local_address().expect("bound");
        let socket = AsyncSocket::new(socket).expect("a runtime");
        let hub = Arc::new(Hub::new(socket, at.clone(), rules));
        let peer = Address::Ip(peer.parse().expect("an address"));
        let facts = Arc::new(hub.facts_of(peer.clone(), at.clone()));
        let mailbox = Arc::new(PeerQueue::new(facts, hub.held.clone()));
        hub.enter(hub.key(peer, &at), &mailbox);
        (hub.clone(), PeerChannel::new(hub, mailbox))
    }

    #[tokio::test]
    async fn a_session_that_is_blocked_waits_once_however_often_it_is_polled() {
        let (hub, mut channel) = channel("127.0.0.1:9");
        for _ in 0..1_000 {
            let waker = Arc::new(Sleeper).into();
            channel.wait_for_room(&mut Context::from_waker(&waker));
        }
        assert_eq!(lock(&hub.writers).len(), 1);
        drop(channel);
        assert_eq!(lock(&hub.writers).len(), 0);
    }

    #[tokio::test]
    async fn what_a_session_has_not_taken_at_its_end_is_counted() {
        let (hub, mut channel) = channel("127.0.0.1:9");
        let told = hub.rules.bus.subscribe(Wish { capacity: 8, ..Wish::default() });
        for packet in [b"one", b"two", b"six"] {
            assert!(channel.mailbox.deliver(packet, Duration::ZERO));
        }
        let mut room = [0; 16];
        let taken = channel.poll_recv(&mut Context::from_waker(Waker::noop()), &mut room);
        assert_eq!(taken, Poll::Ready(Ok(Some(3))));
        drop(channel);
        let mut events = Vec::new();
        told.pull(&mut events);
        let dropped = |event: &Event| match event.fact {
            Fact::Dropped { limit, count } => Some((limit, count)),
            _ => None,
        };
        assert_eq!(events.iter().find_map(dropped), Some(("session-end", 2)), "{events:?}");
    }

    #[tokio::test]
    async fn a_peer_that_a_packet_could_not_be_sent_to_was_not_answered() {
        let (_hub, mut channel) = channel("127.0.0.1:9");
        let mailbox = channel.mailbox.clone();
        // More than a datagram of IPv4 holds.
        for (length, is_answered) in [(65_508, false), (1, true)] {
            let bytes = vec![b'x'; length];
            // Nobody listens here who would tell that there is room, so it is tried again once the reactor has run.
            let sent = loop {
                match channel.poll_send(&mut Context::from_waker(Waker::noop()), &bytes) {
                    Poll::Ready(sent) => break sent,
                    Poll::Pending => tokio::task::yield_now().await,
                }
            };
            assert_eq!((sent.is_ok(), lock(&mailbox.mail).is_answered), (is_answered, is_answered));
        }
    }
}
