//! A socket's mode: whether its calls wait, and for how long; and whether programs that are started get it too.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::observe::none;
use super::timed::uninterrupted;
use super::{Socket, explain};
use crate::error::Result;

impl Socket {
    /// Sets the mode: none is blocking, zero is non-blocking, and above zero each operation as a whole is bounded, as
    /// [`send_all`](Self::send_all) and [`connect`](Self::connect) are.
    ///
    /// Python `settimeout`, C `fcntl(F_SETFL, O_NONBLOCK)` and `poll(2)`: as in Python, a socket with a timeout is non-blocking
    /// to the kernel, and this library waits.
    ///
    /// # Errors
    /// `Kind::System`, if the kernel refuses.
    ///
    /// ```
    /// use hobnob::{error::Kind, socket::{Flags, Socket, Type}};
    /// use std::time::Duration;
    /// let (one, _other) = Socket::pair(Type::Stream)?;
    /// one.set_timeout(Some(Duration::from_millis(10)))?;
    /// assert_eq!(one.recv(&mut [0; 8], Flags::NONE).unwrap_err().kind(), Kind::TimedOut);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn set_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.set_nonblocking(timeout.is_some())
            .map_err(|error| explain::data("fcntl(F_SETFL)", &error))?;
        self.timeout.set(timeout);
        Ok(())
    }

    /// The timeout: none is blocking, zero non-blocking.
    ///
    /// Python `gettimeout`. It asks no kernel, and never fails.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// let (one, _other) = Socket::pair(Type::Stream)?;
    /// assert_eq!(one.timeout(), None);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.value()
    }

    /// Makes the socket blocking, the timeout none; or non-blocking, the timeout zero.
    ///
    /// Python `setblocking`, C `fcntl(F_SETFL, O_NONBLOCK)`.
    ///
    /// # Errors
    /// As of [`set_timeout`](Self::set_timeout).
    ///
    /// ```
    /// use hobnob::{error::Kind, socket::{Flags, Socket, Type}};
    /// let (one, _other) = Socket::pair(Type::Stream)?;
    /// one.set_blocking(false)?;
    /// assert_eq!(one.recv(&mut [0; 8], Flags::NONE).unwrap_err().kind(), Kind::WouldBlock);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn set_blocking(&self, blocking: bool) -> Result<()> {
        self.set_timeout((!blocking).then_some(Duration::ZERO))
    }

    /// Whether calls may wait: true with a timeout above zero too.
    ///
    /// Python `getblocking`. It asks no kernel, and never fails.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// use std::time::Duration;
    /// let (one, _other) = Socket::pair(Type::Stream)?;
    /// one.set_timeout(Some(Duration::from_secs(1)))?;
    /// assert!(one.is_blocking());
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn is_blocking(&self) -> bool {
        self.timeout() != Some(Duration::ZERO)
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        let mut flags = OFlag::from_bits_retain(fcntl(self, FcntlArg::F_GETFL)?);
        flags.set(OFlag::O_NONBLOCK, nonblocking);
        fcntl(self, FcntlArg::F_SETFL(flags))?;
        Ok(())
    }

    /// Whether a receive, or an accept, would not wait: bytes are there, a datagram, the end, a connection, or an error
    /// that it would tell. Nothing is taken, an error neither.
    ///
    /// Python `select.select([s], [], [], 0)`, or `recv(1, MSG_PEEK | MSG_DONTWAIT)`, which takes a pending error and does not
    /// know listeners; C `poll(2)` without time. It never waits, in no mode.
    ///
    /// # Errors
    /// `Kind::System` (`ENOMEM`).
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// assert!(!other.is_readable_now()?);
    /// one.send(b"x", Flags::NONE)?;
    /// assert!(other.is_readable_now()?);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn is_readable_now(&self) -> Result<bool> {
        let mut asked = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        let told = uninterrupted(|| Ok(poll(&mut asked, PollTimeout::ZERO)?));
        told.map(|ready| ready > 0).map_err(|error| explain::data("poll", &error))
    }

    /// Whether a program that this process starts gets the socket too. A new socket is not inheritable (PEP 446).
    ///
    /// Python `get_inheritable`, C `fcntl(F_GETFD)` without `FD_CLOEXEC`. It never waits.
    ///
    /// # Errors
    /// `Kind::System`, if the kernel refuses.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// let (one, _other) = Socket::pair(Type::Stream)?;
    /// assert!(!one.is_inheritable()?);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn is_inheritable(&self) -> Result<bool> {
        let flags = fcntl(self, FcntlArg::F_GETFD);
        let flags = flags.map_err(|errno| explain::data("fcntl(F_GETFD)", &errno.into()))?;
        Ok(flags & libc::FD_CLOEXEC == 0)
    }

    /// Lets programs that this process starts have the socket, or not. Between this call and the start, a program that
    /// another thread starts has it too.
    ///
    /// Python `set_inheritable`, C `fcntl(F_SETFD, FD_CLOEXEC)`. It never waits.
    ///
    /// # Errors
    /// `Kind::System`, if the kernel refuses.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// let (one, _other) = Socket::pair(Type::Stream)?;
    /// one.set_inheritable(true)?;
    /// assert!(one.is_inheritable()?);
    /// assert!(!one.dup()?.is_inheritable()?, "a copy is not");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn set_inheritable(&self, is_inheritable: bool) -> Result<()> {
        let (flag, name) = if is_inheritable {
            (FdFlag::empty(), "0")
        } else {
            (FdFlag::FD_CLOEXEC, "FD_CLOEXEC")
        };
        let began = self.begin();
        let result = fcntl(self, FcntlArg::F_SETFD(flag)).map(drop).map_err(io::Error::from);
        self.end(began, "fcntl", format_args!("F_SETFD, {name}"), none(&result));
        result.map_err(|error| explain::data("fcntl(F_SETFD)", &error))
    }
}
