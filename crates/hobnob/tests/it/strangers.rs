//! Peers whose address may be forged: what they get, what they may cost others, and who makes room for whom.

use std::net::SocketAddr;

use hobnob::engine::{Server, Stop, parse};
use hobnob::event::{Fact, Reason};
use tokio::net::UdpSocket;

use crate::stage::{Stage, ask, connect, elsewhere, hear, own, receive, skip, soon, udp};

/// The server as it is reached from elsewhere than loopback, and who asks from there.
async fn from_elsewhere(test: &str, stage: &Stage) -> Option<(SocketAddr, UdpSocket)> {
    let Some(here) = elsewhere() else {
        skip(&format!("strangers::{test}"), "no address but loopback");
        return None;
    };
    let to = SocketAddr::new(here, stage.address().port());
    Some((to, udp(&format!("{here}:0"), to).await))
}

/// Answers each packet of a relay with forty of a thousand bytes.
async fn loud_target() -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let target = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let at = target.local_addr().expect("bound");
    let answering = tokio::spawn(async move {
        let mut room = [0; 2_048];
        while let Ok((_, from)) = target.recv_from(&mut room).await {
            for _ in 0..40 {
                target.send_to(&[b'x'; 1_000], from).await.expect("sent");
            }
        }
    });
    (at, answering)
}

fn relay(at: &str, to: SocketAddr) -> Stage {
    Stage::with("relay", at, |server| {
        server.set("to", Some(&format!("udp://{to}"))).expect("a relay takes it");
    })
}

#[tokio::test]
async fn a_relay_answers_a_far_peer_with_no_more_than_three_times_what_came_from_there() {
    let (target, answering) = loud_target().await;
    let mut stage = relay("udp://0.0.0.0:0", target);
    let test = "a_relay_answers_a_far_peer_with_no_more_than_three_times_what_came_from_there";
    let Some((_, client)) = from_elsewhere(test, &stage).await else { return };
    client.send(b"x").await.expect("sent");
    for _ in 0..40 {
        stage.dropped("amplification").await;
    }
    assert!(client.try_recv(&mut [0; 2_048]).is_err(), "87 bytes may go, and each has 1,028");
    let is_told = |fact: &Fact| matches!(fact, Fact::Warning(text) if text.contains("trusted"));
    assert!(stage.counted(is_told).await >= 1, "it is told where no -v is");
    client.send(&[b'x'; 1_000]).await.expect("sent");
    for _ in 0..37 {
        stage.dropped("amplification").await;
    }
    for _ in 0..3 {
        assert_eq!(receive(&client).await.len(), 1_000);
    }
    assert!(client.try_recv(&mut [0; 2_048]).is_err(), "three times what came has gone");
    // On this machine nobody is hurt.
    let near = udp("127.0.0.1:0", SocketAddr::from(([127, 0, 0, 1], stage.address().port()))).await;
    near.send(b"x").await.expect("sent");
    for _ in 0..40 {
        assert_eq!(receive(&near).await.len(), 1_000);
    }
    answering.abort();
}

#[tokio::test]
async fn where_sources_are_trusted_answers_are_as_large_as_they_are() {
    let (target, answering) = loud_target().await;
    let stage = relay("udp://0.0.0.0:0,trusted", target);
    let test = "where_sources_are_trusted_answers_are_as_large_as_they_are";
    let Some((to, client)) = from_elsewhere(test, &stage).await else { return };
    client.send(b"x").await.expect("sent");
    for _ in 0..40 {
        assert_eq!(receive(&client).await.len(), 1_000);
    }
    answering.abort();
    let reply = Stage::with("reply", "udp://0.0.0.0:0,trusted", |server| {
        server.set("reply", Some(&"x".repeat(400))).expect("it has it");
    });
    let there = SocketAddr::new(to.ip(), reply.address().port());
    let client = udp(&format!("{}:0", to.ip()), there).await;
    client.send(b"x").await.expect("sent");
    assert_eq!(receive(&client).await.len(), 400);
}

