//! A kernel stream socket as a channel: TCP and Unix streams, on tokio's own types, which measured best.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::conn::lookout::Lookout;
use crate::conn::{Channel, Kernel, Vitals};
use crate::error::{Error, Kind, Result};
use crate::socket::{SocketState, watch_room};

/// What tokio's stream sockets have in common, and does not say with a trait.
pub trait KernelStream: AsyncRead + AsyncWrite + AsFd + Unpin + Send + Sync + Sized {
    /// Whether the medium has resets, so that a broken pipe is one of which the kernel says no more. It says `ECONNRESET`
    /// once, to whoever asks first, and `EPIPE` to every send from then on: a splice(2) that had moved a part tells the
    /// part and swallows the error, and a reset that comes behind the peer's end is `EPIPE` from the first.
    const RESETS: bool;
    /// The same socket outside of the runtime.
    type Resting: AsFd + Send + Into<OwnedFd> + From<OwnedFd>;
    /// Takes it out of the runtime.
    fn rest(self) -> io::Result<Self::Resting>;
    /// Hands it to the current runtime again.
    fn resume(resting: Self::Resting) -> io::Result<Self>;
    /// Ready when a read may bring something.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Ready when a write may take something.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Runs an operation, and clears the readiness if it would block.
    fn attempt(
        &self,
        interest: Interest,
        operation: &mut dyn FnMut() -> io::Result<usize>,
    ) -> io::Result<usize>;
    /// What the kernel counts.
    fn vitals(socket: BorrowedFd<'_>) -> Option<Vitals>;
    /// Makes the close that follows a reset, where the medium has one.
    fn reset_on_close(socket: BorrowedFd<'_>);
}

/// A stream socket.
pub struct Wire<S: KernelStream> {
    state: WireState<S>,
    /// A send has heard that the peer tore it down. The kernel says so once, and from then on that all was received:
    /// what cut a stream short would look like its end.
    was_reset: bool,
    lookout: Lookout,
}

enum WireState<S: KernelStream> {
    /// The runtime tells of all that comes and of all room, wanted or not.
    Watched(S),
    /// The runtime tells of room alone: what comes is not wanted yet.
    Pouring(AsyncFd<OwnedFd>),
    /// Nobody waits for it, so nobody is woken.
    Resting(S::Resting),
    /// It was aborted.
    Gone,
}

impl<S: KernelStream> Wire<S> {
    /// Around a connected socket.
    pub fn new(stream: S) -> Self {
        Wire { state: WireState::Watched(stream), was_reset: false, lookout: Lookout::default() }
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            WireState::Watched(stream) => Some(stream.as_fd()),
            WireState::Pouring(pouring) => Some(pouring.get_ref().as_fd()),
            WireState::Resting(resting) => Some(resting.as_fd()),
            WireState::Gone => None,
        }
    }

    fn stream(&mut self, cx: &mut Context<'_>) -> Result<&mut S> {
        self.resume(cx).map_err(|error| failed("epoll_ctl", &error))?;
        match &mut self.state {
            WireState::Watched(stream) => Ok(stream),
            _ => Err(aborted()),
        }
    }

    /// Watches it for all again. Does nothing where it is.
    fn resume(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let waits_for_room = matches!(self.state, WireState::Pouring(_));
        self.state = match std::mem::replace(&mut self.state, WireState::Gone) {
            WireState::Resting(resting) => WireState::Watched(S::resume(resting)?),
            WireState::Pouring(pouring) => {
                WireState::Watched(S::resume(pouring.into_inner().into())?)
            }
            state => state,
        };
        // Whoever waited for room did so in the watch that is over.
        if let (WireState::Watched(stream), true) = (&self.state, waits_for_room)
            && stream.poll_writable(cx).is_ready()
        {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Runs a write as often as there is room for it, where that is all that it is watched for.
    fn poll_pour(
        pouring: &AsyncFd<OwnedFd>,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut room = ready!(pouring.poll_write_ready(cx))?;
            if let Ok(done) = room.try_io(|pouring| operation(pouring.get_ref().as_fd())) {
                return Poll::Ready(done);
            }
        }
    }

    /// Runs an operation as often as the stream is ready for it, until it no longer would block. What is not watched for
    /// it is tried at once, and stays as it is if that did it.
    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
        poll_ready: impl Fn(&S, &mut Context<'_>) -> Poll<io::Result<()>>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let would_block = |done: &io::Result<usize>| matches!(done, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        let unwatched = match &self.state {
            WireState::Pouring(pouring) if interest == Interest::WRITABLE => {
                return Self::poll_pour(pouring, cx, operation);
            }
            WireState::Pouring(pouring) => Some(pouring.get_ref().as_fd()),
            WireState::Resting(resting) => Some(resting.as_fd()),
            WireState::Watched(_) | WireState::Gone => None,
        };
        if let Some(socket) = unwatched {
            let done = operation(socket);
            if !would_block(&done) {
                return Poll::Ready(done);
            }
            self.resume(cx)?;
        }
        let WireState::Watched(stream) = &self.state else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            ready!(poll_ready(stream, cx))?;
            let done = stream.attempt(interest, &mut || operation(stream.as_fd()));
            if !would_block(&done) {
                return Poll::Ready(done);
            }
        }
    }
}

