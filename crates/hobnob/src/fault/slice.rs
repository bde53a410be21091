//! `slice`: what was said in one piece arrives in several.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox, Seed, hold};
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
                name: "vary",
                kind: ValueKind::Bytes,
                default: "0",
                help: "bytes by which a piece is shorter or longer at most, as in 2",
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
    make: |options, chance| {
        let size = options.count("slice").and_then(|size| usize::try_from(size).ok());
        let Some(size) = size.filter(|size| *size > 0) else {
            let (wrong, expected) = ("slice does not take \"0\"", "a piece has at least one byte");
            return Err(Error::expecting(Kind::BadOption, wrong, expected));
        };
        let vary = options.count("vary").unwrap_or(0);
        if vary >= size as u64 {
            let (wrong, expected) =
                (format!("slice={size} does not vary by {vary}"), "a piece has at least one byte");
            return Err(Error::expecting(Kind::BadOption, &wrong, expected));
        }
        let gap = options.duration("gap").unwrap_or_default();
        Ok(MadeFault::Flow(Box::new(Slice {
            size,
            vary,
            gap,
            seed: chance.direction,
            free: Duration::ZERO,
        })))
    },
};

struct Slice {
    size: usize,
    /// By how many bytes a piece is shorter or longer at most.
    vary: u64,
    gap: Duration,
    seed: Seed,
    /// When the next piece may go.
    free: Duration,
}

impl Fault for Slice {
    fn begin(&mut self, at: u64, _: Duration, out: &mut Outbox) {
        out.decide(at, "slice", Some(self.size as u64));
    }

    fn piece(&self) -> Option<usize> {
        usize::try_from(self.size as u64 - self.vary).ok()
    }

    fn chunk(&mut self, mut chunk: Chunk, now: Duration, out: &mut Outbox) {
        let mut within = 0;
        loop {
            // Of a stream the pieces end where they would if it had come in one.
            let room = if chunk.is_packet {
                let seed = self.seed.of(chunk.at);
                self.border_behind(within, seed) - within
            } else {
                self.border_behind(chunk.at, self.seed) - chunk.at
            };
            let length = usize::try_from(room).unwrap_or(usize::MAX).min(chunk.bytes.len());
            within += length as u64;
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

impl Slice {
    /// Where the piece ends that this place is in. Each border is moved by up to half of what pieces vary by, and by so much
    /// only: it is the same wherever the stream was cut.
    fn border_behind(&self, at: u64, seed: Seed) -> u64 {
        let size = self.size as u64;
        let border = |number: u64| {
            let moved = if number == 0 { 0 } else { seed.below(number, self.vary + 1) };
            (number.saturating_mul(size)).saturating_add(moved).saturating_sub(self.vary / 2)
        };
        let first = at / size;
        let behind = (first..=first.saturating_add(2)).map(border).find(|border| *border > at);
        behind.unwrap_or(u64::MAX)
    }
}
