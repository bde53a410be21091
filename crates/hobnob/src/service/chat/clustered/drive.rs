//! What moves a room over many nodes: its link, its clock, and the end of its server.

use std::future::Future;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Clustered;
use crate::cluster::nats::{LinkFacts, LinkFault, LinkNews, NatsLink, NatsNews};
use crate::cluster::{NodeWish, RoomBatch, StreamLook, TICK};
use crate::conn::Boxed;
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::session::Keeper;

/// How long a start waits for the other nodes. Then members are let in, and are heard here only.
const START: Duration = Duration::from_secs(3);

/// How long an end waits for what was said last.
const LAST: Duration = Duration::from_secs(2);

/// How long a link that could not be made is left alone.
const AGAIN: Duration = Duration::from_secs(1);

/// What came of a wish.
enum WishDone {
    Published(u64, Result<u64, LinkFault>),
    Looked(u64, Result<StreamLook, LinkFault>),
    Read(u64, Result<Vec<(u64, Option<RoomBatch>)>, LinkFault>),
}

impl Clustered {
    /// Connects, and waits until the end of the stream is known, or the node is alone. An error is what trying again does
    /// not heal.
    pub(in crate::service::chat) async fn begin(&self, keeper: &Keeper) -> Result<()> {
        match self.connect(keeper).await {
            Ok(link) => self.hold(link),
            Err(error) if error.kind() == Kind::ClusterUnreachable => {
                keeper
                    .emit(Fact::Warning(format!("{}: the room is served alone", error.message())));
            }
            Err(error) => return Err(error),
        }
        let is_ready = || self.with(|inner, _| inner.node.has_joined() || inner.node.is_alone());
        let until = async {
            while !is_ready() {
                tokio::time::sleep(TICK).await;
            }
        };
        // With its time over the node is alone, which it says itself.
        drop(tokio::time::timeout(START, self.drive(keeper, until)).await);
        Ok(())
    }

    /// Moves the room until the server ends.
    pub(in crate::service::chat) async fn keep(&self, keeper: &Keeper) -> Result<()> {
        self.drive(keeper, keeper.asked_to_end()).await?;
        let is_settled = async {
            while !self.with(|inner, _| inner.node.is_settled()) {
                tokio::time::sleep(TICK).await;
            }
        };
        drop(tokio::time::timeout(LAST, self.drive(keeper, is_settled)).await);
        Ok(())
    }

    async fn connect(&self, keeper: &Keeper) -> Result<(NatsLink, NatsNews)> {
        let (link, news) = NatsLink::connect(&self.terms).await?;
        let facts = link.prepare().await?;
        tell(keeper, &self.terms.servers, &facts);
        Ok((link, news))
    }

