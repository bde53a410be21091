//! The banner, the transcript and the events.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream, UdpSocket};

use super::{Nobody, echo, relay, target, told};
use crate::kit::hardship::reset;
use crate::kit::schema::valid;
use crate::kit::{Served, code, folder, hobnob, launch, serve_with, signal, without_name_servers};

fn hear(peer: &mut TcpStream, words: &[u8]) {
    let mut room = vec![0; words.len()];
    peer.read_exact(&mut room).expect("it comes");
    assert_eq!(room, words);
}

/// There, and back the same.
fn exchange(peer: &mut TcpStream, server: &mut TcpStream, words: &[u8]) {
    peer.write_all(words).expect("it is open");
    hear(server, words);
    server.write_all(words).expect("it is open");
    hear(peer, words);
}

/// The client's end, and then the target's.
fn end(mut peer: TcpStream, mut server: TcpStream) {
    peer.shutdown(Shutdown::Write).expect("it is open");
    server.read_to_end(&mut Vec::new()).expect("an end in order");
    drop(server);
    peer.read_to_end(&mut Vec::new()).expect("an end in order");
}

/// A whole run with one session that comes to nothing, after what the banner says.
fn in_vain(to: &str) -> String {
    turned_away(relay(&["127.0.0.1:0", to, "--once"]))
}

/// What a relay says whose only client it cannot pass on.
fn turned_away(served: Served) -> String {
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    peer.read_to_end(&mut Vec::new()).expect_err("a reset");
    concluded(served, Vec::new())
}

/// A whole run with one session, played once both sides have met.
fn session(play: impl FnOnce(TcpStream, TcpStream)) -> String {
    let (target, at) = target();
    let served = relay(&["127.0.0.1:0", &at, "--once"]);
    let peer = TcpStream::connect(&served.address).expect("it listens");
    let server = target.accept().expect("a session").0;
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.contains("   connect ")) {
        lines.push(served.err.next());
    }
    play(peer, server);
    concluded(served, lines)
}

fn concluded(served: Served, mut lines: Vec<String>) -> String {
    lines.extend(served.err.rest());
    assert_eq!(code(served.child.wait()), 0);
    for line in &lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
    told(&lines)
}

#[test]
fn the_transcript() {
    let said = session(|mut peer, mut server| {
        for words in ["Michael\n", "李雷\x1b[2J\n"] {
            exchange(&mut peer, &mut server, words.as_bytes());
        }
        end(peer, server);
    });
    assert!(!said.contains('\x1b'), "{said}");
    insta::assert_snapshot!("relay-transcript", said);
}

#[test]
fn who_ended_a_session_and_how_is_told() {
    let said = session(|mut peer, mut server| {
        peer.write_all(b"question").expect("it is open");
        hear(&mut server, b"question");
        reset(peer);
        server.read_to_end(&mut Vec::new()).expect_err("a reset");
    });
    insta::assert_snapshot!("relay-client-reset", said);
    let said = session(|mut peer, mut server| {
        peer.write_all(b"question").expect("it is open");
        hear(&mut server, b"question");
        server.write_all(b"half an answ").expect("it is open");
        hear(&mut peer, b"half an answ");
        reset(server);
        peer.read_to_end(&mut Vec::new()).expect_err("a reset");
    });
    insta::assert_snapshot!("relay-target-reset", said);
}

#[test]
fn why_a_session_failed_is_told() {
    insta::assert_snapshot!("relay-refused", in_vain(&Nobody::new().address()));
    let folder = folder();
    let missing = in_vain(&folder.path().join("x.sock").to_string_lossy());
    assert!(missing.contains("   there is no socket at"), "{missing}");
}

#[test]
fn a_target_whose_name_nobody_has_is_told() {
    let words = ["relay", "127.0.0.1:0", "no-such-host.invalid:80", "--once"];
    if let Some(command) = without_name_servers("relay::telling::a_target_whose_name", &words) {
        insta::assert_snapshot!("relay-host-not-found", turned_away(serve_with(command)));
    }
}

