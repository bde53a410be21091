//! The limits, each by the name that it has in events, and each refusal counted.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::conn::listener::Accepted;
use hobnob::engine::{Network, Server, parse};
use hobnob::error::{Error, Kind};
use hobnob::event::{Fact, Reason};
use hobnob::service::Made;
use hobnob::spec::Shape;
use tokio::net::{TcpSocket, TcpStream};

use crate::ports::Port;
use crate::stage::{
    Stage, ask, connect, elsewhere, hear, is_turned_away, own, pour, receive, rest, skip, soon, udp,
};

const MOMENT: Duration = Duration::from_millis(200);

/// A server on all addresses, as it is reached from elsewhere than loopback.
fn from_elsewhere(test: &str, stage: impl FnOnce() -> Stage) -> Option<(Stage, SocketAddr)> {
    let Some(here) = elsewhere() else {
        skip(&format!("limits::{test}"), "no address but loopback");
        return None;
    };
    let stage = stage();
    let to = SocketAddr::new(here, stage.address().port());
    Some((stage, to))
}

#[tokio::test]
async fn max_conns_refuses_a_datagram_peer_that_it_cannot_keep_waiting() {
    let mut stage = Stage::of(own::echo_sessions(), "udp://127.0.0.1:0,no-evict", |server| {
        server.limits.max_conns = Some(1);
    });
    let (first, second) =
        (udp("127.0.0.1:0", stage.address()).await, udp("127.0.0.1:0", stage.address()).await);
    first.send(b"one").await.expect("sent");
    assert_eq!(receive(&first).await, b"one");
    second.send(b"two").await.expect("sent");
    assert_eq!(stage.refused("max-conns").await.ip(), second.local_addr().ok());
    first.send(b"three").await.expect("sent");
    assert_eq!(receive(&first).await, b"three");
    assert_eq!(stage.running.summary().refused, 1);
    let is_told = |fact: &Fact| matches!(fact, Fact::Warning(text) if text.contains("--max-conns"));
    assert_eq!(stage.counted(is_told).await, 1, "it is told where no -v is, with what to raise");
}

#[tokio::test]
async fn a_pause_that_comes_again_and_again_is_told_once_a_second() {
    let clock = Clock::start();
    let mut stage = Stage::with("echo", "tcp://127.0.0.1:0", |server| {
        server.limits.max_conns = Some(1);
    });
    for _ in 0..500 {
        let mut client = stage.connect().await;
        ask(&mut client, b"in and out", b"in and out").await;
    }
    let is_pause = |fact: &Fact| matches!(fact, Fact::Paused { limit: "max-conns", .. });
    let is_resumption = |fact: &Fact| matches!(fact, Fact::Resumed { limit: "max-conns" });
    let (paused, resumed) = (stage.count(is_pause), stage.count(is_resumption));
    let most = 1 + usize::try_from(clock.now().as_secs()).expect("a few");
    assert!((1..=most).contains(&paused), "paused was told {paused} times in {:?}", clock.now());
    assert!(resumed <= paused, "{resumed} resumptions of {paused} pauses");
}

#[tokio::test]
async fn what_fails_again_and_again_is_told_once_a_second_and_counted_each_time() {
    const FAILURES: usize = 1_000;
    let clock = Clock::start();
    let mut server = Server::new("echo").expect("it is built in");
    let fails = || Accepted::Failed(Error::new(Kind::BadFrame, "noise"));
    let mut script: own::Script = (0..FAILURES).map(|_| Box::new(fails) as _).collect();
    // A failure of another kind is news, however soon it comes.
    let other = || Accepted::Failed(Error::new(Kind::TlsFailed, "no cipher"));
    script.push_back(Box::new(other));
    own::script(&mut server, script);
    let mut stage = Stage::start(server).expect("it starts");
    stage.holds("each is counted", |running| running.summary().failed == 1_001).await;
    let most = 1 + usize::try_from(clock.now().as_secs()).expect("a few");
    let of = |wanted| move |fact: &Fact| matches!(fact, Fact::Failed(e) if e.kind() == wanted);
    assert!((1..=most).contains(&stage.counted(of(Kind::BadFrame)).await), "in {:?}", clock.now());
    assert_eq!(stage.counted(of(Kind::TlsFailed)).await, 1);
}

