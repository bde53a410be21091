//! A member that waits for a name.

use std::sync::Arc;

use crate::service::chat::room::Inbox;

/// A member that waits for a name.
pub(super) struct Candidate {
    pub(super) name: Arc<str>,
    pub(super) mailbox: Arc<Inbox>,
    /// Whether the others are told at once that it came.
    pub(super) is_told: bool,
    /// Whether it is in the room, under another name.
    pub(super) is_inside: bool,
}
