//! Cases 15 to 19 and 22: packets that are empty, large, refused, forged, or not taken.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::path::Path;
use std::time::Duration;

use hobnob::address::{Address, canonical};
use hobnob::conn::{Conn, memory};
use hobnob::engine::{Dialer, Server, parse};
use hobnob::error::Kind;
use hobnob::event::{Fact, Reason};
use hobnob::service::{Ask, Made, Reply, Responder};
use hobnob::socket::{Family, Flags, Socket, Type};
use hobnob::spec::Shape;
use tempfile::TempDir;
use tokio::net::{UdpSocket, UnixDatagram};

use crate::ports::Port;
use crate::stage::{PATIENCE, Stage, elsewhere, own, receive, skip, soon, udp};

async fn dial(to: &str) -> Conn {
    let dialed = soon("a conn", Dialer::default().dial(&parse(to).expect("an endpoint"))).await;
    dialed.expect("somebody listens").conn
}

/// How a packet endpoint of a server is dialled.
fn dialled(stage: &Stage) -> String {
    let bound = &stage.running.bound()[0];
    match bound.address.ip() {
        Some(ip) => format!("{}://{ip}", bound.transport),
        None => format!("{}:{}", bound.transport, bound.address),
    }
}

/// Each kind of packet endpoint, answered in batches and with a session each.
fn packet_stages(folder: &TempDir) -> Vec<Stage> {
    let path = |name| folder.path().join(name).display().to_string();
    let mut stages = Vec::new();
    for (transport, at) in
        [("udp", "//127.0.0.1:0".to_owned()), ("unixgram", path("gram")), ("unixseq", path("seq"))]
    {
        stages.push(Stage::serve("echo", &format!("{transport}:{at}")));
        let at = if transport == "udp" { at } else { format!("{at}-own") };
        stages.push(Stage::of(own::echo_sessions(), &format!("{transport}:{at}"), |_| {}));
    }
    stages
}

#[tokio::test]
async fn case_15_an_empty_packet_is_a_message() {
    let folder = TempDir::new().expect("a folder");
    for stage in packet_stages(&folder) {
        let to = dialled(&stage);
        let mut conn = dial(&to).await;
        let mut room = [0; 16];
        for packet in [&b"one"[..], b"", b"", b"two"] {
            conn.send(packet).await.expect("it is open");
            let length = soon("an answer", conn.recv(&mut room)).await.expect("an answer");
            assert_eq!(length.map(|length| &room[..length]), Some(packet), "{to}");
        }
    }
}

/// As `talk --listen` does.
#[tokio::test]
async fn case_15_who_waits_for_one_datagram_peer_hears_all_of_it() {
    let folder = TempDir::new().expect("a folder");
    let gram = format!("unixgram:{}", folder.path().join("gram").display());
    for at in ["udp://127.0.0.1:0", "udp://:0", &gram] {
        let waiting = Dialer::default().listen(&parse(at).expect("an endpoint")).await;
        let waiting = waiting.expect("it is free");
        let bound = waiting.bound().remove(0);
        let to = match bound.address.ip() {
            Some(ip) => format!("udp://{ip}"),
            None => at.to_owned(),
        };
        let mut peer = dial(&to).await;
        peer.send(b"one").await.expect("sent");
        let (mut conn, pump) = soon("a peer", waiting.accept()).await.expect("it came");
        let pumping = tokio::spawn(pump.run());
        let mut room = [0; 8];
        assert_eq!(soon("one", conn.recv(&mut room)).await, Ok(Some(3)), "{at}");
        for packet in [&b""[..], b"three"] {
            peer.send(packet).await.expect("sent");
            assert_eq!(soon("more", conn.recv(&mut room)).await, Ok(Some(packet.len())), "{at}");
            conn.send(packet).await.expect("sent");
            assert_eq!(soon("an answer", peer.recv(&mut room)).await, Ok(Some(packet.len())));
        }
        pumping.abort();
    }
}

#[tokio::test]
async fn case_16_the_largest_packet_comes_back_whole() {
    let folder = TempDir::new().expect("a folder");
    let largest: Vec<u8> = (0..65_507_u32).map(|n| n.to_le_bytes()[0]).collect();
    for mut stage in packet_stages(&folder) {
        let to = dialled(&stage);
        let mut conn = dial(&to).await;
        let mut room = vec![0; 1 << 16];
        conn.send(&largest).await.expect("it is open");
        let length = soon("an answer", conn.recv(&mut room)).await.expect("an answer");
        assert!(length == Some(largest.len()) && room[..largest.len()] == largest, "{to}");
        assert_eq!(stage.count(|fact| matches!(fact, Fact::Dropped { .. } | Fact::Failed(_))), 0);
    }
}

