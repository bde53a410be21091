//! `reorder`: some packets are overtaken.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox, Seed, hold};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "reorder",
        summary: "some packets are overtaken by those behind them",
        options: &[
            OptionSpec {
                name: "reorder",
                kind: ValueKind::Percent,
                default: "",
                help: "how many of the packets are held back",
            },
            OptionSpec {
                name: "gap",
                kind: ValueKind::Duration,
                default: "20ms",
                help: "how long they are, as in 20ms: what comes meanwhile is faster",
            },
            hold("1m"),
        ],
        examples: &["hobnob relay udp://:9001 udp://:9000 --fault reorder=5%"],
        is_built_in: true,
    },
    advice: "The second comes first: shows who counts on the order of datagrams.",
    shapes: &[Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims { keeps_order: false, ..Claims::ALL },
    instead: &[("jitter=200ms", "what reordered segments feel like over TCP")],
    make: |options, chance| {
        let share = options.share("reorder").unwrap_or(0);
        let gap = options.duration("gap").unwrap_or_default();
        Ok(MadeFault::Flow(Box::new(Reorder { share, gap, seed: chance.direction })))
    },
};

struct Reorder {
    share: u32,
    gap: Duration,
    seed: Seed,
}

impl Fault for Reorder {
    fn chunk(&mut self, chunk: Chunk, now: Duration, out: &mut Outbox) {
        if self.seed.hits(chunk.at, self.share) {
            out.changed(chunk.at, "hold back", None);
            out.send_at(now.saturating_add(self.gap), chunk);
        } else {
            out.send(chunk);
        }
    }
}
