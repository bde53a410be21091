//! Servers that are broken, slow or hostile; readers that leave; signals.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc::channel;

use super::{Played, get, request};
use crate::kit::hardship::a_lack_of_files_is_told;
use crate::kit::{Bounded, Lines, code, finish, folder, hobnob, run, signal};

/// The slug of the error that an answer like this gets, and its exit code.
fn refused(answer: &str) -> (String, i32) {
    let (done, _) = get(answer, &[]);
    let slug = done.err.strip_prefix("error[").and_then(|rest| rest.split(']').next());
    assert!(done.err.contains("\n  try    "), "{}", done.err);
    assert!(done.err.lines().all(|line| line.chars().count() <= 80), "{}", done.err);
    (slug.unwrap_or_else(|| panic!("{answer:?}: {}", done.err)).to_owned(), done.code)
}

#[test]
fn an_answer_that_can_be_read_in_two_ways_is_none() {
    for rest in [
        "Content-Length: -5\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        "Transfer-Encoding: chunked, gzip\r\n\r\nhello",
        "no colon\r\n\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{rest}");
        assert_eq!(refused(&answer), ("bad-frame".to_owned(), 10), "{rest:?}");
    }
    for answer in ["Welcome!", "220 smtp ready\r\n", "\x16\x03\x01"] {
        assert_eq!(refused(answer), ("bad-frame".to_owned(), 10), "{answer:?}");
    }
    let (done, _) = get("Wel\x1b[2Jcome", &[]);
    assert!(done.err.contains(r#"its first bytes were "Wel\x1b[2Jcome""#), "{}", done.err);
    assert!(done.err.contains("answered, but not in HTTP"), "{}", done.err);
}

#[test]
fn a_head_that_is_refused_is_shown_and_lenient_reads_what_was_meant() {
    let both = "HTTP/1.1 200 OK\r\nX-Odd: y\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let (done, _) = get(both, &["-v"]);
    assert_eq!((done.code, done.out.as_str()), (10, ""), "{}", done.err);
    let (head, error) = done.err.split_once("error[bad-frame]").expect("an error");
    assert!(head.contains("X-Odd: y") && head.contains("Transfer-Encoding: chunked"), "{head}");
    assert!(error.contains(" --lenient"), "{error}");
    let (done, _) = get(both, &["--lenient"]);
    assert_eq!((done.code, done.out.as_str()), (0, "hello"), "{}", done.err);
}

/// A server that pours this until its peer is gone.
fn pouring(begin: &'static str, piece: String) -> Played {
    Played::each(1, move |peer| {
        let asked = request(peer);
        peer.write_all(begin.as_bytes()).expect("it listens");
        while peer.write_all(piece.as_bytes()).is_ok() {}
        asked
    })
}

#[test]
fn what_is_without_end_comes_to_one() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (begin, piece) in [
        ("HTTP/1.1 200 OK\r\nX: ", "x".repeat(1_000)),
        ("HTTP/1.1 200 OK\r\n", "X: y\r\n".repeat(100)),
        ("", "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)),
        (chunked, format!("1;{}\r\na\r\n", "e".repeat(900)).repeat(10)),
    ] {
        let played = pouring(begin, piece);
        let done = run(&["get", &played.url("/")]);
        assert_eq!(done.code, 10, "{begin:?} {}", done.err);
        assert!(done.err.starts_with("error[message-too-long]"), "{begin:?} {}", done.err);
        played.asked();
    }
}

#[test]
fn a_reset_is_said_and_what_came_is_kept() {
    let folder = folder();
    let name = folder.path().join("page").display().to_string();
    // It resets once the client has what came.
    let (to, go) = channel::<()>();
    let played = Played::each(1, move |peer| {
        let asked = request(peer);
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").expect("it listens");
        go.recv().expect("the word to go");
        let socket = socket2::SockRef::from(&*peer);
        socket.set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
        asked
    });
    let mut command = hobnob(&["get", &played.url("/"), "-o", &name]);
    let child = command.stderr(Stdio::piped()).spawn().expect("the binary");
    let mut child = child;
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    let part = format!("{name}.part");
    while std::fs::read(&part).ok().as_deref() != Some(b"hello") {
        std::thread::yield_now();
    }
    to.send(()).expect("it waits");
    assert_eq!(code(Bounded::of(child).wait()), 5);
    let said = err.rest().join("\n");
    assert!(said.starts_with("error[connection-reset]"), "{said}");
    assert!(said.contains("what came of it, 5 B, is in"), "{said}");
    assert_eq!(std::fs::read_to_string(part).expect("the part"), "hello");
    played.asked();
}

/// A server that says this much and then nothing, until its peer is gone.
fn silent(after: &'static str) -> Played {
    Played::each(1, move |peer| {
        let asked = request(peer);
        peer.write_all(after.as_bytes()).expect("it listens");
        let _ = peer.read(&mut [0]);
        asked
    })
}

#[test]
fn silence_is_borne_as_long_as_idle_says() {
    for after in
        ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"]
    {
        let played = silent(after);
        let done = run(&["get", &played.url("/"), "--idle", "50ms"]);
        assert_eq!(done.code, 6, "{}", done.err);
        assert!(done.err.starts_with("error[idle-timeout]: silence for 50ms"), "{}", done.err);
        played.asked();
    }
}

#[test]
fn signals_end_it_at_once_and_the_part_is_kept() {
    for (name, expected) in [("INT", 130), ("TERM", 143)] {
        let folder = folder();
        let path = folder.path().join("page").display().to_string();
        let played = silent("HTTP/1.1 200 OK\r\n\r\nhello");
        let mut command = hobnob(&["get", &played.url("/"), "-o", &path]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary");
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        let child = Bounded::of(child);
        let part = format!("{path}.part");
        while std::fs::read(&part).ok().as_deref() != Some(b"hello") {
            std::thread::yield_now();
        }
        signal(child.id(), name);
        assert_eq!(code(child.wait()), expected);
        assert!(err.rest().join(" ").contains("what came of it, 5 B, is in"));
        assert!(!std::path::Path::new(&path).exists());
        played.asked();
    }
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let played = pouring("HTTP/1.1 200 OK\r\n\r\n", "line\n".repeat(1_000));
    let mut child = hobnob(&["get", &played.url("/")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut out = child.stdout.take().expect("it is piped");
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    out.read_exact(&mut [0; 5]).expect("a line");
    drop(out);
    assert_eq!(code(Bounded::of(child).wait()), 141);
    assert!(err.rest().is_empty());
    played.asked();
}

/// The exit code and what is said of a `get` whose stdout is closed.
fn get_into_nothing(words: &str) -> (String, String) {
    let line = format!("\"$0\" get http://127.0.0.1:9/ {words} >&-; echo $?");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &line, env!("CARGO_BIN_EXE_hobnob")]);
    let done = finish(shell, b"");
    (done.out, done.err)
}

#[test]
fn a_stdout_that_is_closed_is_an_error_before_anybody_is_asked() {
    for words in ["", "--head", "-o -"] {
        let (code, said) = get_into_nothing(words);
        assert!(said.starts_with("error[output-failed]"), "{words}: {said}");
        assert_eq!(code, "9\n", "{words}: {said}");
    }
    // Its errors are events, which go nowhere too.
    assert_eq!(get_into_nothing("--json").0, "9\n");
    let folder = folder();
    let (code, said) = get_into_nothing(&format!("-o {}", folder.path().join("page").display()));
    assert_eq!(code, "5\n", "a file is not closed: {said}");
}

#[test]
fn too_many_files() {
    a_lack_of_files_is_told(&["get", "http://127.0.0.1:9"], 5);
}

#[test]
fn an_answer_that_comes_before_the_body_is_heard() {
    let folder = folder();
    let body = folder.path().join("body");
    std::fs::write(&body, vec![b'x'; 20_000_000]).expect("a disk");
    // Closed with most of the request unread: the kernel resets, and the answer may still arrive first.
    let played = Played::each(1, |peer: &mut TcpStream| {
        let mut some = [0; 64];
        let read = peer.read(&mut some).expect("a request");
        peer.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n").expect("open");
        let _ = peer.shutdown(std::net::Shutdown::Write);
        // What is read on keeps the reset away until the answer is taken.
        let mut rest = [0; 4_096];
        for _ in 0..64 {
            let _ = peer.read(&mut rest);
        }
        String::from_utf8_lossy(&some[..read]).into_owned()
    });
    let done = run(&["get", &played.url("/"), "-d", &format!("@{}", body.display())]);
    assert_eq!((done.code, done.out.as_str()), (0, "no\n"), "{}", done.err);
    played.asked();
}