#[tokio::test]
async fn case_16_one_too_large_for_its_buffer_is_an_error_and_the_next_is_not() {
    let folder = TempDir::new().expect("a folder");
    let mut conns = vec![];
    let stages = packet_stages(&folder);
    for stage in &stages {
        conns.push((dial(&dialled(stage)).await, None));
    }
    let (here, there) = memory::pair(Shape::Packets);
    conns.push((here, Some(tokio::spawn(echo(there)))));
    for (mut conn, _) in conns {
        let to = conn.facts().peer.to_string();
        conn.send(&[7; 9_000]).await.expect("it is open");
        let error = soon("an answer", conn.recv(&mut [0; 1_000])).await.expect_err("too long");
        assert_eq!(error.kind(), Kind::MessageTooLong, "{to}");
        assert!(error.message().contains("9000") && error.message().contains("1000"), "{error}");
        conn.send(b"next").await.expect("it is open");
        assert_eq!(soon("an answer", conn.recv(&mut [0; 1_000])).await, Ok(Some(4)), "{to}");
    }
}

async fn echo(mut conn: Conn) {
    let mut room = vec![0; 1 << 16];
    while let Ok(Some(length)) = conn.recv(&mut room).await {
        conn.send(&room[..length]).await.expect("it is open");
    }
}

#[tokio::test]
async fn case_16_a_packet_that_no_medium_carries_is_refused_by_name() {
    let stage = Stage::serve("echo", "udp://127.0.0.1:0");
    let mut conn = dial(&dialled(&stage)).await;
    let error = conn.send(&vec![0; 65_508]).await.expect_err("UDP carries 65,507");
    assert_eq!(error.kind(), Kind::MessageTooLong);
    conn.send(b"next").await.expect("it is open");
    assert_eq!(soon("an answer", conn.recv(&mut [0; 8])).await, Ok(Some(4)));
}

#[tokio::test]
async fn a_nameless_client_of_a_unix_socket_is_shown_as_one() {
    let folder = TempDir::new().expect("a folder");
    for transport in ["unix", "unixseq"] {
        let at = format!("{transport}:{}", folder.path().join(transport).display());
        let mut stage = Stage::serve("echo", &at);
        let mut conn = dial(&at).await;
        // What it says first may come before it is accepted.
        conn.send(b"x").await.expect("it is open");
        let opened = stage.until("opened session", |event| match &event.fact {
            Fact::Opened(opened) => Some((**opened).clone()),
            _ => None,
        });
        let opened = opened.await;
        assert_eq!(soon("an answer", conn.recv(&mut [0; 8])).await, Ok(Some(1)));
        let (here, there) = (&conn.facts().local, &stage.running.control().sessions(0, 1)[0].peer);
        assert_eq!([here, there, &opened.peer], [&Address::Unnamed; 3], "{transport}");
    }
}

/// Answers with as many bytes as it is asked for.
struct AsMany;

impl Responder for AsMany {
    fn answer(&self, ask: &Ask<'_>, out: &mut Reply) {
        let bytes = std::str::from_utf8(ask.message).expect("text").parse().expect("a number");
        out.push(&vec![b'x'; bytes]);
    }
}

#[tokio::test]
async fn case_16_an_answer_that_the_medium_does_not_carry_is_dropped_and_the_session_goes_on() {
    let folder = TempDir::new().expect("a folder");
    let at = format!("unixseq:{}", folder.path().join("s").display());
    let mut stage = Stage::of(Made::Responder(Box::new(AsMany)), &at, |_| {});
    let mut conn = dial(&at).await;
    conn.send(b"10000000").await.expect("it is open");
    assert_eq!(stage.dropped("packet-size").await, 1);
    conn.send(b"5").await.expect("it is open");
    assert_eq!(soon("an answer", conn.recv(&mut [0; 8])).await, Ok(Some(5)));
    conn.end().await.expect("it is open");
    assert_eq!(stage.closed().await.reason, Reason::Eof);
}

