//! What is over is let go: a peer that is gone is noticed also where nobody reads from it.

use std::time::Duration;

use hobnob::address::Address;
use hobnob::engine::{Running, Server};
use hobnob::event::{By, Fact, Reason};
use hobnob::socket::{AsyncSocket, Family, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{accept, relay, target};
use crate::ports::Port;
use crate::stage::{Stage, alone, hear, reset, rest, soon, udp};

/// Says as much as is taken at once, up to so many bytes.
async fn fill(stream: &TcpStream, most: usize) {
    let (text, mut said) = (vec![b'x'; 65_536], 0);
    stream.writable().await.expect("it is open");
    while said < most
        && let Ok(length) = stream.try_write(&text[..text.len().min(most - said)])
    {
        said += length;
    }
}

/// Both sides, each with a direction that takes no more: by a fault for good, by one for a long time, or as its receiver
/// does not read.
#[tokio::test]
async fn who_fills_a_direction_and_resets_is_gone() {
    for (fault, by) in [
        ("stall", By::Peer),
        ("stall", By::Upstream),
        ("latency=1h", By::Peer),
        ("down:rate=1", By::Upstream),
        ("", By::Peer),
        ("", By::Upstream),
    ] {
        let (target, to) = target().await;
        let mut stage = relay("tcp://127.0.0.1:0", &to, |server| {
            server.limits.stall = Duration::from_hours(1);
            if !fault.is_empty() {
                server.set("fault", Some(fault)).expect(fault);
            }
        });
        let client = stage.connect().await;
        let server = accept(&target).await;
        stage.until("a dial", |event| matches!(event.fact, Fact::Dialed(_)).then_some(())).await;
        let (fills, other) = if by == By::Peer { (client, server) } else { (server, client) };
        // More than all buffers hold where nothing but the receiver is in the way.
        fill(&fills, if fault.is_empty() { 64 << 20 } else { 300_000 }).await;
        reset(fills);
        let closed = stage.closed().await;
        assert_eq!((closed.reason, closed.inward.by), (Reason::Reset, by), "{fault} {by:?}");
        assert!(!rest(&mut { other }).await.1, "{fault} {by:?}: the other takes it for an end");
        stage.holds("its place is free", |running: &Running| running.open() == 0).await;
    }
}

/// Who ended and then closed answers what comes with a reset, as it does without a relay.
#[tokio::test]
async fn a_reset_behind_an_end_travels() {
    for by in [By::Upstream, By::Peer] {
        let (target, to) = target().await;
        let mut stage = relay("tcp://127.0.0.1:0", &to, |_| {});
        let client = stage.connect().await;
        let server = accept(&target).await;
        let (mut leaves, mut stays) =
            if by == By::Upstream { (server, client) } else { (client, server) };
        leaves.write_all(b"goodbye").await.expect("it is open");
        drop(leaves);
        hear(&mut stays, b"goodbye").await;
        assert_eq!(rest(&mut stays).await, (Vec::new(), true));
        // Once: nothing more would be refused.
        stays.write_all(b"still there?").await.expect("it is open");
        soon("a reset", stays.ready(tokio::io::Interest::ERROR)).await.expect("it is watched");
        let closed = stage.closed().await;
        assert_eq!(closed.reason, Reason::Reset, "{by:?}: {closed:?}");
    }
}

/// A Unix socket is reset by who closes it with something unread. The relay does not read it, as its fault holds all that
/// it may.
#[tokio::test]
async fn a_unix_client_that_fills_a_direction_and_resets_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, kind) in [("unix", Type::Stream), ("unixseq", Type::Seqpacket)] {
        let path = |part: &str| folder.path().join(format!("{name}-{part}"));
        let at = |part: &str| Address::path(path(part));
        let target = Socket::open(Family::Unix, kind, 0, None).expect("a socket");
        target.bind(&at("target")).expect("a free path");
        target.listen(1).expect("it is bound");
        let target = AsyncSocket::new(target).expect("a runtime");
        let (door, to) = (path("door"), path("target"));
        let (door, to) = (format!("{name}:{}", door.display()), format!("{name}:{}", to.display()));
        let mut stage = relay(&door, &to, |server| {
            server.set("fault", Some("up:stall")).expect("a fault");
        });
        let client = Socket::open(Family::Unix, kind, 0, None).expect("a socket");
        let client = AsyncSocket::connect(client, &at("door")).await.expect("it listens");
        let (server, _) = soon("a session", target.accept()).await.expect("a conn");
        let server = AsyncSocket::new(server).expect("a runtime");
        server.send_all(b"unread").await.expect("it is open");
        soon("a word", client.readable()).await.expect("it is open");
        for _ in 0..12 {
            soon("room", client.send_all(&[b'x'; 8_192])).await.expect("it is open");
        }
        let is_full = |running: &Running| {
            running.control().sessions(0, 1).iter().any(|session| session.bytes_in > 60_000)
        };
        stage.holds("its direction is full", is_full).await;
        drop(client);
        let closed = stage.closed().await;
        assert_eq!((closed.reason, closed.inward.by), (Reason::Reset, By::Peer), "{name}");
        stage.holds("its place is free", |running: &Running| running.open() == 0).await;
    }
}

