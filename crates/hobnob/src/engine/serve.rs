//! The one accept loop. Nothing but the drain ends it, and errors are sorted by their consequence. It waits for want of
//! places, descriptors or memory, of which all have a share; a peer that came too often waits beside it.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::address::Address;
use crate::bus::Seldom;
use crate::conn::Facts;
use crate::conn::listener::{Accepted, Listener, Many};
use crate::engine::anteroom::{Anteroom, Entering, Newcome};
use crate::engine::backlog::{Backlog, SERIAL};
use crate::engine::door::Doorway;
use crate::engine::house::{House, Phase};
use crate::engine::life;
use crate::engine::limits::{Guest, Permit, Reflection};
use crate::engine::model::Engaged;
use crate::engine::presence::{Newcomer, Presence};
use crate::engine::seats::MAX_CONNS;
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
    let mut anteroom = Anteroom::new(house.limits.accept_rate, house.limits.accept_burst);
    let seldom = Arc::new(Seldom::default());
    accept_in_turn(house, &mut entrances, within, &mut anteroom, &seldom).await;
    while let Some(newcome) = anteroom.next() {
        turn_away(house, newcome, if house.is_used_up() { "max" } else { "draining" });
    }
}

async fn accept_in_turn(
    house: &Arc<House>,
    entrances: &mut Vec<Entrance>,
    within: &mut JoinSet<()>,
    anteroom: &mut Anteroom,
    seldom: &Arc<Seldom>,
) {
    let (clock, mut turn) = (house.bus.clock(), 0);
    let backlog = house
        .hands
        .is_one()
        .then(|| Backlog::of(entrances.iter().map(|entrance| &*entrance.listener)));
    while !entrances.is_empty() && !house.is_used_up() {
        let place = wait_for_a_place(house, seldom, backlog.as_ref());
        if while_open(house, place).await.is_none() {
            return;
        }
        if house.is_crowded() {
            seldom.paused(&house.bus, "memory");
            if while_open(house, tokio::time::sleep(EXHAUSTED_WAIT)).await.is_none() {
                return;
            }
            continue;
        }
        let shard = least_busy(&house.shards).clone();
        turn += 1;
        let next = poll_fn(|cx| match anteroom.poll_next(cx, clock) {
            Poll::Ready(newcome) => Poll::Ready(Came::OutOfTheAnteroom(newcome)),
            Poll::Pending => poll_entrances(entrances, turn, &shard, cx),
        });
        let (at, accepted) = match while_open(house, next).await {
            Some(Came::At(at, accepted)) => (at, accepted),
            Some(Came::OutOfTheAnteroom(newcome)) => {
                welcome(house, seldom, newcome).await;
                continue;
            }
            None => return,
        };
        let (door, address) = (entrances[at].door.clone(), entrances[at].listener.address());
        match accepted {
            Accepted::Conn(mut conn) => {
                let Some(guest) = admit(house, &shard, &door, conn.facts()) else {
                    conn.abort();
                    continue;
                };
                match anteroom.enter(Newcome { conn, guest, door, shard }, clock) {
                    Entering::Now(newcome) => welcome(house, seldom, newcome).await,
                    Entering::Waits => drop(seldom.paused(&house.bus, "accept-rate")),
                    Entering::Full(newcome) => turn_away(house, newcome, "accept-rate"),
                }
            }
            Accepted::Many(Many { peer, listener }) => {
                let parent = match peer {
                    Some(facts) => match adopt(house, seldom, &shard, &door, facts).await {
                        Some(parent) => Some(parent),
                        None => continue,
                    },
                    None => None,
                };
                let inside = Inside { shard: shard.clone(), door, parent, listener };
                let accepting = accept_many(house.clone(), inside, seldom.clone());
                within.spawn_on(accepting, &shard.handle);
            }
            Accepted::Refused(peer, limit) => house.refuse(shard.index, &peer, limit),
            // Only a listener within has strangers.
            Accepted::Proven(_) => {}
            Accepted::Failed(error) => recover(house, seldom, &address, error).await,
            Accepted::NoMore => drop(entrances.remove(at)),
        }
    }
}

/// What the accept loop waits for.
enum Came {
    /// Something came in at the entrance of this index.
    At(usize, Accepted),
    /// A newcomer has waited for the accept rate, and now it is its turn.
    OutOfTheAnteroom(Newcome),
}

