//! Names that five nodes claim at once, on servers whose leader is killed meanwhile: each has one owner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::cluster::nats::{NatsLink, NatsNews, NatsTerms};
use hobnob::cluster::{
    ClusterRoom, DeskTerms, LinkFault, LinkNews, NameDesk, NameRead, NameTold, NameWish, NodeId,
    REFRESH, TICK, WriteFault,
};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::asked;
use super::servers::{Make, Servers};
use crate::stage::{PATIENCE, skip, soon};

const NODES: usize = 5;

/// How far all nodes have come.
#[derive(Default)]
struct Progress {
    /// Names that were granted, and nodes that know of each name whose it is.
    granted: AtomicUsize,
    ready: AtomicUsize,
    bell: Notify,
}

enum Done {
    Read(Arc<str>, u64, Result<NameRead, LinkFault>),
    Written(Arc<str>, u64, Result<u64, WriteFault>),
}

/// A node of which only the names are there: what its members claim, and what came of it.
struct Claimant {
    me: NodeId,
    link: NatsLink,
    news: NatsNews,
    desk: NameDesk,
    owned: BTreeSet<Arc<str>>,
    /// Seats that know whether they have their name.
    told: BTreeSet<u64>,
}

impl Claimant {
    async fn come(servers: &Servers, room: &ClusterRoom, number: u64) -> Self {
        let me = NodeId::drawn([number, 7]);
        let urls = (0..servers.count()).map(|at| format!("nats://127.0.0.1:{}", servers.port(at)));
        let urls = urls.collect::<Vec<_>>().join(",");
        let terms = NatsTerms::new(&urls, room.clone(), me).expect("URLs");
        let (link, news) = NatsLink::connect(&terms).await.expect("a link");
        link.prepare().await.expect("streams");
        let node = format!("node{number}").into();
        let desk = NameDesk::new(DeskTerms { me, node, seed: number, refresh: REFRESH });
        Claimant { me, link, news, desk, owned: BTreeSet::new(), told: BTreeSet::new() }
    }

    /// Claims so many names, and goes on until every node knows whose each is.
    async fn claim(mut self, names: usize, progress: Arc<Progress>, clock: Clock) -> Self {
        self.desk.up(clock.now());
        for seat in 0..names {
            self.desk.claim(clock.now(), seat as u64, &format!("name{seat}"));
        }
        let (mut doing, mut ticks) = (JoinSet::new(), tokio::time::interval(TICK));
        let mut is_ready = false;
        while progress.ready.load(Relaxed) < NODES {
            self.hear(&progress);
            if !is_ready && self.told.len() == names && self.desk.is_settled() {
                is_ready = true;
                progress.ready.fetch_add(1, Relaxed);
            }
            while let Some(wish) = self.desk.wish() {
                doing.spawn(fulfil(self.link.clone(), wish));
            }
            tokio::select! {
                news = self.news.next() => self.news(clock.now(), news.expect("the link lives")),
                Some(done) = doing.join_next() => match done.expect("no panic") {
                    Done::Read(key, id, found) => {
                        self.desk.read(clock.now(), &key, id, found.map_err(drop));
                    }
                    Done::Written(key, id, done) => self.desk.written(clock.now(), &key, id, done),
                },
                _ = ticks.tick() => self.desk.tick(clock.now()),
            }
        }
        self
    }

    fn hear(&mut self, progress: &Progress) {
        while let Some(told) = self.desk.told() {
            match told {
                NameTold::Granted { seat, name } | NameTold::Regained { seat, name } => {
                    self.owned.insert(name);
                    self.told.insert(seat);
                    progress.granted.fetch_add(1, Relaxed);
                    progress.bell.notify_one();
                }
                NameTold::Taken { seat, .. } => {
                    self.told.insert(seat);
                }
                NameTold::Lost { name, .. } => {
                    self.owned.remove(&name);
                }
                NameTold::Lent { .. } => {}
            }
        }
    }

    fn news(&mut self, now: Duration, news: LinkNews) {
        match news {
            LinkNews::Up => self.desk.up(now),
            LinkNews::Down => self.desk.down(now),
            LinkNews::Lost => self.desk.trouble(now),
            LinkNews::Named(revision, record) => self.desk.heard(now, revision, &record),
            LinkNews::Beaten(beat) => self.desk.beaten(now, beat.origin),
            LinkNews::Heard(..) => {}
        }
    }
}

async fn fulfil(link: NatsLink, wish: NameWish) -> Done {
    match wish {
        NameWish::Read { id, key } => {
            let found = link.read_name(&key).await;
            Done::Read(key, id, found)
        }
        NameWish::Write { id, key, record, expected } => {
            let done = link.write_name(&key, &record, expected).await;
            Done::Written(key, id, done)
        }
    }
}

/// What stands for a name, as soon as there is a leader who says it.
async fn read(link: &NatsLink, name: &str) -> NameRead {
    loop {
        if let Ok(found) = link.read_name(name).await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await; // nobody tells when there is one
    }
}

#[tokio::test]
async fn names_that_five_nodes_claim_while_the_leader_is_killed_have_one_owner_each() {
    let test = "cluster::real::claims::names_that_five_nodes_claim_while_the_leader_is_killed_have_one_owner_each";
    let Some(program) = Make::Pinned.program() else { return skip(test, "missing nats-server") };
    let names = asked("HOBNOB_NAMES").unwrap_or(200);
    let mut servers = Servers::start(&program, 3);
    servers.ready().await;
    let room = ClusterRoom::named("claims").expect("a name");
    let (progress, clock) = (Arc::new(Progress::default()), Clock::start());
    let mut claimants = Vec::new();
    for number in 1..=NODES as u64 {
        claimants.push(Claimant::come(&servers, &room, number).await);
    }
    // It is asked for now: by the time that it is told, all may have been granted.
    let leader = servers.leads(&room.name_stream()).await;
    let mut claiming = JoinSet::new();
    for claimant in claimants {
        claiming.spawn(claimant.claim(names, progress.clone(), clock));
    }
    let killing = async {
        while progress.granted.load(Relaxed) < names / 10 {
            progress.bell.notified().await;
        }
        let before = progress.granted.load(Relaxed);
        servers.kill(leader);
        before
    };
    let before = tokio::time::timeout(PATIENCE, killing).await.expect("some are granted");
    let claimants = tokio::time::timeout(PATIENCE * 3, claiming.join_all())
        .await
        .expect("each name has an owner");
    println!(
        "{names} names, {before} of them granted when the leader was killed; all after {:.1?}",
        clock.now()
    );
    assert!(before < names, "the leader was killed too late to matter");

    let mut owners = BTreeMap::<Arc<str>, Vec<NodeId>>::new();
    for claimant in &claimants {
        for name in &claimant.owned {
            owners.entry(name.clone()).or_default().push(claimant.me);
        }
    }
    assert_eq!(owners.len(), names, "nobody has a name");
    for (name, owners) in owners {
        let [owner] = owners[..] else { panic!("{name} has {owners:?}") };
        let (_, stands) = soon("what stands", read(&claimants[0].link, &name)).await;
        assert_eq!(stands.map(|record| record.owner), Some(owner), "{name}");
    }
}
