//! The door of `serve mail` for browsers and for tests that read by mailpit's API.

use hobnob::codec::json::JsonValue;
use hobnob::engine::{Server, parse};
use hobnob::event::MailDeed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mail::{send, step_of};
use crate::stage::{Stage, elsewhere, skip, soon};

/// A server whose first door is SMTP and whose second is this one, on these addresses, with these options.
fn serve_on(host: &str, options: &[(&str, &str)]) -> Stage {
    let mut server = Server::new("mail").expect("it is built in");
    for (name, value) in options {
        server.set(name, Some(value)).expect("an option");
    }
    for (door, host) in [("smtp", "127.0.0.1"), ("http", host)] {
        let endpoint = parse(&format!("tcp://{host}:0")).expect("an endpoint");
        server.door(door, &endpoint).expect("a door");
    }
    Stage::start(server).expect("it starts")
}

fn serve() -> Stage {
    serve_on("127.0.0.1", &[])
}

/// An answer: its status, its head in small letters, and its body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> JsonValue {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        JsonValue::read(&self.body).unwrap_or_else(|| panic!("no JSON: {}", self.body))
    }
}

/// Asks with these fields, each with its line end.
async fn ask_with(stage: &Stage, line: &str, fields: &str, body: &str) -> Answer {
    let mut client = TcpStream::connect(stage.address_of(1)).await.expect("it listens");
    let request = format!(
        "{line} HTTP/1.1\r\n{fields}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    client.write_all(request.as_bytes()).await.expect("it is open");
    let mut heard = Vec::new();
    soon("an answer", client.read_to_end(&mut heard)).await.expect("an orderly end");
    let text = String::from_utf8_lossy(&heard).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head[9..12].parse().expect("a status");
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

async fn ask(stage: &Stage, line: &str, body: &str) -> Answer {
    ask_with(stage, line, "Host: localhost\r\n", body).await
}

async fn get(stage: &Stage, path: &str) -> Answer {
    ask(stage, &format!("GET {path}"), "").await
}

/// A value within a value: `messages.0.From.Address`.
fn at<'v>(value: &'v JsonValue, path: &str) -> &'v JsonValue {
    path.split('.').fold(value, |value, step| match value {
        JsonValue::List(items) => &items[step.parse::<usize>().expect("a number")],
        value => value.member(step).unwrap_or_else(|| panic!("no {step} of {path} in {value:?}")),
    })
}

fn text(text: &str) -> JsonValue {
    JsonValue::Text(text.to_owned())
}

