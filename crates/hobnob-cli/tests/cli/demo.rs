//! `hobnob demo`: what it serves is there, on other ports where its own are taken, and ends when it is asked to.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::kit::hardship::{ends_without_its_events, with_files};
use crate::kit::{Launched, code, finish, folder, hobnob, launch, skip};
use crate::screen::{BINARY, Screen};

/// The parts, with the line to try for each.
fn demo() -> (Launched, BTreeMap<String, String>) {
    let playing = launch(hobnob(&["demo"]));
    let first = playing.err.next();
    assert_eq!(first, "a playground on this machine only; Ctrl-C ends it");
    let mut lines = BTreeMap::new();
    for _ in 0..5 {
        let line = playing.err.next();
        assert!(line.chars().count() <= 80, "{line}");
        let (name, line) = line.trim_start().split_once(' ').expect("a name and a line");
        lines.insert(name.to_owned(), line.trim_start().to_owned());
    }
    (playing, lines)
}

fn port(line: &str) -> u16 {
    let digits = |word: &str| word.rsplit(':').next().and_then(|port| port.parse().ok());
    line.split(' ').find_map(digits).expect("a port")
}

/// Runs a line as a shell would, and says so much to it.
fn try_line(line: &str, said: &[u8]) -> crate::kit::Done {
    let own = Path::new(env!("CARGO_BIN_EXE_hobnob")).parent().expect("a folder");
    let mut command = Command::new("sh");
    command.args(["-c", line]).env_clear().env("PATH", format!("{}:/usr/bin:/bin", own.display()));
    finish(command, said)
}

#[test]
fn each_line_to_try_works() {
    let (playing, lines) = demo();
    let done = try_line(&lines["greet"], b"Michael\nexit\n");
    assert_eq!((done.code, done.out.as_str()), (0, "Welcome!Hello, Michael!\n"), "{}", done.err);
    let line = playing.err.until("Michael");
    assert!(line.contains("  greet    #1  "), "each line has the name: {line}");
    let done = try_line(&lines["echo"], b"");
    assert_eq!((done.code, done.out.as_str()), (0, "hello\n"), "{}", done.err);
    let done = try_line(&lines["convert"], b"");
    assert_eq!((done.code, done.out.trim_end()), (0, "68.0 F"), "{}", done.err);
    let (command, note) = lines["chat"].split_once("   ").expect("a note beside it");
    assert_eq!(note.trim(), "once more in another terminal");
    let done = try_line(command, b"Li\n");
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(!done.out.is_empty());
    // The line is hobnob get; that the page is there is shown without it.
    let port = port(&lines["page"]);
    assert_eq!(lines["page"], format!("hobnob get http://127.0.0.1:{port}"));
    let mut peer = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    peer.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("it is open");
    let mut page = String::new();
    peer.read_to_string(&mut page).expect("a page");
    assert!(page.starts_with("HTTP/1.") && page.contains(" 200 "), "{page}");
    let (code, _) = playing.stop("INT");
    assert_eq!(code, 0);
}

#[test]
fn a_port_that_is_taken_is_replaced_by_the_next_free_one_and_said() {
    // Perhaps somebody else has them: all the same.
    let _taken = [9_000, 9_002, 8_000].map(|port| TcpListener::bind(("127.0.0.1", port)));
    let (playing, lines) = demo();
    for (name, usual) in [("greet", 9_000), ("chat", 9_002), ("page", 8_000)] {
        let port = port(&lines[name]);
        assert_ne!(port, usual);
        let line = playing.err.until(&format!("port {usual} is in use"));
        assert_eq!(line, format!("port {usual} is in use, so {name} is on {port}"));
        drop(TcpStream::connect(("127.0.0.1", port)).expect("it listens"));
    }
    assert_eq!(playing.stop("TERM").0, 0);
}

#[test]
fn it_ends_when_it_is_asked_to_and_its_ports_are_free() {
    for name in ["INT", "TERM", "HUP"] {
        let (playing, lines) = demo();
        let ports: Vec<_> = ["greet", "echo", "chat", "page"].map(|name| port(&lines[name])).into();
        let mut peer = TcpStream::connect(("127.0.0.1", ports[0])).expect("it listens");
        playing.err.until("  in");
        // It leaves when it is left.
        std::thread::spawn(move || peer.read_to_end(&mut Vec::new()));
        let (code, said) = playing.stop(name);
        assert_eq!(code, 0, "{name}");
        assert!(said.iter().any(|line| line.starts_with("greet: 1 session")), "{said:?}");
        for port in ports {
            // Another demo may have it by now, but nobody of this one.
            let bound = TcpListener::bind(("127.0.0.1", port));
            let is_taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
            assert!(bound.as_ref().err().is_none_or(is_taken), "{bound:?}");
        }
    }
}

