//! A result in words.

use std::fmt::Write as _;

use hobnob::latencies::Latencies;
use hobnob::load::TransferWay;

use crate::report::bars::bar;
use crate::report::benched::{BenchMode, BenchTerms, Benched};
use crate::report::look::{Look, Paint};
use crate::report::show::{count, fine, fold, grouped, one_line, percent, rough, safe, size};

/// Cells of the longest bar.
const BAR: usize = 30;
/// Columns of a page.
const COLUMNS: usize = 80;
/// What a note begins with.
const NOTE: &str = "note: ";

/// All of a result.
pub(super) fn summary(result: &Benched, look: Look) -> String {
    let mut text = heading(result, look);
    text.push('\n');
    counts(&mut text, result);
    let is_stream = matches!(result.terms.mode, BenchMode::Stream(_));
    let latencies = &result.figures().latencies;
    if !is_stream && latencies.count() > 0 {
        text.push('\n');
        spread(&mut text, result.terms.mode, latencies);
        text.push('\n');
        histogram(&mut text, latencies, look);
    }
    failures(&mut text, result, look);
    notes(&mut text, &result.notes, look.columns());
    text
}

/// What was measured, how.
fn heading(result: &Benched, look: Look) -> String {
    let terms = &result.terms;
    let name = format!("{} {}", terms.mode.word(), safe(&terms.address));
    let mut rest = vec![count(terms.connections as u64, "connection"), unit(terms)];
    if terms.depth > 1 {
        rest.push(format!("{} deep", grouped(terms.depth as u64)));
    }
    match terms.rate {
        Some(rate) => rest.push(format!("open loop, {} /s", rounded(rate))),
        None if !matches!(terms.mode, BenchMode::Stream(_)) => rest.push("closed loop".to_owned()),
        None => {}
    }
    rest.push(format!("{:.1} s", result.measured.lasted.as_secs_f64()));
    if result.is_cut {
        rest.push("cut short".to_owned());
    }
    let name = look.paint(Paint::Bold, &name);
    format!("{name}    {}\n", rest.join(", "))
}

fn unit(terms: &BenchTerms) -> String {
    match terms.mode {
        BenchMode::Stream(TransferWay::Up) => "up".to_owned(),
        BenchMode::Stream(TransferWay::Down) => "down".to_owned(),
        BenchMode::Stream(TransferWay::Both) => "there and back".to_owned(),
        BenchMode::Requests => "a request each time".to_owned(),
        _ => size(terms.size as u64),
    }
}

fn counts(text: &mut String, result: &Benched) {
    let (figures, terms) = (result.figures(), &result.terms);
    let (sent, received) = result.bytes_per_second();
    if let BenchMode::Stream(way) = terms.mode {
        for (name, total, rate, is_shown) in [
            ("up", result.sent, sent, way != TransferWay::Down),
            ("down", result.received, received, way != TransferWay::Up),
        ] {
            if is_shown {
                let _ = writeln!(text, "  {name:<10}  {:<14}{}/s", size(total), rough(rate));
            }
        }
    } else {
        let per_second = rounded(result.rate());
        let noun = terms.mode.noun();
        let _ = writeln!(text, "  {noun:<10}  {:<14}{per_second} /s", grouped(figures.done()));
        let _ = writeln!(
            text,
            "  {:<10}  {:<14}{}/s up, {}/s down",
            "bytes",
            size(figures.sent + figures.received),
            rough(sent),
            rough(received)
        );
    }
    let _ = writeln!(text, "  {:<10}  {}", "replies", replies(result));
    let connects = &figures.connects;
    if connects.count() > 0 {
        let [p50, p99] = [0.5, 0.99].map(|share| fine(connects.share(share)));
        let number = grouped(connects.count());
        let _ = writeln!(text, "  {:<10}  {number:<14}p50 {p50}   p99 {p99}", "connect");
    }
}

