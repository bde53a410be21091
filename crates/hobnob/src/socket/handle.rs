//! The socket itself: how one is made, shared and given up.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};

use super::observe::{self, Began, Carried, Observer, WaitsFor, Watch, none};
use super::timed::Timeout;
use super::{Family, Type, explain};
use crate::error::Result;
use crate::sys::call;

/// A socket: its descriptor (close-on-exec), its timeout, and whoever watches it.
///
/// Methods take `&self`: the kernel takes calls from several threads. Dropping it closes it.
///
/// Its **mode** is Python's ([`set_timeout`](Self::set_timeout)). *Blocking*, which a new socket is: a call waits as long
/// as it takes. *With a timeout*: a call that has waited for so long ends with `Kind::TimedOut`. *Non-blocking*: a call that
/// would have to wait ends at once with `Kind::WouldBlock`. A call that a signal interrupts is made again (PEP 475).
pub struct Socket {
    /// Shared with nobody but the runtime that watches it. None only while it is given away or closed.
    fd: Option<Arc<OwnedFd>>,
    pub(super) timeout: Timeout,
    /// Boxed: hardly any is watched, and thousands lie idle.
    watch: Option<Box<Watch>>,
}

/// Making one.
impl Socket {
    /// A new socket, blocking and close-on-exec. `protocol` 0 is the type's usual one.
    ///
    /// Python `socket.socket(family, type, proto)`, C `socket(2)`. It never waits.
    ///
    /// # Errors
    /// `Kind::RawSocketDenied` (`EPERM`) for a raw socket without the right to it, `Kind::TooManyFiles` (`EMFILE`, `ENFILE`),
    /// `Kind::System` (`EAFNOSUPPORT`, `EPROTONOSUPPORT`, `ESOCKTNOSUPPORT`) for what this kernel does not have.
    ///
    /// ```
    /// use hobnob::socket::{Family, Socket, Type};
    /// let socket = Socket::new(Family::V6, Type::Datagram, 0)?;
    /// assert_eq!((socket.family(), socket.kind()), (Some(Family::V6), Some(Type::Datagram)));
    /// # Ok::<(), hobnob::Error>(())
    /// ```
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
        let carried = Carried { made: number.as_ref().ok().copied(), ..Carried::default() };
        observe::end(watch.as_deref(), began, None, "socket", arguments, result, carried);
        let fd = made.map_err(|error| explain::socket(family, kind, protocol, &error))?;
        Ok(Self::of(fd, None, watch))
    }

    /// Two Unix sockets connected to each other, blocking.
    ///
    /// Python `socket.socketpair(AF_UNIX, type)`, C `socketpair(2)`. It never waits.
    ///
    /// # Errors
    /// `Kind::TooManyFiles` (`EMFILE`, `ENFILE`), `Kind::System` (`ESOCKTNOSUPPORT`) for a type that Unix sockets do not have.
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// let (one, other) = Socket::pair(Type::Seqpacket)?;
    /// one.send(b"a record", Flags::NONE)?;
    /// assert_eq!(other.recv(&mut [0; 64], Flags::NONE)?, 8);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn pair(kind: Type) -> Result<(Self, Self)> {
        let made = call::pair(libc::AF_UNIX, kind.number(), 0);
        let (one, other) = made.map_err(|error| {
            explain::data(&format!("socketpair(AF_UNIX, {})", kind.name()), &error)
        })?;
        Ok((Self::of(one, None, None), Self::of(other, None, None)))
    }

    /// Takes over a descriptor that was inherited or received, if it is a socket's: non-blocking if it is, else blocking.
    ///
    /// Python `socket.socket(fileno=fd)` and `socket.fromfd`, which duplicates first; in C it is the number itself. It never
    /// waits. `Socket::from(fd)` does the same unasked.
    ///
    /// # Errors
    /// `Kind::System` (`ENOTSOCK`) where it is something else; the descriptor is closed then.
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// let again = Socket::from_fd(one.into_fd())?;
    /// again.send(b"x", Flags::NONE)?;
    /// assert_eq!(other.recv(&mut [0; 8], Flags::NONE)?, 1);
    /// let file = std::fs::File::open("/dev/null").unwrap();
    /// assert_eq!(Socket::from_fd(file.into()).unwrap_err().errno(), Some(88), "ENOTSOCK");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        call::int_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_TYPE)
            .map_err(|error| explain::data("getsockopt(SOL_SOCKET, SO_TYPE)", &error))?;
        Ok(Self::from(fd))
    }

    /// Gives the descriptor away, open as it is.
    ///
    /// Python `detach`. It never waits and never fails.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// use std::os::fd::AsRawFd;
    /// let (one, _other) = Socket::pair(Type::Stream)?;
    /// let number = one.descriptor();
    /// assert_eq!(one.into_fd().as_raw_fd(), number);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn into_fd(self) -> OwnedFd {
        self.into()
    }

    /// A second descriptor, close-on-exec, of the same socket: what one of them sets or shuts down holds for both, and the
    /// connection ends when both are closed. It has this one's timeout and observer.
    ///
    /// Python `dup`, C `fcntl(F_DUPFD_CLOEXEC)`. It never waits.
    ///
    /// # Errors
    /// `Kind::TooManyFiles` (`EMFILE`).
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// let second = one.dup()?;
    /// drop(one);
    /// second.send(b"still open", Flags::NONE)?;
    /// assert_eq!(other.recv(&mut [0; 64], Flags::NONE)?, 10);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn dup(&self) -> Result<Self> {
        let began = self.begin();
        let result = self.as_fd().try_clone_to_owned();
        let number = result.as_ref().map(AsRawFd::as_raw_fd);
        let carried = Carried { made: number.as_ref().ok().copied(), ..Carried::default() };
        let arguments = format_args!("F_DUPFD_CLOEXEC, 3");
        self.end_carrying(began, "fcntl", arguments, observe::some(&number), carried);
        let fd = result.map_err(|error| explain::data("fcntl(F_DUPFD_CLOEXEC)", &error))?;
        Ok(Self::of(fd, self.timeout(), self.watch.clone()))
    }

    /// Closes, and tells how that went. Dropping closes too, and tells the observer alone.
    ///
    /// Python `close`, C `close(2)`. What was sent goes on its way, and the close does not wait for it, unless
    /// [`SocketOption::Linger`](super::SocketOption::Linger) says so. Bytes that came and were not read make it a reset
    /// (RFC 2525, 2.17). A [`dup`](Self::dup) keeps the connection open.
    ///
    /// # Errors
    /// `Kind::System` (`EIO` ...); the descriptor is gone all the same.
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// one.close()?;
    /// assert_eq!(other.recv(&mut [0; 8], Flags::NONE)?, 0, "the end");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn close(mut self) -> Result<()> {
        let watch = self.watch.take();
        let fd = self.give_up().expect("nobody else has given it up");
        close(fd, watch.as_deref()).map_err(|error| explain::data("close", &error))
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
        Self::of(fd, (!is_blocking).then_some(Duration::ZERO), watch)
    }

    /// The descriptor's owner, for a runtime to watch.
    pub(super) fn owner(&self) -> Arc<OwnedFd> {
        self.shared().clone()
    }

    fn of(fd: OwnedFd, timeout: Option<Duration>, watch: Option<Box<Watch>>) -> Self {
        Socket { fd: Some(Arc::new(fd)), timeout: Timeout::new(timeout), watch }
    }

    fn shared(&self) -> &Arc<OwnedFd> {
        self.fd.as_ref().expect("whoever gives it up has the socket for itself")
    }

    /// None where it was given up before.
    fn give_up(&mut self) -> Option<OwnedFd> {
        let shared = self.fd.take()?;
        Some(Arc::into_inner(shared).expect("only an AsyncSocket shares it, and keeps its Socket"))
    }
}

