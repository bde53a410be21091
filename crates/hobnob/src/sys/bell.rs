//! A thread that blocks until its socket is ready, and that other threads can call (eventfd(2), poll(2)).

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::check;

/// What a socket is ready for, or what it is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Something can be received, be it the end or a failure.
    pub(crate) input: bool,
    /// Something can be sent, or a send would fail.
    pub(crate) room: bool,
}

/// What calls a thread that blocks. One that is rung before anybody waits is heard by the next wait.
pub(crate) struct CallBell(OwnedFd);

impl CallBell {
    /// A bell that nobody has rung. It is a descriptor.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: just opened, and nobody else knows it.
        Ok(CallBell(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Ends the wait of whoever waits, now or next. Any thread may call it.
    pub(crate) fn ring(&self) {
        let (fd, one) = (self.0.as_raw_fd(), 1_u64.to_ne_bytes());
        // A counter that is full has been rung. SAFETY: eight bytes are lent for the call.
        let _ = unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
    }

    /// Blocks until it is rung, or until the socket is ready for some of what is wanted, and says for what. Without a
    /// socket only the bell is waited for.
    pub(crate) fn wait(&self, socket: Option<BorrowedFd<'_>>, wanted: Readiness) -> Readiness {
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, wanted.input);
        events.set(PollFlags::POLLOUT, wanted.room);
        let (socket, events) = socket.map_or((self.0.as_fd(), PollFlags::empty()), |s| (s, events));
        let own = PollFd::new(self.0.as_fd(), PollFlags::POLLIN);
        let mut asked = [own, PollFd::new(socket, events)];
        loop {
            match poll(&mut asked, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => {}
                // The kernel has no memory: whoever tries without waiting is told so, or is served.
                Err(_) => return wanted,
                Ok(_) => break,
            }
        }
        let [own, told] = asked.map(|one| one.revents().unwrap_or(PollFlags::empty()));
        if !own.is_empty() {
            self.hush();
        }
        let is_over = told.intersects(PollFlags::POLLERR | PollFlags::POLLHUP);
        Readiness {
            input: wanted.input && (is_over || told.contains(PollFlags::POLLIN)),
            room: wanted.room && (is_over || told.contains(PollFlags::POLLOUT)),
        }
    }

    fn hush(&self) {
        let mut count = [0_u8; 8];
        let (fd, room) = (self.0.as_raw_fd(), count.as_mut_ptr().cast());
        // Where it was not rung after all, nothing is read. SAFETY: eight bytes are lent for the call.
        let _ = unsafe { libc::read(fd, room, count.len()) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    const INPUT: Readiness = Readiness { input: true, room: false };
    const NOTHING: Readiness = Readiness { input: false, room: false };

    #[test]
    fn a_wait_ends_by_the_bell_and_by_the_socket_and_says_which() {
        let (mut one, other) = UnixStream::pair().expect("two descriptors");
        let bell = CallBell::new().expect("a descriptor");
        bell.ring();
        bell.ring();
        assert_eq!(bell.wait(Some(other.as_fd()), INPUT), NOTHING, "it was rung");
        one.write_all(b"x").expect("there is room");
        assert_eq!(bell.wait(Some(other.as_fd()), INPUT), INPUT, "two rings are one");
        let room = Readiness { input: false, room: true };
        assert_eq!(bell.wait(Some(other.as_fd()), room), room, "what is not wanted is not told");
        drop(one);
        let both = Readiness { input: true, room: true };
        assert_eq!(bell.wait(Some(other.as_fd()), both), both, "a peer that is gone ends any wait");
    }

    #[test]
    fn another_thread_calls_it_back() {
        let bell = std::sync::Arc::new(CallBell::new().expect("a descriptor"));
        let other = bell.clone();
        let ringing = std::thread::spawn(move || other.ring());
        assert_eq!(bell.wait(None, NOTHING), NOTHING);
        ringing.join().expect("no panic");
    }
}
