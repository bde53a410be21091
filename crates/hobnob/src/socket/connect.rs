//! The calls that name a socket and connect it.

use std::io;
use std::os::fd::AsFd;

use nix::poll::PollFlags;

use super::observe::{Carried, PythonAddress, none, some};
use super::timed::{self, Deadline};
use super::{Socket, explain};
use crate::address::Address;
use crate::error::{Error, Kind, Result};
use crate::sys::name::Name;
use crate::sys::{call, info};

impl Socket {
    /// Gives the socket a name, so that others can reach it. Port 0 is any free one; [`Address::Unnamed`] asks for an
    /// abstract name. A path is created with mode 0666 less the umask, as the kernel does: [`set_mode`](Self::set_mode)
    /// before, or [`path::claim`](super::path::claim), makes it private.
    ///
    /// Python `bind`, C `bind(2)`. It never waits.
    ///
    /// # Errors
    /// `Kind::PortInUse` (`EADDRINUSE`), `Kind::PrivilegedPort` (`EACCES`), `Kind::AddressNotHere` (`EADDRNOTAVAIL`);
    /// `Kind::SocketFileExists` (`EADDRINUSE`), `Kind::NotFound` (`ENOENT`), `Kind::PathTooLong` for a path; `Kind::System`
    /// (`EINVAL`) where it has a name.
    ///
    /// ```
    /// use hobnob::{address::Address, error::Kind, socket::{Family, Socket, Type}};
    /// let socket = Socket::new(Family::V4, Type::Datagram, 0)?;
    /// socket.bind(&Address::Ip(([127, 0, 0, 1], 0).into()))?;
    /// let late = Socket::new(Family::V4, Type::Datagram, 0)?;
    /// assert_eq!(late.bind(&socket.local_address()?).unwrap_err().kind(), Kind::PortInUse);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn bind(&self, to: &Address) -> Result<()> {
        let name = Name::of(to)?;
        let began = self.begin();
        let result = call::bind(self.as_fd(), &name);
        let arguments = format_args!("{}", PythonAddress(to));
        self.end_carrying(began, "bind", arguments, none(&result), about(to));
        result.map_err(|error| explain::bind(self.kind(), to, &error))
    }

    /// Listens: `backlog` connections, and one more, wait at most to be accepted; the kernel caps it at `net.core.somaxconn`.
    ///
    /// Python `listen`, C `listen(2)`. It never waits. A socket without a name is given one.
    ///
    /// # Errors
    /// `Kind::PortInUse` (`EADDRINUSE`) where another one of the same name listens; `Kind::System` (`EOPNOTSUPP`) on a datagram
    /// socket.
    ///
    /// ```
    /// use hobnob::socket::{Family, Socket, Type};
    /// let listener = Socket::new(Family::V4, Type::Stream, 0)?;
    /// listener.listen(16)?;
    /// assert_ne!(listener.local_address()?.ip().unwrap().port(), 0, "any free port");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
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

    /// Takes the next connection that waits: its socket, and the peer's address. The socket is blocking whatever the
    /// listener is, has the listener's observer, and is close-on-exec.
    ///
    /// Python `accept`, C `accept4(2)`. Blocking it waits for a connection; with a timeout that long; non-blocking not at all.
    ///
    /// # Errors
    /// `Kind::TimedOut`; `Kind::WouldBlock` (`EAGAIN`); `Kind::TooManyFiles` (`EMFILE`), and the connection goes on waiting;
    /// `Kind::ConnectionBroken` (`ECONNABORTED`) where the peer has given up; `Kind::System` (`EINVAL`) where nothing listens.
    ///
    /// ```
    /// use hobnob::{error::Kind, socket::{Family, Socket, Type}};
    /// let listener = Socket::new(Family::V4, Type::Stream, 0)?;
    /// listener.listen(1)?;
    /// listener.set_blocking(false)?;
    /// assert_eq!(listener.accept().unwrap_err().kind(), Kind::WouldBlock);
    /// let client = Socket::new(Family::V4, Type::Stream, 0)?;
    /// client.connect(&listener.local_address()?)?;
    /// let (accepted, peer) = listener.accept()?;
    /// assert!(accepted.is_blocking());
    /// assert_eq!(peer, client.local_address()?);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
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
        let carried = match &result {
            Ok((socket, peer)) => Carried { made: Some(socket.descriptor()), ..about(peer) },
            Err(_) => Carried::default(),
        };
        self.end_carrying(began, "accept", format_args!(""), some(&shown), carried);
        result
    }

    /// Connects to a listener; of a datagram socket it only says to whom [`send`](Self::send) sends, and from whom
    /// [`recv`](Self::recv) receives.
    ///
    /// Python `connect`, C `connect(2)`. Blocking it waits for the answer, about two minutes at most
    /// (`net.ipv4.tcp_syn_retries`); with a timeout that long, and then goes on by itself, so that the socket is best closed;
    /// non-blocking it fails with [`Kind::WouldBlock`] and goes on by itself: once the socket is writable,
    /// [`take_error`](Self::take_error) says how it ended.
    ///
    /// # Errors
    /// [`Kind::ConnectionRefused`] (`ECONNREFUSED`); [`Kind::ConnectTimeout`] (`ETIMEDOUT`, or our timeout);
    /// [`Kind::WouldBlock`] (`EINPROGRESS`); [`Kind::Unreachable`] (`ENETUNREACH`, `EHOSTUNREACH`);
    /// [`Kind::NotFound`] (`ENOENT`) for a path; [`Kind::DoesNotFit`] (`EPROTOTYPE`) where that is a socket of another type.
    ///
    /// ```
    /// use hobnob::{error::Kind, socket::{Family, Socket, Type}};
    /// let listener = Socket::new(Family::V4, Type::Stream, 0)?;
    /// listener.listen(1)?;
    /// let address = listener.local_address()?;
    /// let connect = || Socket::new(Family::V4, Type::Stream, 0)?.connect(&address);
    /// connect()?;
    /// drop(listener);
    /// assert_eq!(connect().unwrap_err().kind(), Kind::ConnectionRefused);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn connect(&self, to: &Address) -> Result<()> {
        let name = Self::reachable(to)?;
        self.connect_named(to, &name)
            .map_err(|error| explain::connect(self.kind(), to, self.timeout(), &error))
    }

    /// Connects, and answers the errno as a value: 0 when connected.
    ///
    /// Python `connect_ex`, C `connect(2)` with `errno`. Modes are those of [`connect`](Self::connect): non-blocking it is
    /// `EINPROGRESS`, then `EALREADY`, then `EISCONN`; when a timeout is over it is `EAGAIN`, as Python's.
    ///
    /// # Errors
    /// Of the address alone, such as [`Kind::PathTooLong`]; the kernel's are the answer.
    ///
    /// ```
    /// use hobnob::{address::Address, socket::{Family, Socket, Type}};
    /// let socket = Socket::new(Family::Unix, Type::Stream, 0)?;
    /// assert_eq!(socket.connect_ex(&Address::path("/no/such/path"))?, 2, "ENOENT");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
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
        let arguments = format_args!("{}", PythonAddress(to));
        self.end_carrying(began, "connect", arguments, none(&result), about(to));
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

    /// Our end's address: of a socket that has no name, the unspecified one with port 0, or [`Address::Unnamed`].
    ///
    /// Python `getsockname`, C `getsockname(2)`. It never waits.
    ///
    /// # Errors
    /// `Kind::System`, if the kernel refuses.
    ///
    /// ```
    /// use hobnob::{address::Address, socket::{Family, Socket, Type}};
    /// let socket = Socket::new(Family::V4, Type::Stream, 0)?;
    /// assert_eq!(socket.local_address()?, Address::Ip(([0, 0, 0, 0], 0).into()));
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn local_address(&self) -> Result<Address> {
        let began = self.begin();
        let result = call::local_name(self.as_fd()).map(|name| name.address());
        let carried = result.as_ref().map_or_else(|_| Carried::default(), about);
        let shown = address(&result);
        self.end_carrying(began, "getsockname", format_args!(""), some(&shown), carried);
        result.map_err(|error| explain::data("getsockname", &error))
    }

    /// The other end's address.
    ///
    /// Python `getpeername`, C `getpeername(2)`. It never waits.
    ///
    /// # Errors
    /// [`Kind::ConnectionBroken`] (`ENOTCONN`) where there is none, or no more.
    ///
    /// ```
    /// use hobnob::{address::Address, error::Kind, socket::{Family, Socket, Type}};
    /// assert_eq!(Socket::pair(Type::Stream)?.0.peer_address()?, Address::Unnamed);
    /// let alone = Socket::new(Family::V4, Type::Stream, 0)?;
    /// assert_eq!(alone.peer_address().unwrap_err().kind(), Kind::ConnectionBroken);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn peer_address(&self) -> Result<Address> {
        let began = self.begin();
        let result = call::peer_name(self.as_fd()).map(|name| name.address());
        let carried = result.as_ref().map_or_else(|_| Carried::default(), about);
        let shown = address(&result);
        self.end_carrying(began, "getpeername", format_args!(""), some(&shown), carried);
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

pub(super) fn about(address: &Address) -> Carried<'_> {
    Carried { address: Some(address), ..Carried::default() }
}

fn address(result: &io::Result<Address>) -> Result<PythonAddress<'_>, &io::Error> {
    result.as_ref().map(PythonAddress)
}
