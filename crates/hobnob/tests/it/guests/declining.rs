//! A layer that declines: it reads what comes, and gives back a conn that is not for it.

use bytes::Bytes;
use hobnob::conn::{Boxed, Conn, prefix};
use hobnob::engine::{Dialer, Resolved, Server, parse, resolve};
use hobnob::event::Fact;
use hobnob::layer::{Dressed, Layer, LayerRow, Surroundings};
use hobnob::service::{Door, Made, Service};
use hobnob::session::Session;
use hobnob::spec::{Options, Shape, Spec};
use std::sync::Arc;

use crate::stage::{Stage, soon};

const MARK: &[u8] = b"PING ";

/// Takes who begins with the mark, and declines all others.
struct Marked;

impl Layer for Marked {
    fn wrap<'a>(&'a self, _: &'a Surroundings, mut conn: Conn) -> Boxed<'a, Dressed> {
        Box::pin(async move {
            let mut read = Vec::new();
            let mut room = [0; 1];
            while read.len() < MARK.len() && MARK.starts_with(&read) {
                match conn.recv(&mut room).await? {
                    Some(_) => read.push(room[0]),
                    None => break,
                }
            }
            if read == MARK {
                return Ok(Dressed::Conn(conn));
            }
            Ok(Dressed::Declined(prefix(conn, Bytes::from(read))))
        })
    }
}

static MARKED: LayerRow = LayerRow {
    spec: Spec { name: "marked", summary: "", options: &[], examples: &[], is_built_in: true },
    below: Some(Shape::Bytes),
    above: None,
    is_one_line: false,
    may_decline: true,
    make: Some(|_| Ok(Box::new(Marked))),
};

const DOORS: &[Door] = &[
    Door { name: "marked", protocol: None, port: 1, shapes: &[Shape::Bytes] },
    Door { name: "plain", protocol: None, port: 1, shapes: &[Shape::Bytes] },
];

/// Says the door, and what it heard.
struct Says;

impl Service for Says {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut heard = session.door().as_bytes().to_vec();
            heard.push(b':');
            let mut room = [0; 64];
            while let Some(length) = conn.recv(&mut room).await? {
                heard.extend_from_slice(&room[..length]);
            }
            conn.send(&heard).await
        })
    }
}

fn at(name: &str, is_marked: bool) -> Resolved {
    let endpoint = parse(&format!("memory:{name}")).expect("an endpoint");
    let mut resolved = resolve(&endpoint).expect("it is known");
    if is_marked {
        resolved.layers.push((&MARKED, Options::default()));
    }
    resolved
}

/// Message by message, cut at every place: what was read of it comes first, whole and once.
#[tokio::test]
async fn one_address_has_two_doors_behind_it_and_nothing_that_was_read_is_lost() {
    let mut server = Server::with_doors(Made::Service(Box::new(Says)), DOORS);
    server.door_resolved("marked", at("declining", true)).expect("it fits");
    server.door_resolved("plain", at("declining", false)).expect("it fits");
    let mut stage = Stage::start(server).expect("one entrance");
    assert_eq!(stage.running.bound().len(), 2, "both are told");
    let to = parse("memory:declining").expect("an endpoint");
    for (message, answer) in [
        ("PING hello", "marked:hello"),
        ("PONG hello", "plain:PONG hello"),
        ("P", "plain:P"),
        ("", "plain:"),
        ("PING ", "marked:"),
    ] {
        for cut in 0..=message.len() {
            let mut client = Dialer::default().dial(&to).await.expect("it listens").conn;
            for part in [&message[..cut], &message[cut..]] {
                if !part.is_empty() {
                    client.send(part.as_bytes()).await.expect("room");
                }
            }
            client.end().await.expect("it is open");
            let (mut heard, mut room) = (Vec::new(), [0; 64]);
            while let Some(length) = soon(message, client.recv(&mut room)).await.expect("in order")
            {
                heard.extend_from_slice(&room[..length]);
            }
            assert_eq!(String::from_utf8_lossy(&heard), answer, "cut at {cut}");
            let door = stage.until("the door", |event| match &event.fact {
                Fact::Entered { door } => Some(*door),
                _ => None,
            });
            assert!(answer.starts_with(door.await));
        }
    }
}

#[tokio::test]
async fn what_every_door_declines_is_an_error_that_is_told() {
    let mut server = Server::with_doors(Made::Service(Box::new(Says)), DOORS);
    server.door_resolved("marked", at("declined", true)).expect("it fits");
    let mut stage = Stage::start(server).expect("it starts");
    let to = parse("memory:declined").expect("an endpoint");
    let mut client = Dialer::default().dial(&to).await.expect("it listens").conn;
    client.send(b"PONG").await.expect("room");
    let closed = stage.closed().await;
    assert!(closed.detail.is_some_and(|detail| detail.contains("none of the layers")));
}

/// Two that take everybody cannot share an address: the second would never have its turn.
#[test]
fn a_way_that_could_never_be_taken_is_an_address_that_is_taken() {
    let mut server = Server::with_doors(Made::Service(Box::new(Says)), DOORS);
    server.door_resolved("plain", at("taken", false)).expect("it fits");
    server.door_resolved("marked", at("taken", false)).expect("it fits");
    assert!(server.start().is_err());
}
