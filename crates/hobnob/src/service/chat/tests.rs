//! The room, over channels in memory and with time held still.

use std::net::SocketAddr;

use tokio::task::JoinHandle;

use super::*;
use crate::address::Address;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::conn::{Facts, memory};
use crate::error::Result;
use crate::session::powers::Powers;
use crate::session::{Cut, Opening};

struct Nobody;

impl Powers for Nobody {}

fn room(given: &[(&str, &str)]) -> Arc<dyn Service> {
    let mut options = Options::of(ROW.spec.options);
    for (name, value) in given {
        options.set(ROW.spec.options, name, Some(value)).expect("a known option");
    }
    Arc::new(Chat::new(&options).expect("options of a room"))
}

/// Somebody at the far end of a session.
pub(super) struct Guest {
    conn: Conn,
    session: Arc<Session>,
    task: JoinHandle<Result<()>>,
    heard: Vec<u8>,
}

impl Guest {
    pub(super) fn come(room: &Arc<dyn Service>, id: u64) -> Self {
        Self::over(room, id, memory::pair(Shape::Bytes), Facts::new("memory", local(), local()))
    }

    /// From an address that may be forged.
    fn from(room: &Arc<dyn Service>, id: u64, peer: &str) -> Self {
        let peer: SocketAddr = peer.parse().expect("an address");
        let mut facts = Facts::new("udp", local(), peer.into());
        facts.can_be_forged = true;
        Self::over(room, id, memory::pair(Shape::Packets), facts)
    }

    fn over(room: &Arc<dyn Service>, id: u64, pair: (Conn, Conn), facts: Facts) -> Self {
        let session = session(id, facts);
        let (conn, mut far) = pair;
        let (room, held) = (room.clone(), session.clone());
        let task = tokio::spawn(async move {
            std::future::poll_fn(|cx| {
                held.lives_in(cx.waker());
                std::task::Poll::Ready(())
            })
            .await;
            room.run(&held, &mut far).await
        });
        Guest { conn, session, task, heard: Vec::new() }
    }

    /// Comes in under a name; the welcome is heard.
    pub(super) async fn called(room: &Arc<dyn Service>, id: u64, name: &str) -> Self {
        let mut guest = Self::come(room, id);
        assert_eq!(guest.line().await, "* your name?");
        guest.say(&format!("{name}\n")).await;
        assert!(guest.line().await.starts_with(&format!("* welcome, {name}: ")));
        guest
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.conn.send(text.as_bytes()).await.expect("it hears");
    }

    /// The next line or packet; empty: the end.
    pub(super) async fn line(&mut self) -> String {
        let mut room = [0; 4_096];
        loop {
            if let Some(at) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line = self.heard.drain(..=at).collect::<Vec<_>>();
                return String::from_utf8(line[..at].to_vec()).expect("UTF-8");
            }
            match self.conn.recv(&mut room).await.expect("in order") {
                Some(length) => self.heard.extend_from_slice(&room[..length]),
                None => return String::new(),
            }
            if self.conn.shape() == Shape::Packets {
                self.heard.push(b'\n');
            }
        }
    }

    /// How its session ended: the name of the limit that cut it.
    async fn cut(self) -> Option<&'static str> {
        let ended = self.task.await.expect("no panic");
        ended.expect_err("it is cut").limit_name()
    }
}

fn session(id: u64, facts: Facts) -> Arc<Session> {
    Arc::new(Session::open(Opening {
        id,
        parent: 0,
        door: Some(""),
        facts: facts.into(),
        shard: 0,
        bus: Bus::new(Clock::start(), 1),
        seed: 0,
        powers: Arc::new(Nobody),
    }))
}

fn local() -> Address {
    Address::name("here")
}

