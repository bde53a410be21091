//! A listener within a listener whose peer is one, as a QUIC connection: it passes the gate, holds a place, and those
//! within know to whom they belong. And a channel that has a last word.

use std::sync::Arc;
use std::task::{Context, Poll};

use hobnob::Result;
use hobnob::address::Address;
use hobnob::conn::listener::{Accepted, Many};
use hobnob::conn::{Channel, Conn, Facts, memory};
use hobnob::endpoint::Form;
use hobnob::engine::{Network, Server};
use hobnob::event::Fact;
use hobnob::spec::Shape;
use tokio::sync::mpsc;

use super::{Coming, handed};
use crate::stage::{Stage, own, soon};

fn peer(text: &str) -> Arc<Facts> {
    let peer = Address::Ip(text.parse().expect("an address"));
    Arc::new(Facts::new("handed", Address::name("here"), peer))
}

async fn opened(stage: &mut Stage) -> (u64, u64) {
    let opened = stage.until("a session", |event| match &event.fact {
        Fact::Opened(opened) => Some((event.session, opened.parent)),
        _ => None,
    });
    opened.await
}

async fn closed_id(stage: &mut Stage) -> u64 {
    let closed = stage.until("an end", |event| match &event.fact {
        Fact::Closed(_) => Some(event.session),
        _ => None,
    });
    closed.await
}

fn connection(of: &str) -> (Accepted, mpsc::UnboundedSender<Accepted>) {
    let (streams, coming) = mpsc::unbounded_channel();
    let many = Many { peer: Some(peer(of)), listener: Box::new(Coming(coming)) };
    (Accepted::Many(many), streams)
}

async fn serves(stream: &mut Conn) {
    stream.send(b"x").await.expect("room");
    assert_eq!(soon("an echo", stream.recv(&mut [0; 8])).await, Ok(Some(1)));
}

#[tokio::test]
async fn those_within_know_their_parent_which_passes_the_gate_and_holds_a_place() {
    let (resolved, hand) = handed(Form::HostPort, Shape::Bytes);
    let mut server = Server::of(own::echo_sessions(), Shape::ALL);
    server.on_resolved(resolved).expect("it fits");
    server.limits.allow = vec![Network::parse("127.0.0.0/8").expect("a network")];
    server.limits.max_conns = Some(2);
    let mut stage = Stage::start(server).expect("it starts");

    let (stranger, _streams) = connection("192.0.2.1:7");
    hand.send(stranger).expect("it accepts");
    assert_eq!(stage.refused("allow").await.to_string(), "192.0.2.1:7");

    let (first, streams) = connection("127.0.0.1:7");
    hand.send(first).expect("it accepts");
    let (parent, none) = opened(&mut stage).await;
    assert_eq!(none, 0);
    let (mut theirs, ours) = memory::pair(Shape::Bytes);
    streams.send(Accepted::Conn(ours)).expect("it accepts");
    let (child, of) = opened(&mut stage).await;
    assert_eq!(of, parent, "it belongs to the connection");
    serves(&mut theirs).await;
    assert_eq!(stage.running.open(), 1, "the connection itself is no conversation");

    // Both places are taken: one by the connection, one by its stream.
    let (mut waits, ours) = memory::pair(Shape::Bytes);
    streams.send(Accepted::Conn(ours)).expect("it accepts");
    stage.refused("max-conns").await;
    assert_eq!(soon("turned away", waits.recv(&mut [0; 8])).await.ok().flatten(), None);

    theirs.end().await.expect("it is open");
    assert_eq!(closed_id(&mut stage).await, child);
    drop(streams);
    assert_eq!(closed_id(&mut stage).await, parent, "its listener yields no more");

    // Whoever comes now has its place.
    let (second, streams) = connection("127.0.0.1:8");
    hand.send(second).expect("it accepts");
    let (parent, _) = opened(&mut stage).await;
    assert!(stage.running.control().kill(parent));
    assert_eq!(closed_id(&mut stage).await, parent);
    drop(streams);
}

/// A drain does not wait for a connection on which nothing is open.
#[tokio::test]
async fn a_drain_waits_for_those_within_and_not_for_their_parent() {
    let (resolved, hand) = handed(Form::HostPort, Shape::Bytes);
    let mut server = Server::of(own::echo_sessions(), Shape::ALL);
    server.on_resolved(resolved).expect("it fits");
    server.limits.grace = std::time::Duration::from_mins(10);
    let mut stage = Stage::start(server).expect("it starts");
    let (connection, _streams) = connection("127.0.0.1:7");
    hand.send(connection).expect("it accepts");
    let (parent, _) = opened(&mut stage).await;
    stage.running.drain();
    soon("the end", stage.running.finished()).await;
    assert_eq!(closed_id(&mut stage).await, parent, "its end is told");
}

/// Says how it ended, as a program's exit status does.
struct Program(Box<dyn Channel>);

impl Channel for Program {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        self.0.poll_recv(cx, buf)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.0.poll_send(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_end(cx)
    }

    fn abort(&mut self) {
        self.0.abort();
    }

    fn last_word(&mut self) -> Option<String> {
        Some("exit status 3".to_owned())
    }
}

#[tokio::test]
async fn the_last_word_of_a_channel_is_the_detail_of_the_end() {
    let (resolved, hand) = handed(Form::Command, Shape::Bytes);
    let mut server = Server::of(own::echo_sessions(), Shape::ALL);
    server.on_resolved(resolved).expect("it fits");
    let mut stage = Stage::start(server).expect("it starts");
    let (mut theirs, ours) = memory::pair(Shape::Bytes);
    let ours = ours.map(Shape::Bytes, |inner| Box::new(Program(inner)));
    hand.send(Accepted::Conn(ours)).expect("it accepts");
    theirs.end().await.expect("it is open");
    assert_eq!(stage.closed().await.detail.as_deref(), Some("exit status 3"));
}
