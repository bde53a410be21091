//! Many at once, and many one after another: none is lost, and nothing of them stays. The server is a process of its
//! own, so that what is measured is the server's.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob::clock::Clock;
use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::queues::dropped_by_the_kernel;
use crate::stage::child::Child;
use crate::stage::deaf::deaf;
use crate::stage::{ask, connect, hear, reset, rest, skip, soon};

const IDLE: usize = 5_000;
const ACTIVE: usize = 200;
/// Resident bytes that an idle session may cost, also that of a UDP relay, which holds two conns.
const BYTES_EACH: u64 = 2_048;

/// Connects so many, a few at a time: the kernel's queue of who waits to be accepted is shorter than that.
async fn crowd(to: SocketAddr, size: usize) -> Vec<tokio::net::TcpStream> {
    let mut clients = Vec::with_capacity(size);
    while clients.len() < size {
        let mut some = JoinSet::new();
        for _ in 0..100.min(size - clients.len()) {
            some.spawn(connect(to));
        }
        clients.extend(some.join_all().await);
    }
    clients
}

#[tokio::test]
async fn five_thousand_idle_then_two_hundred_active_and_none_lost() {
    let files = hobnob::socket::raise_open_files().expect("up to the hard limit anybody may");
    if files < 2 * IDLE as u64 {
        let test = "scale::five_thousand_idle_then_two_hundred_active_and_none_lost";
        return skip(test, &format!("at most {files} open files"));
    }
    let mut child = Child::serve("echo tcp://127.0.0.1:0").await;
    // What the first sessions allocate once and for all is not theirs alone.
    let mut first = crowd(child.address, 64).await;
    for client in &mut first {
        ask(client, b"warm", b"warm").await;
    }
    drop(first);
    child.empties_but(0).await;
    let (resident, descriptors) = (child.resident(), child.descriptors());

    let mut clients = crowd(child.address, IDLE).await;
    soon("the last of them", async { while child.counts().await.0 < IDLE as u64 {} }).await;
    let each = child.resident().saturating_sub(resident) / IDLE as u64;
    println!("scale: {each} resident bytes for each of {IDLE} idle sessions");
    assert!(each <= BYTES_EACH, "{each} bytes for each idle session");

    let mut talking = JoinSet::new();
    for (number, mut client) in clients.drain(..ACTIVE).enumerate() {
        talking.spawn(async move {
            for round in 0..20 {
                let message = format!("{number} says {round}");
                ask(&mut client, message.as_bytes(), message.as_bytes()).await;
            }
            client
        });
    }
    clients.extend(talking.join_all().await);
    assert_eq!(child.counts().await.0, IDLE as u64, "some were lost");
    for client in &mut clients {
        ask(client, b"still there?", b"still there?").await;
    }
    drop(clients);
    child.empties_but(0).await;
    assert_eq!(child.descriptors(), descriptors);
}

#[tokio::test]
async fn five_thousand_idle_peers_of_a_udp_relay_weigh_little_and_leave_nothing() {
    let files = hobnob::socket::raise_open_files().expect("up to the hard limit anybody may");
    if files < 2 * IDLE as u64 {
        let test = "scale::five_thousand_idle_peers_of_a_udp_relay_weigh_little_and_leave_nothing";
        return skip(test, &format!("at most {files} open files"));
    }
    // All of them are to come before the first is forgotten: on a machine that is too slow for that, again with more time.
    for peer_idle in [3, 15, 120] {
        if all_came_in_time(Duration::from_secs(peer_idle)).await {
            return;
        }
    }
    panic!("{IDLE} peers did not come within two minutes");
}

/// False where the first might have been forgotten before the last had come.
async fn all_came_in_time(peer_idle: Duration) -> bool {
    let echo = Child::serve("echo udp://127.0.0.1:0").await;
    let (to, idle) = (echo.address, peer_idle.as_secs());
    let plan = format!("relay udp://127.0.0.1:0 to=udp://{to} peer-idle={idle}s");
    let mut child = Child::serve(&plan).await;
    let (clock, descriptors) = (Clock::start(), child.descriptors());
    let first = peers(child.address, 64).await;
    let resident = child.resident();

    let crowd = peers(child.address, IDLE).await;
    let each = child.resident().saturating_sub(resident) / IDLE as u64;
    let (open, all) = (child.counts().await.0, (first.len() + crowd.len()) as u64);
    if clock.now() >= peer_idle {
        return false;
    }
    println!("scale: {each} resident bytes for each of {IDLE} idle peers of a UDP relay");
    assert_eq!(open, all, "some were forgotten before the last had come");
    assert!(each <= BYTES_EACH, "{each} bytes for each idle peer");

    for peer in crowd.iter().step_by(IDLE / ACTIVE) {
        let dropped = dropped_by_the_kernel();
        says(peer).await;
        hears(peer, dropped).await;
    }
    child.empties_behind(peer_idle, 0).await;
    assert_eq!(child.descriptors(), descriptors);
    true
}

/// So many that are known to the relay: each has had its answer. They come a few at a time, for whom any receive buffer
/// has room.
async fn peers(of: SocketAddr, size: usize) -> Vec<UdpSocket> {
    let mut peers = Vec::with_capacity(size);
    while peers.len() < size {
        let (before, dropped) = (peers.len(), dropped_by_the_kernel());
        for _ in 0..32.min(size - before) {
            let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
            peer.connect(of).await.expect("a datagram socket connects at once");
            says(&peer).await;
            peers.push(peer);
        }
        for peer in &peers[before..] {
            hears(peer, dropped).await;
        }
    }
    peers
}