/// Waits until a place is free, and tells that new peers wait: where there is but one place, only while some do. There may
/// be none although there was one a moment ago: peers of datagram sockets take places too.
async fn wait_for_a_place(house: &House, seldom: &Seldom, backlog: Option<&Backlog>) {
    if !house.gate.is_full() {
        return;
    }
    let limit = if backlog.is_some() { SERIAL } else { MAX_CONNS };
    let mut is_told = backlog.is_none() && seldom.paused(&house.bus, limit);
    let telling = async {
        match backlog {
            Some(backlog) => backlog.tell(&house.bus, seldom, &mut is_told).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = house.gate.freed() => {}
        () = telling => {}
    }
    if is_told {
        house.bus.emit(0, 0, Fact::Resumed { limit });
    }
}

/// A place for an admitted peer; none where the drain begins first.
async fn seat(house: &House, seldom: &Seldom, guest: Guest) -> Option<Permit> {
    until_drain(house, async {
        wait_for_a_place(house, seldom, None).await;
        house.gate.seat(guest).await
    })
    .await
}

fn turn_away(house: &House, mut newcome: Newcome, limit: &'static str) {
    house.refuse(newcome.shard.index, &newcome.conn.facts().peer, limit);
    newcome.conn.abort();
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
    let guard = house.reflection(door.has_ports);
    let address = listener.address();
    let (mut phase, mut is_empty) = (house.phase.subscribe(), house.is_empty.subscribe());
    loop {
        let accepted = tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase >= Phase::Over) => Accepted::NoMore,
            () = is_cut(parent.as_ref(), &mut is_empty) => Accepted::NoMore,
            accepted = poll_fn(|cx| listener.poll_accept(cx)) => accepted,
        };
        match accepted {
            Accepted::Conn(conn) => {
                let facts = conn.facts().clone();
                let peer = facts.peer.clone();
                match admit_within(&house, &guard, &door, &facts, &mut *listener) {
                    Ok(_) if door.is_bare() && !house.take_quota() => {
                        house.refuse(shard.index, &peer, "max");
                    }
                    Ok(permit) => {
                        let parent = parent.as_ref().map_or(0, |parent| parent.session.id);
                        let arrival = Newcomer { facts, permit, parent, door: door.door() };
                        let presence = Presence::open(&house, &shard, arrival);
                        shard.handle.spawn(life::live(presence, conn, door.clone()));
                    }
                    Err(limit) => house.refuse_datagrams(&seldom, shard.index, &peer, limit),
                }
            }
            // Where there is no place it stays a stranger, and asks again with its next packet.
            Accepted::Proven(facts) => {
                let _ = house.powers.seats.settle(&facts, || listener.make_room());
            }
            Accepted::Refused(peer, limit) => house.refuse(shard.index, &peer, limit),
            Accepted::Failed(error) => recover(&house, &seldom, &address, error).await,
            Accepted::NoMore => return,
            // No medium has a listener within a listener within.
            Accepted::Many(_) => {}
        }
    }
}

/// Whether the peer of a listener within may come; the error is the limit's name. A stranger is given no place, and is
/// not counted for its address, which may be somebody else's: its listener bounds the strangers.
fn admit_within(
    house: &House,
    guard: &Reflection,
    door: &Doorway,
    facts: &Facts,
    listener: &mut dyn Listener,
) -> Result<Option<Permit>, &'static str> {
    guard.allows(&facts.peer)?;
    door.gate.allows(&facts.peer)?;
    if !matches!(*house.phase.borrow(), Phase::Open | Phase::UsedUp) {
        return Err("draining");
    }
    if facts.is_stranger() {
        return Ok(None);
    }
    house.powers.seats.permit(facts, || listener.make_room()).map(Some)
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

/// Makes a session of the conn of a peer that may come.
async fn welcome(house: &Arc<House>, seldom: &Seldom, mut newcome: Newcome) {
    let engaged = match engage(house, seldom, &mut newcome).await {
        Ok(engaged) => engaged,
        Err(limit) => return turn_away(house, newcome, limit),
    };
    // Behind layers a peer counts once its handshakes are done.
    if newcome.door.is_bare() && !house.take_quota() {
        return turn_away(house, newcome, "max");
    }
    let Newcome { mut conn, guest, door, shard } = newcome;
    let facts = conn.facts().clone();
    let Some(permit) = seat(house, seldom, guest).await else {
        house.refuse(shard.index, &facts.peer, "draining");
        return conn.abort();
    };
    let arrival = Newcomer { facts, permit: Some(permit), parent: 0, door: door.door() };
    let presence = Presence::open(house, &shard, arrival);
    engaged.run(&shard, life::live(presence, conn, door));
}

/// What is to run a newcomer's session. It waits for descriptors as accepting does, and not for threads: nobody knows
/// whether there will be one. The error is the name of the limit that turns the newcomer away.
async fn engage(
    house: &House,
    seldom: &Seldom,
    newcome: &mut Newcome,
) -> Result<Engaged, &'static str> {
    loop {
        let error = match house.hands.engage(&mut newcome.conn) {
            Ok(engaged) => return Ok(engaged),
            Err(error) => error,
        };
        let is_passing = is_exhaustion(&error);
        let at = newcome.conn.facts().local.clone();
        recover(house, seldom, &at, error).await;
        if !is_passing {
            return Err("threads");
        }
        if *house.phase.borrow() >= Phase::Draining {
            return Err("draining");
        }
    }
}

/// Makes a session to which others are to belong, if its peer may come. It does not count among the sessions that may
/// still come.
async fn adopt(
    house: &Arc<House>,
    seldom: &Seldom,
    shard: &Arc<Shard>,
    door: &Doorway,
    facts: Arc<Facts>,
) -> Option<Presence> {
    let guest = admit(house, shard, door, &facts)?;
    let permit = seat(house, seldom, guest).await?;
    Some(Presence::open_parent(
        house,
        shard,
        Newcomer { facts, permit: Some(permit), parent: 0, door: door.door() },
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
) -> Poll<Came> {
    let _entered = shard.handle.enter();
    for offset in 0..entrances.len() {
        let at = (turn + offset) % entrances.len();
        if let Poll::Ready(accepted) = entrances[at].listener.poll_accept(cx) {
            return Poll::Ready(Came::At(at, accepted));
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
