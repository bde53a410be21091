//! Either side turned round, and targets that are waited for.

use std::sync::Arc;
use std::time::Duration;

use hobnob::bus::Wish;
use hobnob::engine::Running;
use hobnob::error::Kind;
use hobnob::event::{By, End, Fact, How, Reason};
use hobnob::socket::{KernelCall, Observer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{Closed, accept, planned, relay, target};
use crate::stage::{Stage, ask, connect, hear, reset, rest, soon};

fn listens_at_both() -> Stage {
    relay("tcp://127.0.0.1:0", "tcp://127.0.0.1:0,listen", |_| {})
}

async fn talk(one: &mut TcpStream, other: &mut TcpStream) {
    one.write_all(b"to the other").await.expect("it is open");
    ask(other, b"to the one", b"to the other").await;
    hear(one, b"to the one").await;
}

#[tokio::test]
async fn who_comes_to_one_side_is_joined_with_who_comes_to_the_other() {
    let mut stage = listens_at_both();
    for first_is_at_the_target in [false, true] {
        let (mut client, mut target) = if first_is_at_the_target {
            let target = connect(stage.address_of(1)).await;
            (stage.connect().await, target)
        } else {
            let client = stage.connect().await;
            stage.opened().await;
            (client, connect(stage.address_of(1)).await)
        };
        talk(&mut client, &mut target).await;
        client.shutdown().await.expect("it is open");
        assert_eq!(rest(&mut target).await, (Vec::new(), true));
        drop(target);
        assert_eq!(rest(&mut client).await, (Vec::new(), true));
        assert_eq!(stage.closed().await.reason, Reason::Eof);
    }
}

#[tokio::test]
async fn pairs_are_made_in_the_order_in_which_they_come() {
    let mut stage = listens_at_both();
    let seen = stage.running.subscribe(Wish { data: true, upstream: false, snap: 0, capacity: 64 });
    let mut clients = Vec::new();
    for number in b'0'..b'3' {
        let mut client = stage.connect().await;
        client.write_all(&[number]).await.expect("it is open");
        clients.push(client);
        // What is read ahead is of one who waits.
        let holds = |_: &Running| {
            let mut events = Vec::new();
            seen.pull(&mut events);
            events.iter().any(|event| matches!(event.fact, Fact::Data(_)))
        };
        stage.holds("it waits", holds).await;
    }
    for (number, client) in (b'0'..).zip(&mut clients) {
        let mut target = connect(stage.address_of(1)).await;
        hear(&mut target, &[number]).await;
        target.write_all(b"here").await.expect("it is open");
        hear(client, b"here").await;
    }
}

#[tokio::test]
async fn either_side_of_two_that_listen_may_die() {
    let mut stage = listens_at_both();
    // While it waits for its partner, who then is another's.
    let waits = stage.connect().await;
    stage.opened().await;
    reset(waits);
    let closed = stage.closed().await;
    assert_eq!((closed.reason, closed.upstream), (Reason::Reset, None));
    let (mut client, mut target) = (stage.connect().await, connect(stage.address_of(1)).await);
    talk(&mut client, &mut target).await;
    reset(target);
    assert!(!rest(&mut client).await.1);
    let closed = stage.closed().await;
    assert_eq!(closed.outward, End { by: By::Upstream, how: How::Rst });
    let (mut client, mut target) = (stage.connect().await, connect(stage.address_of(1)).await);
    talk(&mut client, &mut target).await;
    reset(client);
    assert!(!rest(&mut target).await.1);
    assert_eq!(stage.closed().await.reason, Reason::Reset);
    stage.finish().await;
}

#[tokio::test]
async fn a_fault_with_a_time_that_is_set_live_reaches_a_session_that_is_silent() {
    for (fault, is_orderly) in [("reset,after=50ms", false), ("close-after=0,after=50ms", true)] {
        let (target, to) = target().await;
        let mut stage = relay("tcp://127.0.0.1:0", &to, |_| {});
        let mut client = stage.connect().await;
        let mut server = accept(&target).await;
        talk(&mut client, &mut server).await;
        stage.running.faults().expect("it is a relay").turn(&[fault]).expect("it fits");
        // Nobody says anything any more.
        assert_eq!(rest(&mut client).await, (Vec::new(), is_orderly), "{fault}");
        assert_eq!(rest(&mut server).await, (Vec::new(), is_orderly), "{fault}");
        drop((client, server));
        let name = fault.split(['=', ',']).next().expect("a name");
        assert!(matches!(stage.closed().await.reason, Reason::Fault(fault) if fault == name));
    }
}

/// What a stranger says at the second door costs nobody but the stranger.
#[cfg(feature = "tls")]
#[tokio::test]
async fn a_partner_whose_handshake_fails_is_not_the_clients_fault() {
    let papers = crate::tls::papers::Papers::new();
    let to = format!("tls://127.0.0.1:0,listen,{}", papers.listening());
    let mut stage = relay("tcp://127.0.0.1:0", &to, |_| {});
    let mut client = stage.connect().await;
    stage.opened().await;
    let mut stranger = connect(stage.address_of(1)).await;
    stranger.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("it is open");
    rest(&mut stranger).await;
    let to = format!("tls://{},{}", stage.address_of(1), papers.dialling());
    let dialer = hobnob::engine::Dialer::default();
    let to = hobnob::engine::parse(&to).expect("an endpoint");
    let mut target = soon("a conn", dialer.dial(&to)).await.expect("it is trusted").conn;
    target.send(b"hello").await.expect("it is open");
    hear(&mut client, b"hello").await;
}

/// Starts a relay that dials both sides. It waits for the first, so it is started beside the test.
async fn dials_both(one: &str, other: &str, retry: &str) -> hobnob::Result<Stage> {
    let server = planned(&format!("{one},dial{retry}"), &format!("{other}{retry}"))?;
    let started = tokio::task::spawn_blocking(|| Stage::start(server));
    soon("the start", started).await.expect("no panic")
}

#[tokio::test]
async fn two_that_listen_are_joined_by_a_relay_that_dials_both() {
    for one_ends in [true, false] {
        let ((one, one_at), (other, other_at)) = (target().await, target().await);
        let mut stage = dials_both(&one_at, &other_at, "").await.expect("both are there");
        let (mut one, mut other) = (accept(&one).await, accept(&other).await);
        talk(&mut one, &mut other).await;
        let (first, second) = if one_ends { (one, &mut other) } else { (other, &mut one) };
        drop(first);
        assert!(rest(second).await.1);
        second.shutdown().await.expect("it is open");
        assert_eq!(stage.closed().await.reason, Reason::Eof);
        // Nobody can come any more, so it is over.
        let summary = soon("its end", stage.running.finished()).await;
        assert_eq!(summary.sessions, 1);
    }
}

#[tokio::test]
async fn without_retry_a_side_that_is_not_there_is_the_end() {
    let ((one, one_at), nobody) = (target().await, Closed::new());
    let error = dials_both(&nobody.endpoint(), &one_at, "").await.err().expect("nobody is there");
    assert_eq!(error.kind(), Kind::ConnectionRefused);
    // The other side is dialled by the session: it is over with it.
    let mut stage = dials_both(&one_at, &nobody.endpoint(), "").await.expect("the one is there");
    let mut one = accept(&one).await;
    assert!(!rest(&mut one).await.1);
    assert_eq!(stage.closed().await.reason, Reason::Error);
    soon("its end", stage.running.finished()).await;
}

#[tokio::test]
async fn with_retry_it_begins_anew_whichever_side_died() {
    let ((one, one_at), (other, other_at)) = (target().await, target().await);
    let mut stage = dials_both(&one_at, &other_at, ",retry").await.expect("both are there");
    for one_dies in [true, false, true] {
        let (mut at_one, mut at_other) = (accept(&one).await, accept(&other).await);
        talk(&mut at_one, &mut at_other).await;
        let (dies, mut lives) = if one_dies { (at_one, at_other) } else { (at_other, at_one) };
        reset(dies);
        assert!(!rest(&mut lives).await.1);
        assert_eq!(stage.closed().await.reason, Reason::Reset);
    }
    let (mut at_one, mut at_other) = (accept(&one).await, accept(&other).await);
    talk(&mut at_one, &mut at_other).await;
    drop((at_one, at_other));
    stage.finish().await;
}

#[tokio::test]
async fn with_retry_each_of_two_that_are_dialled_may_come_later() {
    let (one, other) = (Closed::new(), Closed::new());
    let (watcher, mut refused) = watch();
    let mut server =
        planned(&format!("{},dial,retry", one.endpoint()), &format!("{},retry", other.endpoint()))
            .expect("a plan");
    server.observer = Some(watcher);
    let started = tokio::task::spawn_blocking(|| Stage::start(server));
    soon("a refusal", refused.recv()).await;
    let one = one.open();
    let mut stage = soon("the start", started).await.expect("no panic").expect("it is there");
    let mut at_one = accept(&one).await;
    stage.opened().await;
    while refused.try_recv().is_ok() {}
    soon("a refusal", refused.recv()).await;
    let other = other.open();
    let mut at_other = accept(&other).await;
    talk(&mut at_one, &mut at_other).await;
}

/// Waiting helps with nobody who is there and speaks something else.
#[cfg(feature = "tls")]
#[tokio::test]
async fn with_retry_what_does_not_pass_is_the_end() {
    let ((one, one_at), (_other, other_at)) = (target().await, target().await);
    let one_at = one_at.replace("tcp://", "tls://");
    let stage = dials_both(&one_at, &other_at, ",retry").await.expect("it starts");
    let mut at_one = accept(&one).await;
    at_one.write_all(b"this is no TLS at all").await.expect("it is open");
    soon("its end", stage.running.finished()).await;
    assert_eq!(stage.running.failure().map(|error| error.kind()), Some(Kind::NotTls));
}

/// Who accepts and closes at once is not dialled as fast as it does so.
#[tokio::test]
async fn with_retry_there_is_a_pause_between_two_conns() {
    let ((one, one_at), (_other, other_at)) = (target().await, target().await);
    let clock = hobnob::clock::Clock::start();
    let stage = dials_both(&one_at, &other_at, ",retry").await.expect("both are there");
    for _ in 0..4 {
        reset(accept(&one).await);
    }
    // A dial that is itself reset is tried again after half as long at least.
    assert!(clock.now() >= 3 * Duration::from_millis(100), "four in {:?}", clock.now());
    drop(stage);
}

/// Word of each connect that was refused.
struct Refusals(mpsc::UnboundedSender<()>);

impl Observer for Refusals {
    fn saw(&self, call: &KernelCall<'_>) {
        if call.name.starts_with("connect")
            && call.result.as_ref().err() == Some(&libc::ECONNREFUSED)
        {
            let _ = self.0.send(());
        }
    }
}

fn watch() -> (Arc<dyn Observer>, mpsc::UnboundedReceiver<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    (Arc::new(Refusals(tell)), told)
}

#[tokio::test]
async fn a_target_that_comes_later_is_waited_for_and_hears_all() {
    let closed = Closed::new();
    let (watcher, mut refused) = watch();
    let to = format!("{},retry", closed.endpoint());
    let mut stage = relay("tcp://127.0.0.1:0", &to, |server| server.observer = Some(watcher));
    let mut client = stage.connect().await;
    client.write_all(b"early words").await.expect("it is open");
    client.shutdown().await.expect("it is open");
    for _ in 0..2 {
        soon("a refusal", refused.recv()).await;
    }
    let target = closed.open();
    let mut server = accept(&target).await;
    assert_eq!(rest(&mut server).await, (b"early words".to_vec(), true));
    server.write_all(b"late answer").await.expect("it is open");
    drop(server);
    assert_eq!(rest(&mut client).await, (b"late answer".to_vec(), true));
    assert_eq!(stage.closed().await.reason, Reason::Eof);
}

#[tokio::test]
async fn nobody_dials_on_for_a_client_that_is_gone() {
    let closed = Closed::new();
    let (watcher, mut refused) = watch();
    let to = format!("{},retry", closed.endpoint());
    let mut stage = relay("tcp://127.0.0.1:0", &to, |server| server.observer = Some(watcher));
    let client = stage.connect().await;
    soon("a refusal", refused.recv()).await;
    reset(client);
    let closed = stage.closed().await;
    assert_eq!(closed.reason, Reason::Reset);
    assert_eq!(closed.inward, End { by: By::Peer, how: How::Rst });
    stage.holds("its place is free", |running: &Running| running.open() == 0).await;
    // The drain does not wait for a dial either.
    let _waits = stage.connect().await;
    stage.opened().await;
    stage.running.drain();
    stage.running.cut();
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
}
