//! Raw packets: the message is what follows the IP header, and nobody answers what comes from its own address.

use hobnob::conn::Conn;
use hobnob::engine::{Dialer, parse};
use hobnob::error::{Advice, Error, Kind};
use hobnob::event::Fact;
use hobnob::socket::{Family, Flags, Socket, Type};

use crate::stage::nets::in_a_network;
use crate::stage::{Stage, own, skip, soon};

/// Whether raw sockets can be had; the test is left out where not.
fn may(name: &str) -> bool {
    match Socket::new(Family::V4, Type::Raw, 253) {
        Ok(_) => true,
        Err(error) => {
            skip(name, error.message());
            false
        }
    }
}

async fn dial(at: &str) -> Result<Conn, Error> {
    Ok(Dialer::default().dial(&parse(at).expect("an endpoint")).await?.conn)
}

async fn hears(conn: &mut Conn, sent: &[u8]) {
    let mut room = vec![0; 65_536];
    let came = soon("an answer", conn.recv(&mut room)).await.expect("no error").expect("no end");
    assert_eq!(&room[..came], sent);
}

async fn echoes(conn: &mut Conn) {
    for length in [0, 1, 100, 1_480, 9_000] {
        let sent: Vec<u8> = (0_u8..=255).cycle().take(length).collect();
        conn.send(&sent).await.expect("sent");
        hears(conn, &sent).await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// In a network of its own: every raw socket of a protocol hears all of its packets.
#[test]
fn an_echo_answers_over_both_families_in_batches_and_in_sessions() {
    const NAME: &str = "raw::an_echo_answers_over_both_families_in_batches_and_in_sessions";
    if !may(NAME) {
        return;
    }
    let setup = "ip link set lo up; ip addr add fd00::1/128 dev lo nodad; ip addr add fd00::2/128 dev lo nodad";
    in_a_network(NAME, setup, || {
        runtime().block_on(async {
            for (at, from) in [("127.0.0.1", "127.0.0.2"), ("fd00::1", "fd00::2"), ("0.0.0.0", "")]
            {
                let place = format!("raw://{at},proto=201");
                for is_session in [false, true] {
                    let mut stage = if is_session {
                        Stage::of(own::echo_sessions(), &place, |_| {})
                    } else {
                        Stage::serve("echo", &place)
                    };
                    assert_eq!(stage.running.bound()[0].address.to_string(), at);
                    if from.is_empty() {
                        // It hears its own answers, which are marked, and the addresses of this machine are its own.
                        let to = "raw://127.0.0.1,proto=201,source=127.0.0.2";
                        let mut conn = dial(to).await.expect("it is there");
                        echoes(&mut conn).await;
                        assert_eq!(refused(&mut stage, "own-answer").await, "127.0.0.1");
                        let socket = Socket::new(Family::V4, Type::Raw, 201).expect("as before");
                        let to = conn.facts().peer.clone();
                        socket.send_to(b"from its own address", Flags::NONE, &to).expect("sent");
                        assert_eq!(refused(&mut stage, "own-address").await, "127.0.0.1");
                        continue;
                    }
                    let to = format!("raw://{at},proto=201,source={from}");
                    let mut conn = dial(&to).await.expect("it is there");
                    assert_eq!(conn.facts().local.to_string(), from);
                    echoes(&mut conn).await;
                    if is_session {
                        let opened = |fact: &Fact| match fact {
                            Fact::Opened(opened) => opened.peer.to_string() == from,
                            _ => false,
                        };
                        assert_eq!(stage.counted(opened).await, 1);
                    }
                }
            }
        });
    });
}

async fn refused(stage: &mut Stage, by: &'static str) -> String {
    stage
        .until("refused", |event| match &event.fact {
            Fact::Refused { peer, limit } if *limit == by => Some(peer.to_string()),
            _ => None,
        })
        .await
}

/// What the echo says itself comes back to it, and so does what others say from its own address: silence.
#[test]
fn what_comes_from_its_own_address_is_never_answered() {
    const NAME: &str = "raw::what_comes_from_its_own_address_is_never_answered";
    if !may(NAME) {
        return;
    }
    in_a_network(NAME, "ip link set lo up", || {
        runtime().block_on(async {
            let mut stage = Stage::serve("echo", "raw://127.0.0.1,proto=202");
            let socket = Socket::new(Family::V4, Type::Raw, 202).expect("as before");
            let to = stage.running.bound()[0].address.clone();
            socket.send_to(b"from its own address", Flags::NONE, &to).expect("sent");
            assert_eq!(refused(&mut stage, "own-address").await, "127.0.0.1");
            // What somebody else asks is answered, and the answer, which a wildcard hears, is not answered again.
            let mut conn = dial("raw://127.0.0.1,proto=202,source=127.0.0.2").await.expect("there");
            echoes(&mut conn).await;
            let error = dial("raw://127.0.0.1,proto=202").await.err().expect("it hears itself");
            assert_eq!((error.kind(), error.hints().len()), (Kind::DoesNotFit, 1));
            assert_eq!(stage.finish().await.refused, 1);
        });
    });
}

/// A packet of IPv4 without options; the kernel fills in its checksum.
fn packet(from: [u8; 4], to: [u8; 4], protocol: u8, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + message.len()).expect("short").to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0x12, 0x34, 0, 0, 7, protocol, 0, 0];
    packet.extend(from);
    packet.extend(to);
    packet.extend(message);
    packet
}

