//! `slice`: what was said in one piece arrives in several.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox, hold};
use crate::chunk::Chunk;
use crate::error::{Error, Kind};
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "slice",
        summary: "what was said in one piece arrives in several",
        options: &[
            OptionSpec {
                name: "slice",
                kind: ValueKind::Bytes,
                default: "",
                help: "bytes of a piece, as in 3",
            },
            OptionSpec {
                name: "gap",
                kind: ValueKind::Duration,
                default: "1ms",
                help: "how long each piece waits behind the one before it, as in 10ms",
            },
            hold("1m"),
        ],
        examples: &["hobnob relay :9001 :9000 --fault slice=3"],
        is_built_in: true,
    },
    advice: "One recv brings half a message: shows who takes what recv returns for a whole one.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims { keeps_boundaries: false, ..Claims::ALL },
    instead: &[],
    make: |options, _| {
        let size = options.count("slice").and_then(|size| usize::try_from(size).ok());
        let Some(size) = size.filter(|size| *size > 0) else {
            let (wrong, expected) = ("slice does not take \"0\"", "a piece has at least one byte");
            return Err(Error::expecting(Kind::BadOption, wrong, expected));
        };
        let gap = options.duration("gap").unwrap_or_default();
        Ok(MadeFault::Flow(Box::new(Slice { size, gap, free: Duration::ZERO })))
    },
};

struct Slice {
    size: usize,
    gap: Duration,
    /// When the next piece may go.
    free: Duration,
}

impl Fault for Slice {
    fn begin(&mut self, at: u64, _: Duration, out: &mut Outbox) {
        out.decide(at, "slice", Some(self.size as u64));
    }

    fn piece(&self) -> Option<usize> {
        Some(self.size)
    }

    fn chunk(&mut self, mut chunk: Chunk, now: Duration, out: &mut Outbox) {
        loop {
            let size = self.size as u64;
            // Of a stream the pieces end where they would if it had come in one.
            let room = if chunk.is_packet { size } else { size - chunk.at % size };
            let length = usize::try_from(room).unwrap_or(usize::MAX).min(chunk.bytes.len());
            let at = chunk.at;
            let piece = chunk.split_off_front(length);
            if chunk.is_packet {
                chunk.at = at;
            }
            let due = self.free.max(now);
            // A piece that the sender has cut is only the beginning of one: what completes it follows at once.
            let is_whole = chunk.is_packet || length as u64 == room;
            self.free = if is_whole { due.saturating_add(self.gap) } else { due };
            out.send_at(due, piece);
            if chunk.bytes.is_empty() {
                return;
            }
        }
    }
}
