//! What is sent, what is to come back, and how much of it at once.

use std::time::Duration;

use crate::load::payload::{Expected, Payload};

/// What all talkers of a driver have in common.
#[derive(Debug, Clone)]
pub(super) struct PingPongTerms {
    pub(super) payload: Payload,
    pub(super) expected: Expected,
    /// Messages of one talker that are under way at once.
    pub(super) depth: usize,
    pub(super) patience: Duration,
}
