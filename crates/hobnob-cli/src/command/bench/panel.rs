//! The live panel: some lines below the prompt, in a terminal only, drawn anew at most ten times a second.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::error::Result;
use hobnob::load::{Beat, Course, CourseSlot, Figures, Stretch};
use hobnob::streams;

use super::machine::{Spent, open_files};
use crate::job::Job;
use crate::report::bars::{bar, sparkline};
use crate::report::benched::{BenchMode, BenchTerms};
use crate::report::clip::clip;
use crate::report::look::{Look, Paint};
use crate::report::show::{count, fine, grouped, rough, safe};
use crate::report::writer::Writer;

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Columns, where the terminal does not say.
const COLUMNS: usize = 80;
/// Columns from which on there is room for everything.
const WIDE: usize = 72;
/// Columns before a sparkline, and behind one.
const BEFORE: usize = 9;
const BEHIND: usize = 36;
/// How long the panel may take to go, where the result is written elsewhere.
const PARTING: Duration = Duration::from_secs(1);
/// The same where the result goes to the same terminal: that would wait for it as well, and come before it.
const AS_LONG_AS_IT_TAKES: Duration = Duration::from_hours(1);

/// The panel of a bench.
pub(super) struct LoadPanel {
    writer: Option<Writer>,
    /// How long it may take to go.
    parting: Duration,
    look: Look,
    clock: Clock,
    whole: Option<Duration>,
    terms: Option<BenchTerms>,
    /// Lines of the frame that is shown.
    shown: usize,
    drawn: Duration,
    spent: Spent,
    errors: u64,
}

impl LoadPanel {
    /// A panel on stderr; where that is no terminal, none.
    pub(super) fn new(job: &Job, whole: Option<Duration>) -> Result<Self> {
        let is_live = io::stderr().is_terminal()
            && !job.environment.is_dumb
            && !["json", "csv", "markdown", "quiet"].iter().any(|flag| job.is_on(flag));
        let writer = is_live.then(Writer::stderr).transpose()?;
        let parting = if streams::are_one_terminal() { AS_LONG_AS_IT_TAKES } else { PARTING };
        Ok(LoadPanel { parting, ..LoadPanel::of(writer, job.err, job.clock, whole) })
    }

    fn of(writer: Option<Writer>, look: Look, clock: Clock, whole: Option<Duration>) -> Self {
        LoadPanel {
            writer,
            parting: PARTING,
            look,
            clock,
            whole,
            terms: None,
            shown: 0,
            drawn: Duration::ZERO,
            spent: Spent::now(),
            errors: 0,
        }
    }

    /// What is measured from now on.
    pub(super) fn begin(&mut self, terms: &BenchTerms) {
        self.terms = Some(terms.clone());
        self.spent = Spent::now();
        self.errors = 0;
        self.drawn = self.clock.now();
    }

    /// Draws a frame, unless the last one is too young or still on its way.
    pub(super) fn beat(&mut self, beat: &Beat<Figures>, course: &Course) {
        let figures = &beat.figures;
        self.errors += figures.wrong + figures.lost + figures.failed() + figures.failed_here();
        let now = self.clock.now();
        if now.saturating_sub(self.drawn) < FRAME || beat.stretch == Stretch::After {
            return;
        }
        let Some(writer) = &mut self.writer else { return };
        // A terminal that was stopped takes nothing, and is not waited for.
        if writer.reap().is_err() || !writer.is_idle() {
            return;
        }
        let Some(terms) = &self.terms else { return };
        let columns = streams::columns(&io::stderr()).unwrap_or(COLUMNS);
        let spent = Spent::now();
        let passed = now.saturating_sub(self.drawn);
        let frame = PanelFrame {
            terms,
            look: self.look,
            columns,
            at: beat.until,
            whole: self.whole,
            slots: course.slots(),
            errors: self.errors,
            files: open_files(),
            cpu: spent.own_since(self.spent).as_secs_f64() / passed.as_secs_f64(),
        };
        let lines = frame.lines();
        let mut text = back(self.shown);
        for (at, line) in lines.iter().enumerate() {
            let line = clip(line, columns);
            let is_bad = at + 1 == lines.len() && self.errors > 0;
            text +=
                &if is_bad { self.look.paint(Paint::RedBold, &line) } else { line.into_owned() };
            text.push('\n');
        }
        (self.shown, self.drawn, self.spent) = (lines.len(), now, spent);
        let mut buffer = writer.take();
        buffer.extend_from_slice(text.as_bytes());
        writer.give(buffer);
    }

