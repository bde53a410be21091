//! `timeout`: what is said goes nowhere, and after a time the connection is closed.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, NEVER, Outbox};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "timeout",
        summary: "what comes is dropped, then both sides are closed",
        options: &[OptionSpec {
            name: "timeout",
            kind: ValueKind::Duration,
            default: "",
            help: "how long until the end, as in 5s; by itself: there is none",
        }],
        examples: &["hobnob relay :9001 :9000 --fault down:timeout=5s"],
        is_built_in: true,
    },
    advice: "A request is never answered and the line goes dead: shows who waits for ever, and who tries again.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: true,
    is_before_the_dial: false,
    claims: Claims { lossless: false, ..Claims::ALL },
    instead: &[],
    make: |options, _| {
        let time = options.duration("timeout");
        Ok(MadeFault::Flow(Box::new(TimeoutFault { time, until: NEVER })))
    },
};

struct TimeoutFault {
    time: Option<Duration>,
    until: Duration,
}

impl Fault for TimeoutFault {
    fn is_prompt(&self) -> bool {
        true
    }

    fn begin(&mut self, at: u64, now: Duration, out: &mut Outbox) {
        self.until = self.time.map_or(NEVER, |time| now.saturating_add(time));
        let micros = self.time.and_then(|time| u64::try_from(time.as_micros()).ok());
        out.decide(at, "timeout", micros);
        if self.until != NEVER {
            out.wake_at(self.until);
        }
    }

    fn chunk(&mut self, chunk: Chunk, _: Duration, out: &mut Outbox) {
        out.discard(&chunk, "timeout");
    }

    /// It waits in the queue, so that it is not lost where the fault is taken away before its time.
    fn end(&mut self, now: Duration, out: &mut Outbox) {
        out.end_at(self.until.max(now));
    }

    fn wake(&mut self, _: Duration, out: &mut Outbox) {
        out.close();
    }
}
