//! Who says goodbye first ends in order: the last words arrive, whatever the peer is still saying.

use hobnob::codec::text::Rule;
use hobnob::conn::Conn;
use hobnob::engine::{self, Dialer, parse};
use tempfile::TempDir;

use crate::stage::{Stage, soon};

/// A service that ends sessions by itself: its options, what it is told, and its last words; none: whatever they are.
struct Goodbye {
    service: &'static str,
    options: &'static [(&'static str, &'static str)],
    told: &'static str,
    last_words: &'static str,
}

const fn says(service: &'static str, told: &'static str, last_words: &'static str) -> Goodbye {
    Goodbye { service, options: &[], told, last_words }
}

const GOODBYES: &[Goodbye] = &[
    says("hello", "exit\n", "Welcome!"),
    says("time", "", "\n"),
    says("reply", "x\n", "Hello, world!\n"),
    says("chat", "Ada\n/quit\n", "* goodbye\n"),
    Goodbye { service: "source", options: &[("bytes", "1000")], told: "", last_words: "" },
    #[cfg(feature = "http")]
    says("http", "GET / HTTP/1.0\r\n\r\n", "Hello, world!\n"),
    #[cfg(feature = "http")]
    says("http", "nonsense\r\n", "METHOD TARGET HTTP/1.1 with single spaces\n"),
    #[cfg(feature = "mail")]
    says("mail", "QUIT\r\n", "221 2.0.0 bye\r\n"),
    // A line that is too long ends the session of every service that is told lines.
    says("upper", "", "a line holds at most 65536 bytes\n"),
];

/// Services that leave the end to the peer; of a relay it is the target's.
const OTHERS: &[&str] = &["echo", "discard", "ok", "temp", "relay"];

#[tokio::test]
async fn the_last_words_arrive_whatever_the_peer_is_still_saying() {
    let folder = TempDir::new().expect("a folder");
    for (number, goodbye) in GOODBYES.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        for endpoint in ["tcp://127.0.0.1:0".to_owned(), path.display().to_string()] {
            let stage = Stage::with(goodbye.service, &endpoint, |server| {
                server.cutting.rule = Rule::Lines;
                for (name, value) in goodbye.options {
                    server.set(name, Some(value)).expect("its option");
                }
            });
            let at = stage.running.bound()[0].address.to_string();
            let at = if endpoint.starts_with("tcp") { format!("tcp://{at}") } else { endpoint };
            let told = [goodbye.told.as_bytes(), &vec![b'x'; 300_000]].concat();
            let heard = soon("the end", hear_out(&at, &told)).await;
            let heard = String::from_utf8_lossy(&heard);
            assert!(heard.ends_with(goodbye.last_words), "{} at {at}: {heard:?}", goodbye.service);
        }
    }
}

#[test]
fn every_service_is_one_that_says_goodbye_or_one_that_does_not() {
    for service in engine::services().iter().filter(|row| row.make.is_some()) {
        let name = service.spec.name;
        let says_it = GOODBYES.iter().any(|goodbye| goodbye.service == name);
        assert!(says_it || OTHERS.contains(&name), "{name}: what ends its sessions?");
    }
}

/// Says all of it and never ends; what comes until the peer's end, which is one in order.
async fn hear_out(at: &str, told: &[u8]) -> Vec<u8> {
    let endpoint = parse(at).expect("an endpoint");
    let mut conn: Conn = Dialer::default().dial(&endpoint).await.expect("it is served").conn;
    conn.send(told).await.expect("all of it is taken");
    let (mut heard, mut room) = (Vec::new(), vec![0; 1 << 16]);
    while let Some(length) = conn.recv(&mut room).await.expect("an end in order") {
        heard.extend_from_slice(&room[..length]);
    }
    heard
}
