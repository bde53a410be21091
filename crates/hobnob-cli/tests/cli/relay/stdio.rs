//! `-` as either side: all that was said has arrived before the program is over.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use super::{echo, relay, target};
use crate::kit::{Bounded, Lines, code, folder, hobnob, run_with};

/// Bytes of a file: more than all buffers on the way hold.
const MUCH: usize = 8 << 20;

fn text(seed: u64) -> Vec<u8> {
    let word = |at: u64| format!("{:015x}\n", (at ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4);
    (0..MUCH as u64 / 16).flat_map(|at| word(at).into_bytes()).collect()
}

#[test]
fn a_file_in_and_the_whole_answer_out() {
    let folder = folder();
    let place = folder.path().join("echo.sock").to_string_lossy().into_owned();
    for at in ["tcp://127.0.0.1:0", &format!("unix:{place}")] {
        let (_echo, to) = echo(at);
        let said = text(1);
        let done = run_with(&["relay", "-", &to, "-q"], &said);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{at}");
        assert!(done.out.as_bytes() == said, "{at}: {} bytes", done.out.len());
    }
}

/// The target answers only after all, and at its leisure.
#[test]
fn the_answer_is_waited_for_after_the_input_has_ended() {
    let (target, at) = target();
    let answering = std::thread::spawn(move || {
        let mut server = target.accept().expect("a session").0;
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).expect("an end in order");
        server.write_all(&text(2)).expect("it is open");
        heard
    });
    let done = run_with(&["relay", "-", &at], b"a question\n");
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(answering.join().expect("no panic"), b"a question\n");
    assert!(done.out.as_bytes() == text(2), "{} bytes", done.out.len());
}

/// A target that stays open after our input has ended is waited for, and a person hears of that.
#[test]
fn a_target_that_never_closes_is_told_to_be_waited_for() {
    let (target, at) = target();
    let mut command = hobnob(&["relay", "-", &at]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let err = Lines::of(child.stderr.take().expect("piped"));
    let child = Bounded::of(child);
    let server = target.accept().expect("a session").0;
    err.until("standard input has ended");
    drop(server);
    assert_eq!(code(child.wait()), 0);
}

#[test]
fn a_client_is_joined_with_standard_input_and_output() {
    let folder = folder();
    let path = folder.path().join("relay.sock").to_string_lossy().into_owned();
    let mut command = hobnob(&["relay", &path, "-", "--once"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let (mut input, mut output) =
        (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let err = Lines::of(child.stderr.take().expect("piped"));
    let child = Bounded::of(child);
    err.until("Ctrl-C stops it.");
    let mut client = UnixStream::connect(&path).expect("it listens");
    std::thread::scope(|scope| {
        let mut says = client.try_clone().expect("a descriptor");
        scope.spawn(move || {
            says.write_all(&text(3)).expect("it is open");
            says.shutdown(Shutdown::Write).expect("it is open");
        });
        scope.spawn(move || {
            input.write_all(&text(4)).expect("it reads");
            drop(input);
        });
        let out = scope.spawn(move || {
            let mut out = Vec::new();
            output.read_to_end(&mut out).expect("readable");
            out
        });
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).expect("an end in order");
        assert!(heard == text(4), "the client heard {} bytes", heard.len());
        assert!(out.join().expect("no panic") == text(3), "not all of the client's is on stdout");
    });
    assert_eq!(code(child.wait()), 0);
}

/// Packets, a line each, between standard input and datagrams.
#[test]
fn lines_of_standard_input_are_packets_elsewhere() {
    let (_echo, at) = echo("udp://127.0.0.1:0");
    let done =
        run_with(&["relay", "lines+stdio:", &format!("udp://{at}"), "-q"], b"one\n\nthree\n");
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert_eq!(done.out, "one\n\nthree\n");
}

#[test]
fn a_reader_of_standard_output_that_leaves_ends_the_session() {
    let (target, at) = target();
    let mut command = hobnob(&["relay", "-", &at, "-q"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let input = child.stdin.take().expect("piped");
    drop(child.stdout.take());
    let child = Bounded::of(child);
    let mut server = target.accept().expect("a session").0;
    server.set_write_timeout(Some(crate::kit::BOUND)).expect("a timeout");
    let gone = loop {
        if let Err(error) = server.write_all(&vec![b'x'; 65_536]) {
            break error;
        }
    };
    // Its standard input is still open, and the session is over all the same.
    assert_ne!(gone.kind(), std::io::ErrorKind::WouldBlock, "nobody reads, and nobody says so");
    assert_eq!(code(child.wait()), 141);
    drop(input);
}

#[test]
fn one_client_after_the_other_has_what_is_left_of_standard_input() {
    let served = relay(&["127.0.0.1:0", "-", "--once"]);
    // Its standard input is empty, and ends at once; what the client says is on stdout.
    let mut client = TcpStream::connect(&served.address).expect("it listens");
    client.write_all(b"to stdout\n").expect("it is open");
    client.shutdown(Shutdown::Write).expect("it is open");
    client.read_to_end(&mut Vec::new()).expect("an end in order");
    assert_eq!(served.out.rest(), ["to stdout"]);
    assert_eq!(code(served.child.wait()), 0);
}
