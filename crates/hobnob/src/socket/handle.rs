//! The socket itself.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::observe::{self, Began, Observer, Watch, none, some};
use super::timed::Timeout;
use super::{Family, PeerProcess, TcpInfo, Type, explain};
use crate::error::{Error, Result};
use crate::sys::call;
use crate::sys::info;

/// A socket: its descriptor (close-on-exec), its timeout, and whoever watches it.
///
/// Methods take `&self`: the kernel takes calls from several threads. Dropping it closes it.
pub struct Socket {
    /// Shared with nobody but the runtime that watches it.
    fd: Arc<OwnedFd>,
    timeout: Timeout,
    /// Boxed: hardly any is watched, and thousands lie idle.
    watch: Option<Box<Watch>>,
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
        let watch = observer.map(|observer| Box::new(Watch::new(observer)));
        let began = observe::begin(watch.as_deref());
        let made = call::socket(family.number(), kind.number(), protocol);
        let number = made.as_ref().map(AsRawFd::as_raw_fd).map_err(observe::errno);
        let result = number.as_ref().map(|number| number as &dyn fmt::Display).map_err(|e| *e);
        let (f, k) = (family.name(), kind.name());
        let arguments = format_args!("{f}, {k}, {protocol}");
        observe::end(watch.as_deref(), began, None, "socket", arguments, result);
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
        self.watch = Some(Box::new(Watch::new(observer)));
        self
    }

    /// For the async face, which tries until it is ready: the observer sees what came of it, not each try.
    pub(super) fn hide_waiting(&mut self) {
        self.watch = self.watch.take().map(|watch| Box::new(watch.without_waiting()));
    }

    /// What this listener has accepted.
    pub(super) fn accepted(&self, fd: OwnedFd, is_blocking: bool) -> Socket {
        let watch = self.watch.as_ref().map(|watch| Box::new(Watch::new(watch.observer())));
        let timeout = Timeout::new((!is_blocking).then_some(Duration::ZERO));
        Socket { fd: Arc::new(fd), timeout, watch }
    }

    /// Closes, and tells how that went (close(2)). Dropping closes too, and tells nobody.
    pub fn close(self) -> Result<()> {
        let (began, number) = (self.begin(), Some(self.descriptor()));
        let watch = self.watch.clone();
        let result = nix::unistd::close(OwnedFd::from(self)).map_err(io::Error::from);
        observe::end(watch.as_deref(), began, number, "close", format_args!(""), none(&result));
        result.map_err(|error| explain::data("close", &error))
    }

    /// The descriptor's owner, for a runtime to watch.
    pub(super) fn owner(&self) -> Arc<OwnedFd> {
        self.fd.clone()
    }

    fn blocking(fd: OwnedFd) -> Self {
        Socket { fd: Arc::new(fd), timeout: Timeout::new(None), watch: None }
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
        let all = [Family::V4, Family::V6, Family::Unix, Family::Packet];
        all.into_iter().find(|family| family.number() == number)
    }

    /// Its type (`SO_TYPE`).
    pub fn kind(&self) -> Option<Type> {
        let number = call::int_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_TYPE).ok()?;
        Type::of_number(number)
    }

    /// Takes the pending error (`SO_ERROR`): how a connect ended, an ICMP refusal. Reading it clears it.
    pub fn take_error(&self) -> Result<Option<Error>> {
        let pending = |taken: &Option<io::Error>| taken.as_ref().map_or(0, observe::errno);
        let taken = self.ask("SOL_SOCKET, SO_ERROR", info::take_error, pending)?;
        Ok(taken.map(|error| explain::data("getsockopt(SOL_SOCKET, SO_ERROR)", &error)))
    }

    /// Who made the other end of a Unix socket (unix(7) `SO_PEERCRED`).
    pub fn peer_process(&self) -> Result<PeerProcess> {
        self.ask("SOL_SOCKET, SO_PEERCRED", info::peer_process, |peer| {
            format!("pid {}, uid {}, gid {}", peer.pid, peer.uid, peer.gid)
        })
    }

    /// The kernel's figures on a TCP connection (tcp(7) `TCP_INFO`).
    pub fn tcp_info(&self) -> Result<TcpInfo> {
        self.ask("IPPROTO_TCP, TCP_INFO", info::tcp_info, |info| {
            format!("round trip {:?}, resent {}", info.round_trip, info.resent)
        })
    }

    fn ask<T, S: fmt::Display>(
        &self,
        option: &str,
        read: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
        show: impl FnOnce(&T) -> S,
    ) -> Result<T> {
        let began = self.begin();
        let result = read(self.as_fd());
        if self.is_watched() {
            let shown = result.as_ref().map(show);
            self.end(began, "getsockopt", format_args!("{option}"), some(&shown));
        }
        result.map_err(|error| explain::data(&format!("getsockopt({option})"), &error))
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
    pub(super) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    pub(super) fn begin(&self) -> Began {
        observe::begin(self.watch.as_deref())
    }

    pub(super) fn end(
        &self,
        began: Began,
        name: &'static str,
        arguments: fmt::Arguments<'_>,
        result: Result<&dyn fmt::Display, i32>,
    ) {
        let number = Some(self.descriptor());
        observe::end(self.watch.as_deref(), began, number, name, arguments, result);
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
