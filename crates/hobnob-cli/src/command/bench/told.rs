//! Tells what came of a bench: to a person, or to a program.

use std::fmt::Write as _;
use std::io::Write as _;

use hobnob::error::Result;
use hobnob::load::{Contest, Ratio};
use hobnob::streams;

use super::flags::BenchFlags;
use super::rival::figure;
use super::saved::SavedRun;
use super::{show, table};
use crate::job::Job;
use crate::process::say;
use crate::report::benched::{Benched, Contested};
use crate::report::json::Json;
use crate::report::show::{fold, safe};

/// Two that differ by less are called equal, whatever their interval says.
const MARGIN: f64 = 0.02;
/// Runs at different times are compared more carefully: a machine is not the same tomorrow.
const MARGIN_OF_DAYS: f64 = 0.1;
/// An interval that is wider than this share of its middle is no longer even on both sides.
const WIDE: f64 = 0.2;
/// Exit codes: replies that were not right, a server that was gone, a limit of this machine.
const NOT_RIGHT: u8 = 1;
const GONE: u8 = 5;
const HERE: u8 = 3;

/// Tells; the exit code, where the reader of stdout has left.
pub(super) fn tell(
    job: &Job,
    flags: &BenchFlags,
    results: &[Benched],
    against: Option<&SavedRun>,
) -> Result<Option<u8>> {
    let contests = contests(results, against);
    let text = if job.is_on("json") {
        let mut json = Json::new(job.clock);
        let mut out = Vec::new();
        for result in results {
            json.benched(&mut out, result);
        }
        for contested in &contests {
            json.contested(&mut out, contested);
        }
        String::from_utf8_lossy(&out).into_owned()
    } else if job.is_on("csv") {
        table::csv(results)
    } else if job.is_on("markdown") {
        table::markdown(results)
    } else {
        words(job, flags, results, &contests, against)
    };
    let code = say(&text)?;
    Ok((code != 0).then_some(code))
}

fn words(
    job: &Job,
    flags: &BenchFlags,
    results: &[Benched],
    contests: &[Contested<'_>],
    against: Option<&SavedRun>,
) -> String {
    let summaries: Vec<_> = results.iter().map(|result| show::summary(result, job.out)).collect();
    let mut text = summaries.join("\n");
    if against.is_none() && results.len() < 2 {
        return text;
    }
    text.push('\n');
    if contests.is_empty() {
        text.push_str("nothing is like it, or too little came back to be compared\n");
    }
    for contested in contests {
        let line = comparison(contested);
        for (at, line) in fold(&line, job.out.columns().saturating_sub(2)).iter().enumerate() {
            let indent = if at == 0 { "" } else { "  " };
            let _ = writeln!(text, "{indent}{line}");
        }
    }
    if let Some(saved) = against {
        let _ = writeln!(text, "({}, saved {})", safe(saved.path()), safe(saved.when()));
    } else if let Some(contested) = contests.first() {
        let rounds = contested.ratio.rounds;
        let _ = writeln!(text, "({rounds} of {} rounds each, in turn)", flags.rounds);
    }
    text
}

/// Each against the first one, or against what was saved of it.
fn contests<'a>(results: &'a [Benched], against: Option<&'a SavedRun>) -> Vec<Contested<'a>> {
    let mut contests = Vec::new();
    if let Some((first, others)) = results.split_first() {
        for other in others {
            let mut contest = Contest::default();
            first.marks.iter().zip(&other.marks).for_each(|(one, two)| contest.add(*two, *one));
            contests.extend(contested(
                &other.terms.name,
                &first.terms.name,
                other,
                &contest,
                MARGIN,
            ));
        }
    }
    for result in results {
        let Some(saved) = against.and_then(|against| against.contest(result)) else { continue };
        let name = &result.terms.name;
        contests.extend(contested(name, "what was saved", result, &saved, MARGIN_OF_DAYS));
    }
    contests
}

fn contested<'a>(
    one: &'a str,
    other: &'a str,
    result: &Benched,
    contest: &Contest,
    margin: f64,
) -> Option<Contested<'a>> {
    let ratio = contest.ratio()?;
    let figure = figure(&result.terms);
    Some(Contested { one, other, figure, ratio, is_a_tie: ratio.is_a_tie(margin) })
}

/// `2.41 +- 0.07`; where the interval is wide, its ends: `2.99 (1.25 to 7.16)`.
fn shown(ratio: Ratio) -> String {
    if ratio.spread() < ratio.middle * WIDE {
        return format!("{:.2} +- {:.2}", ratio.middle, ratio.spread());
    }
    format!("{:.2} ({:.2} to {:.2})", ratio.middle, ratio.least, ratio.most)
}

/// `:9001 is 2.41 +- 0.07 times faster than :9000`.
fn comparison(contested: &Contested<'_>) -> String {
    let Contested { one, other, figure, ratio, is_a_tie } = contested;
    let (one, other) = (safe(one), safe(other));
    if *is_a_tie {
        return format!("{one} and {other}: no difference ({figure} {} times)", shown(*ratio));
    }
    // Of a time less is faster, of a rate more.
    let faster = if *figure == "rate" { *ratio } else { ratio.inverse() };
    let (ratio, word) =
        if faster.middle >= 1.0 { (faster, "faster") } else { (faster.inverse(), "slower") };
    format!("{one} is {} times {word} than {other} ({figure})", shown(ratio))
}

/// The exit code of a result.
pub(super) fn exit_code(result: &Benched) -> u8 {
    if result.measured.broke.is_some() {
        GONE
    } else if result.bad() > 0 {
        NOT_RIGHT
    } else if result.figures().failed_here() > 0 {
        HERE
    } else {
        u8::from(result.figures().done() == 0 && !result.is_cut)
    }
}

/// Says that a condition of `--fail-if` holds.
pub(super) fn say_failed(text: &str) {
    // Without a reader the exit code still tells.
    let _ = writeln!(streams::stderr(), "failed: {}", safe(text));
}
