//! Machines with several addresses: an answer leaves from the address that was asked, and a scope is part of an address.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hobnob::Dialer;
use hobnob::address::Address;
use hobnob::bus::Bus;
use hobnob::clock::Clock;
use hobnob::conn::demux::PeerLimits;
use hobnob::conn::listener::{Accepted, Answer, Listener};
use hobnob::engine::{Waiting, parse, resolve};
use hobnob::error::Kind;
use hobnob::event::Fact;
use hobnob::transport::{Own, Terms};

use crate::stage::nets::{INTERFACE, in_a_network};
use crate::stage::{Stage, own, receive, soon, udp};

/// Each way in which a wildcard socket answers: at once in batches, later, by a session, by a relay, and by a room.
fn answering(at: &str, target: SocketAddr) -> Vec<(&'static str, Stage)> {
    vec![
        ("echo", Stage::serve("echo", at)),
        (
            "hello",
            Stage::with("hello", at, |server| {
                server.set("delay", Some("10ms")).expect("hello has it");
            }),
        ),
        ("own", Stage::of(own::echo_sessions(), at, |_| {})),
        (
            "relay",
            Stage::with("relay", at, |server| {
                server.set("to", Some(&format!("udp://{target}"))).expect("a relay takes it");
            }),
        ),
        ("chat", Stage::serve("chat", at)),
    ]
}

/// A socket that is connected hears only whom it has asked. It asks from another address than that one, which the kernel
/// would pick for the answer by itself.
async fn hears(stage: &Stage, service: &str, from: &str, asked: &str) {
    let asked: IpAddr = asked.parse().expect("an address");
    let to = SocketAddr::new(asked, stage.address().port());
    let client = udp(from, to).await;
    client.send(b"a question").await.expect("sent");
    let answer = receive(&client).await;
    assert!(!answer.is_empty(), "{service} at {asked}");
}

#[tokio::test]
async fn an_answer_leaves_from_the_address_that_was_asked() {
    let target = Stage::serve("echo", "udp://127.0.0.1:0");
    for at in ["udp://0.0.0.0:0", "udp://[::]:0"] {
        for (service, mut stage) in answering(at, target.address()) {
            for asked in ["127.0.0.1", "127.0.0.2", "127.9.8.7"] {
                hears(&stage, service, "127.0.0.3:0", asked).await;
            }
            // The answer of a batch has no session, and so no such word.
            if !["echo", "hello"].contains(&service) {
                let is_local = |fact: &Fact| match fact {
                    Fact::Opened(opened) => opened.local.to_string().contains("127.9.8.7"),
                    _ => false,
                };
                assert_eq!(stage.counted(is_local).await, 1, "{service}");
            }
        }
    }
}

#[tokio::test]
async fn one_port_that_asks_two_of_our_addresses_has_two_conversations() {
    let stage = Stage::of(own::echo_sessions(), "udp://0.0.0.0:0", |_| {});
    let client = tokio::net::UdpSocket::bind("0.0.0.0:0").await.expect("a free port");
    for (asked, session) in [("127.0.0.1", 1), ("127.0.0.2", 2), ("127.0.0.1", 2)] {
        let to = SocketAddr::new(asked.parse().expect("an address"), stage.address().port());
        // It hears that address alone.
        client.connect(to).await.expect("a route");
        client.send(b"x").await.expect("sent");
        assert_eq!(receive(&client).await, b"x");
        assert_eq!(stage.running.summary().sessions, session);
    }
}

/// The address of ours that the first packet came to: as a session of its peer is told, or as a batch of answers is.
async fn first_asked(listener: &mut dyn Listener, in_batches: bool) -> Address {
    if in_batches {
        let mut asked = Address::Unnamed;
        let batch = poll_fn(|cx| {
            let datagrams = listener.datagrams().expect("a socket of datagrams");
            datagrams.poll_answer(cx, &mut |datagram, _| {
                asked = datagram.local.clone();
                Answer::Silence
            })
        });
        soon("a batch", batch).await.expect("it is open");
        return asked;
    }
    let Accepted::Many(mut within) = soon("a socket", accepted(listener)).await else {
        panic!("no socket of peers")
    };
    match soon("a peer", accepted(&mut *within.listener)).await {
        Accepted::Conn(conn) => conn.facts().local.clone(),
        _ => panic!("no peer"),
    }
}

async fn accepted(listener: &mut dyn Listener) -> Accepted {
    poll_fn(|cx| listener.poll_accept(cx)).await
}

