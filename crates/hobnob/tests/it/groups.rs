//! Multicast groups and broadcast: members hear their own group, and who asks hears whoever answers.

use hobnob::Server;
use hobnob::conn::Conn;
use hobnob::engine::{Dialer, parse};
use hobnob::error::Kind;

use crate::stage::nets::in_a_network;
use crate::stage::{Stage, soon};

async fn dial(at: &str) -> Conn {
    soon("a conn", Dialer::default().dial(&parse(at).expect("an endpoint"))).await.expect(at).conn
}

async fn next(conn: &mut Conn) -> String {
    let mut room = [0; 100];
    let came = soon("an answer", conn.recv(&mut room)).await.expect("no error").expect("no end");
    String::from_utf8_lossy(&room[..came]).into_owned()
}

fn replying(at: &str, word: &str) -> Stage {
    let word = word.to_owned();
    Stage::with("reply", at, move |server: &mut Server| {
        server.set("reply", Some(&word)).expect("reply has it");
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Two links of this machine, which have each other at their ends.
const LINKS: &str = "ip link set lo up; ip link add name e1 type veth peer name e2; \
    ip addr add 10.0.1.1/24 dev e1; ip addr add fd01::1/64 dev e1 nodad; \
    ip link set e1 up; ip link set e2 up";

#[test]
fn members_of_a_group_hear_it_and_no_other() {
    in_a_network("groups::members_of_a_group_hear_it_and_no_other", LINKS, || {
        runtime().block_on(async {
            for (one, other, iface) in [
                ("239.1.1.1", "239.1.1.2", "lo"),
                ("239.1.1.1", "239.1.1.2", "e1"),
                ("[ff15::1]", "[ff15::2]", "e1"),
            ] {
                let first = replying(&format!("udp://{one}:9000,iface={iface}"), "first");
                let _second = replying(&format!("udp://{one}:9000,iface={iface}"), "second");
                let _third = replying(&format!("udp://{other}:9000,iface={iface}"), "third");
                assert!(first.address().ip().is_multicast());
                let mut conn = dial(&format!("udp://{one}:9000,iface={iface}")).await;
                conn.send(b"who is there?").await.expect("sent");
                let mut heard = [next(&mut conn).await, next(&mut conn).await];
                heard.sort();
                assert_eq!(heard, ["first", "second"], "{one} on {iface}");
                // The third has heard nothing of it, so that the next answer is to the next question.
                let mut conn = dial(&format!("udp://{other}:9000,iface={iface}")).await;
                conn.send(b"who is there?").await.expect("sent");
                assert_eq!(next(&mut conn).await, "third");
            }
        });
    });
}

#[test]
fn a_packet_to_a_group_stays_on_its_link_unless_more_is_asked() {
    in_a_network(
        "groups::a_packet_to_a_group_stays_on_its_link_unless_more_is_asked",
        LINKS,
        || {
            runtime().block_on(async {
                for (setting, reach) in [("", 1), (",ttl=7", 7)] {
                    let conn = dial(&format!("udp://239.1.1.1:9000,iface=e1{setting}")).await;
                    let socket = conn.descriptor().expect("it has one");
                    let socket = socket2::SockRef::from(&socket);
                    assert_eq!(socket.multicast_ttl_v4().expect("a socket"), reach);
                    let conn = dial(&format!("udp://[ff15::1]:9000,iface=e1{setting}")).await;
                    let socket = conn.descriptor().expect("it has one");
                    let socket = socket2::SockRef::from(&socket);
                    assert_eq!(socket.multicast_hops_v6().expect("a socket"), reach);
                }
            });
        },
    );
}

#[test]
fn a_source_specific_member_hears_its_source_alone() {
    in_a_network("groups::a_source_specific_member_hears_its_source_alone", LINKS, || {
        runtime().block_on(async {
            let group = "udp://232.1.1.1:9000,iface=lo";
            let _picky = replying(&format!("{group},ssm=127.0.0.2"), "picky");
            let _open = replying(group, "open");
            for (source, expected) in
                [("127.0.0.2", &["open", "picky"][..]), ("127.0.0.3", &["open"])]
            {
                let mut conn = dial(&format!("{group},source={source}")).await;
                let mut heard = Vec::new();
                // The second question is answered by those who heard the first, and behind its answers.
                for _ in 0..2 {
                    conn.send(b"?").await.expect("sent");
                    for _ in expected {
                        heard.push(next(&mut conn).await);
                    }
                }
                heard.sort();
                heard.dedup();
                assert_eq!(heard, expected, "{source}");
            }
        });
    });
}

#[test]
fn a_broadcast_is_heard_by_all_of_a_network_and_asked_for() {
    in_a_network("groups::a_broadcast_is_heard_by_all_of_a_network_and_asked_for", LINKS, || {
        runtime().block_on(async {
            let _all = replying("udp://0.0.0.0:9000", "here");
            let mut conn = dial("udp://10.0.1.255:9000,broadcast").await;
            conn.send(b"?").await.expect("sent");
            assert_eq!(next(&mut conn).await, "here");
            let unasked = parse("udp://10.0.1.255:9000").expect("an endpoint");
            let error = Dialer::default().dial(&unasked).await.err().expect("it was not asked for");
            assert_eq!(error.kind(), Kind::PermissionDenied);
            assert!(format!("{:?}", error.hints()).contains(",broadcast"), "{error:?}");
        });
    });
}

#[tokio::test]
async fn what_is_said_of_a_group_that_is_none_is_refused() {
    for (at, says) in [
        ("udp://127.0.0.1:9,iface=lo", "127.0.0.1 is none"),
        ("udp://[::1]:9,ssm=::2", "::1 is none"),
        ("udp://239.1.1.1:9,iface=no-such", "no interface"),
        ("udp://239.1.1.1:9,iface=lo,ssm=::1", "the other family"),
    ] {
        let dialled = Dialer::default().dial(&parse(at).expect("an endpoint")).await;
        for error in [dialled.err(), hobnob::serve("echo", at).err()] {
            let error = error.expect(at);
            assert_eq!(error.kind(), Kind::BadOption, "{at}: {error:?}");
            assert!(error.message().contains(says), "{at}: {error:?}");
            assert!(!error.hints().is_empty(), "{at}");
        }
    }
}
