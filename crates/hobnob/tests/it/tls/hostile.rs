//! Peers that speak no TLS, half of it, or none at all.

use std::time::Duration;

use hobnob::engine::{Dialer, parse};
use hobnob::error::Kind;
use hobnob::event::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::papers::Papers;
use super::{all, dial, refused, served};
use crate::stage::child::Child;
use crate::stage::{Stage, connect, rest, soon};

const MOMENT: Duration = Duration::from_millis(200);

/// Passes on what comes, at most so many bytes at a time and so many in all; then it ends both sides in order.
async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    step: usize,
) {
    let mut room = vec![0; step];
    while let Ok(length @ 1..) = from.read(&mut room).await {
        if to.write_all(&room[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// A port in front of another that passes bytes on in small steps; the last word of a side that is cut is dropped.
async fn dribbling(to: std::net::SocketAddr) -> std::net::SocketAddr {
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let here = door.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((near, _)) = door.accept().await {
            let far = connect(to).await;
            near.set_nodelay(true).expect("a TCP socket");
            let ((a, b), (c, d)) = (near.into_split(), far.into_split());
            tokio::spawn(pass(a, d, 1));
            tokio::spawn(pass(c, b, 1));
        }
    });
    here
}

#[tokio::test]
async fn bytes_one_by_one_are_enough() {
    let papers = Papers::new();
    let (stage, _) = served("echo", "tls://127.0.0.1:0", &papers.listening(), "");
    let port = dribbling(stage.address()).await.port();
    let mut conn =
        dial(&format!("tls://127.0.0.1:{port},{}", papers.dialling())).await.expect("slowly");
    // Each in a record of its own, too.
    for byte in 0..=99 {
        conn.send(&[byte]).await.expect("it is open");
    }
    conn.end().await.expect("it is open");
    assert_eq!(all(&mut conn).await, Ok((0..=99).collect()));
}

#[tokio::test]
async fn plain_text_on_a_tls_port_is_told() {
    let papers = Papers::new();
    let (mut stage, _) = served("echo", "tls://127.0.0.1:0", &papers.listening(), "");
    for (said, told) in
        [(&b"GET / HTTP/1.1\r\n\r\n"[..], "not in TLS"), (b"hello there\n", "not in TLS")]
    {
        let mut peer = stage.connect().await;
        peer.write_all(said).await.expect("it is open");
        rest(&mut peer).await;
        let closed = stage.closed_by(Reason::Error).await;
        let detail = closed.detail.expect("why");
        assert!(detail.contains(told), "{detail}");
    }
}

#[tokio::test]
async fn a_plain_port_that_answers_is_told_with_what_it_said() {
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = door.local_addr().expect("it is bound").port();
    for (said, kind) in
        [(&b"Welcome!\r\n"[..], Kind::NotTls), (b"hi", Kind::NotTls), (b"", Kind::TlsFailed)]
    {
        let to = format!("tls://127.0.0.1:{port},insecure");
        let answer = async {
            let (mut peer, _) = door.accept().await.expect("it comes");
            peer.write_all(said).await.expect("it is open");
            peer.shutdown().await.expect("it is open");
            rest(&mut peer).await;
        };
        let (error, ()) = tokio::join!(refused(&to), answer);
        assert_eq!(error.kind(), kind, "{error:?}");
        if kind == Kind::NotTls {
            assert!(error.message().contains("answered, but not in TLS"), "{error:?}");
            assert!(error.reasons()[0].contains(&said.escape_ascii().to_string()));
            assert!(format!("{:?}", error.hints()).contains(&format!("tcp://127.0.0.1:{port}")));
        }
    }
}

#[tokio::test]
async fn tls_on_a_plain_port_is_not_tls() {
    let stage = Stage::serve("hello", "127.0.0.1:0");
    let to = format!("tls://{},insecure", stage.address());
    assert_eq!(refused(&to).await.kind(), Kind::NotTls);
}

#[tokio::test]
async fn silence_in_the_handshake_is_cut() {
    let papers = Papers::new();
    let endpoint = format!("tls://127.0.0.1:0,{}", papers.listening());
    let mut stage = Stage::with("echo", &endpoint, |server| server.limits.handshake = MOMENT);
    let mut silent = stage.connect().await;
    assert!(rest(&mut silent).await.0.is_empty());
    stage.closed_by(Reason::Timeout("handshake")).await;
    // A record that never comes to its end, and neither does its peer.
    let mut half = stage.connect().await;
    half.write_all(&[22, 3, 1, 1, 0, 1]).await.expect("it is open");
    rest(&mut half).await;
    stage.closed_by(Reason::Timeout("handshake")).await;
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let to = format!("tls://{},insecure", door.local_addr().expect("it is bound"));
    let (dialer, to) = (Dialer::default().timeout(MOMENT), parse(&to).expect("an endpoint"));
    let error = soon("an error", dialer.dial(&to)).await.err().expect("nobody answers");
    assert_eq!((error.kind(), error.limit_name()), (Kind::TimedOut, Some("handshake")));
}

/// Lets a handshake and one answer through, then ends the connection in order, but without the end of TLS.
async fn cut_after_an_answer(door: TcpListener, to: std::net::SocketAddr) {
    let (near, _) = door.accept().await.expect("it comes");
    let far: TcpStream = connect(to).await;
    let ((from_near, mut to_near), (mut from_far, to_far)) = (near.into_split(), far.into_split());
    let there = tokio::spawn(pass(from_near, to_far, 16_384));
    let mut room = vec![0; 16_384];
    // The answer is said to be over by the test's own silence.
    while let Ok(Ok(length @ 1..)) =
        tokio::time::timeout(MOMENT * 5, from_far.read(&mut room)).await
    {
        to_near.write_all(&room[..length]).await.expect("it is open");
    }
    there.abort();
    let _ = there.await;
    to_near.shutdown().await.expect("it is open");
}

#[tokio::test]
async fn an_end_without_the_end_of_tls_is_truncation() {
    let papers = Papers::new();
    let (mut stage, _) = served("echo", "tls://127.0.0.1:0", &papers.listening(), "");
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = door.local_addr().expect("it is bound").port();
    let cutting = tokio::spawn(cut_after_an_answer(door, stage.address()));
    let to = format!("tls://127.0.0.1:{port},{}", papers.dialling());
    let mut conn = dial(&to).await.expect("it is passed on");
    conn.send(b"x").await.expect("it is open");
    assert_eq!(conn.recv(&mut [0; 8]).await, Ok(Some(1)));
    let error = all(&mut conn).await.expect_err("it is not whole");
    assert_eq!((error.kind(), error.kind().exit_code()), (Kind::TlsTruncated, 7));
    cutting.await.expect("no panic");
    let closed = stage.closed_by(Reason::Error).await;
    assert!(closed.detail.expect("why").contains("TLS had not"));
}

#[tokio::test]
async fn broken_handshakes_leave_nothing() {
    let papers = Papers::new();
    let mut child = Child::serve(&format!("echo tls://127.0.0.1:0,{}", papers.listening())).await;
    let descriptors = child.descriptors();
    let broken: [&[u8]; 5] = [
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
        &[22, 3, 1, 0, 4, 1, 0, 0, 0],
        &[22, 3],
        &[21, 3, 3, 0, 2, 1, 0],
    ];
    for n in 0..2_000 {
        let mut peer = connect(child.address).await;
        // It may have been turned away already.
        let _ = peer.write_all(broken[n % broken.len()]).await;
        let _ = peer.shutdown().await;
        rest(&mut peer).await;
    }
    child.empties_but(0).await;
    assert_eq!(child.descriptors(), descriptors);
    let mut conn =
        dial(&format!("tls://{},{}", child.address, papers.dialling())).await.expect("well");
    conn.send(b"x").await.expect("it is open");
    assert_eq!(conn.recv(&mut [0; 8]).await, Ok(Some(1)));
}
