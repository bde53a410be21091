//! How either side ends a session, and what the other is told.

use hobnob::conn::Conn;
use hobnob::error::{Error, Kind as Failure};
use hobnob::event::{By, End, How, Reason};
use hobnob::spec::Shape;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::pair::{self, Kind, Pair, Relayed};
use super::{accept, relay, target};
use crate::stage::{hear, reset, rest, soon};

fn rst(by: By) -> (End, End) {
    let end = End { by, how: How::Rst };
    (end, end)
}

/// What is seen where the other side was torn down: a reset, and where the medium has none an end.
async fn torn_down(relayed: &Relayed, conn: &mut Conn, kind: &Kind) {
    if !kind.has_ends {
        return;
    }
    let mut room = vec![0; 65_536];
    let end = loop {
        match relayed.next(conn, &mut room).await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    if kind.has_resets() {
        let kind = end.as_ref().map_err(Error::kind);
        assert_eq!(kind, Err(Failure::ConnectionReset), "{}", relayed.pair.name());
    } else {
        assert_eq!(end, Ok(None), "{}", relayed.pair.name());
    }
}

#[test]
fn a_reset_of_either_side_is_that_sides_and_reaches_the_other() {
    pair::each(
        |pair| pair.client.has_resets() || pair.server.has_resets(),
        async |pair: &Pair| {
            let mut relayed = pair.relay("");
            for client_resets in [true, false] {
                let kind = if client_resets { &pair.client } else { &pair.server };
                if !kind.has_resets() {
                    continue;
                }
                let (mut client, mut server) = relayed.meet().await;
                let target = server.facts().local.clone();
                let by = if client_resets {
                    client.abort();
                    torn_down(&relayed, &mut server, &pair.server).await;
                    By::Peer
                } else {
                    server.abort();
                    torn_down(&relayed, &mut client, &pair.client).await;
                    By::Upstream
                };
                let closed = relayed.stage.closed().await;
                assert_eq!(closed.reason, Reason::Reset, "{}: {:?}", pair.name(), closed.detail);
                assert_eq!((closed.inward, closed.outward), rst(by), "{}", pair.name());
                let upstream = closed.upstream.map(|upstream| upstream.peer);
                assert_eq!(upstream, Some(target), "{}", pair.name());
            }
            relayed.serves().await;
        },
    );
}

/// Whether the relay hears of it while it sends or while it receives is chance; what it tells is not. The kernel tells
/// of a reset once, and from then on looks like an end in order.
#[test]
fn a_reset_under_a_flood_is_a_reset_too() {
    pair::each(
        |pair| pair.client.has_resets() && pair.server.has_resets(),
        async |pair: &Pair| {
            let mut relayed = pair.relay("");
            for round in 0..24 {
                let (client, server) = relayed.meet().await;
                let (mut deaf, pours, by) = match round % 2 {
                    0 => (client, server, By::Peer),
                    _ => (server, client, By::Upstream),
                };
                let pouring = tokio::task::spawn_local(pour(pours));
                relayed.next(&mut deaf, &mut vec![0; 65_536]).await.expect("it pours");
                deaf.abort();
                let (mut pours, _) = soon("the reset", pouring).await.expect("no panic");
                let closed = relayed.stage.closed().await;
                assert_eq!(closed.reason, Reason::Reset, "{} {round}: {closed:?}", pair.name());
                assert_eq!((closed.inward, closed.outward), rst(by), "{} {round}", pair.name());
                let heard = relayed.next(&mut pours, &mut [0; 64]).await;
                assert!(heard.is_err(), "{} {round}: {heard:?}", pair.name());
            }
        },
    );
}

/// Says much until that fails.
async fn pour(mut conn: Conn) -> (Conn, Error) {
    let much = match conn.shape() {
        Shape::Bytes => vec![b'x'; 65_536],
        Shape::Packets => vec![b'x'; 1_000],
    };
    loop {
        if let Err(error) = conn.send(&much).await {
            return (conn, error);
        }
    }
}

/// A server may answer before it has heard all, and close: what it said reaches the client, and then the reset.
#[tokio::test]
async fn last_words_of_a_target_that_leaves_arrive() {
    let (target, to) = target().await;
    let mut stage = relay("tcp://127.0.0.1:0", &to, |_| {});
    let mut client = stage.connect().await;
    client.write_all(&vec![b'x'; 300_000]).await.expect("it is open");
    let mut server = accept(&target).await;
    hear(&mut server, &[b'x'; 1_000]).await;
    server.write_all(b"413 too much\n").await.expect("it is open");
    // With bytes unread, so that it is a reset.
    drop(server);
    let (heard, _) = rest(&mut client).await;
    assert_eq!(heard.escape_ascii().to_string(), "413 too much\\n");
    let closed = stage.closed().await;
    assert_eq!(closed.inward, End { by: By::Upstream, how: How::Rst }, "{closed:?}");
}

#[tokio::test]
async fn a_target_that_resets_in_the_middle_of_a_transfer_cuts_nothing_off_as_if_it_were_all() {
    let (target, to) = target().await;
    let mut stage = relay("tcp://127.0.0.1:0", &to, |_| {});
    for _ in 0..10 {
        let mut client = stage.connect().await;
        let mut server = accept(&target).await;
        server.write_all(&vec![b'y'; 100_000]).await.expect("it is open");
        hear(&mut client, &vec![b'y'; 50_000]).await;
        reset(server);
        let (heard, is_orderly) = rest(&mut client).await;
        assert!(heard.len() <= 50_000 && !is_orderly, "{} bytes", heard.len());
        let closed = stage.closed().await;
        assert_eq!((closed.inward, closed.outward), rst(By::Upstream), "{closed:?}");
    }
}

/// The client leaves in the middle: the target must not take what it has for all.
#[tokio::test]
async fn a_client_that_resets_in_the_middle_of_a_transfer_is_a_reset_for_the_target() {
    let (target, to) = target().await;
    let mut stage = relay("tcp://127.0.0.1:0", &to, |_| {});
    for _ in 0..10 {
        let mut client = stage.connect().await;
        let mut server = accept(&target).await;
        client.write_all(&vec![b'y'; 100_000]).await.expect("it is open");
        hear(&mut server, &vec![b'y'; 50_000]).await;
        reset(client);
        assert!(!rest(&mut server).await.1, "an end in order");
        assert_eq!(stage.closed().await.reason, Reason::Reset);
    }
}

/// What ends a session from within is told with whom it had dialled, too.
#[tokio::test]
async fn a_session_that_is_cut_still_says_whom_it_had_dialled() {
    let (target, to) = target().await;
    let mut stage = relay("tcp://127.0.0.1:0", &to, |server| {
        server.limits.idle = Some(std::time::Duration::from_millis(300));
    });
    let mut client = stage.connect().await;
    let mut server = accept(&target).await;
    let closed = stage.closed().await;
    assert_eq!(closed.reason, Reason::Timeout("idle"));
    let upstream = closed.upstream.expect("it had dialled");
    assert_eq!(upstream.peer, target.local_addr().expect("it is bound").into());
    assert!(upstream.round_trip.is_some(), "TCP knows it");
    assert_eq!(soon("an end", client.read(&mut [0; 8])).await.expect("in order"), 0);
    assert!(!rest(&mut server).await.1, "the target may take it for the whole");
}