#[tokio::test]
async fn peers_that_have_not_answered_take_no_place_of_others_and_make_room_for_each_other() {
    let mut stage = Stage::of(own::echo_sessions(), "udp://0.0.0.0:0", |server| {
        server.on(&parse("tcp://127.0.0.1:0").expect("an endpoint")).expect("it fits");
        server.limits.max_conns = Some(2);
    });
    let test = "peers_that_have_not_answered_take_no_place_of_others_and_make_room_for_each_other";
    let Some((to, first)) = from_elsewhere(test, &stage).await else { return };
    // More than any limit on sources, and than there are places for strangers.
    let mut crowd = vec![first];
    for _ in 1..100 {
        crowd.push(udp(&format!("{}:0", to.ip()), to).await);
    }
    for stranger in &crowd {
        stranger.send(b"once").await.expect("sent");
        assert_eq!(receive(stranger).await, b"once");
    }
    for _ in 64..100 {
        stage.dropped("strangers").await;
    }
    // TCP has all its places.
    let door = stage.address_of(1);
    let (mut one, mut two) = (connect(door).await, connect(door).await);
    ask(&mut one, b"one", b"one").await;
    ask(&mut two, b"two", b"two").await;
    assert_eq!(stage.running.summary().refused, 0);
    // Whoever answers goes on, also where no place is free.
    let last = crowd.last().expect("a hundred");
    last.send(b"again").await.expect("sent");
    assert_eq!(receive(last).await, b"again");
    drop((one, two));
}

#[tokio::test]
async fn a_peer_that_has_answered_has_a_place_and_makes_room_in_its_turn() {
    let mut stage = Stage::of(own::echo_sessions(), "udp://0.0.0.0:0", |server| {
        server.limits.max_conns = Some(1);
    });
    let test = "a_peer_that_has_answered_has_a_place_and_makes_room_in_its_turn";
    let Some((_, far)) = from_elsewhere(test, &stage).await else { return };
    for text in [&b"once"[..], b"again"] {
        far.send(text).await.expect("sent");
        assert_eq!(receive(&far).await, text);
    }
    let here = SocketAddr::from(([127, 0, 0, 1], stage.address().port()));
    let near = udp("127.0.0.1:0", here).await;
    near.send(b"near").await.expect("sent");
    assert_eq!(receive(&near).await, b"near");
    assert_eq!(stage.closed().await.bytes_in, 9, "it had the only place");
    assert_eq!(stage.running.summary().refused, 0);
}

#[tokio::test]
async fn ten_addresses_that_have_proven_nothing_leave_the_room_to_its_members() {
    let mut stage = Stage::with("chat", "tcp://127.0.0.1:0", |server| {
        server.on(&parse("udp://127.0.0.1:0").expect("an endpoint")).expect("it fits");
        server.limits.max_conns = Some(10);
    });
    let (door, packets) = (stage.address(), stage.address_of(1));
    let mut crowd = Vec::new();
    for _ in 0..12 {
        let stranger = udp("127.0.0.1:0", packets).await;
        stranger.send(b"hello").await.expect("sent");
        let told = String::from_utf8(receive(&stranger).await).expect("text");
        let cookie = told.split(' ').find(|word| word.len() == 8).expect("a cookie").to_owned();
        crowd.push((stranger, cookie));
    }
    let mut members = Vec::new();
    for _ in 0..9 {
        members.push(connect(door).await);
        hear(members.last_mut().expect("one"), b"* your name?").await;
    }
    // The tenth place is for the first that proves itself, and there is no eleventh.
    let prove = async |(stranger, cookie): &(UdpSocket, String)| {
        stranger.send(cookie.as_bytes()).await.expect("sent");
    };
    prove(&crowd[0]).await;
    assert!(receive(&crowd[0].0).await.starts_with(b"* your name?"));
    prove(&crowd[1]).await;
    stage.closed_by(Reason::Limit("max-conns")).await;
    drop(members.pop());
    stage.closed().await;
    prove(&crowd[2]).await;
    assert!(receive(&crowd[2].0).await.starts_with(b"* your name?"));
}

#[tokio::test]
async fn in_a_full_server_the_datagram_peer_that_was_silent_longest_makes_room() {
    let mut stage = Stage::of(own::echo_sessions(), "udp://127.0.0.1:0", |server| {
        server.limits.max_conns = Some(2);
    });
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(udp("127.0.0.1:0", stage.address()).await);
    }
    let says = async |peer: &UdpSocket, text: &[u8]| {
        peer.send(text).await.expect("sent");
        assert_eq!(receive(peer).await, text);
    };
    says(&peers[0], b"first").await;
    says(&peers[1], b"second").await;
    says(&peers[0], b"still here").await;
    says(&peers[2], b"third").await;
    let closed = stage.closed_by(Reason::Limit("max-peers")).await;
    assert_eq!(closed.bytes_in, 6, "the second was silent longest");
    stage.holds("two are left", |running| running.open() == 2).await;
    let is_told = |fact: &Fact| matches!(fact, Fact::Warning(text) if text.contains("--max-conns"));
    assert_eq!(stage.counted(is_told).await, 1);
    // The places stay as many as they were.
    for round in 0..4 {
        says(&peers[round % 3], b"round").await;
        stage.holds("two places", |running| running.open() == 2).await;
    }
    assert_eq!(stage.running.summary().refused, 0);
}

