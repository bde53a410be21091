//! The one accept loop. Nothing but the drain ends it, and errors are sorted by their consequence.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::address::Address;
use crate::bus::Seldom;
use crate::conn::listener::{Accepted, Listener, Many};
use crate::conn::{Conn, Facts};
use crate::engine::door::Doorway;
use crate::engine::house::{House, Phase};
use crate::engine::life;
use crate::engine::limits::{Bucket, Guest, OWN_ANSWER};
use crate::engine::presence::{Newcomer, Presence};
use crate::engine::shards::{Shard, least_busy};
use crate::engine::trouble::{EXHAUSTED_WAIT, is_exhaustion, is_the_peers_fault};
use crate::error::Error;
use crate::event::Fact;

/// A bound listener, and what lies behind it.
pub(super) struct Entrance {
    pub listener: Box<dyn Listener>,
    pub door: Arc<Doorway>,
}

/// Accepts on all entrances until the drain, or until no more sessions may come.
pub(super) async fn accept(house: Arc<House>, entrances: Vec<Entrance>) {
    let mut within = JoinSet::new();
    accept_from(&house, entrances, &mut within).await;
    // A datagram socket has handed itself over by now, and its peers come for as long as its listener within lives.
    let all = async { while within.join_next().await.is_some() {} };
    if while_open(&house, all).await.is_some() {
        house.is_deserted.store(true, Relaxed);
    }
    // Sessions that are still open need the listeners within that they came by.
    within.detach_all();
}

async fn accept_from(house: &Arc<House>, mut entrances: Vec<Entrance>, within: &mut JoinSet<()>) {
    let mut bucket = Bucket::new(house.limits.accept_rate, house.limits.accept_burst);
    let seldom = Arc::new(Seldom::default());
    let mut turn = 0;
    while !entrances.is_empty() && !house.is_used_up() {
        if house.gate.is_full() {
            let is_told = seldom.paused(&house.bus, "max-conns");
            if while_open(house, house.gate.freed()).await.is_none() {
                return;
            }
            if is_told {
                house.bus.emit(0, 0, Fact::Resumed { limit: "max-conns" });
            }
        }
        if house.memory_percent() >= 95 {
            seldom.paused(&house.bus, "memory");
            if while_open(house, tokio::time::sleep(EXHAUSTED_WAIT)).await.is_none() {
                return;
            }
            continue;
        }
        let shard = least_busy(&house.shards).clone();
        turn += 1;
        let next = poll_fn(|cx| poll_entrances(&mut entrances, turn, &shard, cx));
        let Some((at, accepted)) = while_open(house, next).await else { return };
        let (door, address) = (entrances[at].door.clone(), entrances[at].listener.address());
        match accepted {
            Accepted::Conn(conn) => {
                let throttled = throttle(house, &mut bucket, &seldom, &conn.facts().peer);
                // The drain does not wait for the rate.
                let _ = until_drain(house, throttled).await;
                welcome(house, &shard, door, conn).await;
            }
            Accepted::Many(Many { peer, listener }) => {
                let parent = match peer {
                    Some(facts) => match adopt(house, &shard, &door, facts).await {
                        Some(parent) => Some(parent),
                        None => continue,
                    },
                    None => None,
                };
                let inside = Inside { shard: shard.clone(), door, parent, listener };
                let accepting = accept_many(house.clone(), inside, seldom.clone());
                within.spawn_on(accepting, &shard.handle);
            }
            Accepted::Answer(peer) => house.refuse(shard.index, &peer, OWN_ANSWER),
            Accepted::Failed(error) => recover(house, &seldom, &address, error).await,
            Accepted::NoMore => drop(entrances.remove(at)),
        }
    }
}

/// A listener within, and the session that its sessions belong to, where there is one.
struct Inside {
    shard: Arc<Shard>,
    door: Arc<Doorway>,
    parent: Option<Presence>,
    listener: Box<dyn Listener>,
}

/// Accepts from a listener within. The listener is polled whatever the limits say, and a peer that is beyond them is
/// turned away.
async fn accept_many(house: Arc<House>, inside: Inside, seldom: Arc<Seldom>) {
    let Inside { shard, door, parent, mut listener } = inside;
    let mut guard = house.reflection(door.has_ports);
    let address = listener.address();
    let (mut phase, mut is_empty) = (house.phase.subscribe(), house.is_empty.subscribe());
    let mut next = async || {
        tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase >= Phase::Over) => Accepted::NoMore,
            () = is_cut(parent.as_ref(), &mut is_empty) => Accepted::NoMore,
            accepted = poll_fn(|cx| listener.poll_accept(cx)) => accepted,
        }
    };
    loop {
        match next().await {
            Accepted::Conn(conn) => {
                let peer = conn.facts().peer.clone();
                let now = house.bus.clock().now();
                // The sender of a datagram may be forged. Where peers have proven to be there, this check harms nobody.
                let seat = guard.admit(&peer, 0, now).and_then(|()| door.gate.admit(&peer));
                let seat = seat.and_then(|guest| match *house.phase.borrow() {
                    Phase::Open | Phase::UsedUp => house.gate.try_seat(guest).ok_or("max-conns"),
                    _ => Err("draining"),
                });
                match seat {
                    Ok(_) if door.is_bare() && !house.take_quota() => house.refuse(shard.index, &peer, "max"),
                    Ok(permit) => {
                        let facts = conn.facts().clone();
                        let parent = parent.as_ref().map_or(0, |parent| parent.session.id);
                        let arrival = Newcomer { facts, permit, parent, door: door.door() };
                        let presence = Presence::open(&house, &shard, arrival);
                        shard.handle.spawn(life::live(presence, conn, door.clone()));
                    }
                    Err(limit) => house.refuse(shard.index, &peer, limit),
                }
            }
            Accepted::Answer(peer) => house.refuse(shard.index, &peer, OWN_ANSWER),
            Accepted::Failed(error) => recover(&house, &seldom, &address, error).await,
            Accepted::NoMore => return,
            // No medium has a listener within a listener within.
            Accepted::Many(_) => {}
        }
    }
}

