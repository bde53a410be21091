//! The calls: naming and connecting, bytes and datagrams.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use nix::poll::PollFlags;

use super::observe::{self, Began, NOTHING, PythonAddress, PythonBytes};
use super::timed::{self, Deadline, call_in_time};
use super::{Flags, How, Record, Socket, explain};
use crate::address::Address;
use crate::error::{Error, Kind, Result};
use crate::sys::call;
use crate::sys::info;
use crate::sys::name::Name;
use crate::sys::record;

/// Naming and connecting.
impl Socket {
    /// Binds (bind(2)). A path is created with mode 0666 less the umask, as the kernel does: [`set_mode`](Self::set_mode)
    /// before, or [`path::claim`](super::path::claim), makes it private. [`Address::Unnamed`] asks for an abstract name.
    pub fn bind(&self, to: &Address) -> Result<()> {
        let name = Name::of(to)?;
        let began = self.begin();
        let result = call::bind(self.as_fd(), &name);
        self.end(began, "bind", format_args!("{}", PythonAddress(to)), none(&result));
        result.map_err(|error| explain::bind(self, to, &error))
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
                Some(libc::EADDRINUSE) => explain::bind(self, &local, &error),
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
            .map_err(|error| explain::connect(self, to, self.timeout(), &error))
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

/// Bytes and datagrams.
impl Socket {
    /// Receives into `buf` (recv(2)): how many bytes. 0 is the end of a stream, but an empty datagram or record is 0
    /// too. With [`Flags::TRUE_LENGTH`] the answer may be larger than `buf`.
    pub fn recv(&self, buf: &mut [u8], flags: Flags) -> Result<usize> {
        self.recv_raw(buf, flags).map_err(|error| explain::timed("recv", self.timeout(), &error))
    }

    pub(super) fn recv_raw(&self, buf: &mut [u8], flags: Flags) -> io::Result<usize> {
        let began = self.begin();
        let result =
            self.in_time(PollFlags::POLLIN, || call::recv(self.as_fd(), buf, flags.number()));
        self.saw_received(began, "recv", buf, flags, &result, |count| *count);
        result
    }

    /// Receives with the sender's address (recvfrom(2)); [`Address::Unnamed`] where it has none.
    pub fn recv_from(&self, buf: &mut [u8], flags: Flags) -> Result<(usize, Address)> {
        self.recv_from_raw(buf, flags)
            .map_err(|error| explain::timed("recvfrom", self.timeout(), &error))
    }

    pub(super) fn recv_from_raw(
        &self,
        buf: &mut [u8],
        flags: Flags,
    ) -> io::Result<(usize, Address)> {
        let began = self.begin();
        let result = self.in_time(PollFlags::POLLIN, || {
            let (count, name) = call::recv_from(self.as_fd(), buf, flags.number())?;
            Ok((count, name.address()))
        });
        self.saw_received(began, "recvfrom", buf, flags, &result, |(count, _)| *count);
        result
    }

    /// Receives one record of a seqpacket socket after [`mark_records`](Self::mark_records): none at the end, which an
    /// empty record is not (recvmsg(2)).
    pub fn recv_record(&self, buf: &mut [u8], flags: Flags) -> Result<Option<Record>> {
        self.recv_record_raw(buf, flags)
            .map_err(|error| explain::timed("recvmsg", self.timeout(), &error))
    }

    pub(super) fn recv_record_raw(
        &self,
        buf: &mut [u8],
        flags: Flags,
    ) -> io::Result<Option<Record>> {
        let began = self.begin();
        let result =
            self.in_time(PollFlags::POLLIN, || record::receive(self.as_fd(), buf, flags.number()));
        self.saw_received(began, "recvmsg", buf, flags, &result, |r| r.map_or(0, |r| r.kept));
        result
    }

    /// Receives one datagram, which may be empty, with its true length.
    pub fn recv_datagram(&self, buf: &mut [u8], flags: Flags) -> Result<Record> {
        self.recv_datagram_raw(buf, flags)
            .map_err(|error| explain::timed("recv", self.timeout(), &error))
    }

    pub(super) fn recv_datagram_raw(&self, buf: &mut [u8], flags: Flags) -> io::Result<Record> {
        let began = self.begin();
        let result = self.in_time(PollFlags::POLLIN, || {
            record::receive_datagram(self.as_fd(), buf, flags.number())
        });
        self.saw_received(began, "recv", buf, flags, &result, |record| record.kept);
        result
    }

    /// Makes the kernel mark records, so that [`recv_record`](Self::recv_record) can tell an empty one from the end (unix(7)
    /// `SO_PASSCRED`). Call it after connect; a nameless socket gets an abstract name when it first sends.
    pub fn mark_records(&self) -> Result<()> {
        let began = self.begin();
        let result = record::mark_records(self.as_fd());
        let arguments = format_args!("SOL_SOCKET, SO_PASSCRED, 1");
        self.end(began, "setsockopt", arguments, none(&result));
        result.map_err(|error| explain::data("setsockopt(SO_PASSCRED)", &error))
    }

    /// Sends (send(2)): how many bytes were taken, which on a stream may be a part. An empty datagram is sent.
    pub fn send(&self, bytes: &[u8], flags: Flags) -> Result<usize> {
        self.send_raw(bytes, flags)
            .map_err(|error| explain::send("send", bytes.len(), None, self.timeout(), &error))
    }

    pub(super) fn send_raw(&self, bytes: &[u8], flags: Flags) -> io::Result<usize> {
        self.send_until(bytes, flags, Deadline::of(self.timeout()))
    }

    /// Sends all of it. A timeout bounds the whole; after an error nobody knows how much went.
    pub fn send_all(&self, bytes: &[u8]) -> Result<()> {
        let deadline = Deadline::of(self.timeout());
        let mut sent = 0;
        loop {
            sent += self.send_until(&bytes[sent..], Flags::NONE, deadline).map_err(|error| {
                explain::send("sendall", bytes.len(), None, self.timeout(), &error)
            })?;
            // After the call, not before it: an empty datagram is sent too.
            if sent >= bytes.len() {
                return Ok(());
            }
        }
    }

    /// Sends one datagram there (sendto(2)).
    pub fn send_to(&self, bytes: &[u8], flags: Flags, to: &Address) -> Result<usize> {
        let name = Self::reachable(to)?;
        self.send_to_raw(bytes, flags, to, &name)
            .map_err(|error| explain::send("sendto", bytes.len(), Some(to), self.timeout(), &error))
    }

    pub(super) fn send_to_raw(
        &self,
        bytes: &[u8],
        flags: Flags,
        to: &Address,
        name: &Name,
    ) -> io::Result<usize> {
        let began = self.begin();
        let result = self.in_time(PollFlags::POLLOUT, || {
            call::send_to(self.as_fd(), bytes, flags.number(), name)
        });
        let (shown, to) = (PythonBytes(bytes), PythonAddress(to));
        self.end(began, "sendto", format_args!("{shown}{flags}, {to}"), some(&result.as_ref()));
        result
    }

    fn send_until(
        &self,
        bytes: &[u8],
        flags: Flags,
        deadline: Option<Deadline>,
    ) -> io::Result<usize> {
        let began = self.begin();
        let result = call_in_time(self.as_fd(), PollFlags::POLLOUT, deadline, || {
            call::send(self.as_fd(), bytes, flags.number())
        });
        let arguments = format_args!("{}{flags}", PythonBytes(bytes));
        self.end(began, "send", arguments, some(&result.as_ref()));
        result
    }

    /// Ends directions (shutdown(2)). Queued bytes still go; on a datagram socket nothing is told to the peer.
    pub fn shutdown(&self, how: How) -> Result<()> {
        let began = self.begin();
        let result = call::shutdown(self.as_fd(), how.number());
        self.end(began, "shutdown", format_args!("{}", how.name()), none(&result));
        result.map_err(|error| explain::data(&format!("shutdown({})", how.name()), &error))
    }
}

/// As a reader (Python's `makefile`): errors of the kernel as they are.
impl Read for &Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_raw(buf, Flags::NONE)
    }
}

