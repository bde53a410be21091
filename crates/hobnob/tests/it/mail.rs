//! Letters that come in by one door and go out by another.

mod forwarding;
mod replies;
mod told;
mod trouble;

use std::net::SocketAddr;

use hobnob::engine::{Server, parse};
use hobnob::event::{Fact, MailDeed, Mailed};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::stage::{Stage, connect, soon};

/// A server with all its doors on loopback, and these options.
fn serve(options: &[(&str, &str)]) -> Stage {
    let mut server = Server::new("mail").expect("it is built in");
    for (name, value) in options {
        server.set(name, Some(value)).expect("an option");
    }
    for door in ["smtp", "pop3"] {
        server.door(door, &parse("tcp://127.0.0.1:0").expect("an endpoint")).expect("a door");
    }
    Stage::start(server).expect("it starts")
}

/// A client of lines.
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

impl Client {
    async fn of(stage: &Stage, door: usize) -> Self {
        Self::at(stage.address_of(door)).await
    }

    /// One that was greeted.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let mut client = Client(BufReader::new(connect(address).await));
        client.answer().await;
        client
    }

    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        soon("a line", self.0.read_line(&mut line)).await.expect("text");
        line
    }

    /// The last line of the next answer.
    pub(crate) async fn answer(&mut self) -> String {
        loop {
            let line = self.line().await;
            if line.as_bytes().get(3) != Some(&b'-') || line.starts_with("-ERR") {
                return line;
            }
        }
    }

    /// Says something, and expects answers that begin so.
    pub(crate) async fn says(&mut self, text: &str, answers: &[&str]) {
        self.0.write_all(text.as_bytes()).await.expect("it is open");
        for beginning in answers {
            let answer = self.answer().await;
            assert!(answer.starts_with(beginning), "{text:?}: {answer:?} and not {beginning}");
        }
    }

    /// Begins a letter, and waits where it has to.
    async fn begins(&mut self) {
        for line in LETTER.split_inclusive('\n') {
            let answer = if line.starts_with("DATA") { "354" } else { "250" };
            self.says(line, &[answer]).await;
        }
    }

    /// The lines of an answer of several.
    async fn lines(&mut self, text: &str) -> String {
        self.says(text, &["+OK"]).await;
        let mut lines = String::new();
        loop {
            let line = self.line().await;
            if line == ".\r\n" {
                return lines;
            }
            lines.push_str(&line);
        }
    }

    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        soon("the end", self.0.read_to_string(&mut rest)).await.expect("text");
        rest
    }
}

pub(crate) const LETTER: &str = "EHLO me\r\nMAIL FROM:<app@test>\r\nRCPT TO:<li@test>\r\nDATA\r\n";

pub(crate) async fn send(stage: &Stage, text: &str) {
    let mut client = Client::of(stage, 0).await;
    client.says(LETTER, &["250", "250 2.1.0", "250 2.1.5", "354"]).await;
    client.says(&format!("{text}\r\n.\r\nQUIT\r\n"), &["250 2.0.0 kept as", "221"]).await;
}

/// A client of POP3 that has logged in. A session before that was left without QUIT is waited for.
async fn welcomed(stage: &Stage) -> Client {
    let mut client = Client::of(stage, 1).await;
    client.says("USER x\r\nPASS x\r\n", &["+OK", "+OK welcome: "]).await;
    client
}

/// The next step of a letter.
async fn step(stage: &mut Stage) -> Mailed {
    let step = stage.until("a step of a letter", |event| match &event.fact {
        Fact::Mailed(mailed) => Some((**mailed).clone()),
        _ => None,
    });
    step.await
}

/// The next step of a letter that is one of these.
pub(crate) async fn step_of(stage: &mut Stage, did: &[MailDeed]) -> Mailed {
    loop {
        let step = step(stage).await;
        if did.contains(&step.did) {
            return step;
        }
    }
}

