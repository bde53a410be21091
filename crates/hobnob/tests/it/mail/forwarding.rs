//! Letters that are passed on to the next server, now, later or back to their senders.

use hobnob::error::Kind;
use hobnob::event::MailDeed;

use super::{Client, LETTER, send, serve, step_of, welcomed};
use crate::ports::Port;
use crate::stage::soon;

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
    // Nobody listens there.
    let closed = Port::draw();
    let mut stage = serve(&[("forward", &format!("tcp://127.0.0.1:{}", closed.number))]);
    let mut client = Client::of(&stage, 0).await;
    client.says(LETTER, &["250", "250", "250", "354"]).await;
    let circles = "Received: from a by b\r\n".repeat(31);
    client.says(&format!("{circles}\r\n.\r\n"), &["554 5.4.6"]).await;
    client.says("MAIL FROM:<>\r\nRCPT TO:<li@test>\r\nDATA\r\n", &["250", "250", "354"]).await;
    client.says("hi\r\n.\r\nQUIT\r\n", &["250", "221"]).await;
    let queued = step_of(&mut stage, &[MailDeed::Queued]).await;
    assert!(queued.detail.ends_with("; again in 1s"), "{}", queued.detail);
    stage.running.drain();
    let summary = soon("the end", stage.running.finished()).await;
    assert_eq!(summary.dropped, 1);
    let error = stage.running.failure().expect("it is lost with the server");
    assert_eq!(error.message(), "one letter was not passed on, and is gone with this server");
    assert_eq!(error.kind(), Kind::TimedOut);
}
