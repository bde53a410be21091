//! `dup`: some packets arrive twice.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox, Seed};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "dup",
        summary: "some packets arrive twice",
        options: &[OptionSpec {
            name: "dup",
            kind: ValueKind::Percent,
            default: "",
            help: "how many of the packets arrive twice",
        }],
        examples: &["hobnob relay udp://:9001 udp://:9000 --fault dup=1%"],
        is_built_in: true,
    },
    advice: "The same request comes again: shows what is not idempotent, and answers that are taken for other ones.",
    shapes: &[Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims { lossless: false, ..Claims::ALL },
    instead: &[("latency=200ms,jitter=200ms", "what a resent segment feels like over TCP")],
    make: |options, chance| {
        let share = options.share("dup").unwrap_or(0);
        Ok(MadeFault::Flow(Box::new(Dup { share, seed: chance.direction })))
    },
};

struct Dup {
    share: u32,
    seed: Seed,
}

impl Fault for Dup {
    fn chunk(&mut self, chunk: Chunk, _: Duration, out: &mut Outbox) {
        if self.seed.hits(chunk.at, self.share) {
            out.changed(chunk.at, "repeat", None);
            out.send(chunk.clone());
        }
        out.send(chunk);
    }
}
