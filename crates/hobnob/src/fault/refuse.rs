//! `refuse`: a session is turned away before anything is dialled for it.

use super::{Admission, Claims, FaultRow, MadeFault};
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row.
pub(crate) static ROW: FaultRow = FaultRow {
    spec: Spec {
        name: "refuse",
        summary: "who comes is reset, and the target is not dialled",
        options: &[OptionSpec {
            name: "refuse",
            kind: ValueKind::Percent,
            default: "100%",
            help: "how many of the sessions it hits",
        }],
        examples: &["hobnob relay :9001 :9000 --fault refuse=20%"],
        is_built_in: true,
    },
    advice: "The service is down, or overloaded: shows who tries again, how often and how soon.",
    shapes: &[Shape::Bytes, Shape::Packets],
    stands_alone: true,
    is_before_the_dial: true,
    claims: Claims { lossless: false, ..Claims::ALL },
    instead: &[],
    make: |options, chance| {
        let share = options.share("refuse").unwrap_or(1_000_000);
        let is_hit = chance.session.hits(0, share);
        Ok(MadeFault::BeforeTheDial(if is_hit { Admission::Refuse } else { Admission::Go }))
    },
};
