//! `reset`: the connection is torn down, on both sides.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox, Seed};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "reset",
        summary: "both connections are torn down (RST)",
        options: &[OptionSpec {
            name: "reset",
            kind: ValueKind::Percent,
            default: "100%",
            help: "how many of the sessions it hits",
        }],
        examples: &["hobnob relay :9001 :9000 --fault reset=1%,after=4k"],
        is_built_in: true,
    },
    advice: "\"Connection reset by peer\" in the middle of something: shows who retries, and who takes half for the whole.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: true,
    is_before_the_dial: false,
    claims: Claims { lossless: false, ..Claims::ALL },
    instead: &[],
    make: |options, chance| {
        let share = options.share("reset").unwrap_or(1_000_000);
        Ok(MadeFault::Flow(Box::new(Reset { share, seed: chance.session })))
    },
};

struct Reset {
    share: u32,
    seed: Seed,
}

impl Fault for Reset {
    fn begin(&mut self, at: u64, now: Duration, out: &mut Outbox) {
        if self.seed.hits(0, self.share) {
            out.decide(at, "reset", None);
            out.abort_at(now);
        }
    }

    fn chunk(&mut self, chunk: Chunk, _: Duration, out: &mut Outbox) {
        out.send(chunk);
    }
}
