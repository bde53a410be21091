//! The handle of a running server: what it lists, and what it does to a session and to the server.

use hobnob::address::Address;
use hobnob::bus::Wish;
use hobnob::engine::parse;
use hobnob::event::{Event, Fact, Reason};

use crate::stage::{Stage, ask, hear, rest, soon};

#[tokio::test]
async fn sessions_are_listed_by_number_a_page_at_a_time() {
    let mut stage = Stage::serve("echo", "tcp://127.0.0.1:0");
    let control = stage.running.control();
    assert_eq!(control.sessions(0, 10), []);
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(stage.connect().await);
        stage.opened().await;
    }
    ask(&mut clients[2], b"four", b"four").await;
    let ids = |after, most| control.sessions(after, most).iter().map(|s| s.id).collect::<Vec<_>>();
    assert_eq!((ids(0, 10), ids(0, 2), ids(2, 2)), (vec![1, 2, 3, 4, 5], vec![1, 2], vec![3, 4]));
    // What is sent is counted once it is sent, which the client may know before.
    stage.holds("both are counted", |_| control.sessions(2, 1)[0].bytes_out == 4).await;
    let third = &control.sessions(2, 1)[0];
    let local = clients[2].local_addr().expect("it is connected");
    assert_eq!((third.transport, third.peer.ip()), ("tcp", Some(local)));
    assert_eq!((third.bytes_in, third.bytes_out, &third.upstream), (4, 4, &None));
    assert_eq!(third.local.ip(), Some(stage.address()));
    assert_eq!(control.open(), 5);
    clients.remove(0);
    stage.closed().await;
    stage.holds("the first is gone", |_| ids(0, 10) == [2, 3, 4, 5]).await;
}

#[tokio::test]
async fn whom_a_session_has_dialled_is_listed() {
    let behind = Stage::serve("echo", "tcp://127.0.0.1:0");
    let mut stage = Stage::with("relay", "tcp://127.0.0.1:0", |server| {
        server.set("to", Some(&format!("tcp://{}", behind.address()))).expect("an endpoint");
    });
    assert_eq!(
        stage.running.control().targets(),
        [parse(&format!("tcp://{}", behind.address())).expect("an endpoint")]
    );
    assert!(behind.running.control().targets().is_empty());
    let mut client = stage.connect().await;
    ask(&mut client, b"x", b"x").await;
    let listed = stage.running.control().sessions(0, 1);
    assert_eq!(listed[0].upstream.as_ref().and_then(Address::ip), Some(behind.address()));
    // What is killed in the middle is torn down on both sides.
    assert!(stage.running.control().kill(listed[0].id));
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
    assert!(!rest(&mut client).await.1, "the client was reset");
    stage.holds("the target's session is gone too", |_| behind.running.open() == 0).await;
}

#[tokio::test]
async fn one_session_is_killed_and_no_other() {
    let mut stage = Stage::serve("echo", "tcp://127.0.0.1:0");
    let (mut first, mut second) = (stage.connect().await, stage.connect().await);
    ask(&mut first, b"1", b"1").await;
    ask(&mut second, b"2", b"2").await;
    let control = stage.running.control();
    let own = second.local_addr().expect("it is connected");
    let id =
        control.sessions(0, 2).iter().find(|s| s.peer.ip() == Some(own)).expect("it is open").id;
    assert!(control.kill(id));
    let closed = stage.closed().await;
    assert_eq!((closed.reason, closed.detail.as_deref()), (Reason::Stopped, Some("killed")));
    ask(&mut first, b"still", b"still").await;
    assert!(!control.kill(id), "it is gone");
    assert!(!control.kill(1_000), "it never was");
}

#[tokio::test]
async fn a_drain_by_the_handle_ends_the_server() {
    let mut stage = Stage::serve("echo", "tcp://127.0.0.1:0");
    let control = stage.running.control();
    let mut client = stage.connect().await;
    ask(&mut client, b"x", b"x").await;
    assert!(!control.is_draining());
    control.drain();
    assert!(control.is_draining());
    assert!(rest(&mut client).await.1, "in order");
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
    let summary = soon("the end", stage.running.finished()).await;
    assert_eq!((summary.sessions, control.summary().bytes_in), (1, 1));
    assert_eq!((control.open(), control.sessions(0, 10).len()), (0, 0));
    assert!(!control.kill(1));
}

#[tokio::test]
async fn a_handle_hears_from_when_it_listens_and_outlives_its_server() {
    let mut stage = Stage::serve("hello", "tcp://127.0.0.1:0");
    let control = stage.running.control();
    let seen = control.subscribe(Wish { data: true, upstream: false, snap: 4, capacity: 64 });
    let mut client = stage.connect().await;
    hear(&mut client, b"Welcome!").await;
    let mut events: Vec<Event> = Vec::new();
    stage
        .holds("the greeting is told", |_| {
            let mut come = Vec::new();
            seen.pull(&mut come);
            come.iter().any(|event| matches!(&event.fact, Fact::Data(data) if data.length == 8))
        })
        .await;
    drop(client);
    stage.finish().await;
    seen.pull(&mut events);
    assert!(events.iter().any(|event| matches!(event.fact, Fact::Closed(_))));
    assert!(control.is_draining());
    assert_eq!(control.open(), 0);
}
