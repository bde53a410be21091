//! A descriptor that a runtime watches.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::unix::AsyncFd;

/// Hands the descriptor to the current runtime, for both directions. Panics outside of one.
pub(crate) fn watch(fd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the owner is shared and never written through, so it stays open, and the same, for as long as the
    // runtime's share of it lives.
    Ok(unsafe { AsyncFd::register(fd) }?)
}