fn close(fd: OwnedFd, watch: Option<&Watch>) -> io::Result<()> {
    let (began, number) = (observe::begin(watch), Some(fd.as_raw_fd()));
    let result = nix::unistd::close(fd).map_err(io::Error::from);
    let arguments = format_args!("");
    observe::end(watch, began, number, "close", arguments, none(&result), Carried::default());
    result
}

/// Closes it. An observer sees that.
impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take()
            && let Some(fd) = self.give_up()
        {
            // Nobody is left to hear of an error, and the descriptor is gone all the same.
            drop(close(fd, Some(&watch)));
        }
    }
}

/// The funnel.
impl Socket {
    /// Whether an observer sees its calls.
    pub(crate) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Notes that something to receive is waited for from now on, for the observer.
    pub(crate) fn awaits_input(&self) {
        self.wait(WaitsFor::Arrival);
    }

    /// Notes that room to send is waited for from now on, for the observer.
    pub(crate) fn awaits_room(&self) {
        self.wait(WaitsFor::Room);
    }

    /// Notes that a call in this direction is tried from now on, for the observer.
    pub(super) fn wait(&self, direction: WaitsFor) {
        if let Some(watch) = &self.watch {
            watch.wait(direction);
        }
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
        self.end_carrying(began, name, arguments, result, Carried::default());
    }

    pub(super) fn end_carrying(
        &self,
        began: Began,
        name: &'static str,
        arguments: fmt::Arguments<'_>,
        result: Result<&dyn fmt::Display, i32>,
        carried: Carried<'_>,
    ) {
        let number = Some(self.as_raw_fd());
        observe::end(self.watch.as_deref(), began, number, name, arguments, result, carried);
    }
}

/// Takes a descriptor over: non-blocking if it is, else blocking.
impl From<OwnedFd> for Socket {
    fn from(fd: OwnedFd) -> Self {
        let flags = fcntl(&fd, FcntlArg::F_GETFL).unwrap_or(0);
        let is_nonblocking = flags & libc::O_NONBLOCK != 0;
        Self::of(fd, is_nonblocking.then_some(Duration::ZERO), None)
    }
}

impl From<Socket> for OwnedFd {
    fn from(mut socket: Socket) -> Self {
        socket.give_up().expect("nobody else has given it up")
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared().as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.shared().as_raw_fd()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Socket");
        shown.field("descriptor", &self.descriptor()).field("family", &self.family());
        shown.field("kind", &self.kind()).field("timeout", &self.timeout()).finish()
    }
}
