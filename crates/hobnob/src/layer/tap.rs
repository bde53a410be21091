//! `tap`: looks and never changes. The engine lays it over every conn of a session by itself: `session/tap.rs`.

use crate::layer::LayerRow;
use crate::spec::Spec;

/// Listed so that it has a page; it takes a session, so no endpoint can name it.
pub(crate) static ROW: LayerRow = LayerRow {
    spec: Spec {
        name: "tap",
        summary: "looks and counts, on every session, without being asked",
        options: &[],
        examples: &[],
        is_built_in: true,
    },
    below: None,
    above: None,
    is_one_line: false,
    may_decline: false,
    make: None,
};
