//! Runs a responder over a datagram socket, in batches, without a session per peer.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use crate::address::Address;
use crate::bus::Seldom;
use crate::chunk::{COST, Direction, Side};
use crate::conn::listener::{Answer, Datagram, Datagrams, Listener};
use crate::engine::door::Doorway;
use crate::engine::house::{House, Phase};
use crate::engine::limits::Reflection;
use crate::engine::respond::{split_ending, with_reply};
use crate::error::Kind;
use crate::event::{Data, Fact};
use crate::service::{Ask, Framing, Responder, Whence};
use crate::spec::Shape;

/// Answers that may be held back at once (`--delay`).
const HELD_ANSWERS: usize = 1_024;

/// Answers until the drain, or until no more may come.
pub(super) async fn answer(house: Arc<House>, mut listener: Box<dyn Listener>, door: Arc<Doorway>) {
    let crate::service::Made::Responder(responder) = &house.service else { return };
    let trusts = listener.datagrams().is_some_and(|datagrams| datagrams.trusts_sources());
    let mut batch = PacketAnswering {
        house: &house,
        door: &door,
        responder: &**responder,
        guard: house.reflection(door.has_ports).trusting(trusts),
        held: VecDeque::new(),
        timer: None,
        seldom: Seldom::default(),
        address: listener.address(),
        ordinal: [0; 2],
    };
    let mut phase = house.phase.subscribe();
    // Where the last session that may come came by another door, the answers that are held back here still go out.
    for end in [Phase::UsedUp, Phase::Draining] {
        let answering = poll_fn(|cx| match listener.datagrams() {
            Some(datagrams) => batch.poll(cx, datagrams),
            None => Poll::Ready(()),
        });
        tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase >= end) => {}
            () = answering => return,
        }
    }
}

struct PacketAnswering<'a> {
    house: &'a House,
    door: &'a Doorway,
    responder: &'a dyn Responder,
    guard: Reflection,
    /// Answers that are held back, in the order of their times.
    held: VecDeque<HeldAnswer>,
    timer: Option<Pin<Box<Sleep>>>,
    seldom: Seldom,
    /// The address of the listener.
    address: Address,
    ordinal: [u64; 2],
}

struct HeldAnswer {
    due: Duration,
    /// The address of ours that was asked.
    local: Address,
    peer: Address,
    bytes: Vec<u8>,
}

/// The bytes of an answer that is held back, and what holding it costs.
fn weight(bytes: &[u8]) -> u64 {
    (bytes.len() + COST) as u64
}

impl Drop for PacketAnswering<'_> {
    fn drop(&mut self) {
        let held: u64 = self.held.iter().map(|held| weight(&held.bytes)).sum();
        self.house.shards[0].queued.fetch_sub(held, Relaxed);
    }
}

