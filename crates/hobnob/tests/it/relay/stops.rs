//! How a relay comes to its own end: after so many sessions, drained, or cut.

use std::time::Duration;

use hobnob::event::{Fact, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{accept, relay, target};
use crate::ports::Port;
use crate::stage::{ask, hear, is_turned_away, pour, receive, rest, soon, udp};

#[tokio::test]
async fn once_is_one_session_to_its_end() {
    for most in [1, 2] {
        // Once it is closed nobody else may be given it.
        let port = Port::draw();
        let at = format!("tcp://127.0.0.1:{}", port.number);
        let (target, to) = target().await;
        let stage = relay(&at, &to, |server| server.stop.sessions = Some(most));
        let mut sessions = Vec::new();
        for _ in 0..most {
            let client = stage.connect().await;
            sessions.push((client, accept(&target).await));
        }
        let late = tokio::net::TcpStream::connect(stage.address()).await;
        assert!(is_turned_away(late).await, "one more than may come");
        for (client, server) in &mut sessions {
            client.write_all(b"question").await.expect("it is open");
            ask(server, b"answer", b"question").await;
            hear(client, b"answer").await;
        }
        drop(sessions);
        let summary = soon("its end", stage.running.finished()).await;
        assert_eq!(summary.sessions, most);
    }
}

/// A target that takes nothing is a stall as a client that takes nothing is.
#[tokio::test]
async fn a_target_that_takes_nothing_is_a_stall() {
    let (target, to) = target().await;
    let mut stage = relay("tcp://127.0.0.1:0", &to, |server| {
        server.limits.stall = Duration::from_secs(1);
    });
    let client = pour(stage.connect().await);
    let _server = accept(&target).await;
    stage.closed_by(Reason::Timeout("stall")).await;
    drop(client);
}

#[tokio::test]
async fn once_is_one_peer_of_datagrams() {
    let echo = crate::stage::Stage::serve("echo", "udp://127.0.0.1:0");
    let to = format!("udp://{}", echo.address());
    let mut stage = relay("udp://127.0.0.1:0", &to, |server| {
        server.stop.sessions = Some(1);
        server.limits.peer_idle = Duration::from_millis(200);
    });
    let (first, second) =
        (udp("127.0.0.1:0", stage.address()).await, udp("127.0.0.1:0", stage.address()).await);
    first.send(b"first").await.expect("sent");
    assert_eq!(receive(&first).await, b"first");
    // It may hear that nobody is there any more.
    let _ = second.send(b"second").await;
    // Over when it has been silent for as long as a peer may be.
    stage.closed().await;
    assert_eq!(soon("its end", stage.running.finished()).await.sessions, 1);
}

/// Eight mebibytes each way, of which each side has heard a part when the drain begins.
#[tokio::test]
async fn a_drain_in_the_middle_of_a_transfer_cuts_nothing_short() {
    const MUCH: usize = 8 << 20;
    let (target, to) = target().await;
    let mut stage = relay("tcp://127.0.0.1:0", &to, |server| {
        server.limits.grace = Duration::from_hours(1);
    });
    let (client, mut waiting) = (stage.connect().await, Vec::new());
    let server = accept(&target).await;
    let (halfway, mut is_halfway) = tokio::sync::mpsc::channel(2);
    for side in [client, server] {
        let (mut reads, mut writes) = side.into_split();
        let halfway = halfway.clone();
        waiting.push(tokio::spawn(async move {
            let writing = tokio::spawn(async move {
                writes.write_all(&vec![b'x'; MUCH]).await.expect("it is open");
                writes.shutdown().await.expect("it is open");
            });
            let mut room = vec![0; MUCH / 2];
            reads.read_exact(&mut room).await.expect("half of it");
            halfway.send(()).await.expect("the test waits");
            let mut rest = Vec::new();
            reads.read_to_end(&mut rest).await.expect("the other half, and an end in order");
            writing.await.expect("all was said");
            room.len() + rest.len()
        }));
    }
    soon("half of it", is_halfway.recv()).await;
    stage.running.drain();
    for side in waiting {
        assert_eq!(soon("all of it", side).await.expect("no panic"), MUCH);
    }
    assert_eq!(stage.closed().await.reason, Reason::Eof);
    stage.finish().await;
}

/// A client that has not ended, and a target that then has: it is over at the first lull.
#[tokio::test]
async fn a_drain_of_an_idle_session_is_an_end_in_order_for_both() {
    let (target, to) = target().await;
    let mut stage = relay("tcp://127.0.0.1:0", &to, |server| {
        server.limits.grace = Duration::from_hours(1);
    });
    let mut client = stage.connect().await;
    let mut server = accept(&target).await;
    client.write_all(b"question").await.expect("it is open");
    hear(&mut server, b"question").await;
    stage.running.drain();
    assert_eq!(rest(&mut server).await, (Vec::new(), true));
    server.write_all(b"the last word").await.expect("it is open");
    // What the client says now is too late; it costs nobody the answer.
    client.write_all(b"too late").await.expect("it is open");
    drop(server);
    assert_eq!(rest(&mut client).await, (b"the last word".to_vec(), true));
    drop(client);
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
    stage.finish().await;
}

#[tokio::test]
async fn grace_is_as_long_as_it_says_and_a_cut_is_no_end_in_order() {
    for is_cut_by_hand in [true, false] {
        let (target, to) = target().await;
        let mut stage = relay("tcp://127.0.0.1:0", &to, |server| {
            server.limits.grace =
                if is_cut_by_hand { Duration::from_hours(1) } else { Duration::from_millis(200) };
        });
        let mut client = stage.connect().await;
        let mut server = accept(&target).await;
        // It never ends.
        let pouring = tokio::spawn(async move {
            while server.write_all(&vec![b'x'; 65_536]).await.is_ok() {}
            rest(&mut server).await.1
        });
        hear(&mut client, &[b'x'; 1_000]).await;
        stage.running.drain();
        if is_cut_by_hand {
            stage
                .until("drain", |event| matches!(event.fact, Fact::Draining { .. }).then_some(()))
                .await;
            stage.running.cut();
        }
        let (heard, is_orderly) = rest(&mut client).await;
        assert!(!is_orderly, "after {} bytes", heard.len());
        assert_eq!(stage.dropped("grace").await, 1);
        let closed = stage.closed().await;
        assert_eq!(closed.reason, Reason::Stopped);
        assert!(closed.upstream.is_some(), "it had dialled");
        drop(soon("the target's reset", pouring).await);
        stage.finish().await;
    }
}
