//! When a server with several doors stops.

use std::time::Duration;

use hobnob::bus::Wish;
use hobnob::conn::Conn;
use hobnob::engine::{Dialer, Running, Server, parse};
use hobnob::event::Fact;

use crate::kernel::accepted;

/// Only what hangs takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn server(service: &str, doors: &[&str]) -> Server {
    let mut server = Server::new(service).expect("it is of the table");
    for door in doors {
        server.on(&parse(door).expect("an endpoint")).expect("it fits");
    }
    server
}

async fn dial(running: &Running, door: usize) -> Conn {
    let bound = &running.bound()[door];
    let to = parse(&format!("{}://{}", bound.transport, bound.address)).expect("an endpoint");
    Dialer::default().dial(&to).await.expect("somebody listens").conn
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("waited for {what} in vain"))
}

#[tokio::test]
async fn the_last_that_may_come_closes_every_door() {
    for door in [0, 1] {
        let mut server = server("echo", &["tcp://127.0.0.1:0", "udp://127.0.0.1:0"]);
        server.stop.sessions = Some(1);
        let running = server.start().expect("free ports");
        let mut conn = dial(&running, door).await;
        conn.send(b"one").await.expect("it is there");
        assert_eq!(within("an answer", conn.recv(&mut [0; 8])).await, Ok(Some(3)));
        drop(conn);
        assert_eq!(within("its end", running.finished()).await.sessions, 1);
    }
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_place() {
    let mut server = server("source", &["tcp://127.0.0.1:0", "udp://127.0.0.1:0"]);
    server.limits.max_conns = Some(1);
    let events = server.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 1_000 });
    let running = server.start().expect("free ports");
    let has_opened = async {
        let mut seen = Vec::new();
        while !seen.iter().any(|event: &hobnob::event::Event| matches!(event.fact, Fact::Opened(_)))
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
            events.pull(&mut seen);
        }
    };
    let mut first = dial(&running, 1).await;
    first.send(b"go").await.expect("it is there");
    within("a session", has_opened).await;
    // The accept loop waits for a peer, not for a place: it had one when it began to wait.
    let _second = dial(&running, 0).await;
    let port = running.bound()[0].address.ip().expect("tcp has one").port();
    accepted(port).await;
    running.drain();
    within("the drain", running.finished()).await;
}

/// What `talk --listen` does, on a socket that all peers share.
#[tokio::test]
async fn one_datagram_peer_is_heard_for_as_long_as_its_pump_runs() {
    let at = parse("udp://127.0.0.1:0").expect("an endpoint");
    let waiting = Dialer::default().listen(&at).await.expect("a free port");
    let to = format!("udp://{}", waiting.bound()[0].address);
    let dialled = Dialer::default().dial(&parse(&to).expect("an endpoint")).await;
    let mut there = dialled.expect("datagrams are always dialled").conn;
    there.send(b"first").await.expect("it is there");
    let (mut here, pump) = within("a peer", waiting.accept()).await.expect("a peer");
    let talk = async {
        let mut room = [0; 16];
        assert_eq!(here.recv(&mut room).await, Ok(Some(5)));
        for word in [&b"second"[..], b"", b"last"] {
            there.send(word).await.expect("it is there");
            assert_eq!(here.recv(&mut room).await, Ok(Some(word.len())));
            here.send(b"answer").await.expect("it is there");
            assert_eq!(there.recv(&mut room).await, Ok(Some(6)));
        }
    };
    tokio::select! {
        () = within("the talk", talk) => {}
        () = pump.run() => panic!("the pump has ended"),
    }
}