#[tokio::test]
async fn case_17_a_peer_that_is_gone_does_not_disturb_the_socket() {
    for service in [None, Some(own::echo_sessions())] {
        let at = "udp://127.0.0.1:0";
        let mut stage = match service {
            None => Stage::with("hello", at, |server| {
                server.set("delay", Some("20ms")).expect("hello has it");
            }),
            Some(own) => Stage::of(own, at, |_| {}),
        };
        // There before the others, so that it has the port of none of them, and no answer that was meant for them.
        let client = udp("127.0.0.1:0", stage.address()).await;
        for _ in 0..50 {
            let gone = udp("127.0.0.1:0", stage.address()).await;
            gone.send(b"A").await.expect("sent");
            drop(gone);
        }
        // The refusals (ICMP) of the answers come back to the server before anything that is asked later.
        client.send(b"B").await.expect("sent");
        let answer = receive(&client).await;
        assert!(answer == b"B" || answer == b"Hello, B!", "{}", answer.escape_ascii());
        assert_eq!(stage.count(|fact| matches!(fact, Fact::Failed(_))), 0);
    }
}

#[tokio::test]
async fn case_17_a_unix_peer_that_is_gone_does_not_either() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("echo");
    let mut stage = Stage::serve("echo", &format!("unixgram:{}", path.display()));
    for round in 0..50 {
        let gone = named(folder.path(), &format!("gone-{round}"), &path);
        soon("room", gone.send(b"A")).await.expect("sent");
        if round % 2 == 0 {
            std::fs::remove_file(folder.path().join(format!("gone-{round}"))).expect("it is there");
        }
    }
    echoes(&named(folder.path(), "here", &path), b"B").await;
    assert_eq!(stage.count(|fact| matches!(fact, Fact::Failed(_))), 0);
}

#[tokio::test]
async fn case_17_a_dialled_conn_is_told_and_goes_on() {
    let port = Port::draw();
    let at = SocketAddr::from(([127, 0, 0, 1], port.number));
    let mut conn = dial(&format!("udp://{at}")).await;
    conn.send(b"anybody?").await.expect("sent");
    let error = soon("the refusal", conn.recv(&mut [0; 8])).await.expect_err("nobody is there");
    assert_eq!(error.kind(), Kind::ConnectionRefused);
    let server = UdpSocket::bind(at).await.expect("its own port");
    conn.send(b"now?").await.expect("sent");
    assert_eq!(receive(&server).await, b"now?");
}

/// A second socket on a port that is bound already: what it sends looks as if the first had sent it. It is bound to
/// all addresses, so what comes for the first still goes there: the kernel prefers who is bound to that one alone.
fn forge(address: SocketAddr) -> std::net::UdpSocket {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None);
    let socket = socket.expect("a descriptor");
    let all = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => {
            socket.set_only_v6(true).expect("an IPv6 socket");
            Ipv6Addr::UNSPECIFIED.into()
        }
    };
    socket.set_reuse_port(true).expect("a UDP socket");
    socket.bind(&SocketAddr::new(all, address.port()).into()).expect("the other allows it");
    socket.into()
}

#[tokio::test]
async fn case_18_our_own_addresses_are_never_answered() {
    let services = || [None, Some(own::echo_sessions())];
    for service in services() {
        let is_batched = service.is_none();
        let mut server = match service {
            None => Server::new("echo").expect("it is built in"),
            Some(own) => Server::of(own, &[Shape::Packets]),
        };
        for _ in 0..2 {
            let at = parse("udp://127.0.0.1:0,reuseport").expect("an endpoint");
            server.on(&at).expect("it fits");
        }
        let mut stage = Stage::start(server).expect("it starts");
        let (one, two) = (stage.address_of(0), stage.address_of(1));
        forge(two).send_to(b"from the other", one).expect("sent");
        assert_eq!(stage.refused("own-address").await.ip(), Some(two), "batched: {is_batched}");
        let summary = stage.running.summary();
        assert_eq!((summary.refused, summary.sessions, summary.bytes_out), (1, 0, 0));
        let client = udp("127.0.0.1:0", one).await;
        client.send(b"from a client").await.expect("sent");
        assert_eq!(receive(&client).await, b"from a client");
    }
}

/// An echo that answers in batches, or holds a session with each peer. Its peers never end, so it waits for no end.
fn an_echo(is_batched: bool, at: &str) -> Stage {
    let hurries = |server: &mut Server| server.limits.grace = Duration::ZERO;
    if is_batched {
        Stage::with("echo", at, hurries)
    } else {
        Stage::of(own::echo_sessions(), at, hurries)
    }
}

/// Asks as anybody would, and hears the answer.
async fn still_answers(at: SocketAddr, from: &str) {
    let client = udp(from, at).await;
    client.send(b"a client").await.expect("sent");
    assert_eq!(receive(&client).await, b"a client");
}

