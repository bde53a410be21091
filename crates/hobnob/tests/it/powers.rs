//! What a session may ask of the engine: to dial, and to be dressed in mid-session.

use std::sync::Arc;

use hobnob::conn::{Boxed, Conn};
use hobnob::endpoint::Endpoint;
use hobnob::engine::{Dialer, Server, parse};
use hobnob::service::{Made, Service};
use hobnob::session::{Destination, Dress, Session};
use hobnob::spec::Shape;

/// Answers what its upstream answered; after `LINES` it speaks lines.
struct Upgrading(Endpoint);

impl Service for Upgrading {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut buffer = [0; 64];
            let mut upstream = session.dial(Destination::Endpoint(&self.0)).await?;
            let asked = conn.recv(&mut buffer).await?.expect("a question");
            upstream.send(&buffer[..asked]).await?;
            let answered = upstream.recv(&mut buffer).await?.expect("an answer");
            conn.send(&buffer[..answered]).await?;
            assert_eq!(conn.recv(&mut buffer).await?, Some(5), "LINES");
            conn.send(b"READY").await?;
            session.dress(Dress::server("lines"), conn).await?;
            while let Some(line) = conn.recv(&mut buffer).await? {
                conn.send(&buffer[..line]).await?;
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_session_dials_and_is_dressed_in_mid_session() {
    let upstream = hobnob::serve("upper", "memory:powers-upstream").expect("a name of our own");
    let to = parse("memory:powers-upstream").expect("an endpoint");
    let mut server = Server::of(Made::Service(Box::new(Upgrading(to))), &[Shape::Bytes]);
    server.on(&parse("memory:powers-front").expect("an endpoint")).expect("it fits");
    let running = server.start().expect("a name of our own");
    let front = parse("memory:powers-front").expect("an endpoint");
    let mut client = Dialer::default().dial(&front).await.expect("it listens").conn;
    let mut buffer = [0; 64];
    client.send(b"hello").await.expect("room");
    assert_eq!(client.recv(&mut buffer).await, Ok(Some(5)));
    assert_eq!(&buffer[..5], b"HELLO");
    client.send(b"LINES").await.expect("room");
    assert_eq!(client.recv(&mut buffer).await, Ok(Some(5)), "READY");
    client.send(b"one\r\ntwo").await.expect("room");
    client.end().await.expect("an end");
    let mut heard = Vec::new();
    while let Some(length) = client.recv(&mut buffer).await.expect("in order") {
        heard.extend_from_slice(&buffer[..length]);
    }
    assert_eq!(heard, b"one\ntwo\n");
    drop((running, upstream));
}