impl PacketAnswering<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, datagrams: &mut dyn Datagrams) -> Poll<()> {
        // A few batches, and then the other tasks of this shard have their turn.
        for _ in 0..16 {
            self.poll_held(cx, datagrams);
            if self.house.is_used_up() && self.held.is_empty() {
                return Poll::Ready(());
            }
            match datagrams.poll_answer(cx, &mut |datagram, out| self.one(datagram, out)) {
                Poll::Ready(Ok(answered)) => self.dropped("send-buffer", answered.dropped),
                // ICMP answers to earlier packets come as errors, and the socket goes on as before.
                Poll::Ready(Err(error)) if error.kind() == Kind::ConnectionRefused => {}
                Poll::Ready(Err(error)) => {
                    self.seldom.failed(&self.house.bus, 0, &self.address, error);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Answers one packet, or counts and tells why it is not answered.
    fn one(&mut self, datagram: &Datagram<'_>, out: &mut Vec<u8>) -> Answer {
        let totals = &self.house.totals;
        totals.bytes_in.fetch_add(datagram.bytes.len() as u64, Relaxed);
        if let Some(limit) = datagram.refused {
            self.house.refuse(0, datagram.peer, limit);
            return Answer::Silence;
        }
        let now = self.house.bus.clock().now();
        let admitted = self.door.gate.admit(datagram.peer).map(drop);
        let admitted =
            admitted.and_then(|()| self.guard.admit(datagram.peer, datagram.bytes.len(), now));
        if let Err(limit) = admitted {
            self.house.refuse(0, datagram.peer, limit);
            return Answer::Silence;
        }
        if !self.house.take_quota() {
            self.house.refuse(0, datagram.peer, "max");
            return Answer::Silence;
        }
        totals.sessions.fetch_add(1, Relaxed);
        self.house.note_used_up();
        self.tell(Direction::In, datagram.peer, datagram.bytes);
        with_reply(|reply| {
            let message = match self.responder.framing() {
                Framing::Text => split_ending(datagram.bytes),
                Framing::Raw => crate::codec::text::Message { body: datagram.bytes, ending: b"" },
            };
            let (peer, local) = (datagram.peer, datagram.local);
            let clock = self.house.bus.clock();
            let scene = Whence { peer, local, shape: Shape::Packets, has_opening: false, clock };
            self.responder.answer(&Ask { message: message.body, scene }, reply);
            if !reply.is_said() {
                return Answer::Silence;
            }
            reply.push(message.ending);
            if let Err(limit) = self.guard.answer(peer, reply.bytes().len(), now) {
                self.house.refuse(0, peer, limit);
                return Answer::Silence;
            }
            if let Some(hold) = reply.held() {
                self.hold(now.saturating_add(hold), datagram, reply.bytes());
                return Answer::Silence;
            }
            out.extend_from_slice(reply.bytes());
            self.said(peer, reply.bytes());
            Answer::Send
        })
    }

    fn hold(&mut self, due: Duration, asked: &Datagram<'_>, bytes: &[u8]) {
        if self.held.len() >= HELD_ANSWERS {
            return self.dropped("held-answers", 1);
        }
        if self.house.is_crowded() {
            return self.dropped("memory", 1);
        }
        self.house.shards[0].queued.fetch_add(weight(bytes), Relaxed);
        let (local, peer) = (asked.local.clone(), asked.peer.clone());
        self.held.push_back(HeldAnswer { due, local, peer, bytes: bytes.to_vec() });
    }

    /// Sends the answers that are due, and arms the timer for the next one.
    fn poll_held(&mut self, cx: &mut Context<'_>, datagrams: &mut dyn Datagrams) {
        while let Some(next) = self.held.front() {
            let now = self.house.bus.clock().now();
            let ahead = next.due.saturating_sub(now);
            if !ahead.is_zero() {
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(ahead)));
                if timer.as_mut().poll(cx).is_pending() {
                    return;
                }
                self.timer = None;
                continue;
            }
            let Some(HeldAnswer { local, peer, bytes, .. }) = self.held.pop_front() else { return };
            self.house.shards[0].queued.fetch_sub(weight(&bytes), Relaxed);
            match datagrams.try_send(&local, &peer, &bytes) {
                Ok(()) => self.said(&peer, &bytes),
                Err(_) => self.dropped("send-buffer", 1),
            }
        }
    }

    fn said(&mut self, peer: &Address, bytes: &[u8]) {
        self.house.totals.bytes_out.fetch_add(bytes.len() as u64, Relaxed);
        self.tell(Direction::Out, peer, bytes);
    }

    fn dropped(&self, limit: &'static str, count: usize) {
        self.house.bus.drop_by(limit, count);
    }

    fn tell(&mut self, direction: Direction, peer: &Address, bytes: &[u8]) {
        let ordinal = &mut self.ordinal[direction as usize];
        *ordinal += 1;
        let bus = &self.house.bus;
        if !bus.wants_data() {
            return;
        }
        let kept = bytes.len().min(bus.snap());
        bus.emit(
            0,
            0,
            Fact::Data(Box::new(Data {
                side: Side::Downstream,
                is_hidden: false,
                direction,
                ordinal: *ordinal,
                bytes: bytes[..kept].into(),
                length: bytes.len(),
                is_packet: true,
                peer: Some(peer.clone()),
            })),
        );
    }
}
