//! `latency`: everything arrives later, by the same time.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox, hold};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "latency",
        summary: "everything arrives later, by the same time",
        options: &[
            OptionSpec {
                name: "latency",
                kind: ValueKind::Duration,
                default: "",
                help: "how long everything is held, as in 200ms",
            },
            hold("4m"),
        ],
        examples: &["hobnob relay :9001 :9000 --fault latency=200ms"],
        is_built_in: true,
    },
    advice: "Each answer is late, none is lost: shows chatty protocols, and timeouts that are too short.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims::ALL,
    instead: &[],
    make: |options, _| {
        let time = options.duration("latency").unwrap_or_default();
        Ok(MadeFault::Flow(Box::new(Latency { time })))
    },
};

struct Latency {
    time: Duration,
}

impl Fault for Latency {
    fn begin(&mut self, at: u64, _: Duration, out: &mut Outbox) {
        out.decide(at, "hold", u64::try_from(self.time.as_micros()).ok());
    }

    fn chunk(&mut self, chunk: Chunk, now: Duration, out: &mut Outbox) {
        out.send_at(now.saturating_add(self.time), chunk);
    }

    fn end(&mut self, now: Duration, out: &mut Outbox) {
        out.end_at(now.saturating_add(self.time));
    }
}
