//! Letters that come in by one door and go out by another.

use std::net::SocketAddr;
use std::path::Path;

use hobnob::engine::{Server, parse};
use hobnob::event::{Fact, MailDeed, Mailed, Reason};
use hobnob::fault::Act;
#[cfg(feature = "tls")]
use hobnob::{conn::Conn, engine::Dialer};
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

/// A client of POP3 that has logged in. A session before that was left without QUIT is waited for.
async fn welcomed(stage: &Stage) -> Client {
    let mut client = Client::of(stage, 1).await;
    client.says("USER x\r\nPASS x\r\n", &["+OK", "+OK welcome: "]).await;
    client
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

#[tokio::test]
async fn case_30_a_web_page_cannot_post_a_letter() {
    let mut stage = serve(&[]);
    for door in [0, 1] {
        let mut client = Client::of(&stage, door).await;
        let post = format!("POST / HTTP/1.1\r\nHost: x\r\n\r\n{LETTER}hi\r\n.\r\n");
        client.0.write_all(post.as_bytes()).await.expect("it is open");
        stage.closed_by(Reason::Limit("http-request")).await;
    }
    assert_eq!(welcomed(&stage).await.lines("LIST\r\n").await, "");
}

#[tokio::test]
async fn case_39_a_letter_that_is_coming_is_finished_and_who_waits_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = serve(&[("dir", folder.path().to_str().expect("text"))]);
    let (mut idle, mut busy) = (Client::of(&stage, 0).await, Client::of(&stage, 0).await);
    let mut pop3 = Client::of(&stage, 1).await;
    busy.says(LETTER, &["250", "250", "250", "354"]).await;
    busy.says("half a let", &[]).await;
    stage.running.drain();
    assert!(idle.rest().await.starts_with("421 4.3.2"));
    assert!(pop3.rest().await.starts_with("-ERR [SYS/TEMP]"));
    busy.says("ter\r\n.\r\n", &["250 2.0.0 kept as"]).await;
    assert!(busy.rest().await.starts_with("421"));
    let finished = soon("the end", stage.running.finished()).await;
    assert_eq!(finished.sessions, 3);
    let new = Path::new(folder.path()).join("new");
    assert_eq!(std::fs::read_dir(new).expect("a Maildir").count(), 1);
}

#[tokio::test]
async fn case_31_nothing_is_kept_without_its_dot() {
    let mut stage = serve(&[]);
    for end in ["", "\r\n.", "\n.\n", "\r\n.\r\r\n", "\r\nRSET\r\nQUIT\r\n"] {
        let mut client = Client::of(&stage, 0).await;
        client.says(LETTER, &["250", "250", "250", "354"]).await;
        client.says(&format!("half a letter{end}"), &[]).await;
        client.0.shutdown().await.expect("it is open");
        stage.closed().await;
    }
    send(&stage, "a whole letter").await;
    assert_eq!(welcomed(&stage).await.lines("UIDL\r\n").await.lines().count(), 1);
}

#[tokio::test]
async fn case_33_a_disk_that_fails_costs_a_letter_and_not_the_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = serve(&[("dir", folder.path().to_str().expect("text"))]);
    let tmp = folder.path().join("tmp");
    let mut client = Client::of(&stage, 0).await;
    // One that is short enough to wait in memory, and one that is not.
    for size in [10, 200_000] {
        let letter = format!("{}\r\n.\r\n", "x".repeat(size));
        std::fs::remove_dir(&tmp).expect("it is empty");
        client.says(LETTER, &["250", "250", "250", "354"]).await;
        client.says(&letter, &["452 4.3.0"]).await;
        std::fs::create_dir(&tmp).expect("it is ours");
        client.says(LETTER, &["250", "250", "250", "354"]).await;
        client.says(&letter, &["250 2.0.0 kept as"]).await;
    }
    assert_eq!(std::fs::read_dir(folder.path().join("new")).expect("a Maildir").count(), 2);
}

#[tokio::test]
async fn who_makes_too_many_mistakes_is_shown_the_door() {
    let mut stage = serve(&[]);
    for door in [0, 1] {
        let mut client = Client::of(&stage, door).await;
        client.says(&"WHAT\r\n".repeat(30), &[]).await;
        let closed = stage.closed_by(Reason::Limit("mail-errors")).await;
        assert_eq!(closed.detail.as_deref(), Some("too many mistakes"));
    }
}

