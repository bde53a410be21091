//! What of standard input is one message: `talk --framing`, over every transport that keeps borders and over bytes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use hobnob::conn::{Boxed, Conn};
use hobnob::engine::Running;
use hobnob::session::Session;
use hobnob::{Server, Service};

use crate::kit::{Done, folder, run_with};

/// Passes on each message that comes, and answers it.
struct Recorder(Sender<Vec<u8>>);

impl Service for Recorder {
    fn run<'a>(&'a self, _: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut room = vec![0; 256 << 10];
            while let Some(length) = conn.recv(&mut room).await? {
                let _ = self.0.send(room[..length].to_vec());
                conn.send(b"ok").await?;
            }
            Ok(())
        })
    }
}

/// A peer that is talked to.
struct Peer {
    address: String,
    heard: Receiver<Vec<u8>>,
    running: Running,
}

impl Peer {
    fn at(scheme: &str, at: &str) -> Self {
        let (to, heard) = channel();
        let mut server = Server::with(Recorder(to));
        let running = server.at(&format!("{scheme}{at}")).expect("it fits").start().expect("free");
        let address = format!("{scheme}{}", running.bound()[0].address);
        Peer { address, heard, running }
    }

    /// What it hears of this input.
    fn hears(self, flags: &[&str], input: &[u8]) -> (Done, Vec<String>) {
        let words = [&["talk", &self.address, "--wait", "200ms"], flags].concat();
        let done = run_with(&words, input);
        drop(self.running);
        let text = |message| String::from_utf8(message).expect("UTF-8");
        (done, self.heard.into_iter().map(text).collect())
    }
}

#[test]
fn standard_input_is_one_message_or_goes_as_it_comes_or_by_lines() {
    let folder = folder();
    let path = folder.path().join("x.sock").display().to_string();
    let (whole, none) = (&["--framing", "whole"][..], &["--framing", "none"][..]);
    let (two, one) = ("one\ntwo\r\n\n", "one line");
    std::thread::scope(|scope| {
        for (at, (scheme, place)) in [
            ("udp://", "127.0.0.1:0"),
            ("unixgram:", &path),
            ("unixseq:", &path),
            ("tcp://", "127.0.0.1:0"),
            ("lines+tcp://", "127.0.0.1:0"),
        ]
        .into_iter()
        .enumerate()
        {
            scope.spawn(move || {
                let peer = || Peer::at(scheme, &place.replace("x.sock", &format!("{at}.sock")));
                let hears = |flags, input: &str| peer().hears(flags, input.as_bytes());
                for (flags, is_by_line) in [(whole, false), (none, false), (&[][..], true)] {
                    let (done, heard) = hears(flags, two);
                    match scheme {
                        "tcp://" => assert_eq!(heard.concat(), two, "{flags:?}"),
                        "lines+tcp://" if !is_by_line => {
                            let is_said = done.err.contains("a newline in it is not one line");
                            assert!(done.code == 10 && is_said && heard.is_empty(), "{}", done.err);
                        }
                        _ if is_by_line && scheme == "lines+tcp://" => {
                            assert_eq!(heard, ["one", "two", ""], "{scheme}");
                        }
                        _ if is_by_line => assert_eq!(heard, ["one", "two\r", ""], "{scheme}"),
                        _ => assert_eq!(heard, [two], "{scheme} {flags:?}"),
                    }
                    assert_eq!(hears(flags, one).1.concat(), one, "{scheme} {flags:?}");
                }
            });
        }
    });
}

#[test]
fn all_of_it_that_is_no_message_of_the_medium_is_an_error_and_nothing_is_sent() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (scheme, at, length, why) in [
        ("udp://", "127.0.0.1:0".to_owned(), 65_508, "do not fit into one datagram"),
        ("udp://", "127.0.0.1:0".to_owned(), 131_073, "has more than 131,072 bytes"),
        ("unixgram:", path("gram"), 131_073, "has more than 131,072 bytes"),
        ("unixseq:", path("seq"), 131_073, "has more than 131,072 bytes"),
    ] {
        let input = vec![b'x'; length];
        let (done, heard) = Peer::at(scheme, &at).hears(&["--framing", "whole"], &input);
        assert_eq!((done.code, heard.len()), (10, 0), "{scheme} {length}: {}", done.err);
        assert!(done.err.contains(why) && done.err.contains("hobnob help talk"), "{}", done.err);
    }
    let most = "x".repeat(65_507);
    let peer = Peer::at("udp://", "127.0.0.1:0");
    assert_eq!(peer.hears(&["--framing", "whole"], most.as_bytes()).1, [most]);
}

/// Nothing of it goes out before its end is there: it may not become a message.
#[test]
fn on_bytes_all_of_it_goes_out_at_once() {
    let peer = Peer::at("tcp://", "127.0.0.1:0");
    let script = "{ printf a; printf b; printf c; } | \"$0\" talk \"$1\" --framing whole --json";
    let mut command = std::process::Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_hobnob"), &peer.address]);
    let done = crate::kit::finish(command, b"");
    let is_sent = |line: &&str| line.contains(r#""dir":"out","seq""#);
    let sent: Vec<_> = done.out.lines().filter(is_sent).collect();
    assert!(sent.len() == 1 && sent[0].contains("abc"), "{}", done.out);
}
