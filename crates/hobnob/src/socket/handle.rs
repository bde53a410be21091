//! The socket itself.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;

use super::observe::{self, Began, NOTHING, Observer, PythonAddress, PythonBytes, Watch};
use super::timed::{self, Deadline, Timeout, call_in_time};
use super::{Family, Flags, How, PeerProcess, Record, TcpInfo, Type, explain};
use crate::address::Address;
use crate::error::{Error, Kind, Result};
use crate::sys::call;
use crate::sys::info;
use crate::sys::name::Name;
use crate::sys::record;

/// A socket: its descriptor (close-on-exec), its timeout, and whoever watches it.
///
/// Methods take `&self`: the kernel takes calls from several threads. Dropping it closes it.
pub struct Socket {
    /// Shared with nobody but the runtime that watches it.
    fd: Arc<OwnedFd>,
    timeout: Timeout,
    watch: Option<Watch>,
}

/// Making one.
impl Socket {
    /// A new socket, blocking (socket(2)). `protocol` 0 is the type's usual one.
    pub fn new(family: Family, kind: Type, protocol: i32) -> Result<Self> {
        Self::open(family, kind, protocol, None)
    }

    /// A new socket whose every call, this first one included, is seen by the observer.
    pub fn open(
        family: Family,
        kind: Type,
        protocol: i32,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self> {
        let watch = observer.map(Watch::new);
        let began = observe::begin(watch.as_ref());
        let made = call::socket(family.number(), kind.number(), protocol);
        let number = made.as_ref().map(AsRawFd::as_raw_fd).map_err(observe::errno);
        let result = number.as_ref().map(|number| number as &dyn fmt::Display).map_err(|e| *e);
        let (f, k) = (family.name(), kind.name());
        let arguments = format_args!("{f}, {k}, {protocol}");
        observe::end(watch.as_ref(), began, None, "socket", arguments, result);
        let fd = made.map_err(|error| explain::socket(family, kind, protocol, &error))?;
        Ok(Socket { fd: Arc::new(fd), timeout: Timeout::new(None), watch })
    }

    /// Two sockets connected to each other, blocking (socketpair(2)); Unix sockets only.
    pub fn pair(kind: Type) -> Result<(Self, Self)> {
        let made = call::pair(libc::AF_UNIX, kind.number(), 0);
        let (one, other) = made.map_err(|error| {
            explain::data(&format!("socketpair(AF_UNIX, {})", kind.name()), &error)
        })?;
        Ok((Self::blocking(one), Self::blocking(other)))
    }

    /// The same socket, whose every call from now on is seen by the observer.
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.watch = Some(Watch::new(observer));
        self
    }

    /// For the async face, which tries until it is ready: the observer sees what came of it, not each try.
    pub(super) fn hide_waiting(&mut self) {
        self.watch = self.watch.take().map(Watch::without_waiting);
    }

    /// The descriptor's owner, for a runtime to watch.
    pub(super) fn owner(&self) -> Arc<OwnedFd> {
        self.fd.clone()
    }

    fn blocking(fd: OwnedFd) -> Self {
        Socket { fd: Arc::new(fd), timeout: Timeout::new(None), watch: None }
    }
}

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
        let result = result.map(|(fd, name)| {
            let watch = self.watch.as_ref().map(|watch| Watch::new(watch.observer()));
            let timeout = Timeout::new((!is_blocking).then_some(Duration::ZERO));
            (Socket { fd: Arc::new(fd), timeout, watch }, name.address())
        });
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

    /// Closes, and tells how that went (close(2)). Dropping closes too, and tells nobody.
    pub fn close(self) -> Result<()> {
        let began = self.begin();
        let number = Some(self.descriptor());
        let watch = self.watch.clone();
        let result = nix::unistd::close(OwnedFd::from(self)).map_err(io::Error::from);
        observe::end(watch.as_ref(), began, number, "close", format_args!(""), none(&result));
        result.map_err(|error| explain::data("close", &error))
    }
}