#[tokio::test]
async fn what_came_before_anybody_looked_tells_all_the_same_which_address_it_asked() {
    let terms = Terms {
        family: None,
        timeout: Duration::from_secs(1),
        observer: None,
        bus: Bus::new(Clock::start(), 1),
        peers: PeerLimits::default(),
        own: Own::default(),
    };
    for at in ["udp://0.0.0.0:0", "udp://[::]:0"] {
        for in_batches in [true, false] {
            let found = resolve(&parse(at).expect("an endpoint")).expect("it is known");
            let udp = found.transport.transport.expect("it is built in");
            let mut bound = udp.bind(&found.place, &terms).await.expect("a free port");
            let port = bound[0].address().ip().expect("an IP address").port();
            let asked = SocketAddr::from(([127, 9, 8, 7], port));
            let client = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
            client.send_to(b"early", asked).expect("sent");
            let told = first_asked(&mut *bound[0], in_batches).await.ip().map(|ip| ip.ip());
            assert_eq!(told.map(|ip| ip.to_canonical()), Some(asked.ip()), "{at} {in_batches}");
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn an_answer_leaves_from_the_ipv6_address_that_was_asked() {
    let setup = "ip link set lo up; ip addr add fd00::1/128 dev lo nodad; \
        ip addr add fd00::2/128 dev lo nodad; ip addr add 10.1.1.1/32 dev lo; ip addr add 10.1.1.2/32 dev lo";
    in_a_network(
        "multihomed::an_answer_leaves_from_the_ipv6_address_that_was_asked",
        setup,
        || {
            runtime().block_on(async {
                let target = Stage::serve("echo", "udp://127.0.0.1:0");
                for (service, stage) in answering("udp://[::]:0", target.address()) {
                    for (from, asked) in [
                        ("[fd00::2]:0", "::1"),
                        ("[fd00::2]:0", "fd00::1"),
                        ("[fd00::1]:0", "fd00::2"),
                        ("10.1.1.2:0", "10.1.1.1"),
                    ] {
                        hears(&stage, service, from, asked).await;
                    }
                }
            });
        },
    );
}

#[test]
fn a_scope_is_part_of_an_address() {
    let setup = format!("{INTERFACE}; ip addr add fe80::77/64 dev d0 nodad");
    in_a_network("multihomed::a_scope_is_part_of_an_address", &setup, || {
        runtime().block_on(async {
            let here = "[fe80::77%d0]";
            for transport in ["tcp", "udp"] {
                let echo = Stage::serve("echo", &format!("{transport}://{here}:0"));
                let bound = echo.address();
                assert!(bound.to_string().starts_with("[fe80::77%"), "{bound}");
                let to = format!("{transport}://{here}:{}", bound.port());
                let relay = Stage::with("relay", &format!("{transport}://{here}:0"), |server| {
                    server.set("to", Some(&to)).expect("a relay takes it");
                });
                for port in [bound.port(), relay.address().port()] {
                    asks(&format!("{transport}://{here}:{port}")).await;
                }
                // As `talk --listen` does.
                let waiting = Dialer::default()
                    .listen(&parse(&format!("{transport}://{here}:0")).expect("an endpoint"))
                    .await
                    .expect("it is free");
                is_found(transport, waiting).await;
            }
            for at in ["tcp://[fe80::77]:9", "udp://[fe80::77]:9"] {
                let failed = Dialer::default().dial(&parse(at).expect("an endpoint")).await;
                let error = failed.err().expect("it names no interface");
                assert_eq!(error.kind(), Kind::BadAddress, "{at}");
                let why = error.reasons().join(" ");
                assert!(why.contains("fe80::77%d0") && why.contains("here are: d0"), "{why}");
            }
        });
    });
}

async fn asks(to: &str) {
    let dialed = soon("a conn", Dialer::default().dial(&parse(to).expect("an endpoint"))).await;
    let mut conn = dialed.expect("somebody listens").conn;
    conn.send(b"there?").await.expect("sent");
    let mut room = [0; 16];
    assert_eq!(soon("an answer", conn.recv(&mut room)).await, Ok(Some(6)), "{to}");
}

async fn is_found(transport: &str, waiting: Waiting) {
    let port = waiting.bound()[0].address.ip().expect("an IP address").port();
    let to = parse(&format!("{transport}://[fe80::77%d0]:{port}")).expect("an endpoint");
    let dialing = tokio::spawn(async move {
        let mut conn = Dialer::default().dial(&to).await.expect("somebody listens").conn;
        conn.send(b"here").await.expect("sent");
        conn
    });
    let (mut conn, _pump) = soon("a peer", waiting.accept()).await.expect("it came");
    let mut room = [0; 16];
    assert_eq!(soon("a word", conn.recv(&mut room)).await, Ok(Some(4)), "{transport}");
    drop(dialing.await);
}
