//! `hobnob serve`: what it says, where it listens, when it stops by itself.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;

use crate::kit::{Bounded, Lines, code, finish, hobnob, launch, run, serve, signal};
use crate::ports::Port;

#[test]
fn the_transcript() {
    let served = serve(&["hello", "127.0.0.1:0", "--once"]);
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    let mut room = [0; 64];
    let got = peer.read(&mut room).expect("a greeting");
    assert_eq!(&room[..got], b"Welcome!");
    peer.write_all("李雷\x1b[2J\n".as_bytes()).expect("it is open");
    let got = peer.read(&mut room).expect("an answer");
    assert_eq!(&room[..got], "Hello, 李雷\x1b[2J!\n".as_bytes());
    peer.write_all(b"exit\n").expect("it is open");
    drop(peer);
    let lines = served.err.rest();
    let said = lines.join("\n");
    assert!(!said.contains('\x1b'), "{said}");
    let data: Vec<_> =
        lines.iter().filter(|line| line.contains('»') || line.contains('«')).collect();
    let tails: Vec<_> = data.iter().map(|line| &line[8..]).collect();
    insta::assert_snapshot!(
        "transcript",
        tails.iter().fold(String::new(), |all, tail| all + tail + "\n")
    );
    assert!(said.contains("  #1  127.0.0.1:"), "{said}");
    assert!(said.contains("16 B in, 27 B out   said exit"), "{said}");
    assert!(
        said.lines()
            .last()
            .is_some_and(|line| line.starts_with("hello: 1 session, 16 B in, 27 B out, "))
    );
    assert_eq!(code(served.child.wait()), 0);
}

#[test]
fn where_it_listens_is_said_with_how_to_reach_it() {
    let served = serve(&["echo", ":0,backlog=7"]);
    let (line, port) = (&served.banner, served.port());
    assert!(line.contains(&format!("hobnob talk :{port} ")), "{line}");
    assert!(line.ends_with(&format!("nc 127.0.0.1 {port}")), "{line}");
}

#[test]
fn ascii_gutters_and_hex() {
    let served = serve(&["echo", "127.0.0.1:0", "--once", "--ascii", "-x"]);
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    peer.write_all(b"hi\n").expect("it is open");
    drop(peer);
    let said = served.err.rest().join("\n");
    assert!(said.is_ascii(), "{said}");
    assert!(said.contains("68 69 0a"), "{said}");
}

#[test]
fn it_stops_after_so_many_sessions_or_a_time() {
    let served = serve(&["echo", "127.0.0.1:0", "--max", "2"]);
    for _ in 0..2 {
        drop(TcpStream::connect(&served.address).expect("it listens"));
    }
    assert!(served.err.rest().last().is_some_and(|line| line.starts_with("echo: 2 sessions")));
    let done = run(&["serve", "echo", "127.0.0.1:0", "--for", "50ms"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("echo: 0 sessions, 0 B in, 0 B out, "), "{}", done.err);
}

#[test]
fn datagrams_are_shown_with_their_peer() {
    let served = serve(&["temp", "udp://127.0.0.1:0"]);
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a port");
    peer.send_to(b"20C", &served.address).expect("it listens");
    let line = served.err.until("«");
    let from = peer.local_addr().expect("it is bound").to_string();
    assert!(line.contains(&from) && line.ends_with("3 B"), "{line}");
    assert!(served.err.next().ends_with("6 B"));
    let (code, rest) = served.stop("TERM");
    assert_eq!(code, 0);
    assert!(
        rest.last().is_some_and(|line| line.starts_with("temp: 1 packet, 3 B in, 6 B out")),
        "{rest:?}"
    );
}

#[test]
fn a_default_port_that_is_taken_is_replaced_and_a_named_one_never() {
    let default = hobnob::engine::services().iter().find(|row| row.spec.name == "echo");
    let port = default.expect("the service").door().port;
    // Perhaps somebody else has it: all the same.
    let _taken = TcpListener::bind(("127.0.0.1", port));
    let served = serve(&["echo"]);
    assert_ne!(served.port(), port);
    let said = served.err.until("in use").clone();
    assert_eq!(said, format!("port {port} is in use, so this is {}", served.port()));
    let done = run(&["serve", "echo", &format!("127.0.0.1:{port}"), "--for", "1ms"]);
    assert_eq!(done.code, 3, "{}", done.err);
}

/// The page comes by a pipe, which can be read once, however many ports are tried before.
#[test]
fn a_page_by_a_pipe_is_whole_where_the_default_port_is_taken() {
    let default = hobnob::engine::services().iter().find(|row| row.spec.name == "http");
    let _taken = TcpListener::bind(("127.0.0.1", default.expect("the service").door().port));
    let mut command = hobnob(&["serve", "http", "--body", "-", "--once"]);
    command.env("HOBNOB_ASCII", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let mut page = child.stdin.take().expect("it is piped");
    page.write_all(b"the whole page\n").expect("it is read");
    drop(page);
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    let child = Bounded::of(child);
    let line = err.until("127.0.0.1:");
    let address = line.split_whitespace().nth(1).expect("an address").to_owned();
    let done = run(&["get", &format!("http://{address}/")]);
    assert_eq!((done.code, done.out.as_str()), (0, "the whole page\n"), "{}", done.err);
    assert_eq!(code(child.wait()), 0);
}

#[test]
fn several_addresses_are_one_server() {
    let folder = crate::kit::folder();
    let path = folder.path().join("x.sock");
    let path = path.to_string_lossy();
    let served = serve(&["upper", "127.0.0.1:0", "udp://127.0.0.1:0", &path]);
    assert!(served.err.next().trim_start().starts_with("udp"));
    assert!(served.err.next().contains("hobnob talk /"));
    let done = run(&["talk", &path, "shout"]);
    assert_eq!((done.code, done.out.as_str()), (0, "SHOUT\n"), "{}", done.err);
    let (code, _) = served.stop("TERM");
    assert_eq!(code, 0);
    assert!(!std::path::Path::new(&*path).exists(), "its socket file goes with it");
}

#[test]
fn quiet_says_nothing() {
    let mut command = hobnob(&["serve", "echo", "127.0.0.1:0", "-q", "--for", "50ms"]);
    command.env("HOBNOB_ASCII", "1");
    let done = finish(command, b"");
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, "", ""));
}

