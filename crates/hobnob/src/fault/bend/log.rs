//! Where decisions are noted.

use std::sync::Arc;

use crate::chunk::Direction;
use crate::fault::outbox::Decision;

/// Notes each decision, so that two runs can be compared.
pub trait Log: Send + Sync {
    /// A decision was made. Those of one fault in one direction of one session come in order.
    fn decided(&self, decision: &Logged);
}

/// A decision, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The session's number.
    pub session: u64,
    /// The direction.
    pub direction: Direction,
    /// The fault.
    pub fault: &'static str,
    /// What it decided.
    pub decision: Decision,
}

/// A log, and the direction of a session that its notes are of.
#[derive(Clone)]
pub(super) struct Logger {
    pub(super) log: Arc<dyn Log>,
    pub(super) session: u64,
    pub(super) direction: Direction,
}