/// Its mode, and what it is.
impl Socket {
    /// Python's `settimeout`: none is blocking, zero is non-blocking, and above zero each operation as a whole is bounded.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        self.set_nonblocking(timeout.is_some())
            .map_err(|error| explain::data("fcntl(F_SETFL)", &error))?;
        self.timeout.set(timeout);
        Ok(())
    }

    /// Python's `gettimeout`.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.value()
    }

    /// Python's `setblocking`: the timeout none, or zero.
    pub fn set_blocking(&self, blocking: bool) -> Result<()> {
        self.set_timeout((!blocking).then_some(Duration::ZERO))
    }

    /// Python's `getblocking`: true with a timeout above zero too.
    pub fn is_blocking(&self) -> bool {
        self.timeout() != Some(Duration::ZERO)
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        let mut flags = OFlag::from_bits_retain(fcntl(self, FcntlArg::F_GETFL)?);
        flags.set(OFlag::O_NONBLOCK, nonblocking);
        fcntl(self, FcntlArg::F_SETFL(flags))?;
        Ok(())
    }

    /// The descriptor's number (Python's `fileno`); it stays the socket's own.
    pub fn descriptor(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// Its family (`SO_DOMAIN`); none where it is one that this library has no name for.
    pub fn family(&self) -> Option<Family> {
        let number = call::int_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_DOMAIN).ok()?;
        [Family::V4, Family::V6, Family::Unix].into_iter().find(|family| family.number() == number)
    }

    /// Its type (`SO_TYPE`).
    pub fn kind(&self) -> Option<Type> {
        let number = call::int_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_TYPE).ok()?;
        Type::of_number(number)
    }

    /// Takes the pending error (`SO_ERROR`): how a connect ended, an ICMP refusal. Reading it clears it.
    pub fn take_error(&self) -> Result<Option<Error>> {
        let taken = info::take_error(self.as_fd());
        let taken = taken.map_err(|error| explain::data("getsockopt(SO_ERROR)", &error))?;
        Ok(taken.map(|error| explain::data("getsockopt(SO_ERROR)", &error)))
    }

    /// Who made the other end of a Unix socket (unix(7) `SO_PEERCRED`).
    pub fn peer_process(&self) -> Result<PeerProcess> {
        info::peer_process(self.as_fd())
            .map_err(|error| explain::data("getsockopt(SO_PEERCRED)", &error))
    }

    /// The kernel's figures on a TCP connection (tcp(7) `TCP_INFO`).
    pub fn tcp_info(&self) -> Result<TcpInfo> {
        info::tcp_info(self.as_fd()).map_err(|error| explain::data("getsockopt(TCP_INFO)", &error))
    }

    /// The mode, such as `0o600`, that a Unix socket's file has from the first instant; before bind. The umask is taken
    /// off it and is not changed (fchmod(2); Linux takes the file's mode from the descriptor's).
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        let began = self.begin();
        let result = info::set_mode(self.as_fd(), mode);
        self.end(began, "fchmod", format_args!("0o{mode:o}"), none(&result));
        result.map_err(|error| explain::data(&format!("fchmod(0o{mode:o})"), &error))
    }
}

/// The funnel.
impl Socket {
    fn in_time<T>(&self, ready: PollFlags, call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        call_in_time(self.as_fd(), ready, Deadline::of(self.timeout()), call)
    }

    pub(super) fn begin(&self) -> Began {
        observe::begin(self.watch.as_ref())
    }

    pub(super) fn end(
        &self,
        began: Began,
        name: &'static str,
        arguments: fmt::Arguments<'_>,
        result: Result<&dyn fmt::Display, i32>,
    ) {
        let number = Some(self.descriptor());
        observe::end(self.watch.as_ref(), began, number, name, arguments, result);
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
        if self.watch.is_none() {
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

/// Takes a descriptor over: non-blocking if it is, else blocking.
impl From<OwnedFd> for Socket {
    fn from(fd: OwnedFd) -> Self {
        let flags = fcntl(&fd, FcntlArg::F_GETFL).unwrap_or(0);
        let is_nonblocking = flags & libc::O_NONBLOCK != 0;
        let timeout = Timeout::new(is_nonblocking.then_some(Duration::ZERO));
        Socket { fd: Arc::new(fd), timeout, watch: None }
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        Arc::into_inner(socket.fd).expect("only an AsyncSocket shares it, and keeps its Socket")
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Socket");
        shown.field("descriptor", &self.descriptor()).field("family", &self.family());
        shown.field("kind", &self.kind()).field("timeout", &self.timeout()).finish()
    }
}