#[test]
fn whole_packets_go_as_they_are_once_they_are_checked() {
    const NAME: &str = "raw::whole_packets_go_as_they_are_once_they_are_checked";
    if !may(NAME) {
        return;
    }
    in_a_network(NAME, "ip link set lo up", || {
        runtime().block_on(async {
            let hearer = Socket::new(Family::V4, Type::Raw, 203).expect("as before");
            let (ours, theirs) = ([127, 0, 0, 9], [127, 0, 0, 1]);
            let whole = packet(ours, theirs, 203, b"whole");
            let mut conn = dial("raw://127.0.0.1,proto=203,hdrincl").await.expect("a socket");
            conn.send(&whole).await.expect("sent");
            let mut room = [0; 100];
            let length = hearer.recv(&mut room, Flags::NONE).expect("it came");
            let header = hobnob::codec::ip::IpHeader::read(&room[..length]).expect("a packet");
            assert_eq!((header.from.to_string().as_str(), header.reach), ("127.0.0.9", 7));
            assert_eq!(hobnob::codec::ip::checksum(&room[..header.length]), 0);
            assert_eq!(&room[header.length..length], b"whole");
            let mut lies = whole.clone();
            lies[3] += 1;
            for (wrong, says) in [
                (lies.as_slice(), "its header says 26 bytes, and it has 25"),
                (&packet(ours, [127, 0, 0, 2], 203, b""), "it is for 127.0.0.2, not 127.0.0.1"),
                (&packet(ours, theirs, 204, b""), "protocol 204, not 203"),
                (&whole[..19], "at least 20 bytes, not 19"),
                (b"", "not empty"),
            ] {
                let mut conn = dial("raw://127.0.0.1,proto=203,hdrincl").await.expect("a socket");
                let error = conn.send(wrong).await.expect_err("it lies");
                assert_eq!(error.kind(), Kind::BadFrame);
                assert!(error.message().contains(says), "{error}");
                assert!(!error.hints().is_empty());
            }
        });
    });
}

#[test]
fn who_dials_is_told_what_both_sides_must_agree_on() {
    const NAME: &str = "raw::who_dials_is_told_what_both_sides_must_agree_on";
    if !may(NAME) {
        return;
    }
    in_a_network(NAME, "ip link set lo up", || {
        runtime().block_on(async {
            for (at, dialled) in [
                ("raw://127.0.0.1,proto=205", "raw://127.0.0.1,proto=205,source=127.0.0.2"),
                ("raw://127.0.0.2,rcvbuf=64k", "raw://127.0.0.2,source=127.0.0.3"),
                ("udp://239.1.1.1:9000,iface=lo,ttl=3", "udp://239.1.1.1:9000,iface=lo"),
            ] {
                let stage = Stage::serve("echo", at);
                let told = stage.running.bound()[0].dialled.to_string();
                assert_eq!(told, dialled);
                let mut conn = dial(&told).await.expect("it is there");
                conn.send(b"hello").await.expect("sent");
                hears(&mut conn, b"hello").await;
            }
        });
    });
}

#[tokio::test]
async fn what_cannot_be_is_said_with_something_to_try() {
    for protocol in ["0", "255", "4294967549"] {
        let at = format!("raw://127.0.0.1,proto={protocol}");
        for error in [dial(&at).await.err(), hobnob::serve("echo", &at).err()] {
            let error = error.expect(&at);
            assert_eq!(error.kind(), Kind::BadOption, "{at}");
            let place = error.span().expect("it is marked");
            assert!(place.label.ends_with("from 1 to 254"), "{at}: {}", place.label);
            let advice = error.hints().first().map(|hint| hint.advice.clone());
            let better = Advice::Endpoint("raw://127.0.0.1,proto=253".to_owned());
            assert_eq!(advice, Some(better), "{at}");
        }
    }
    let error = hobnob::serve("echo", "raw://127.0.0.1,hdrincl").err().expect("it has no header");
    assert_eq!(error.kind(), Kind::DoesNotFit);
}