#[test]
fn the_banner() {
    let (_echo, at) = echo("tcp://127.0.0.1:0");
    let other = target().0;
    let elsewhere = other.local_addr().expect("it is bound").to_string();
    for (name, words) in [
        ("one", vec!["127.0.0.1:0", &at]),
        ("both-families", vec![":0", &at]),
        ("lines", vec!["lines+tcp://127.0.0.1:0", "udp://10.0.0.1:53"]),
        ("both-listen", vec!["127.0.0.1:0", "127.0.0.1:0", "--both-listen"]),
        ("both-dial", vec![&elsewhere, &at, "--both-dial"]),
        ("both-dial-retry", vec!["127.0.0.1:1", &at, "--both-dial", "--retry"]),
        ("named", vec!["127.0.0.1:0", &at, "--name", "front door"]),
    ] {
        let launched = launch(hobnob(&[&["relay"], &words[..]].concat()));
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != "Ctrl-C stops it.") {
            lines.push(launched.err.next());
        }
        let (code, _) = launched.stop("TERM");
        assert_eq!(code, 0, "{name}");
        insta::assert_snapshot!(format!("relay-banner-{name}"), told(&lines));
    }
}

#[test]
fn it_speaks_by_the_schema() {
    let (target, at) = target();
    let served = relay(&["127.0.0.1:0", &at, "--json", "--once", "--name", "front"]);
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    let mut server = target.accept().expect("a session").0;
    let mut lines = vec![served.banner.clone()];
    while lines.last().is_none_or(|line| !line.contains(r#""type":"dialed""#)) {
        lines.push(served.out.next());
    }
    exchange(&mut peer, &mut server, "你好\n".as_bytes());
    exchange(&mut peer, &mut server, b"\xff\x00");
    end(peer, server);
    lines.extend(served.out.rest());
    let mut events: Vec<_> = lines.iter().map(|line| valid(line)).collect();
    assert_eq!(code(served.child.wait()), 0);
    events.retain(|event| event["type"] != "note");
    let words: Vec<_> =
        events.iter().map(|event| event["type"].as_str().expect("a word")).collect();
    let expected =
        ["listening", "open", "dialed", "data", "data", "data", "data", "close", "summary"];
    assert_eq!(words, expected);
    let directions: Vec<_> = events[3..7].iter().map(|event| event["dir"].clone()).collect();
    assert_eq!(directions, ["up", "down", "up", "down"]);
    assert_eq!(events[2]["peer"], at.as_str());
    let close = &events[7];
    assert_eq!(close["upstream"], at.as_str());
    assert!(close["upstream_rtt_us"].is_u64() && close["upstream_retrans"].is_u64(), "{close}");
    let ends = &close["ends"];
    assert_eq!((&ends[0]["by"], &ends[0]["how"]), (&"peer".into(), &"fin".into()), "{close}");
    assert_eq!((&ends[1]["by"], &ends[1]["how"]), (&"upstream".into(), &"fin".into()), "{close}");
    assert_eq!((close["in"].as_u64(), close["out"].as_u64()), (Some(9), Some(9)), "{close}");
}

#[test]
fn failures_are_events_by_the_schema_too() {
    let nobody = Nobody::new();
    let served = relay(&["127.0.0.1:0", &nobody.address(), "--json"]);
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    peer.read_to_end(&mut Vec::new()).expect_err("a reset");
    let close = valid(&served.out.until(r#""type":"close""#));
    assert_eq!(close["reason"], "error");
    assert!(close["upstream"].is_null(), "{close}");
    let listener = nobody.open();
    let peer = TcpStream::connect(&served.address).expect("it listens");
    let server = listener.accept().expect("a session").0;
    reset(server);
    let close = valid(&served.out.until(r#""type":"close""#));
    assert_eq!((&close["reason"], &close["ends"][0]["by"]), (&"reset".into(), &"upstream".into()));
    drop(peer);
    signal(served.child.id(), "TERM");
    served.out.rest().iter().for_each(|line| drop(valid(line)));
    assert_eq!(code(served.child.wait()), 0);
}

#[test]
fn datagrams_have_sessions_with_their_peers() {
    let (_echo, at) = echo("udp://127.0.0.1:0");
    let served = relay(&["udp://127.0.0.1:0", &format!("udp://{at}"), "--once"]);
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    peer.connect(&served.address).expect("a route");
    let mut room = [0; 64];
    for words in [&b"20C"[..], b"", b"again"] {
        peer.send(words).expect("sent");
        assert_eq!(peer.recv(&mut room).map(|length| &room[..length]).expect("an answer"), words);
    }
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.contains("«  again")) {
        lines.push(served.err.next());
    }
    insta::assert_snapshot!("relay-udp", told(&lines));
    let (code, rest) = served.stop("TERM");
    assert_eq!(code, 0);
    let last = rest.last().expect("a summary");
    assert!(last.starts_with("relay: 1 session, 8 B up, 8 B down, "), "{last}");
}
