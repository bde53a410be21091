//! What a limit cuts or refuses, it cuts and refuses alone.

use std::time::Duration;

use hobnob::conn::Conn;
use hobnob::error::Kind;
use hobnob::event::{Event, Fact, Reason};
use hobnob::spec::Shape;

use super::cell::{self, Cell};
use super::expected::Talk;

/// An idle limit that the clients of a busy machine keep: they are all on one thread.
const PATIENT: Duration = Duration::from_secs(4);
/// The same for who is alone in a process, and is not to say anything in time.
const MOMENT: Duration = Duration::from_millis(300);
/// How long a flood may be unread: its other readers are on that one thread, and each of them reads within this.
const UNHURRIED: Duration = Duration::from_secs(2);

/// More than this a server that bounds its memory does not take from a peer that reads nothing.
const BOUND: u64 = 32 * 1_024 * 1_024;

#[test]
fn a_reader_that_stalls_is_cut_and_nobody_else() {
    cell::each(
        |cell| cell.has_ends,
        async |cell: Cell| {
            let stall = if matches!(cell.talk, Talk::Pours) { UNHURRIED } else { MOMENT };
            let served = cell.serve_small(|server| server.limits.stall = stall);
            let deaf = served.dial().await;
            served.opened(1).await;
            let pouring = tokio::task::spawn_local(pour(cell.clone(), deaf));
            for _ in 0..if cell.has_peers_at_once() { 3 } else { 0 } {
                served.converse(&[b"Ada", b"20"]).await;
            }
            if cell.talk.can_clog() {
                let closed = served.closed(1).await;
                assert_eq!(closed.reason, Reason::Timeout("stall"), "{}", cell.name());
                // What is only swallowed takes no memory.
                let is_bounded = closed.bytes_in < BOUND || matches!(cell.talk, Talk::Pours);
                assert!(is_bounded, "{}: took {}", cell.name(), closed.bytes_in);
            }
            drop(cell.within("who pours", pouring).await.expect("no panic"));
            served.survives().await;
        },
    );
}

/// Asks and asks and never reads, until it is cut.
async fn pour(cell: Cell, mut conn: Conn) -> Conn {
    let lines = b"a\n".repeat(2_048);
    // What does not answer is never clogged: it would take all, and some of it costs more than a look.
    let rounds = if cell.talk.can_clog() { 20_000 } else { 200 };
    for _ in 0..rounds {
        let sent = match cell.shape {
            Shape::Bytes => conn.send(&lines).await,
            Shape::Packets => conn.send(&[b'a'; 100]).await,
        };
        if sent.is_err() {
            break;
        }
    }
    conn
}

/// Datagrams cannot be held back, so what a deaf peer does not take is dropped.
///
/// A flood on a Unix datagram socket is the exception that the kernel makes: what a connected peer has not read
/// stays charged to the sender, and the sender is the one socket that all peers share (`unix_dgram_sendmsg`: the
/// limit of 10 is not applied to a peer that is connected to the sender). Others are served again once it is gone.
#[test]
fn a_deaf_datagram_peer_costs_nobody_else() {
    cell::each(
        |cell| !cell.has_ends,
        async |cell: Cell| {
            let served = cell.serve(|server| server.limits.stall = Duration::from_millis(300));
            let mut deaf = served.dial().await;
            for _ in 0..100 {
                cell.say(&mut deaf, b"Ada").await;
            }
            if matches!(cell.talk, Talk::Pours) && cell.transport.spec.name == "unixgram" {
                assert_eq!(served.closed(1).await.reason, Reason::Timeout("stall"));
                drop(deaf);
                return served.survives().await;
            }
            for _ in 0..3 {
                served.converse(&[b"Ada", b"20"]).await;
            }
            served.survives().await;
        },
    );
}

/// An end that a layer cannot pass on, because the peer takes nothing, does not keep the session's place.
#[test]
fn a_close_does_not_wait_for_a_deaf_peer() {
    cell::all_at_once(
        |cell| cell.layer.is_some() && cell.service.spec.name == "echo",
        async |cell: Cell| {
            let served = cell.serve_small(|server| {
                server.limits.idle = Some(PATIENT);
                server.limits.linger = Duration::from_millis(150);
            });
            let deaf = served.dial().await;
            let pouring = tokio::task::spawn_local(pour(cell.clone(), deaf));
            assert_eq!(served.closed(1).await.reason, Reason::Timeout("idle"), "{}", cell.name());
            drop(cell.within("who pours", pouring).await.expect("no panic"));
            served.survives().await;
        },
    );
}