/// How the peer is gone, if it is, as of now: an error of the socket is a reset. Of a close in order only a medium without
/// resets tells, which is over in both directions then.
fn gone<S: KernelStream>(state: SocketState) -> Option<io::Result<()>> {
    if state.has_failed {
        return Some(Err(reset()));
    }
    (!S::RESETS && state.is_hung_up).then_some(Ok(()))
}

/// Whether a send has heard that the peer tore it down, on a medium that has resets or has none.
pub(crate) fn is_reset(has_resets: bool, error: &io::Error) -> bool {
    let is_broken = error.kind() == io::ErrorKind::BrokenPipe;
    error.kind() == io::ErrorKind::ConnectionReset || has_resets && is_broken
}

/// The error of whoever uses a conn after its abort.
pub(crate) fn aborted() -> Error {
    Error::new(Kind::ConnectionBroken, "the conn was aborted")
}

/// The system's word for it, where a send has heard it before.
pub(crate) fn reset() -> io::Error {
    io::Error::from_raw_os_error(libc::ECONNRESET)
}

impl<S: KernelStream> Channel for Wire<S> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        let mut into = ReadBuf::new(buf);
        match ready!(Pin::new(self.stream(cx)?).poll_read(cx, &mut into)) {
            Ok(()) if into.filled().is_empty() && self.was_reset => {
                Poll::Ready(Err(failed("recv", &reset())))
            }
            Ok(()) => Poll::Ready(Ok(Some(into.filled().len()).filter(|length| *length > 0))),
            Err(error) => Poll::Ready(Err(failed("recv", &error))),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let sent = ready!(Pin::new(self.stream(cx)?).poll_write(cx, buf));
        self.was_reset |= sent.as_ref().is_err_and(|error| is_reset(S::RESETS, error));
        Poll::Ready(sent.map_err(|error| failed("send", &error)))
    }

    /// What a write took is the kernel's already.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match ready!(Pin::new(self.stream(cx)?).poll_shutdown(cx)) {
            // The peer tore it down before we could end: nothing is left to end.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                Poll::Ready(Err(failed("shutdown", &error)))
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    fn abort(&mut self) {
        if let Some(socket) = self.as_fd() {
            S::reset_on_close(socket);
        }
        self.state = WireState::Gone;
    }

    /// A socket at rest rests on.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let socket = match &self.state {
            WireState::Watched(stream) => stream.as_fd(),
            WireState::Pouring(pouring) => pouring.get_ref().as_fd(),
            WireState::Resting(resting) => resting.as_fd(),
            WireState::Gone => return Poll::Ready(Err(aborted())),
        };
        let left = if self.was_reset {
            Err(reset())
        } else {
            ready!(self.lookout.poll(cx, socket, gone::<S>))
        };
        self.was_reset |= left.is_err();
        Poll::Ready(left.map_err(|error| failed("poll", &error)))
    }

    fn kernel(&mut self) -> Option<&mut dyn Kernel> {
        if matches!(self.state, WireState::Gone) { None } else { Some(self) }
    }

    fn vitals(&self) -> Option<Vitals> {
        S::vitals(self.as_fd()?)
    }
}

