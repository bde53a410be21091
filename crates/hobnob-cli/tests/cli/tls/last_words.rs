//! What came before a conversation failed is on stdout, however it failed.

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;

use crate::kit::hardship::reset;
use crate::kit::{Bounded, Lines, Served, code, hobnob, run, serve};
use crate::papers::Papers;

/// A record as long as this is an answer: no handshake of the tests has one.
const LONG: usize = 4_096;

/// What comes directly behind the answer.
#[derive(Debug, Clone, Copy)]
enum Behind {
    BadRecord,
    Text,
}

/// A port that passes on one conversation, with something else behind its first long record.
fn spoiling(served: &Served, behind: Behind) -> String {
    let door = TcpListener::bind("127.0.0.1:0").expect("a port");
    let here = door.local_addr().expect("it is bound").to_string();
    let to = served.address.clone();
    std::thread::spawn(move || {
        let (mut near, _) = door.accept().expect("it comes");
        let mut far = TcpStream::connect(to).expect("it listens");
        let (mut from_near, mut to_far) =
            (near.try_clone().expect("a descriptor"), far.try_clone().expect("a descriptor"));
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from_near, &mut to_far);
            let _ = to_far.shutdown(Shutdown::Write);
        });
        while let Some(mut record) = record(&mut far) {
            let is_answer = record.len() > LONG;
            match behind {
                Behind::BadRecord if is_answer => record.extend([23, 3, 3, 0, 5, 0, 0, 0, 0, 0]),
                Behind::Text if is_answer => record.extend(b"gibberish, and no TLS at all"),
                Behind::BadRecord | Behind::Text => {}
            }
            // Whoever has heard the bad one is gone.
            if near.write_all(&record).is_err() {
                return;
            }
        }
    });
    here
}

fn record(from: &mut impl Read) -> Option<Vec<u8>> {
    let mut record = vec![0; 5];
    from.read_exact(&mut record).ok()?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    from.read_exact(&mut record[5..]).ok()?;
    Some(record)
}

#[test]
fn what_came_before_an_error_is_on_stdout() {
    let papers = Papers::new();
    let said = "x".repeat(LONG);
    let at = format!("tls://127.0.0.1:0,{}", papers.listening());
    let echo = serve(&["echo", &at, "--json"]);
    for behind in [Behind::BadRecord, Behind::Text] {
        let to = format!("tls://{},{}", spoiling(&echo, behind), papers.dialling());
        let done = run(&["talk", &to, &said]);
        assert_eq!(done.code, 7, "{behind:?}: {}", done.err);
        assert_eq!(done.out.trim_end(), said, "{behind:?}: {}", done.err);
    }
}

#[test]
#[cfg(feature = "http")]
fn a_page_that_came_before_an_error_is_on_stdout() {
    let papers = Papers::new();
    let said = "x".repeat(LONG);
    let own = papers.listening();
    let http = serve(&["http", "https://127.0.0.1:0", "-O", &own, "--body", &said, "--json"]);
    for behind in [Behind::BadRecord, Behind::Text] {
        let to = format!("https://{}", spoiling(&http, behind));
        let words = ["get", &to, "-O", "ca=dev", "-O", &own];
        let done = run(&words);
        assert!(done.out.contains(&said), "{behind:?}: {} {}", done.code, done.err);
    }
}

/// The peer answers and tears the conn down before it has heard a word: a send may hear of that first.
#[test]
fn an_answer_is_heard_although_the_peer_takes_nothing() {
    let door = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = door.local_addr().expect("it is bound").to_string();
    for _ in 0..10 {
        let mut command = hobnob(&["talk", &to, "-v"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        let mut input = child.stdin.take().expect("piped");
        let mut out = child.stdout.take().expect("piped");
        let err = Lines::of(child.stderr.take().expect("piped"));
        let child = Bounded::of(child);
        let (mut peer, _) = door.accept().expect("it comes");
        err.until("connected");
        input.write_all(b"hello").expect("it reads");
        peer.write_all(b"the last words").expect("it is open");
        reset(peer);
        let mut heard = String::new();
        out.read_to_string(&mut heard).expect("text");
        assert_eq!((code(child.wait()), &*heard), (5, "the last words"), "{:?}", err.rest());
    }
}
