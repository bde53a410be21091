//! A descriptor that a runtime watches.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::call;

const INTERESTS: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);

/// Hands the descriptor to the current runtime, for both directions. Panics outside of one.
///
/// Priority is among the interests for [`tell_errors_to_readers`]; it counts as readable.
pub(crate) fn watch(fd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the owner is shared and never written through, so it stays open, and the same, for as long as the
    // runtime's share of it lives.
    Ok(unsafe { AsyncFd::register_with_interest(fd, INTERESTS) }?)
}

/// Hands a socket to the current runtime for its room alone: what comes wakes nobody. Panics outside of a runtime.
pub(crate) fn watch_room<T: Into<OwnedFd>>(socket: T) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: it is owned, so it stays open, and the same, for as long as the runtime's share of it lives.
    Ok(unsafe { AsyncFd::register_with_interest(socket.into(), Interest::WRITABLE) }?)
}

/// Ready when nobody reads what is written there: the reading end of the pipe is closed (`EPOLLERR`), or the peer of the
/// socket or the terminal is gone (`EPOLLHUP`). Of what epoll does not watch, such as a file (`EPERM`), never.
pub(crate) async fn deserted(fd: BorrowedFd<'_>) -> io::Result<()> {
    let fd = fd.try_clone_to_owned()?;
    // SAFETY: it is owned, so it stays open, and the same, for as long as the runtime's share of it lives.
    let watched: io::Result<AsyncFd<OwnedFd>> =
        unsafe { AsyncFd::register_with_interest(fd, Interest::PRIORITY) }.map_err(io::Error::from);
    match watched {
        // Neither room nor what could be read is asked for, so that this is woken once.
        Ok(watched) => watched.ready(Interest::READABLE | Interest::ERROR).await.map(drop),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            std::future::pending().await
        }
        Err(error) => Err(error),
    }
}

/// What poll(2) says of a socket at once, whether or not a runtime watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketState {
    /// An error waits to be told (`POLLERR`): of a stream, a reset.
    pub(crate) has_failed: bool,
    /// Both directions are over (`POLLHUP`).
    pub(crate) is_hung_up: bool,
}

/// The state of a socket; waits for nothing.
pub(crate) fn state(fd: BorrowedFd<'_>) -> io::Result<SocketState> {
    let mut asked = [PollFd::new(fd, PollFlags::empty())];
    poll(&mut asked, PollTimeout::ZERO)?;
    let told = asked[0].revents().unwrap_or(PollFlags::empty());
    Ok(SocketState {
        has_failed: told.contains(PollFlags::POLLERR),
        is_hung_up: told.contains(PollFlags::POLLHUP),
    })
}

/// Whether something can be received, or somebody be accepted, without waiting.
pub(crate) fn has_input(fd: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Makes a pending error, such as an ICMP refusal of a connected datagram socket, wake those who wait to receive.
/// Without it epoll says `EPOLLERR` alone, which tokio tells to writers only, and a reader would wait for ever.
pub(crate) fn tell_errors_to_readers(fd: BorrowedFd<'_>) -> io::Result<()> {
    call::set_int_option(fd, libc::SOL_SOCKET, libc::SO_SELECT_ERR_QUEUE, 1)
}
