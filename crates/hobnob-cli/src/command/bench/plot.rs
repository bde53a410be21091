//! `--plot`: latency by percentile and the rate over time as one picture, readable on light and on dark.

use std::fmt::Write as _;

use hobnob::error::Result;
use hobnob::load::Stretch;

use super::saved;
use crate::job::Job;
use crate::report::benched::{BenchMode, Benched};
use crate::report::show::{fine, size};

/// The picture, and the two charts on it.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 640.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 730.0;
const UPPER: (f64, f64) = (60.0, 290.0);
const LOWER: (f64, f64) = (370.0, 590.0);
/// Percentiles of the axis: each nine is as wide as the one before.
const TICKS: [(f64, &str); 6] = [
    (0.0, "0 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.999_9, "99.99 %"),
    (0.999_99, "99.999 %"),
];
/// Points of a line of percentiles.
const POINTS: u32 = 120;
/// Nobody sees a difference by colour alone: each line has its dashes, too.
const DASHES: [&str; 4] = ["none", "7 3", "2 3", "9 3 2 3"];
/// Colours of lines on light and on dark, told apart by all kinds of eyes (Okabe and Ito).
const COLORS: [(&str, &str); 4] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#e69f00"),
    ("#009e73", "#2fcf9f"),
    ("#994f88", "#e5a3cc"),
];

/// Writes the picture, if it is asked for.
pub(super) fn save(job: &Job, results: &[Benched]) -> Result<()> {
    match job.text("plot") {
        Some(path) => saved::write(job, path, picture(results).as_bytes()),
        None => Ok(()),
    }
}

fn picture(results: &[Benched]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"latency by percentile, and the rate over time\">\n"
    );
    style(&mut svg);
    let _ = writeln!(svg, "<rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>");
    legend(&mut svg, results);
    let has_latencies = |result: &&Benched| {
        !matches!(result.terms.mode, BenchMode::Stream(_)) && result.figures().done() > 0
    };
    let timed: Vec<_> = results.iter().filter(has_latencies).collect();
    if !timed.is_empty() {
        percentiles(&mut svg, results, &timed);
    }
    rates(&mut svg, results);
    svg.push_str("</svg>\n");
    svg
}

fn style(svg: &mut String) {
    svg.push_str("<style>\n");
    svg.push_str(
        "text { font: 12px system-ui, sans-serif; fill: #222 } .title { font-weight: 600 }\n",
    );
    svg.push_str(
        ".page { fill: #fff } .grid { stroke: #ddd } .line { fill: none; stroke-width: 2 }\n",
    );
    for (at, (light, _)) in COLORS.iter().enumerate() {
        let _ = writeln!(svg, ".l{at} {{ stroke: {light}; stroke-dasharray: {} }}", DASHES[at]);
    }
    svg.push_str("@media (prefers-color-scheme: dark) {\n");
    svg.push_str("text { fill: #ddd } .page { fill: #16181c } .grid { stroke: #383c44 }\n");
    for (at, (_, dark)) in COLORS.iter().enumerate() {
        let _ = writeln!(svg, ".l{at} {{ stroke: {dark} }}");
    }
    svg.push_str("}\n</style>\n");
}

fn legend(svg: &mut String, results: &[Benched]) {
    let mut x = LEFT;
    for (at, result) in results.iter().enumerate() {
        let name = escaped(&result.terms.name);
        let line = at % COLORS.len();
        let _ = writeln!(
            svg,
            "<path class=\"line l{line}\" d=\"M{x} 22h28\"/><text x=\"{}\" y=\"26\">{name} {}</text>",
            x + 34.0,
            result.terms.mode.word()
        );
        #[allow(clippy::cast_precision_loss, reason = "a name has some letters")]
        let room = 60.0 + 7.5 * (name.chars().count() + result.terms.mode.word().len()) as f64;
        x += room;
    }
}

/// Where a share stands between 0 % and the last tick.
fn across(share: f64) -> f64 {
    let nines = -(1.0 - share).log10();
    #[allow(clippy::cast_precision_loss, reason = "there are six")]
    let most = (TICKS.len() - 1) as f64;
    LEFT + (RIGHT - LEFT) * (nines / most).min(1.0)
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, what: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{what}</text>");
}

fn title(svg: &mut String, y: f64, what: &str) {
    let _ = writeln!(svg, "<text class=\"title\" x=\"{LEFT}\" y=\"{y}\">{what}</text>");
}

fn level(svg: &mut String, y: f64) {
    let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
}

