//! Targets that are not there, or no more.

use std::net::SocketAddr;

use hobnob::event::{By, End, How, Reason};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

use super::pair::{self, Pair};
use super::{Closed, accept, relay, target};
use crate::ports::Port;
use crate::stage::nets::{NO_NAME_SERVERS, in_a_network};
use crate::stage::{ask, births, is_turned_away, receive, reset, soon, udp};

#[tokio::test]
async fn a_target_that_refuses_resets_the_client_and_is_told() {
    let closed = Closed::new();
    let mut stage = relay("tcp://127.0.0.1:0", &closed.endpoint(), |_| {});
    for _ in 0..3 {
        let came = TcpStream::connect(stage.address()).await;
        assert!(is_turned_away(came).await, "it heard something");
        let closed = stage.closed().await;
        assert_eq!(closed.reason, Reason::Error);
        let detail = closed.detail.expect("it says why");
        assert!(detail.starts_with("nothing is listening on 127.0.0.1:"), "{detail}");
        assert_eq!(closed.outward, End { by: By::Us, how: How::Rst });
        assert_eq!(closed.upstream, None, "there was nobody");
    }
    assert_eq!(stage.finish().await.sessions, 3);
}

/// The listener goes between two sessions, and comes back.
#[test]
fn a_target_that_vanishes_fails_its_sessions_until_it_is_back() {
    pair::each(
        |pair| pair.server.is_refused_at_once(),
        async |pair: &Pair| {
            let mut relayed = pair.relay_to_who_may_go();
            relayed.serves().await;
            let at = relayed.close_behind().await;
            relayed.dial_in_vain().await;
            relayed
                .stage
                .until("a session that failed", |event| match &event.fact {
                    hobnob::event::Fact::Closed(closed) => {
                        (closed.reason == Reason::Error).then_some(())
                    }
                    _ => None,
                })
                .await;
            relayed.open_behind(&at);
            relayed.serves().await;
        },
    );
}

#[test]
fn a_name_that_nobody_has_is_an_error_of_each_session() {
    in_a_network(
        "relay::targets::a_name",
        &format!("ip link set lo up; {NO_NAME_SERVERS}"),
        || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(dials_a_name_that_nobody_has());
        },
    );
}

async fn dials_a_name_that_nobody_has() {
    let mut stage = relay("tcp://127.0.0.1:0", "tcp://no-such-host.invalid:80", |_| {});
    for _ in 0..2 {
        let came = TcpStream::connect(stage.address()).await;
        assert!(is_turned_away(came).await, "it heard something");
        let closed = stage.closed().await;
        assert_eq!(closed.reason, Reason::Error);
        let detail = closed.detail.expect("it says why");
        assert!(detail.contains("no-such-host.invalid"), "{detail}");
    }
}

/// After its end a client's reset is no more to be read; nor is it behind more than is read ahead.
#[tokio::test]
async fn nobody_waits_for_a_target_on_behalf_of_a_client_that_was_reset() {
    let closed = Closed::new();
    let to = format!("{},retry", closed.endpoint());
    let mut stage = relay("tcp://127.0.0.1:0", &to, |_| {});
    let mut said_all = stage.connect().await;
    said_all.write_all(b"hello").await.expect("it is open");
    said_all.shutdown().await.expect("it is open");
    let mut says_much = stage.connect().await;
    says_much.write_all(&vec![b'x'; 200_000]).await.expect("that is room enough");
    for client in [said_all, says_much] {
        reset(client);
        let closed = stage.closed().await;
        assert_eq!((closed.reason, closed.upstream), (Reason::Reset, None));
        assert_eq!(closed.outward, End { by: By::Peer, how: How::Rst });
        assert!(closed.detail.expect("it says why").contains("without goodbye"));
    }
}

/// What is read ahead for a target that is not there counts as all that waits in memory does.
#[tokio::test]
async fn what_waits_for_a_target_is_within_the_budget_of_memory() {
    let closed = Closed::new();
    let to = format!("{},retry", closed.endpoint());
    let mut stage = relay("tcp://127.0.0.1:0", &to, |server| server.limits.memory = 10_000);
    let mut client = stage.connect().await;
    client.write_all(&vec![b'x'; 20_000]).await.expect("that is room enough");
    stage.closed_by(Reason::Limit("memory")).await;
}

