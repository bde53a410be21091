//! Loads on fake time, against drivers whose every reply is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::*;
use crate::error::{Error, Kind};

const MS: Duration = Duration::from_millis(1);

fn is_about(time: Duration, expected: Duration) -> bool {
    // The runtime's own timer has steps of a millisecond, and a histogram is exact to a thousandth.
    time + expected / 500 >= expected && time <= expected + expected / 500 + MS * 2
}

/// A reply comes so long after its message.
fn sleeper(reply: impl Fn(Duration) -> Duration + Send + Sync + 'static) -> Calls {
    let reply = Arc::new(reply);
    Calls::of(move |_, round| {
        let wait = reply(round.begun);
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            Ok(calls::CallEnd { sent: 1, received: 2, ..calls::CallEnd::default() })
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_has_one_round_of_each_talker_under_way() {
    let load = Load::of(sleeper(|_| MS * 10)).talkers(3).until(Until::time(MS * 1_000));
    let measured = load.run().await.expect("nothing fails");
    // A timer of the runtime may be a millisecond late.
    let done = measured.figures.done();
    assert!((270..=303).contains(&done), "{done}");
    assert!(is_about(measured.figures.latencies.share(0.5), MS * 10));
    assert_eq!(measured.lasted, MS * 1_000);
    assert_eq!((measured.talkers, measured.unbegun, measured.unanswered), (3, 0, 0));
    assert_eq!((measured.figures.sent, measured.figures.received), (done, 2 * done));
}

#[tokio::test(start_paused = true)]
async fn a_count_is_kept_to_the_round() {
    let begun = Arc::new(AtomicU64::new(0));
    let counted = begun.clone();
    let driver = sleeper(move |_| {
        counted.fetch_add(1, Relaxed);
        MS * 5
    });
    let load = Load::of(driver).talkers(7).until(Until::time(MS * 60_000).or_rounds(100));
    let measured = load.run().await.expect("nothing fails");
    assert_eq!((measured.figures.done(), begun.load(Relaxed)), (100, 100));
    assert!(measured.lasted >= MS * 75 && measured.lasted < MS * 100, "{:?}", measured.lasted);
}

/// Once a second the server sleeps for 100 ms: whatever is due then waits for the rest of that.
#[tokio::test(start_paused = true)]
async fn an_open_loop_has_the_tail_that_the_arithmetic_says() {
    let wakes = |at: Duration| {
        let within = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0) % 1_000);
        (MS * 100).saturating_sub(within)
    };
    let schedule = Schedule::rate(100.0).expect("a rate");
    let until = Until::time(MS * 10_000);
    let load = Load::of(sleeper(wakes)).schedule(schedule).until(until);
    let measured = load.run().await.expect("nothing fails");
    let latencies = &measured.figures.latencies;
    assert_eq!((latencies.count(), measured.unbegun), (1_000, 0));
    // Ten of a hundred rounds a second are due in the sleep, at 0, 10, ... 90 ms: they wait for 100, 90, ... 10 ms.
    for (share, expected) in [(0.905, 10), (0.935, 40), (0.965, 70), (0.985, 90), (0.9955, 100)] {
        let told = latencies.share(share);
        assert!(is_about(told, MS * expected), "{share}: {told:?}, expected {expected} ms");
    }
    assert!(latencies.share(0.89) < MS * 3, "{:?}", latencies.share(0.89));
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_hides_what_an_open_one_tells() {
    // Frozen from 1 s to 2 s.
    let frozen = |at: Duration| {
        let thaws = MS * 2_000;
        if at >= MS * 1_000 && at < thaws { thaws.saturating_sub(at) } else { MS }
    };
    let until = Until::time(MS * 10_000);
    let closed = Load::of(sleeper(frozen)).until(until).run().await.expect("nothing fails");
    assert!(closed.figures.latencies.share(0.999) < MS * 5);
    assert!(closed.figures.latencies.most() > MS * 900, "it is seen in the most");
    let open = Load::of(sleeper(frozen)).until(until).schedule(Schedule::Rate(100.0));
    let open = open.run().await.expect("nothing fails");
    assert!(open.figures.latencies.share(0.99) > MS * 900);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_begin_and_what_was_not_answered_is_told() {
    let load = Load::of(sleeper(|_| MS * 60_000)).talkers(2).schedule(Schedule::Rate(10.0));
    let measured = load.until(Until::time(MS * 1_000)).run().await.expect("nothing fails");
    assert_eq!((measured.figures.done(), measured.unanswered, measured.unbegun), (0, 2, 8));
    assert_eq!(measured.lasted, MS * 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_does_not_count() {
    let slow_at_first = |at: Duration| if at < MS * 500 { MS * 50 } else { MS * 2 };
    let load = Load::of(sleeper(slow_at_first)).warm_up(MS * 600).until(Until::time(MS * 400));
    let measured = load.run().await.expect("nothing fails");
    assert!(measured.warm.latencies.most() >= MS * 50);
    assert!(measured.figures.latencies.most() < MS * 10);
    assert_eq!(measured.lasted, MS * 400);
    assert!(measured.warm.done() > 20 && measured.figures.done() > 100);
}

#[tokio::test(start_paused = true)]
async fn beats_are_told_as_they_come_and_a_stop_ends_it() {
    let mut measuring = Load::of(sleeper(|_| MS * 10)).talkers(2).start_here::<Figures>();
    let (mut done, mut beats, mut last) = (0, 0, Duration::ZERO);
    while let Some(beat) = measuring.next().await.expect("nothing fails") {
        assert!(beat.until >= last, "time goes on");
        (done, beats, last) = (done + beat.figures.done(), beats + 1, beat.until);
        if beats == 10 {
            measuring.stop();
        }
    }
    assert!((10..20).contains(&beats) && last >= MS * 1_000, "{beats} {last:?}");
    let measured = measuring.finish().await.expect("nothing fails");
    assert_eq!(measured.figures.done(), done);
    assert!(measured.unanswered == 0 && measured.lasted >= MS * 1_000);
}

#[tokio::test(start_paused = true)]
async fn who_only_fails_breaks_and_what_was_measured_until_then_stands() {
    let calls = Arc::new(AtomicU64::new(0));
    let driver = Calls::of(move |_, _| {
        let dies = calls.fetch_add(1, Relaxed) >= 20;
        Box::pin(async move {
            tokio::time::sleep(MS * 10).await;
            if dies {
                return Err(Error::new(Kind::ConnectionRefused, "nobody is there"));
            }
            Ok(calls::CallEnd::default())
        })
    });
    let load = Load::of(driver).talkers(2).until(Until::time(MS * 60_000));
    let measured = load.run().await.expect("it began well");
    assert_eq!((measured.figures.done(), measured.figures.failed()), (20, 20));
    let broke = measured.broke.expect("nobody is left");
    assert!(broke >= MS * 200 && broke < MS * 300, "{broke:?}");
    assert!(measured.lasted < MS * 300, "{:?}", measured.lasted);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_this_machine_ends_it_and_is_no_failure_of_the_server() {
    let calls = Arc::new(AtomicU64::new(0));
    let driver = Calls::of(move |_, _| {
        let has_port = calls.fetch_add(1, Relaxed) < 30;
        Box::pin(async move {
            tokio::time::sleep(MS).await;
            let taken = std::io::Error::from_raw_os_error(libc::EADDRNOTAVAIL);
            let failed = Error::from_io("connect()", &taken);
            if has_port { Ok(calls::CallEnd::default()) } else { Err(failed) }
        })
    });
    let load = Load::of(driver).talkers(3).until(Until::time(MS * 60_000));
    let measured = load.run().await.expect("it began well");
    let figures = &measured.figures;
    assert_eq!((figures.done(), figures.failed(), figures.failed_here()), (30, 0, 30));
    assert_eq!(measured.broke, None);
    assert!(measured.lasted < MS * 100, "{:?}", measured.lasted);
}

/// A recorder of one's own.
#[derive(Default)]
struct Raw(Vec<Duration>);

impl Recorder for Raw {
    fn note(&mut self, came: Upshot, at: Duration) {
        if let Upshot::Done { round, .. } = came {
            self.0.push(at.saturating_sub(round.due));
        }
    }

    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_recorder_is_as_good() {
    let load = Load::of(sleeper(|_| MS * 10)).talkers(4).until(Until::rounds(40));
    let measured = load.start_here::<Raw>().finish().await.expect("nothing fails");
    assert_eq!(measured.figures.0.len(), 40);
    assert!(measured.figures.0.iter().all(|time| is_about(*time, MS * 10)));
}
