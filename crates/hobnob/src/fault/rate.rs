//! `rate`: a thin wire. Bytes leave one behind the other, each taking its time.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox, hold};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "rate",
        summary: "a thin wire: so many bytes a second",
        options: &[
            OptionSpec {
                name: "rate",
                kind: ValueKind::Rate,
                default: "",
                help: "bytes a second: 64k is 65,536, 10mbit/s is 1,250,000",
            },
            OptionSpec {
                name: "burst",
                kind: ValueKind::Bytes,
                default: "0",
                help: "bytes that pass at once after a silence",
            },
            hold("64k"),
        ],
        examples: &["hobnob relay :9001 :9000 --fault down:rate=64k"],
        is_built_in: true,
    },
    advice: "Large answers crawl, small ones do not: shows missing progress, and limits on the whole in place of the pace.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims::ALL,
    instead: &[],
    make: |options, _| {
        let pace = options.count("rate").unwrap_or(u64::MAX).max(1);
        let burst = time_of(options.count("burst").unwrap_or(0), pace);
        // A hundredth of a second's worth: fine enough to be smooth, coarse enough for the timer.
        let piece = usize::try_from(pace / 100).unwrap_or(usize::MAX).max(1);
        Ok(MadeFault::Flow(Box::new(Rate { pace, burst, piece, free: Duration::ZERO })))
    },
};

struct Rate {
    /// Bytes a second.
    pace: u64,
    /// How long the wire takes for what may pass at once.
    burst: Duration,
    piece: usize,
    /// When the wire is free, if nothing more comes.
    free: Duration,
}

impl Fault for Rate {
    fn begin(&mut self, at: u64, _: Duration, out: &mut Outbox) {
        out.decide(at, "pace", Some(self.pace));
    }

    fn needs(&self) -> usize {
        // Timers are late by some milliseconds: a fast wire would have nothing left to carry by then.
        usize::try_from(self.pace / 50).unwrap_or(usize::MAX)
    }

    fn piece(&self) -> Option<usize> {
        Some(self.piece)
    }

    fn chunk(&mut self, mut chunk: Chunk, now: Duration, out: &mut Outbox) {
        while !chunk.is_packet && chunk.bytes.len() > self.piece {
            let piece = chunk.split_off_front(self.piece);
            self.send(piece, now, out);
        }
        self.send(chunk, now, out);
    }
}

impl Rate {
    fn send(&mut self, piece: Chunk, now: Duration, out: &mut Outbox) {
        let takes = time_of(piece.bytes.len() as u64, self.pace);
        self.free = self.free.max(now).saturating_add(takes);
        out.send_at(self.free.saturating_sub(self.burst).max(now), piece);
    }
}

fn time_of(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
