//! What is over is let go: a peer that is gone is noticed also where nobody reads from it.

use std::time::Duration;

use hobnob::engine::Running;
use hobnob::event::{By, Fact, Reason};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{accept, relay, target};
use crate::ports::Port;
use crate::stage::{hear, is_turned_away, reset, rest, soon};

/// Says as much as is taken at once, up to so many bytes.
async fn fill(stream: &TcpStream, most: usize) {
    let (text, mut said) = (vec![b'x'; 65_536], 0);
    stream.writable().await.expect("it is open");
    while said < most
        && let Ok(length) = stream.try_write(&text[..text.len().min(most - said)])
    {
        said += length;
    }
}

/// Both sides, each with a direction that takes no more: by a fault for good, by one for a long time, or as its receiver
/// does not read.
#[tokio::test]
async fn who_fills_a_direction_and_resets_is_gone() {
    for (fault, by) in [
        ("stall", By::Peer),
        ("stall", By::Upstream),
        ("latency=1h", By::Peer),
        ("down:rate=1", By::Upstream),
        ("", By::Peer),
        ("", By::Upstream),
    ] {
        let (target, to) = target().await;
        let mut stage = relay("tcp://127.0.0.1:0", &to, |server| {
            server.limits.stall = Duration::from_hours(1);
            if !fault.is_empty() {
                server.set("fault", Some(fault)).expect(fault);
            }
        });
        let client = stage.connect().await;
        let server = accept(&target).await;
        stage.until("a dial", |event| matches!(event.fact, Fact::Dialed(_)).then_some(())).await;
        let (fills, other) = if by == By::Peer { (client, server) } else { (server, client) };
        // More than all buffers hold where nothing but the receiver is in the way.
        fill(&fills, if fault.is_empty() { 64 << 20 } else { 300_000 }).await;
        reset(fills);
        let closed = stage.closed().await;
        assert_eq!((closed.reason, closed.inward.by), (Reason::Reset, by), "{fault} {by:?}");
        assert!(!rest(&mut { other }).await.1, "{fault} {by:?}: the other takes it for an end");
        stage.holds("its place is free", |running: &Running| running.open() == 0).await;
    }
}

/// Who ended and then closed answers what comes with a reset, as it does without a relay.
#[tokio::test]
async fn a_reset_behind_an_end_travels() {
    for by in [By::Upstream, By::Peer] {
        let (target, to) = target().await;
        let mut stage = relay("tcp://127.0.0.1:0", &to, |_| {});
        let client = stage.connect().await;
        let server = accept(&target).await;
        let (mut leaves, mut stays) =
            if by == By::Upstream { (server, client) } else { (client, server) };
        leaves.write_all(b"goodbye").await.expect("it is open");
        drop(leaves);
        hear(&mut stays, b"goodbye").await;
        assert_eq!(rest(&mut stays).await, (Vec::new(), true));
        // Once: nothing more would be refused.
        stays.write_all(b"still there?").await.expect("it is open");
        soon("a reset", stays.ready(tokio::io::Interest::ERROR)).await.expect("it is watched");
        let closed = stage.closed().await;
        assert_eq!(closed.reason, Reason::Reset, "{by:?}: {closed:?}");
    }
}

/// A conn tells how many relays of this machine it has come through.
#[tokio::test]
async fn relays_that_dial_each_other_notice_and_nothing_is_left_of_the_chain() {
    for host in ["127.0.0.1", "[::1]"] {
        let ports = [Port::draw(), Port::draw()];
        let at = |port: &Port| format!("tcp://{host}:{}", port.number);
        let mut one = relay(&at(&ports[0]), &at(&ports[1]), |_| {});
        let other = relay(&at(&ports[1]), &at(&ports[0]), |_| {});
        let came = TcpStream::connect(one.address()).await;
        assert!(is_turned_away(came).await, "{host}: it heard something");
        let closed = one.closed_by(Reason::Error).await;
        let detail = closed.detail.expect("it says why");
        assert!(detail.contains("in a circle"), "{detail}");
        for mut stage in [one, other] {
            stage.holds("nothing is left", |running: &Running| running.open() == 0).await;
            assert!(stage.finish().await.sessions <= 16, "a long chain");
        }
    }
}
