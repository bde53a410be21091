//! Ctrl-C and SIGTERM: drained, cut, and in bounds whatever blocks (safety.md 14).

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use crate::kit::{Bounded, code, hobnob, serve, signal};
use crate::ports::Port;

#[test]
fn the_first_signal_closes_and_the_second_drops() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    served.err.until("  in");
    let id = served.child.id();
    signal(id, "INT");
    assert_eq!(served.err.until("closing"), "closing 1 session (Ctrl-C again to drop it)");
    // The listener closes beside what is said about it; whoever comes before that is cut with the rest.
    let mut early = Vec::new();
    while let Ok(peer) = TcpStream::connect(&served.address) {
        early.push(peer);
        assert!(early.len() < 1_000, "it goes on listening");
        std::thread::yield_now();
    }
    signal(id, "INT");
    assert_eq!(code(served.child.wait()), 0);
    let _ = peer.read(&mut [0; 8]);
}

#[test]
fn a_terminal_that_is_closed_asks_once() {
    let served = serve(&["hello", "127.0.0.1:0"]);
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    served.err.until("  in");
    let id = served.child.id();
    // The kernel says it, and so does a shell.
    signal(id, "HUP");
    assert_eq!(served.err.until("closing"), "closing 1 session");
    signal(id, "HUP");
    // It is not cut: its end comes in order, after what was said.
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).expect("an end, and no reset");
    assert_eq!(heard, b"Welcome!");
    drop(peer);
    assert_eq!(code(served.child.wait()), 0);
}

#[test]
fn a_server_that_drained_exits_well() {
    for name in ["TERM", "INT", "HUP"] {
        let served = serve(&["hello", "127.0.0.1:0"]);
        let (code, rest) = served.stop(name);
        assert_eq!(code, 0, "{name}");
        assert!(rest.last().is_some_and(|line| line.starts_with("hello: 0 sessions")), "{rest:?}");
    }
}

/// timeout(1) sends two signals at once, to its program and to the group of it.
#[test]
fn a_signal_behind_another_does_not_cost_the_last_line() {
    for _ in 0..20 {
        let served = serve(&["hello", "127.0.0.1:0"]);
        signal(served.child.id(), "TERM");
        let (code, rest) = served.stop("TERM");
        assert_eq!(code, 0);
        assert!(rest.last().is_some_and(|line| line.starts_with("hello: 0 sessions")), "{rest:?}");
    }
}

