//! Relays that cannot be: what is said, the exit code, the same as an event, and that what is suggested works.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use super::{Nobody, target};
use crate::errors::{fails_by, snapshot};
use crate::kit::{Done, code, finish, folder, hobnob, launch, run};
use crate::ports::Port;

fn fails(name: &str, words: &[&str]) -> Done {
    fails_by(name, &mut |flags| run(&[&["relay"], flags, words].concat()))
}

#[test]
fn mistakes_on_the_command_line() {
    for (name, words) in [
        ("nothing", vec![]),
        ("one-address", vec![":9001"]),
        ("three-addresses", vec![":9001", ":9000", ":9002"]),
        ("bad-address", vec![":9001", "tcp://127.0.0.1:90000"]),
        ("missing-port", vec![":9001", "example.com"]),
        ("unknown-option", vec![":9001", "tcp://:9000,nodeley"]),
        ("option-before", vec!["-O", "nodelay", ":9001", ":9000"]),
        ("bytes-to-packets", vec![":9001", "udp://10.0.0.1:53"]),
        ("packets-to-bytes", vec!["udp://:5353", ":9000"]),
        ("path-with-a-space", vec!["/tmp/a b.sock", "udp://:53"]),
        ("protocol", vec![":9001", "http://example.com/"]),
        ("stdout", vec!["-", ":9000", "--json"]),
        ("stdout-as-target", vec![":9001", "-", "--json"]),
        ("nobody-arrives", vec!["udp://:5353", "udp://:5354", "--both-listen"]),
    ] {
        let done = fails(name, &words);
        snapshot(&format!("relay-{name}"), &done);
    }
}

/// It dials before it says so, at places where nobody else's test may listen meanwhile.
#[test]
fn who_dials_on_both_sides_and_listens_is_told_that_nobody_is_there() {
    let ports = [Port::draw(), Port::draw()];
    let [at, to] = ports.each_ref().map(|port| format!(":{}", port.number));
    let done = fails("both-ways", &[&at, &to, "--both-listen", "--both-dial"]);
    let err = done.err.replace(&at, ":9001").replace(&to, ":9000");
    snapshot("relay-both-ways", &Done { err, ..done });
}

#[test]
fn loops_are_refused_at_the_start() {
    for (at, to) in [
        ("127.0.0.1:19001", "127.0.0.1:19001"),
        ("0.0.0.0:19001", "127.0.0.1:19001"),
        ("udp://[::1]:19001", "udp://[::1]:19001"),
    ] {
        let done = fails("loop", &[at, to]);
        assert_eq!(done.code, 2, "{}", done.err);
        assert!(done.err.starts_with("error[loop]: "), "{}", done.err);
    }
    snapshot("relay-loop", &fails("loop", &["127.0.0.1:19001", "127.0.0.1:19001"]));
}

#[test]
fn places_that_cannot_be_had() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|at| (taken, at.to_string())).expect("it is bound");
    let (_target, at) = target();
    let done = fails("port-in-use", &[&taken.1, &at, "--for", "1ms"]);
    assert_eq!(done.code, 3, "{}", done.err);
    assert!(done.err.starts_with("error[port-in-use]"), "{}", done.err);
    // What waits for its target is not there either, and nothing stays open.
    let folder = folder();
    let path = folder.path().join("x.sock");
    let words = [&*path.to_string_lossy(), &taken.1, "--both-listen", "--for", "1ms"];
    let done = fails("port-in-use", &words);
    assert_eq!(done.code, 3, "{}", done.err);
    assert!(!path.exists(), "it listens there still");
}

#[test]
fn who_is_dialled_at_the_start_and_is_not_there() {
    let (nobody, (_target, at)) = (Nobody::new(), target());
    let done = fails("both-dial", &[&nobody.address(), &at, "--both-dial"]);
    assert_eq!(done.code, 5, "{}", done.err);
    snapshot("relay-both-dial", &done);
}

/// Standard input comes once: who is dialled for it and is not there is the end, and no success.
#[test]
fn who_is_dialled_for_the_only_client_and_is_not_there() {
    let nobody = Nobody::new();
    let done = run(&["relay", "-", &nobody.address()]);
    assert_eq!(done.code, 5, "{}", done.err);
    assert!(done.err.contains("\nerror[connection-refused]: nothing is listening"), "{}", done.err);
    assert!(done.err.contains(&format!("try    hobnob relay - {} --retry", nobody.address())));
    // Where others may come, and for whoever was served, nothing has failed.
    let relayed = super::relay(&["127.0.0.1:0", &nobody.address()]);
    let mut client = std::net::TcpStream::connect(&relayed.address).expect("it listens");
    assert!(client.read(&mut [0]).is_err(), "nobody is there for it");
    assert_eq!(relayed.stop("TERM").0, 0);
}

/// Who is there and speaks something else is not waited for.
#[cfg(feature = "tls")]
#[test]
fn who_is_dialled_anew_and_cannot_be() {
    for json in [false, true] {
        let ((one, one_at), (_other, other_at)) = (target(), target());
        let to = format!("tls://{one_at}");
        let words = ["relay", &to, &other_at, "--both-dial", "--retry", "--json"];
        let launched = launch(hobnob(&words[..words.len() - usize::from(!json)]));
        let mut peer = one.accept().expect("it dials").0;
        peer.write_all(b"this is no TLS at all").expect("it is open");
        assert_eq!(code(launched.child.wait()), 7);
        let (err, out) = (launched.err.rest().join("\n"), launched.out.rest());
        let told = out.iter().filter(|line| line.contains(r#""slug":"not-tls""#)).count();
        assert_eq!((err.contains("\nerror[not-tls]: "), told), (!json, usize::from(json)), "{err}");
        assert!(!out.iter().any(|line| line.contains("hobnob -")), "{out:?}");
    }
}

/// Each suggestion for shapes that do not fit, as it would be pasted, but for a moment only.
#[test]
fn what_is_suggested_works_as_it_is_pasted() {
    let folder = folder();
    let path = folder.path().join("it is here.sock").to_string_lossy().into_owned();
    for words in [
        ["127.0.0.1:0", "udp://127.0.0.1:53"],
        ["udp://127.0.0.1:0", "127.0.0.1:9"],
        [&path, "udp://127.0.0.1:53"],
        ["udp://127.0.0.1:0", &path],
        ["-", "udp://127.0.0.1:53"],
        ["udp://127.0.0.1:0", "-"],
        ["unixseq:@hobnob-pasted", "unix:@hobnob-pasted-to"],
    ] {
        let done = run(&["relay", words[0], words[1]]);
        assert!(done.err.starts_with("error[does-not-fit]"), "{}", done.err);
        let line = done.err.lines().find(|line| line.starts_with("  try    "));
        let suggested = line.expect("something to try")["  try    ".len()..].trim_end();
        let command = suggested.split("   ").next().expect("a command");
        let words = command.strip_prefix("hobnob ").unwrap_or_else(|| panic!("{suggested}"));
        let mut shell = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_hobnob");
        shell.arg("-c").arg(format!("exec '{program}' {words} --for 20ms"));
        let pasted = finish(shell, b"");
        assert_eq!(pasted.code, 0, "{suggested}: {}", pasted.err);
    }
}
