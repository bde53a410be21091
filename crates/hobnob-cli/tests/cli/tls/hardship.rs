//! What `docs/reference/hardship.md` says of TLS, each cell that no other test shows.

use std::io::{Read as _, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};

use crate::kit::hardship::{a_lack_of_files_is_told, connect, is_light, reset};
use crate::kit::{Bounded, Served, code, finish, hobnob, serve, signal};
use crate::papers::Papers;

fn served(service: &str, papers: &Papers) -> Served {
    serve(&[service, &format!("tls://127.0.0.1:0,{}", papers.listening()), "--json"])
}

fn to(served: &Served, papers: &Papers) -> String {
    format!("tls://{},{}", served.address, papers.dialling())
}

/// A conversation that is under way.
fn talking(to: &str) -> (Bounded, ChildStdin, ChildStdout) {
    let mut command = hobnob(&["talk", to]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary is there");
    let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    (Bounded::of(child), input, output)
}

#[test]
fn too_few_descriptors_are_told_as_that() {
    let papers = Papers::new();
    let served = served("echo", &papers);
    a_lack_of_files_is_told(&["talk", &to(&served, &papers), "hello"], 0);
}

#[test]
fn a_full_disk_under_the_log_of_secrets_ends_nothing() {
    let papers = Papers::new();
    let served = served("echo", &papers);
    let mut command = hobnob(&["talk", &to(&served, &papers), "hello"]);
    command.env("SSLKEYLOGFILE", "/dev/full");
    let done = finish(command, b"");
    assert_eq!((done.code, &*done.out), (0, "hello\n"), "{}", done.err);
}

#[test]
fn sigterm_ends_sessions_with_the_end_of_tls() {
    let papers = Papers::new();
    let served = served("echo", &papers);
    let (child, mut input, mut output) = talking(&to(&served, &papers));
    input.write_all(b"x").expect("it reads");
    output.read_exact(&mut [0]).expect("it answers");
    signal(served.child.id(), "TERM");
    // What ended without the end of TLS would be 7. Standard input stays open, and silent.
    assert_eq!(code(child.wait()), 6);
    assert_eq!(code(served.child.wait()), 0);
}

#[test]
fn a_peer_that_does_not_read_holds_up_nobody_else() {
    let papers = Papers::new();
    let served = served("source", &papers);
    let (deaf, _input, _unread) = talking(&to(&served, &papers));
    served.out.until(r#""type":"dressed""#);
    let (other, _others_input, mut output) = talking(&to(&served, &papers));
    output.read_exact(&mut vec![0; 8 << 20]).expect("it is served all the same");
    for process in [served.child.id(), deaf.id()] {
        is_light(process);
    }
    drop((deaf, other));
}

#[test]
fn a_reset_ends_one_session_at_any_time() {
    let papers = Papers::new();
    let served = served("source", &papers);
    // Before a word, in the middle of the handshake, and with much unread.
    for said in [&b""[..], &[22, 3, 1, 0, 4, 1]] {
        let mut peer = connect(&served.address);
        peer.write_all(said).expect("it is open");
        served.out.until(r#""type":"open""#);
        reset(peer);
        let close = served.out.until(r#""type":"close""#);
        assert!(close.contains(r#""reason":"reset""#), "{close}");
    }
    let (child, _input, mut output) = talking(&to(&served, &papers));
    output.read_exact(&mut [0; 64]).expect("it pours");
    signal(child.id(), "KILL");
    assert_eq!(code(child.wait()), 137);
    let close = served.out.until(r#""type":"close""#);
    assert!(close.contains(r#""reason":"reset""#), "{close}");
    let (_next, _input, mut output) = talking(&to(&served, &papers));
    output.read_exact(&mut [0; 64]).expect("the next peer is served");
}