/// The subjects of a list.
async fn subjects(stage: &Stage, path: &str) -> Vec<String> {
    let answer = get(stage, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    let JsonValue::List(messages) = at(&answer.json(), "messages").clone() else {
        panic!("{path}")
    };
    messages.iter().map(|message| message.text("Subject").to_owned()).collect()
}

const RICH: &str = "From: =?utf-8?B?5p2O6Zu3?= <app@test>\r\nTo: Li <li@test>\r\nCc: cc@test\r\n\
    Subject: =?utf-8?B?5L2g5aW9?=\r\nMessage-ID: <1@test>\r\nDate: Thu, 26 Nov 2026 10:00:00 +0800\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
    --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/plain\r\n\r\nhello https://app.test/reset/7\r\n\
    --a\r\nContent-Type: text/html\r\n\r\n<p>hello</p><img src=\"cid:pic\"><script>x()</script>\r\n--a--\r\n\
    --m\r\nContent-Type: image/png\r\nContent-ID: <pic>\r\nContent-Disposition: inline\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n\
    --m\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=\"a b.csv\"\r\n\r\n1,2\r\n--m--\r\n";

#[tokio::test]
async fn a_letter_has_the_fields_that_mailpit_gives() {
    let mut stage = serve();
    send(&stage, RICH).await;
    let list = get(&stage, "/api/v1/messages").await.json();
    for (path, value) in [
        ("total", JsonValue::Number(1.0)),
        ("unread", JsonValue::Number(1.0)),
        ("count", JsonValue::Number(1.0)),
        ("messages_count", JsonValue::Number(1.0)),
        ("messages_unread", JsonValue::Number(1.0)),
        ("start", JsonValue::Number(0.0)),
        ("tags", JsonValue::List(Vec::new())),
        ("messages.0.ID", text("1")),
        ("messages.0.MessageID", text("1@test")),
        ("messages.0.Read", JsonValue::Flag(false)),
        ("messages.0.From.Name", text("\u{674e}\u{96f7}")),
        ("messages.0.From.Address", text("app@test")),
        ("messages.0.To.0.Name", text("Li")),
        ("messages.0.To.0.Address", text("li@test")),
        ("messages.0.Cc.0.Address", text("cc@test")),
        ("messages.0.Bcc", JsonValue::List(Vec::new())),
        ("messages.0.ReplyTo", JsonValue::List(Vec::new())),
        ("messages.0.Subject", text("\u{4f60}\u{597d}")),
        ("messages.0.Username", text("")),
        ("messages.0.Attachments", JsonValue::Number(2.0)),
        ("messages.0.Snippet", text("hello https://app.test/reset/7")),
    ] {
        assert_eq!(at(&list, path), &value, "{path}");
    }
    assert!(
        list.text("total").is_empty() && at(&list, "messages.0").text("Created").ends_with('Z')
    );
    for id in ["1", "latest"] {
        let message = get(&stage, &format!("/api/v1/message/{id}")).await.json();
        for (path, value) in [
            ("ID", text("1")),
            ("ReturnPath", text("app@test")),
            ("Date", text("2026-11-26T10:00:00+08:00")),
            ("Text", text("hello https://app.test/reset/7")),
            ("HTML", text("<p>hello</p><img src=\"cid:pic\"><script>x()</script>")),
            ("Inline.0.ContentID", text("pic")),
            ("Inline.0.ContentType", text("image/png")),
            ("Inline.0.PartID", text("1")),
            ("Inline.0.Size", JsonValue::Number(3.0)),
            ("Attachments.0.FileName", text("a b.csv")),
            ("Attachments.0.PartID", text("2")),
        ] {
            assert_eq!(at(&message, path), &value, "{path}");
        }
        assert_eq!(step_of(&mut stage, &[MailDeed::Fetched]).await.detail, "http");
    }
    // A GET changes nothing.
    assert_eq!(
        at(&get(&stage, "/api/v1/messages").await.json(), "unread"),
        &JsonValue::Number(1.0)
    );
}

#[tokio::test]
async fn a_letter_can_be_had_whole_and_in_parts() {
    let stage = serve();
    send(&stage, RICH).await;
    let raw = get(&stage, "/api/v1/message/1/raw").await;
    assert!(raw.body.starts_with("Return-Path: <app@test>\r\nReceived: "), "{}", raw.body);
    assert!(raw.body.ends_with(RICH) || raw.body.ends_with(&format!("{RICH}\r\n")), "{}", raw.body);
    let headers = get(&stage, "/api/v1/message/1/headers").await.json();
    assert_eq!(headers.texts("Message-Id"), ["<1@test>"]);
    let part = get(&stage, "/api/v1/message/1/part/2").await;
    assert_eq!(part.body.trim_end(), "1,2");
    assert!(part.head.contains("content-type: text/csv"), "{}", part.head);
    assert!(part.head.contains("attachment; filename*=utf-8''a%20b.csv"), "{}", part.head);
    assert_eq!(get(&stage, "/view/1.txt").await.body, "hello https://app.test/reset/7");
    let html = get(&stage, "/view/latest.html").await;
    assert_eq!(
        html.body,
        "<p>hello</p><img src=\"data:image/png;base64,AAEC\"><x-script hidden>x()</x-script>"
    );
    let policy = "content-security-policy: sandbox; default-src 'none'; img-src data:;";
    assert!(html.head.contains(policy), "{}", html.head);
    let journey = get(&stage, "/hobnob/letter/1").await.json();
    for (path, value) in [
        ("client", text("me")),
        ("from", text("app@test")),
        ("to.0", text("li@test")),
        ("boxes.0", text("all")),
        ("links.0", text("https://app.test/reset/7")),
        ("parts.kind", text("multipart/mixed")),
        ("parts.parts.0.parts.1.kind", text("text/html")),
        ("parts.parts.2.name", text("a b.csv")),
    ] {
        assert_eq!(at(&journey, path), &value, "{path}");
    }
    assert!(journey.texts("dialogue").contains(&"> RCPT TO:<li@test>"), "{journey:?}");
    // The letter was fetched above, and that is a step of its way.
    for (path, value) in
        [("steps.0.did", "fetched"), ("steps.0.by", "http"), ("steps.0.detail", "all")]
    {
        assert_eq!(at(&journey, path), &text(value), "{path}");
    }
    for unknown in [
        "/api/v1/message/2",
        "/api/v1/message/x/raw",
        "/api/v1/message/1/part/0",
        "/api/v1/message/1/part/3",
        "/view/1.exe",
        "/api/v1/nothing",
        "/%61pi/v1/messages",
        "/inbox.js/",
        "/../etc/passwd",
    ] {
        assert_eq!(get(&stage, unknown).await.status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn lists_begin_and_end_where_they_are_asked_to_and_searches_find() {
    let stage = serve();
    for subject in ["one", "two", "three"] {
        send(
            &stage,
            &format!("From: {subject}@test\r\nSubject: {subject}\r\n\r\nbody of {subject}"),
        )
        .await;
    }
    for (path, listed) in [
        ("messages", &["three", "two", "one"][..]),
        ("messages?limit=1", &["three"]),
        ("messages?start=1&limit=1", &["two"]),
        ("messages?start=9", &[]),
        ("messages?limit=99999999999999999999&start=x", &["three", "two", "one"]),
        ("search?query=two", &["two"]),
        ("search?query=from%3Atwo%40test", &["two"]),
        ("search?query=subject:t", &["three", "two"]),
        ("search?query=subject:t&limit=1&start=1", &["two"]),
        ("search?query=%22body+of%22+-from:one", &["three", "two"]),
        ("search?query=bcc:li%40test", &["three", "two", "one"]),
        ("search?query=is:read", &[]),
        ("search?query=has:attachment", &[]),
    ] {
        assert_eq!(subjects(&stage, &format!("/api/v1/{path}")).await, listed, "{path}");
    }
    assert_eq!(get(&stage, "/api/v1/search").await.status, 400);
    assert_eq!(get(&stage, "/api/v1/search?query=+").await.status, 400);
}

#[tokio::test]
async fn letters_are_deleted_by_name_and_all_of_them_only_where_that_is_meant() {
    let mut stage = serve();
    for subject in ["one", "two", "three", "four"] {
        send(&stage, &format!("Subject: {subject}\r\n\r\nx")).await;
    }
    let all = ["four", "three", "two", "one"];
    for body in ["{", "[]", "{\"IDs\":\"1\"}", "{\"IDs\":[1]}", "IDs=1", "\u{0}"] {
        assert_eq!(ask(&stage, "DELETE /api/v1/messages", body).await.status, 400, "{body}");
    }
    let long = " ".repeat(300_000);
    assert_eq!(ask(&stage, "DELETE /api/v1/messages", &long).await.status, 413);
    assert_eq!(ask(&stage, "DELETE /api/v1/messages", "{\"IDs\":[\"99\"]}").await.status, 200);
    assert_eq!(ask(&stage, "DELETE /api/v1/search", "").await.status, 400);
    assert_eq!(ask(&stage, "POST /api/v1/messages", "").await.status, 405);
    assert_eq!(subjects(&stage, "/api/v1/messages").await, all);
    let read = "{\"IDs\":[\"1\"],\"Read\":true}";
    assert_eq!(ask(&stage, "PUT /api/v1/messages", read).await.body, "ok");
    assert_eq!(subjects(&stage, "/api/v1/search?query=is:read").await, ["one"]);
    assert_eq!(ask(&stage, "DELETE /api/v1/messages", "{\"IDs\":[\"2\"]}").await.body, "ok");
    assert_eq!(step_of(&mut stage, &[MailDeed::Deleted]).await.letter, 2);
    assert_eq!(ask(&stage, "DELETE /api/v1/search?query=subject:three", "").await.body, "ok");
    assert_eq!(subjects(&stage, "/api/v1/messages").await, ["four", "one"]);
    assert_eq!(ask(&stage, "DELETE /api/v1/messages", "").await.body, "ok");
    assert_eq!(subjects(&stage, "/api/v1/messages").await, [""; 0]);
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_before_anything_is_done() {
    let stage = serve_on("127.0.0.1", &[("web-host", "mail.example")]);
    send(&stage, "Subject: one\r\n\r\nx").await;
    let navigates = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let link = format!("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n{navigates}");
    for (line, fields, status) in [
        ("GET /", "Host: localhost:8025\r\n", 200),
        ("GET /", "Host: app.localhost\r\n", 200),
        ("GET /", "Host: 127.0.0.1:1\r\n", 200),
        ("GET /", "Host: [::1]:8025\r\n", 200),
        ("GET /", "Host: MAIL.example:80\r\n", 200),
        ("GET /", "Host: evil.example\r\n", 421),
        ("GET /", "Host: localhost.evil\r\n", 421),
        ("GET /", "Host: 2130706433\r\n", 421),
        ("GET /", "Host: mail.example.evil\r\n", 421),
        ("GET /", "Host: localhost@evil\r\n", 400),
        ("DELETE /api/v1/messages", "Host: evil.example\r\n", 421),
        ("DELETE /api/v1/messages", "Host: localhost\r\nOrigin: http://evil.example\r\n", 403),
        ("DELETE /api/v1/messages", "Host: localhost\r\nOrigin: null\r\n", 403),
        ("DELETE /api/v1/messages", "Host: localhost\r\nOrigin: http://localhost:1\r\n", 403),
        ("DELETE /api/v1/messages", "Host: localhost\r\nSec-Fetch-Site: same-site\r\n", 403),
        ("GET /api/v1/messages", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("GET /api/v1/messages", &link, 403),
        ("GET /view/1.html", &link, 403),
        ("GET /", &link, 200),
        ("GET /api/v1/messages", "Host: localhost\r\nSec-Fetch-Site: none\r\n", 200),
        ("GET /", "Host: localhost\r\nOrigin: http://localhost\r\n", 200),
    ] {
        assert_eq!(ask_with(&stage, line, fields, "").await.status, status, "{line} {fields}");
    }
    assert_eq!(subjects(&stage, "/api/v1/messages").await, ["one"]);
    let page = get(&stage, "/").await;
    for forbids in
        ["default-src 'none'", "frame-ancestors 'none'", "script-src 'self'", "form-action 'none'"]
    {
        assert!(page.head.contains(forbids), "{}", page.head);
    }
    assert!(!page.head.contains("access-control"), "{}", page.head);
}

#[tokio::test]
async fn users_and_whoever_is_not_on_this_machine_log_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").expect("a file");
    let user = format!("li:@{}", file.display());
    let login = |value: &str| format!("Host: 127.0.0.1\r\nAuthorization: {value}\r\n");
    let right = login("Basic bGk6c2VjcmV0");
    let table = [
        ("Host: 127.0.0.1\r\n".to_owned(), 401),
        (login("Basic bGk6d3Jvbmc="), 401),
        (login("Basic !"), 401),
        (login("Bearer bGk6c2VjcmV0"), 401),
        (right.clone(), 200),
    ];
    let stage = serve_on("127.0.0.1", &[("user", &user)]);
    for (fields, status) in &table {
        let answer = ask_with(&stage, "GET /api/v1/messages", fields, "").await;
        assert_eq!(answer.status, *status, "{fields}");
        assert_eq!(answer.head.contains("www-authenticate: basic"), *status == 401);
    }
    let name = "inbox::users_and_whoever_is_not_on_this_machine_log_in";
    let Some(here) = elsewhere() else { return skip(name, "no address beside loopback") };
    let stage = serve_on(&here.to_string(), &[]);
    let answer = ask_with(&stage, "GET /api/v1/messages", &right, "").await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("--user"), "{}", answer.body);
    let stage = serve_on(&here.to_string(), &[("user", &user)]);
    for (fields, status) in &table {
        let answer = ask_with(&stage, "GET /api/v1/messages", fields, "").await;
        assert_eq!(answer.status, *status, "{fields}");
    }
}

#[tokio::test]
async fn a_question_for_changes_is_answered_once_there_is_one_and_when_the_server_ends() {
    let stage = serve();
    let count = |answer: &Answer| match answer.json().member("count") {
        Some(JsonValue::Number(count)) => *count,
        other => panic!("{other:?}"),
    };
    let before = count(&get(&stage, "/hobnob/changes").await);
    let path = format!("/hobnob/changes?after={before}");
    let (after, ()) = tokio::join!(get(&stage, &path), send(&stage, "Subject: one\r\n\r\nx"));
    assert!(count(&after) > before);
    // Who waits when the server is asked to end has an answer, and does not hold it up.
    let mut client = TcpStream::connect(stage.address_of(1)).await.expect("it listens");
    let after = count(&get(&stage, "/hobnob/changes").await);
    let request = format!("GET /hobnob/changes?after={after} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.write_all(request.as_bytes()).await.expect("it is open");
    let ended = async {
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.expect("an orderly end");
        heard
    };
    let (heard, _) = tokio::join!(soon("the end", ended), stage.finish());
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 200 OK"), "{heard}");
}