#[tokio::test]
async fn what_is_said_of_letters_is_told_and_no_password_is() {
    let mut stage = serve(&[]);
    let mut client = Client::of(&stage, 0).await;
    client.says("EHLO me\r\nAUTH PLAIN AGxpAHJpZ2h0\r\n", &["250", "235"]).await;
    client.says("MAIL FROM:<a@b>\r\nRCPT TO:<>\r\nRCPT TO:<c@d>\r\n", &["250", "501", "250"]).await;
    client.says("DATA\r\n", &["354"]).await;
    client.says("hi\r\n.\r\n", &["250"]).await;
    let mut told = Vec::new();
    while told.len() < 4 {
        let exchange = stage.until("exchange", |event| match &event.fact {
            Fact::Exchanged(exchange) => Some((**exchange).clone()),
            _ => None,
        });
        let exchange = exchange.await;
        told.push((exchange.method, exchange.target, exchange.status));
    }
    let told: Vec<_> = told.iter().map(|(method, to, code)| (&**method, &**to, *code)).collect();
    let expected = [("MAIL", "<a@b>", 250), ("RCPT", "<>", 501), ("RCPT", "<c@d>", 250)];
    assert_eq!(told[..3], expected);
    assert_eq!((told[3].0, told[3].2), ("DATA", 250));
}

#[tokio::test]
async fn what_is_answered_on_purpose_is_not_done_and_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let decisions = folder.path().join("decisions");
    let decisions = decisions.to_str().expect("text");
    let mut stage = serve(&[
        ("reply", "rcpt=550 5.1.1 no such user,on=/^nobody@/"),
        ("reply", "data=451,for=1"),
        ("reply", "dot=452,on=/Subject: spam/"),
        ("reply", "hide=STARTTLS+PIPELINING"),
        ("decisions", decisions),
    ]);
    let mut client = Client::of(&stage, 0).await;
    client.0.write_all(b"EHLO me\r\n").await.expect("it is open");
    let mut offers = Vec::new();
    while !offers.last().is_some_and(|offer: &String| offer.starts_with("250 ")) {
        offers.push(client.line().await);
    }
    assert!(offers.iter().any(|offer| offer.contains("8BITMIME")), "{offers:?}");
    assert!(!offers.iter().any(|offer| offer.contains("STARTTLS") || offer.contains("PIPE")));
    client
        .says("MAIL FROM:<a@b>\r\nRCPT TO:<nobody@test>\r\n", &["250", "550 5.1.1 no such user"])
        .await;
    client.says("DATA\r\n", &["554"]).await;
    client.says("RCPT TO:<li@test>\r\nDATA\r\n", &["250", "451 4.0.0"]).await;
    client.says("DATA\r\n", &["354"]).await;
    client.says("Subject: spam\r\n\r\n.\r\n", &["452 4.0.0"]).await;
    send(&stage, "Subject: ham\r\n\r\nSubject: spam").await;
    let mut told = Vec::new();
    while told.len() < 4 {
        let bent = stage.until("a fault", |event| match &event.fact {
            Fact::Bent(bent) => Some(bent.clone()),
            _ => None,
        });
        let bent = bent.await;
        told.push((bent.kind, bent.act));
    }
    let expected = [
        ("hide", Act::Changed("hide")),
        ("rcpt", Act::Answered(550)),
        ("data", Act::Answered(451)),
        ("dot", Act::Answered(452)),
    ];
    assert_eq!(told, expected);
    assert_eq!(welcomed(&stage).await.lines("LIST\r\n").await.lines().count(), 1);
    client.says("QUIT\r\n", &["221"]).await;
    stage.running.drain();
    soon("the end", stage.running.finished()).await;
    let noted = std::fs::read_to_string(decisions).expect("a file");
    assert!(
        noted.contains(
            r#"{"session":1,"dir":"down","fault":"rcpt","at":0,"do":"answer","value":550}"#
        ),
        "{noted}"
    );
}

