//! Certificates that others take and rustls does not, limits that a failed handshake counts against, and clocks.

use hobnob::engine::{Dialer, Server, Stop, parse};
use hobnob::error::{Error, Kind};
use hobnob::event::{Fact, Reason};
use tokio::io::AsyncWriteExt;

use super::papers::Papers;
use super::{all, dial, refused, served};
use crate::stage::{Stage, connect, rest, soon};

fn advice(error: &Error) -> String {
    format!("{:?}", error.hints())
}

/// Version 1 has no extensions, and so no names: rustls reads none, and OpenSSL serves and dials it.
#[tokio::test]
async fn a_certificate_of_version_1_is_served_and_dialled_by_who_does_not_check() {
    let papers = Papers::new();
    let own = papers.of_version_1();
    let (_stage, to) = served("echo", "tls://127.0.0.1:0", &own, "insecure");
    for version in ["1.2", "1.3"] {
        let mut conn = dial(&format!("{to},min={version}")).await.expect("it has its key");
        conn.send(b"x").await.expect("it is open");
        conn.end().await.expect("it is open");
        assert_eq!(all(&mut conn).await, Ok(b"x".to_vec()));
    }
}

#[tokio::test]
async fn a_certificate_of_version_1_is_told_as_that() {
    let papers = Papers::new();
    let (_stage, to) = served("echo", "tls://127.0.0.1:0", &papers.of_version_1(), "");
    let to = to.trim_end_matches(',');
    papers.authority("known");
    // Of this machine's list, of a CA, and of itself: none of them can help, and none is proposed.
    for trusted in ["min=1.2".to_owned(), papers.ca("known"), papers.ca("version-1")] {
        let error = refused(&format!("{to},{trusted}")).await;
        assert_eq!(error.kind(), Kind::TlsUntrusted, "{trusted}: {error:?}");
        assert!(error.message().contains("X.509 version 1"), "{error:?}");
        let reasons = error.reasons().join("\n");
        assert!(reasons.contains("subjectAltName") && reasons.contains("SHA-256"), "{reasons}");
        assert!(!reasons.contains("e3b0c44298fc1c14"), "that of no bytes: {reasons}");
        let advice = advice(&error);
        assert!(advice.contains("insecure") && advice.contains("Certificate("), "{advice}");
        assert!(!advice.contains("ca="), "{advice}");
    }
}

#[tokio::test]
async fn a_common_name_alone_is_told_with_what_to_do() {
    let papers = Papers::new();
    let own = papers.nameless("db.test");
    let (mut stage, to) = served("echo", "tls://127.0.0.1:0", &own, &papers.ca("db.test"));
    let error = refused(&to).await;
    assert_eq!(error.kind(), Kind::TlsNameMismatch, "{error:?}");
    assert!(error.message().contains("no subjectAltName"), "{error:?}");
    assert!(error.reasons().join("\n").contains("CN=db.test"), "{:?}", error.reasons());
    let advice = advice(&error);
    assert!(advice.contains("Certificate(") && !advice.contains("name="), "{advice}");
    // And who listens hears it at once.
    let note = stage.until("a note", |event| match &event.fact {
        Fact::Note(text) if text.contains("subjectAltName") => Some(text.clone()),
        _ => None,
    });
    assert!(note.await.contains("hobnob cert"));
}

/// An address is dialled with its scope, which is of this machine alone: no certificate can be for it.
#[test]
fn a_scope_is_no_part_of_the_name_that_is_checked() {
    let to = parse("tls://[fe80::1%lo]:443,insecure").expect("an endpoint");
    Dialer::default().route(&to).expect("it can be dialled");
}

/// Who knocks and cannot speak uses up no place of those who can.
#[tokio::test]
async fn a_failed_handshake_is_none_of_the_sessions_that_may_come() {
    let papers = Papers::new();
    let mut server = Server::new("echo").expect("a service of the table");
    server.at(&format!("tls://127.0.0.1:0,{}", papers.listening())).expect("it fits");
    server.stop = Stop { sessions: Some(1), after: None };
    let mut stage = Stage::start(server).expect("it starts");
    for _ in 0..3 {
        let mut stranger = connect(stage.address()).await;
        stranger.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("it is open");
        rest(&mut stranger).await;
        stage.closed_by(Reason::Error).await;
    }
    // One that says nothing holds up neither the guest nor the end.
    let mut silent = connect(stage.address()).await;
    stage.opened().await;
    let to = format!("tls://127.0.0.1:{},{}", stage.address().port(), papers.dialling());
    let mut conn = dial(&to).await.expect("it is let in");
    conn.send(b"x").await.expect("it is open");
    assert_eq!(conn.recv(&mut [0; 8]).await, Ok(Some(1)));
    rest(&mut silent).await;
    stage.refused("max").await;
    conn.end().await.expect("it is open");
    assert_eq!(all(&mut conn).await, Ok(Vec::new()));
    soon("the end", stage.running.finished()).await;
}