#[tokio::test]
async fn everyone_hears_everyone_but_oneself() {
    let room = room(&[]);
    let mut ada = Guest::called(&room, 1, "Ada").await;
    let mut bob = Guest::called(&room, 2, "Bob").await;
    assert_eq!(ada.line().await, "* Bob joined");
    ada.say("one\r\n\ntwo\n").await;
    bob.say("three\n").await;
    assert_eq!(ada.line().await, "Bob: three");
    assert_eq!((bob.line().await, bob.line().await), ("Ada: one".into(), "Ada: two".into()));
    bob.say("/name  Grace \n").await;
    assert_eq!(bob.line().await, "* so be it");
    assert_eq!(ada.line().await, "* Bob is Grace now");
    ada.say("/who\n/what is it\n").await;
    assert_eq!(ada.line().await, "* here: Ada, Grace");
    assert_eq!(ada.line().await, "* there is no /what; /help lists what there is");
    bob.say("/quit\nnever heard\n").await;
    assert_eq!((bob.line().await, bob.line().await), ("* goodbye".into(), String::new()));
    assert_eq!(bob.session.conclusion().and_then(|end| end.detail.as_deref()), Some("said /quit"));
    assert_eq!(ada.line().await, "* Grace left");
}

#[tokio::test]
async fn a_name_is_unique_and_free_again() {
    let room = room(&[]);
    let mut ada = Guest::called(&room, 1, "Ada").await;
    let mut other = Guest::come(&room, 2);
    other.say("ada\n\nBob\n").await;
    assert_eq!(other.line().await, "* your name?");
    assert_eq!(other.line().await, "* ada is taken; your name?");
    assert_eq!(other.line().await, "* a name has at least one character; your name?");
    assert!(other.line().await.starts_with("* welcome, Bob: one other is here"));
    assert_eq!(ada.line().await, "* Bob joined");
    other.say("/name Ada\n").await;
    assert_eq!(other.line().await, "* Ada is taken");
    ada.conn.abort();
    assert_eq!(other.line().await, "* Ada left");
    other.say("/name Ada\n").await;
    assert_eq!(other.line().await, "* so be it");
}

#[tokio::test]
async fn the_last_messages_are_shown_to_who_joins() {
    let room = room(&[("history", "2")]);
    let mut ada = Guest::called(&room, 1, "Ada").await;
    let mut bob = Guest::called(&room, 2, "Bob").await;
    ada.say("one\ntwo\nthree\n").await;
    for wanted in ["Ada: one", "Ada: two", "Ada: three"] {
        assert_eq!(bob.line().await, wanted);
    }
    let mut late = Guest::called(&room, 3, "Late").await;
    assert_eq!((late.line().await, late.line().await), ("Ada: two".into(), "Ada: three".into()));
}

#[tokio::test]
async fn who_is_numbered_says_a_message_first() {
    let room = room(&[("names", "no")]);
    let (mut one, mut two) = (Guest::come(&room, 1), Guest::come(&room, 2));
    assert!(one.line().await.starts_with("* welcome, #1: "));
    assert!(two.line().await.starts_with("* welcome, #2: "));
    one.say("hello").await;
    assert_eq!((two.line().await, two.line().await), ("* #1 joined".into(), "#1: hello".into()));
}

#[tokio::test(start_paused = true)]
async fn case_10_half_a_character_is_waited_for_and_never_sent() {
    let room = room(&[("names", "no")]);
    let (mut one, mut two) = (Guest::come(&room, 1), Guest::come(&room, 2));
    for guest in [&mut one, &mut two] {
        guest.line().await;
    }
    one.say("x").await;
    for _ in ["* #1 joined", "#1: x"] {
        two.line().await;
    }
    let text = "李é👩".as_bytes();
    for split in 1..text.len() {
        let is_border = std::str::from_utf8(&text[..split]).is_ok();
        one.conn.send(&text[..split]).await.expect("it hears");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        one.conn.send(&text[split..]).await.expect("it hears");
        let mut heard = two.line().await.replace("#1: ", "");
        if is_border {
            heard += &two.line().await.replace("#1: ", "");
        }
        assert_eq!(heard, "李é👩", "split at {split}");
    }
    one.conn.send(&text[..2]).await.expect("it hears");
    assert_eq!(two.line().await, r"#1: \xe6\x9d", "what never gets its rest");
}

