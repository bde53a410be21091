//! Rounds in words.

use std::fmt::Write as _;
use std::time::Duration;

use hobnob::ping::{Ping, PingBack, PingEvent, PingSummary, PingWay, Pinging};

use crate::report::bars::bar;
use crate::report::look::{Look, Paint};
use crate::report::show::{grouped, percent, safe};

/// Cells of the first bar, to leave room for longer ones.
const FIRST_BAR: f64 = 14.0;
/// Cells before a bar.
const BEFORE: usize = 32;
/// A bar that is cut ends so.
const CUT: &str = "+";

/// How rounds look.
pub(super) struct RoundLook {
    look: Look,
    /// The time of one cell; none before the first round is back.
    cell: Option<Duration>,
}

impl RoundLook {
    pub(super) fn of(look: Look) -> Self {
        RoundLook { look, cell: None }
    }

    /// The line of what came of a round.
    pub(super) fn line(&mut self, event: &PingEvent) -> String {
        let line = match event {
            PingEvent::Back(back) => self.back(back),
            PingEvent::Doubled { round, is_overtaken } => {
                let overtaken = if *is_overtaken { ", overtaken" } else { "" };
                format!("{round:>3}   doubled{overtaken}")
            }
            PingEvent::Lost { round } => {
                format!("{round:>3}   {}", self.look.paint(Paint::RedBold, "lost"))
            }
            PingEvent::Failed { round, error, by } => {
                let by = by.map(|by| format!("{by} says: ")).unwrap_or_default();
                format!("{round:>3}   {by}{}", safe(error.message()))
            }
        };
        line.trim_end().to_owned()
    }

    fn back(&mut self, back: &PingBack) -> String {
        let mut line = format!("{:>3}   {:>10}  ", back.round, time(back.took));
        for (is_so, word) in [(back.is_late, "late "), (back.is_overtaken, "overtaken ")] {
            line.push_str(if is_so { word } else { "" });
        }
        let bar = self.bar(back.took);
        line.push_str(&self.look.paint(Paint::Green, &bar));
        line
    }

    /// A bar as long as the round, in cells that the first one has set.
    fn bar(&mut self, took: Duration) -> String {
        let first = || took.div_f64(FIRST_BAR).max(Duration::from_nanos(1));
        let cell = *self.cell.get_or_insert_with(first);
        let room = self.look.columns().saturating_sub(BEFORE);
        let longest = cell.saturating_mul(u32::try_from(room).unwrap_or(u32::MAX));
        if took >= longest {
            return format!("{}{CUT}", bar(1.0, room.saturating_sub(1), self.look.ascii));
        }
        bar(took.div_duration_f64(longest), room, self.look.ascii)
    }
}

/// What a round is, and to whom.
pub(super) fn heading(ping: &Ping, pinging: &Pinging) -> String {
    let to = safe(&ping.endpoint().to_string());
    let peer = pinging.peer().map(|peer| format!(" ({})", safe(&peer.to_string())));
    let peer = peer.filter(|peer| !to.contains(peer[2..].trim_end_matches(')')));
    let what = match ping.way() {
        PingWay::Probe => format!("{} bytes there and back", ping.probe_size()),
        PingWay::Dial => "a conn each time".to_owned(),
        PingWay::Request => "a request each time, up to the head of its answer".to_owned(),
    };
    format!("{to}{}: {what}", peer.unwrap_or_default())
}

/// What is under way.
pub(super) fn status(summary: &PingSummary) -> String {
    format!("{} sent, {} back", grouped(summary.sent), grouped(summary.back))
}

/// The last two lines.
pub(super) fn summary(way: PingWay, summary: &PingSummary) -> String {
    let mut text = format!("{}, {} lost", status(summary), grouped(summary.lost()));
    if summary.lost() > 0 {
        let _ = write!(text, " ({})", percent(summary.lost(), summary.sent));
    }
    if way == PingWay::Probe {
        let copies = [(summary.doubled, "doubled"), (summary.overtaken, "overtaken")];
        for (count, word) in copies {
            let _ = write!(text, ", {} {word}", grouped(count));
        }
    }
    let rest = [
        (summary.failed, "refused or unreachable"),
        (summary.late, "late"),
        (summary.strange, "not ours"),
        (summary.awaited, "still on the way"),
    ];
    for (count, word) in rest.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(text, ", {} {word}", grouped(count));
    }
    text.push('\n');
    if summary.back > 0 {
        let times = &summary.times;
        let shown = [
            ("min", times.least()),
            ("median", times.share(0.5)),
            ("p99", times.share(0.99)),
            ("max", times.most()),
            ("jitter", summary.jitter.mean()),
        ];
        let shown = shown.map(|(name, value)| format!("{name} {}", time(value)));
        let _ = writeln!(text, "{}", shown.join("   "));
    }
    text
}

/// `0.038 ms`, `1.42 ms`, `14.2 ms`, `1.20 s`.
pub(super) fn time(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1_000.0;
    match millis {
        ..1.0 => format!("{millis:.3} ms"),
        ..10.0 => format!("{millis:.2} ms"),
        ..1_000.0 => format!("{millis:.1} ms"),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(round: u64, took: u64) -> PingEvent {
        let took = Duration::from_micros(took);
        PingEvent::Back(PingBack { round, took, is_overtaken: false, is_late: false })
    }

    #[test]
    fn a_bar_is_as_long_as_its_round_and_never_leaves_the_line() {
        let mut look = RoundLook::of(Look { ascii: true, ..Look::default() });
        assert_eq!(look.line(&back(1, 14_000)), "  1      14.0 ms  ==============");
        assert_eq!(look.line(&back(2, 7_000)), "  2      7.00 ms  =======");
        assert_eq!(look.line(&back(3, 10)), "  3     0.010 ms  =");
        let long = look.line(&back(1_000, 900_000));
        assert!(long.len() < 80 && long.ends_with("=+"), "{long}");
        let mut look = RoundLook::of(Look::default());
        look.line(&back(1, 14_000));
        assert_eq!(look.line(&back(2, 1_500)), "  2      1.50 ms  █▌");
        assert_eq!(look.line(&PingEvent::Lost { round: 3 }), "  3   lost");
    }
}
