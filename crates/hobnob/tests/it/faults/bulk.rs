//! Faults that lose nothing lose nothing: in every pair, in both orders, and while they are turned.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::fault::TABLE;
use hobnob::spec::{Shape, ValueKind};

use super::{Bent, echoed};

/// Bytes through each pair, and through the rows that turn; `cargo xtask soak` sends the whole of it through every pair.
const OF_A_PAIR: usize = 4 << 20;
const WHOLE: usize = 64 << 20;
/// Between two turns of the knobs.
const TURN: Duration = Duration::from_millis(10);
/// How long all that goes through one pair may take.
const BOUND: Duration = Duration::from_mins(2);

#[allow(clippy::disallowed_methods, reason = "the test run says how much")]
fn of_a_pair() -> usize {
    if std::env::var_os("HOBNOB_SOAK").is_some() { WHOLE } else { OF_A_PAIR }
}

/// What holds bytes and loses none, mildly enough for so many of them.
fn lossless() -> Vec<String> {
    let rows = TABLE.iter().filter(|row| {
        row.claims.lossless && row.shapes.contains(&Shape::Bytes) && !row.is_before_the_dial
    });
    let mild = rows.map(|row| {
        let name = row.spec.name;
        let value = row.spec.options.iter().find(|option| option.name == name);
        match value.map(|option| option.kind) {
            Some(ValueKind::Duration) => format!("{name}=2ms"),
            Some(ValueKind::Rate) => format!("{name}=100m"),
            Some(ValueKind::Bytes) => format!("{name}=10000"),
            _ => panic!("what does {name} take?"),
        }
    });
    mild.map(|spec| if spec.starts_with("slice") { format!("{spec},gap=0s") } else { spec })
        .collect()
}

fn pairs() -> Vec<[String; 2]> {
    let all = lossless();
    assert!(all.len() >= 5, "{all:?}");
    let mut pairs = Vec::new();
    for one in &all {
        for other in all.iter().filter(|other| *other != one) {
            pairs.push([one.clone(), other.clone()]);
        }
    }
    pairs
}

/// Every pair as it stands, and then while it is turned a hundred times a second: into its other order, and into one of
/// its two alone.
async fn each_pair_over(place: &str) {
    let bent = Bent::new(place, &[]);
    let (much, clock, turns) = (of_a_pair(), Clock::start(), AtomicU32::new(0));
    let (pairs, mut turned) = (pairs(), Duration::ZERO);
    for [one, two] in &pairs {
        bent.turn(&[one, two]);
        passes(&bent, much, &format!("{place}: {one} before {two}")).await;
        let rows: [&[&str]; 4] = [&[two, one], &[one, two], &[one], &[one, two]];
        let turning = async {
            // Late turns are caught up with.
            let mut due = tokio::time::interval(TURN);
            for row in rows.iter().cycle() {
                due.tick().await;
                bent.turn(row);
                turns.fetch_add(1, Relaxed);
            }
        };
        let (what, began) = (format!("{place}: {one} and {two}, turned"), clock.now());
        tokio::select! {
            () = turning => {}
            () = passes(&bent, much, &what) => {}
        }
        turned += clock.now().saturating_sub(began);
    }
    let (pairs, mebibytes, turns) = (pairs.len(), much >> 20, turns.load(Relaxed));
    let (turned, took) = (turned.as_secs_f64(), clock.now().as_secs_f64());
    println!(
        "{place}: twice {mebibytes} MiB there and back through {pairs} pairs, {turns} turns in {turned:.1} s, \
         {took:.1} s in all"
    );
}

async fn passes(bent: &Bent, much: usize, what: &str) {
    let mut conn = bent.dial().await;
    let heard = tokio::time::timeout(BOUND, echoed(&mut conn, much)).await;
    assert_eq!(heard, Ok(much), "{what}");
}

#[tokio::test]
async fn every_pair_in_both_orders_over_tcp() {
    each_pair_over("tcp://127.0.0.1:0").await;
}

#[tokio::test]
async fn every_pair_in_both_orders_over_unix() {
    let place = super::places(Shape::Bytes).into_iter().find(|place| place.starts_with("unix:/"));
    each_pair_over(&place.expect("a path")).await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn every_pair_in_both_orders_through_tls() {
    each_pair_over("tls://127.0.0.1:0").await;
}

#[tokio::test]
async fn a_hundred_changes_a_second_lose_no_byte() {
    let bent = Bent::new("tcp://127.0.0.1:0", &[]);
    let panel = bent.relay.running.faults().expect("a relay has them");
    let turning = async {
        let mut rows = pairs();
        rows.push([String::new(), String::new()]);
        let mut due = tokio::time::interval(TURN);
        for turn in 0_usize.. {
            due.tick().await;
            let row = &rows[turn % rows.len()];
            let specs: Vec<&str> =
                row.iter().map(String::as_str).filter(|spec| !spec.is_empty()).collect();
            panel.turn(&specs).expect("they fit");
        }
    };
    let mut conn = bent.dial().await;
    tokio::select! {
        () = turning => {}
        heard = echoed(&mut conn, WHOLE) => assert_eq!(heard, WHOLE),
    }
    assert!(!panel.totals().is_empty());
}