#[test]
fn one_peer_more_than_max_conns_waits_until_one_leaves() {
    // Standard input and output have one peer, and `max-conns` is at least that: nobody is there to wait. A server of one
    // at a time has one place.
    cell::each(
        |cell| cell.has_sessions && cell.has_peers_at_once() && !matches!(cell.talk, Talk::Unknown),
        async |cell: Cell| {
            let served = cell.serve(|server| {
                server.limits.max_conns = Some(2);
                server.limits.linger = Duration::from_mins(1);
            });
            let mut guests = Vec::new();
            for guest in 1..=2 {
                let mut conn = served.dial().await;
                cell.say(&mut conn, b"Ada").await;
                served.opened(guest).await;
                guests.push(conn);
            }
            let mut third = served.dial().await;
            let sent = cell.within("a send", third.send(b"late\n")).await;
            if !cell.has_ends {
                sent.expect("datagrams always go");
                let told = |event: &&Event| is_refusal(event) || has_made_room(event);
                served
                    .until("a refusal, or one that makes room", |seen| {
                        seen.iter().find(told).map(drop)
                    })
                    .await;
                return;
            }
            served
                .until("the pause", |seen| seen.iter().find(|event| is_pause(event)).map(drop))
                .await;
            drop(guests.remove(0));
            served.opened(3).await;
            assert!(served.third_came_after_the_first_left(), "{}: it did not wait", cell.name());
            drop((guests, third));
            served.survives().await;
        },
    );
}

fn is_pause(event: &Event) -> bool {
    matches!(event.fact, Fact::Paused { limit: "max-conns", .. })
}

/// On datagrams nobody can be kept waiting: whoever was silent longest makes room.
fn has_made_room(event: &Event) -> bool {
    matches!(event.fact, Fact::Dropped { limit: "max-conns", .. })
}

fn is_refusal(event: &Event) -> bool {
    matches!(event.fact, Fact::Refused { limit: "max-conns", .. })
}

#[test]
fn silence_is_closed_in_order_and_says_so() {
    // A datagram peer has no session before it speaks, and then the flood is no silence.
    cell::all_at_once(
        |cell| cell.has_ends,
        async |cell: Cell| {
            let idle = if cell.has_more_peers() { PATIENT } else { MOMENT };
            let served = cell.serve(|server| server.limits.idle = Some(idle));
            let mut conn = served.dial().await;
            let closed = served.closed(1).await;
            if cell.talk.ends_at_once() {
                assert_eq!(closed.reason, Reason::Eof, "{}: it had ended by itself", cell.name());
            } else if !matches!(cell.talk, Talk::Unknown) {
                assert_eq!(closed.reason, Reason::Timeout("idle"), "{}", cell.name());
            }
            cell.hear_out(&mut conn).await;
            drop(conn);
            served.survives().await;
        },
    );
}

/// More bytes than a service has room for. A relay has room for as many as a Unix socket carries: behind it the echo
/// refuses the packet.
const LONG: usize = 100_000;

#[test]
fn a_packet_that_is_too_long_is_refused_alone_and_the_session_goes_on() {
    cell::each(
        |cell| cell.transport.shape == Shape::Packets && !cell.talk.ends_at_once(),
        async |cell: Cell| {
            let served = cell.serve(|_| {});
            let mut conn = served.dial().await;
            match cell.within("a send", conn.send(&vec![b'x'; LONG])).await {
                Ok(()) if cell.service.targets().next().is_some() => {}
                Ok(()) => served.until("a drop", |seen| seen.iter().find_map(is_too_long)).await,
                // Then it was refused here already.
                Err(error) => assert_eq!(error.kind(), Kind::MessageTooLong, "{}", cell.name()),
            }
            let good: &[&[u8]] = &[b"20"];
            cell.say(&mut conn, good[0]).await;
            conn.end().await.expect("it is open");
            if !matches!(cell.talk, Talk::Unknown | Talk::Pours) {
                let heard = cell.hear(&mut conn, good.len()).await;
                cell.check(good, &heard);
            }
            if cell.has_ends {
                let closed = served.closed(1).await;
                assert_eq!(closed.reason, Reason::Eof, "{}: {closed:?}", cell.name());
            }
            drop(conn);
            served.survives().await;
        },
    );
}

fn is_too_long(event: &Event) -> Option<()> {
    matches!(event.fact, Fact::Dropped { limit: "packet-size", count: 1 }).then_some(())
}