    /// Connects after a pause.
    fn connecting<'a>(
        &'a self,
        keeper: &'a Keeper,
        pause: Duration,
    ) -> Boxed<'a, (NatsLink, NatsNews)> {
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            self.connect(keeper).await
        })
    }

    fn hold(&self, link: (NatsLink, NatsNews)) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        self.with(|inner, now| inner.node.up(now));
    }

    /// Moves the room until this is over; the link is kept for the next time.
    async fn drive(&self, keeper: &Keeper, until: impl Future<Output = ()>) -> Result<()> {
        let mut held = self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut until = std::pin::pin!(until);
        let mut doing = JoinSet::new();
        let mut ticks = tokio::time::interval(TICK);
        let mut connecting = self.connecting(keeper, Duration::ZERO);
        let ended = loop {
            self.emit(keeper);
            self.wish(held.as_ref().map(|(link, _)| link), &mut doing).await;
            let is_linked = held.is_some();
            let news = async {
                match &mut held {
                    Some((_, news)) => news.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut until => break Ok(()),
                news = news => {
                    if let Some(news) = news {
                        self.hear(news);
                    } else {
                        (held, connecting) = (None, self.connecting(keeper, AGAIN));
                    }
                },
                Some(Ok(done)) = doing.join_next() => self.done(done),
                () = self.bell.notified() => {}
                _ = ticks.tick() => self.tick(),
                link = &mut connecting, if !is_linked => match link {
                    Ok(link) => {
                        held = Some(link);
                        self.with(|inner, now| inner.node.up(now));
                    }
                    Err(error) if is_passing(&error) => {
                        connecting = self.connecting(keeper, AGAIN);
                    }
                    Err(error) => break Err(error),
                },
            }
        };
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = held;
        ended
    }

    /// Tells what happened to whoever looks at the server.
    fn emit(&self, keeper: &Keeper) {
        let (facts, dropped) = self.with(|inner, _| {
            (std::mem::take(&mut inner.facts), std::mem::take(&mut inner.dropped))
        });
        for fact in facts {
            keeper.emit(fact);
        }
        if dropped > 0 {
            keeper.bus().drop_by("cluster-outbox", dropped);
        }
    }

    /// Does what the node wishes.
    async fn wish(&self, link: Option<&NatsLink>, doing: &mut JoinSet<WishDone>) {
        while let Some(wish) = self.with(|inner, _| inner.node.wish()) {
            let Some(link) = link.cloned() else { continue };
            match wish {
                NodeWish::Publish(batch) => {
                    doing.spawn(async move {
                        WishDone::Published(batch.first, link.publish(&batch).await)
                    });
                }
                NodeWish::Look { id, places } => {
                    doing.spawn(async move {
                        let mut look = link.look(&places).await;
                        if matches!(look, Err(LinkFault::Refused(10_059, _)))
                            && link.prepare().await.is_ok()
                        {
                            look = link.look(&places).await; // the stream was gone: it is there anew
                        }
                        WishDone::Looked(id, look)
                    });
                }
                NodeWish::Read { id, from, to, is_leader } => {
                    doing.spawn(
                        async move { WishDone::Read(id, link.read(from, to, is_leader).await) },
                    );
                }
                NodeWish::Beat { acked } => link.beat(&self.beat(acked)).await,
            }
        }
    }

    fn done(&self, done: WishDone) {
        self.with(|inner, now| match done {
            WishDone::Published(first, Ok(at)) => inner.node.acked(now, first, at),
            WishDone::Published(first, Err(_)) => inner.node.refused(now, first),
            WishDone::Looked(id, Ok(look)) => inner.node.looked(now, id, &look),
            WishDone::Read(id, Ok(found)) => inner.node.read(now, id, found),
            WishDone::Looked(id, Err(_)) | WishDone::Read(id, Err(_)) => inner.node.failed(now, id),
        });
    }

    fn hear(&self, news: LinkNews) {
        let came = self.with(|inner, now| {
            match news {
                LinkNews::Up => inner.node.up(now),
                LinkNews::Down => inner.node.down(now),
                LinkNews::Lost => inner.node.trouble(now),
                LinkNews::Heard(place, batch) => inner.node.heard(now, place, batch),
                LinkNews::Beaten(beat) if beat.origin != inner.node.me() => {
                    inner.node.beaten(now, &beat);
                    let origin = beat.origin;
                    if inner.roster.hear(now, beat) {
                        inner.node.beat_soon(now);
                        return inner
                            .roster
                            .nodes()
                            .find(|node| node.beat.origin == origin)
                            .cloned();
                    }
                }
                LinkNews::Beaten(_) => {}
            }
            None
        });
        if let Some(node) = &came {
            self.tell_node(node);
        }
    }

    fn tick(&self) {
        let changed = self.with(|inner, now| {
            inner.node.tick(now);
            inner.roster.tick(now)
        });
        for node in &changed {
            self.tell_node(node);
        }
    }
}

/// Whether trying again may heal it.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), Kind::ClusterUnreachable | Kind::ClusterNoJetstream)
}

fn tell(keeper: &Keeper, servers: &str, facts: &LinkFacts) {
    let LinkFacts { version, replicas, .. } = facts;
    let copies = if *replicas == 1 { "one copy".to_owned() } else { format!("{replicas} copies") };
    keeper.emit(Fact::Note(format!(
        "linked to {servers}, nats-server {version}, {copies} of the room"
    )));
    if *replicas == 1 {
        let words = "one server keeps what is said, and loses it when it is lost";
        keeper.emit(Fact::Warning(words.to_owned()));
    }
}
