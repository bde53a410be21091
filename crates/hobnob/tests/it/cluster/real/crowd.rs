//! Many members at several nodes: each line is counted at everybody, and how long it takes is measured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hobnob::bus::{Subscription, Wish};
use hobnob::clock::Clock;
use hobnob::conn::Conn;
use hobnob::engine::{Crew, Dialer, Running, Server, parse};
use hobnob::event::{ClusterFact, Fact};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::asked;
use super::servers::{Make, Servers};
use crate::stage::{skip, soon};

/// Nodes over which a volume is spread.
const NODES: usize = 5;

/// Messages that are said.
const MESSAGES: usize = 1_000;

/// The last word of a room.
const END: &[u8] = b"the end";

/// A room at several doors of this process, all of its engines on the same threads.
struct Crowd {
    crew: Crew,
    doors: Vec<String>,
    engines: Vec<(Running, Subscription)>,
}

impl Crowd {
    /// A node for each of these; without servers, the room of one process.
    async fn gather(name: &str, nodes: usize, servers: Option<&Servers>) -> Self {
        let crew = Crew::start().expect("threads");
        let doors: Vec<_> = (0..nodes).map(|at| format!("memory:{name}-{at}")).collect();
        let mut engines = Vec::new();
        for (at, door) in doors.iter().enumerate() {
            let mut server = Server::new("chat").expect("a service of the table");
            server.on_crew(&crew).on(&parse(door).expect("an endpoint")).expect("it fits");
            server.set("names", Some("no")).expect("an option");
            server.set("history", Some("0")).expect("an option");
            if let Some(servers) = servers {
                let url = format!("nats://127.0.0.1:{}", servers.port(at % servers.count()));
                let node = format!("node{at}");
                for (option, value) in [("cluster", &*url), ("room", name), ("node", &node)] {
                    server.set(option, Some(value)).expect("an option");
                }
            }
            let wish = Wish { data: false, upstream: false, snap: 0, capacity: 1 << 12 };
            let events = server.subscribe(wish);
            engines.push((soon("a node", server.open()).await.expect("it opens"), events));
        }
        Crowd { crew, doors, engines }
    }

    /// Whether this node was alone.
    fn was_parted(&self, at: usize) -> bool {
        let mut told = Vec::new();
        self.engines[at].1.pull(&mut told);
        told.iter().any(|event| match &event.fact {
            Fact::Clustered(fact) => matches!(**fact, ClusterFact::Parted { .. }),
            _ => false,
        })
    }

    /// Somebody who was welcomed at this node.
    async fn enter(&self, at: usize) -> Conn {
        let endpoint = parse(&self.doors[at]).expect("an endpoint");
        let mut conn = Dialer::default().dial(&endpoint).await.expect("it listens").conn;
        let welcome = soon("a welcome", conn.recv(&mut [0; 512])).await.expect("it is there");
        assert!(welcome.is_some(), "it is welcomed");
        conn
    }

    /// So many members at this node, each of whom hears lines on a thread of the crowd's until it has heard enough.
    async fn seat<H: FnMut(&[u8]) -> bool + Send + 'static>(
        &self,
        at: usize,
        members: usize,
        mut hear: impl FnMut() -> H,
    ) -> JoinSet<()> {
        let mut seated = JoinSet::new();
        for _ in 0..members {
            let conn = self.enter(at).await;
            let listening = self.crew.spawn(listen(conn, hear()));
            seated.spawn(async move { listening.await.expect("no panic") });
        }
        seated
    }
}

/// Hears messages, without the room's own words, until it has heard enough.
async fn listen(mut conn: Conn, mut hear: impl FnMut(&[u8]) -> bool) {
    let (mut room, mut part) = (vec![0; 4_096], Vec::new());
    while let Some(length) = conn.recv(&mut room).await.expect("it is not cut off") {
        part.extend_from_slice(&room[..length]);
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', &part) {
            let line = &part[from..end];
            from = end + 1;
            if !line.starts_with(b"* ") && !hear(line) {
                return;
            }
        }
        part.drain(..from);
    }
    panic!("the room ended");
}

