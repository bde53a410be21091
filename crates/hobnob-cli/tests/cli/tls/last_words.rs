//! What came before a conversation failed is on stdout, however it failed.

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

use crate::kit::hardship::reset;
use crate::kit::{Served, run, serve};
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
    let at = format!("https://127.0.0.1:0,{}", papers.listening());
    let http = serve(&["http", &at, "--body", &said, "--json"]);
    for behind in [Behind::BadRecord, Behind::Text] {
        let to = format!("https://{}", spoiling(&http, behind));
        let folder = papers.path("state").display().to_string();
        let words = ["get", &to, "-O", "ca=dev", "-O", &format!("dev-ca={folder}")];
        let done = run(&words);
        assert!(done.out.contains(&said), "{behind:?}: {} {}", done.code, done.err);
    }
}

/// The peer answers and tears the conn down before it has heard a word: a send hears of that first.
#[test]
fn an_answer_is_heard_although_the_peer_takes_nothing() {
    let door = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = door.local_addr().expect("it is bound").to_string();
    let times = 10;
    let peer = std::thread::spawn(move || {
        for _ in 0..times {
            let (mut peer, _) = door.accept().expect("it comes");
            peer.write_all(b"the last words").expect("it is open");
            reset(peer);
        }
    });
    for _ in 0..times {
        let done = run(&["talk", &to, "hello"]);
        assert_eq!((done.code, &*done.out), (5, "the last words"), "{}", done.err);
    }
    peer.join().expect("it does not panic");
}
