//! Web pages that post, letters that break off, disks that fail, mistakes, and what is smuggled in before TLS.

use std::path::Path;

use hobnob::event::Reason;
#[cfg(feature = "tls")]
use hobnob::{
    conn::Conn,
    engine::{Dialer, parse},
};
use tokio::io::AsyncWriteExt;

use super::{Client, LETTER, send, serve, welcomed};
use crate::stage::soon;

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