#[tokio::test]
async fn a_letter_that_was_sent_can_be_fetched_and_is_a_file_of_a_maildir() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("mail");
    let stage = serve(&[("dir", dir.to_str().expect("text"))]);
    send(&stage, "Subject: one\r\n\r\n..hidden\r\nhello").await;
    send(&stage, "Subject: two\r\n\r\nbye").await;
    let file = |part: &str| std::fs::read_dir(dir.join(part)).expect("a Maildir").count();
    assert_eq!((file("tmp"), file("new"), file("cur")), (0, 2, 0));
    let mut client = Client::of(&stage, 1).await;
    client.says("STAT\r\nUSER anybody\r\nPASS x\r\n", &["-ERR", "+OK", "+OK welcome: 2 "]).await;
    let text = client.lines("RETR 1\r\n").await;
    assert!(
        text.starts_with("Return-Path: <app@test>\r\nReceived: from me ([127.0.0.1:"),
        "{text}"
    );
    assert!(text.ends_with("\r\nSubject: one\r\n\r\n..hidden\r\nhello\r\n"), "{text}");
    let stored = std::fs::read_dir(dir.join("new"))
        .expect("a Maildir")
        .map(|entry| std::fs::read_to_string(entry.expect("a file").path()).expect("text"));
    assert!(stored.into_iter().any(|stored| stored == text.replace("..hidden", ".hidden")));
    let head = client.lines("TOP 2 0\r\n").await;
    assert!(head.ends_with("Subject: two\r\n\r\n"), "{head}");
    let before = client.lines("UIDL\r\n").await;
    client.says("DELE 1\r\nRETR 1\r\nLIST 2\r\n", &["+OK", "-ERR", "+OK 2 "]).await;
    drop(client);
    // A conn that breaks deletes nothing, and numbers last.
    let mut client = welcomed(&stage).await;
    assert_eq!(client.lines("UIDL\r\n").await, before);
    client.says("DELE 1\r\nQUIT\r\n", &["+OK", "+OK bye; 1 deleted"]).await;
    let mut client = welcomed(&stage).await;
    let after = client.lines("UIDL\r\n").await;
    let two = before.lines().last().and_then(|line| line.split(' ').next_back()).expect("a name");
    assert_eq!(after, format!("1 {two}\r\n"));
}

#[tokio::test]
async fn a_box_has_one_session_of_pop3_and_each_recipient_has_a_box() {
    let stage = serve(&[("boxes", "recipient")]);
    send(&stage, "one").await;
    let mut first = Client::of(&stage, 1).await;
    first.says("USER Li\r\nPASS x\r\n", &["+OK", "+OK welcome: 1 "]).await;
    let mut second = Client::of(&stage, 1).await;
    second.says("AUTH PLAIN AGxpQHRlc3QAeA==\r\n", &["-ERR [IN-USE]"]).await;
    second.says("USER nobody@test\r\nPASS x\r\n", &["+OK", "+OK welcome: 0 0"]).await;
    let mut third = Client::of(&stage, 1).await;
    third.says("AUTH LOGIN\r\nYWxs\r\neA==\r\n", &["+ ", "+ ", "+OK welcome: 1 "]).await;
}

#[tokio::test]
async fn only_who_is_named_logs_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "right\nmore").expect("a file");
    let user = format!("Li:@{}", file.display());
    let stage = serve(&[("user", &user), ("auth", "need")]);
    let mut client = Client::of(&stage, 0).await;
    client.says("EHLO me\r\nMAIL FROM:<a@b>\r\n", &["250", "530 5.7.0"]).await;
    client.says("AUTH PLAIN AGxpAHdyb25n\r\nAUTH PLAIN AGxpAHJpZ2h0\r\n", &["535", "235"]).await;
    client.says("MAIL FROM:<a@b>\r\n", &["250"]).await;
    let mut client = Client::of(&stage, 1).await;
    client.says("USER li\r\nPASS wrong\r\n", &["+OK", "-ERR [AUTH]"]).await;
    client.says("USER LI\r\nPASS right\r\n", &["+OK", "+OK"]).await;
}
