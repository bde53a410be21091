//! What a load came to, for whoever tells of it, and its line for programs.

use std::time::Duration;

use hobnob::latencies::Latencies;
use hobnob::load::{Course, Figures, Measured, Ratio, Stretch, TransferWay};

use crate::report::json::Json;
use crate::report::line::JsonLine;

/// The shares that are told, with their names.
pub(crate) const SHARES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// What a round of a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BenchMode {
    /// A message and its reply.
    PingPong,
    /// Connect, one message, its reply, close.
    Connect,
    /// As much as goes through.
    Stream(TransferWay),
    /// A request and its answer.
    Requests,
}

impl BenchMode {
    /// All of them.
    pub(crate) const ALL: [BenchMode; 4] = [
        BenchMode::PingPong,
        BenchMode::Connect,
        BenchMode::Stream(TransferWay::Both),
        BenchMode::Requests,
    ];

    /// How it is typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            BenchMode::PingPong => "pingpong",
            BenchMode::Connect => "connect",
            BenchMode::Stream(_) => "stream",
            BenchMode::Requests => "http",
        }
    }

    /// What is counted.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            BenchMode::PingPong => "messages",
            BenchMode::Connect => "connects",
            BenchMode::Stream(_) => "pieces",
            BenchMode::Requests => "requests",
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BenchTerms {
    /// The address as a person would type it.
    pub(crate) name: String,
    /// The address in full.
    pub(crate) address: String,
    /// What a round is.
    pub(crate) mode: BenchMode,
    /// Conns at once.
    pub(crate) connections: usize,
    /// Bytes of a message.
    pub(crate) size: usize,
    /// Messages of a conn under way at once.
    pub(crate) depth: usize,
    /// Messages a second of an open loop; none: a closed loop.
    pub(crate) rate: Option<f64>,
    /// For how long.
    pub(crate) time: Option<Duration>,
    /// How many messages.
    pub(crate) count: Option<u64>,
    /// So long before.
    pub(crate) warm_up: Duration,
    /// Whether each reply is compared with its message.
    pub(crate) is_checked: bool,
}

/// What a load came to.
pub(crate) struct Benched {
    /// What was asked for.
    pub(crate) terms: BenchTerms,
    /// What was counted.
    pub(crate) measured: Measured,
    /// How it went over time.
    pub(crate) course: Course,
    /// Rounds that were done before no more began, and the bytes that were sent and received in them.
    pub(crate) in_time: u64,
    /// Bytes sent in time.
    pub(crate) sent: u64,
    /// Bytes received in time.
    pub(crate) received: u64,
    /// What our own process took of the cores, as a share of the threads that it works on.
    pub(crate) own_cpu: f64,
    /// How busy all cores of this machine were, where that is known.
    pub(crate) busy: Option<f64>,
    /// Threads that it worked on.
    pub(crate) workers: usize,
    /// Whether the server is on this machine.
    pub(crate) is_local: bool,
    /// Whether somebody asked for its end before.
    pub(crate) is_cut: bool,
    /// How often it took its turn.
    pub(crate) turns: usize,
    /// What each turn came to: what is compared.
    pub(crate) marks: Vec<f64>,
    /// What is to be known of it.
    pub(crate) notes: Vec<String>,
}

impl Benched {
    /// What was counted.
    pub(crate) fn figures(&self) -> &Figures {
        &self.measured.figures
    }

    /// Rounds a second.
    pub(crate) fn rate(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a rate is shown to some digits")]
        let done = self.in_time as f64;
        self.per_second(done)
    }

    /// Bytes a second that were sent, and received.
    pub(crate) fn bytes_per_second(&self) -> (f64, f64) {
        #[allow(clippy::cast_precision_loss, reason = "a rate is shown to some digits")]
        let [sent, received] = [self.sent, self.received].map(|bytes| bytes as f64);
        (self.per_second(sent), self.per_second(received))
    }

    fn per_second(&self, amount: f64) -> f64 {
        let seconds = self.measured.lasted.as_secs_f64();
        if seconds > 0.0 { amount / seconds } else { 0.0 }
    }

    /// Rounds that did not go well by the server's doing.
    pub(crate) fn bad(&self) -> u64 {
        let figures = self.figures();
        figures.wrong + figures.failed() + figures.strange
    }
}

/// Two that were compared.
pub(crate) struct Contested<'a> {
    /// One.
    pub(crate) one: &'a str,
    /// The other.
    pub(crate) other: &'a str,
    /// What was compared: `rate`, `p50`.
    pub(crate) figure: &'static str,
    /// How many times one is the other.
    pub(crate) ratio: Ratio,
    /// Whether no difference was found.
    pub(crate) is_a_tie: bool,
}