#[tokio::test]
async fn per_source_bounds_one_address_and_not_loopback() {
    let serve = || Stage::with("echo", "tcp://0.0.0.0:0", |server| server.limits.per_source = 2);
    let test = "per_source_bounds_one_address_and_not_loopback";
    let Some((mut stage, to)) = from_elsewhere(test, serve) else { return };
    let mut first = connect(to).await;
    ask(&mut first, b"one", b"one").await;
    let mut second = connect(to).await;
    ask(&mut second, b"two", b"two").await;
    assert!(is_turned_away(connect_from(to.ip(), to).await).await);
    assert_eq!(stage.refused("per-source").await.ip().map(|peer| peer.ip()), Some(to.ip()));
    let loopback = SocketAddr::from(([127, 0, 0, 1], to.port()));
    let mut local = Vec::new();
    for _ in 0..5 {
        local.push(connect(loopback).await);
        ask(local.last_mut().expect("just pushed"), b"local", b"local").await;
    }
    drop(first);
    stage.holds("its place is free", |running| running.open() == 6).await;
    ask(&mut connect(to).await, b"again", b"again").await;
    assert_eq!(stage.running.summary().refused, 1);
}

#[tokio::test]
async fn accept_rate_slows_and_turns_nobody_away() {
    let serve = || {
        Stage::with("echo", "tcp://0.0.0.0:0", |server| {
            (server.limits.accept_rate, server.limits.accept_burst) = (100, 5);
        })
    };
    let Some((mut stage, to)) = from_elsewhere("accept_rate_slows_and_turns_nobody_away", serve)
    else {
        return;
    };
    let clock = Clock::start();
    let mut clients = Vec::new();
    for _ in 0..25 {
        clients.push(connect(to).await);
    }
    for client in &mut clients {
        ask(client, b"in", b"in").await;
    }
    // 20 of the 25 had to wait for a token each, and no machine makes that shorter.
    assert!(clock.now() >= MOMENT, "all came within {:?}", clock.now());
    stage.paused("accept-rate").await;
    assert_eq!(stage.running.summary().refused, 0);
    assert!(stage.count(|fact| matches!(fact, Fact::Paused { .. })) <= 3, "told too often");
}

#[tokio::test]
async fn one_source_that_comes_too_often_slows_nobody_else() {
    let serve = || {
        Stage::with("echo", "tcp://0.0.0.0:0", |server| {
            (server.limits.accept_rate, server.limits.accept_burst) = (1, 1);
        })
    };
    let test = "one_source_that_comes_too_often_slows_nobody_else";
    let Some((mut stage, to)) = from_elsewhere(test, serve) else { return };
    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(connect(to).await);
    }
    stage.paused("accept-rate").await;
    let loopback = SocketAddr::from(([127, 0, 0, 1], to.port()));
    for _ in 0..5 {
        ask(&mut connect(loopback).await, b"at once", b"at once").await;
    }
    // The crowd is let in one a second, so that who asked behind it would have asked for a minute.
    assert!(stage.running.summary().sessions < 5 + 60, "{:?}", stage.running.summary());
    // Whoever still waits when the server closes is told, and counted.
    stage.running.drain();
    stage.refused("draining").await;
}