#[tokio::test]
async fn case_18_two_servers_that_one_forged_packet_points_at_each_other_fall_silent() {
    // The last: IPv4 out of an IPv6 socket.
    for (first_at, other_at) in [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("0.0.0.0", "127.0.0.1"),
        ("[::]", "127.0.0.1"),
    ] {
        for (first, other) in [(true, true), (true, false), (false, true), (false, false)] {
            let first = an_echo(first, &format!("udp://{first_at}:0"));
            let mut other = an_echo(other, &format!("udp://{other_at}:0,reuseport"));
            let client = format!("{other_at}:0");
            let at = SocketAddr::new(other.address().ip(), first.address().port());
            forge(other.address()).send_to(b"to and fro", at).expect("sent");
            let peer = other.refused("own-answer").await;
            assert_eq!(peer.ip(), Some(at), "the only packet is the first one's answer");
            // A second round would be over by now: on loopback a packet has come when its sending returns.
            still_answers(at, &client).await;
            still_answers(other.address(), &client).await;
            let (first, other) = (first.finish().await, other.finish().await);
            assert_eq!((first.sessions, first.refused, first.bytes_out), (2, 0, 18), "{first_at}");
            assert_eq!((other.sessions, other.refused, other.bytes_out), (1, 1, 8), "{other_at}");
        }
    }
}

#[tokio::test]
async fn case_18_what_a_server_answered_is_refused_wherever_it_comes_in() {
    for (at, asked) in [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("0.0.0.0", "127.0.0.1"),
        ("[::]", "127.0.0.1"),
        ("[::]", "[::1]"),
    ] {
        for is_batched in [true, false] {
            let mut stage = an_echo(is_batched, &format!("udp://{at}:0"));
            let to: SocketAddr =
                format!("{asked}:{}", stage.address().port()).parse().expect("an address");
            let family = if to.is_ipv4() { Family::V4 } else { Family::V6 };
            let server = Socket::new(family, Type::Datagram, 0).expect("a descriptor");
            let client = format!("{asked}:0");
            server.bind(&Address::Ip(client.parse().expect("an address"))).expect("a free port");
            let from = server.local_address().expect("bound");
            // It does not answer yet, it asks. Where that opens a session, the session is not to hear answers either.
            server.send_to(b"question", Flags::NONE, &to.into()).expect("sent");
            server.set_timeout(Some(PATIENCE)).expect("a socket");
            assert_eq!(server.recv(&mut [0; 16], Flags::NONE), Ok(8), "{at} {asked}");
            server.mark_answers().expect("an IP socket");
            for _ in 0..3 {
                server.send_to(b"answer", Flags::NONE, &to.into()).expect("sent");
            }
            let refused = stage.refused("own-answer").await.ip().expect("an IP address");
            // An IPv4 peer of an IPv6 socket has an IPv6 address.
            let refused = SocketAddr::new(canonical(refused.ip()), refused.port());
            assert_eq!(Some(refused), from.ip(), "{at} {asked}");
            still_answers(to, &client).await;
            let summary = stage.finish().await;
            let seen = (summary.sessions, summary.refused, summary.bytes_out);
            assert_eq!(seen, (2, 3, 16), "{at} {asked}, batched: {is_batched}");
        }
    }
}

/// As `talk --listen` does.
#[tokio::test]
async fn case_18_a_servers_answer_is_not_the_peer_that_is_waited_for() {
    let server = Stage::serve("echo", "udp://127.0.0.1:0");
    let at = parse("udp://127.0.0.1:0,reuseport").expect("an endpoint");
    let waiting = Dialer::default().listen(&at).await.expect("it is free");
    let bound = waiting.bound()[0].address.ip().expect("an IP address");
    forge(bound).send_to(b"hello?", server.address()).expect("sent");
    // After this the forged packet has been answered.
    still_answers(server.address(), "127.0.0.1:0").await;
    let mut peer = dial(&format!("udp://{bound}")).await;
    peer.send(b"here").await.expect("sent");
    let (conn, _pump) = soon("a peer", waiting.accept()).await.expect("it came");
    assert_eq!(conn.facts().peer, peer.facts().local);
}

#[tokio::test]
async fn case_18_ports_that_answer_anything_are_not_answered() {
    let Some(here) = elsewhere() else {
        return skip(
            "cases::packets::case_18_ports_that_answer_anything_are_not_answered",
            "no address but loopback",
        );
    };
    for service in [None, Some(own::echo_sessions())] {
        let mut stage = match service {
            None => Stage::serve("echo", "udp://0.0.0.0:0"),
            Some(own) => Stage::of(own, "udp://0.0.0.0:0", |_| {}),
        };
        let to = SocketAddr::new(here, stage.address().port());
        let bind = |port| std::net::UdpSocket::bind((here, port)).ok();
        let Some(chatty) = [7, 13, 17, 19, 37].into_iter().find_map(bind) else {
            let reason = "no right to a port below 1024";
            return skip(
                "cases::packets::case_18_ports_that_answer_anything_are_not_answered",
                reason,
            );
        };
        chatty.send_to(b"quote", to).expect("sent");
        let peer = stage.refused("chatty-port").await;
        assert_eq!(peer.ip(), chatty.local_addr().ok());
        assert_eq!(stage.running.summary().bytes_out, 0);
    }
}

