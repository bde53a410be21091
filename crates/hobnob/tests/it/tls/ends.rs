//! How TLS ends when it does not end in order: what came before is there, and no end is taken for whole.

use hobnob::error::Kind;
use hobnob::event::{By, End, How, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::between::{Behind, LONG, careless, spoiling};
use super::papers::Papers;
use super::{all, dial, served};
use crate::stage::{Stage, soon};

/// Everything until the conn fails or ends, and how it did.
async fn heard(conn: &mut hobnob::conn::Conn) -> (Vec<u8>, Option<Kind>) {
    let (mut heard, mut room) = (Vec::new(), vec![0; 1_000]);
    loop {
        match soon("more", conn.recv(&mut room)).await {
            Ok(Some(length)) => heard.extend_from_slice(&room[..length]),
            Ok(None) => return (heard, None),
            Err(error) => return (heard, Some(error.kind())),
        }
    }
}

#[tokio::test]
async fn what_came_before_an_error_is_handed_on_before_it() {
    let papers = Papers::new();
    let (stage, _) = served("echo", "tls://127.0.0.1:0", &papers.listening(), "");
    let said = vec![b'x'; 2 * LONG];
    for (behind, expected) in [
        (Behind::BadRecord, Kind::TlsFailed),
        (Behind::Text, Kind::TlsFailed),
        (Behind::Reset, Kind::ConnectionReset),
    ] {
        let port = spoiling(stage.address(), behind).await.port();
        let to = format!("tls://127.0.0.1:{port},{}", papers.dialling());
        let mut conn = dial(&to).await.expect("it is passed on");
        conn.send(&said).await.expect("it is open");
        let (heard, failed) = heard(&mut conn).await;
        assert_eq!((heard.len(), failed), (said.len(), Some(expected)), "{behind:?}");
        // It stays so, and what was handed on does not come again.
        let again = conn.recv(&mut [0; 8]).await;
        assert!(again.is_err(), "{behind:?}: {again:?}");
    }
}

#[tokio::test]
async fn a_relay_passes_on_what_came_before_an_error() {
    let papers = Papers::new();
    let (mut target, to) =
        served("echo", "tls://127.0.0.1:0", &papers.listening(), &papers.dialling());
    let port = spoiling(target.address(), Behind::BadRecord).await.port();
    let far = to.replace(&target.address().port().to_string(), &port.to_string());
    let mut relay = Stage::start({
        let mut server = hobnob::engine::Server::new("relay").expect("a service of the table");
        server.set("to", Some(&far)).expect("it has it");
        server.at("tcp://127.0.0.1:0").expect("it fits");
        server
    })
    .expect("it starts");
    let mut client = relay.connect().await;
    client.write_all(&vec![b'x'; 2 * LONG]).await.expect("it is open");
    let mut answer = vec![0; 2 * LONG];
    soon("the answer", client.read_exact(&mut answer)).await.expect("all of it");
    let closed = relay.closed_by(Reason::Error).await;
    assert_eq!(closed.bytes_out, 2 * LONG as u64);
    target.closed().await;
}

/// A client that ends without the end of TLS gets its answer, from each service that answers before and after an end.
#[tokio::test]
async fn a_client_that_ends_without_goodbye_gets_its_answer() {
    let papers = Papers::new();
    for (service, answer) in [("echo", "hello\n"), ("upper", "HELLO\n"), ("ok", "")] {
        let (mut stage, _) = served(service, "tls://127.0.0.1:0", &papers.listening(), "");
        let port = careless(stage.address()).await.port();
        let to = format!("tls://127.0.0.1:{port},{}", papers.dialling());
        let mut conn = dial(&to).await.expect("it is passed on");
        conn.send(b"hello\n").await.expect("it is open");
        let heard = all(&mut conn).await.expect("our side ends in order");
        let heard = String::from_utf8(heard).expect("text");
        assert!(heard.contains(answer) && !heard.is_empty(), "{service}: {heard}");
        let closed = stage.closed().await;
        assert_eq!(closed.inward, End { by: By::Peer, how: How::Truncated }, "{service}");
        assert_eq!(closed.reason, Reason::Error, "{service}: never as complete");
        assert!(closed.detail.expect("why").contains("TLS had not"), "{service}");
    }
}

#[tokio::test]
async fn a_relay_ends_its_target_behind_a_client_that_ends_without_goodbye() {
    let papers = Papers::new();
    let target = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let to = target.local_addr().expect("it is bound");
    let mut relay = Stage::start({
        let mut server = hobnob::engine::Server::new("relay").expect("a service of the table");
        server.set("to", Some(&to.to_string())).expect("it has it");
        server.at(&format!("tls://127.0.0.1:0,{}", papers.listening())).expect("it fits");
        server
    })
    .expect("it starts");
    let port = careless(relay.address()).await.port();
    let to = format!("tls://127.0.0.1:{port},{}", papers.dialling());
    for _ in 0..12 {
        let mut conn = dial(&to).await.expect("it is passed on");
        conn.send(b"hello\n").await.expect("it is open");
        // The target answers when it has heard all.
        let (mut far, _) = soon("a session", target.accept()).await.expect("it dials");
        let mut asked = Vec::new();
        soon("all of it", far.read_to_end(&mut asked)).await.expect("an end in order");
        assert_eq!(asked, b"hello\n");
        far.write_all(b"HELLO\n").await.expect("it is open");
        drop(far);
        assert_eq!(all(&mut conn).await.as_deref(), Ok(&b"HELLO\n"[..]));
        let closed = relay.closed_by(Reason::Error).await;
        assert_eq!(closed.inward, End { by: By::Peer, how: How::Truncated });
        assert_eq!((closed.bytes_in, closed.bytes_out), (6, 6));
    }
}

/// A relay before a target of the test's own.
fn relay(at: &str, to: &str) -> Stage {
    let mut server = hobnob::engine::Server::new("relay").expect("a service of the table");
    server.set("to", Some(to)).expect("it has it");
    server.at(at).expect("it fits");
    Stage::start(server).expect("it starts")
}

/// A TLS target hears of it as of an end of its own client, and answers; a plain one has no word for it but a reset, which
/// would take the answer away.
#[tokio::test]
async fn a_client_cut_short_is_told_as_that_to_a_target_that_can_hear_it() {
    let papers = Papers::new();
    for target_is_tls in [true, false] {
        let (at, with) = if target_is_tls {
            ("tls://127.0.0.1:0", (papers.listening(), papers.dialling()))
        } else {
            ("tcp://127.0.0.1:0", ("rcvbuf=64k".to_owned(), "rcvbuf=64k".to_owned()))
        };
        let (mut target, to) = served("echo", at, &with.0, &with.1);
        let mut relay = relay(&format!("tls://127.0.0.1:0,{}", papers.listening()), &to);
        let port = careless(relay.address()).await.port();
        let mut conn = dial(&format!("tls://127.0.0.1:{port},{}", papers.dialling())).await;
        let conn = conn.as_mut().expect("it is passed on");
        conn.send(b"hello\n").await.expect("it is open");
        assert_eq!(all(conn).await.as_deref(), Ok(&b"hello\n"[..]), "{target_is_tls}");
        let closed = relay.closed_by(Reason::Error).await;
        assert_eq!(closed.inward, End { by: By::Peer, how: How::Truncated });
        let how = if target_is_tls { How::Truncated } else { How::Fin };
        assert_eq!(target.closed().await.inward, End { by: By::Peer, how });
    }
}

/// A TLS client hears of it as it would without a relay. To a plain one a reset is the only word for it, and comes behind
/// all that was sent, also where that takes its time.
#[tokio::test]
async fn a_target_cut_short_is_told_as_that_behind_all_that_it_sent() {
    const SIZE: usize = 64 * LONG;
    let papers = Papers::new();
    for client_is_tls in [true, false] {
        let (target, to) =
            served("echo", "tls://127.0.0.1:0", &papers.listening(), &papers.dialling());
        let port = spoiling(target.address(), Behind::End).await.port();
        let to = to.replace(&target.address().port().to_string(), &port.to_string());
        let at = if client_is_tls {
            format!("tls://127.0.0.1:0,{}", papers.listening())
        } else {
            "tcp://127.0.0.1:0".to_owned()
        };
        let mut relay = relay(&at, &to);
        let (heard, failed) = if client_is_tls {
            let to = format!("tls://{},{}", relay.address(), papers.dialling());
            let mut conn = dial(&to).await.expect("it listens");
            conn.send(&vec![b'x'; SIZE]).await.expect("it is open");
            conn.end().await.expect("it is open");
            heard(&mut conn).await
        } else {
            let narrow = tokio::net::TcpSocket::new_v4().expect("a socket");
            narrow.set_recv_buffer_size(4_096).expect("a socket");
            let stream = narrow.connect(relay.address()).await.expect("it listens");
            let (mut from, mut to) = stream.into_split();
            let saying = async {
                to.write_all(&vec![b'x'; SIZE]).await.expect("it is open");
                to.shutdown().await.expect("it is open");
            };
            let mut heard = Vec::new();
            let (hearing, ()) = tokio::join!(from.read_to_end(&mut heard), saying);
            (heard, hearing.err().map(|_| Kind::ConnectionReset))
        };
        let expected = if client_is_tls { Kind::TlsTruncated } else { Kind::ConnectionReset };
        assert_eq!((heard.len(), failed), (SIZE, Some(expected)));
        let closed = relay.closed_by(Reason::Error).await;
        assert_eq!(closed.outward, End { by: By::Upstream, how: How::Truncated });
        assert_eq!(closed.bytes_out, SIZE as u64);
        assert!(closed.detail.expect("why").contains("TLS had not"));
    }
}
