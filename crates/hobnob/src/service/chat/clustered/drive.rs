//! What moves a room over many nodes: its link, its clock, and the end of its server.

use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::link::{LinkInUse, WishDone, look, name_wish};
use super::{Clustered, NodeInRoom, OUTBOX, facts};
use crate::cluster::{LinkNews, MadeLink, NodeBeat, NodeIs, NodeWish, RoomLink, TICK};
use crate::conn::Boxed;
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::session::Keeper;

/// How long a start waits for the other nodes. Then members are let in, and are heard here only.
const START: Duration = Duration::from_secs(3);

/// How long an end waits for what was said last.
const LAST: Duration = Duration::from_secs(2);

/// How long it waits for the others to be told that it goes.
const GOODBYE: Duration = Duration::from_millis(500);

/// How often it is looked for what a link has lost.
const LOST: Duration = Duration::from_secs(1);

/// How long a link that could not be made is left alone.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a link is kept that leads to no leader before another one is tried beside it.
const ELSEWHERE: Duration = Duration::from_secs(10);

/// Bytes that the headers of a batch have at most, of those that a message may have.
const HEADERS: usize = 1_024;

impl Clustered {
    /// Connects, and waits until the end of the stream is known, or the node is alone. An error is what trying again does
    /// not heal.
    pub(super) async fn begin(&self, keeper: &Keeper) -> Result<()> {
        self.read_files(keeper).await?;
        match self.connect(keeper).await {
            Ok(link) => self.hold(link),
            Err(error) if error.kind() == Kind::ClusterUnreachable => {
                keeper
                    .emit(Fact::Warning(format!("{}: the room is served alone", error.message())));
            }
            Err(error) => return Err(error),
        }
        // With its time over the node is alone, which it says itself.
        let is_ready = |inner: &NodeInRoom| inner.node.has_joined() || inner.node.is_alone();
        self.drive(keeper, tokio::time::sleep(START), is_ready).await
    }

    async fn read_files(&self, keeper: &Keeper) -> Result<()> {
        if let Some(words) = self.servers.warning() {
            keeper.emit(Fact::Warning(words.to_owned()));
        }
        let servers = self.servers.clone();
        keeper.work(move || servers.read()).await?
    }

    /// Moves the room until the server ends. An error is what trying again does not heal, or that messages of members here
    /// have not reached the others.
    pub(super) async fn go_on(&self, keeper: &Keeper) -> Result<()> {
        let ended = self.go_on_to_the_end(keeper).await;
        let unstored = self.with(|inner, _| {
            self.over.get_or_init(|| keeper.bus().clone());
            inner.node.unstored()
        });
        keeper.bus().drop_by(OUTBOX, unstored);
        ended.and(if unstored > 0 { Err(facts::unstored(unstored)) } else { Ok(()) })
    }

    async fn go_on_to_the_end(&self, keeper: &Keeper) -> Result<()> {
        self.drive(keeper, keeper.asked_to_end(), |_| false).await?;
        let is_settled = |inner: &NodeInRoom| inner.node.is_settled() && inner.names.is_settled();
        self.drive(keeper, keeper.patience(LAST), is_settled).await?;
        self.say_goodbye().await;
        Ok(())
    }

    /// Tells the other nodes that this one goes. Whoever does not hear it notices its silence.
    async fn say_goodbye(&self) {
        let held = self.link.lock().unwrap_or_else(PoisonError::into_inner).link.take();
        let Some(MadeLink { link, .. }) = held else { return };
        let acked = self.with(|inner, _| inner.node.last_acked());
        let last = NodeBeat { is_last: true, ..self.beat(acked) };
        let told = async {
            link.beat(&last).await;
            link.flush().await;
        };
        let _ = tokio::time::timeout(GOODBYE, told).await;
    }

