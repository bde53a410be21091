//! What is too much for the doors of mail, over the wire: it is refused or cut, by name, and never held.

use hobnob::engine::{Server, parse};
use hobnob::event::{Fact, MailDeed, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::mail::{Client, LETTER, step_of};
use crate::stage::child::Child;
use crate::stage::{Stage, soon};

/// What may be resident at most beside what was before anything came.
const MUCH: u64 = 48 << 20;
/// Bytes that are sent at most before whoever sends them has to be cut.
const ENDLESS: usize = 64 << 20;

/// Sends a letter of these bytes, and what is answered to it.
async fn sends(client: &mut Client, letter: &[u8]) -> String {
    client.says(LETTER, &["250", "250", "250", "354"]).await;
    client.0.write_all(letter).await.expect("it is open");
    client.0.write_all(b"\r\n.\r\n").await.expect("it is open");
    client.answer().await
}

/// Lines of so many bytes together, their ends counted.
fn lines(bytes: usize) -> Vec<u8> {
    let mut all = [&[b'x'; 78][..], b"\r\n"].concat().repeat(bytes / 80 + 1);
    all.truncate(bytes);
    all
}

#[tokio::test]
async fn letters_that_are_too_much_are_refused_or_kept_and_never_held() {
    let child = Child::serve("mail tcp://127.0.0.1:0 trace=no").await;
    let mut client = Client::at(child.address).await;
    assert!(sends(&mut client, b"Subject: first\r\n\r\nhi").await.starts_with("250"));
    let before = child.resident();
    // One byte less is not too much. The end of the last line is a part of it.
    let most = 25 << 20;
    let answer = sends(&mut client, &lines(most - 2)).await;
    assert!(answer.starts_with("250"), "{answer}");
    let answer = sends(&mut client, &lines(most - 1)).await;
    assert!(answer.starts_with("552 5.3.4"), "{answer}");
    let parts = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n".to_vec();
    let parts = [parts, b"--a\r\n\r\n".repeat(200_000)].concat();
    let nested = b"Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    for letter in [parts, nested] {
        assert!(sends(&mut client, &letter).await.starts_with("250"));
    }
    recipients(&mut client).await;
    let peak = child.peak();
    assert!(peak < before + MUCH, "{} KiB more than before", (peak - before) >> 10);
}

/// A hundred are taken, and the others each have their answer.
async fn recipients(client: &mut Client) {
    client.0.write_all(b"MAIL FROM:<app@test>\r\n").await.expect("it is open");
    assert!(client.answer().await.starts_with("250"));
    let mut taken = 0;
    for some in 0..1_000 {
        let all: Vec<_> = (0..100).map(|n| format!("RCPT TO:<u{some}.{n}@test>\r\n")).collect();
        client.0.write_all(all.concat().as_bytes()).await.expect("it is open");
        for _ in 0..100 {
            let answer = client.line().await;
            taken += usize::from(answer.starts_with("250"));
            assert!(answer.starts_with("250") || answer.starts_with("452 4.5.3"), "{answer}");
        }
    }
    assert_eq!(taken, 100);
    client.0.write_all(b"RSET\r\n").await.expect("it is open");
    assert!(client.answer().await.starts_with("250"));
}

fn serve(options: &[(&str, &str)]) -> Stage {
    let mut server = Server::new("mail").expect("it is built in");
    for (name, value) in options {
        server.set(name, Some(value)).expect("an option");
    }
    for door in ["smtp", "pop3", "imap"] {
        server.door(door, &parse("tcp://127.0.0.1:0").expect("an endpoint")).expect("a door");
    }
    Stage::start(server).expect("it starts")
}

/// Sends the same without an end until the server has said its last word.
async fn pour(client: Client, piece: &[u8]) {
    let (mut from, mut to) = client.0.into_inner().into_split();
    let (mut said, mut sent) = (Vec::new(), 0);
    let pouring = async {
        while to.write_all(piece).await.is_ok() {
            sent += piece.len();
            assert!(sent < ENDLESS, "{sent} bytes without an end were read");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // Whether it ends in order or by a reset is not for who pours to say.
        read = soon("the end", from.read_to_end(&mut said)) => drop(read),
        () = pouring => {}
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_cut_at_every_door_long_before_it_is_much() {
    let mut stage = serve(&[]);
    for (door, limit) in [(0, "mail-line"), (1, "mail-line"), (2, "mail-errors")] {
        pour(Client::at(stage.address_of(door)).await, &vec![b'x'; 65_536]).await;
        stage.closed_by(Reason::Limit(limit)).await;
    }
}

#[tokio::test]
async fn a_letter_without_an_end_is_cut_and_told() {
    let mut stage = serve(&[("size", "64k")]);
    for piece in [vec![b'x'; 65_536], b"a line\r\n".repeat(8_192)] {
        let mut client = Client::at(stage.address_of(0)).await;
        client.says(LETTER, &["250", "250", "250", "354"]).await;
        pour(client, &piece).await;
        let refused = step_of(&mut stage, &[MailDeed::Refused]).await;
        assert!(refused.detail.starts_with("552 5.3.4"), "{}", refused.detail);
        stage.closed_by(Reason::Limit("mail-size")).await;
    }
    let mut client = Client::at(stage.address_of(0)).await;
    let chunk = LETTER.replace("DATA", "BDAT 999999999999999 LAST");
    client.0.write_all(chunk.as_bytes()).await.expect("it is open");
    for answer in ["250", "250", "250", "552 5.3.4"] {
        let said = client.answer().await;
        assert!(said.starts_with(answer), "{said}");
    }
    stage.closed_by(Reason::Limit("mail-size")).await;
    // One that is too large, and has an end, costs the letter alone.
    let mut client = Client::at(stage.address_of(0)).await;
    assert!(sends(&mut client, &lines(100_000)).await.starts_with("552 5.3.4"));
    assert!(sends(&mut client, b"Subject: small\r\n\r\n").await.starts_with("250"));
    step_of(&mut stage, &[MailDeed::Refused]).await;
}

#[tokio::test]
async fn who_opens_with_a_request_of_http_is_dropped_before_anything_at_all_three_doors() {
    let mut stage = serve(&[]);
    for door in 0..3 {
        let mut client = Client::at(stage.address_of(door)).await;
        client.0.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it is open");
        stage.closed_by(Reason::Limit("http-request")).await;
    }
}

#[tokio::test]
async fn where_others_may_send_a_login_is_proposed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "secret").expect("a file");
    let user = format!("li:@{}", file.display());
    for (at, options, is_told) in [
        ("tcp://0.0.0.0:0", &[][..], true),
        ("tcp://127.0.0.1:0", &[], false),
        ("tcp://0.0.0.0:0", &[("auth", "need"), ("user", &*user)], false),
    ] {
        let mut server = Server::new("mail").expect("it is built in");
        for (name, value) in options {
            server.set(name, Some(value)).expect("an option");
        }
        server.door("smtp", &parse(at).expect("an endpoint")).expect("a door");
        let mut stage = Stage::start(server).expect("it starts");
        drop(Client::at(stage.address()).await);
        stage.closed().await;
        stage.running.drain();
        soon("the end", stage.running.finished()).await;
        let is_it =
            |fact: &Fact| matches!(fact, Fact::Warning(text) if text.contains("--auth need"));
        assert_eq!(stage.count(is_it), usize::from(is_told), "{at} {options:?}");
    }
}
