//! What the clients of this process's socket share.

use std::time::SystemTime;

use tokio::sync::watch;

use super::steered::SteeredServer;

/// What its clients share.
pub(super) struct Served {
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
