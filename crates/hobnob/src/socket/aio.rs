//! The async face: a socket that a runtime watches.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Batch, Flags, How, Outgoing, Record, Sent, Socket, explain};
use crate::address::Address;
use crate::error::{Error, Result};
use crate::sys::watch::watch;

/// A non-blocking socket that belongs to the runtime that was current when it was made.
///
/// Every method may be given up at any time: a call either was made or was not. One task at a time waits in each direction
/// of the `poll_` methods; the async methods may wait in any number.
pub struct AsyncSocket {
    // Dropped first: the runtime's share of the descriptor goes before the socket's.
    watched: AsyncFd<Arc<OwnedFd>>,
    socket: Socket,
}

impl AsyncSocket {
    /// Makes the socket non-blocking and hands it to the current runtime. Panics outside of one.
    pub fn new(mut socket: Socket) -> Result<Self> {
        socket.set_blocking(false)?;
        socket.hide_waiting();
        let watched = watch(socket.owner());
        let watched = watched.map_err(|error| Error::from_io("epoll_ctl", &error))?;
        Ok(AsyncSocket { watched, socket })
    }

    /// The socket itself: options, addresses.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Takes it back from the runtime, still non-blocking.
    pub fn into_socket(self) -> Socket {
        drop(self.watched);
        self.socket
    }

    /// Accepts; the new socket is non-blocking, and still to be handed to the runtime that it will live on.
    pub async fn accept(&self) -> Result<(Socket, Address)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Connects. Bounded by nothing but the kernel's own patience (about 2 minutes): the caller's timer ends it.
    pub async fn connect(&self, to: &Address) -> Result<()> {
        let name = Socket::reachable(to)?;
        let began = self.socket().begin();
        let result = self.connect_to_end(&name).await;
        let address = super::observe::PythonAddress(to);
        let seen = super::handle::none(&result);
        self.socket().end(began, "connect", format_args!("{address}"), seen);
        result.map_err(|error| explain::connect(self.socket(), to, None, &error))
    }

