//! Case 39: the drain. The doors close first, sessions come to their ends, and what does not is cut in time.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob::bus::Wish;
use hobnob::chunk::Direction;
use hobnob::conn::listener::Accepted;
use hobnob::engine::{Server, parse, services};
use hobnob::event::{Fact, Reason};
use hobnob::service::Made;
use hobnob::spec::Shape;
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::kernel::clog;
use crate::ports::Port;
use crate::stage::{Stage, ask, births, connect, elsewhere, hear, own, rest, soon, udp};
use crate::stuck;

/// Nobody here waits for as long as this `grace`: a drain that comes to its end did not need it.
fn patient(server: &mut Server) {
    server.limits.grace = Duration::from_hours(1);
}

fn impatient(server: &mut Server) {
    server.limits.grace = Duration::from_millis(200);
}

#[tokio::test]
async fn case_39_idle_sessions_end_in_order_whatever_the_service() {
    let built_in = services().iter().filter(|row| row.make.is_some());
    let behind = Stage::serve("echo", "tcp://127.0.0.1:0");
    let target = format!("tcp://{}", behind.address());
    for row in built_in.filter(|row| row.door().shapes.contains(&Shape::Bytes)) {
        let name = row.spec.name;
        if ["source", "time"].contains(&name) {
            continue; // never idle, never long
        }
        let mut stage = Stage::with(name, "tcp://127.0.0.1:0", |server| {
            patient(server);
            for option in row.targets() {
                server.set(option.name, Some(&target)).expect("an endpoint");
            }
            if name == "reply" {
                server.set("reply", Some("x")).expect("it has it");
            }
        });
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(stage.connect().await);
            stage.opened().await;
        }
        stage.running.drain();
        for mut client in clients {
            assert!(rest(&mut client).await.1, "{name} was reset");
        }
        for _ in 0..5 {
            assert_eq!(stage.closed().await.reason, Reason::Stopped, "{name}");
        }
        assert_eq!(stage.finish().await.sessions, 5);
    }
}

#[tokio::test]
async fn case_39_an_answer_that_is_held_back_still_goes_out() {
    let mut stage = Stage::with("hello", "tcp://127.0.0.1:0", |server| {
        patient(server);
        server.set("delay", Some("300ms")).expect("hello has it");
    });
    let seen = stage.running.subscribe(Wish { data: true, upstream: false, snap: 0, capacity: 64 });
    let mut client = stage.connect().await;
    ask(&mut client, b"A", b"Welcome!").await;
    // It is answered, and the answer held back, before the session looks at anything else.
    stage
        .holds("the message has come", |_| {
            let mut events = Vec::new();
            seen.pull(&mut events);
            events.iter().any(
                |event| matches!(&event.fact, Fact::Data(data) if data.direction == Direction::In),
            )
        })
        .await;
    stage.running.drain();
    hear(&mut client, b"Hello, A!").await;
    assert!(rest(&mut client).await.1);
    drop(client);
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
}

#[tokio::test]
async fn case_39_a_service_that_heeds_the_drain_was_stopped_and_not_ended() {
    let mut stage = Stage::with("source", "tcp://127.0.0.1:0", patient);
    let mut client = stage.connect().await;
    // One that was drained before it has begun ends without a byte.
    hear(&mut client, b"0000").await;
    stage.running.drain();
    assert!(rest(&mut client).await.1, "it was reset");
    drop(client);
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
}