async fn says(peer: &UdpSocket) {
    peer.send(b"still there?").await.expect("somebody listens");
}

/// Hears the answer. It asks again only where the kernel has dropped packets since there were so many of them: an answer
/// that does not come otherwise was lost by a server of ours.
async fn hears(peer: &UdpSocket, mut dropped: u64) {
    let mut answer = [0; 64];
    let length = soon("an answer", async {
        loop {
            match tokio::time::timeout(Duration::from_secs(1), peer.recv(&mut answer)).await {
                Ok(heard) => return heard.expect("somebody listens"),
                Err(_) if dropped_by_the_kernel() == dropped => {}
                Err(_) => {
                    dropped = dropped_by_the_kernel();
                    says(peer).await;
                }
            }
        }
    })
    .await;
    assert_eq!(&answer[..length], b"still there?");
}

/// Peers of each service that ask and read nothing, all at once: the budget of memory is enough for them.
const DEAF: u32 = 400;

/// What a service is asked that has the largest answers.
fn question(service: &str) -> &'static [u8] {
    match service {
        "http" => b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        _ => b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
    }
}

#[tokio::test]
async fn peers_that_ask_and_never_read_take_no_service_past_its_budget() {
    let files = hobnob::socket::raise_open_files().expect("up to the hard limit anybody may");
    let services = hobnob::engine::services().iter().filter(|row| row.make.is_some());
    if files < u64::from(DEAF) * (services.clone().count() as u64 + 2) {
        let test = "scale::peers_that_ask_and_never_read_take_no_service_past_its_budget";
        return skip(test, &format!("at most {files} open files"));
    }
    let target = Child::serve("source tcp://127.0.0.1:0").await;
    let budget = hobnob::engine::Limits::default().memory;
    let mut walk = JoinSet::new();
    for row in services {
        walk.spawn(walked(row.spec.name, target.address));
    }
    for (service, taken) in walk.join_all().await {
        println!("scale: {DEAF} peers that read nothing cost {service} {} KiB", taken / 1_024);
        assert!(taken <= budget, "{service} took {taken} bytes, and {budget} are its budget");
    }
}

/// The most bytes that a service ever held for peers that read nothing.
async fn walked(service: &'static str, target: SocketAddr) -> (&'static str, u64) {
    let options = match service {
        "relay" => format!(" to=tcp://{target}"),
        "http" => format!(" body={}", "x".repeat(100_000)),
        _ => String::new(),
    };
    let mut child = Child::serve(&format!("{service} tcp://127.0.0.1:0{options}")).await;
    let before = child.resident();
    let stuck = deaf(child.address, DEAF, question(service)).await;
    let taken = child.peak().saturating_sub(before);
    let (_, sessions, refused) = child.counts().await;
    assert_eq!((sessions, refused), (u64::from(DEAF), 0), "{service} has all of them");
    drop(stuck);
    child.empties_but(0).await;
    (service, taken)
}

#[cfg(feature = "http")]
#[tokio::test]
async fn one_peer_that_asks_for_pages_and_never_reads_costs_no_more_than_a_few() {
    const PAGE: u64 = 1 << 20;
    let folder = tempfile::TempDir::new().expect("a folder");
    let page = folder.path().join("page");
    std::fs::write(&page, "x".repeat(1 << 20)).expect("a disk");
    let plan = format!("http tcp://127.0.0.1:0 body=@{}", page.display());
    let mut child = Child::serve(&plan).await;
    let before = child.resident();
    let stuck = deaf(child.address, 1, question("http")).await;
    let taken = child.peak().saturating_sub(before);
    assert!(taken <= 8 * PAGE, "{taken} bytes for one peer");
    drop(stuck);
    child.empties_but(0).await;
}

#[tokio::test]
async fn ten_thousand_rounds_leave_nothing_behind() {
    const ROUNDS: usize = 10_000;
    const AT_ONCE: usize = 8;
    let mut child = Child::serve("hello tcp://127.0.0.1:0").await;
    round(child.address, 0).await;
    child.empties_but(0).await;
    let (descriptors, threads) = (child.descriptors(), child.threads());
    let (mut rounds, at) = (JoinSet::new(), child.address);
    for worker in 0..AT_ONCE {
        rounds.spawn(async move {
            for number in 0..ROUNDS / AT_ONCE {
                round(at, worker + number).await;
            }
        });
    }
    rounds.join_all().await;
    child.empties_but(0).await;
    let (open, sessions, refused) = child.counts().await;
    assert_eq!((open, sessions, refused), (0, ROUNDS as u64 + 1, 0));
    assert_eq!(child.descriptors(), descriptors);
    assert_eq!(child.threads(), threads);
}

/// Connects, talks and leaves, in each of the ways in which one can.
async fn round(at: SocketAddr, number: usize) {
    let mut client = connect(at).await;
    hear(&mut client, b"Welcome!").await;
    ask(&mut client, b"Ada", b"Hello, Ada!").await;
    match number % 3 {
        0 => drop(client),
        1 => reset(client),
        _ => {
            client.write_all(b"exit").await.expect("it is open");
            rest(&mut client).await;
        }
    }
}