impl Json {
    /// What a load came to.
    pub(crate) fn benched(&mut self, out: &mut Vec<u8>, benched: &Benched) {
        let at = self.now();
        let mut line = self.line(out, "bench", at);
        write_terms(&mut line, &benched.terms);
        write_counts(&mut line, benched);
        let figures = benched.figures();
        spread(&mut line, "latency_us", &figures.latencies);
        spread(&mut line, "connect_us", &figures.connects);
        let doublings = figures.latencies.doublings();
        line.objects("histogram", doublings, |line, (from, count)| {
            line.micros("from_us", from);
            line.number("count", count);
        });
        line.objects("failures", &figures.failures, |line, failure| {
            line.text("slug", failure.error.kind().slug());
            line.number("count", failure.count);
            line.text("message", failure.error.message());
            line.raw("here", if failure.is_ours { "true" } else { "false" });
        });
        write_course(&mut line, benched);
        line.texts("notes", benched.notes.iter().map(String::as_str));
        line.end();
    }

    /// Two loads that were compared.
    pub(crate) fn contested(&mut self, out: &mut Vec<u8>, contested: &Contested<'_>) {
        let at = self.now();
        let mut line = self.line(out, "contest", at);
        line.text("one", contested.one);
        line.text("other", contested.other);
        line.text("figure", contested.figure);
        let Ratio { middle, least, most, rounds } = contested.ratio;
        for (name, value) in [("ratio", middle), ("least", least), ("most", most)] {
            line.raw(name, &format!("{value:.4}"));
        }
        line.number("rounds", rounds as u64);
        line.raw("tie", if contested.is_a_tie { "true" } else { "false" });
        line.end();
    }
}

fn write_terms(line: &mut JsonLine<'_>, terms: &BenchTerms) {
    line.text("name", &terms.name);
    line.text("endpoint", &terms.address);
    line.text("mode", terms.mode.word());
    if let BenchMode::Stream(way) = terms.mode {
        let way = match way {
            TransferWay::Up => "up",
            TransferWay::Down => "down",
            TransferWay::Both => "both",
        };
        line.text("way", way);
    }
    line.number("connections", terms.connections as u64);
    line.number("size", terms.size as u64);
    line.number("pipeline", terms.depth as u64);
    if let Some(rate) = terms.rate {
        line.raw("asked_per_second", &format!("{rate}"));
    }
    line.seconds("warmup", terms.warm_up);
}

fn write_counts(line: &mut JsonLine<'_>, benched: &Benched) {
    let (measured, figures) = (&benched.measured, benched.figures());
    line.seconds("lasted", measured.lasted);
    if benched.is_cut || measured.broke.is_some() {
        line.raw("cut", "true");
    }
    line.raw("per_second", &format!("{:.1}", benched.rate()));
    for (name, count) in [
        ("opened", measured.talkers as u64),
        ("done", figures.done()),
        ("sent", figures.sent),
        ("received", figures.received),
        ("lost", figures.lost),
        ("late", figures.late),
        ("doubled", figures.doubled),
        ("strange", figures.strange),
        ("wrong", figures.wrong),
        ("failed", figures.failed()),
        ("failed_here", figures.failed_here()),
        ("unanswered", measured.unanswered),
        ("unbegun", measured.unbegun),
    ] {
        line.number(name, count);
    }
    line.raw("own_cpu", &format!("{:.3}", benched.own_cpu));
}

fn spread(line: &mut JsonLine<'_>, name: &str, latencies: &Latencies) {
    if latencies.count() == 0 {
        return;
    }
    line.object(name, |line| {
        let shares = SHARES.map(|(name, share)| (name, latencies.share(share)));
        let ends = [("min", latencies.least()), ("mean", latencies.mean())];
        for (name, time) in ends.into_iter().chain(shares).chain([("max", latencies.most())]) {
            line.raw(name, &format!("{:.1}", time.as_secs_f64() * 1e6));
        }
    });
}

fn write_course(line: &mut JsonLine<'_>, benched: &Benched) {
    let slots = benched.course.slots().iter().filter(|slot| slot.stretch != Stretch::After);
    line.objects("course", slots, |line, slot| {
        line.millis("until_ms", slot.until);
        line.number("done", slot.done);
        line.number("bytes", slot.bytes);
        line.number("bad", slot.bad);
        line.micros("p50_us", slot.p50);
        line.micros("p99_us", slot.p99);
        line.micros("max_us", slot.most);
        if slot.stretch == Stretch::Warm {
            line.raw("warm", "true");
        }
    });
}