fn named(folder: &Path, name: &str, to: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(folder.join(name)).expect("a free path");
    socket.connect(to).expect("somebody is bound there");
    socket
}

async fn echoes(socket: &UnixDatagram, packet: &[u8]) {
    let mut room = [0; 2_048];
    soon("room", socket.send(packet)).await.expect("somebody is bound there");
    let length = soon("an answer", socket.recv(&mut room)).await.expect("an answer");
    assert_eq!(&room[..length], packet);
}

#[tokio::test]
async fn case_22_who_has_no_name_gets_no_answer_and_makes_no_noise() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("echo");
    for service in [None, Some(own::echo_sessions())] {
        let is_batched = service.is_none();
        let at = format!("unixgram:{}", path.display());
        let mut stage = match service {
            None => Stage::serve("echo", &at),
            Some(own) => Stage::of(own, &at, |_| {}),
        };
        let nameless = StdUnixDatagram::unbound().expect("a descriptor");
        for _ in 0..100 {
            nameless.send_to(b"who am I?", &path).expect("somebody is bound there");
        }
        let name = if is_batched { "batched" } else { "sessions" };
        echoes(&named(folder.path(), name, &path), b"named").await;
        assert_eq!(stage.count(|fact| matches!(fact, Fact::Failed(_))), 0, "{name}");
        let summary = stage.running.summary();
        assert_eq!(summary.refused + summary.dropped, 100, "{name}: {summary:?}");
    }
}

#[tokio::test]
async fn case_22_a_peer_whose_queue_is_full_does_not_block_the_others() {
    let folder = TempDir::new().expect("a folder");
    for (name, delay) in [("batched", None), ("delayed", Some("1ms")), ("sessions", None)] {
        let path = folder.path().join(name);
        let at = format!("unixgram:{}", path.display());
        let mut stage = match (name, delay) {
            ("sessions", _) => Stage::of(own::echo_sessions(), &at, |_| {}),
            (_, delay) => Stage::with("hello", &at, |server| {
                server.set("reply", Some("{}")).expect("hello has it");
                server.set("delay", Some(delay.unwrap_or("0s"))).expect("hello has it");
            }),
        };
        // Not connected: to one that is connected to us the kernel applies no limit of the queue but our own send
        // buffer, which is all peers' (unix_dgram_sendmsg).
        let full = UnixDatagram::bind(folder.path().join(format!("{name}-full")));
        let full = full.expect("a free path");
        let other = named(folder.path(), &format!("{name}-other"), &path);
        let mut room = [0; 64];
        for round in 0..120 {
            // Its queue holds ten or so, and it never takes one out. These come in few batches.
            for part in 0..5 {
                soon("room", full.send_to(b"x", &path)).await.expect("somebody is bound there");
                let packet = format!("{name} {round} {part}");
                soon("room", other.send(packet.as_bytes())).await.expect("somebody is bound there");
            }
            for part in 0..5 {
                let packet = format!("{name} {round} {part}");
                let length = soon(&packet, other.recv(&mut room)).await.expect("an answer");
                assert_eq!(&room[..length], packet.as_bytes());
            }
        }
        assert_eq!(stage.count(|fact| matches!(fact, Fact::Failed(_))), 0, "{name}");
    }
}

/// The room that a forged join would turn against its victim asks for a cookie first (`chat::case_19`). And no service
/// that pours: none that says more than it heard serves datagrams off this machine, where a sender can be forged.
#[test]
fn case_19_what_pours_refuses_datagrams_from_elsewhere() {
    for (endpoint, may_serve) in [
        ("udp://127.0.0.1:0", true),
        ("udp://:0", true),
        ("udp://0.0.0.0:0", false),
        ("udp://[::]:0", false),
        ("udp://192.0.2.1:0", false),
        ("tcp://0.0.0.0:0", true),
    ] {
        let mut server = Server::new("source").expect("a service");
        let planned = server.on(&parse(endpoint).expect("an endpoint"));
        let kind = planned.err().map(|error| error.kind());
        assert_eq!(kind, (!may_serve).then_some(Kind::DoesNotFit), "{endpoint}");
    }
}
