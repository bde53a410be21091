//! `down`: the door of the relay is shut. Who comes is refused by the kernel, and who is there is cut.

use super::{Claims, FaultRow, MadeFault};
use crate::spec::{Shape, Spec};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "down",
        summary: "nobody listens: who comes is refused, who is in is cut",
        options: &[],
        examples: &["hobnob fault redis down"],
        is_built_in: true,
    },
    advice: "The service is gone, as after a crash: \"Connection refused\" shows who gives up, who waits and who hammers.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: true,
    is_before_the_dial: true,
    claims: Claims { lossless: false, ..Claims::ALL },
    instead: &[],
    make: |_, _| Ok(MadeFault::AtTheDoor),
};
