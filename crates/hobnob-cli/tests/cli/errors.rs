//! Real failures: what is said, the exit code, and the same as an event.

use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;

use crate::kit::hardship::a_lack_of_files_is_told;
use crate::kit::{
    Done, as_nobody, finish, folder, hobnob, run, run_with, skip, steady, without_name_servers,
};
use crate::ports::Port;

/// The error of a command: as a snapshot, with its code and slug checked against the event of `--json`.
fn fails(name: &str, words: &[&str], stdin: &[u8]) -> Done {
    fails_by(name, &mut |flags| run_with(&[&words[..1], flags, &words[1..]].concat(), stdin))
}

/// The same for a command that takes more to be run than words; it is given what flags to add.
pub(crate) fn fails_by(name: &str, run: &mut dyn FnMut(&[&str]) -> Done) -> Done {
    let done = run(&[]);
    assert!(done.err.starts_with("error["), "{name}: {}{}", done.out, done.err);
    let slug = done.err["error[".len()..].split(']').next().expect("a slug").to_owned();
    let kind = hobnob::error::Kind::ALL.iter().find(|kind| kind.slug() == slug);
    assert_eq!(done.code, i32::from(kind.expect("a known slug").exit_code()), "{name}");
    assert!(done.err.contains("\n  try    "), "{name} has something to try: {}", done.err);
    for line in done.err.lines() {
        let is_typed = line.contains("hobnob ") || line.starts_with("     ");
        assert!(line.chars().count() <= 80 || is_typed, "{name}: {line}");
    }
    let told = run(&["--json"]);
    let event =
        told.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let mut event = event;
    let event = event.next_back().unwrap_or_else(|| panic!("{name}: no event"));
    assert_eq!((event["type"].as_str(), event["slug"].as_str()), (Some("error"), Some(&*slug)));
    done
}

pub(crate) fn snapshot(name: &str, done: &Done) {
    insta::assert_snapshot!(
        format!("error-{name}"),
        format!("{}exit {}", steady(&done.err), done.code)
    );
}

#[test]
fn mistakes_on_the_command_line() {
    for (name, words) in [
        ("bad-address", vec!["talk", "tcp://127.0.0.1:90000"]),
        ("missing-port", vec!["talk", "example.com"]),
        ("unknown-service", vec!["serve", "ehco"]),
        ("unknown-option-before", vec!["--nope"]),
        ("bad-option-seed", vec!["relay", ":0", ":1", "--seed", "9007199254740992"]),
        ("unknown-option-flag", vec!["serve", "hello", "--greting", "x"]),
        ("unknown-option-elsewhere", vec!["serve", "echo", "--greeting", "x"]),
        ("unknown-option-endpoint", vec!["talk", "tcp://:9000,nodeley"]),
        ("bad-option-time", vec!["talk", ":9000", "--wait", "5"]),
        ("bad-option-endpoint", vec!["talk", "tls://:9000,min=2"]),
        ("bad-option-within", vec!["explain", "raw://127.0.0.1,proto=0"]),
        ("bad-option-status", vec!["serve", "http", "--status", "99"]),
        ("bad-option-no-value", vec!["talk", "tcp://:9000,ttl"]),
        ("bad-option-choice", vec!["serve", "echo", "--framing", "words"]),
        ("bad-option-allow", vec!["serve", "echo", "--allow", "10.0.0.0/40"]),
        ("protocol-serve", vec!["serve", "echo", "http://:8000"]),
        ("protocol-talk", vec!["talk", "http://127.0.0.1:9/x"]),
        ("path-serve", vec!["serve", "http", "http://:8000/x"]),
        ("get-nothing", vec!["get"]),
        ("get-packets", vec!["get", "udp://:9"]),
        ("get-field", vec!["get", ":9", "-H", "no colon"]),
        ("get-field-of-two-lines", vec!["get", ":9", "-H", "a: b\r\nc: d"]),
        ("get-body-nowhere", vec!["get", ":9", "-d", "@/nowhere/x"]),
        ("get-folder-nowhere", vec!["get", ":9", "-o", "/nowhere/x"]),
        ("get-head-and-data", vec!["get", ":9", "--head", "-d", "x"]),
        ("fault-needs-datagrams", vec!["relay", ":0", ":9000", "--fault", "loss=2%"]),
        ("unknown-fault", vec!["relay", ":0", ":9000", "--fault", "up:latncy=1s"]),
        ("bad-option-fault", vec!["relay", ":0", ":9000", "--fault", "rate=1k,after=soon"]),
        ("bad-option-like", vec!["relay", ":0", ":9000", "--like", "4g"]),
        ("usage-verb", vec!["srve"]),
        ("usage-value", vec!["talk", ":9000", "--wait"]),
        ("usage-nobody", vec!["talk"]),
        ("usage-stdout-serve", vec!["serve", "echo", ":9000", "-", "--json"]),
        ("usage-stdout-talk", vec!["talk", "-", "--json"]),
        ("usage-page", vec!["help", "addreses"]),
    ] {
        snapshot(name, &fails(name, &words, b""));
    }
}

