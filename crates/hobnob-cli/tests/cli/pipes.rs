//! Readers that leave, disks that are full, streams that are closed (safety.md 13).

use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::kit::{Bounded, Lines, code, finish, hobnob, serve};

fn shell(script: &str, words: &[&str]) -> crate::kit::Done {
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_hobnob")]).args(words);
    finish(command, b"")
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let served = serve(&["source", "127.0.0.1:0"]);
    let script = "\"$0\" talk \"$1\" </dev/null | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}";
    let done = shell(script, &[&served.address]);
    assert_eq!((done.out.as_str(), done.err.as_str()), ("141\n", ""));
    let done = shell("\"$0\" serve --help | true; echo ${PIPESTATUS[0]}", &[]);
    assert!(["0\n", "141\n"].contains(&done.out.as_str()), "{}", done.out);
    assert_eq!(done.err, "");
}

/// All up to this end, and nothing of what follows.
fn through(from: &mut impl Read, end: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while !all.ends_with(end) {
        let mut byte = [0; 1];
        from.read_exact(&mut byte).expect("it says more");
        all.extend_from_slice(&byte);
    }
    all
}

#[test]
fn a_reader_of_events_that_leaves_ends_the_server() {
    let mut command = hobnob(&["serve", "echo", "127.0.0.1:0", "--json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let mut out = child.stdout.take().expect("it is piped");
    let mut err = child.stderr.take().expect("it is piped");
    let child = Bounded::of(child);
    let first = through(&mut out, b"\n");
    drop(out);
    let line: serde_json::Value = serde_json::from_slice(&first).expect("JSON");
    // The next event finds nobody.
    drop(TcpStream::connect(line["addr"].as_str().expect("an address")));
    assert_eq!(code(child.wait()), 141);
    let mut said = String::new();
    err.read_to_string(&mut said).expect("UTF-8");
    assert_eq!(said, "");
}

#[test]
fn a_server_outlives_the_reader_of_its_log() {
    let mut command = hobnob(&["serve", "echo", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let mut err = child.stderr.take().expect("it is piped");
    let child = Bounded::of(child);
    let banner = through(&mut err, b"\n\n");
    drop(err);
    let banner = String::from_utf8(banner).expect("UTF-8");
    let address = banner.lines().nth(1).and_then(|line| line.split_whitespace().nth(1));
    let address = address.expect("an address");
    for _ in 0..3 {
        let mut peer = TcpStream::connect(address).expect("it lives on");
        peer.write_all(b"x").expect("it is open");
        let mut one = [0; 1];
        peer.read_exact(&mut one).expect("it answers");
    }
    crate::kit::signal(child.id(), "TERM");
    assert_eq!(code(child.wait()), 0);
}

#[test]
fn a_full_disk_is_said() {
    let served = serve(&["hello", "127.0.0.1:0"]);
    let done = shell("\"$0\" talk \"$1\" x >/dev/full; echo $?", &[&served.address]);
    assert_eq!(done.out, "9\n");
    assert!(done.err.starts_with("error[output-failed]"), "{}", done.err);
    assert!(done.err.contains("ENOSPC"), "{}", done.err);
    let done = shell("\"$0\" serve >/dev/full; echo $?", &[]);
    assert_eq!(done.out, "9\n");
    assert!(done.err.starts_with("error[output-failed]"), "{}", done.err);
}

#[test]
fn closed_streams_are_no_panic() {
    let served = serve(&["hello", "127.0.0.1:0"]);
    let done = shell("\"$0\" talk \"$1\" x >&- 2>&-; echo $?", &[&served.address]);
    assert_eq!((done.out.as_str(), done.err.as_str()), ("0\n", ""));
    let done = shell("\"$0\" >&-; echo $?", &[]);
    assert_eq!(done.out, "0\n");
}

#[test]
fn lines_of_a_run_come_in_order() {
    let mut command = hobnob(&["serve", "echo", "127.0.0.1:0", "--json", "--max", "20"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary is there");
    let out = Lines::of(child.stdout.take().expect("it is piped"));
    let child = Bounded::of(child);
    let first: serde_json::Value = serde_json::from_str(&out.next()).expect("JSON");
    for _ in 0..20 {
        drop(TcpStream::connect(first["addr"].as_str().expect("an address")));
    }
    let events = out.rest();
    assert_eq!(code(child.wait()), 0);
    let count = |word: &str| events.iter().filter(|line| line.contains(word)).count();
    assert_eq!((count(r#""type":"open""#), count(r#""type":"close""#)), (20, 20));
    assert!(events.last().is_some_and(|line| line.contains(r#""type":"summary""#)));
}