/// What everybody heard together, and the order in which each did.
#[derive(Default)]
struct Count {
    heard: AtomicU64,
    /// How many there are to be; and the bell that is rung then.
    all: u64,
    bell: Notify,
    /// How many at each node heard the same in the same order, by a number that is made of all of it.
    orders: Mutex<BTreeMap<(usize, u64), usize>>,
}

impl Count {
    /// An ear at this node that counts.
    fn ear(self: &Arc<Self>, at: usize) -> impl FnMut(&[u8]) -> bool + use<> {
        let (count, mut order) = (self.clone(), 0xcbf2_9ce4_8422_2325_u64);
        move |line| {
            if line.ends_with(END) {
                *count.orders.lock().expect("no panic").entry((at, order)).or_default() += 1;
                return false;
            }
            if count.heard.fetch_add(1, Relaxed) + 1 == count.all {
                count.bell.notify_one();
            }
            let mix =
                |order: u64, byte: &u8| (order ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            order = line.iter().fold(order, mix);
            true
        }
    }
}

#[tokio::test]
async fn everybody_at_five_nodes_hears_every_line_once_and_in_the_same_order() {
    let test =
        "cluster::real::crowd::everybody_at_five_nodes_hears_every_line_once_and_in_the_same_order";
    let Some(program) = Make::Pinned.program() else { return skip(test, "missing nats-server") };
    let members = asked("HOBNOB_MEMBERS").unwrap_or(200);
    let servers = Servers::start(&program, 1);
    servers.ready().await;
    let crowd = Crowd::gather("crowd", NODES, Some(&servers)).await;
    let all = (MESSAGES * members * NODES) as u64;
    let (count, mut seated) = (Arc::new(Count { all, ..Count::default() }), Vec::new());
    for at in 0..NODES {
        seated.push(crowd.seat(at, members, || count.ear(at)).await);
    }
    let clock = Clock::start();
    let mut speakers = Vec::new();
    for at in 0..NODES {
        let mut speaker = crowd.enter(at).await;
        let lines: Vec<_> = (0..MESSAGES / NODES).map(|n| format!("{at} says its {n}th")).collect();
        let lines = lines.join("\n") + "\n";
        soon("a send", speaker.send(lines.as_bytes())).await.expect("it is heard");
        speakers.push(speaker);
    }
    soon("all of it", count.bell.notified()).await;
    let took = clock.now();
    soon("a send", speakers[0].send(&[END, b"\n"].concat())).await.expect("it is heard");
    for seated in seated {
        soon("the last line", seated.join_all()).await;
    }
    let heard = count.heard.load(Relaxed);
    println!("{heard} deliveries to {} members at {NODES} nodes in {took:.1?}", members * NODES);
    assert_eq!(heard, all, "nobody heard a line twice");
    // A node whose own lines do not come back within 2 s shows them first, and says so.
    let alone: BTreeSet<_> = (0..NODES).filter(|at| crowd.was_parted(*at)).collect();
    let orders = count.orders.lock().expect("no panic");
    let of_others = orders.iter().filter(|((at, _), _)| !alone.contains(at));
    let heard: BTreeSet<_> = of_others.clone().map(|((_, order), _)| order).collect();
    let members_of_others: usize = of_others.map(|(_, members)| members).sum();
    assert_eq!(members_of_others, members * (NODES - alone.len()));
    assert!(heard.len() <= 1, "{} orders at nodes that were not alone", heard.len());
    println!("in one order at {} nodes, {} were alone meanwhile", NODES - alone.len(), alone.len());
}

#[tokio::test]
async fn who_talks_waits_for_who_reads_slowly_at_its_node() {
    let test = "cluster::real::crowd::who_talks_waits_for_who_reads_slowly_at_its_node";
    let Some(program) = Make::Pinned.program() else { return skip(test, "missing nats-server") };
    let servers = Servers::start(&program, 1);
    servers.ready().await;
    let crowd = Crowd::gather("slow", 1, Some(&servers)).await;
    let (mut reader, mut speaker) = (crowd.enter(0).await, crowd.enter(0).await);
    // Several times what may wait for a member.
    let lines = 40_000;
    let text = format!("{}\n", "x".repeat(99)).repeat(lines);
    let reading = async {
        let (mut room, mut count) = ([0; 4_096], 0);
        while count < lines {
            let length =
                reader.recv(&mut room).await.expect("it is not cut off").expect("the room stands");
            count += memchr::memchr_iter(b'\n', &room[..length]).count();
            tokio::time::sleep(Duration::from_millis(1)).await; // that is how slow it is
        }
    };
    let talking = async { speaker.send(text.as_bytes()).await.expect("it is heard") };
    soon("all of it", Box::pin(async { tokio::join!(reading, talking) })).await;
}

/// Latencies of one turn, in microseconds.
type Latencies = Arc<watch::Sender<Vec<u64>>>;

/// Lines that say when they were said, a turn's worth; the latencies at who listens.
async fn turn(
    speaker: &mut Conn,
    clock: Clock,
    (latencies, hearers): (&Latencies, usize),
    lines: usize,
    rate: u64,
) -> [u64; 2] {
    latencies.send_replace(Vec::new());
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
    for _ in 0..lines {
        ticks.tick().await;
        let line = format!("{}\n", clock.now().as_micros());
        speaker.send(line.as_bytes()).await.expect("it is heard");
        // What the speaker is shown goes unread else.
        let nothing = Duration::ZERO;
        while let Ok(Ok(Some(_))) =
            tokio::time::timeout(nothing, speaker.recv(&mut [0; 4_096])).await
        {}
    }
    let mut heard = latencies.subscribe();
    let heard = soon("all of it", heard.wait_for(|all| all.len() == lines * hearers)).await;
    let mut all = heard.expect("it is here").clone();
    all.sort_unstable();
    [50, 99].map(|share| all[all.len() * share / 100])
}

/// By hand: how much longer a line takes to a member at another node than to one of the same room in one process.
#[tokio::test]
async fn a_line_to_another_node_is_measured_against_one_that_stays() {
    let test = "cluster::real::crowd::a_line_to_another_node_is_measured_against_one_that_stays";
    let Some(cycles) = asked("HOBNOB_LATENCY") else {
        return skip(test, "by hand: HOBNOB_LATENCY says how many turns");
    };
    let program = Make::Pinned.program().expect("cargo xtask peers has put it there");
    let members = asked("HOBNOB_MEMBERS").unwrap_or(25);
    let (lines, rate) = if members > 100 { (60, 20) } else { (300, 100) };
    let clock = Clock::start();
    for copies in [1, 3] {
        let servers = Servers::start(&program, copies);
        servers.ready().await;
        let room = format!("latency-{copies}");
        // Both rooms have as many members; in the one they are at two nodes.
        let (near, far) = (
            Crowd::gather(&format!("{room}-here"), 1, None).await,
            Crowd::gather(&room, 2, Some(&servers)).await,
        );
        let (of_near, of_far) = (Latencies::default(), Latencies::default());
        let ear = |latencies: &Latencies| {
            let latencies = latencies.clone();
            move |line: &[u8]| {
                let said = line
                    .rsplit(|byte| *byte == b' ')
                    .next()
                    .and_then(|said| std::str::from_utf8(said).ok()?.parse::<u64>().ok());
                let now = u64::try_from(clock.now().as_micros()).unwrap_or(0);
                let took = said.map(|said| now.saturating_sub(said));
                latencies.send_modify(|all| all.extend(took));
                true
            }
        };
        let _near = near.seat(0, 2 * members, || ear(&of_near)).await;
        let _idle = far.seat(0, members, || |_: &[u8]| true).await;
        let _far = far.seat(1, members, || ear(&of_far)).await;
        let (mut here, mut there) = (near.enter(0).await, far.enter(0).await);
        for cycle in 0..=cycles {
            let [near, near_tail] =
                turn(&mut here, clock, (&of_near, 2 * members), lines, rate).await;
            let [far, far_tail] = turn(&mut there, clock, (&of_far, members), lines, rate).await;
            if cycle > 0 {
                println!(
                    "latency: copies {copies}, members {}, here p50 {near} p99 {near_tail} us, elsewhere p50 {far} p99 {far_tail} us, p99 by {} us",
                    2 * members,
                    far_tail.cast_signed() - near_tail.cast_signed(),
                );
            }
        }
    }
}