    /// Takes it away.
    pub(super) async fn clear(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        if self.shown > 0 {
            let mut buffer = writer.take();
            buffer.extend_from_slice(back(self.shown).as_bytes());
            writer.give(buffer);
            self.shown = 0;
        }
        // Whoever stopped the terminal does not see it go. A signal is served meanwhile.
        let _ = writer.finish(self.parting).await;
    }
}

/// Goes up so many lines, and erases what is below.
fn back(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r\x1b[J") }
}

/// One frame of the panel.
struct PanelFrame<'a> {
    terms: &'a BenchTerms,
    look: Look,
    columns: usize,
    at: Duration,
    whole: Option<Duration>,
    slots: &'a [CourseSlot],
    errors: u64,
    files: Option<(usize, u64)>,
    cpu: f64,
}

impl PanelFrame<'_> {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.heading(), self.now(), self.rates()];
        if !matches!(self.terms.mode, BenchMode::Stream(_)) {
            lines.push(self.tails());
        }
        lines.push(self.rest());
        lines
    }

    fn heading(&self) -> String {
        let name = safe(&self.terms.name);
        let connections = count(self.terms.connections as u64, "connection");
        let at = self.at.as_secs();
        let mode = self.terms.mode.word();
        let begun = format!("{mode} {name}   {connections}   {at}");
        let Some(whole) = self.whole else { return format!("{begun} s") };
        let begun = format!("{begun} of {:.0} s   ", whole.as_secs_f64());
        let room = self.columns.saturating_sub(begun.len() + 3).min(30);
        if room < 8 {
            return begun;
        }
        let done = bar(self.at.as_secs_f64() / whole.as_secs_f64(), room, true);
        format!("{begun}[{done:room$}]")
    }

    /// The latest second, of what is whole of it.
    fn latest(&self) -> &[CourseSlot] {
        let whole = self.slots.len().saturating_sub(1);
        &self.slots[whole.saturating_sub(10)..whole]
    }

    fn now(&self) -> String {
        let latest = self.latest();
        let tenths = latest.len().max(1) as u64;
        let a_second = |sum: u64| sum * 10 / tenths;
        let done = a_second(latest.iter().map(|slot| slot.done).sum());
        let bytes = a_second(latest.iter().map(|slot| slot.bytes).sum());
        #[allow(clippy::cast_precision_loss, reason = "a rate is shown in some digits")]
        let bytes = bytes as f64;
        let noun = self.terms.mode.noun();
        let mut rate = format!(" now  {} {noun}/s", grouped(done));
        if self.columns >= WIDE {
            rate = format!("{rate}   {}/s", rough(bytes));
        }
        match latest.iter().rev().find(|slot| slot.done > 0) {
            Some(last) if !matches!(self.terms.mode, BenchMode::Stream(_)) => {
                format!("{rate}   p50 {}   p99 {}", fine(last.p50), fine(last.p99))
            }
            _ => rate,
        }
    }

    fn spark(&self, name: &str, values: &[f64], shown: impl Fn(f64) -> String) -> String {
        let behind = if self.columns >= 60 { BEHIND } else { 0 };
        let cells = self.columns.saturating_sub(BEFORE + behind).min(60);
        let line = sparkline(values, cells, self.look.ascii);
        if behind == 0 {
            return format!(" {name:<7} {line}");
        }
        // Of latencies there are none where nothing came back.
        let least = values.iter().copied().filter(|value| *value > 0.0);
        let least = least.fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        let least = if least.is_finite() { least } else { 0.0 };
        format!(" {name:<7} {line}   min {}   max {}", shown(least), shown(most))
    }

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of a tenth of a second, shown as counts of a second"
    )]
    fn rates(&self) -> String {
        let whole = self.slots.len().saturating_sub(1);
        if matches!(self.terms.mode, BenchMode::Stream(_)) {
            let bytes: Vec<f64> =
                self.slots[..whole].iter().map(|slot| slot.bytes as f64 * 10.0).collect();
            return self.spark("bytes/s", &bytes, rough);
        }
        let done: Vec<f64> =
            self.slots[..whole].iter().map(|slot| slot.done as f64 * 10.0).collect();
        self.spark("rate", &done, |rate| grouped(rate as u64))
    }

    fn tails(&self) -> String {
        let whole = self.slots.len().saturating_sub(1);
        let tails: Vec<f64> =
            self.slots[..whole].iter().map(|slot| slot.p99.as_secs_f64()).collect();
        let shown = |time| fine(Duration::try_from_secs_f64(time).unwrap_or_default());
        self.spark("p99", &tails, shown)
    }

    fn rest(&self) -> String {
        let files = match self.files {
            Some((open, most)) => format!("   open files {open} of {most}"),
            None => String::new(),
        };
        let cpu = self.cpu * 100.0;
        format!(" errors {}{files}   our cpu {cpu:.0} %", grouped(self.errors))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::report::show::width;

    fn slots() -> Vec<CourseSlot> {
        let slot = |at: u32| CourseSlot {
            until: FRAME * at,
            stretch: Stretch::Measured,
            done: 1_000 * u64::from(at),
            bytes: 128_000 * u64::from(at),
            bad: 0,
            p50: Duration::from_micros(112),
            p99: Duration::from_micros(390 + u64::from(at)),
            most: Duration::from_millis(1),
        };
        (1..=40).map(slot).collect()
    }

    /// A busy machine may not have the thread run that writes, and a terminal may be stopped (Ctrl-S).
    #[tokio::test(start_paused = true)]
    async fn the_panel_is_gone_before_the_result_is_written_to_the_same_terminal() {
        for (parting, is_waited_for) in [(AS_LONG_AS_IT_TAKES, true), (PARTING, false)] {
            let (goes_on, stopped) = mpsc::channel::<()>();
            let (to, written) = mpsc::channel();
            let writer = Writer::new("panel", move |bytes| {
                let _ = stopped.recv();
                to.send(bytes.to_owned()).map_err(io::Error::other)
            });
            let (clock, look) = (Clock::start(), Look::default());
            let panel = LoadPanel::of(writer.ok(), look, clock, None);
            let mut panel = LoadPanel { parting, shown: 5, ..panel };
            let gone = tokio::time::timeout(Duration::from_mins(1), panel.clear()).await;
            assert_eq!(gone.is_err(), is_waited_for, "{parting:?}");
            drop(goes_on);
            let seen = written.recv_timeout(Duration::from_secs(30)).expect("it is written");
            assert_eq!(String::from_utf8_lossy(&seen), back(5));
        }
    }

    #[test]
    fn a_frame_fits_its_terminal_and_has_ten_lines_at_most() {
        let terms = BenchTerms {
            name: ":9000".to_owned(),
            address: "tcp://:9000".to_owned(),
            mode: BenchMode::PingPong,
            connections: 50,
            size: 64,
            depth: 1,
            rate: None,
            time: Some(Duration::from_secs(10)),
            count: None,
            warm_up: Duration::ZERO,
            is_checked: true,
        };
        let slots = slots();
        for columns in [60, 80, 140] {
            for ascii in [false, true] {
                let frame = PanelFrame {
                    terms: &terms,
                    look: Look { ascii, ..Look::default() },
                    columns,
                    at: Duration::from_secs(4),
                    whole: terms.time,
                    slots: &slots,
                    errors: 0,
                    files: Some((63, 1_024)),
                    cpu: 0.71,
                };
                let lines = frame.lines();
                assert!(lines.len() <= 10);
                assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:#?}");
                assert!(!ascii || lines.iter().all(|line| line.is_ascii()), "{lines:#?}");
                assert!(lines[0].starts_with("pingpong :9000   50 connections   4 of 10 s"));
                assert!(lines[4].ends_with("errors 0   open files 63 of 1024   our cpu 71 %"));
            }
        }
    }
}
