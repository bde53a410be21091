//! What is told of letters and of what is said of them, and what breaks a rule.

use hobnob::event::{Fact, MailDeed, Mailed};

use super::{Client, send, serve, step};

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
