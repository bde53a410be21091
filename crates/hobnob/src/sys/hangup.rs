//! Sockets of which nothing is asked but whether they have failed or hung up: an epoll instance of their own (epoll(7)).
//!
//! A runtime tells of a failure to whoever waits for input or for room, and wakes them for all that comes in as well. Here
//! neither is asked for, so that nothing else wakes.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;

use super::check;
use super::watch::watch;

/// Sockets that are asked for at once.
const AT_ONCE: usize = 64;

/// The sockets, each under a number of the caller's. One descriptor for all of them.
pub(crate) struct HangupPoll(AsyncFd<Arc<OwnedFd>>);

impl HangupPoll {
    /// Without sockets, of the current runtime. Panics outside of one.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: just opened, and nobody else knows it.
        watch(Arc::new(unsafe { OwnedFd::from_raw_fd(fd) })).map(HangupPoll)
    }

    /// Adds a socket, until it is closed; one that is in already gets the new number. It is told of at once if it has
    /// failed or hung up before.
    pub(crate) fn add(&self, socket: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        match self.control(libc::EPOLL_CTL_ADD, socket, number) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                self.control(libc::EPOLL_CTL_MOD, socket, number)
            }
            added => added,
        }
    }

    fn control(
        &self,
        operation: libc::c_int,
        socket: BorrowedFd<'_>,
        number: u64,
    ) -> io::Result<()> {
        // EPOLLERR and EPOLLHUP are always among the events, and each change is told once.
        let events = libc::EPOLLET.cast_unsigned();
        let mut event = libc::epoll_event { events, u64: number };
        let (fd, socket) = (self.0.as_raw_fd(), socket.as_raw_fd());
        // SAFETY: the struct lives through the call, and both descriptors are open.
        check(unsafe { libc::epoll_ctl(fd, operation, socket, &raw mut event) }).map(drop)
    }

    /// Ready with the numbers of sockets that have failed or hung up, at least one.
    pub(crate) fn poll_told(&self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u64>>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            let mut events = [libc::epoll_event { events: 0, u64: 0 }; AT_ONCE];
            let (fd, room) = (self.0.as_raw_fd(), events.as_mut_ptr());
            let most = libc::c_int::try_from(AT_ONCE).unwrap_or(1);
            // SAFETY: there is room for as many as are asked for, and a time of zero waits for nothing.
            match check(unsafe { libc::epoll_wait(fd, room, most, 0) }) {
                Ok(0) => guard.clear_ready(),
                Ok(told) => {
                    let told = events.iter().take(usize::try_from(told).unwrap_or(0));
                    return Poll::Ready(Ok(told.map(|event| event.u64).collect()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}