#[test]
fn under_nohup_a_server_outlives_its_terminal() {
    let folder = crate::kit::folder();
    let path = folder.path().join("x.sock").to_string_lossy().into_owned();
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap '' HUP; exec "$@""#, "sh", env!("CARGO_BIN_EXE_hobnob")]);
    command.args(["serve", "echo", &path]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("sh is there");
    let err = crate::kit::Lines::of(child.stderr.take().expect("it is piped"));
    let child = Bounded::of(child);
    err.until("is listening");
    signal(child.id(), "HUP");
    // Were the signal obeyed, the second would find nobody: the drain of the first is waited for in between.
    for _ in 0..2 {
        let done = crate::kit::run(&["talk", &path, "x"]);
        assert_eq!((done.code, done.out.as_str()), (0, "x\n"), "{}", done.err);
    }
    signal(child.id(), "TERM");
    assert_eq!(code(child.wait()), 0);
}

#[test]
fn talk_leaves_at_once_while_stdin_blocks() {
    for (name, expected) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let mut command = hobnob(&["talk", &address]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary is there");
        let _stdin_stays_open = child.stdin.take();
        let child = Bounded::of(child);
        let _peer = listener.accept().expect("it comes");
        signal(child.id(), name);
        assert_eq!(code(child.wait()), expected);
    }
}

#[test]
fn talk_leaves_at_once_while_stdout_is_full() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let mut command = hobnob(&["talk", &address]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = Bounded::of(command.spawn().expect("the binary is there"));
    let (mut peer, _) = listener.accept().expect("it comes");
    // That nothing goes any more only a pause can show; one that is too short for a slow machine merely asks less.
    peer.set_write_timeout(Some(std::time::Duration::from_millis(100))).expect("a timeout");
    let piece = vec![0; 65_536];
    while std::io::Write::write(&mut peer, &piece).is_ok() {}
    signal(child.id(), "TERM");
    assert_eq!(code(child.wait()), 143);
}

#[test]
fn talk_leaves_while_it_waits_for_a_peer() {
    let mut command = hobnob(&["talk", "--listen", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let err = crate::kit::Lines::of(child.stderr.take().expect("it is piped"));
    let child = Bounded::of(child);
    err.until("waiting for one peer");
    signal(child.id(), "INT");
    assert_eq!(code(child.wait()), 130);
}

/// Ctrl-C while starting: nobody answers, and nobody waits for that. One line says so.
#[test]
fn what_is_still_starting_leaves_at_once() {
    let clogged = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("tls://{},insecure", clogged.local_addr().expect("it is bound"));
    let folder = crate::kit::folder();
    let decisions = folder.path().join("decisions.jsonl").to_string_lossy().into_owned();
    let file = folder.path().join("hobnob.toml").to_string_lossy().into_owned();
    let part = format!("[serve.it]\nservice = \"echo\"\non = [\"{silent},dial\"]\n");
    std::fs::write(&file, part).expect("there is room");
    let relay = ["relay", "--both-dial", &silent, "127.0.0.1:1", "--decisions", &decisions];
    for words in [&relay[..], &["serve", "echo", &format!("{silent},dial")], &["up", &file]] {
        for (name, expected) in [("INT", 130), ("TERM", 143)] {
            let mut command = hobnob(words);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().expect("the binary is there");
            let err = crate::kit::Lines::of(child.stderr.take().expect("it is piped"));
            let child = Bounded::of(child);
            let _peer = dialled_by(child.id(), &clogged);
            signal(child.id(), name);
            assert_eq!(code(child.wait()), expected, "{words:?}");
            let said = err.rest();
            let last = said.last().map(String::as_str);
            assert_eq!(last, Some("the start was given up, and nothing is left open"), "{said:?}");
        }
    }
    assert!(!std::path::Path::new(&decisions).exists(), "nothing is left behind");
}

/// Who tries again and again, or waits for whoever may come, is left at once as well.
#[test]
fn whoever_waits_for_a_peer_leaves_at_once() {
    let nobody = Port::draw();
    let at = format!("127.0.0.1:{}", nobody.number);
    let (url, dialled) = (format!("http://{at}/"), format!("tcp://{at},dial,retry"));
    let relay = ["relay", "--both-dial", "--retry", &at, "127.0.0.1:1"];
    for words in [
        &["talk", "--retry", &at][..],
        &["talk", "--listen", "127.0.0.1:0"],
        &["get", "--retry", &url],
        &["serve", "echo", &dialled],
        &relay,
    ] {
        for (name, expected) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
            let mut command = hobnob(words);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let child = Bounded::of(command.spawn().expect("the binary is there"));
            crate::stuck::until_it_listens(child.id());
            signal(child.id(), name);
            let code = code(child.wait());
            // A server that waits for its peer may be called started, and then it drains.
            let drained = matches!(words[0], "serve" | "relay") && code == 0;
            assert!(code == expected || drained, "{words:?} {name}: {code}");
        }
    }
}

/// The conn by which a process comes. A process that is over does not come any more.
fn dialled_by(id: u32, listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("it can be told");
    loop {
        if let Ok((peer, _)) = listener.accept() {
            return peer;
        }
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        assert!(!stat.contains(") Z") && !stat.is_empty(), "it is over, and has not dialled");
        std::thread::yield_now();
    }
}

/// The page is still to come, by a pipe that says nothing.
#[test]
fn a_page_that_never_comes_does_not_hold_up_the_end() {
    let mut command = hobnob(&["serve", "http", "127.0.0.1:0", "--body", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary is there");
    let _stdin_stays_open = child.stdin.take();
    let child = Bounded::of(child);
    // It reads once it is bound: then a thread for that is there.
    let is_reading = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten();
        let names = tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.into_iter().any(|name| name.trim() == "hobnob-work")
    };
    while !is_reading() {
        std::thread::yield_now();
    }
    signal(child.id(), "INT");
    assert_eq!(code(child.wait()), 130);
}