    async fn connect_to_end(&self, name: &crate::sys::name::Name) -> io::Result<()> {
        let mut pause = Duration::from_millis(1);
        loop {
            let Err(error) = crate::sys::call::connect(self.socket().as_fd(), name) else {
                return Ok(());
            };
            match error.raw_os_error() {
                Some(libc::EINPROGRESS | libc::EINTR) => break,
                // A Unix listener whose queue is full: no descriptor tells when there is room, so ask again.
                Some(libc::EAGAIN) if name.is_unix() => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        // Before the connect the socket was writable in its own way (POLLHUP): wait for what comes after it.
        loop {
            let mut guard = self.watched.writable().await?;
            if let Some(error) = crate::sys::info::take_error(self.socket().as_fd())? {
                return Err(error);
            }
            match crate::sys::call::peer_name(self.socket().as_fd()) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => guard.clear_ready(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives as [`Socket::recv`].
    pub async fn recv(&self, buf: &mut [u8]) -> Result<usize> {
        poll_fn(|cx| self.poll_recv(cx, buf)).await
    }

    /// Receives as [`Socket::recv_from`].
    pub async fn recv_from(&self, buf: &mut [u8]) -> Result<(usize, Address)> {
        poll_fn(|cx| self.poll_recv_from(cx, buf)).await
    }

    /// Receives as [`Socket::recv_record`].
    pub async fn recv_record(&self, buf: &mut [u8]) -> Result<Option<Record>> {
        poll_fn(|cx| self.poll_recv_record(cx, buf)).await
    }

    /// Sends as [`Socket::send`].
    pub async fn send(&self, bytes: &[u8]) -> Result<usize> {
        poll_fn(|cx| self.poll_send(cx, bytes)).await
    }

    /// Sends all of it. Given up in between, nobody knows how much went.
    pub async fn send_all(&self, bytes: &[u8]) -> Result<()> {
        let mut sent = 0;
        loop {
            sent += self.send(&bytes[sent..]).await?;
            if sent >= bytes.len() {
                return Ok(());
            }
        }
    }

    /// Sends as [`Socket::send_to`].
    pub async fn send_to(&self, bytes: &[u8], to: &Address) -> Result<usize> {
        poll_fn(|cx| self.poll_send_to(cx, bytes, to)).await
    }

    /// Ends directions; does not wait.
    pub fn shutdown(&self, how: How) -> Result<()> {
        self.socket().shutdown(how)
    }

    /// Waits until there is something to receive, the end included.
    pub async fn readable(&self) -> Result<()> {
        poll_fn(|cx| self.poll_read_ready(cx)).await
    }

    /// Waits until something can be sent.
    pub async fn writable(&self) -> Result<()> {
        poll_fn(|cx| self.poll_write_ready(cx)).await
    }
}

/// For channels and listeners, which are polled. Each registers the task for its direction, in place of the last one.
impl AsyncSocket {
    /// Accepts as [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Result<(Socket, Address)>> {
        self.poll_in(cx, "accept", |socket| socket.accept_as(false))
    }

    /// Receives as [`Socket::recv`].
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize>> {
        self.poll_in(cx, "recv", |socket| socket.recv_raw(buf, Flags::NONE))
    }

    /// Receives as [`Socket::recv_from`].
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Address)>> {
        self.poll_in(cx, "recvfrom", |socket| socket.recv_from_raw(buf, Flags::NONE))
    }

    /// Receives one datagram as [`Socket::recv_datagram`].
    pub fn poll_recv_datagram(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Record>> {
        self.poll_in(cx, "recv", |socket| socket.recv_datagram_raw(buf, Flags::NONE))
    }

    /// Receives one record as [`Socket::recv_record`].
    pub fn poll_recv_record(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<Option<Record>>> {
        self.poll_in(cx, "recvmsg", |socket| socket.recv_record_raw(buf, Flags::NONE))
    }

    /// Receives a batch: how many datagrams, at least one.
    pub fn poll_recv_batch(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<Result<usize>> {
        loop {
            let mut guard = ready!(self.watched.poll_read_ready(cx))
                .map_err(|error| explain::data("epoll_wait", &error))?;
            match batch.recv(self.socket().as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => {
                    // A batch that is not full was all there was: asking again would only be told so.
                    if received.as_ref().is_ok_and(|received| *received < batch.slots()) {
                        guard.clear_ready();
                    }
                    return Poll::Ready(
                        received.map_err(|error| explain::data("recvmmsg", &error)),
                    );
                }
            }
        }
    }

    /// Sends as [`Socket::send`].
    pub fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let sent = self.poll_write_with(cx, |socket| socket.send_raw(bytes, Flags::NONE));
        sent.map_err(|error| explain::send("send", bytes.len(), None, None, &error))
    }

    /// Sends as [`Socket::send_to`].
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        to: &Address,
    ) -> Poll<Result<usize>> {
        let name = Socket::reachable(to)?;
        let sent =
            self.poll_write_with(cx, |socket| socket.send_to_raw(bytes, Flags::NONE, to, &name));
        sent.map_err(|error| explain::send("sendto", bytes.len(), Some(to), None, &error))
    }

    /// Sends one datagram at once, or [`Kind::WouldBlock`](crate::error::Kind::WouldBlock). Registers nobody, so many
    /// may share the socket; a full one is noted, so that [`poll_write_ready`](Self::poll_write_ready) waits.
    pub fn try_send_to(&self, bytes: &[u8], to: &Address) -> Result<usize> {
        let name = Socket::reachable(to)?;
        let mut is_tried = false;
        let mut send = || {
            is_tried = true;
            self.socket.send_to_raw(bytes, Flags::NONE, to, &name)
        };
        let mut sent = self.watched.try_io(Interest::WRITABLE, |_| send());
        // On a Unix socket it was perhaps another peer's queue that was full, and nobody tells when this one has room.
        if !is_tried {
            sent = self.socket.send_to_raw(bytes, Flags::NONE, to, &name);
        }
        sent.map_err(|error| explain::send("sendto", bytes.len(), Some(to), None, &error))
    }

    /// Sends a batch at once as [`Outgoing::send`]. Registers nobody.
    pub fn try_send_batch(
        &self,
        batch: &mut Outgoing,
        refused: &mut dyn FnMut(Address, io::Error),
    ) -> Sent {
        batch.send(self.socket().as_fd(), refused)
    }

    /// Ready when there is something to receive, as far as is known: a try may still find nothing.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let guard = ready!(self.watched.poll_read_ready(cx));
        Poll::Ready(guard.map(drop).map_err(|error| Error::from_io("epoll_wait", &error)))
    }

    /// Ready when something can be sent, as far as is known.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let guard = ready!(self.watched.poll_write_ready(cx));
        Poll::Ready(guard.map(drop).map_err(|error| Error::from_io("epoll_wait", &error)))
    }

    /// Runs `operation` when the socket is readable; `WouldBlock` from it means: wait again.
    pub fn poll_read_with<T>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&Socket) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            let mut guard = ready!(self.watched.poll_read_ready(cx))?;
            match operation(self.socket()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Runs `operation` when the socket is writable; `WouldBlock` from it means: wait again.
    pub fn poll_write_with<T>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&Socket) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            let mut guard = ready!(self.watched.poll_write_ready(cx))?;
            match operation(self.socket()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_in<T>(
        &self,
        cx: &mut Context<'_>,
        call: &str,
        operation: impl FnMut(&Socket) -> io::Result<T>,
    ) -> Poll<Result<T>> {
        self.poll_read_with(cx, operation).map_err(|error| explain::data(call, &error))
    }
}

impl AsFd for AsyncSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}

impl AsRawFd for AsyncSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket().as_raw_fd()
    }
}

impl fmt::Debug for AsyncSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncSocket").field(self.socket()).finish()
    }
}
