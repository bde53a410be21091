//! `slow-close`: everything arrives in time but the end.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "slow-close",
        summary: "only the end arrives later",
        options: &[OptionSpec {
            name: "slow-close",
            kind: ValueKind::Duration,
            default: "",
            help: "how long the end is held, as in 2s",
        }],
        examples: &["hobnob relay :9001 :9000 --fault down:slow-close=2s"],
        is_built_in: true,
    },
    advice: "All is said, and the connection stands: shows who waits for the end of it to know the end of the message.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims::ALL,
    instead: &[],
    make: |options, _| {
        let time = options.duration("slow-close").unwrap_or_default();
        Ok(MadeFault::Flow(Box::new(SlowClose { time, at: 0 })))
    },
};

struct SlowClose {
    time: Duration,
    /// What has passed: the place of the end.
    at: u64,
}

impl Fault for SlowClose {
    fn chunk(&mut self, chunk: Chunk, _: Duration, out: &mut Outbox) {
        self.at = chunk.at + if chunk.is_packet { 1 } else { chunk.bytes.len() as u64 };
        out.send(chunk);
    }

    fn end(&mut self, now: Duration, out: &mut Outbox) {
        out.changed(self.at, "held the end", u64::try_from(self.time.as_micros()).ok());
        out.end_at(now.saturating_add(self.time));
    }
}
