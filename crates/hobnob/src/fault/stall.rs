//! `stall`: nothing arrives any more, for a time or for good, and nobody says so.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, NEVER, Outbox, hold};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "stall",
        summary: "silence: nothing arrives, for a time or for good",
        options: &[
            OptionSpec {
                name: "stall",
                kind: ValueKind::Duration,
                default: "",
                help: "how long nothing passes, as in 5s; by itself: for good",
            },
            hold("64k"),
        ],
        examples: &["hobnob relay :9001 :9000 --fault down:stall=5s,after=4k"],
        is_built_in: true,
    },
    advice: "The connection stands and says nothing: shows who has no timeout for reading.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: true,
    is_before_the_dial: false,
    claims: Claims::ALL,
    instead: &[],
    make: |options, _| {
        let time = options.duration("stall");
        Ok(MadeFault::Flow(Box::new(Stall { time, until: NEVER })))
    },
};

struct Stall {
    time: Option<Duration>,
    until: Duration,
}

impl Fault for Stall {
    fn begin(&mut self, at: u64, now: Duration, out: &mut Outbox) {
        self.until = self.time.map_or(NEVER, |time| now.saturating_add(time));
        let micros = self.time.and_then(|time| u64::try_from(time.as_micros()).ok());
        out.decide(at, "stall", micros);
    }

    fn chunk(&mut self, chunk: Chunk, now: Duration, out: &mut Outbox) {
        out.send_at(self.until.max(now), chunk);
    }

    fn end(&mut self, now: Duration, out: &mut Outbox) {
        out.end_at(self.until.max(now));
    }
}
