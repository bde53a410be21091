//! `corrupt`: a bit is wrong here and there.

use std::time::Duration;

use bytes::BytesMut;

use super::{CELL, Claims, Fault, FaultRow, MadeFault, Outbox, Seed, each_cell};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "corrupt",
        summary: "a bit is flipped in some packets, or KiB of a stream",
        options: &[OptionSpec {
            name: "corrupt",
            kind: ValueKind::Percent,
            default: "",
            help: "how many of the packets, or of each 1,024 bytes, get a wrong bit",
        }],
        examples: &["hobnob relay udp://:9001 udp://:9000 --fault corrupt=1%"],
        is_built_in: true,
    },
    advice: "Bad memory, a bad proxy: checksums missed it. Shows parsers that trust, and data that nobody verifies.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims { lossless: false, ..Claims::ALL },
    instead: &[],
    make: |options, chance| {
        let share = options.share("corrupt").unwrap_or(0);
        Ok(MadeFault::Flow(Box::new(Corrupt { share, seed: chance.direction })))
    },
};

struct Corrupt {
    share: u32,
    seed: Seed,
}

impl Fault for Corrupt {
    fn chunk(&mut self, chunk: Chunk, _: Duration, out: &mut Outbox) {
        let mut flips = Vec::new();
        each_cell(chunk.clone(), |cell, part| {
            let length = if part.is_packet { part.bytes.len() as u64 } else { CELL };
            if length == 0 || !self.seed.hits(cell, self.share) {
                return;
            }
            // A bit of the cell or packet. Of a cell this part may not have it.
            let bit = self.seed.of(0).below(cell, length * 8);
            let first = if part.is_packet { 0 } else { cell * CELL };
            let start = if part.is_packet { 0 } else { chunk.at };
            if let Some(at) = (first + bit / 8).checked_sub(start)
                && at < chunk.bytes.len() as u64
            {
                flips.push((usize::try_from(at).unwrap_or(0), bit));
            }
        });
        let chunk = flip(chunk, &flips, out);
        out.send(chunk);
    }
}

fn flip(chunk: Chunk, flips: &[(usize, u64)], out: &mut Outbox) -> Chunk {
    if flips.is_empty() {
        return chunk;
    }
    let mut bytes = BytesMut::from(&chunk.bytes[..]);
    for (at, bit) in flips {
        bytes[*at] ^= 1 << (bit % 8);
        let place = if chunk.is_packet { chunk.at } else { chunk.at + *at as u64 };
        out.changed(place, "flip", Some(*bit));
    }
    Chunk { bytes: bytes.freeze(), ..chunk }
}