#[test]
fn a_terminal_that_is_closed_ends_it() {
    let Some(screen) = Screen::open("demo::a_terminal_that_is_closed_ends_it") else { return };
    let folder = folder();
    let log = folder.path().join("log");
    // Its words go to a file, which is still there when the terminal is not.
    screen.line(&format!("{BINARY} demo 2> {}", log.display()));
    says(&log, "http://127.0.0.1:");
    screen.tmux(&["kill-server"]);
    says(&log, "\npage: 0 sessions");
}

/// Waits until a file has these words.
fn says(log: &Path, words: &str) {
    for _ in 0..400 {
        if std::fs::read_to_string(log).is_ok_and(|text| text.contains(words)) {
            return;
        }
        // Nobody tells when a file changes, so it is looked at again.
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    panic!("{words:?} is not in {:?}", std::fs::read_to_string(log));
}

#[test]
fn a_machine_without_ipv6_has_it_too() {
    let is_possible = Command::new("unshare").args(["-rn", "ip", "link"]).output();
    if !is_possible.is_ok_and(|output| output.status.success()) {
        return skip("demo::a_machine_without_ipv6_has_it_too", "needs unshare and ip");
    }
    let script = r#"
        echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && ip link set lo up || exit 99
        "$1" demo 2> "$2" &
        until grep -q "http://" "$2"; do sleep 0.02; done
        "$1" talk :9000 Michael exit && "$1" talk udp://:9998 20C && "$1" talk :9001 hello
        kill -TERM $! && wait $! && cat "$2"
    "#;
    let folder = folder();
    let log = folder.path().join("log").to_string_lossy().into_owned();
    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_hobnob"), &log]);
    let done = finish(command, b"");
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.out.starts_with("Welcome!Hello, Michael!\n68.0 Fhello\n"), "{}", done.out);
    let left_out: Vec<_> = done.out.lines().filter(|line| line.contains("left out")).collect();
    assert!(left_out.len() == 1 && left_out[0].contains("::1"), "{left_out:?}");
}

#[test]
fn in_a_pipe_it_has_neither_colour_nor_a_terminal() {
    let done = crate::kit::run(&["demo", "--for", "10ms"]);
    assert_eq!((done.code, done.out.as_str()), (0, ""));
    assert!(!done.err.contains('\x1b'), "{}", done.err);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{BINARY} demo --json --for 300ms | head -1; echo over")]);
    let done = finish(command, b"");
    assert!(done.out.starts_with(r#"{"v":1,"type":"listening""#), "{}", done.out);
    assert!(done.out.ends_with("over\n"), "{}", done.out);
}

#[test]
fn events_have_the_name_of_what_they_belong_to() {
    let playing = launch(hobnob(&["demo", "--json"]));
    let mut address = String::new();
    for _ in 0..9 {
        let line: serde_json::Value = serde_json::from_str(&playing.out.next()).expect("JSON");
        if line["name"] == "echo" && address.is_empty() {
            line["addr"].as_str().expect("an address").clone_into(&mut address);
        }
    }
    let mut peer = TcpStream::connect(address).expect("it listens");
    peer.write_all(b"hi").expect("it is open");
    for kind in ["open", "data", "data", "close"] {
        if kind == "close" {
            peer.shutdown(std::net::Shutdown::Write).expect("it is open");
        }
        let line = playing.out.until(&format!(r#""type":"{kind}""#));
        crate::json::valid(&line);
        assert!(line.contains(r#""name":"echo""#), "{line}");
    }
    crate::kit::signal(playing.child.id(), "TERM");
    let last = playing.out.rest();
    assert_eq!(last.iter().filter(|line| line.contains(r#""verb":"demo""#)).count(), 5);
    assert_eq!(code(playing.child.wait()), 0);
}

#[test]
fn without_descriptors_it_says_so_and_nothing_runs() {
    for most in 4..=20 {
        let done = finish(with_files(most, &["demo", "--for", "10s"]), b"");
        assert_eq!(done.code, 3, "{most}: {}", done.err);
        assert!(done.err.contains("error[too-many-files]: "), "{most}: {}", done.err);
    }
}

#[test]
fn a_full_disk_under_its_events_ends_it() {
    ends_without_its_events(hobnob(&["demo", "--json"]));
}
