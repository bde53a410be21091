//! Cases 1 to 4: accepting goes on whatever happens to it.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::conn::listener::Accepted;
use hobnob::engine::Server;
use hobnob::error::Error;
use hobnob::event::{Fact, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::stage::child::Child;
use crate::stage::{Stage, ask, connect, is_turned_away, own, reset, soon};

/// When the child tells the next time that it has no descriptors left.
async fn paused(child: &mut Child) -> Duration {
    loop {
        let event = child.line("event").await;
        let (at, fact) = event.split_once(' ').expect("a time and a fact");
        if fact.contains("open-files") {
            return Duration::from_millis(at.parse().expect("milliseconds"));
        }
    }
}

#[tokio::test]
async fn case_01_no_descriptors_left_pauses_without_spinning_and_goes_on() {
    const CLIENTS: usize = 500;
    let mut child = Child::serve("echo tcp://127.0.0.1:0 nofile=200 max-conns=10000").await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = connect(child.address).await;
        client.write_all(b"x").await.expect("the kernel has accepted it");
        clients.push(client);
    }
    // The first is served, so the pause is the limit's and not the start's.
    soon("the first echo", clients[0].read_u8()).await.expect("it is served");
    ask(&mut clients[0], b"old", b"old").await;
    paused(&mut child).await;

    let (clock, worked) = (Clock::start(), child.worked());
    let mut told = vec![paused(&mut child).await, paused(&mut child).await];
    let (elapsed, worked) = (clock.now(), child.worked().saturating_sub(worked));
    assert!(worked < elapsed / 4, "it spins: {worked:?} of {elapsed:?} on the processor");
    told.extend(child.events("open-files"));
    for pair in told.windows(2) {
        assert!(pair[1].saturating_sub(pair[0]) >= Duration::from_millis(999), "{told:?}");
    }
    ask(&mut clients[0], b"still there", b"still there").await;

    // Who came first is in.
    let inside = usize::try_from(child.counts().await.0).expect("a few");
    assert!(inside > 100 && inside < 200, "{inside} of {CLIENTS} are served");
    let waiting = clients.split_off(inside);
    for client in &mut clients[1..] {
        soon("an echo", client.read_u8()).await.expect("it is served");
    }
    drop(clients);
    // Each goes once it is served, so all are.
    for mut client in waiting {
        soon("an echo", client.read_u8()).await.expect("it is served in its turn");
    }
    child.empties_but(0).await;
}

#[tokio::test]
async fn case_02_an_accept_that_failed_costs_the_next_client_nothing() {
    // With a sleep of a millisecond after each the echo would not come soon.
    const FAILURES: usize = 40_000;
    for errno in [libc::ECONNABORTED, libc::EPROTO, libc::EINTR, libc::EIO] {
        let (ours, mut theirs) = own::guest();
        let failed = move || {
            let error = std::io::Error::from_raw_os_error(errno);
            Accepted::Failed(Error::from_io("accept()", &error))
        };
        let mut script: own::Script = (0..FAILURES).map(|_| Box::new(failed) as _).collect();
        script.push_back(Box::new(move || Accepted::Conn(ours)));
        let mut server = Server::new("echo").expect("it is built in");
        own::script(&mut server, script);
        let mut stage = Stage::start(server).expect("it starts");
        theirs.send(b"hi").await.expect("room");
        let mut answer = [0; 8];
        let answered = soon("an echo", theirs.recv(&mut answer)).await;
        assert_eq!(answered, Ok(Some(2)), "errno {errno}");
        let told = stage.count(|fact| matches!(fact, Fact::Failed(_) | Fact::Paused { .. }));
        // Once a second, for as long as anybody here waits.
        let most = if errno == libc::EIO { 1..=30 } else { 0..=0 };
        assert!(most.contains(&told), "errno {errno}: told {told} times");
        drop(theirs);
        stage.finish().await;
    }
}

#[tokio::test]
async fn case_02_a_lack_of_memory_waits_and_goes_on() {
    for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        let (ours, mut theirs) = own::guest();
        let mut script = own::Script::new();
        script.push_back(Box::new(move || {
            Accepted::Failed(Error::from_io("accept()", &std::io::Error::from_raw_os_error(errno)))
        }));
        script.push_back(Box::new(move || Accepted::Conn(ours)));
        let mut server = Server::new("echo").expect("it is built in");
        own::script(&mut server, script);
        let mut stage = Stage::start(server).expect("it starts");
        stage.paused("open-files").await;
        theirs.send(b"hi").await.expect("room");
        assert_eq!(soon("an echo", theirs.recv(&mut [0; 8])).await, Ok(Some(2)), "errno {errno}");
        drop(theirs);
        stage.finish().await;
    }
}

/// From 127.0.0.2, where only 127.0.0.1 may come.
async fn knock(at: SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a descriptor");
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).expect("all of 127/8 is ours");
    assert!(is_turned_away(socket.connect(at).await).await, "a stranger was served");
}

#[tokio::test]
async fn case_03_refused_connections_leave_no_descriptor() {
    const KNOCKS: usize = 25_000;
    let mut child = Child::serve("echo tcp://127.0.0.1:0 allow=127.0.0.1").await;
    let mut client = connect(child.address).await;
    ask(&mut client, b"may come", b"may come").await;
    let before = child.descriptors();
    let at = child.address;
    let mut knocking = tokio::task::JoinSet::new();
    for _ in 0..4 {
        knocking.spawn(async move {
            for _ in 0..KNOCKS / 4 {
                knock(at).await;
            }
        });
    }
    knocking.join_all().await;
    let (open, sessions, refused) = child.counts().await;
    assert_eq!((open, sessions, refused), (1, 1, KNOCKS as u64));
    assert_eq!(child.descriptors(), before);
    ask(&mut client, b"as before", b"as before").await;
}

#[tokio::test]
async fn case_04_one_that_leaves_frees_one_place_also_by_reset() {
    let mut stage = Stage::with("echo", "tcp://127.0.0.1:0", |server| {
        server.limits.max_conns = Some(3);
    });
    let mut inside = Vec::new();
    for _ in 0..3 {
        let mut client = stage.connect().await;
        ask(&mut client, b"in", b"in").await;
        stage.opened().await;
        inside.push(client);
    }
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut client = stage.connect().await;
        client.write_all(b"me").await.expect("the kernel has accepted it");
        waiting.push(client);
    }
    stage.paused("max-conns").await;
    assert_eq!(stage.running.open(), 3);
    for how in [Reason::Reset, Reason::Eof, Reason::Reset] {
        let leaving = inside.remove(0);
        if how == Reason::Reset {
            reset(leaving);
        } else {
            drop(leaving);
        }
        assert_eq!(stage.closed().await.reason, how);
        let mut next = waiting.remove(0);
        ask(&mut next, b"", b"me").await;
        // One came in for one that left: the others are served, and who waits is not.
        ask(&mut next, b"again", b"again").await;
        for client in &mut inside {
            ask(client, b"still", b"still").await;
        }
        stage.holds("one left, one came", |running| running.open() == 3).await;
        inside.push(next);
    }
    drop(inside);
    assert_eq!(stage.finish().await.sessions, 6);
}
