//! How conversations begin and end.

use hobnob::codec::text::Rule;
use hobnob::event::{By, End, Fact, How, Reason};
use hobnob::spec::Shape;

use super::cell::{self, Cell};
use super::expected::Talk;

#[test]
fn a_client_that_ends_still_gets_the_whole_answer() {
    cell::each(
        |_| true,
        async |cell: Cell| {
            let served = cell.serve(|_| {});
            served.converse(&[b"Ada", b"20", b"Grace"]).await;
            if cell.has_sessions && cell.has_ends {
                let closed = served.closed(1).await;
                let fin = |by| End { by, how: How::Fin };
                match cell.talk {
                    // Whoever leaves a flood resets it, perhaps before its words were read.
                    Talk::Pours | Talk::Unknown => return served.survives().await,
                    _ => {
                        assert_eq!(
                            closed.reason,
                            Reason::Eof,
                            "{}: {:?}",
                            cell.name(),
                            closed.detail
                        );
                        assert_eq!(closed.outward, fin(cell.ends()), "{}", cell.name());
                        assert_eq!(closed.inward, fin(By::Peer), "{}", cell.name());
                    }
                }
                assert!(closed.bytes_in > 0 || cell.talk.ends_at_once(), "{}", cell.name());
            }
            served.survives().await;
        },
    );
}

#[test]
fn a_client_that_resets_costs_nobody_else() {
    cell::each(
        |cell| cell.has_sessions,
        async |cell: Cell| {
            let served = cell.serve(|_| {});
            let mut conn = served.dial().await;
            served.opened(usize::from(cell.has_ends)).await;
            cell.say(&mut conn, b"Ada").await;
            served.opened(1).await;
            conn.abort();
            if cell.has_ends {
                let closed = served.closed(1).await;
                // A service that has said goodbye is only waiting for the end.
                let is_over = cell.may_be_over();
                let has_resets = ["tcp", "memory"].contains(&cell.transport.spec.name);
                if has_resets && !is_over {
                    assert_eq!(
                        closed.reason,
                        Reason::Reset,
                        "{}: {:?}",
                        cell.name(),
                        closed.detail
                    );
                }
            }
            served.survives().await;
        },
    );
}

#[test]
fn one_byte_at_a_time_is_the_same_message() {
    cell::each(
        |cell| cell.shape == Shape::Bytes,
        async |cell: Cell| {
            let served = cell.serve(|server| server.cutting.rule = Rule::Lines);
            let mut conn = served.dial().await;
            // What gets one answer to the first byte is over after it.
            let is_over = cell.may_be_over();
            let text: &[u8] = if is_over { b"A" } else { b"Ada Lovelace\n" };
            for byte in text {
                let sent = cell.within("a send", conn.send(&[*byte])).await;
                assert!(sent.is_ok() || is_over, "{}: {sent:?}", cell.name());
            }
            cell.within("our end", conn.end()).await.expect("an end");
            cell.check(&[b"Ada Lovelace"], &cell.hear(&mut conn, 1).await);
            drop(conn);
            served.survives().await;
        },
    );
}

#[test]
fn a_client_that_says_nothing_is_served_too() {
    cell::each(
        |cell| cell.has_ends,
        async |cell: Cell| {
            let served = cell.serve(|_| {});
            if cell.shape == Shape::Bytes || !matches!(cell.talk, Talk::Pours) {
                served.converse(&[]).await;
            } else {
                // It pours packets to who asks; who ends without having asked gets an end.
                let mut conn = served.dial().await;
                cell.within("our end", conn.end()).await.expect("an end");
                let end = cell.within("its end", conn.recv(&mut [0; 8])).await;
                assert_eq!(end.expect("an end in order"), None, "{}", cell.name());
            }
            assert_eq!(served.closed(1).await.bytes_in, 0, "{}", cell.name());
            served.survives().await;
        },
    );
}

#[test]
fn every_byte_is_as_good_as_any_other() {
    cell::each(
        |_| true,
        async |cell: Cell| {
            let served = cell.serve(|server| server.cutting.rule = Rule::Lines);
            let all: Vec<u8> = (0..=255).collect();
            let without: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
            match cell.shape {
                Shape::Packets => served.converse(&[&without]).await,
                // A newline in the middle cuts text in two, and joins raw bytes again.
                Shape::Bytes => served.converse(&[&all[..10], &all[11..]]).await,
            }
            served.survives().await;
        },
    );
}

#[test]
fn a_drain_ends_sessions_in_order_and_frees_the_place() {
    cell::each(
        |_| true,
        async |cell: Cell| {
            let served = cell.serve_to_come_again();
            let mut conn = served.dial().await;
            cell.say(&mut conn, b"Ada").await;
            if cell.has_sessions {
                served.opened(1).await;
            }
            served.running.drain();
            if cell.has_ends {
                // A flood comes to its end too.
                cell.hear_out(&mut conn).await;
            }
            // Who has no end to see stays, so that nothing but the drain ends its session.
            let stays = (!cell.has_ends).then_some(conn);
            let summary = cell.within("the drain", served.running.finished()).await;
            assert!(summary.sessions <= 1 && served.running.open() == 0, "{}", cell.name());
            let cut = served
                .seen()
                .iter()
                .any(|event| matches!(event.fact, Fact::Dropped { limit: "grace", .. }));
            assert!(!cut, "{}: a session had to be cut", cell.name());
            if cell.has_sessions && !matches!(cell.talk, Talk::Unknown) {
                let reason = served.closed(1).await.reason;
                // A service may have been faster than the drain; no other way out is in order.
                assert!(
                    matches!(reason, Reason::Stopped | Reason::Eof),
                    "{}: {reason:?}",
                    cell.name()
                );
                assert!(
                    reason == Reason::Stopped
                        || cell.may_be_over()
                        || matches!(cell.talk, Talk::Pours),
                    "{}",
                    cell.name()
                );
            }
            drop(stays);
            if !cell.has_more_peers() {
                return;
            }
            let again = served.again();
            again.drain();
            cell.within("the second drain", again.finished()).await;
        },
    );
}
