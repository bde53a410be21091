//! A kernel stream socket as a channel: TCP and Unix streams, on tokio's own types, which measured best.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::conn::{Channel, Kernel, Vitals};
use crate::error::{Error, Kind, Result};

/// What tokio's stream sockets have in common, and does not say with a trait.
pub trait Stream: AsyncRead + AsyncWrite + AsFd + Unpin + Send {
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
    fn vitals(&self) -> Option<Vitals>;
    /// Makes the close that follows a reset, where the medium has one.
    fn reset_on_close(&self);
}

/// A stream socket. Empty once it was aborted.
pub struct Wire<S>(Option<S>);

impl<S: Stream> Wire<S> {
    /// Around a connected socket.
    pub fn new(stream: S) -> Self {
        Wire(Some(stream))
    }

    fn stream(&mut self) -> Result<&mut S> {
        self.0.as_mut().ok_or_else(|| Error::new(Kind::ConnectionBroken, "the conn was aborted"))
    }

    /// Runs an operation as often as the stream is ready for it, until it no longer would block.
    fn poll_with(
        &self,
        interest: Interest,
        mut poll_ready: impl FnMut(&S) -> Poll<io::Result<()>>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = &self.0 else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        loop {
            ready!(poll_ready(stream))?;
            let done = stream.attempt(interest, &mut || operation(stream.as_fd()));
            if !matches!(&done, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                return Poll::Ready(done);
            }
        }
    }
}

impl<S: Stream> Channel for Wire<S> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        let mut into = ReadBuf::new(buf);
        match ready!(Pin::new(self.stream()?).poll_read(cx, &mut into)) {
            Ok(()) => Poll::Ready(Ok(Some(into.filled().len()).filter(|length| *length > 0))),
            Err(error) => Poll::Ready(Err(failed("recv", &error))),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let sent = ready!(Pin::new(self.stream()?).poll_write(cx, buf));
        Poll::Ready(sent.map_err(|error| failed("send", &error)))
    }

    /// What a write took is the kernel's already.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match ready!(Pin::new(self.stream()?).poll_shutdown(cx)) {
            // The peer tore it down before we could end: nothing is left to end.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                Poll::Ready(Err(failed("shutdown", &error)))
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    fn abort(&mut self) {
        if let Some(stream) = self.0.take() {
            stream.reset_on_close();
        }
    }

    fn kernel(&mut self) -> Option<&mut dyn Kernel> {
        if self.0.is_some() { Some(self) } else { None }
    }

    fn vitals(&self) -> Option<Vitals> {
        self.0.as_ref().and_then(Stream::vitals)
    }
}

impl<S: Stream> Kernel for Wire<S> {
    fn descriptor(&mut self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_with(Interest::READABLE, |stream| stream.poll_readable(cx), operation)
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_with(Interest::WRITABLE, |stream| stream.poll_writable(cx), operation)
    }
}

/// A reset is said as a person knows it; the rest as the system says it.
pub fn failed(call: &str, error: &io::Error) -> Error {
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
    ($type:ty, $vitals:expr, $reset:expr) => {
        impl Stream for $type {
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

            fn vitals(&self) -> Option<Vitals> {
                $vitals(self)
            }

            fn reset_on_close(&self) {
                $reset(self)
            }
        }
    };
}

stream!(
    TcpStream,
    |stream: &TcpStream| crate::socket::tcp_info(stream.as_fd())
        .ok()
        .map(|info| Vitals { round_trip: info.round_trip, resent: info.resent }),
    |stream: &TcpStream| {
        // SO_LINGER of zero: close sends RST and forgets what was not sent. An error means it is gone already.
        drop(socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)));
    }
);

// A Unix socket has no reset of its own: the kernel makes one where bytes are left unread.
stream!(UnixStream, |_: &UnixStream| None, |_: &UnixStream| {});