/// A datagram peer says nothing of its end, but has to go where another takes its place.
#[tokio::test]
async fn a_peer_that_makes_room_behind_a_full_direction_is_gone() {
    let target = Stage::serve("discard", "udp://127.0.0.1:0");
    let to = format!("udp://{}", target.address());
    let mut stage = relay("udp://127.0.0.1:0,max-peers=1", &to, |server| {
        server.set("fault", Some("up:stall")).expect("a fault");
    });
    let one = udp("127.0.0.1:0", stage.address()).await;
    for _ in 0..12 {
        one.send(&[b'x'; 8_192]).await.expect("it is open");
    }
    let is_full = |running: &Running| {
        running.control().sessions(0, 1).iter().any(|session| session.bytes_in > 60_000)
    };
    stage.holds("its direction is full", is_full).await;
    let other = udp("127.0.0.1:0", stage.address()).await;
    other.send(b"room, please").await.expect("it is open");
    let closed = stage.closed().await;
    assert_eq!(
        closed.detail.as_deref().map(|why| why.contains("made room")),
        Some(true),
        "{closed:?}"
    );
}

/// Places of each kind, two of each: `{}` is what tells them apart.
const CIRCLES: [(&str, Family, Type); 7] = [
    ("tcp://127.0.0.1:{}", Family::V4, Type::Stream),
    ("tcp://[::1]:{}", Family::V6, Type::Stream),
    ("udp://127.0.0.1:{}", Family::V4, Type::Datagram),
    ("udp://[::1]:{}", Family::V6, Type::Datagram),
    ("unix:{}", Family::Unix, Type::Stream),
    ("unixseq:{}", Family::Unix, Type::Seqpacket),
    ("unixgram:{}", Family::Unix, Type::Datagram),
];

/// Sockets of these places that are connected, as the kernel lists them (proc(5)): an accepted Unix socket has the path of
/// its listener, and a dialled datagram socket has the port as its peer's. TCP keeps its own for a while.
fn connected(family: Family, kind: Type, places: &[String]) -> usize {
    let listed = |file: &str| std::fs::read_to_string(file).expect("procfs");
    match (family, kind) {
        (Family::Unix, Type::Datagram) => {
            let text = listed("/proc/net/unix");
            let mine = format!("-{}-", std::process::id());
            let is_mine = |line: &&str| line.contains("@hobnob-relay-") && line.contains(&mine);
            text.lines().filter(is_mine).count()
        }
        (Family::Unix, _) => {
            let text = listed("/proc/net/unix");
            let all = |place: &String| text.lines().filter(|line| line.ends_with(place)).count();
            // One of each listens.
            places.iter().map(all).sum::<usize>() - places.len()
        }
        (_, Type::Datagram) => {
            let text = listed("/proc/net/udp") + &listed("/proc/net/udp6");
            let peers: Vec<_> = places
                .iter()
                .map(|place| format!(":{:04X}", place.parse::<u16>().expect("a port")))
                .collect();
            let peer = |line: &str| line.split_whitespace().nth(2).map(str::to_owned);
            let peers_of = text.lines().filter_map(peer);
            peers_of.filter(|peer| peers.iter().any(|own| peer.ends_with(own))).count()
        }
        _ => 0,
    }
}

/// A conn, a datagram or a name tells how many relays of this machine are behind it. In a child: names are counted by their
/// process, and other tests have relays too.
#[test]
fn relays_that_dial_each_other_notice_and_nothing_is_left_of_the_chain() {
    if alone::part().is_none() {
        let told = alone::play(&alone::test(), "circles").finish();
        return told.unwrap_or_else(|said| panic!("{said}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(notice_and_leave_nothing());
}

async fn notice_and_leave_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for (at, family, kind) in CIRCLES {
        let ports = [Port::draw(), Port::draw()];
        let places = ports.each_ref().map(|port| match family {
            Family::Unix => {
                folder.path().join(format!("{kind:?}-{}", port.number)).display().to_string()
            }
            _ => port.number.to_string(),
        });
        let [first, second] = places.each_ref().map(|place| at.replace("{}", place));
        let short = |server: &mut Server| server.limits.idle = Some(Duration::from_millis(300));
        let mut one = relay(&first, &second, short);
        let other = relay(&second, &first, short);
        let client = Socket::open(family, kind, 0, None).expect("a socket");
        if (family, kind) == (Family::Unix, Type::Datagram) {
            client.bind(&Address::Unnamed).expect("the kernel picks a name");
        }
        let door = one.bound(0);
        let client = AsyncSocket::connect(client, &door).await.expect("it listens");
        client.send_all(b"round and round").await.expect("it is open");
        let closed = one.closed_by(Reason::Error).await;
        let detail = closed.detail.expect("it says why");
        assert!(detail.contains("in a circle"), "{detail}");
        drop(client);
        let mut stages = [one, other];
        for stage in &mut stages {
            stage.holds("nothing is left", |running: &Running| running.open() == 0).await;
            stage.holds("all is closed", |_| connected(family, kind, &places) == 0).await;
        }
        for stage in stages {
            let sessions = stage.finish().await.sessions;
            assert!((1..=16).contains(&sessions), "{at}: a chain of {sessions}");
        }
    }
}
