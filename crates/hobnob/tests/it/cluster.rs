//! Rooms over many nodes, on links and servers that are made up: no line is lost without a word, none is shown twice, and
//! the order is the same for everybody.

mod real;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hobnob::cluster::ClusterRule;
use hobnob::testing::cluster::{ClusterTrial, TrialReport};

/// How many courses of events each run has. `HOBNOB_SEEDS=100000` has that many.
const SEEDS: u64 = 2_000;

#[allow(clippy::disallowed_methods, reason = "the test run says how many")]
fn seeds() -> u64 {
    std::env::var("HOBNOB_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

/// Runs all seeds, on every processor.
fn reports(seeds: u64) -> Vec<(u64, TrialReport)> {
    let (next, reports) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let report = ClusterTrial::of(seed).run();
                    reports.lock().expect("no panic").push((seed, report));
                }
            });
        }
    });
    reports.into_inner().expect("no panic")
}

#[test]
fn no_line_is_lost_without_a_word_whatever_servers_and_links_do() {
    let reports = reports(seeds());
    let sum =
        |part: fn(&TrialReport) -> usize| reports.iter().map(|(_, one)| part(one)).sum::<usize>();
    println!(
        "{} seeds: {} lines said, {} told missing, {} silent, {} doubled, {} falsely told, {} out of order, {} more where servers had lost lines",
        reports.len(),
        sum(|one| one.said),
        sum(|one| one.told),
        sum(|one| one.silent),
        sum(|one| one.doubled),
        sum(|one| one.falsely_told),
        sum(|one| one.disordered),
        sum(|one| one.upset),
    );
    assert!(sum(|one| one.said) > reports.len() * 20 && sum(|one| one.told) > 0);
    let mut wrong: Vec<_> = reports.iter().filter(|(_, report)| !report.is_clean()).collect();
    wrong.sort_by_key(|(seed, _)| *seed);
    assert!(wrong.is_empty(), "{} seeds: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}

#[test]
fn each_rule_is_needed() {
    for rule in ClusterRule::ALL {
        let found = (0..400).find(|seed| !ClusterTrial::of(*seed).breaking(rule).run().is_clean());
        println!("{rule:?} is missed at seed {found:?}");
        assert!(found.is_some(), "no seed shows that {rule:?} is needed");
    }
}