#[tokio::test]
async fn case_39_a_peer_that_never_reads_is_cut_by_the_deadline() {
    for service in ["echo", "source", "upper", "hello"] {
        let (ours, mut theirs, mut waits) = stuck::guest();
        let mut server = Server::new(service).expect("a service of the table");
        own::script(&mut server, own::Script::from([Box::new(|| Accepted::Conn(ours)) as _]));
        impatient(&mut server);
        let mut stage = Stage::start(server).expect("it starts");
        tokio::select! {
            () = async { while theirs.send(b"a line\n").await.is_ok() {} } => panic!("it has left"),
            waiting = soon("an answer without room", waits.wait_for(|waits| *waits)) => {
                waiting.expect("the conn is there");
            }
        }
        stage.running.drain();
        assert_eq!(stage.closed().await.reason, Reason::Stopped, "{service}");
        let end = async {
            loop {
                match theirs.recv(&mut [0; 256]).await {
                    Ok(Some(_)) => {}
                    end => break end,
                }
            }
        };
        let is_orderly = soon("the end", end).await.is_ok();
        // A source sees the drain itself, and ends in order behind what is still on its way.
        assert_eq!(is_orderly, service == "source", "{service}");
        stage.finish().await;
    }
}

#[tokio::test]
async fn case_39_a_clogged_connection_is_cut_by_the_deadline() {
    let mut stage = Stage::with("echo", "tcp://127.0.0.1:0", impatient);
    let mut client = stage.connect().await;
    clog(&mut client).await;
    stage.running.drain();
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
    stage.finish().await;
}

/// The service has come to its end, and its layer cannot: the cut is for that too.
#[tokio::test]
async fn case_39_a_layer_that_cannot_end_is_cut_by_the_deadline() {
    let service = own::does(|_, conn| {
        Box::pin(async move {
            let line = vec![b'x'; 60_000];
            while std::future::poll_fn(|cx| {
                std::task::Poll::Ready(conn.channel().poll_send(cx, &line))
            })
            .await
            .is_ready()
            {}
            Ok(())
        })
    });
    // The kernel has room for less than a line on both sides together, whenever it is that it has none.
    let mut stage = Stage::of(service, "lines+tcp://127.0.0.1:0,sndbuf=4k", impatient);
    let client = TcpSocket::new_v4().expect("a socket");
    client.set_recv_buffer_size(4_096).expect("a TCP socket");
    let _client = client.connect(stage.address()).await.expect("somebody listens");
    stage.opened().await;
    stage.running.drain();
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
    stage.finish().await;
}

#[tokio::test]
async fn case_39_a_service_that_ignores_the_drain_is_cut_by_the_deadline() {
    for at in ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"] {
        let mut stage = Stage::of(own::deaf(), at, impatient);
        let mut clients = Vec::new();
        for _ in 0..3 {
            if at.starts_with("tcp") {
                clients.push(Err(stage.connect().await));
            } else {
                let client = udp("127.0.0.1:0", stage.address()).await;
                client.send(b"x").await.expect("sent");
                clients.push(Ok(client));
            }
            stage.opened().await;
        }
        stage.running.drain();
        let open = stage
            .until("drain", |event| match event.fact {
                Fact::Draining { open } => Some(open),
                _ => None,
            })
            .await;
        assert_eq!((open, stage.dropped("grace").await), (3, 3), "{at}");
        for _ in 0..3 {
            assert_eq!(stage.closed().await.reason, Reason::Stopped, "{at}");
        }
        // With each session of a datagram peer goes the packet that its service has not taken.
        let untaken = if at.starts_with("tcp") { 0 } else { 3 };
        let summary = stage.finish().await;
        assert_eq!((summary.sessions, summary.dropped), (3, 3 + untaken), "{at}");
    }
}

/// A service that does not yield is waited for until it does; then it is cut like any other.
#[tokio::test]
async fn case_39_a_service_that_blocks_its_thread_ends_with_the_server() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let service: Made = own::does(move |_, _| {
        drop(held.lock().map(|held| held.recv()));
        Box::pin(std::future::pending())
    });
    let mut stage = Stage::of(service, "tcp://127.0.0.1:0", impatient);
    let _client = stage.connect().await;
    stage.opened().await;
    stage.running.drain();
    drop(release);
    stage.finish().await;
}