#[tokio::test]
async fn case_11_a_line_that_is_too_long_is_answered_and_the_end() {
    let room = room(&[]);
    let mut ada = Guest::called(&room, 1, "Ada").await;
    let long = "x".repeat(65_537);
    ada.say(&long).await;
    assert_eq!(ada.line().await, "* a line holds at most 65536 bytes");
    assert_eq!(ada.line().await, "");
    assert_eq!(ada.session.conclusion().and_then(|end| end.limit), Some("line"));
    assert_eq!(ada.task.await.expect("no panic"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn case_7_who_takes_nothing_is_cut_and_the_others_never_wait() {
    for (messages, length, limit) in [(1, 1_000, "chat-stall"), (1_100, 1_000, "chat-backlog")] {
        let room = room(&[]);
        let mut ada = Guest::called(&room, 1, "Ada").await;
        let pair = memory::pair_holding(Shape::Bytes, 64);
        let mut stopped = Guest::over(&room, 2, pair, Facts::new("memory", local(), local()));
        stopped.say("Stopped\n").await;
        assert_eq!(ada.line().await, "* Stopped joined");
        let mut grace = Guest::called(&room, 3, "Grace").await;
        assert_eq!(ada.line().await, "* Grace joined");
        let text = "x".repeat(length);
        for number in 0..messages {
            ada.say(&format!("{number} {text}\n")).await;
            let mut heard = grace.line().await;
            if heard == "* Stopped left" {
                heard = grace.line().await;
            }
            assert_eq!(heard, format!("Ada: {number} {text}"));
        }
        assert_eq!(ada.line().await, "* Stopped left");
        assert_eq!(stopped.cut().await, Some(limit));
    }
}

#[tokio::test]
async fn who_reads_is_not_outrun_by_a_flood() {
    let room = room(&[]);
    let mut ada = Guest::called(&room, 1, &"A".repeat(32)).await;
    let mut bob = Guest::called(&room, 2, "Bob").await;
    assert_eq!(ada.line().await, "* Bob joined");
    let mut conn = ada.conn;
    let flood = tokio::spawn(async move {
        for _ in 0..8 {
            conn.send(&b"x\n".repeat(16_384)).await.expect("it hears");
        }
        conn
    });
    for _ in 0..8 * 16_384 {
        assert!(bob.line().await.ends_with(": x"));
    }
    drop(flood.await);
}

#[tokio::test(start_paused = true)]
async fn case_7_who_takes_a_little_now_and_then_is_not_stalled() {
    let room = room(&[]);
    let mut ada = Guest::called(&room, 1, "Ada").await;
    let pair = memory::pair_holding(Shape::Bytes, 64);
    let mut slow = Guest::over(&room, 2, pair, Facts::new("memory", local(), local()));
    slow.say("Slow\n").await;
    ada.line().await;
    ada.say(&format!("{}\n", "x".repeat(500))).await;
    let mut buffer = [0; 64];
    let mut heard = Vec::new();
    while !heard.ends_with(b"xxx\n") {
        tokio::time::sleep(std::time::Duration::from_secs(9)).await;
        let length = slow.conn.recv(&mut buffer).await.expect("in order").expect("no end");
        heard.extend_from_slice(&buffer[..length]);
    }
    assert!(!slow.task.is_finished());
}

#[tokio::test]
async fn case_30_who_opens_with_http_is_dropped_and_not_shown() {
    for given in [&[][..], &[("names", "no")]] {
        let room = room(given);
        let mut ada = Guest::come(&room, 1);
        ada.line().await;
        ada.say("Ada\n").await;
        let mut browser = Guest::come(&room, 2);
        browser.say("POST / HTTP/1.1\r\nHost: x\r\n\r\n/name X\r\nhello all\r\n").await;
        assert_eq!(browser.cut().await, Some("http-request"));
        ada.say("/who\n").await;
        let heard =
            [ada.line().await, if given.is_empty() { ada.line().await } else { String::new() }];
        assert!(
            heard.iter().any(|line| line.starts_with("* here: ") && !line.contains(',')),
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn case_19_a_forged_join_hears_nothing_of_the_room() {
    let room = room(&[("names", "no")]);
    let mut ada = Guest::come(&room, 1);
    ada.line().await;
    let mut victim = Guest::from(&room, 2, "192.0.2.1:9");
    victim.say("hi").await;
    ada.say("secret\n").await;
    ada.say("/who\n").await;
    assert_eq!(ada.line().await, "* here: #1", "who has proven nothing is not in");
    victim.say("hi again").await;
    let cookie = victim.line().await;
    assert!(cookie.len() == 8 && cookie.bytes().all(|byte| byte.is_ascii_digit()), "{cookie}");
    for guess in ["", "x", "y"] {
        victim.say(guess).await;
    }
    victim.conn.end().await.expect("an end");
    assert_eq!(victim.line().await, "", "not a byte more");
    assert_eq!(victim.cut().await, Some("cookie"));
}

#[tokio::test]
async fn case_19_who_sends_the_cookie_back_is_in() {
    let room = room(&[]);
    let mut ada = Guest::called(&room, 1, "Ada").await;
    let mut bob = Guest::from(&room, 2, "127.0.0.1:9");
    bob.say("hi").await;
    let told = bob.line().await;
    let cookie = told.strip_prefix("* send back ").and_then(|rest| rest.strip_suffix(" to join"));
    bob.say(cookie.expect("what to do")).await;
    assert_eq!(bob.line().await, "* your name?");
    bob.say("Bob\n").await;
    assert_eq!(bob.line().await, "* welcome, Bob: one other is here; /help says more");
    assert_eq!(ada.line().await, "* Bob joined");
    bob.say("two\nlines").await;
    assert_eq!(ada.line().await, r"Bob: two\x0alines", "one message is one line");
}

/// A busy machine may not run it for seconds, while others go on talking.
#[test]
fn what_waits_for_a_member_that_does_not_run_counts_and_goes_when_it_is_cut() {
    let session = session(1, Facts::new("memory", local(), local()));
    let (mailbox, line) = (room::Inbox::of(session.clone()), Arc::from("x".repeat(1_000)));
    let waiting = (0..100).fold(0, |_, _| mailbox.push(&line));
    assert!(waiting > 100_000 && session.held() + 16_384 > waiting as u64, "{}", session.held());
    assert_eq!(Arc::strong_count(&line), 101);
    session.cut(Cut::Memory);
    mailbox.push(&line);
    assert_eq!(Arc::strong_count(&line), 1, "others have the room at once");
}

#[tokio::test]
async fn a_drain_is_said_and_nobody_is_told_of_leaving() {
    let room = room(&[]);
    let mut ada = Guest::called(&room, 1, "Ada").await;
    let mut bob = Guest::called(&room, 2, "Bob").await;
    let mut forged = Guest::from(&room, 3, "192.0.2.1:9");
    assert_eq!(ada.line().await, "* Bob joined");
    for guest in [&ada, &bob, &forged] {
        guest.session.ask_to_end();
    }
    for guest in [&mut ada, &mut bob] {
        assert_eq!(guest.line().await, "* the room is closing");
        assert_eq!(guest.line().await, "");
    }
    assert_eq!(forged.line().await, "");
}

/// A room whose names somebody else gives, when it is told to.
#[cfg(feature = "nats")]
struct AskingRoom {
    room: Room,
    asked: std::sync::Mutex<Vec<(u64, String, Arc<room::Inbox>)>>,
    verdict: std::sync::Mutex<Option<order::NameAnswer>>,
}

#[cfg(feature = "nats")]
impl AskingRoom {
    /// Waits until a member asks for this name.
    async fn is_asked(&self, wanted: &str) -> (u64, String, Arc<room::Inbox>) {
        let asked = loop {
            let asked = self.asked.lock().expect("no panic").pop();
            match asked {
                Some(asked) => break asked,
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(asked.1, wanted);
        asked
    }

    /// Waits until a member asks, and answers it.
    async fn answer(&self, wanted: &str, answer: order::NameAnswer) {
        let (id, name, mailbox) = self.is_asked(wanted).await;
        if answer == order::NameAnswer::Granted && self.room.mailbox(id).is_none() {
            self.room.enter(id, &name, &mailbox, true).expect("a free name");
        }
        *self.verdict.lock().expect("no panic") = Some(answer);
        mailbox.wake();
    }
}

#[cfg(feature = "nats")]
impl RoomOrder for Arc<AskingRoom> {
    fn has_names(&self) -> bool {
        true
    }

    fn enter(&self, id: u64, name: &str, mailbox: &Arc<room::Inbox>, _: bool) -> order::NameAnswer {
        self.asked.lock().expect("no panic").push((id, name.to_owned(), mailbox.clone()));
        order::NameAnswer::Asked
    }

    fn say(&self, id: u64, text: &str) -> bool {
        self.room.say(id, text)
    }

    fn rename(&self, id: u64, name: &str) -> order::NameAnswer {
        let mailbox = self.room.mailbox(id).expect("a member");
        self.enter(id, name, &mailbox, true)
    }

    fn verdict(&self, _: u64) -> Option<order::NameAnswer> {
        self.verdict.lock().expect("no panic").take()
    }

    fn who(&self, bytes: usize) -> String {
        self.room.here(bytes)
    }

    fn leave(&self, id: u64, is_quiet: bool) {
        self.room.leave(id, is_quiet);
    }
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn who_waits_for_a_name_is_heard_when_it_has_one_and_loses_nothing_that_it_said() {
    use order::NameAnswer::{Granted, Lent, Refused};
    let asking = Arc::new(AskingRoom {
        room: Room::new(50, true),
        asked: std::sync::Mutex::default(),
        verdict: std::sync::Mutex::default(),
    });
    let room: Arc<dyn Service> =
        Arc::new(Chat { order: Box::new(asking.clone()), key: RandomState::new() });
    let mut ada = Guest::come(&room, 1);
    assert_eq!(ada.line().await, "* your name?");
    ada.say("Ada\n").await;
    asking.answer("Ada", Granted).await;
    assert!(ada.line().await.starts_with("* welcome, Ada: "));

    // What comes with the name is said behind it, whatever comes of the first one.
    let mut bob = Guest::come(&room, 2);
    assert_eq!(bob.line().await, "* your name?");
    bob.say("Ada\nBob\none\ntwo\n").await;
    asking.answer("Ada", Refused("Ada is taken, at node kite".to_owned())).await;
    assert_eq!(bob.line().await, "* Ada is taken, at node kite; your name?");
    asking.answer("Bob", Granted).await;
    assert!(bob.line().await.starts_with("* welcome, Bob: "));
    for wanted in ["* Bob joined", "Bob: one", "Bob: two"] {
        assert_eq!(ada.line().await, wanted);
    }

    // Who is inside hears the others while it waits.
    bob.say("/name Cy\nthree\n").await;
    ada.say("hello\n").await;
    assert_eq!(bob.line().await, "Ada: hello");
    asking.answer("Cy", Lent("* you are Cy~k7".to_owned())).await;
    assert_eq!(bob.line().await, "* you are Cy~k7");
    assert_eq!(ada.line().await, "Bob: three");

    // Who is told to leave while it waits is gone, and so is who is refused its request behind a name.
    bob.say("/name Di\n/quit\n").await;
    asking.answer("Di", Granted).await;
    assert_eq!((bob.line().await, bob.line().await), ("* so be it".into(), "* goodbye".into()));
    assert_eq!(ada.line().await, "* Bob left");
    let mut eve = Guest::come(&room, 3);
    assert_eq!(eve.line().await, "* your name?");
    eve.say("Eve\n").await;
    asking.is_asked("Eve").await;
    eve.session.ask_to_end();
    assert_eq!(eve.line().await, "* the room is closing");
    assert_eq!(eve.line().await, "");
}
