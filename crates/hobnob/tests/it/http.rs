//! `serve http`: what it answers, what it refuses, and that its deadlines fire.

use std::cell::Cell;
use std::time::Duration;

use hobnob::bus::{Subscription, Wish};
use hobnob::chunk::Direction;
use hobnob::clock::Clock;
use hobnob::conn::Conn;
use hobnob::conn::listener::Accepted;
use hobnob::engine::{Dialer, Server, parse};
use hobnob::error::{Advice, Kind};
use hobnob::event::{Exchanged, Fact, Reason};
use hobnob::service::http::{Patience, ROW, serve};
use hobnob::spec::Options;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Stage, own, rest, soon};
use crate::stuck;

const TCP: &str = "tcp://127.0.0.1:0";
const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends, ends, and hears everything.
async fn ask(stage: &Stage, request: &str) -> String {
    let mut client = stage.connect().await;
    client.write_all(&latin(request)).await.expect("it is open");
    client.shutdown().await.expect("it is open");
    let (heard, is_orderly) = rest(&mut client).await;
    assert!(is_orderly, "{request:?} was answered by a reset");
    String::from_utf8(heard).expect("text")
}

/// Each character is a byte.
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u8).collect()
}

/// One answer with a body of a given length; the conn stays open.
async fn answer(client: &mut TcpStream) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("a head", client.read_u8()).await.expect("an answer"));
    }
    let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
    let length = head.split_once("content-length: ").expect("a length").1;
    let length = length.split_once("\r\n").expect("a line").0.parse().expect("a number");
    let mut body = vec![0; length];
    soon("a body", client.read_exact(&mut body)).await.expect("a body");
    (head, String::from_utf8(body).expect("text"))
}

