//! A layer that slips under the tap in mid-session, a secret that passes, and the tap on the dialled side.

use std::sync::Arc;

use hobnob::bus::Wish;
use hobnob::chunk::{Direction, Side};
use hobnob::conn::{Boxed, Conn};
use hobnob::endpoint::Endpoint;
use hobnob::engine::{Dialer, Server, parse};
use hobnob::event::{Data, Fact};
use hobnob::service::{Made, Service};
use hobnob::session::{Destination, Dress, Session};
use hobnob::spec::Shape;

use crate::stage::soon;

/// Speaks lines from the first answer on, and hears one of them in secret.
struct Upgrading;

impl Service for Upgrading {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut room = [0; 64];
            conn.recv(&mut room).await?;
            conn.send(b"ready").await?;
            session.dress(Dress::server("lines"), conn).await?;
            assert_eq!(conn.recv(&mut room).await?, Some(4));
            session.hush(true);
            assert_eq!(conn.recv(&mut room).await?, Some(6));
            session.hush(false);
            conn.send(b"thanks").await
        })
    }
}

/// What the taps of a server told, in its order.
fn told(subscription: &hobnob::bus::Subscription) -> Vec<Data> {
    let mut events = Vec::new();
    subscription.pull(&mut events);
    let data = events.into_iter().filter_map(|event| match event.fact {
        Fact::Data(data) => Some(*data),
        _ => None,
    });
    data.collect()
}

#[tokio::test]
async fn a_layer_put_on_in_mid_session_goes_beneath_the_tap_and_a_secret_shows_its_length() {
    let mut server = Server::of(Made::Service(Box::new(Upgrading)), &[Shape::Bytes]);
    server.at("memory:slipping").expect("it fits");
    let seen = server.subscribe(Wish { data: true, upstream: false, snap: 64, capacity: 1_024 });
    let running = server.start().expect("it starts");
    let to = parse("memory:slipping").expect("an endpoint");
    let mut client = Dialer::default().dial(&to).await.expect("it listens").conn;
    client.send(b"lines").await.expect("room");
    let mut room = [0; 64];
    assert_eq!(soon("ready", client.recv(&mut room)).await, Ok(Some(5)));
    client.send(b"USER\r\nsecret\r\n").await.expect("room");
    assert_eq!(soon("thanks", client.recv(&mut room)).await, Ok(Some(7)));
    running.cut();
    soon("the end", running.finished()).await;
    let told: Vec<_> = told(&seen)
        .into_iter()
        .map(|data| (data.bytes.to_vec(), data.length, data.is_hidden, data.is_packet))
        .collect();
    assert_eq!(
        told,
        [
            (b"lines".to_vec(), 5, false, false),
            (b"ready".to_vec(), 5, false, false),
            (b"USER".to_vec(), 4, false, true),
            (Vec::new(), 6, true, true),
            (b"thanks".to_vec(), 6, false, true),
        ],
        "what the service saw, and not the bytes below the layer"
    );
}

/// Passes one message on, and its answer back.
struct Between(Endpoint);

impl Service for Between {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut far = session.dial(Destination::Endpoint(&self.0)).await?;
            let mut room = [0; 64];
            let asked = conn.recv(&mut room).await?.expect("a question");
            far.send(&room[..asked]).await?;
            far.send(b"!").await?;
            let mut answer = Vec::new();
            while answer.len() <= asked {
                let length = far.recv(&mut room).await?.expect("an answer");
                answer.extend_from_slice(&room[..length]);
            }
            assert_eq!(session.upstream_bytes(Direction::Out), asked as u64 + 1);
            assert_eq!(session.upstream_bytes(Direction::In), asked as u64 + 1);
            assert_eq!(session.bytes(Direction::In), asked as u64);
            conn.send(&answer).await
        })
    }
}

#[tokio::test]
async fn the_dialled_conn_is_tapped_as_the_accepted_one_for_who_wants_it() {
    let echo = hobnob::serve("echo", "memory:slipping-echo").expect("it starts");
    let far = parse("memory:slipping-echo").expect("an endpoint");
    let mut server = Server::of(Made::Service(Box::new(Between(far))), &[Shape::Bytes]);
    server.at("memory:slipping-between").expect("it fits");
    let wish = Wish { data: true, upstream: true, snap: 64, capacity: 1_024 };
    let both = server.subscribe(wish);
    let near = server.subscribe(Wish { upstream: false, ..wish });
    let running = server.start().expect("it starts");
    let to = parse("memory:slipping-between").expect("an endpoint");
    let mut client = Dialer::default().dial(&to).await.expect("it listens").conn;
    client.send(b"hello").await.expect("room");
    let mut room = [0; 64];
    assert_eq!(soon("an answer", client.recv(&mut room)).await, Ok(Some(6)));
    running.cut();
    soon("the end", running.finished()).await;
    let sum = |told: &[Data], side, direction| {
        let of = told.iter().filter(|data| data.side == side && data.direction == direction);
        of.map(|data| data.length).sum::<usize>()
    };
    let told_both = told(&both);
    for (side, direction, length) in [
        (Side::Downstream, Direction::In, 5),
        (Side::Downstream, Direction::Out, 6),
        (Side::Upstream, Direction::Out, 6),
        (Side::Upstream, Direction::In, 6),
    ] {
        assert_eq!(sum(&told_both, side, direction), length, "{side:?} {direction:?}");
    }
    let told_near = told(&near);
    assert!(told_near.iter().all(|data| data.side == Side::Downstream));
    assert_eq!(sum(&told_near, Side::Downstream, Direction::In), 5);
    drop(echo);
}
