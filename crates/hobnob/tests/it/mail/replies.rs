//! What is answered on purpose is not done, is told, and is no mistake of who asked.

use hobnob::event::{Fact, Reason};
use hobnob::fault::Act;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Client, LETTER, send, serve, welcomed};
use crate::stage::soon;

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