fn statuses(heard: &str) -> Vec<&str> {
    let answers = heard.split("HTTP/1.").skip(1).map(|answer| &answer[2..5]);
    // Pages that say why have the word too.
    answers.filter(|status| status.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

#[tokio::test]
async fn a_page_is_answered_and_told() {
    let mut stage = Stage::serve("http", TCP);
    let heard = ask(&stage, "GET /index.html?a=b HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (head, body) = heard.split_once("\r\n\r\n").expect("a head and a body");
    assert_eq!(body, "Hello, world!\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
    assert!(head.contains("content-length: 14") && head.contains("date: "), "{head}");
    let told = exchanged(&mut stage).await;
    assert_eq!((told.method.as_str(), told.target.as_str()), ("GET", "/index.html?a=b"));
    assert_eq!((told.status, told.bytes), (200, 14));
    assert_eq!(stage.closed().await.reason, Reason::Eof);
}

async fn exchanged(stage: &mut Stage) -> Exchanged {
    stage
        .until("exchange", |event| match &event.fact {
            Fact::Exchanged(exchange) => Some((**exchange).clone()),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let mut stage = Stage::serve("http", TCP);
    let heard = ask(&stage, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(heard.ends_with("\r\n\r\n") && heard.contains("content-length: 14"), "{heard}");
    assert_eq!(exchanged(&mut stage).await.bytes, 0);
}

#[tokio::test]
async fn a_conn_is_kept_and_answers_in_order() {
    let stage = Stage::serve("http", TCP);
    let mut client = stage.connect().await;
    for _ in 0..3 {
        client.write_all(GET.as_bytes()).await.expect("it is open");
        assert_eq!(answer(&mut client).await.1, "Hello, world!\n");
    }
    let mut all = String::new();
    for number in 0..16 {
        let method = if number % 2 == 0 { "GET" } else { "POST" };
        let head = format!("{method} /{number} HTTP/1.1\r\nHost: x\r\n");
        all.push_str(&head);
        all.push_str("Content-Length: 2\r\n\r\nhi");
    }
    client.write_all(all.as_bytes()).await.expect("it is open");
    for _ in 0..16 {
        assert_eq!(answer(&mut client).await.1, "Hello, world!\n");
    }
    drop(client);
    let mut stage = stage;
    let mut targets = Vec::new();
    for _ in 0..19 {
        targets.push(exchanged(&mut stage).await.target);
    }
    let expected = (0..16).map(|number| format!("/{number}")).collect::<Vec<_>>();
    assert_eq!(targets[3..], expected);
}

#[tokio::test]
async fn sixteen_requests_in_one_write_are_answered_in_one_send() {
    let mut stage = Stage::serve("http", TCP);
    let seen =
        stage.running.subscribe(Wish { data: true, upstream: false, snap: 0, capacity: 1 << 12 });
    let mut client = stage.connect().await;
    client.write_all(GET.repeat(16).as_bytes()).await.expect("it is open");
    for _ in 0..16 {
        answer(&mut client).await;
    }
    drop(client);
    stage.closed().await;
    let mut events = Vec::new();
    seen.pull(&mut events);
    let is_sent =
        |fact: &Fact| matches!(fact, Fact::Data(data) if data.direction == Direction::Out);
    assert_eq!(events.iter().filter(|event| is_sent(&event.fact)).count(), 1);
}

#[tokio::test]
async fn bodies_are_heard_to_their_ends() {
    let stage = Stage::serve("http", TCP);
    let long = "x".repeat(300_000);
    let requests = [
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n{long}{GET}"),
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
             493e0;a=b\r\n{long}\r\n5\r\nhello\r\n0\r\nT: x\r\n\r\n{GET}"
        ),
    ];
    for request in requests {
        assert_eq!(statuses(&ask(&stage, &request).await), ["200", "200"]);
    }
}

#[tokio::test]
async fn who_expects_a_word_first_gets_it() {
    let stage = Stage::serve("http", TCP);
    let mut client = stage.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    crate::stage::ask(&mut client, head.as_bytes(), b"HTTP/1.1 100 Continue\r\n\r\n").await;
    client.write_all(b"hello").await.expect("it is open");
    assert!(answer(&mut client).await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn http_1_0_is_answered_once() {
    let stage = Stage::serve("http", TCP);
    let mut client = stage.connect().await;
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("it is open");
    let (heard, is_orderly) = rest(&mut client).await;
    assert!(is_orderly && heard.starts_with(b"HTTP/1.0 200 OK\r\n"));
}

#[tokio::test]
async fn page_status_and_type_are_as_asked() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("page.html");
    std::fs::write(&path, "<p>hi").expect("a file");
    let file = format!("@{}", path.display());
    for (options, status, kind, body) in [
        (&[("body", "no"), ("status", "404")][..], "404", "text/plain", "no"),
        (&[("body", file.as_str())], "200", "text/html", "<p>hi"),
        (&[("body", ""), ("type", "a/b")], "200", "a/b", ""),
        (&[("status", "204")], "204", "", ""),
        (&[("status", "205")], "205", "", ""),
        (&[("status", "304")], "304", "", ""),
        (&[("status", "599")], "599", "text/plain", "Hello, world!\n"),
    ] {
        let stage = Stage::with("http", TCP, |server| {
            for (name, value) in options {
                server.set(name, Some(value)).expect("its option");
            }
        });
        let heard = ask(&stage, &GET.repeat(2)).await;
        assert_eq!(statuses(&heard), [status; 2], "{options:?}");
        assert!(heard.ends_with(&format!("\r\n\r\n{body}")), "{heard}");
        assert_eq!(heard.contains("content-type"), !kind.is_empty(), "{heard}");
        assert!(heard.contains(kind), "{heard}");
        assert_eq!(
            heard.contains("content-length: "),
            !["204", "304"].contains(&status),
            "{heard}"
        );
    }
}

#[test]
fn options_that_cannot_be_are_errors() {
    for status in ["199", "600", "65736"] {
        let error = Options::of(ROW.spec.options).set(ROW.spec.options, "status", Some(status));
        let error = error.expect_err(status);
        assert_eq!(error.kind(), Kind::BadOption, "{status}");
        assert!(error.message().ends_with("from 200 to 599"), "{error}");
        let mut server = Server::new("http").expect("the service");
        let error = server.set("status", Some(status)).err().expect(status);
        assert_eq!(error.kind(), Kind::BadOption, "{status}");
        let advice = error.hints().first().map(|hint| hint.advice.clone());
        let value = Some("200".to_owned());
        assert_eq!(advice, Some(Advice::Option { name: "status", value }), "{status}");
    }
    let mut options = Options::of(ROW.spec.options);
    options.set(ROW.spec.options, "type", Some("a\nb")).expect("it can be said");
    let made = serve(&options, Patience::default()).map(drop);
    let error = made.expect_err("a line feed");
    assert_eq!(error.kind(), Kind::BadOption);
    assert!(!error.hints().is_empty());
}

/// Making means; the page is read when the server opens.
#[test]
fn a_page_that_is_not_there_fails_the_start_and_not_the_making() {
    let mut server = Server::new("http").expect("it is built in");
    server.set("body", Some("@/nowhere/page.html")).expect("it can be said");
    let error = server.at("tcp://127.0.0.1:0").expect("it fits").start().map(drop);
    let error = error.expect_err("no page");
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(!error.hints().is_empty());
}

/// A request that is refused; the one behind it must never be answered.
const SHAPES: &[&str] = &[
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:  chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked,identity\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\nHost: x\n\n",
    "GET / HTTP/1.1\r\nHost: x\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
];

/// Chunks that are refused.
const CHUNKS: &[&str] = &[
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "10000000000000000\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "\r\nhello\r\n0\r\n\r\n",
    "5\r\nhelloxx\r\n0\r\n\r\n",
];

#[tokio::test]
async fn case_27_what_can_be_read_in_two_ways_is_refused() {
    let mut stage = Stage::serve("http", TCP);
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let shapes = SHAPES.iter().map(|shape| (*shape).to_owned());
    let shapes = shapes.chain(CHUNKS.iter().map(|chunks| format!("{chunked}{chunks}")));
    let (clock, mut refused) = (Clock::start(), 0);
    for shape in shapes {
        // Whole, and behind a good one in the same packet.
        for (before, expected) in [("", &["400"][..]), (GET, &["200", "400"])] {
            let heard = ask(&stage, &format!("{before}{shape}{GET}")).await;
            assert_eq!(statuses(&heard), expected, "{shape:?}: {heard}");
            let closed = stage.closed().await;
            let detail = closed.detail.unwrap_or_default();
            assert!(detail.starts_with("the request was refused: "), "{shape:?}: {detail}");
            assert_eq!(closed.reason, Reason::Eof, "{shape:?}");
            refused += 1;
        }
    }
    // Each is counted and has the end of its session; as errors they are told once a second.
    assert_eq!(stage.running.summary().failed, refused);
    let most = 1 + usize::try_from(clock.now().as_secs()).expect("a few");
    let is_told = |fact: &Fact| matches!(fact, Fact::Failed(e) if e.kind() == Kind::BadFrame);
    assert!((1..=most).contains(&stage.counted(is_told).await), "in {:?}", clock.now());
}

#[tokio::test]
async fn case_27_a_body_that_is_longer_than_it_says_is_no_request() {
    let stage = Stage::serve("http", TCP);
    let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    for (over, status) in [("xx", "501"), ("XX", "501"), ("xx\r\n", "400")] {
        let heard = ask(&stage, &format!("{post}{over}{GET}")).await;
        assert_eq!(statuses(&heard), ["200", status], "{over:?}");
    }
}

#[tokio::test]
async fn an_empty_line_before_a_request_is_skipped_and_a_minor_version_means_the_highest_we_know() {
    let stage = Stage::serve("http", TCP);
    let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\r\n";
    let newer = GET.replace("1.1", "1.9");
    for request in [&format!("\r\n{GET}{GET}"), &format!("{post}{GET}"), &format!("{newer}{GET}")] {
        let heard = ask(&stage, request).await;
        assert_eq!(statuses(&heard), ["200"; 2], "{request:?}");
        assert_eq!(heard.matches("HTTP/1.1 200").count(), 2, "{heard}");
    }
}

#[tokio::test]
async fn an_answer_that_is_counted_arrives_and_nothing_behind_the_last_request_is_read() {
    let mut stage = Stage::serve("http", TCP);
    let behind = ["anything", GET, "\0", "\r\n", &"x".repeat(300_000), SHAPES[0]];
    for last in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: x, CLOSE\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        for behind in behind {
            for before in ["", GET] {
                let mut client = stage.connect().await;
                let request = format!("{before}{last}{behind}");
                client.write_all(request.as_bytes()).await.expect("it is taken");
                let (heard, is_orderly) = rest(&mut client).await;
                let heard = String::from_utf8_lossy(&heard);
                let expected = if before.is_empty() { &["200"][..] } else { &["200"; 2] };
                assert_eq!(statuses(&heard), expected, "{last:?} {before:?}");
                assert!(is_orderly && heard.ends_with("Hello, world!\n"), "{heard}");
                drop(client);
                assert_eq!(stage.closed().await.reason, Reason::Eof);
            }
        }
    }
    assert_eq!(stage.count(|fact| matches!(fact, Fact::Failed(_))), 0);
}

#[tokio::test]
async fn answers_that_nobody_takes_count_against_the_budget_of_memory() {
    let (mut script, mut clients) = (own::Script::new(), Vec::new());
    for _ in 0..3 {
        let (ours, mut theirs, _) = stuck::guest();
        theirs.send(GET.repeat(8).as_bytes()).await.expect("there is room");
        script.push_back(Box::new(|| Accepted::Conn(ours)));
        clients.push(theirs);
    }
    let mut server = Server::new("http").expect("a service of the table");
    server.set("body", Some(&"x".repeat(20_000))).expect("its option");
    // Two answers wait for each of the three, which is more than a third of the budget.
    server.limits.memory = 100_000;
    own::script(&mut server, script);
    let mut stage = Stage::start(server).expect("it starts");
    stage.closed_by(Reason::Limit("memory")).await;
    stage.holds("one was enough", |running| running.open() == 2).await;
}

#[tokio::test]
async fn case_27_one_byte_at_a_time_changes_nothing() {
    let stage = Stage::serve("http", TCP);
    for (shape, expected) in [(GET, &["200"][..]), (SHAPES[0], &["400"]), (SHAPES[6], &["400"])] {
        let mut client = stage.connect().await;
        for byte in latin(shape) {
            if client.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(client.shutdown().await);
        let heard = String::from_utf8(rest(&mut client).await.0).expect("text");
        assert_eq!(statuses(&heard), expected, "{shape:?}");
    }
}

#[tokio::test]
async fn a_request_that_ends_in_its_middle_hears_why() {
    let stage = Stage::serve("http", TCP);
    for text in ["GET / HTTP/1.1\r\nHost: x\r\n", &format!("{}hi", post_of(5))] {
        // Alone, and behind one that is answered.
        for (before, expected) in [("", &["400"][..]), (GET, &["200", "400"])] {
            let heard = ask(&stage, &format!("{before}{text}")).await;
            assert_eq!(statuses(&heard), expected, "{text:?}");
            assert!(heard.contains("it ends in its middle"), "{heard}");
        }
    }
}

fn post_of(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
}

fn hasty() -> Stage {
    let patience = Patience {
        head: Duration::from_millis(300),
        body: Duration::from_millis(300),
        rate: 1_000_000,
        ..Patience::default()
    };
    let options = Options::of(ROW.spec.options);
    Stage::of(serve(&options, patience).expect("its defaults"), TCP, |_| {})
}

/// Bytes that the server has received since this was asked last.
fn taken(seen: &Subscription) -> usize {
    let mut events = Vec::new();
    seen.pull(&mut events);
    let received = events.iter().map(|event| match &event.fact {
        Fact::Data(data) if data.direction == Direction::In => data.length,
        _ => 0,
    });
    received.sum()
}

#[tokio::test]
async fn cases_8_and_9_deadlines_fire_however_slowly_it_drips() {
    for (text, drip, limit) in [
        ("", "", "http-head"),
        ("GET / HTTP/1.1\r\nX: ", "x", "http-head"),
        (&*post_of(1_000_000), "x", "http-body"),
        ("POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\n", "", "http-body"),
    ] {
        let mut stage = hasty();
        let seen = stage.running.subscribe(Wish {
            data: true,
            upstream: false,
            snap: 0,
            capacity: 1 << 12,
        });
        let mut client = stage.connect().await;
        client.write_all(text.as_bytes()).await.expect("it is open");
        let (mut reader, mut writer) = client.split();
        let mut heard = Vec::new();
        // A byte, and the next when that one has come: slow, and never still.
        let dripping = async {
            let mut sent = text.len();
            let come = Cell::new(0);
            while !drip.is_empty() && writer.write_all(drip.as_bytes()).await.is_ok() {
                sent += drip.len();
                stage
                    .holds("it has come", |_| {
                        come.set(come.get() + taken(&seen));
                        come.get() >= sent
                    })
                    .await;
            }
            std::future::pending::<()>().await;
        };
        let hearing = async { reader.read_to_end(&mut heard).await };
        let end = async {
            tokio::select! {
                () = dripping => unreachable!("it never ends"),
                end = hearing => end,
            }
        };
        soon("the end", end).await.expect("an orderly end");
        assert_eq!(statuses(&String::from_utf8_lossy(&heard)), ["408"], "{text:?}");
        drop(client);
        stage.closed_by(Reason::Limit(limit)).await;
    }
}

#[tokio::test]
async fn between_two_requests_the_deadline_of_a_head_does_not_count() {
    let stage = hasty();
    let mut client = stage.connect().await;
    client.write_all(GET.as_bytes()).await.expect("it is open");
    answer(&mut client).await;
    // Two others, one after the other, have as long for a head as a head has.
    for _ in 0..2 {
        let (heard, _) = rest(&mut stage.connect().await).await;
        assert_eq!(statuses(&String::from_utf8_lossy(&heard)), ["408"]);
    }
    client.write_all(GET.as_bytes()).await.expect("it is open");
    answer(&mut client).await;
}

#[tokio::test]
async fn a_conn_that_is_kept_for_nothing_gives_up_its_place() {
    let patience = Patience { idle: Duration::from_millis(200), ..Patience::default() };
    let made = serve(&Options::of(ROW.spec.options), patience).expect("its defaults");
    let mut stage = Stage::of(made, TCP, |server| server.limits.max_conns = Some(2));
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = stage.connect().await;
        client.write_all(GET.as_bytes()).await.expect("it is open");
        answer(&mut client).await;
        kept.push(client);
    }
    let mut waits = stage.connect().await;
    waits.write_all(GET.as_bytes()).await.expect("it is open");
    for mut client in kept {
        let (heard, is_orderly) = rest(&mut client).await;
        assert!(heard.is_empty() && is_orderly, "{}", heard.escape_ascii());
        drop(client);
        stage.closed_by(Reason::Limit("http-idle")).await;
    }
    assert_eq!(answer(&mut waits).await.1, "Hello, world!\n");
}

#[tokio::test]
async fn it_is_the_same_over_other_media() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("x.sock").display().to_string();
    for endpoint in [path.as_str(), "memory:http-media"] {
        let stage = Stage::serve("http", endpoint);
        let mut conn = dial(endpoint).await;
        conn.send(GET.repeat(2).as_bytes()).await.expect("it is open");
        conn.end().await.expect("it is open");
        let (mut heard, mut room) = (Vec::new(), [0; 4_096]);
        while let Some(length) = soon("an answer", conn.recv(&mut room)).await.expect("no reset") {
            heard.extend_from_slice(&room[..length]);
        }
        assert_eq!(statuses(&String::from_utf8_lossy(&heard)), ["200", "200"], "{endpoint}");
        drop(conn);
        stage.finish().await;
    }
}

async fn dial(endpoint: &str) -> Conn {
    let endpoint = parse(endpoint).expect("an endpoint");
    soon("a conn", Dialer::default().dial(&endpoint)).await.expect("it is served").conn
}

#[tokio::test]
async fn an_endpoint_may_name_the_protocol() {
    let mut server = Server::new("http").expect("a service of the table");
    server.on(&parse("http://127.0.0.1:0").expect("an endpoint")).expect("it is spoken");
    let mut echo = Server::new("echo").expect("a service of the table");
    assert!(echo.on(&parse("http://127.0.0.1:0").expect("an endpoint")).is_err());
}

#[tokio::test]
async fn a_drain_ends_what_idles_and_lets_the_rest_finish() {
    let mut stage = Stage::serve("http", TCP);
    let (mut idle, mut busy) = (stage.connect().await, stage.connect().await);
    idle.write_all(GET.as_bytes()).await.expect("it is open");
    answer(&mut idle).await;
    let head = format!("{}he", post_of(5));
    let seen = stage.running.subscribe(Wish { data: true, upstream: false, snap: 0, capacity: 64 });
    busy.write_all(head.as_bytes()).await.expect("it is open");
    // What the tap has seen has passed the guard before the session looks at anything else.
    let busy_has_come = |fact: &Fact| matches!(fact, Fact::Data(data) if data.length == head.len());
    stage
        .holds("its head has come", |_| {
            let mut events = Vec::new();
            seen.pull(&mut events);
            events.iter().any(|event| busy_has_come(&event.fact))
        })
        .await;
    stage.running.drain();
    assert!(rest(&mut idle).await.1, "an end in order");
    busy.write_all(b"llo").await.expect("it is open");
    let (heard, is_orderly) = rest(&mut busy).await;
    assert!(is_orderly && heard.starts_with(b"HTTP/1.1 200 OK"), "{}", heard.escape_ascii());
    stage.closed_by(Reason::Stopped).await;
}
