//! A user of the servers that wants no good: the room lives, the nodes live, and nothing forged is believed.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::{Member, Nats, node, two};
use crate::peer::PATIENCE;

/// The subjects of the room `lobby`.
const ROOM: &str = "hobnob.1.chat.nrxweytz";

/// A client of NATS that says what it likes.
pub(super) struct Hostile(BufReader<TcpStream>);

impl Hostile {
    pub(super) fn at(nats: &Nats) -> Self {
        let stream = TcpStream::connect(nats.address()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut hostile = Hostile(BufReader::new(stream));
        assert!(hostile.line().starts_with("INFO "));
        hostile.send("CONNECT {\"verbose\":false,\"headers\":true}\r\nPING\r\n");
        hostile.until("PONG");
        hostile
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("it hears");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line within the patience");
        line
    }

    fn until(&mut self, wanted: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "it ended before {wanted:?}");
            if line.contains(wanted) {
                return line;
            }
        }
    }

    fn publish(&mut self, subject: &str, body: &str) {
        self.send(&format!("PUB {ROOM}.{subject} {}\r\n{body}\r\n", body.len()));
    }

    /// With headers, each with its end of line.
    pub(super) fn publish_headed(&mut self, subject: &str, headers: &str, body: &str) {
        let head = format!("NATS/1.0\r\n{headers}\r\n");
        let all = head.len() + body.len();
        self.send(&format!("HPUB {ROOM}.{subject} {} {all}\r\n{head}{body}\r\n", head.len()));
    }

    /// With these bytes for headers.
    fn publish_raw(&mut self, subject: &str, headers: &[u8], body: &[u8]) {
        let head = [b"NATS/1.0\r\n", headers, b"\r\n"].concat();
        let all = head.len() + body.len();
        let words = format!("HPUB {ROOM}.{subject} {} {all}\r\n", head.len());
        let bytes = [words.as_bytes(), &head, body, b"\r\n"].concat();
        self.0.get_mut().write_all(&bytes).expect("it hears");
    }

    /// Makes the stream of the room `lobby` with these settings, in which ROOM is its subject.
    pub(super) fn make_stream(&mut self, settings: &str) {
        let settings = settings.replace("ROOM", ROOM);
        let stream = ROOM.rsplit('.').next().expect("a token");
        let name = format!("HOBNOB_CHAT_{}", stream.to_ascii_uppercase());
        let body = format!(
            "{{\"name\":\"{name}\",\"subjects\":[\"{ROOM}.in.*\"],\"retention\":\"limits\",\"discard\":\"old\",\"allow_direct\":true,{settings}}}"
        );
        self.send("SUB made 1\r\n");
        self.send(&format!("PUB $JS.API.STREAM.CREATE.{name} made {}\r\n{body}\r\n", body.len()));
        let made = self.until("stream_create_response");
        assert!(!made.contains("\"error\""), "{made}");
    }

    /// All before was taken by the server.
    pub(super) fn settle(&mut self) {
        self.send("PING\r\n");
        self.until("PONG");
    }
}