/// An end alone is no reason to give up: what was said before it is delivered.
#[tokio::test]
async fn a_client_that_has_said_all_is_still_waited_for() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let unix = format!("unix:{}", folder.path().join("s").display());
    for at in ["tcp://127.0.0.1:0", &unix] {
        let closed = Closed::new();
        let mut stage = relay(at, &format!("{},retry", closed.endpoint()), |_| {});
        let at = match stage.running.bound()[0].address.ip() {
            Some(address) => format!("tcp://{address}"),
            None => at.to_owned(),
        };
        let dialer = hobnob::engine::Dialer::default();
        let dialled = dialer.dial(&hobnob::engine::parse(&at).expect(&at)).await;
        let mut client = dialled.expect("it listens").conn;
        client.send(b"farewell").await.expect("it is open");
        drop(client); // in order, as nothing is unread
        stage.opened().await;
        let mut server = accept(&closed.open()).await;
        assert_eq!(crate::stage::rest(&mut server).await, (b"farewell".to_vec(), true), "{at}");
    }
}

/// On a Unix socket it shows that a client has closed, and has not only said all.
#[tokio::test]
async fn nobody_waits_for_a_target_on_behalf_of_a_client_that_left_without_a_word() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("s");
    let closed = Closed::new();
    let to = format!("{},retry", closed.endpoint());
    let mut stage = relay(&format!("unix:{}", path.display()), &to, |_| {});
    drop(tokio::net::UnixStream::connect(&path).await.expect("it listens"));
    let closed = stage.closed().await;
    assert_eq!((closed.reason, closed.upstream), (Reason::Reset, None));
    assert_eq!(closed.inward, End { by: By::Peer, how: How::Fin });
    assert!(closed.detail.expect("it says why").starts_with("the peer left"));
}

/// Of two peers over UDP one asks while the target's port is closed: only its session ends.
#[tokio::test]
async fn a_closed_udp_port_ends_the_session_of_who_asked_and_no_other() {
    let port = Port::draw();
    let at = SocketAddr::from(([127, 0, 0, 1], port.number));
    let target = UdpSocket::bind(at).await.expect("a port of its own");
    let mut stage = relay("udp://127.0.0.1:0", &format!("udp://{at}"), |_| {});
    let asks = udp("127.0.0.1:0", stage.address()).await;
    let waits = udp("127.0.0.1:0", stage.address()).await;
    let mut room = [0; 64];
    let mut met = Vec::new();
    for client in [&asks, &waits] {
        client.send(b"hello").await.expect("sent");
        let (_, from) = soon("a hello", target.recv_from(&mut room)).await.expect("a datagram");
        met.push(from);
    }
    drop(target);
    births::settled();
    asks.send(b"anybody?").await.expect("sent");
    let closed = stage.closed().await;
    assert_eq!(closed.inward, End { by: By::Kernel, how: How::Rst }, "{closed:?}");
    assert_eq!(closed.reason, Reason::Error);
    assert_eq!(closed.upstream.expect("it had dialled").peer, at.into());
    stage.holds("the other's session is left", |running| running.open() == 1).await;
    let target = UdpSocket::bind(at).await.expect("its own again");
    // The other goes on in its session: the target sees it where it was.
    waits.send(b"still here").await.expect("sent");
    let (length, from) = soon("it", target.recv_from(&mut room)).await.expect("a datagram");
    assert_eq!((&room[..length], from), (&b"still here"[..], met[1]));
    target.send_to(b"so am I", from).await.expect("sent");
    assert_eq!(receive(&waits).await, b"so am I");
    // And the first has a new one.
    asks.send(b"again").await.expect("sent");
    let (_, from) = soon("it", target.recv_from(&mut room)).await.expect("a datagram");
    target.send_to(b"yes", from).await.expect("sent");
    assert_eq!(receive(&asks).await, b"yes");
}

/// A datagram that is larger than the other side carries is dropped and counted, and the next one passes.
#[tokio::test]
async fn a_packet_that_the_other_side_cannot_carry_is_counted() {
    let (target, to) = target().await;
    let mut stage = relay("udp://127.0.0.1:0", &format!("lines+{to}"), |_| {});
    let client = udp("127.0.0.1:0", stage.address()).await;
    client.send(b"before").await.expect("sent");
    let mut server = accept(&target).await;
    crate::stage::hear(&mut server, b"before\n").await;
    // A line on the way back that is larger than any datagram.
    server.write_all(&[b"y".repeat(65_530), b"\n".to_vec()].concat()).await.expect("it is open");
    assert_eq!(stage.dropped("packet-size").await, 1);
    server.write_all(b"after\n").await.expect("it is open");
    assert_eq!(receive(&client).await, b"after");
    client.send(b"more").await.expect("sent");
    ask(&mut server, b"", b"more\n").await;
}