#[test]
fn a_part_that_is_not_built_in_is_said() {
    let missing = hobnob::engine::transports().iter().find(|row| row.transport.is_none());
    let Some(row) = missing else { return };
    let address = format!("{}://127.0.0.1:9", row.spec.name);
    let done = fails("not-built-in", &["talk", &address], b"");
    assert!(done.err.contains("error[not-built-in]"), "{}", done.err);
}

#[test]
fn places_that_cannot_be_listened_on() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it is bound").port();
    let done = fails("port-in-use", &["serve", "echo", &format!(":{port}"), "--for", "1ms"], b"");
    assert!(done.err.starts_with(&format!("error[port-in-use]: port {port} is already in use")));
    assert!(done.err.contains("-> EADDRINUSE (98)"), "{}", done.err);
    assert!(done.err.contains("try    hobnob serve echo :"), "{}", done.err);

    let words = ["serve", "echo", "203.0.113.9:9000", "--for", "1ms"];
    let done = fails("address-not-here", &words, b"");
    assert!(done.err.contains("-> EADDRNOTAVAIL (99)"), "{}", done.err);

    let folder = folder();
    let path = folder.path().join("x.sock");
    let _listener = UnixListener::bind(&path).expect("a socket");
    let path = path.to_string_lossy();
    let done = fails("socket-file-exists", &["serve", "echo", &path, "--for", "1ms"], b"");
    assert!(done.err.contains("error[socket-file-exists]"), "{}", done.err);

    let long = format!("/tmp/{}", "x".repeat(120));
    let done = fails("path-too-long", &["talk", &long], b"");
    assert!(done.err.contains("error[path-too-long]"), "{}", done.err);
}

#[test]
fn peers_that_cannot_be_reached() {
    let port = Port::draw();
    let address = format!("127.0.0.1:{}", port.number);
    let done = fails("connection-refused", &["talk", &address], b"");
    snapshot("connection-refused", &done);

    let done = fails("refused-udp", &["talk", &format!("udp://{address}"), "x"], b"");
    assert!(done.err.contains("error[connection-refused]"), "{}", done.err);

    let done = fails("not-found", &["talk", "/nowhere/x.sock"], b"");
    snapshot("not-found", &done);
}

#[test]
fn a_name_that_nobody_has() {
    let test = "errors::a_name_that_nobody_has";
    let command = |flags: &[&str]| {
        without_name_servers(test, &[&["talk"], flags, &["no-such-host.invalid:80"]].concat())
    };
    if command(&[]).is_none() {
        return;
    }
    let mut run = |flags: &[&str]| finish(command(flags).expect("as before"), b"");
    let done = fails_by("host-not-found", &mut run);
    assert_eq!(done.code, 4, "{}", done.err);
}

