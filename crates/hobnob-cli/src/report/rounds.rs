//! The events of `ping`: rounds, places on the way, and what they come to.

use std::time::Duration;

use hobnob::ping::{Hop, PingEvent, PingSummary, TraceAnswer};

use crate::report::json::Json;
use crate::report::line::JsonLine;

/// The verb that they are of.
const VERB: &str = "ping";

/// Who was pinged.
pub(crate) struct PingNames<'a> {
    /// The endpoint.
    pub(crate) to: &'a str,
    /// Who answered, where that is known.
    pub(crate) peer: Option<&'a str>,
}

impl Json {
    /// What came of a round.
    pub(crate) fn round(&mut self, out: &mut Vec<u8>, event: &PingEvent) {
        let at = self.now();
        let mut line = self.line(out, "round", at);
        let flag = |line: &mut JsonLine<'_>, name, is_so| {
            if is_so {
                line.raw(name, "true");
            }
        };
        match event {
            PingEvent::Back(back) => {
                line.number("round", back.round);
                line.text("how", "back");
                line.micros("rtt_us", back.took);
                flag(&mut line, "overtaken", back.is_overtaken);
                flag(&mut line, "late", back.is_late);
            }
            PingEvent::Doubled { round, is_overtaken } => {
                line.number("round", *round);
                line.text("how", "doubled");
                flag(&mut line, "overtaken", *is_overtaken);
            }
            PingEvent::Lost { round } => {
                line.number("round", *round);
                line.text("how", "lost");
            }
            PingEvent::Failed { round, error, by } => {
                line.number("round", *round);
                line.text("how", "failed");
                line.text("slug", error.kind().slug());
                line.text("message", error.message());
                if let Some(by) = by {
                    line.text("by", &by.to_string());
                }
            }
        }
        line.end();
    }

    /// What all rounds come to.
    pub(crate) fn rounds(
        &mut self,
        out: &mut Vec<u8>,
        names: &PingNames<'_>,
        summary: &PingSummary,
        lasted: Duration,
    ) {
        let at = self.now();
        let mut line = self.line(out, "summary", at);
        line.text("verb", VERB);
        line.text("name", names.to);
        if let Some(peer) = names.peer {
            line.text("peer", peer);
        }
        for (name, count) in [
            ("sent", summary.sent),
            ("back", summary.back),
            ("lost", summary.lost()),
            ("failed", summary.failed),
            ("doubled", summary.doubled),
            ("overtaken", summary.overtaken),
            ("late", summary.late),
            ("strange", summary.strange),
            ("awaited", summary.awaited),
        ] {
            line.number(name, count);
        }
        let times = &summary.times;
        if times.count() > 0 {
            line.object("rtt_us", |line| {
                line.micros("min", times.least());
                line.micros("median", times.share(0.5));
                line.micros("p99", times.share(0.99));
                line.micros("max", times.most());
                line.micros("jitter", summary.jitter.mean());
            });
        }
        line.seconds("lasted", lasted);
        line.end();
    }

    /// A place on the way.
    pub(crate) fn hop(&mut self, out: &mut Vec<u8>, hop: &Hop) {
        let at = self.now();
        let mut line = self.line(out, "hop", at);
        line.number("number", u64::from(hop.number));
        line.objects("answers", &hop.answers, |line, answer| {
            let (how, by, took) = match answer {
                TraceAnswer::Passed { by, took } => ("passed", Some(by), Some(took)),
                TraceAnswer::Arrived { by, took } => ("arrived", Some(by), Some(took)),
                TraceAnswer::Stopped { by, took, .. } => ("stopped", Some(by), Some(took)),
                TraceAnswer::Silent => ("silent", None, None),
            };
            line.text("how", how);
            if let Some(by) = by {
                line.text("by", &by.to_string());
            }
            if let Some(took) = took {
                line.micros("rtt_us", *took);
            }
            if let TraceAnswer::Stopped { error, .. } = answer {
                line.text("message", error.message());
            }
        });
        line.end();
    }

    /// How the way ends.
    pub(crate) fn way(
        &mut self,
        out: &mut Vec<u8>,
        to: &str,
        hops: u8,
        has_arrived: bool,
        lasted: Duration,
    ) {
        let at = self.now();
        let mut line = self.line(out, "summary", at);
        line.text("verb", VERB);
        line.text("name", to);
        line.number("hops", u64::from(hops));
        line.raw("arrived", if has_arrived { "true" } else { "false" });
        line.seconds("lasted", lasted);
        line.end();
    }
}
