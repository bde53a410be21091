//! A service with two doors, and a protocol that names one of them.

use std::net::TcpListener;
use std::sync::Arc;

use hobnob::conn::{Boxed, Conn};
use hobnob::engine::{Server, parse};
use hobnob::error::Kind;
use hobnob::event::Fact;
use hobnob::service::{Door, Made, Service};
use hobnob::session::Session;
use hobnob::spec::Shape;

use crate::ports::Port;
use crate::stage::{Stage, connect, hear};

const DOORS: &[Door] = &[
    Door { name: "front", protocol: None, port: 4_001, shapes: &[Shape::Bytes] },
    Door { name: "page", protocol: Some("http"), port: 4_002, shapes: &[Shape::Bytes] },
];

/// Says by which door its peer came.
struct Parlour;

impl Service for Parlour {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move { conn.send(session.door().as_bytes()).await })
    }
}

fn server() -> Server {
    Server::with_doors(Made::Service(Box::new(Parlour)), DOORS)
}

#[tokio::test]
async fn each_door_leads_in_and_everybody_is_told_which_it_was() {
    let mut server = server();
    let front = parse("tcp://127.0.0.1:0").expect("an endpoint");
    let page = parse("http://127.0.0.1:0").expect("an endpoint");
    server.door("front", &front).and_then(|server| server.on(&page)).expect("they fit");
    let mut stage = Stage::start(server).expect("it starts");
    let doors: Vec<_> = stage.running.bound().iter().map(|bound| bound.door).collect();
    assert_eq!(doors, ["front", "page"]);
    assert_eq!(stage.running.port(), Some(stage.address().port()));
    for (at, door) in ["front", "page"].into_iter().enumerate() {
        let listening = stage.until("the door is told", |event| match &event.fact {
            Fact::Listening { door, .. } => Some(*door),
            _ => None,
        });
        assert_eq!(listening.await, door);
        let mut client = connect(stage.address_of(at)).await;
        hear(&mut client, door.as_bytes()).await;
        drop(client);
    }
    for door in ["front", "page"] {
        let opened = stage.until("who came", |event| match &event.fact {
            Fact::Opened(opened) => Some(opened.door),
            _ => None,
        });
        assert_eq!(opened.await, door);
    }
}

#[test]
fn an_endpoint_that_names_no_door_is_told_which_there_are() {
    let any = parse("tcp://127.0.0.1:0").expect("an endpoint");
    let error = server().on(&any).map(drop).expect_err("it could be either");
    assert_eq!(error.kind(), Kind::DoesNotFit);
    assert!(error.reasons().concat().contains("front, page"), "{error:?}");
    let error = server().door("back", &any).map(drop).expect_err("there is none");
    assert!(error.message().contains("back"), "{error:?}");
    let packets = parse("udp://127.0.0.1:0").expect("an endpoint");
    let error = server().door("front", &packets).map(drop).expect_err("bytes only");
    assert_eq!(error.kind(), Kind::DoesNotFit);
}

/// Where one of the usual ports is taken, all doors move on together, so that they stay side by side.
#[tokio::test]
async fn doors_move_on_as_a_set() {
    // The doors try these, and the last two are free: no other test is given a port that they try.
    let row = loop {
        let row: [Port; 4] = std::array::from_fn(|_| Port::draw());
        if row.windows(2).all(|two| two[0].number.checked_add(1) == Some(two[1].number)) {
            break row;
        }
    };
    let (below, taken) = (row[0].number, &row[1]);
    let _occupant = TcpListener::bind(("127.0.0.1", taken.number)).expect("it is ours");
    let mut server = server();
    for (door, port) in [("front", below), ("page", taken.number)] {
        let at = parse(&format!("tcp://127.0.0.1:{port}")).expect("an endpoint");
        server.door(door, &at).expect("it fits");
    }
    server.next_ports = 50;
    let running = server.start().expect("some set is free");
    let ports: Vec<_> =
        running.bound().iter().filter_map(|bound| Some(bound.address.ip()?.port())).collect();
    assert_eq!(ports[1], ports[0] + 1, "side by side");
    assert_eq!(ports[0], row[2].number, "the second was taken, so the first moved too");
    assert_eq!(running.bound()[0].endpoint.port(), Some(ports[0]), "as it is bound");
}
