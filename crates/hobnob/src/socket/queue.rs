//! The queue of a listening socket, seen without accepting anybody from it.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::unix::AsyncFd;

use crate::sys::info;
use crate::sys::watch::{has_input, watch};

/// Who waits to be accepted at a listening socket.
pub(crate) struct AcceptQueue(AsyncFd<Arc<OwnedFd>>);

impl AcceptQueue {
    /// Of this socket, watched by a descriptor of its own in the current runtime. Panics outside of one.
    pub(crate) fn watch(listener: BorrowedFd<'_>) -> io::Result<Self> {
        watch(Arc::new(listener.try_clone_to_owned()?)).map(AcceptQueue)
    }

    /// How many wait to be accepted, where the kernel says it: of TCP (tcp(7) `TCP_INFO`). Of other sockets it is one for
    /// any number. None: nobody waits.
    pub(crate) fn length(&self) -> Option<u64> {
        let socket = self.0.get_ref().as_fd();
        match info::backlog(socket) {
            Ok(waiting) => (waiting > 0).then(|| waiting.into()),
            Err(_) => has_input(socket).then_some(1),
        }
    }

    /// Ready when somebody has come since it was ready last.
    pub(crate) fn poll_grown(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.poll_read_ready(cx) {
            Poll::Ready(Ok(mut guard)) => {
                guard.clear_ready();
                Poll::Ready(())
            }
            // The runtime is gone, and the task with it.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}
