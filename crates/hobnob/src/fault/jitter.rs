//! `jitter`: everything arrives later, each time by another time.

use std::time::Duration;

use super::{CELL, Claims, Fault, FaultRow, MadeFault, Outbox, Seed, each_cell, hold};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "jitter",
        summary: "everything arrives later, by up to a time, each by its own",
        options: &[
            OptionSpec {
                name: "jitter",
                kind: ValueKind::Duration,
                default: "",
                help: "how long things are held at most, as in 50ms",
            },
            hold("4m"),
        ],
        examples: &["hobnob relay :9001 :9000 --fault latency=200ms,jitter=50ms"],
        is_built_in: true,
    },
    advice: "The pace stumbles: shows buffers that run dry in sound and video, and races that a steady network hides.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims::ALL,
    instead: &[],
    make: |options, chance| {
        let most = options.duration("jitter").unwrap_or_default();
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Ok(MadeFault::Flow(Box::new(Jitter { micros, seed: chance.direction, decided: None })))
    },
};

struct Jitter {
    micros: u64,
    seed: Seed,
    /// The last cell that was decided on.
    decided: Option<u64>,
}

impl Fault for Jitter {
    fn piece(&self) -> Option<usize> {
        usize::try_from(CELL).ok()
    }

    fn chunk(&mut self, chunk: Chunk, now: Duration, out: &mut Outbox) {
        each_cell(chunk, |cell, part| {
            let micros = self.seed.below(cell, self.micros.saturating_add(1));
            if self.decided.replace(cell) != Some(cell) {
                out.decide(part.at, "hold", Some(micros));
            }
            out.send_at(now.saturating_add(Duration::from_micros(micros)), part);
        });
    }
}