/// What became of the messages that did not simply come back.
fn replies(result: &Benched) -> String {
    let figures = result.figures();
    let is_up = result.terms.mode == BenchMode::Stream(TransferWay::Up);
    let is_down = result.terms.mode == BenchMode::Stream(TransferWay::Down);
    let checked = match result.terms.mode {
        _ if is_up => "none is asked for",
        _ if is_down => "taken as they come",
        BenchMode::Requests => "status and length of each checked",
        _ if result.terms.is_checked => "each compared with its message",
        _ => "each matched",
    };
    let mut words = vec![checked.to_owned()];
    if !is_up && !is_down {
        words.push(format!("{} wrong", grouped(figures.wrong)));
        let sent = figures.done() + figures.lost + figures.wrong;
        let mut lost = format!("{} lost", grouped(figures.lost));
        if figures.lost > 0 {
            let _ = write!(lost, " ({})", percent(figures.lost, sent));
        }
        words.push(lost);
    }
    let rest = [
        (figures.doubled, "doubled"),
        (figures.late, "late"),
        (figures.strange, "not ours"),
        (figures.failed(), "failed"),
        (figures.failed_here(), "not possible here"),
        (result.measured.unanswered, "unanswered"),
        (result.measured.unbegun, "not begun"),
    ];
    let rest = rest.iter().filter(|(number, _)| *number > 0);
    words.extend(rest.map(|(number, word)| format!("{} {word}", grouped(*number))));
    words.join(", ")
}

fn spread(text: &mut String, mode: BenchMode, latencies: &Latencies) {
    let name = match mode {
        BenchMode::Connect => "whole",
        BenchMode::Requests => "answer",
        _ => "round trip",
    };
    let share = |share| fine(latencies.share(share));
    let _ = writeln!(
        text,
        "  {name:<10}  min {}   p50 {}   p90 {}   p99 {}",
        fine(latencies.least()),
        share(0.5),
        share(0.9),
        share(0.99)
    );
    let _ = writeln!(text, "  {:<10}  p99.9 {}   max {}", "", share(0.999), fine(latencies.most()));
}

/// Each row twice as long as the one before, so that a tail stays visible.
fn histogram(text: &mut String, latencies: &Latencies, look: Look) {
    let rows = latencies.doublings();
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(1);
    let whole = latencies.count();
    let room = look.columns().saturating_sub(36).clamp(4, BAR);
    let _ = writeln!(text, "{:>10}{:>14}{:>9}", "from", "count", "%");
    for (from, count) in rows {
        #[allow(clippy::cast_precision_loss, reason = "a bar has some cells")]
        let share = count as f64 / most as f64;
        let drawn = look.paint(Paint::Green, &bar(share, room, look.ascii));
        let percent = percent_of(count, whole);
        let line = format!("{:>10}{:>14}{percent:>9}   {drawn}", fine(from), grouped(count));
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn percent_of(part: u64, whole: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    format!("{percent:.1}")
}

/// What went wrong, with the first of each kind.
fn failures(text: &mut String, result: &Benched, look: Look) {
    let figures = result.figures();
    if figures.failures.is_empty() && figures.first_wrong.is_none() {
        return;
    }
    text.push('\n');
    if let Some(wrong) = &figures.first_wrong {
        let label = look.paint(Paint::RedBold, "wrong");
        let room = look.columns().saturating_sub(14);
        let shown = |bytes: &[u8]| {
            let text = one_line(bytes);
            crate::report::clip::clip(&text, room).into_owned()
        };
        let _ = writeln!(text, "{label}  the first of {}", grouped(figures.wrong));
        let _ = writeln!(text, "  expected  {}", shown(&wrong.expected));
        let _ = writeln!(text, "  came      {}", shown(&wrong.came));
    }
    for failure in &figures.failures {
        let label = look.paint(Paint::RedBold, failure.error.kind().slug());
        let here = if failure.is_ours { " (here, not at the server)" } else { "" };
        let message = safe(failure.error.message());
        let _ = writeln!(text, "{label}  {}{here}: {message}", grouped(failure.count));
    }
}

fn notes(text: &mut String, notes: &[String], columns: usize) {
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        let columns = columns.min(COLUMNS).saturating_sub(NOTE.len());
        for (at, line) in fold(note, columns).into_iter().enumerate() {
            let head = if at == 0 { NOTE } else { "      " };
            let _ = writeln!(text, "{head}{line}");
        }
    }
}

/// A rate without what nobody reads: `418,237`, `42.7`.
pub(super) fn rounded(rate: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
    let whole = rate.round() as u64;
    if rate < 99.95 { format!("{rate:.1}") } else { grouped(whole) }
}
