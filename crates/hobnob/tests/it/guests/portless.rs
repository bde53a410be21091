//! A transport without ports: port 0 says nothing about its peers.

use std::net::SocketAddr;

use hobnob::address::Address;
use hobnob::conn::listener::{Accepted, Many};
use hobnob::conn::{Facts, memory};
use hobnob::endpoint::Form;
use hobnob::engine::Server;
use hobnob::event::Fact;
use hobnob::spec::Shape;
use tokio::sync::mpsc;

use super::{Coming, handed};
use crate::stage::{Stage, own, soon};

/// What comes from an address without a port, as a raw packet does: served where the medium has none, refused where
/// it has.
#[tokio::test]
async fn who_has_no_port_is_not_refused_as_port_zero() {
    for (form, is_served) in [(Form::Host, true), (Form::HostPort, false)] {
        let (resolved, hand) = handed(form, Shape::Packets);
        let mut server = Server::of(own::echo_sessions(), Shape::ALL);
        server.on_resolved(resolved).expect("it fits");
        let mut stage = Stage::start(server).expect("it starts");
        let (within, coming) = mpsc::unbounded_channel();
        let many = Many { peer: None, listener: Box::new(Coming(coming)) };
        hand.send(Accepted::Many(many)).expect("it accepts");
        let peer = Address::Ip(SocketAddr::from(([192, 0, 2, 1], 0)));
        let (mut theirs, ours) = memory::pair_named(Shape::Packets, peer.clone(), peer.clone());
        assert_eq!(ours.facts().peer, peer);
        let facts = Facts::new("handed", peer.clone(), peer);
        drop(facts);
        within.send(Accepted::Conn(ours)).expect("it accepts");
        if is_served {
            theirs.send(b"x").await.expect("room");
            assert_eq!(soon("an echo", theirs.recv(&mut [0; 8])).await, Ok(Some(1)));
        } else {
            let limit = stage.until("refused", |event| match &event.fact {
                Fact::Refused { limit, .. } => Some(*limit),
                _ => None,
            });
            assert_eq!(limit.await, "chatty-port");
        }
    }
}