#[tokio::test]
async fn who_is_turned_away_takes_nothing_of_the_accept_rate() {
    let serve = || {
        Stage::with("echo", "tcp://0.0.0.0:0", |server| {
            server.limits.per_source = 1;
            (server.limits.accept_rate, server.limits.accept_burst) = (1, 2);
        })
    };
    let test = "who_is_turned_away_takes_nothing_of_the_accept_rate";
    let Some((mut stage, to)) = from_elsewhere(test, serve) else { return };
    let mut first = connect(to).await;
    ask(&mut first, b"one", b"one").await;
    for _ in 0..20 {
        assert!(is_turned_away(connect_from(to.ip(), to).await).await);
    }
    drop(first);
    stage.holds("its place is free", |running| running.open() == 0).await;
    ask(&mut connect(to).await, b"two", b"two").await;
    assert_eq!(stage.count(|fact| matches!(fact, Fact::Paused { .. })), 0, "nobody had to wait");
}

/// From this address of ours. Whoever is turned away may hear of it here already.
async fn connect_from(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.expect("a descriptor");
    socket.bind(SocketAddr::new(from, 0)).expect("it is ours");
    soon("a connection", socket.connect(to)).await
}

#[tokio::test]
async fn allow_is_for_sources_of_either_family_and_an_endpoints_own_only_narrows_it() {
    let at = "tcp://127.0.0.1:0,allow=127.0.0.2,allow=127.0.1.0/24,allow=127.9.9.9";
    let mut stage = Stage::with("echo", at, |server| {
        for more in
            ["tcp://[::1]:0,allow=::1", "tcp://[::1]:0,allow=127.0.0.1", "tcp://127.0.0.1:0"]
        {
            server.on(&parse(more).expect("an endpoint")).expect("it fits");
        }
        for allow in ["::ffff:127.0.0.0/120", "127.0.1.0/24", "127.0.2.2", "::1"] {
            server.limits.allow.push(Network::parse(allow).expect("a network"));
        }
    });
    let cases = [
        (0, "127.0.0.2", true),
        (0, "127.0.1.77", true),
        (0, "127.0.0.1", false),
        // The server lets it in, and the endpoint does not.
        (0, "127.0.2.2", false),
        // The endpoint lets it in, and the server does not.
        (0, "127.9.9.9", false),
        (1, "::1", true),
        (2, "::1", false),
        (3, "127.0.0.1", true),
        (3, "127.0.2.2", true),
        (3, "127.0.2.3", false),
    ];
    for (door, from, may_come) in cases {
        let client = connect_from(from.parse().expect("an address"), stage.address_of(door)).await;
        if may_come {
            ask(&mut client.expect("somebody listens"), b"in", b"in").await;
            continue;
        }
        let peer = stage.refused("allow").await.ip().map(|peer| peer.ip().to_string());
        assert_eq!(peer.as_deref(), Some(from));
        assert!(is_turned_away(client).await, "{from} was served");
    }
    assert_eq!(stage.running.summary().refused, 5);
}

#[tokio::test]
async fn allow_is_for_datagrams_too() {
    for service in [None, Some(own::echo_sessions())] {
        let at = "udp://127.0.0.1:0,allow=127.0.0.2";
        let mut stage = match service {
            None => Stage::serve("echo", at),
            Some(own) => Stage::of(own, at, |_| {}),
        };
        let stranger = udp("127.0.0.1:0", stage.address()).await;
        stranger.send(b"x").await.expect("sent");
        assert_eq!(stage.refused("allow").await.ip(), stranger.local_addr().ok());
        let friend = udp("127.0.0.2:0", stage.address()).await;
        friend.send(b"x").await.expect("sent");
        assert_eq!(receive(&friend).await, b"x");
        assert_eq!(stage.running.summary().refused, 1);
    }
}

#[tokio::test]
async fn idle_ends_a_silent_session_in_order() {
    let mut stage =
        Stage::with("hello", "tcp://127.0.0.1:0", |server| server.limits.idle = Some(MOMENT));
    let mut client = stage.connect().await;
    hear(&mut client, b"Welcome!").await;
    let (heard, is_orderly) = rest(&mut client).await;
    assert!(heard.is_empty() && is_orderly);
    drop(client);
    stage.closed_by(Reason::Timeout("idle")).await;
}