#[test]
fn peers_that_go_wrong() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    // Closing with unread bytes resets.
    let peer = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut peer, _) = listener.accept().expect("a peer");
            let mut some = [0; 1];
            peer.read_exact(&mut some).expect("a byte");
        }
    });
    let done = fails("connection-reset", &["talk", &address], &[b'x'; 1_000]);
    assert!(done.err.contains("error[connection-reset]"), "{}", done.err);
    peer.join().expect("the peer does not panic");

    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = format!("udp://{}", silent.local_addr().expect("it is bound"));
    let done = fails("timed-out", &["talk", &address, "x", "--wait", "50ms"], b"");
    snapshot("timed-out", &done);

    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("it is bound").to_string();
    let words = ["talk", &address, "--idle", "50ms", "--no-half-close"];
    let done = fails("idle-timeout", &words, b"x");
    snapshot("idle-timeout", &done);

    let done = fails("message-too-long", &["talk", "udp://127.0.0.1:9"], &vec![b'x'; 70_000]);
    assert!(done.err.contains("error[message-too-long]"), "{}", done.err);
}

#[test]
fn rights_that_are_missing() {
    let folder = folder();
    let path = folder.path().join("x.sock");
    let _listener = UnixListener::bind(&path).expect("a socket");
    let Some(done) = as_nobody(&["talk", &path.to_string_lossy()], None) else {
        return skip("rights_that_are_missing", "needs root and setpriv");
    };
    assert_eq!(done.code, 8, "{}", done.err);
    assert!(done.err.contains("error[permission-denied]"), "{}", done.err);
    let done = as_nobody(&["serve", "echo", ":80", "--for", "1ms"], None).expect("as before");
    let start = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if start.is_ok_and(|start| start.trim().parse().unwrap_or(0) <= 80) {
        return skip("rights_that_are_missing", "this machine reserves no ports");
    }
    assert_eq!(done.code, 3, "{}", done.err);
    assert!(done.err.contains("error[privileged-port]"), "{}", done.err);
}

#[test]
fn a_word_that_is_not_text_is_not_taken_for_another() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = folder();
    let mut command = hobnob(&["get", "http://127.0.0.1:1", "-o"]);
    command.arg(std::ffi::OsStr::from_bytes(b"page\xff")).current_dir(folder.path());
    let done = finish(command, b"");
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(done.err.contains(r#"error[usage]: a word of the command is not UTF-8: "page\xff""#));
}

#[test]
fn a_word_that_nobody_looks_at_is_refused() {
    let usual = [
        &["get", "http://127.0.0.1:1", "two"][..],
        &["explain", ":1", ":2"],
        &["doctor", "now"],
        &["demo", "now"],
        &["help", "talk", "get"],
        &["completions", "bash", "zsh"],
        &["man", ".", "."],
    ];
    for words in usual {
        let done = run(words);
        let last = words[words.len() - 1];
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{words:?} {}", done.err);
        assert!(done.err.contains(&format!("{last:?} is one word too many")), "{}", done.err);
    }
}

#[test]
fn too_many_files() {
    a_lack_of_files_is_told(&["talk", "127.0.0.1:9"], 5);
}

#[test]
fn what_is_typed_cannot_drive_the_terminal() {
    for words in [["talk", "\x1b[2J:9"], ["serve", "\u{9b}31m"], ["help", "\u{202e}x"]] {
        let done = run(&words);
        assert_ne!(done.code, 0);
        assert!(!done.err.contains(['\x1b', '\u{9b}', '\u{202e}']), "{:?}", done.err);
    }
}

#[test]
fn the_environment_is_checked() {
    let with = |name: &str, value: &str| {
        let mut command = hobnob(&["talk", "127.0.0.1:1"]);
        command.env(name, value);
        finish(command, b"")
    };
    assert!(with("HOBNOB_TIMEOUT", "5").err.contains("HOBNOB_TIMEOUT cannot be \"5\""));
    assert_eq!(with("HOBNOB_TIMEOUT", "5s").code, 5);
    // A language that is not there is no mistake of who asks for a peer.
    let other = with("HOBNOB_LANG", "zh");
    assert!(other.err.starts_with("HOBNOB_LANG=zh: en is the only language so far"), "{other:?}");
    assert_eq!((other.code, other.err.lines().count() > 1), (5, true), "{other:?}");
    let mut quiet = hobnob(&["talk", "127.0.0.1:1", "-q"]);
    quiet.env("HOBNOB_LANG", "zh");
    assert!(finish(quiet, b"").err.starts_with("error["));
}
