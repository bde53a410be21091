//! The room, through the engine: members on every kind of medium, and one that stops reading.

use std::time::Duration;

use hobnob::conn::Conn;
use hobnob::engine::{Dialer, Server, parse};
use hobnob::event::{Closed, Fact, Reason};
use hobnob::spec::Shape;
use tokio::io::AsyncWriteExt;

use crate::stage::{Stage, connect, elsewhere, receive, rest, skip, soon, udp};

/// A member, whatever it came by.
struct Guest {
    conn: Conn,
    heard: Vec<u8>,
}

impl Guest {
    async fn dial(endpoint: &str) -> Self {
        let endpoint = parse(endpoint).expect("an endpoint");
        let dialer = Dialer::default();
        let dialled = soon("a dial", dialer.dial(&endpoint)).await.expect("it listens");
        Guest { conn: dialled.conn, heard: Vec::new() }
    }

    /// Comes in under a name; the cookie is sent back where one is asked for.
    async fn called(endpoint: &str, name: &str) -> Self {
        let mut guest = Self::dial(endpoint).await;
        if endpoint.starts_with("udp:") {
            guest.say("hi").await;
            let told = guest.line().await;
            let cookie: String = told.chars().filter(char::is_ascii_digit).collect();
            guest.say(&cookie).await;
        }
        assert_eq!(guest.line().await, "* your name?", "{endpoint}");
        guest.say(name).await;
        assert!(guest.line().await.starts_with(&format!("* welcome, {name}: ")), "{endpoint}");
        guest
    }

    async fn say(&mut self, text: &str) {
        let newline = if self.conn.shape() == Shape::Bytes { "\n" } else { "" };
        let line = format!("{text}{newline}");
        soon("a send", self.conn.send(line.as_bytes())).await.expect("it hears");
    }

    /// The next line or packet; empty: the end.
    async fn line(&mut self) -> String {
        let mut room = vec![0; 65_536];
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.heard) {
                let line: Vec<u8> = self.heard.drain(..=at).collect();
                return String::from_utf8(line[..at].to_vec()).expect("UTF-8");
            }
            match soon("a line", self.conn.recv(&mut room)).await.expect("in order") {
                Some(length) => self.heard.extend_from_slice(&room[..length]),
                None => return String::new(),
            }
            if self.conn.shape() == Shape::Packets {
                self.heard.push(b'\n');
            }
        }
    }

    /// Messages only, without the room's own words.
    async fn message(&mut self) -> String {
        loop {
            let line = self.line().await;
            if !line.starts_with("* ") {
                return line;
            }
        }
    }
}

fn serve(endpoints: &[&str], set: impl FnOnce(&mut Server)) -> Stage {
    let mut server = Server::new("chat").expect("a service of the table");
    for endpoint in endpoints {
        server.on(&parse(endpoint).expect("an endpoint")).expect("it fits");
    }
    set(&mut server);
    Stage::start(server).expect("it starts")
}

#[tokio::test]
async fn members_on_every_medium_hear_the_same_in_the_same_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.sock").display().to_string();
    let record = format!("unixseq:{}", folder.path().join("seq").display());
    let authority = format!("dev-ca={}", folder.path().join("ca").display());
    let secure = format!("tls://127.0.0.1:0,{authority}");
    let secure_path = format!("tls+unix:{}", folder.path().join("tls.sock").display());
    let listening = format!("{secure_path},{authority}");
    let mut places = vec![
        "tcp://127.0.0.1:0",
        "udp://127.0.0.1:0",
        "lines+tcp://127.0.0.1:0",
        &path,
        &record,
        "memory:chat-media",
    ];
    if cfg!(feature = "tls") {
        places.extend([&*secure, &listening]);
    }
    let stage = serve(&places, |_| {});
    let at = |bound| stage.address_of(bound);
    let mut doors = vec![
        format!("tcp://{}", at(0)),
        format!("udp://{}", at(1)),
        format!("lines+tcp://{}", at(2)),
        path.clone(),
        record.clone(),
        "memory:chat-media".to_owned(),
    ];
    if cfg!(feature = "tls") {
        doors.push(format!("tls://{},ca=dev,{authority}", at(6)));
        doors.push(format!("{secure_path},ca=dev,{authority}"));
    }
    let mut listener = Guest::called(&doors[0], "listener").await;
    let mut guests = Vec::new();
    for (number, door) in doors.iter().enumerate() {
        guests.push(Guest::called(door, &format!("m{number}")).await);
    }
    for round in 0..20 {
        for (number, guest) in guests.iter_mut().enumerate() {
            guest.say(&format!("{round} of 李{number} \x1b]0;x\x07")).await;
        }
    }
    let mut order = Vec::new();
    for _ in 0..20 * guests.len() {
        order.push(listener.message().await);
    }
    for (number, guest) in guests.iter_mut().enumerate() {
        let own = format!("m{number}: ");
        for wanted in order.iter().filter(|line| !line.starts_with(&own)) {
            assert_eq!(&guest.message().await, wanted, "heard on {}", doors[number]);
        }
        let said: Vec<_> = order.iter().filter(|line| line.starts_with(&own)).collect();
        let wanted = |round| format!(r"{own}{round} of 李{number} \x1b]0;x\x07");
        assert_eq!(said, (0..20).map(wanted).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    }
}