#[tokio::test]
async fn idle_spares_who_talks() {
    let mut stage = Stage::with("echo", "tcp://127.0.0.1:0", |server| {
        server.limits.idle = Some(Duration::from_secs(2));
    });
    let mut talks = stage.connect().await;
    stage.opened().await;
    let mut is_silent = stage.connect().await;
    let mut end = pin!(rest(&mut is_silent));
    // Who came first would have to leave first.
    while tokio::time::timeout(Duration::from_millis(50), &mut end).await.is_err() {
        ask(&mut talks, b"x", b"x").await;
    }
    ask(&mut talks, b"x", b"x").await;
}

#[tokio::test]
async fn idle_and_stall_end_a_session_whose_layer_still_has_to_send() {
    for limit in ["idle", "stall"] {
        let mut stage = Stage::with("echo", "lines+tcp://127.0.0.1:0", |server| {
            server.limits.linger = MOMENT;
            match limit {
                "idle" => server.limits.idle = Some(Duration::from_secs(1)),
                _ => server.limits.stall = Duration::from_secs(1),
            }
        });
        let _pouring = pour(stage.connect().await);
        stage.closed_by(Reason::Timeout(limit)).await;
        stage.holds("it is released", |running| running.open() == 0).await;
    }
}

#[tokio::test]
async fn handshake_bounds_layers() {
    let mut server = Server::new("echo").expect("it is built in");
    server.limits.handshake = MOMENT;
    own::handshaking(&mut server);
    let mut stage = Stage::start(server).expect("it starts");
    let mut client = stage.connect().await;
    rest(&mut client).await;
    stage.closed_by(Reason::Timeout("handshake")).await;
}

#[tokio::test]
async fn max_peers_forgets_who_was_silent_longest() {
    let mut stage = Stage::of(own::echo_sessions(), "udp://127.0.0.1:0", |server| {
        server.limits.max_peers = 4;
    });
    let mut clients = Vec::new();
    for _ in 0..6 {
        let client = udp("127.0.0.1:0", stage.address()).await;
        client.send(b"x").await.expect("sent");
        receive(&client).await;
        clients.push(client);
    }
    assert_eq!((stage.dropped("max-peers").await, stage.dropped("max-peers").await), (1, 1));
    stage.holds("four are left", |running| running.open() == 4).await;
    // Who was forgotten is a new peer.
    clients[0].send(b"again").await.expect("sent");
    assert_eq!(receive(&clients[0]).await, b"again");
    assert_eq!(stage.running.summary().sessions, 7);
    assert_eq!(stage.running.summary().dropped, 3);
}

#[tokio::test]
async fn max_peers_of_none_is_one() {
    let stage = Stage::of(own::echo_sessions(), "udp://127.0.0.1:0", |server| {
        server.limits.max_peers = 0;
    });
    for _ in 0..2 {
        let client = udp("127.0.0.1:0", stage.address()).await;
        client.send(b"x").await.expect("sent");
        assert_eq!(receive(&client).await, b"x");
    }
}

/// The kernel drops too, where more comes than is read.
fn is_drop(by: &'static str) -> impl Fn(&Fact) -> bool {
    move |fact| matches!(fact, Fact::Dropped { limit, .. } if *limit == by)
}

#[tokio::test]
async fn a_full_mailbox_drops_and_counts() {
    let mut stage = Stage::of(own::deaf(), "udp://127.0.0.1:0", |_| {});
    let client = udp("127.0.0.1:0", stage.address()).await;
    let clock = Clock::start();
    while stage.count(is_drop("mailbox")) == 0 {
        client.send(b"x").await.expect("sent");
        assert!(clock.now() < crate::stage::PATIENCE, "nothing is ever dropped");
    }
    assert!(stage.dropped("mailbox").await > 0);
    assert_eq!(stage.running.open(), 1);
}