fn percentiles(svg: &mut String, all: &[Benched], timed: &[&Benched]) {
    let seconds = |time: std::time::Duration| time.as_secs_f64().max(1e-7);
    let least = timed.iter().map(|result| seconds(result.figures().latencies.least()));
    let most = timed.iter().map(|result| seconds(result.figures().latencies.most()));
    // Whole powers of ten, so that a grid line is at each end.
    let bottom = least.fold(f64::INFINITY, f64::min).log10().floor();
    let top = most.fold(0.0, f64::max).log10().ceil().max(bottom + 1.0);
    let height =
        |time: f64| UPPER.1 - (UPPER.1 - UPPER.0) * (time.log10() - bottom) / (top - bottom);
    title(svg, UPPER.0 - 12.0, "latency by percentile");
    let mut power = bottom;
    while power <= top {
        let time = 10_f64.powf(power);
        level(svg, height(time));
        let shown = fine(std::time::Duration::from_secs_f64(time));
        text(svg, LEFT - 8.0, height(time) + 4.0, "end", &shown);
        power += 1.0;
    }
    for (share, name) in TICKS {
        text(svg, across(share), UPPER.1 + 18.0, "middle", name);
    }
    for result in timed {
        let line = all.iter().position(|one| std::ptr::eq(one, *result)).unwrap_or(0);
        let latencies = &result.figures().latencies;
        let mut path = String::new();
        for point in 0..=POINTS {
            #[allow(clippy::cast_precision_loss, reason = "there are six")]
            let nines = f64::from(point) / f64::from(POINTS) * (TICKS.len() - 1) as f64;
            let share = 1.0 - 10_f64.powf(-nines);
            let (x, y) = (across(share), height(seconds(latencies.share(share))));
            let _ = write!(path, "{}{x:.1} {y:.1}", if point == 0 { 'M' } else { 'L' });
        }
        let _ = writeln!(svg, "<path class=\"line l{}\" d=\"{path}\"/>", line % COLORS.len());
    }
}

#[allow(clippy::cast_precision_loss, reason = "a point of a picture")]
fn rates(svg: &mut String, results: &[Benched]) {
    let is_bytes = results.iter().all(|one| matches!(one.terms.mode, BenchMode::Stream(_)));
    let series: Vec<Vec<(f64, f64)>> = results
        .iter()
        .map(|result| {
            let slots = result.course.slots().iter().filter(|slot| slot.stretch != Stretch::After);
            let figure = |done: u64, bytes: u64| if is_bytes { bytes } else { done } as f64 * 10.0;
            slots.map(|slot| (slot.until.as_secs_f64(), figure(slot.done, slot.bytes))).collect()
        })
        .collect();
    let points = || series.iter().flatten();
    let last = points().map(|(at, _)| *at).fold(0.1, f64::max);
    let top = round_up(points().map(|(_, rate)| *rate).fold(1.0, f64::max));
    let height = |rate: f64| LOWER.1 - (LOWER.1 - LOWER.0) * rate / top;
    let title_text = if is_bytes { "bytes a second over time" } else { "rate over time" };
    title(svg, LOWER.0 - 12.0, title_text);
    for quarter in 0..=4_u8 {
        let rate = top * f64::from(quarter) / 4.0;
        level(svg, height(rate));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
        let shown = if is_bytes { size(rate as u64) } else { short(rate) };
        text(svg, LEFT - 8.0, height(rate) + 4.0, "end", &shown);
        let at = last * f64::from(quarter) / 4.0;
        let x = LEFT + (RIGHT - LEFT) * f64::from(quarter) / 4.0;
        text(svg, x, LOWER.1 + 18.0, "middle", &format!("{at:.1} s"));
    }
    for (line, points) in series.iter().enumerate() {
        let mut path = String::new();
        for (at, rate) in points {
            let x = LEFT + (RIGHT - LEFT) * at / last;
            let _ = write!(
                path,
                "{}{x:.1} {:.1}",
                if path.is_empty() { 'M' } else { 'L' },
                height(*rate)
            );
        }
        let _ = writeln!(svg, "<path class=\"line l{}\" d=\"{path}\"/>", line % COLORS.len());
    }
}

/// The next of 1, 2, 4, 5 or 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    let unit = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 10.0];
    let step = steps.into_iter().find(|step| step * unit >= value).unwrap_or(10.0);
    step * unit
}

/// `420k`, `1.5M`.
fn short(rate: f64) -> String {
    let (number, unit) = match rate {
        1e6.. => (rate / 1e6, "M"),
        1e3.. => (rate / 1e3, "k"),
        _ => (rate, ""),
    };
    if number.fract() < 0.05 { format!("{number:.0}{unit}") } else { format!("{number:.1}{unit}") }
}

/// Text as XML has it.
fn escaped(text: &str) -> String {
    let text = crate::report::show::safe(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, end) in [(0.7, 1.0), (1.0, 1.0), (418_237.0, 5e5), (9.1e3, 1e4), (4.5, 5.0)] {
            assert!((round_up(value) / end - 1.0).abs() < 1e-9, "{value}: {}", round_up(value));
        }
        assert_eq!([0.0, 420_000.0, 1.5e6, 900.0].map(short), ["0", "420k", "1.5M", "900"]);
        assert!((across(0.0) - LEFT).abs() < 1e-9 && (across(0.999_99) - RIGHT).abs() < 1e-6);
        assert_eq!(escaped("a<b&c"), "a&lt;b&amp;c");
    }
}
