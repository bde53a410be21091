//! A bound endpoint, as its sessions see it.

use crate::engine::limits::Gate;
use crate::engine::stack::Stack;

/// One bound endpoint, as its sessions see it.
pub(super) struct Door {
    pub stack: Stack,
    pub gate: Gate,
    /// Whether its peers can end: where they cannot, nobody waits for their end.
    pub has_ends: bool,
}
