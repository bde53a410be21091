//! The calls that name a socket and connect it.

use std::io;
use std::os::fd::AsFd;

use nix::poll::PollFlags;

use super::observe::{PythonAddress, none, some};
use super::timed::{self, Deadline};
use super::{Socket, explain};
use crate::address::Address;
use crate::error::{Error, Kind, Result};
use crate::sys::name::Name;
use crate::sys::{call, info};

impl Socket {
    /// Binds (bind(2)). A path is created with mode 0666 less the umask, as the kernel does: [`set_mode`](Self::set_mode)
    /// before, or [`path::claim`](super::path::claim), makes it private. [`Address::Unnamed`] asks for an abstract name.
    pub fn bind(&self, to: &Address) -> Result<()> {
        let name = Name::of(to)?;
        let began = self.begin();
        let result = call::bind(self.as_fd(), &name);
        self.end(began, "bind", format_args!("{}", PythonAddress(to)), none(&result));
        result.map_err(|error| explain::bind(self.kind(), to, &error))
    }

    /// Listens (listen(2)). `backlog` connections wait at most; the kernel caps it at `net.core.somaxconn`.
    pub fn listen(&self, backlog: u32) -> Result<()> {
        let began = self.begin();
        let result = call::listen(self.as_fd(), i32::try_from(backlog).unwrap_or(i32::MAX));
        self.end(began, "listen", format_args!("{backlog}"), none(&result));
        result.map_err(|error| {
            let local = self.local_address().unwrap_or(Address::Unnamed);
            match error.raw_os_error() {
                // Two sockets with SO_REUSEADDR may bind one port; the second listen is what fails then.
                Some(libc::EADDRINUSE) => explain::bind(self.kind(), &local, &error),
                _ => explain::data(&format!("listen({backlog})"), &error),
            }
        })
    }

    /// Accepts (accept4(2)). The new socket is blocking whatever the listener is, has the listener's observer, and
    /// is close-on-exec.
    pub fn accept(&self) -> Result<(Socket, Address)> {
        self.accept_as(true).map_err(|error| explain::timed("accept", self.timeout(), &error))
    }

    pub(super) fn accept_as(&self, is_blocking: bool) -> io::Result<(Socket, Address)> {
        let began = self.begin();
        let result = self.in_time(PollFlags::POLLIN, || call::accept(self.as_fd(), is_blocking));
        let result = result.map(|(fd, name)| (self.accepted(fd, is_blocking), name.address()));
        let shown = result
            .as_ref()
            .map(|(socket, peer)| format!("({}, {})", socket.descriptor(), PythonAddress(peer)));
        self.end(began, "accept", format_args!(""), some(&shown));
        result
    }

    /// Connects (connect(2)). With a timeout it is bounded by it; a non-blocking socket answers
    /// [`Kind::WouldBlock`] (`EINPROGRESS`) and goes on connecting.
    pub fn connect(&self, to: &Address) -> Result<()> {
        let name = Self::reachable(to)?;
        self.connect_named(to, &name)
            .map_err(|error| explain::connect(self.kind(), to, self.timeout(), &error))
    }

    /// Connects, and answers the errno as a value: 0 when connected; `EAGAIN` when the timeout is over, as Python's.
    pub fn connect_ex(&self, to: &Address) -> Result<i32> {
        let name = Self::reachable(to)?;
        Ok(match self.connect_named(to, &name) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(libc::EAGAIN),
        })
    }

    fn connect_named(&self, to: &Address, name: &Name) -> io::Result<()> {
        let began = self.begin();
        let result = self.connect_in_time(name);
        self.end(began, "connect", format_args!("{}", PythonAddress(to)), none(&result));
        result
    }

    fn connect_in_time(&self, name: &Name) -> io::Result<()> {
        let timeout = self.timeout();
        let deadline = Deadline::of(timeout);
        let error = match call::connect(self.as_fd(), name) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let goes_on = match error.raw_os_error() {
            Some(libc::EINTR) => timeout.is_none() || deadline.is_some(),
            Some(libc::EINPROGRESS) => deadline.is_some(),
            _ => false,
        };
        if !goes_on {
            return Err(error);
        }
        timed::wait(self.as_fd(), PollFlags::POLLOUT | PollFlags::POLLERR, deadline)?;
        info::take_error(self.as_fd())?.map_or(Ok(()), Err)
    }

    /// Our end (getsockname(2)).
    pub fn local_address(&self) -> Result<Address> {
        let began = self.begin();
        let result = call::local_name(self.as_fd()).map(|name| name.address());
        self.end(began, "getsockname", format_args!(""), some(&address(&result)));
        result.map_err(|error| explain::data("getsockname", &error))
    }

    /// The other end (getpeername(2)).
    pub fn peer_address(&self) -> Result<Address> {
        let began = self.begin();
        let result = call::peer_name(self.as_fd()).map(|name| name.address());
        self.end(began, "getpeername", format_args!(""), some(&address(&result)));
        result.map_err(|error| explain::data("getpeername", &error))
    }

    /// Nothing can be sent to a socket without a name, and the bare family would mean something else to the kernel.
    pub(super) fn reachable(to: &Address) -> Result<Name> {
        if to.is_reachable() {
            return Name::of(to);
        }
        Err(Error::new(Kind::Unreachable, "the other socket has no name to send to"))
    }
}

fn address(result: &io::Result<Address>) -> Result<PythonAddress<'_>, &io::Error> {
    result.as_ref().map(PythonAddress)
}