/// Resolves when the session that others belong to is to end: it was cut, or in a drain all the others are over.
async fn is_cut(parent: Option<&Presence>, is_empty: &mut watch::Receiver<bool>) {
    let Some(Presence { session, .. }) = parent else { return std::future::pending().await };
    let cut = poll_fn(|cx| {
        session.lives_in(cx.waker());
        if session.cut_by().is_some() { Poll::Ready(()) } else { Poll::Pending }
    });
    tokio::select! {
        () = cut => {}
        _ = is_empty.wait_for(|is_empty| *is_empty) => {}
    }
}

/// Makes a session of a conn, if its peer may come.
async fn welcome(house: &Arc<House>, shard: &Arc<Shard>, door: Arc<Doorway>, mut conn: Conn) {
    let facts = conn.facts().clone();
    let Some(guest) = admit(house, shard, &door, &facts) else { return conn.abort() };
    // Behind layers a peer counts once its handshakes are done.
    if door.is_bare() && !house.take_quota() {
        house.refuse(shard.index, &facts.peer, "max");
        return conn.abort();
    }
    let Some(permit) = until_drain(house, house.gate.seat(guest)).await else {
        return conn.abort();
    };
    let arrival = Newcomer { facts, permit, parent: 0, door: door.door() };
    let presence = Presence::open(house, shard, arrival);
    shard.handle.spawn(life::live(presence, conn, door));
}

/// Makes a session to which others are to belong, if its peer may come. It does not count among the sessions that may
/// still come.
async fn adopt(
    house: &Arc<House>,
    shard: &Arc<Shard>,
    door: &Doorway,
    facts: Arc<Facts>,
) -> Option<Presence> {
    let guest = admit(house, shard, door, &facts)?;
    let permit = until_drain(house, house.gate.seat(guest)).await?;
    Some(Presence::open_parent(
        house,
        shard,
        Newcomer { facts, permit, parent: 0, door: door.door() },
    ))
}

fn admit(house: &House, shard: &Shard, door: &Doorway, facts: &Facts) -> Option<Guest> {
    let admitted = door.gate.admit(&facts.peer);
    admitted.inspect_err(|limit| house.refuse(shard.index, &facts.peer, limit)).ok()
}

/// Polls the entrances, beginning with another one each time. A socket that is made during the call belongs to the
/// shard.
fn poll_entrances(
    entrances: &mut [Entrance],
    turn: usize,
    shard: &Shard,
    cx: &mut Context<'_>,
) -> Poll<(usize, Accepted)> {
    let _entered = shard.handle.enter();
    for offset in 0..entrances.len() {
        let at = (turn + offset) % entrances.len();
        if let Poll::Ready(accepted) = entrances[at].listener.poll_accept(cx) {
            return Poll::Ready((at, accepted));
        }
    }
    Poll::Pending
}

/// Runs for as long as peers may come, and yields none when they may not.
async fn while_open<T>(house: &House, work: impl Future<Output = T>) -> Option<T> {
    until(house, Phase::UsedUp, work).await
}

/// Runs until the drain begins, and yields none then.
async fn until_drain<T>(house: &House, work: impl Future<Output = T>) -> Option<T> {
    until(house, Phase::Draining, work).await
}

async fn until<T>(house: &House, end: Phase, work: impl Future<Output = T>) -> Option<T> {
    let mut phase = house.phase.subscribe();
    tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase >= end) => None,
        done = work => Some(done),
    }
}

/// Waits for a token where too many peers come at once from other machines.
async fn throttle(house: &House, bucket: &mut Bucket, seldom: &Seldom, peer: &Address) {
    if peer.is_local_only() {
        return;
    }
    while let Err(wait) = bucket.take(house.bus.clock().now()) {
        seldom.paused(&house.bus, "accept-rate");
        tokio::time::sleep(wait).await;
    }
}

/// Sorts an accept error by its consequence: the next client must not pay for one that is gone, and a lack
/// of descriptors must not spin.
async fn recover(house: &House, seldom: &Seldom, at: &Address, error: Error) {
    if is_exhaustion(&error) {
        seldom.paused(&house.bus, "open-files");
        let freed = house.freed.notified();
        let _ = until_drain(house, tokio::time::timeout(EXHAUSTED_WAIT, freed)).await;
        return;
    }
    if !is_the_peers_fault(&error) {
        seldom.failed(&house.bus, 0, at, error);
        tokio::task::yield_now().await;
    }
}