/// As a writer (Python's `makefile`); not buffered.
impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send_raw(bytes, Flags::NONE)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The funnel, for calls that wait.
impl Socket {
    fn in_time<T>(&self, ready: PollFlags, call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        call_in_time(self.as_fd(), ready, Deadline::of(self.timeout()), call)
    }

    fn saw_received<T>(
        &self,
        began: Began,
        name: &'static str,
        buf: &[u8],
        flags: Flags,
        result: &io::Result<T>,
        count: impl FnOnce(&T) -> usize,
    ) {
        if !self.is_watched() {
            return;
        }
        let shown = result.as_ref().map(|answer| PythonBytes(&buf[..count(answer).min(buf.len())]));
        self.end(began, name, format_args!("{}{flags}", buf.len()), some(&shown));
    }
}

/// A result without a value, as an observer sees it.
pub(super) fn none(result: &io::Result<()>) -> Result<&dyn fmt::Display, i32> {
    match result {
        Ok(()) => Ok(&NOTHING),
        Err(error) => Err(observe::errno(error)),
    }
}

/// A result with a value, as an observer sees it.
fn some<'a, T: fmt::Display>(
    result: &'a Result<T, &io::Error>,
) -> Result<&'a dyn fmt::Display, i32> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => Err(observe::errno(error)),
    }
}

fn address(result: &io::Result<Address>) -> Result<PythonAddress<'_>, &io::Error> {
    result.as_ref().map(PythonAddress)
}
