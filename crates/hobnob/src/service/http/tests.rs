//! The deadlines as they are by default, on a clock that the tests move.

use std::time::Duration;

use super::*;
use crate::address::Address;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::conn::{Facts, memory};
use crate::session::Opening;
use crate::session::powers::Powers;

/// Nothing is asked of the engine here.
struct Nobody;

impl Powers for Nobody {}

fn session() -> Arc<Session> {
    let name = Address::name("far");
    Arc::new(Session::open(Opening {
        id: 1,
        parent: 0,
        door: Some(""),
        facts: Facts::new("memory", name.clone(), name).into(),
        shard: 0,
        bus: Bus::new(Clock::start(), 1),
        seed: 1,
        powers: Arc::new(Nobody),
    }))
}

/// Serves a peer that sends `head` and then, so often, a piece; how it ended, and how many pieces it took.
async fn drip(head: &str, piece: &[u8], pause: Duration) -> (Option<&'static str>, u64) {
    let made = serve(&Options::of(ROW.spec.options), Patience::default());
    let Ok(Made::Service(service)) = made else { panic!("a service") };
    let (mut here, mut there) = memory::pair(Shape::Bytes);
    let session = session();
    let mut pieces = 0;
    let peer = async {
        there.send(head.as_bytes()).await.expect("it is open");
        loop {
            tokio::time::sleep(pause).await;
            if there.send(piece).await.is_err() {
                std::future::pending::<()>().await;
            }
            pieces += 1;
        }
    };
    let held = tokio::select! {
        held = service.run(&session, &mut here) => held,
        () = peer => unreachable!("it never ends"),
    };
    (held.err().and_then(|error| error.limit_name()), pieces)
}

const POST: &str = "POST / HTTP/1.0\r\nContent-Length: 9000\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn case_8_one_byte_per_5_s_runs_out_of_time() {
    let pause = Duration::from_secs(5);
    // The last piece falls into the second in which the peer may hear why.
    let (limit, pieces) = drip("GET / HTTP/1.1\r\nX: ", b"x", pause).await;
    assert!(limit == Some("http-head") && (1..=2).contains(&pieces), "{limit:?} {pieces}");
    let (limit, pieces) = drip(POST, b"x", pause).await;
    assert!(limit == Some("http-body") && (5..=6).contains(&pieces), "{limit:?} {pieces}");
}

#[tokio::test(start_paused = true)]
async fn case_9_who_says_nothing_runs_out_of_time() {
    let (limit, _) = drip("", b"", Duration::from_mins(1)).await;
    assert_eq!(limit, Some("http-head"));
    let (limit, _) = drip(POST, b"", Duration::from_mins(1)).await;
    assert_eq!(limit, Some("http-body"));
}

#[tokio::test(start_paused = true)]
async fn a_body_at_the_rate_that_is_asked_comes_to_its_end() {
    let (limit, pieces) = drip(POST, &[b'x'; 110], Duration::from_secs(1)).await;
    assert!(limit.is_none() && pieces >= 81, "{limit:?} {pieces}");
}

#[tokio::test(start_paused = true)]
async fn who_is_told_why_is_heard_for_a_moment_more_as_a_reset_would_overtake_the_word() {
    // 33 pieces in the ten seconds of a head, and more in the second behind them.
    let (limit, pieces) = drip("GET / HTTP/1.1\r\nX: ", b"x", Duration::from_millis(300)).await;
    assert!(limit == Some("http-head") && pieces > 33, "{limit:?} {pieces}");
}