#[tokio::test]
async fn a_silent_datagram_peer_is_forgotten_in_time() {
    let mut stage = Stage::of(own::echo_sessions(), "udp://127.0.0.1:0", |server| {
        server.limits.peer_idle = MOMENT;
    });
    let client = udp("127.0.0.1:0", stage.address()).await;
    client.send(b"x").await.expect("sent");
    assert_eq!(receive(&client).await, b"x");
    assert_eq!(stage.closed().await.reason, Reason::Eof);
    client.send(b"y").await.expect("sent");
    assert_eq!(receive(&client).await, b"y");
}

#[tokio::test]
async fn held_answers_are_bounded() {
    let mut stage = Stage::with("hello", "udp://127.0.0.1:0", |server| {
        server.set("delay", Some("1h")).expect("hello has it");
    });
    let client = udp("127.0.0.1:0", stage.address()).await;
    let clock = Clock::start();
    while stage.count(is_drop("held-answers")) == 0 {
        client.send(b"x").await.expect("sent");
        assert!(clock.now() < crate::stage::PATIENCE, "nothing is ever dropped");
    }
    assert!(stage.dropped("held-answers").await > 0);
}

#[tokio::test]
async fn amplification_is_refused_off_loopback() {
    let serve = || {
        Stage::with("reply", "udp://0.0.0.0:0", |server| {
            server.set("reply", Some(&"x".repeat(400))).expect("it has it");
        })
    };
    let Some((mut stage, to)) = from_elsewhere("amplification_is_refused_off_loopback", serve)
    else {
        return;
    };
    let client = udp(&format!("{}:0", to.ip()), to).await;
    client.send(b"x").await.expect("sent");
    assert_eq!(stage.refused("amplification").await.ip(), client.local_addr().ok());
    client.send(&[b'x'; 400]).await.expect("sent");
    assert_eq!(receive(&client).await.len(), 400);
    assert_eq!(stage.running.summary().refused, 1);
}

#[tokio::test]
async fn answer_rate_bounds_what_one_source_gets() {
    let serve = || Stage::serve("echo", "udp://0.0.0.0:0");
    let Some((mut stage, to)) = from_elsewhere("answer_rate_bounds_what_one_source_gets", serve)
    else {
        return;
    };
    let client = udp(&format!("{}:0", to.ip()), to).await;
    let clock = Clock::start();
    while stage.running.summary().refused == 0 {
        for _ in 0..100 {
            client.send(b"x").await.expect("sent");
        }
        while client.try_recv(&mut [0; 8]).is_ok() {}
        tokio::task::yield_now().await;
        assert!(clock.now() < crate::stage::PATIENCE, "no limit at all");
    }
    stage.refused("answer-rate").await;
}

#[tokio::test]
async fn memory_cuts_who_holds_most() {
    let mut stage = Stage::with("echo", "tcp://127.0.0.1:0", |server| {
        server.limits.memory = 1;
    });
    let mut small = stage.connect().await;
    ask(&mut small, b"small", b"small").await;
    let _pouring = pour(stage.connect().await);
    stage.closed_by(Reason::Limit("memory")).await;
    ask(&mut small, b"spared", b"spared").await;
}

/// Holds as many bytes as it is told, and says so.
fn holding() -> Made {
    own::does(|session, conn| {
        Box::pin(async move {
            let mut room = [0; 16];
            while let Some(length) = conn.recv(&mut room).await? {
                let told = std::str::from_utf8(&room[..length]).expect("text");
                session.note_held(told.parse().expect("a number"));
                conn.send(b"held").await?;
            }
            Ok(())
        })
    })
}

