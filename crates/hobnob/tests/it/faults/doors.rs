//! Faults of the whole relay and of its silence, on real sockets.

use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::conn::Conn;
use hobnob::engine::{Dialer, parse};
use hobnob::error::Kind;
use hobnob::event::Reason;
use hobnob::spec::Shape;

use super::{Bent, places, receive};
use crate::stage::{PATIENCE, soon};

async fn talks(bent: &Bent) -> Conn {
    let mut conn = bent.dial().await;
    soon("room", conn.send(b"hello")).await.expect("it is open");
    assert_eq!(receive(&mut conn).await.as_deref(), Some(&b"hello"[..]));
    conn
}

/// What becomes of who comes, once the door is shut: the listener hears of it a moment later.
async fn refused(bent: &Bent) -> Kind {
    let to = parse(&bent.to).expect("an endpoint");
    let clock = Clock::start();
    loop {
        match soon("an answer", Dialer::default().dial(&to)).await {
            Err(error) if error.kind() == Kind::ConnectionRefused => return error.kind(),
            // It came in before, or the medium cannot refuse, and then it hears nothing.
            Ok(dialed) => {
                let mut conn = dialed.conn;
                // It may be gone by now.
                let _ = soon("room", conn.send(b"hello")).await;
                assert_eq!(receive(&mut conn).await, None, "the door is open");
                if !bent.to.starts_with('t') {
                    return Kind::ConnectionReset;
                }
            }
            // A handshake that was cut.
            Err(_) => {}
        }
        assert!(clock.now() < PATIENCE, "nobody is refused");
    }
}

#[tokio::test]
async fn down_refuses_who_comes_and_cuts_who_is_in_until_it_is_up_again() {
    let mut all = places(Shape::Bytes);
    all.push("tcp://[::1]:0".to_owned());
    for place in all {
        let mut bent = Bent::new(&place, &[]);
        for _ in 0..2 {
            let mut conn = talks(&bent).await;
            bent.turn(&["down"]);
            assert_eq!(receive(&mut conn).await, None, "{place}: it is still open");
            bent.relay.closed_by(Reason::Fault("down")).await;
            let kind = refused(&bent).await;
            let can_refuse = place.starts_with('t');
            assert_eq!(kind == Kind::ConnectionRefused, can_refuse, "{place}: {kind:?}");
            bent.turn(&[]);
            // The listener hears of it a moment later.
            let clock = Clock::start();
            let to = parse(&bent.to).expect("an endpoint");
            while Dialer::default().dial(&to).await.is_err() {
                assert!(clock.now() < PATIENCE, "{place}: it stays shut");
            }
            talks(&bent).await;
        }
    }
}

#[tokio::test]
async fn a_timeout_drops_what_comes_and_then_ends_the_session_of_who_is_silent_too() {
    for place in places(Shape::Bytes) {
        for says in [&b"hello"[..], b""] {
            let mut bent = Bent::new(&place, &["up:timeout=40ms"]);
            let mut conn = bent.dial().await;
            if !says.is_empty() {
                soon("room", conn.send(says)).await.expect("it is open");
            }
            assert_eq!(receive(&mut conn).await, None, "{place}: it was passed on");
            // Whoever hears the end and stays is waited for.
            drop(conn);
            let closed = bent.relay.closed_by(Reason::Fault("timeout")).await;
            assert!(closed.lasted >= Duration::from_millis(40), "{place}: {:?}", closed.lasted);
        }
    }
}

#[tokio::test]
async fn faults_of_other_clients_are_not_ours() {
    let place = "tcp://127.0.0.1:0";
    let bent = Bent::new(place, &["refuse,from=10.0.0.0/8", "stall,from=fd00::/8"]);
    let mut conn = talks(&bent).await;
    bent.turn(&["up:close-after=0,from=127.0.0.0/8"]);
    let _ = soon("room", conn.send(b"more")).await;
    assert_eq!(receive(&mut conn).await, None);
}
