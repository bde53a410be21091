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
pub struct Wire<S> {
    stream: Option<S>,
    /// A send has heard that the peer tore it down. The kernel says so once, and from then on that all was received:
    /// what cut a stream short would look like its end.
    was_reset: bool,
}

impl<S: Stream> Wire<S> {
    /// Around a connected socket.
    pub fn new(stream: S) -> Self {
        Wire { stream: Some(stream), was_reset: false }
    }

    fn stream(&mut self) -> Result<&mut S> {
        self.stream
            .as_mut()
            .ok_or_else(|| Error::new(Kind::ConnectionBroken, "the conn was aborted"))
    }

    /// Runs an operation as often as the stream is ready for it, until it no longer would block.
    fn poll_with(
        &self,
        interest: Interest,
        mut poll_ready: impl FnMut(&S) -> Poll<io::Result<()>>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = &self.stream else {
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

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

/// The system's word for it, where a send has heard it before.
fn reset() -> io::Error {
    io::Error::from_raw_os_error(libc::ECONNRESET)
}

impl<S: Stream> Channel for Wire<S> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        let mut into = ReadBuf::new(buf);
        match ready!(Pin::new(self.stream()?).poll_read(cx, &mut into)) {
            Ok(()) if into.filled().is_empty() && self.was_reset => {
                Poll::Ready(Err(failed("recv", &reset())))
            }
            Ok(()) => Poll::Ready(Ok(Some(into.filled().len()).filter(|length| *length > 0))),
            Err(error) => Poll::Ready(Err(failed("recv", &error))),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let sent = ready!(Pin::new(self.stream()?).poll_write(cx, buf));
        self.was_reset |= sent.as_ref().is_err_and(is_reset);
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
        if let Some(stream) = self.stream.take() {
            stream.reset_on_close();
        }
    }

    fn kernel(&mut self) -> Option<&mut dyn Kernel> {
        if self.stream.is_some() { Some(self) } else { None }
    }

    fn vitals(&self) -> Option<Vitals> {
        self.stream.as_ref().and_then(Stream::vitals)
    }
}

impl<S: Stream> Kernel for Wire<S> {
    fn descriptor(&mut self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(AsFd::as_fd)
    }

    fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let done = self.poll_with(Interest::READABLE, |stream| stream.poll_readable(cx), operation);
        let is_end = matches!(done, Poll::Ready(Ok(0)));
        if is_end && self.was_reset { Poll::Ready(Err(reset())) } else { done }
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let done = self.poll_with(Interest::WRITABLE, |stream| stream.poll_writable(cx), operation);
        self.was_reset |= matches!(&done, Poll::Ready(Err(error)) if is_reset(error));
        done
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    use tokio::net::TcpListener;

    /// Both ends of a connection.
    async fn pair() -> (Wire<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let to = listener.local_addr().expect("it is bound");
        let here = TcpStream::connect(to).await.expect("somebody listens");
        (Wire::new(here), listener.accept().await.expect("a conn").0)
    }

    async fn until_broken(wire: &mut Wire<TcpStream>) -> Error {
        loop {
            if let Err(error) = poll_fn(|cx| wire.poll_send(cx, b"x")).await {
                return error;
            }
        }
    }

    async fn received(wire: &mut Wire<TcpStream>) -> Result<Option<usize>> {
        poll_fn(|cx| wire.poll_recv(cx, &mut [0; 8])).await
    }

    #[tokio::test]
    async fn a_reset_that_a_send_has_heard_of_is_not_an_end_for_the_next_receive() {
        let (mut here, there) = pair().await;
        there.set_zero_linger().expect("it is open");
        drop(there);
        assert_eq!(until_broken(&mut here).await.kind(), Kind::ConnectionReset);
        for _ in 0..2 {
            let error = received(&mut here).await.expect_err("a reset");
            assert_eq!(error.kind(), Kind::ConnectionReset);
        }
        let spliced = poll_fn(|cx| here.poll_read_with(cx, &mut |_| Ok(0))).await;
        assert_eq!(spliced.expect_err("a reset").kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn an_end_in_order_stays_one_although_the_peer_takes_no_more() {
        let (mut here, there) = pair().await;
        drop(there);
        assert_eq!(received(&mut here).await.expect("in order"), None);
        until_broken(&mut here).await;
        assert_eq!(received(&mut here).await.expect("in order"), None);
    }
}