/// 500 members on all shards, of which one stopped reading: 200,000 deliveries.
#[tokio::test]
async fn case_7_one_that_stopped_costs_499_others_nothing() {
    const MEMBERS: usize = 500;
    const MESSAGES: usize = 402;
    let mut stage = serve(&["memory:chat-crowd", "tcp://127.0.0.1:0,sndbuf=4k"], |_| {});
    let mut stopped = connect(stage.address_of(1)).await;
    stopped.write_all(b"Stopped\n").await.expect("it is open");
    let stopped_id = stage.opened().await;
    let mut sayer = Guest::called("memory:chat-crowd", "Sayer").await;
    let mut others = Vec::new();
    for number in 0..MEMBERS - 2 {
        others.push(Guest::called("memory:chat-crowd", &format!("m{number}")).await);
    }
    // More than may wait for one, with what the kernel and the far end take.
    let text = "x".repeat(3_500);
    let wanted = |number: usize, text: &str| format!("Sayer: {number} {text}");
    let mut heard = 0;
    for number in 0..MESSAGES {
        sayer.say(&format!("{number} {text}")).await;
        // Nobody is outrun but who does not read at all.
        if number % 20 == 19 || number == MESSAGES - 1 {
            for guest in &mut others {
                for number in heard..=number {
                    assert_eq!(guest.message().await, wanted(number, &text));
                }
            }
            heard = number + 1;
        }
    }
    assert!(MESSAGES * others.len() >= 200_000);
    let closed: Closed = stage
        .until("the end of who stopped", |event| match &event.fact {
            Fact::Closed(closed) if event.session == stopped_id => Some((**closed).clone()),
            _ => None,
        })
        .await;
    let is_its = matches!(closed.reason, Reason::Limit("chat-backlog" | "chat-stall"));
    assert!(is_its, "{:?}: {:?}", closed.reason, closed.detail);
    assert_eq!(stage.count(|fact| matches!(fact, Fact::Closed(_))), 1, "and nobody else");
}

#[tokio::test]
async fn case_19_a_far_address_is_sent_no_more_than_it_sent() {
    let Some(here) = elsewhere() else {
        skip("chat::case_19_a_far_address_is_sent_no_more_than_it_sent", "no address but loopback");
        return;
    };
    let mut stage = serve(&["udp://0.0.0.0:0", "memory:chat-victim"], |_| {});
    let mut ada = Guest::called("memory:chat-victim", "Ada").await;
    let far = udp(&format!("{here}:0"), (here, stage.address().port()).into()).await;
    far.send(b"hi").await.expect("sent");
    ada.say("a secret").await;
    far.send(b"hello?").await.expect("sent");
    let cookie = receive(&far).await;
    assert!(cookie.len() == 8 && cookie.iter().all(u8::is_ascii_digit), "{cookie:?}");
    for _ in 0..3 {
        far.send(b"x").await.expect("sent");
    }
    let closed = stage.closed_by(Reason::Limit("cookie")).await;
    assert!(closed.bytes_out <= closed.bytes_in, "{closed:?}");
    assert_eq!((closed.bytes_in, closed.bytes_out), (11, 8));
}

#[tokio::test]
async fn case_30_an_http_opener_is_dropped_by_name() {
    let mut stage = Stage::serve("chat", "tcp://127.0.0.1:0");
    let mut browser = stage.connect().await;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    browser.write_all(request).await.expect("it is open");
    stage.closed_by(Reason::Limit("http-request")).await;
    assert!(!rest(&mut browser).await.0.contains(&b'H'));
}

#[tokio::test]
async fn a_line_of_one_mebibyte_is_told_its_limit_and_the_next_member_is_well() {
    let mut stage = Stage::serve("chat", "tcp://127.0.0.1:0");
    let mut flood = stage.connect().await;
    // It may be over before all is written.
    let _ =
        soon("the flood", flood.write_all(&[b"x\n".to_vec(), vec![b'x'; 1 << 20]].concat())).await;
    let heard = String::from_utf8(rest(&mut flood).await.0).expect("UTF-8");
    assert!(heard.ends_with("* a line holds at most 65536 bytes\n"), "{heard}");
    stage.closed_by(Reason::Limit("line")).await;
    Guest::called(&format!("tcp://{}", stage.address()), "x").await;
}

#[tokio::test]
async fn a_drain_is_said_and_a_member_leaves_by_silence() {
    let mut stage = serve(&["tcp://127.0.0.1:0", "udp://127.0.0.1:0"], |server| {
        server.limits.peer_idle = Duration::from_millis(200);
    });
    let mut ada = Guest::called(&format!("tcp://{}", stage.address()), "Ada").await;
    let _bob = Guest::called(&format!("udp://{}", stage.address_of(1)), "Bob").await;
    assert_eq!(ada.line().await, "* Bob joined");
    assert_eq!(ada.line().await, "* Bob left");
    stage.closed().await;
    stage.running.drain();
    assert_eq!(ada.line().await, "* the room is closing");
    assert_eq!(ada.line().await, "");
    assert_eq!(stage.closed().await.reason, Reason::Stopped);
    let clock = Duration::from_secs(30);
    tokio::time::timeout(clock, stage.finish()).await.expect("it ends");
}
