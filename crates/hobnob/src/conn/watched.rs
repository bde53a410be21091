//! A kernel stream socket whose calls somebody watches: the same channel as a [`Wire`](super::wire::Wire), on a socket that
//! tells of each call. It is no bare socket to others, so that no byte passes by unseen, such as by splice(2).

use std::os::fd::{AsFd as _, BorrowedFd};
use std::task::{Context, Poll, ready};

use crate::conn::lookout::Lookout;
use crate::conn::wire::{aborted, failed};
use crate::conn::{Channel, Vitals};
use crate::error::{Error, Result};
use crate::socket::{AsyncSocket, Shutdown, Socket, SocketOption, SocketState};
use crate::spec::Value;

/// A stream socket. Empty once it was aborted.
pub(crate) struct WatchedStream {
    socket: Option<AsyncSocket>,
    /// Whether it is TCP: the medium has resets, and the kernel counts.
    is_tcp: bool,
    /// A send has heard that the peer tore it down, of which the kernel tells once.
    was_reset: bool,
    lookout: Lookout,
}

impl WatchedStream {
    /// Around a connected socket, of TCP or of a Unix stream.
    pub(crate) fn new(socket: AsyncSocket, is_tcp: bool) -> Self {
        let lookout = Lookout::default();
        WatchedStream { socket: Some(socket), is_tcp, was_reset: false, lookout }
    }

    fn socket(&self) -> Result<&AsyncSocket> {
        self.socket.as_ref().ok_or_else(aborted)
    }

    fn is_reset(&self, error: &Error) -> bool {
        match error.errno() {
            Some(libc::ECONNRESET) => true,
            Some(libc::EPIPE) => self.is_tcp,
            _ => false,
        }
    }
}

fn reset(call: &str) -> Error {
    failed(call, &std::io::Error::from_raw_os_error(libc::ECONNRESET))
}

/// The error as whoever uses a conn is told it.
fn told(call: &str, error: Error) -> Error {
    match error.errno() {
        Some(errno) => failed(call, &std::io::Error::from_raw_os_error(errno)),
        None => error,
    }
}

impl Channel for WatchedStream {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        match ready!(self.socket()?.poll_recv(cx, buf)) {
            Ok(0) if self.was_reset => Poll::Ready(Err(reset("recv"))),
            Ok(length) => Poll::Ready(Ok(Some(length).filter(|length| *length > 0))),
            Err(error) => Poll::Ready(Err(told("recv", error))),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let sent = ready!(self.socket()?.poll_send(cx, buf));
        self.was_reset |= sent.as_ref().is_err_and(|error| self.is_reset(error));
        Poll::Ready(sent.map_err(|error| told("send", error)))
    }

    /// What a send took is the kernel's already.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        match self.socket()?.shutdown(Shutdown::Write) {
            // The peer tore it down before we could end: nothing is left to end.
            Err(error) if error.errno() != Some(libc::ENOTCONN) => {
                Poll::Ready(Err(told("shutdown", error)))
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    fn abort(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.is_tcp) {
            // With SO_LINGER of zero, close sends RST and forgets what was not sent. An error means it is gone already.
            let zero = Value::Duration(std::time::Duration::ZERO);
            drop(socket.socket().set_option(SocketOption::Linger, &zero));
        }
        self.close();
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(socket) = &self.socket else { return Poll::Ready(Err(aborted())) };
        if !self.was_reset {
            let is_tcp = self.is_tcp;
            let gone = |state: SocketState| {
                let is_gone = state.has_failed || !is_tcp && state.is_hung_up;
                is_gone.then_some(state.has_failed)
            };
            self.was_reset = ready!(self.lookout.poll(cx, socket.as_fd(), gone));
        }
        Poll::Ready(if self.was_reset { Err(reset("poll")) } else { Ok(()) })
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(|socket| socket.as_fd())
    }

    fn give_up(&mut self) -> Option<Socket> {
        self.socket.take().map(AsyncSocket::into_socket)
    }

    fn vitals(&self) -> Option<Vitals> {
        let socket = self.socket.as_ref().filter(|_| self.is_tcp)?;
        let info = crate::socket::tcp_info(socket.as_fd()).ok()?;
        let (round_trip, resent) = (info.round_trip, info.resent);
        Some(Vitals { round_trip, resent, is_sending: info.is_sending })
    }
}

impl WatchedStream {
    /// Closes it; what the kernel has counted until then is asked for before, for whoever watches.
    fn close(&mut self) {
        if let Some(socket) = self.socket.take()
            && self.is_tcp
        {
            drop(socket.socket().tcp_info());
        }
    }
}

impl Drop for WatchedStream {
    fn drop(&mut self) {
        self.close();
    }
}
