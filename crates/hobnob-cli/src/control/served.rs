//! What the clients of this process's socket share.

use std::time::SystemTime;

use tokio::sync::watch;

use super::steered::SteeredServer;
use crate::args::Usages;

/// What its clients share.
pub(super) struct Served {
    /// How every verb is typed, for what to try.
    pub(super) usages: Usages,
    pub(super) verb: &'static str,
    pub(super) began: SystemTime,
    /// At least one.
    pub(super) parts: Vec<SteeredServer>,
}

/// Resolves when all is over.
pub(super) async fn passed(over: &mut watch::Receiver<bool>) {
    // An error means that the host is gone, which is the same.
    drop(over.wait_for(|over| *over).await);
}