    async fn connect(&self, keeper: &Keeper) -> Result<MadeLink> {
        let made = self.servers.connect().await?;
        let found = made.link.prepare().await?;
        for fact in facts::linked(self.servers.shown(), &found) {
            keeper.emit(fact);
        }
        self.bound(found.max_payload);
        Ok(made)
    }

    /// The servers take messages of so many bytes.
    fn bound(&self, max_payload: usize) {
        self.with(|inner, _| inner.node.bound(max_payload.saturating_sub(HEADERS)));
    }

    /// Connects after a pause.
    fn connecting<'a>(
        &'a self,
        keeper: &'a Keeper,
        pause: Duration,
    ) -> Boxed<'a, Option<MadeLink>> {
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            self.connect(keeper).await.map(Some)
        })
    }

    /// Connects anew where the server of this link, which is there, does not reach the leader: another one may.
    fn moving<'a>(
        &'a self,
        keeper: &'a Keeper,
        link: Arc<dyn RoomLink>,
    ) -> Boxed<'a, Option<MadeLink>> {
        Box::pin(async move {
            tokio::time::sleep(ELSEWHERE).await;
            match link.prepare().await {
                Ok(_) => Ok(None),
                Err(_) => self.connect(keeper).await.map(Some),
            }
        })
    }

    fn hold(&self, link: MadeLink) {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).link = Some(link);
        self.with(NodeInRoom::up);
    }

    /// Moves the room until this is over, or the node is so far; the link is kept for the next time.
    async fn drive(
        &self,
        keeper: &Keeper,
        until: impl Future<Output = ()>,
        is_done: impl Fn(&NodeInRoom) -> bool,
    ) -> Result<()> {
        // What the last drive has begun goes on: its answers are waited for.
        let LinkInUse { link: mut held, mut doing } =
            std::mem::take(&mut *self.link.lock().unwrap_or_else(PoisonError::into_inner));
        let mut until = std::pin::pin!(until);
        let (mut ticked, mut due) = (self.clock.now(), Duration::ZERO);
        let mut tick = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        let (mut connecting, mut is_moving) = (self.connecting(keeper, Duration::ZERO), false);
        let ended = loop {
            if self.with(|inner, _| std::mem::take(&mut inner.shown) > 0) {
                tokio::task::yield_now().await; // members on this thread read now
            }
            self.emit(keeper);
            self.wish(held.as_ref().map(|made| &made.link), &mut doing).await;
            if self.with(|inner, _| is_done(inner)) {
                break Ok(());
            }
            let next = self.with(|inner, _| inner.next_tick(ticked));
            if next != due {
                due = next;
                tick.set(tokio::time::sleep(due.saturating_sub(self.clock.now())));
            }
            let is_linked = held.is_some();
            let is_stranded = self.with(|inner, _| inner.is_stranded());
            if let Some(made) = held.as_ref().filter(|_| is_stranded && !is_moving) {
                (connecting, is_moving) = (self.moving(keeper, made.link.clone()), true);
            }
            if is_moving && !is_stranded {
                // A second link that is half made goes with it.
                (connecting, is_moving) = (self.connecting(keeper, AGAIN), false);
            }
            // What was heard is shown first, so that no more of it waits than one message brings.
            let is_showing = self.with(|inner, _| inner.node.has_told());
            let news = async {
                match &mut held {
                    Some(made) => made.news.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut until => break Ok(()),
                news = news, if !is_showing => {
                    if let Some(news) = news {
                        let is_up = matches!(news, LinkNews::Up);
                        if let Some(made) = held.as_ref().filter(|_| is_up) {
                            self.bound(made.link.max_payload()); // another server may have us now
                        }
                        self.hear(news);
                    } else {
                        (held, connecting) = (None, self.connecting(keeper, AGAIN));
                        is_moving = false;
                        self.with(NodeInRoom::down);
                    }
                },
                Some(Ok(done)) = doing.join_next() => self.done(done),
                () = self.bell.notified() => {}
                () = &mut tick => {
                    self.tick(held.as_ref().map(|made| made.link.is_up()));
                    (ticked, due) = (self.clock.now(), Duration::ZERO);
                }
                link = &mut connecting, if !is_linked || is_moving => match link {
                    Ok(link) => {
                        is_moving = false;
                        self.with(|inner, now| inner.moved(now, link.is_some()));
                        held = link.or(held);
                    }
                    Err(_) if is_moving => is_moving = false, // the link that is there may lead to a leader again
                    Err(error) if is_passing(&error) => {
                        connecting = self.connecting(keeper, AGAIN);
                    }
                    Err(error) => break Err(error),
                },
            }
        };
        let in_use = LinkInUse { link: held, doing };
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = in_use;
        ended
    }

    /// Tells what happened to whoever looks at the server.
    fn emit(&self, keeper: &Keeper) {
        let (facts, dropped, too_long) = self.with(|inner, _| {
            let NodeInRoom { facts, dropped, too_long, .. } = inner;
            (std::mem::take(facts), std::mem::take(dropped), std::mem::take(too_long))
        });
        for fact in facts {
            keeper.emit(fact);
        }
        keeper.bus().drop_by(OUTBOX, dropped);
        keeper.bus().drop_by("cluster-payload", too_long);
    }

    /// Does what the node wishes.
    async fn wish(&self, link: Option<&Arc<dyn RoomLink>>, doing: &mut JoinSet<WishDone>) {
        while let Some(wish) = self.with(|inner, _| inner.node.wish()) {
            let Some(link) = link.cloned() else { continue };
            match wish {
                NodeWish::Publish(batch) => {
                    doing.spawn(async move {
                        let done = link.publish(&batch).await;
                        WishDone::Published(batch, done)
                    });
                }
                NodeWish::Look { id, places } => {
                    doing.spawn(async move { WishDone::Looked(id, look(&*link, &places).await) });
                }
                NodeWish::Read { id, from, to, is_leader } => {
                    doing.spawn(
                        async move { WishDone::Read(id, link.read(from, to, is_leader).await) },
                    );
                }
                NodeWish::Beat { acked } => {
                    // A beat that finds no room is said again in a second.
                    drop(tokio::time::timeout(GOODBYE, link.beat(&self.beat(acked))).await);
                }
            }
        }
        while let Some(wish) = self.with(|inner, _| inner.names.wish()) {
            let Some(link) = link.cloned() else { continue };
            doing.spawn(async move { name_wish(&*link, wish).await });
        }
    }

    fn done(&self, done: WishDone) {
        self.with(|inner, now| match done {
            // The node has another number since.
            WishDone::Published(batch, _) if batch.origin != inner.node.me() => {}
            WishDone::Published(batch, Ok(at)) => inner.node.acked(now, batch.first, at),
            // Larger than the servers take, by the client or by the stream: the next try is as large.
            WishDone::Published(batch, Err(fault)) if fault.is_too_large() => {
                inner.node.never(now, batch.first);
            }
            WishDone::Published(batch, Err(_)) => inner.node.refused(now, batch.first),
            WishDone::Looked(id, Ok(look)) => inner.node.looked(now, id, &look),
            WishDone::Read(id, Ok(found)) => inner.node.read(now, id, found),
            WishDone::Looked(id, Err(_)) | WishDone::Read(id, Err(_)) => inner.node.failed(now, id),
            WishDone::NameRead(key, id, found) => {
                inner.names.read(now, &key, id, found.map_err(drop));
            }
            WishDone::NameWritten(key, id, done) => inner.names.written(now, &key, id, done),
        });
    }

    fn hear(&self, news: LinkNews) {
        let changed = self.with(|inner, now| {
            match news {
                LinkNews::Up => inner.up(now),
                LinkNews::Down => inner.down(now),
                LinkNews::Lost => inner.lost(now),
                LinkNews::Named(revision, record) => inner.names.heard(now, revision, &record),
                LinkNews::Heard(place, batch) => inner.node.heard(now, place, batch),
                LinkNews::Beaten(beat) if beat.origin != inner.node.me() => {
                    inner.node.beaten(now, &beat);
                    inner.names.beaten(now, beat.origin);
                    let news = inner.roster.hear(now, beat);
                    if news.as_ref().is_some_and(|node| node.is == NodeIs::Came) {
                        inner.node.beat_soon(now); // it does not know us
                    }
                    return news;
                }
                LinkNews::Beaten(_) => {}
            }
            None
        });
        if let Some(node) = &changed {
            self.tell_node(node);
        }
    }

    /// Time has passed. `is_up`: whether the link says that it is there; none: there is no link.
    fn tick(&self, is_up: Option<bool>) {
        let (changed, (unreadable, dropped)) = self.with(|inner, now| {
            inner.check_link(now, is_up);
            inner.node.tick(now);
            inner.names.tick(now);
            if inner.watch.is_losing {
                inner.lost(now);
            }
            // Without a link we hear nobody, which says nothing of the others.
            let is_linked = inner.node.is_linked();
            let changed = if is_linked { inner.roster.tick(now) } else { Vec::new() };
            inner.watch.is_doubtful |= changed.iter().any(|row| row.is == NodeIs::Unreachable);
            (changed, inner.take_sums(now))
        });
        if dropped > 0 {
            self.tell_dropped(dropped);
        }
        for node in &changed {
            self.tell_node(node);
        }
        for (origin, count) in unreadable {
            self.tell_unreadable(origin, count);
        }
    }
}

