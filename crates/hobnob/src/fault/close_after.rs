//! `close-after`: the connection is closed in order, in the middle of something.

use std::time::Duration;

use super::{Claims, Fault, FaultRow, MadeFault, Outbox};
use crate::chunk::Chunk;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "close-after",
        summary: "after so many bytes both connections are closed in order",
        options: &[OptionSpec {
            name: "close-after",
            kind: ValueKind::Bytes,
            default: "",
            help: "bytes that still pass, as in 4k; of packets those that fit whole",
        }],
        examples: &["hobnob relay :9001 :9000 --fault down:close-after=4k"],
        is_built_in: true,
    },
    advice: "A tidy end, too early: shows who takes the end of the connection for the end of the message.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: false,
    is_before_the_dial: false,
    claims: Claims { lossless: false, ..Claims::ALL },
    instead: &[],
    make: |options, _| {
        let left = options.count("close-after").unwrap_or(0);
        Ok(MadeFault::Flow(Box::new(CloseAfter { left, is_closed: false })))
    },
};

struct CloseAfter {
    left: u64,
    is_closed: bool,
}

impl Fault for CloseAfter {
    fn begin(&mut self, at: u64, _: Duration, out: &mut Outbox) {
        if self.left == 0 {
            self.close(at, out);
        }
    }

    fn chunk(&mut self, mut chunk: Chunk, _: Duration, out: &mut Outbox) {
        if self.is_closed {
            return;
        }
        let length = chunk.bytes.len() as u64;
        let at = if chunk.is_packet { chunk.at } else { chunk.at + self.left };
        if chunk.is_packet && length > self.left {
            return self.close(at, out);
        }
        let passes = length.min(self.left);
        self.left -= passes;
        let passes = usize::try_from(passes).unwrap_or(usize::MAX);
        let front = if chunk.is_packet { chunk } else { chunk.split_off_front(passes) };
        out.send(front);
        if self.left == 0 {
            self.close(at, out);
        }
    }
}

impl CloseAfter {
    fn close(&mut self, at: u64, out: &mut Outbox) {
        self.is_closed = true;
        out.decide(at, "close", None);
        out.end();
    }
}
