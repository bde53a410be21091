//! Faults that lose nothing lose nothing: in every pair, in both orders, and while they are turned.

use std::time::Duration;

use hobnob::fault::TABLE;
use hobnob::spec::{Shape, ValueKind};

use super::{Bent, echoed};

/// Bytes through each pair, and through the rows that turn.
const OF_A_PAIR: usize = 4 << 20;
const OF_A_RUN: usize = 64 << 20;

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

async fn each_pair_over(place: &str) {
    let bent = Bent::new(place, &[]);
    for [one, two] in pairs() {
        bent.turn(&[&one, &two]);
        let mut conn = bent.dial().await;
        let heard = echoed(&mut conn, OF_A_PAIR).await;
        assert_eq!(heard, OF_A_PAIR, "{place}: {one} before {two}");
    }
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
        for turn in 0_usize.. {
            let row = &rows[turn % rows.len()];
            let specs: Vec<&str> =
                row.iter().map(String::as_str).filter(|spec| !spec.is_empty()).collect();
            panel.turn(&specs).expect("they fit");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut conn = bent.dial().await;
    tokio::select! {
        () = turning => {}
        heard = echoed(&mut conn, OF_A_RUN) => assert_eq!(heard, OF_A_RUN),
    }
    assert!(!panel.totals().is_empty());
}