#[test]
fn limits_are_shown_when_asked_for() {
    let served = serve(&["echo", "127.0.0.1:0", "--allow", "10.0.0.0/8", "-v"]);
    // The refusal is a reset, which may overtake the end of the connect.
    let _peer = TcpStream::connect(&served.address);
    assert!(served.err.until("refused").ends_with("refused by allow"));
}

#[test]
fn the_hint_to_dial_leaves_out_what_only_a_listener_is_told() {
    let mut command =
        hobnob(&["serve", "echo", "127.0.0.1:0,allow=127.0.0.1,backlog=5", "--for", "50ms"]);
    command.env("HOBNOB_ASCII", "1");
    let done = finish(command, b"");
    let hint = done.err.lines().find(|line| line.contains("hobnob talk")).expect("a hint");
    assert!(!hint.contains("allow") && !hint.contains("backlog"), "{hint}");
}

#[test]
fn a_service_has_its_own_flags() {
    let words = ["hello", "127.0.0.1:0", "--greeting", r"Hi\n", "--reply", "Ho, {}", "--exit", "q"];
    let served = serve(&words);
    let done = run(&["talk", &served.address, "x", "q"]);
    assert_eq!((done.code, done.out.as_str()), (0, "Hi\nHo, x\n"), "{}", done.err);
}

#[test]
fn nothing_stays_open_when_one_of_several_cannot_be_had() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("it is bound").to_string();
    let folder = crate::kit::folder();
    let path = folder.path().join("x.sock");
    let done = run(&["serve", "echo", &path.to_string_lossy(), &taken, "--for", "1ms"]);
    // The listener was dropped at the end of its line, so either outcome is an honest one.
    assert!(done.code == 0 || done.code == 3, "{}", done.err);
    assert!(!path.exists(), "no socket file is left");
}

#[test]
fn a_page_may_come_from_standard_input() {
    let mut command = hobnob(&["serve", "http", "127.0.0.1:0", "--body", "-", "--json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    child.stdin.take().expect("it is piped").write_all("<p>李雷".as_bytes()).expect("it reads");
    let out = Lines::of(child.stdout.take().expect("it is piped"));
    let child = Bounded::of(child);
    let line: serde_json::Value = serde_json::from_str(&out.until("listening")).expect("JSON");
    let url = format!("http://{}/", line["addr"].as_str().expect("an address"));
    for _ in 0..2 {
        let done = run(&["get", &url]);
        assert_eq!((done.code, done.out.as_str()), (0, "<p>李雷"), "{}", done.err);
    }
    signal(child.id(), "TERM");
    assert_eq!(code(child.wait()), 0);
}

#[test]
fn what_peers_do_wrong_is_told_once_a_second_and_not_at_all_under_quiet() {
    const PEERS: usize = 50;
    let wrong = |address: &str| {
        let mut peer = loop {
            if let Ok(peer) = TcpStream::connect(address) {
                break peer;
            }
            std::thread::yield_now();
        };
        peer.write_all(b"nonsense\r\n").expect("it is open");
        let mut heard = String::new();
        peer.read_to_string(&mut heard).expect("an end in order");
        assert!(heard.starts_with("HTTP/1.1 400 "), "{heard}");
    };
    let clock = hobnob::clock::Clock::start();
    let served = serve(&["http", "127.0.0.1:0"]);
    (0..PEERS).for_each(|_| wrong(&served.address));
    let (code, lines) = served.stop("TERM");
    let most = 1 + usize::try_from(clock.now().as_secs()).expect("a few");
    let told = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(code, 0);
    assert!((1..=most).contains(&told("error[bad-frame]")), "{lines:#?}");

    let port = Port::draw();
    let address = format!("127.0.0.1:{}", port.number);
    let launched = launch(hobnob(&["serve", "http", &address, "-q"]));
    wrong(&address);
    assert_eq!(launched.stop("TERM"), (0, Vec::new()));
}

#[test]
fn a_server_has_no_path() {
    for words in [
        &["http://:8000/x"][..],
        &["http://:8000,path=/x"],
        &["http+unix:/tmp/x,http.path=/x"],
        &["http://:8000", "-O", "path=/x"],
    ] {
        let done = run(&[&["serve", "http"], words].concat());
        assert_eq!(done.code, 2, "{words:?} {}", done.err);
        assert!(done.err.contains("^ a path is for those who ask"), "{words:?} {}", done.err);
        assert!(
            !done.err.contains(",,") && !done.err.contains("8000,\n"),
            "{words:?} {}",
            done.err
        );
    }
    let done = run(&["serve", "http", "http://:8000,path=/x,nodelay"]);
    assert!(done.err.contains("try    hobnob serve http http://:8000,nodelay "), "{}", done.err);
}
