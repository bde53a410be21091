//! `serve --model`: what a person and a program see of the blocking models.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use crate::kit::{code, run, serve, signal};

fn hear(peer: &mut TcpStream, said: &[u8]) {
    let mut heard = vec![0; said.len()];
    peer.read_exact(&mut heard).expect("it is served");
    assert_eq!(heard, said);
}

#[test]
fn a_person_sees_that_the_second_client_of_serial_waits() {
    let served = serve(&["hello", "127.0.0.1:0", "--model", "serial"]);
    let mut first = TcpStream::connect(&served.address).expect("it listens");
    hear(&mut first, b"Welcome!");
    let mut second = TcpStream::connect(&served.address).expect("the kernel queues it");
    let told = served.err.until("paused");
    assert!(told.ends_with("  paused by serial: 1 new peer waits"), "{told}");
    first.shutdown(Shutdown::Both).expect("it is open");
    hear(&mut second, b"Welcome!");
    served.err.until("#2");
    drop(second);
    let (code, rest) = served.stop("TERM");
    assert_eq!(code, 0);
    assert!(rest.last().is_some_and(|line| line.starts_with("hello: 2 sessions")), "{rest:?}");
}

#[test]
fn a_program_is_told_how_many_wait() {
    let served = serve(&["hello", "127.0.0.1:0", "--model", "serial", "--json"]);
    let mut first = TcpStream::connect(&served.address).expect("it listens");
    hear(&mut first, b"Welcome!");
    let second = TcpStream::connect(&served.address).expect("the kernel queues it");
    let paused: serde_json::Value =
        serde_json::from_str(&served.out.until(r#""what":"paused""#)).expect("JSON");
    assert_eq!((&paused["limit"], &paused["count"]), (&"serial".into(), &1.into()), "{paused}");
    drop((first, second));
    assert_eq!(served.stop("TERM").0, 0);
}

#[test]
fn the_first_signal_closes_a_thread_and_the_second_drops_it() {
    for model in ["threads", "serial"] {
        let served = serve(&["hello", "127.0.0.1:0", "--model", model]);
        let mut peer = TcpStream::connect(&served.address).expect("it listens");
        hear(&mut peer, b"Welcome!");
        signal(served.child.id(), "TERM");
        assert_eq!(served.err.until("closing"), "closing 1 session", "{model}");
        assert_eq!(peer.read(&mut [0; 8]).expect("an end, and no reset"), 0);
        drop(peer);
        assert_eq!(code(served.child.wait()), 0, "{model}");

        // One whose answer is held back for an hour does not come to its end by itself.
        let words = ["hello", "127.0.0.1:0", "--model", model, "--delay", "1h"];
        let served = serve(&words);
        let mut peer = TcpStream::connect(&served.address).expect("it listens");
        hear(&mut peer, b"Welcome!");
        peer.write_all(b"A").expect("it is open");
        served.err.until("«");
        signal(served.child.id(), "TERM");
        served.err.until("closing");
        signal(served.child.id(), "TERM");
        assert_eq!(code(served.child.wait()), 0, "{model}");
    }
}

#[test]
fn once_and_the_transcript_are_as_ever() {
    for model in ["async", "threads", "serial"] {
        let served = serve(&["upper", "127.0.0.1:0", "--model", model, "--once"]);
        let mut peer = TcpStream::connect(&served.address).expect("it listens");
        peer.write_all(b"aloud\n").expect("it is open");
        hear(&mut peer, b"ALOUD\n");
        peer.shutdown(Shutdown::Write).expect("it is open");
        assert_eq!(code(served.child.wait()), 0, "{model}");
        let rest = served.err.rest();
        for part in ["  in", "«  aloud", "»  ALOUD", "6 B in, 6 B out", "upper: 1 session"] {
            assert!(rest.iter().any(|line| line.contains(part)), "{model}: no {part} in {rest:?}");
        }
    }
}

#[test]
fn what_cannot_be_is_an_error_with_something_to_try() {
    for (words, what) in [
        (&["chat", ":0", "--model", "threads"][..], "chat cannot be served by --model threads"),
        (&["hello", "udp://:0", "--model", "serial"], "cannot be served by --model serial"),
        (&["echo", "lines+tcp://:0", "--model", "threads"], "lines stands before the socket"),
        (&["echo", "memory:x", "--model", "threads"], "memory is no stream socket"),
    ] {
        let all: Vec<_> = ["serve"].iter().chain(words).copied().collect();
        let done = run(&all);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{words:?}: {}", done.err);
        assert!(
            done.err.starts_with("error[does-not-fit]: ") && done.err.contains(what),
            "{}",
            done.err
        );
        assert!(done.err.contains("hobnob help models"), "{}", done.err);
    }
    let done = run(&["serve", "hello", ":0", "--model", "fork"]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("async") && done.err.contains("threads"), "{}", done.err);
}