#[test]
fn case_37_what_a_hostile_node_sends_is_not_believed_and_the_room_lives() {
    let test =
        "rooms::hostile::case_37_what_a_hostile_node_sends_is_not_believed_and_the_room_lives";
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    let ([(_kite, at_kite), _lark], [mut ada, mut bob]) = two(&nats, &[]);
    let mut hostile = Hostile::at(&nats);
    let me = "aaaaaaaaaaaaaaab";
    let entry = "{\"k\":\"say\",\"s\":1,\"n\":\"* Ada\",\"t\":\"\\u001b[2J\\r\\n* forged\"}\n";
    for (subject, header, body) in [
        (format!("in.{me}"), format!("1 {me} 1 1 0 0"), entry.to_owned()),
        // In another one's name, of too many entries, of another version, and no batch at all.
        (format!("in.{me}"), "1 aaaaaaaaaaaaaaac 1 1 0 0".to_owned(), entry.to_owned()),
        (format!("in.{me}"), format!("1 {me} 2 65 0 1"), entry.repeat(65)),
        (format!("in.{me}"), format!("9 {me} 2 3 0 1"), "\u{1}\u{2}".to_owned()),
        (format!("in.{me}"), "rubbish".to_owned(), "{".repeat(100_000)),
        ("in.x".to_owned(), String::new(), String::new()),
    ] {
        hostile.publish_headed(&subject, &format!("Hobnob: {header}\r\n"), &body);
    }
    // With headers of the servers' own before theirs, and two of ours: the last one counts, whoever is asked.
    let headers = "Nats-Sequence: 99\r\nNats-Subject: in.x\r\nHobnob: rubbish\r\n";
    let twice = entry.replace("* forged", "headed");
    hostile.publish_headed(
        &format!("in.{me}"),
        &format!("{headers}Hobnob: 1 {me} 5 1 0 4\r\n"),
        &twice,
    );
    for body in [
        format!(
            "{{\"v\":1,\"o\":\"{me}\",\"name\":\"\\u001b[31mkite\\r\\n* x\",\"members\":7,\"names\":[\"\\u001b[2J\",\"Eve\"]}}"
        ),
        "rubbish".to_owned(),
        "x".repeat(100_000),
    ] {
        hostile.publish("beat", &body);
    }
    // Rubbish where a name stands: nobody takes it from nobody knows whom.
    hostile.publish("name.mv3gk", "rubbish"); // "eve"
    hostile.settle();
    ada.say("hello");
    let mut before = Vec::new();
    loop {
        let line = bob.line();
        assert!(!line.is_empty(), "it ended");
        assert!(!line.contains('\u{1b}'), "{line:?}");
        if line == "Ada: hello" {
            break;
        }
        before.push(line);
    }
    assert!(before.contains(&r"somebody: \x1b[2J\x0d\x0a* forged".to_owned()), "{before:?}");
    assert!(!before.iter().any(|line| line == "* forged"), "{before:?}");
    assert_eq!(before.iter().filter(|line| line.ends_with("headed")).count(), 1, "{before:?}");
    let version = "cannot be shown: another version, or too long";
    let told = before.into_iter().find(|line| line.ends_with(version));
    let told = told.unwrap_or_else(|| bob.until(version));
    assert!(told.starts_with("* 3 messages from node "), "{told}");
    let mut eve = Member::come(&at_kite);
    eve.say("Eve");
    eve.until("* Eve is taken, at node ");
    bob.say("/who");
    assert!(!bob.until("* here: Bob").contains('\u{1b}'));
}

/// The client of every node ends its link at such a header, as often as it reads it.
#[test]
fn case_37_a_header_that_nobody_can_read_stops_no_room() {
    let test = "rooms::hostile::case_37_a_header_that_nobody_can_read_stops_no_room";
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    let (_nodes, [mut ada, mut bob]) = two(&nats, &[]);
    let mut hostile = Hostile::at(&nats);
    for header in [&b"X: \xff\r\n"[..], b"no colon\r\n"] {
        hostile.publish_raw("in.aaaaaaaaaaaaaaab", header, b"rubbish");
        hostile.settle();
        ada.say("is anybody there?");
        bob.until("Ada: is anybody there?");
        bob.say("I am");
        ada.until("Bob: I am");
    }
    // Who comes later reads that place of the stream, too.
    let (_wren, at_wren) = node(&nats, "wren", &[]);
    let mut eve = Member::called("Eve", &at_wren);
    eve.say("me too");
    ada.until("Eve: me too");
}

#[test]
fn case_37_a_node_whose_number_somebody_else_uses_draws_another_one_and_is_heard() {
    let test = "rooms::hostile::case_37_a_node_whose_number_somebody_else_uses_draws_another_one_and_is_heard";
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    let (mut kite, at_kite) = node(&nats, "kite", &[]);
    let mut hostile = Hostile::at(&nats);
    hostile.send(&format!("SUB {ROOM}.beat 1\r\n"));
    let beat = hostile.until("\"kite\"");
    let origin = beat.split_once("\"o\":\"").and_then(|(_, rest)| rest.split('"').next());
    let origin = origin.expect("its number").to_owned();
    let (_lark, at_lark) = node(&nats, "lark", &[]);
    let mut ada = Member::called("Ada", &at_kite);
    let mut bob = Member::called("Bob", &at_lark);
    ada.say("before");
    bob.until("Ada: before");
    let entry = "{\"k\":\"say\",\"s\":1,\"n\":\"Ada\",\"t\":\"forged\"}\n";
    let header = format!("Hobnob: 1 {origin} 100 1 0 0\r\n");
    hostile.publish_headed(&format!("in.{origin}"), &header, entry);
    hostile.settle();
    kite.hears("cluster-twin");
    for number in 0..5 {
        ada.say(&format!("after {number}"));
        assert_eq!(bob.until("after"), format!("Ada: after {number}"));
    }
    bob.say("and back");
    assert_eq!(ada.until("and back"), "Bob: and back");
}