#[tokio::test]
async fn an_answer_that_is_dropped_leaves_the_letter_kept_and_its_sender_in_doubt() {
    let mut stage = serve(&[("reply", "dot,drop,for=1"), ("reply", "mail=421,on=/^busy/")]);
    let mut client = Client::of(&stage, 0).await;
    client.says(LETTER, &["250", "250", "250", "354"]).await;
    client.says("Subject: twice\r\n\r\n.\r\n", &[]).await;
    assert_eq!(client.rest().await, "");
    stage.closed_by(Reason::Fault("dot")).await;
    send(&stage, "Subject: twice\r\n").await;
    assert_eq!(welcomed(&stage).await.lines("LIST\r\n").await.lines().count(), 2);
    let mut client = Client::of(&stage, 0).await;
    client.says("EHLO me\r\nMAIL FROM:<busy@test>\r\n", &["250", "421 4.0.0"]).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn who_fetches_is_answered_on_purpose_too_and_nothing_is_deleted_without_an_answer() {
    let mut stage = serve(&[
        ("reply", "pop3.pass=-ERR [IN-USE] try later,for=1"),
        ("reply", "pop3.retr=-ERR,on=/^2$/"),
        ("reply", "pop3.quit,drop,for=1"),
    ]);
    send(&stage, "one").await;
    send(&stage, "two").await;
    let mut client = Client::of(&stage, 1).await;
    client.says("USER li\r\nPASS x\r\n", &["+OK", "-ERR [IN-USE] try later"]).await;
    client.says("STAT\r\nUSER li\r\nPASS x\r\n", &["-ERR", "+OK", "+OK welcome: 2 "]).await;
    client.says("RETR 2\r\n", &["-ERR answered on purpose: pop3.retr=-ERR"]).await;
    client.lines("RETR 1\r\n").await;
    client.says("DELE 1\r\nQUIT\r\n", &["+OK"]).await;
    assert_eq!(client.rest().await, "");
    stage.closed_by(Reason::Fault("pop3.quit")).await;
    assert_eq!(welcomed(&stage).await.lines("LIST\r\n").await.lines().count(), 2);
}

#[tokio::test]
async fn replies_are_turned_while_it_runs_and_refusals_on_purpose_are_no_mistakes() {
    let stage = serve(&[]);
    let panel = stage.running.faults().expect("mail has knobs");
    let mut client = Client::of(&stage, 0).await;
    client.says("EHLO me\r\nMAIL FROM:<a@b>\r\n", &["250", "250"]).await;
    panel.turn(&["rcpt=550"]).expect("a reply");
    for _ in 0..30 {
        client.says("RCPT TO:<c@d>\r\n", &["550 5.0.0"]).await;
    }
    panel.turn(&["conn=554"]).expect("a reply");
    client.says("RCPT TO:<c@d>\r\n", &["250"]).await;
    let stream = TcpStream::connect(stage.address_of(0)).await.expect("it listens");
    let greeting = Client(BufReader::new(stream)).rest().await;
    assert!(greeting.starts_with("554 5.0.0"), "{greeting}");
    panel.turn(&["ehlo=502", "auth=454"]).expect("replies");
    let mut client = Client::of(&stage, 0).await;
    client.says("EHLO me\r\nHELO me\r\n", &["502", "250"]).await;
    client.says("AUTH PLAIN AGxpAHg=\r\nMAIL FROM:<a@b>\r\n", &["454", "250"]).await;
}

#[tokio::test]
async fn refusals_of_pop3_on_purpose_are_no_mistakes_and_mistakes_beside_them_are() {
    const IN: &str = "USER all\r\nPASS x\r\n";
    for (reply, before, command, answers) in [
        ("pop3.pass=-ERR", "", IN, &["+OK", "-ERR answered on purpose"][..]),
        ("pop3.pass=-ERR", "", "AUTH PLAIN AGxpAHg=\r\n", &["-ERR answered on purpose"]),
        ("pop3.retr=-ERR", IN, "RETR 1\r\n", &["-ERR answered on purpose"]),
    ] {
        let stage = serve(&[("reply", reply)]);
        let mut client = Client::of(&stage, 1).await;
        if !before.is_empty() {
            client.says(before, &["+OK", "+OK"]).await;
        }
        for _ in 0..30 {
            client.says(command, answers).await;
        }
        client.says(&"FROBNICATE\r\n".repeat(19), &["-ERR"; 19]).await;
        client.says(command, answers).await;
        client.says("FROBNICATE\r\n", &["-ERR"]).await;
        assert_eq!(client.rest().await, "", "{reply}, {command:?}");
    }
}

/// The next step of a letter.
async fn step(stage: &mut Stage) -> Mailed {
    let step = stage.until("a step of a letter", |event| match &event.fact {
        Fact::Mailed(mailed) => Some((**mailed).clone()),
        _ => None,
    });
    step.await
}

#[tokio::test]
async fn the_way_of_a_letter_is_told_step_by_step() {
    let mut stage = serve(&[("boxes", "recipient"), ("keep", "2")]);
    let mut client = Client::of(&stage, 0).await;
    client.says("EHLO me\r\n", &["250"]).await;
    client.says("AUTH PLAIN AGxpAHg=\r\n", &["235"]).await;
    client
        .says("MAIL FROM:<app@test>\r\nRCPT TO:<li@test>\r\nDATA\r\n", &["250", "250", "354"])
        .await;
    let letter = "From: app@test\r\nSubject: =?utf-8?B?5L2g5aW9?=\r\n\r\nhi\r\n";
    client.says(&format!("{letter}.\r\n"), &["250"]).await;
    let kept = step(&mut stage).await;
    assert_eq!((kept.did, kept.letter, &*kept.subject), (MailDeed::Kept, 1, "\u{4f60}\u{597d}"));
    assert_eq!(kept.boxes, [("all".to_owned(), 1), ("li@test".to_owned(), 1)]);
    assert_eq!((&*kept.from, &*kept.to), ("app@test", &["li@test".to_owned()][..]));
    assert_eq!((&*kept.client, &*kept.with, &*kept.login), ("me", "ESMTPA", "li"));
    assert_eq!((kept.size, kept.parts), (letter.len() as u64, 1));
    assert!(kept.file.starts_with("new/"), "{}", kept.file);
    let slugs = |step: &Mailed| step.findings.iter().map(|found| found.slug).collect::<Vec<_>>();
    assert_eq!(slugs(&kept), ["no-date", "no-message-id"]);
    assert!(kept.dialogue.contains(&"> AUTH PLAIN ***".to_owned()), "{:?}", kept.dialogue);
    assert!(kept.dialogue.contains(&"> RCPT TO:<li@test>".to_owned()), "{:?}", kept.dialogue);
    drop(client);
    let noted = step(&mut stage).await;
    assert_eq!(
        (noted.did, noted.letter, slugs(&noted)),
        (MailDeed::Noted, 1, vec!["quit-missing"])
    );
    let mut client = Client::of(&stage, 1).await;
    client.says("USER all\r\nPASS x\r\n", &["+OK", "+OK"]).await;
    client.lines("RETR 1\r\n").await;
    client.says("DELE 1\r\nQUIT\r\n", &["+OK", "+OK"]).await;
    for did in [MailDeed::Fetched, MailDeed::Deleted] {
        let told = step(&mut stage).await;
        assert_eq!((told.did, told.letter, &*told.detail), (did, 1, "pop3"));
        assert_eq!(told.login, "all", "who did it");
        assert_eq!(told.boxes, [("all".to_owned(), 1)]);
    }
    send(&stage, "two").await;
    assert_eq!(step(&mut stage).await.letter, 2);
    let dropped = step(&mut stage).await;
    assert_eq!((dropped.did, dropped.letter), (MailDeed::Dropped, 1));
    assert_eq!(dropped.boxes, [("li@test".to_owned(), 1)]);
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_where_that_is_asked_for_and_what_does_not_is_not() {
    let mut stage = serve(&[("strict", "yes")]);
    let good = "Date: Thu, 26 Nov 2026 13:15:33 +0000\r\nFrom: other@example.org\r\n";
    let mut client = Client::of(&stage, 0).await;
    client.begins().await;
    client.says(&format!("{good}\r\nhi\r\n.\r\n"), &["250"]).await;
    let kept = step(&mut stage).await;
    let slugs: Vec<_> = kept.findings.iter().map(|found| (found.slug, found.is_wrong)).collect();
    assert_eq!(slugs, [("no-message-id", false), ("from-differs", false)]);
    client.begins().await;
    let refusal = "550 5.6.0 no-date: there is no Date header (RFC 5322 3.6)";
    client.says("Subject: hi\r\n\r\n.\r\n", &[refusal]).await;
    let refused = step(&mut stage).await;
    assert_eq!((refused.did, refused.letter, &*refused.detail), (MailDeed::Refused, 0, refusal));
    assert_eq!((&*refused.subject, &*refused.from), ("hi", "app@test"));
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
async fn a_letter_is_kept_and_passed_on_and_what_the_next_server_refuses_comes_back() {
    let on_purpose = "rcpt=550 5.1.1 no such user,on=/^nobody@/";
    let mut last = serve(&[("reply", "rcpt=450 4.2.0 later,for=1"), ("reply", on_purpose)]);
    let next = format!("tcp://{}", last.address_of(0));
    let mut first = serve(&[("forward", &next), ("boxes", "recipient")]);
    let mut client = Client::of(&first, 0).await;
    client.says("EHLO me\r\nMAIL FROM:<app@test>\r\n", &["250", "250"]).await;
    client
        .says("RCPT TO:<li@test>\r\nRCPT TO:<nobody@test>\r\nDATA\r\n", &["250", "250", "354"])
        .await;
    client.says("Subject: hi\r\n\r\na\nb\r\n.\r\n", &["250 2.0.0 kept as 1"]).await;
    client.says("QUIT\r\n", &["221"]).await;
    let forwarding = [MailDeed::Forwarded, MailDeed::Queued, MailDeed::Bounced];
    let bounced = step_of(&mut first, &forwarding).await;
    assert_eq!(
        (bounced.did, bounced.letter, &bounced.to[..]),
        (MailDeed::Bounced, 1, &["nobody@test".to_owned()][..])
    );
    assert_eq!(bounced.detail, "550 5.1.1 no such user; its sender has letter 2");
    let queued = step_of(&mut first, &forwarding).await;
    assert_eq!((queued.did, &queued.to[..]), (MailDeed::Queued, &["li@test".to_owned()][..]));
    assert_eq!(queued.detail, "450 4.2.0 later; again in 1s");
    let forwarded = step_of(&mut first, &forwarding).await;
    assert_eq!((forwarded.did, &*forwarded.detail), (MailDeed::Forwarded, "250 2.0.0 kept as 1"));
    let arrived = step_of(&mut last, &[MailDeed::Kept]).await;
    assert_eq!((&*arrived.from, &*arrived.to), ("app@test", &["li@test".to_owned()][..]));
    assert!(arrived.findings.iter().all(|found| found.slug != "bare-lf"), "{arrived:?}");
    let text = welcomed(&last).await.lines("RETR 1\r\n").await;
    assert_eq!(text.matches("Return-Path: ").count(), 1, "{text}");
    assert_eq!(text.matches("Received: ").count(), 2, "{text}");
    let mut client = Client::of(&first, 1).await;
    client.says("USER app@test\r\nPASS x\r\n", &["+OK", "+OK welcome: 1 "]).await;
    let bounce = client.lines("RETR 1\r\n").await;
    assert!(bounce.contains("Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"), "{bounce}");
}

#[tokio::test]
async fn a_letter_that_cannot_be_read_now_is_passed_on_later_and_is_not_taken_for_gone() {
    let last = serve(&[("reply", "rcpt=450 4.2.0 later,for=1")]);
    let next = format!("tcp://{}", last.address_of(0));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mail");
    let dir = path.to_str().expect("UTF-8");
    let mut first = serve(&[("forward", &next), ("dir", dir)]);
    send(&first, "Subject: hi\r\n\r\nx").await;
    let queued = step_of(&mut first, &[MailDeed::Queued]).await;
    assert_eq!(queued.detail, "450 4.2.0 later; again in 1s");
    let files = std::fs::read_dir(path.join("new")).expect("a folder");
    let letter = files.flatten().next().expect("a letter").path();
    // It can be opened, and not read: what a disk does that fails, whoever asks.
    let aside = folder.path().join("aside");
    std::fs::rename(&letter, &aside).expect("ours");
    std::fs::create_dir(&letter).expect("ours");
    let queued = step_of(&mut first, &[MailDeed::Queued]).await;
    assert!(queued.detail.starts_with("the letter cannot be read now: "), "{}", queued.detail);
    std::fs::remove_dir(&letter).expect("ours");
    std::fs::rename(&aside, &letter).expect("ours");
    let forwarded = step_of(&mut first, &[MailDeed::Forwarded]).await;
    assert_eq!(forwarded.detail, "250 2.0.0 kept as 1");
}

#[tokio::test]
async fn a_letter_that_goes_in_circles_is_refused_and_what_waits_at_the_end_is_told() {
    let mut stage = {
        // Nobody listens there.
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let next = format!("tcp://{}", closed.local_addr().expect("bound"));
        drop(closed);
        serve(&[("forward", &next)])
    };
    let mut client = Client::of(&stage, 0).await;
    client.says(LETTER, &["250", "250", "250", "354"]).await;
    let circles = "Received: from a by b\r\n".repeat(31);
    client.says(&format!("{circles}\r\n.\r\n"), &["554 5.4.6"]).await;
    client.says("MAIL FROM:<>\r\nRCPT TO:<li@test>\r\nDATA\r\n", &["250", "250", "354"]).await;
    client.says("hi\r\n.\r\nQUIT\r\n", &["250", "221"]).await;
    let queued = step_of(&mut stage, &[MailDeed::Queued]).await;
    assert!(queued.detail.ends_with("; again in 1s"), "{}", queued.detail);
    stage.running.drain();
    let warning = stage.until("a warning", |event| match &event.fact {
        Fact::Warning(text) => Some(text.clone()),
        _ => None,
    });
    assert_eq!(warning.await, "letters that are kept and were not passed on: 1");
    soon("the end", stage.running.finished()).await;
}

/// Puts TLS on a conn whose server has just agreed to it.
#[cfg(feature = "tls")]
async fn dressed(conn: Conn) -> Conn {
    use hobnob::conn::Role;
    use hobnob::layer::{Surroundings, tls};
    use hobnob::spec::Options;

    let mut options = Options::of(tls::ROW.spec.options);
    options.set(tls::ROW.spec.options, "insecure", None).expect("an option");
    let mut layer = tls::ROW.make.expect("it is built in")(&options).expect("good options");
    let scene = Surroundings::alone(Role::Client);
    layer.prepare(&scene).expect("nothing to read");
    layer.wrap(&scene, conn).await.expect("a handshake").into_conn().expect("a conn")
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn case_34_what_is_written_behind_starttls_in_clear_text_is_not_read() {
    async fn hear(conn: &mut Conn, until: &str) -> String {
        let (mut room, mut heard) = (vec![0; 4_096], String::new());
        while !heard.contains(until) {
            let length = soon("an answer", conn.recv(&mut room)).await.expect("it is open");
            heard += std::str::from_utf8(&room[..length.expect("an answer")]).expect("text");
        }
        heard
    }
    let stage = serve(&[]);
    for (door, start, injected, then, answer) in [
        (0, "EHLO me\r\nSTARTTLS\r\n", "RSET\r\nQUIT\r\n", "MAIL FROM:<a@b>\r\n", "503 5.5.1"),
        (1, "STLS\r\n", "QUIT\r\n", "CAPA\r\n", "+OK"),
    ] {
        let to = parse(&format!("tcp://{}", stage.address_of(door))).expect("an endpoint");
        let mut conn = Dialer::default().dial(&to).await.expect("it listens").conn;
        hear(&mut conn, "\r\n").await;
        conn.send(format!("{start}{injected}").as_bytes()).await.expect("it is open");
        let heard = hear(&mut conn, "go on with TLS\r\n").await;
        assert!(heard.ends_with("go on with TLS\r\n"), "{heard}: nothing behind it is answered");
        let mut conn = soon("a handshake", dressed(conn)).await;
        conn.send(then.as_bytes()).await.expect("it is open");
        let heard = hear(&mut conn, "\r\n").await;
        assert!(heard.starts_with(answer), "{heard}");
        assert!(!heard.contains("STLS"), "{heard}");
    }
}