impl NodeInRoom {
    /// When the time is to be looked at next, where that was done then: nobody wakes up for nothing.
    fn next_tick(&self, last: Duration) -> Duration {
        let is_told = || !self.has_sums() && !self.watch.is_odd;
        let is_resting = || !self.watch.is_losing && self.names.is_resting() && is_told();
        let rest = self.node.rests_until().filter(|_| is_resting());
        let rest = rest.map(|rest| self.roster.next_change().map_or(rest, |due| rest.min(due)));
        rest.unwrap_or(Duration::ZERO).max(last + TICK)
    }

    /// The link has lost something. That is looked for at once, and then once in a while: a link that loses is slow, and
    /// each look makes more of what it is too slow for.
    fn lost(&mut self, now: Duration) {
        self.watch.is_losing = self.watch.lost_at.is_some_and(|at| at + LOST > now);
        if !self.watch.is_losing {
            self.watch.lost_at = Some(now);
            self.node.trouble(now);
            self.names.trouble(now);
        }
    }

    /// Whether the link is there and may lead nowhere: nothing of ours comes back, or another node is not heard any more.
    fn is_stranded(&self) -> bool {
        self.node.is_linked() && (self.node.is_alone() || self.watch.is_doubtful)
    }

    /// The link leads to a leader. `is_new`: it was made anew.
    fn moved(&mut self, now: Duration, is_new: bool) {
        self.watch.is_doubtful = false;
        if is_new {
            self.down(now);
            self.up(now);
        }
    }

    /// A process that was stopped may miss that its link came or went: where the client says twice in turn something else
    /// than was told, it is right.
    fn check_link(&mut self, now: Duration, is_up: Option<bool>) {
        let is_odd = is_up.is_some_and(|is_up| is_up != self.node.is_linked());
        if is_odd && std::mem::take(&mut self.watch.is_odd) {
            if is_up == Some(true) { self.up(now) } else { self.down(now) }
        } else {
            self.watch.is_odd = is_odd;
        }
    }

    /// The link is there, anew.
    fn up(&mut self, now: Duration) {
        self.roster.listen(now);
        self.node.up(now);
        self.names.up(now);
    }

    /// The link is gone.
    fn down(&mut self, now: Duration) {
        self.node.down(now);
        self.names.down(now);
    }
}

/// Whether trying again may heal it.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), Kind::ClusterUnreachable | Kind::ClusterNoJetstream)
}
