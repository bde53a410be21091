//! `loss`: some packets never arrive.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox, Seed};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "loss",
        summary: "some packets never arrive",
        options: &[OptionSpec {
            name: "loss",
            kind: ValueKind::Percent,
            default: "",
            help: "how many of the packets are lost",
        }],
        examples: &["hobnob relay udp://:9001 udp://:9000 --fault loss=2%"],
        is_built_in: true,
    },
    advice: "What UDP is known for: shows who waits for ever, who asks again, and who asks again too often.",
    shapes: &[Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims { lossless: false, ..Claims::ALL },
    instead: &[
        ("latency=200ms,jitter=200ms", "what loss feels like over TCP"),
        ("stall=5s", "a link that is gone for a while"),
        ("reset=1%", "what TCP does when it gives up"),
    ],
    make: |options, chance| {
        let share = options.share("loss").unwrap_or(0);
        Ok(MadeFault::Flow(Box::new(Loss { share, seed: chance.direction })))
    },
};

struct Loss {
    share: u32,
    seed: Seed,
}

impl Fault for Loss {
    fn chunk(&mut self, chunk: Chunk, _: Duration, out: &mut Outbox) {
        if self.seed.hits(chunk.at, self.share) {
            out.discard(&chunk, "lose");
        } else {
            out.send(chunk);
        }
    }
}