#[tokio::test]
async fn who_has_not_answered_makes_room_before_who_was_silent_for_longer() {
    let mut stage = Stage::of(own::echo_sessions(), "udp://0.0.0.0:0,max-peers=2", |_| {});
    let test = "who_has_not_answered_makes_room_before_who_was_silent_for_longer";
    let Some((_, stranger)) = from_elsewhere(test, &stage).await else { return };
    let here = SocketAddr::from(([127, 0, 0, 1], stage.address().port()));
    let (near, late) = (udp("127.0.0.1:0", here).await, udp("127.0.0.1:0", here).await);
    for (peer, text) in [(&near, &b"first"[..]), (&stranger, b"second"), (&late, b"third")] {
        peer.send(text).await.expect("sent");
        assert_eq!(receive(peer).await, text);
    }
    assert_eq!(stage.closed().await.bytes_in, 6, "the second was silent for less long");
    near.send(b"still here").await.expect("sent");
    assert_eq!(receive(&near).await, b"still here");
    assert_eq!(stage.running.summary().sessions, 3, "it is the session that it was");
}

#[tokio::test]
async fn max_peers_is_a_setting_of_the_socket_and_no_evict_turns_the_newcomer_away() {
    for (at, is_evicting) in
        [("udp://127.0.0.1:0,max-peers=1", true), ("udp://127.0.0.1:0,max-peers=1,no-evict", false)]
    {
        let mut stage = Stage::of(own::echo_sessions(), at, |_| {});
        let (first, second) =
            (udp("127.0.0.1:0", stage.address()).await, udp("127.0.0.1:0", stage.address()).await);
        first.send(b"one").await.expect("sent");
        assert_eq!(receive(&first).await, b"one");
        second.send(b"two").await.expect("sent");
        if is_evicting {
            stage.closed_by(Reason::Limit("max-peers")).await;
            assert_eq!(receive(&second).await, b"two");
        } else {
            assert_eq!(stage.refused("max-peers").await.ip(), second.local_addr().ok());
            first.send(b"three").await.expect("sent");
            assert_eq!(receive(&first).await, b"three");
        }
        let is_told =
            |fact: &Fact| matches!(fact, Fact::Warning(text) if text.contains("max-peers"));
        assert_eq!(stage.counted(is_told).await, 1, "{at}");
    }
}

#[tokio::test]
async fn what_the_kernel_drops_is_counted_and_told() {
    for service in [None, Some(own::echo_sessions())] {
        // The least that the kernel gives.
        let at = "udp://127.0.0.1:0,rcvbuf=1";
        let mut stage = match service {
            None => Stage::serve("echo", at),
            Some(own) => Stage::of(own, at, |_| {}),
        };
        let client = udp("127.0.0.1:0", stage.address()).await;
        let is_loss = |fact: &Fact| matches!(fact, Fact::Dropped { limit: "receive-buffer", .. });
        soon("a loss", async {
            while stage.count(is_loss) == 0 {
                for _ in 0..200 {
                    client.send(&[b'x'; 500]).await.expect("sent");
                }
                while client.try_recv(&mut [0; 512]).is_ok() {}
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(stage.dropped("receive-buffer").await > 0);
        let is_told = |fact: &Fact| matches!(fact, Fact::Warning(text) if text.contains("rcvbuf"));
        assert!(stage.counted(is_told).await >= 1);
    }
}

/// A peer whose handshake fails uses up none of the sessions that may come; a thousand such peers are enough.
#[tokio::test]
async fn a_server_of_a_few_sessions_does_not_serve_failing_handshakes_for_ever() {
    let mut server = Server::new("echo").expect("it is built in");
    own::failing(&mut server);
    server.stop = Stop { sessions: Some(1), after: None };
    let mut stage = Stage::start(server).expect("it starts");
    for _ in 0..1_000 {
        drop(stage.connect().await);
    }
    soon("the end", stage.running.finished()).await;
    let is_told =
        |fact: &Fact| matches!(fact, Fact::Warning(text) if text.contains("failed-handshakes"));
    assert_eq!(stage.counted(is_told).await, 1);
}
