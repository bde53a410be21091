//! Rooms over many nodes, on real servers of NATS that are killed, stopped, parted and started again, and wires that stall, are
//! cut and are reset: what members were shown is judged against what was said.
//!
//! `HOBNOB_FAULTS=1000 cargo test -p hobnob --test it cluster::real::no_line -- --nocapture` has that many faults, in
//! courses of a minute, two at once or `HOBNOB_AT_ONCE`; `HOBNOB_OLD=1` has them on servers of Debian, which
//! `HOBNOB_PARTED=1` parts from each other, too.

mod alone;
mod claims;
mod copies;
mod course;
mod crowd;
mod falls;
mod node;
mod servers;
mod stampede;
mod wire;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use self::course::{Course, LAST, Outcome};
use self::servers::Make;
use super::judge::{MemberLog, ShownLine, Verdict};
use crate::stage::skip;

/// For how long faults happen in each course.
const TIME: Duration = Duration::from_mins(1);

/// Lines that servers as old as that may call gone, and have.
const OLD: usize = 8;

/// Faults of `cargo xtask soak`.
const SOAK: usize = 200;

/// What the test run is told: how many faults are to be, and which course is the first.
#[allow(clippy::disallowed_methods, reason = "the test run says how many")]
fn asked(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs these courses, so many at once, until there are no more or there were enough faults.
fn run(
    courses: impl Iterator<Item = Course> + Send,
    at_once: usize,
    faults: usize,
) -> Vec<(Course, Outcome)> {
    let (courses, count, outcomes) =
        (Mutex::new(courses), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while count.load(Relaxed) < faults {
                    let next = courses.lock().expect("no panic").next();
                    let Some(course) = next else { return };
                    let outcome = course.run();
                    count.fetch_add(outcome.faults.len(), Relaxed);
                    println!(
                        "{} servers, seed {}: {}",
                        course.servers,
                        course.seed,
                        outcome.text()
                    );
                    if !outcome.verdict.is_clean() {
                        keep(&course, &outcome);
                    }
                    outcomes.lock().expect("no panic").push((course, outcome));
                }
            });
        }
    });
    outcomes.into_inner().expect("no panic")
}

/// Keeps all that was said and shown of a course in which something was wrong.
fn keep(course: &Course, outcome: &Outcome) {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let file = format!("{folder}/course-{}-{}.txt", course.servers, course.seed);
    std::fs::write(&file, outcome.story()).expect("the story is kept");
    println!("all that was said and shown: {file}");
}

/// The judge finds each thing that is made wrong in logs that were right.
fn falsified(outcome: &Outcome) {
    let told = |verdict: Verdict| {
        [verdict.silent, verdict.doubled, verdict.disordered, verdict.falsely_told]
    };
    let whole = |logs: &mut Vec<MemberLog>, change: fn(&mut Vec<String>, usize)| {
        // Where a member was told of lines that are missing, one more or less may be of those.
        let mut logs = logs.iter_mut();
        let is_whole = |log: &MemberLog| log.told().is_empty() && log.unshown() == 0;
        let was_there = |log: &MemberLog| !log.is_over && log.there() < outcome.last_words();
        let log = logs.find(|log| was_there(log) && is_whole(log)).expect("one missed nothing");
        let is_last = |line: &String| {
            let line = ShownLine::of(line);
            line.is_some_and(|line| line.key.1.starts_with(LAST) && line.node != log.node)
        };
        let at = log.lines.iter().position(is_last).expect("each has its last line");
        change(&mut log.lines, at);
    };
    assert_eq!(
        told(outcome.with_logs(|logs| whole(logs, |lines, at| _ = lines.remove(at)))),
        [1, 0, 0, 0]
    );
    let again = |lines: &mut Vec<String>, at: usize| lines.insert(at, lines[at].clone());
    assert_eq!(told(outcome.with_logs(|logs| whole(logs, again))), [0, 1, 0, 0]);
    let first = |lines: &mut Vec<String>, at: usize| {
        let line = lines.remove(at);
        let first = lines.iter().position(|line| line.starts_with("* welcome")).expect("it came");
        lines.insert(first + 1, line);
    };
    assert_eq!(told(outcome.with_logs(|logs| whole(logs, first)))[..2], [0, 0]);
    assert!(told(outcome.with_logs(|logs| whole(logs, first)))[2] > 0);
    let lie = |lines: &mut Vec<String>, at: usize| {
        lines.insert(at, "* 3 messages from node n9x9 are missing".to_owned());
    };
    assert_eq!(told(outcome.with_logs(|logs| whole(logs, lie))), [0, 0, 0, 3]);
}

fn check(outcomes: &[(Course, Outcome)]) {
    assert!(!outcomes.is_empty(), "there are no such servers");
    for (course, outcome) in outcomes {
        let text = outcome.text();
        assert!(outcome.verdict.is_clean(), "{text}\n{:#?}", outcome.warnings);
        assert!(outcome.verdict.said > 100 && !outcome.faults.is_empty(), "{text}");
        assert!(outcome.verdict.needless <= course.needless, "{text}\n{:#?}", outcome.warnings);
        falsified(outcome);
    }
    let faults: usize = outcomes.iter().map(|(_, outcome)| outcome.faults.len()).sum();
    println!("{faults} faults in {} courses: nothing lost without a word", outcomes.len());
}

/// A course on these servers, if they are there: three, and now and then a lone one.
///
/// Servers of Debian are parted by hand alone: a leader of theirs has acked lines then that the next one did not have, and the
/// one after that has (docs/rooms.md).
fn course(make: Make, seed: u64) -> Option<Course> {
    let servers = if seed % 4 == 2 { 1 } else { 3 };
    let is_old = make == Make::Debians;
    let needless = if is_old { OLD } else { 0 };
    let are_parted = !is_old || asked("HOBNOB_PARTED").is_some();
    Some(Course { program: make.program()?, servers, seed, time: TIME, needless, are_parted })
}

/// The courses of every run wait for most of their minute, so all are had at once.
#[test]
fn no_line_is_lost_without_a_word_on_servers_that_fall() {
    let test = "cluster::real::no_line_is_lost_without_a_word_on_servers_that_fall";
    let begin = asked("HOBNOB_SEED").unwrap_or(1) as u64;
    if course(Make::Pinned, begin).is_none() {
        return skip(test, "missing nats-server");
    }
    let faults = asked("HOBNOB_FAULTS").or(asked("HOBNOB_SOAK").map(|_| SOAK));
    if let Some(faults) = faults {
        let make = asked("HOBNOB_OLD").map_or(Make::Pinned, |_| Make::Debians);
        let at_once = asked("HOBNOB_AT_ONCE").unwrap_or(2);
        return check(&run((begin..).map_while(|seed| course(make, seed)), at_once, faults));
    }
    let debians = course(Make::Debians, begin + 2);
    if debians.is_none() {
        skip(test, "missing nats-server of Debian");
    }
    let pinned = [begin, begin + 1].map(|seed| course(Make::Pinned, seed));
    let courses: Vec<_> = pinned.into_iter().flatten().chain(debians).collect();
    let at_once = courses.len();
    check(&run(courses.into_iter(), at_once, usize::MAX));
}
