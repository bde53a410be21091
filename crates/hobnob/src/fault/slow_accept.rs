//! `slow-accept`: a session waits before anything is dialled for it.

use super::{Admission, Claims, FaultRow, MadeFault};
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "slow-accept",
        summary: "the target is dialled only after a time",
        options: &[OptionSpec {
            name: "slow-accept",
            kind: ValueKind::Duration,
            default: "",
            help: "how long who comes has to wait, as in 2s",
        }],
        examples: &["hobnob relay :9001 :9000 --fault slow-accept=2s"],
        is_built_in: true,
    },
    advice: "A server with a full queue: the connection is there at once, its first answer is not.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: false,
    is_before_the_dial: true,
    claims: Claims::ALL,
    instead: &[],
    make: |options, _| {
        let time = options.duration("slow-accept").unwrap_or_default();
        Ok(MadeFault::BeforeTheDial(Admission::Wait(time)))
    },
};