impl<S: KernelStream> Kernel for Wire<S> {
    fn descriptor(&mut self) -> Option<BorrowedFd<'_>> {
        self.as_fd()
    }

    fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let done = self.poll_with(cx, Interest::READABLE, S::poll_readable, operation);
        let is_end = matches!(done, Poll::Ready(Ok(0)));
        if is_end && self.was_reset { Poll::Ready(Err(reset())) } else { done }
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let done = self.poll_with(cx, Interest::WRITABLE, S::poll_writable, operation);
        self.was_reset |= matches!(&done, Poll::Ready(Err(error)) if is_reset(S::RESETS, error));
        done
    }

    fn rest(&mut self) {
        self.state = match std::mem::replace(&mut self.state, WireState::Gone) {
            // It fails only if the runtime is gone.
            WireState::Watched(stream) => stream.rest().map_or(WireState::Gone, WireState::Resting),
            WireState::Pouring(pouring) => WireState::Resting(pouring.into_inner().into()),
            state => state,
        };
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !matches!(self.state, WireState::Pouring(_)) {
            self.rest();
        }
        self.state = match std::mem::replace(&mut self.state, WireState::Gone) {
            WireState::Resting(resting) => WireState::Pouring(watch_room(resting)?),
            state => state,
        };
        match &self.state {
            WireState::Pouring(pouring) => pouring.poll_write_ready(cx).map_ok(drop),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn give_up(&mut self) -> Option<OwnedFd> {
        self.rest();
        match std::mem::replace(&mut self.state, WireState::Gone) {
            WireState::Resting(resting) => Some(resting.into()),
            WireState::Watched(_) | WireState::Pouring(_) | WireState::Gone => None,
        }
    }
}

/// A reset is said as a person knows it; the rest as the system says it.
pub(crate) fn failed(call: &str, error: &io::Error) -> Error {
    let error = Error::from_io(&format!("{call}()"), error);
    match error.kind() {
        Kind::ConnectionReset => error
            .with_message("the peer dropped the connection without goodbye (RST)")
            .why("often: it crashed, or it closed while our bytes were still unread"),
        Kind::ConnectionBroken => error
            .with_kind(Kind::ConnectionReset)
            .with_message("the peer closed the connection before it had taken all that we sent")
            .why("often: it crashed, or it had heard enough"),
        _ => error,
    }
}

macro_rules! stream {
    ($type:ty, $resets:expr, $resting:ty, $vitals:expr, $reset:expr) => {
        impl KernelStream for $type {
            const RESETS: bool = $resets;
            type Resting = $resting;

            fn rest(self) -> io::Result<$resting> {
                self.into_std()
            }

            fn resume(resting: $resting) -> io::Result<Self> {
                Self::from_std(resting)
            }

            fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(cx)
            }

            fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(cx)
            }

            fn attempt(
                &self,
                interest: Interest,
                operation: &mut dyn FnMut() -> io::Result<usize>,
            ) -> io::Result<usize> {
                self.try_io(interest, operation)
            }

            fn vitals(socket: BorrowedFd<'_>) -> Option<Vitals> {
                $vitals(socket)
            }

            fn reset_on_close(socket: BorrowedFd<'_>) {
                $reset(socket)
            }
        }
    };
}

stream!(
    TcpStream,
    true,
    std::net::TcpStream,
    |socket: BorrowedFd<'_>| crate::socket::tcp_info(socket).ok().map(|info| Vitals {
        round_trip: info.round_trip,
        resent: info.resent,
        is_sending: info.is_sending,
    }),
    |socket: BorrowedFd<'_>| {
        // SO_LINGER of zero: close sends RST and forgets what was not sent. An error means it is gone already.
        drop(socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)));
    }
);

// A Unix socket has no reset of its own: the kernel makes one where bytes are left unread.
stream!(
    UnixStream,
    false,
    std::os::unix::net::UnixStream,
    |_: BorrowedFd<'_>| None,
    |_: BorrowedFd<'_>| {}
);

#[cfg(test)]
mod tests;