#[tokio::test]
async fn memory_cuts_the_one_session_of_all_shards_that_holds_most() {
    let mut stage = Stage::of(holding(), "tcp://127.0.0.1:0", |server| {
        server.limits.memory = 1_000;
    });
    let mut others = Vec::new();
    for _ in 0..8 {
        let mut client = stage.connect().await;
        ask(&mut client, b"10", b"held").await;
        others.push(client);
    }
    let mut largest = stage.connect().await;
    ask(&mut largest, b"990", b"held").await;
    let cut = stage.closed_by(Reason::Limit("memory")).await;
    assert_eq!(cut.bytes_in, 3);
    // Accepting goes on when each shard has looked again. One more may be waited for already.
    for _ in 0..2 {
        ask(&mut stage.connect().await, b"1", b"held").await;
    }
    for client in &mut others {
        ask(client, b"10", b"held").await;
    }
}

#[tokio::test]
async fn memory_bounds_packets_that_nobody_receives() {
    let mut stage = Stage::of(own::deaf(), "udp://127.0.0.1:0", |server| {
        server.limits.memory = 10_000;
    });
    let client = udp("127.0.0.1:0", stage.address()).await;
    // Empty ones, which are not free.
    let sending = async {
        loop {
            client.send(b"").await.expect("sent");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = sending => {}
        closed = stage.closed_by(Reason::Limit("memory")) => assert_eq!(closed.bytes_in, 0),
    }
}

#[tokio::test]
async fn max_ends_the_server_after_so_many_sessions() {
    // Once it is closed nobody else may be given it.
    let port = Port::draw();
    let stage = Stage::with("echo", &format!("tcp://127.0.0.1:{}", port.number), |server| {
        server.on(&parse("udp://:0").expect("an endpoint")).expect("it fits");
        server.stop.sessions = Some(2);
    });
    let mut first = stage.connect().await;
    ask(&mut first, b"one", b"one").await;
    let mut second = stage.connect().await;
    ask(&mut second, b"two", b"two").await;
    // Nobody else may come, and who is there stays.
    let late = soon("a refusal", TcpStream::connect(stage.address())).await;
    assert!(is_turned_away(late).await);
    ask(&mut first, b"still", b"still").await;
    drop((first, second));
    let summary = soon("its end", stage.running.finished()).await;
    assert_eq!(summary.sessions, 2);
}

#[tokio::test]
async fn max_counts_datagrams_at_all_their_doors() {
    let mut stage = Stage::with("hello", "udp://:0", |server| {
        server.stop.sessions = Some(3);
        server.set("delay", Some("100ms")).expect("hello has it");
    });
    let last = stage.running.bound().len() - 1;
    for door in [0, last, 0] {
        let to = stage.address_of(door);
        let from = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let client = udp(from, to).await;
        client.send(b"x").await.expect("sent");
        assert_eq!(receive(&client).await, b"Hello, x!");
    }
    let summary = soon("its end", stage.running.finished()).await;
    assert_eq!(summary.sessions, 3);
    assert_eq!(stage.count(|fact| matches!(fact, Fact::Failed(_))), 0);
}

#[tokio::test]
async fn max_counts_datagram_sessions() {
    let mut stage = Stage::of(own::echo_sessions(), "udp://:0", |server| {
        server.stop.sessions = Some(1);
        server.limits.peer_idle = MOMENT;
    });
    let (first, second) =
        (udp("127.0.0.1:0", stage.address()).await, udp("127.0.0.1:0", stage.address()).await);
    first.send(b"one").await.expect("sent");
    assert_eq!(receive(&first).await, b"one");
    second.send(b"two").await.expect("sent");
    stage.refused("max").await;
    let summary = soon("its end", stage.running.finished()).await;
    assert_eq!((summary.sessions, summary.refused), (1, 1));
}

#[tokio::test]
async fn a_server_stops_after_its_time() {
    let mut server = Server::of(own::deaf(), &[Shape::Bytes]);
    server.on(&parse("tcp://127.0.0.1:0").expect("an endpoint")).expect("it fits");
    server.stop.after = Some(MOMENT);
    server.limits.grace = MOMENT;
    let mut stage = Stage::start(server).expect("it starts");
    let mut client = stage.connect().await;
    rest(&mut client).await;
    soon("its end", stage.running.finished()).await;
    stage.closed_by(Reason::Stopped).await;
}