#[tokio::test]
async fn case_39_ports_and_paths_are_free_while_sessions_still_end() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("door");
    let (unix, seq) = (format!("unix:{}", path.display()), format!("unixseq:{}-2", path.display()));
    let mut server = Server::of(own::deaf(), &[Shape::Bytes, Shape::Packets]);
    let port = Port::draw();
    for at in [&format!("tcp://127.0.0.1:{}", port.number), &unix, &seq] {
        server.on(&parse(at).expect("an endpoint")).expect("it fits");
    }
    patient(&mut server);
    let mut stage = Stage::start(server).expect("it starts");
    let _client = stage.connect().await;
    stage.opened().await;
    stage.running.drain();
    stage.until("drain", |event| matches!(event.fact, Fact::Draining { .. }).then_some(())).await;
    assert!(!path.exists(), "the path is still taken");
    let at = stage.address();
    births::settled();
    let next = Stage::serve("echo", &format!("tcp://{at}"));
    ask(&mut connect(at).await, b"next", b"next").await;
    drop(Stage::serve("echo", &unix));
    drop(Stage::serve("echo", &seq));
    assert_eq!(stage.running.open(), 1, "the session was not waited for");
    stage.running.cut();
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
    stage.finish().await;
    drop(next);
}

#[tokio::test]
async fn case_39_a_batched_datagram_port_is_free_too() {
    let port = Port::draw();
    let place = format!("udp://127.0.0.1:{}", port.number);
    let stage = Stage::serve("echo", &place);
    let at = stage.address();
    stage.finish().await;
    births::settled();
    let again = Stage::serve("echo", &place);
    let client = udp("127.0.0.1:0", at).await;
    client.send(b"again").await.expect("sent");
    assert_eq!(crate::stage::receive(&client).await, b"again");
    drop(again);
}

#[tokio::test]
async fn case_39_who_waits_for_a_place_is_turned_away() {
    let mut stage = Stage::with("echo", "tcp://127.0.0.1:0", |server| {
        patient(server);
        server.limits.max_conns = Some(1);
    });
    let mut first = stage.connect().await;
    ask(&mut first, b"in", b"in").await;
    stage.paused("max-conns").await;
    let mut waiting = stage.connect().await;
    stage.running.drain();
    let (heard, _) = rest(&mut waiting).await;
    assert!(heard.is_empty());
    drop(first);
    stage.finish().await;
}

#[tokio::test]
async fn case_39_the_accept_rate_does_not_hold_up_the_drain() {
    let Some(here) = elsewhere() else {
        let test = "drain::case_39_the_accept_rate_does_not_hold_up_the_drain";
        return crate::stage::skip(test, "no address but loopback");
    };
    let mut stage = Stage::with("echo", "tcp://0.0.0.0:0", |server| {
        patient(server);
        (server.limits.accept_rate, server.limits.accept_burst) = (1, 1);
    });
    let to = SocketAddr::new(here, stage.address().port());
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(connect(to).await);
    }
    stage.paused("accept-rate").await;
    stage.running.drain();
    drop(clients);
    stage.finish().await;
}

#[tokio::test]
async fn case_39_dropping_a_server_cuts_it() {
    let mut stage = Stage::of(own::deaf(), "tcp://127.0.0.1:0", patient);
    let mut client = stage.connect().await;
    stage.opened().await;
    let (dropped, is_dropped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        drop(stage);
        dropped.send(())
    });
    rest(&mut client).await;
    soon("the drop", is_dropped).await.expect("it does not panic");
}

/// Whoever waits for the end, in whichever way, is told of it, and any number of times.
#[tokio::test]
async fn case_39_the_end_is_told_to_all_who_wait() {
    let stage = Stage::serve("echo", "tcp://127.0.0.1:0");
    let running = std::sync::Arc::new(stage.running);
    let waiting = running.clone();
    let waits = std::thread::spawn(move || waiting.wait());
    running.drain();
    soon("the end", running.finished()).await;
    waits.join().expect("it only waits");
    running.wait();
    soon("the end", running.finished()).await;
}
