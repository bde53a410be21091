//! The async face: a socket that a runtime watches.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::connect::about;
use super::observe::{PythonAddress, WaitsFor, none};
use super::{Batch, Flags, Outgoing, Record, Sent, Shutdown, Socket, Type, explain};
use crate::address::Address;
use crate::error::{Error, Result};
use crate::sys::name::Name;
use crate::sys::watch::{tell_errors_to_readers, watch};
use crate::sys::{call, info};

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
    ///
    /// For unconnected datagram sockets, listeners after listen, and connections. What is yet to be connected goes through
    /// [`connect`](Self::connect): epoll calls an unconnected stream hung up (`EPOLLHUP`), which tokio never forgets, and a refused
    /// datagram would not wake who receives.
    pub fn new(mut socket: Socket) -> Result<Self> {
        socket.hide_waiting();
        // An accepted socket comes so already, and is spared two calls.
        if socket.timeout() != Some(Duration::ZERO) {
            socket.set_blocking(false)?;
        }
        let watched = watch(socket.owner());
        let watched = watched.map_err(|error| Error::from_io("epoll_ctl", &error))?;
        Ok(AsyncSocket { watched, socket })
    }

    /// Connects a socket, and hands it to the current runtime. Bounded by nothing but the kernel's own patience (about 2
    /// minutes): the caller's timer ends it. Where a Unix listener's queue is full, it tries until there is room.
    pub async fn connect(socket: Socket, to: &Address) -> Result<Self> {
        let name = Socket::reachable(to)?;
        socket.set_blocking(false)?;
        if matches!(socket.kind(), Some(Type::Datagram | Type::Raw)) {
            tell_errors_to_readers(socket.as_fd())
                .map_err(|error| explain::data("setsockopt(SO_SELECT_ERR_QUEUE)", &error))?;
        }
        let began = socket.begin();
        let started = start_connect(&socket, &name).await;
        let connecting = Self::new(socket)?;
        let result = match started {
            Ok(true) => Ok(()),
            Ok(false) => connecting.finish_connect().await,
            Err(error) => Err(error),
        };
        let (shown, seen) = (PythonAddress(to), none(&result));
        connecting.socket.end_carrying(began, "connect", format_args!("{shown}"), seen, about(to));
        match result {
            Ok(()) => Ok(connecting),
            Err(error) => Err(explain::connect(connecting.socket.kind(), to, None, &error)),
        }
    }

    async fn finish_connect(&self) -> io::Result<()> {
        let guard = self.watched.writable().await?;
        drop(guard);
        info::take_error(self.socket.as_fd())?.map_or(Ok(()), Err)
    }

    /// The socket itself: options, addresses. Its timeout is to be left alone: it must not block.
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
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
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
        self.socket.wait(WaitsFor::Arrival);
        loop {
            let mut guard = ready!(self.watched.poll_read_ready(cx))
                .map_err(|error| explain::data("epoll_wait", &error))?;
            match self.socket().recv_batch_raw(batch) {
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
    /// may share the socket; a full one is noted, so that [`poll_write_ready`](Self::poll_write_ready) waits. A Unix
    /// socket is never full: the queue of a peer is, and no event tells of room in that.
    pub fn try_send_to(&self, bytes: &[u8], to: &Address) -> Result<usize> {
        self.try_send_from(bytes, None, to)
    }

    /// The same. `from` is the address of ours that it leaves from, as in [`Outgoing::push`].
    pub fn try_send_from(&self, bytes: &[u8], from: Option<IpAddr>, to: &Address) -> Result<usize> {
        let name = Socket::reachable(to)?;
        let send = || match from {
            Some(from) => self.socket.send_from_raw(bytes, from, to, &name),
            None => self.socket.send_to_raw(bytes, Flags::NONE, to, &name),
        };
        let sent = match to {
            Address::Ip(_) => self.watched.try_io(Interest::WRITABLE, |_| send()),
            _ => send(),
        };
        sent.map_err(|error| explain::send("sendto", bytes.len(), Some(to), None, &error))
    }

    /// Sends a batch at once as [`Outgoing::send`]. Registers nobody.
    pub fn try_send_batch(
        &self,
        batch: &mut Outgoing,
        refused: &mut dyn FnMut(Address, io::Error),
    ) -> Sent {
        self.socket.send_batch(batch, refused)
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
        self.socket.wait(WaitsFor::Arrival);
        loop {
            let mut guard = ready!(self.watched.poll_read_ready(cx))?;
            match operation(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let is_final = guard.ready().is_read_closed();
                    guard.clear_ready();
                    if is_final {
                        return wait_a_turn(cx);
                    }
                }
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
        self.socket.wait(WaitsFor::Room);
        loop {
            let mut guard = ready!(self.watched.poll_write_ready(cx))?;
            match operation(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let is_final = guard.ready().is_write_closed();
                    guard.clear_ready();
                    if is_final {
                        return wait_a_turn(cx);
                    }
                }
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

/// What tokio takes for closed it calls ready for ever, also a datagram socket after one ICMP refusal. Where such a
/// socket would block, trying again at once would never end: let the others of this thread run first.
fn wait_a_turn<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Begins to connect: true when that was all of it.
async fn start_connect(socket: &Socket, name: &Name) -> io::Result<bool> {
    let mut pause = Duration::from_millis(1);
    loop {
        let Err(error) = call::connect(socket.as_fd(), name) else { return Ok(true) };
        match error.raw_os_error() {
            Some(libc::EINPROGRESS | libc::EINTR) => return Ok(false),
            // No descriptor tells when a Unix listener's queue has room: ask again.
            Some(libc::EAGAIN) if name.is_unix() => tokio::time::sleep(pause).await,
            _ => return Err(error),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::super::Family;
    use super::*;
    use crate::error::Kind;

    fn datagram() -> (AsyncSocket, Address) {
        let socket = Socket::new(Family::V4, Type::Datagram, 0).expect("a socket");
        socket.bind(&Address::Ip("127.0.0.1:0".parse().expect("one"))).expect("a free port");
        let address = socket.local_address().expect("bound");
        (AsyncSocket::new(socket).expect("a runtime"), address)
    }

    fn listener(family: Family, kind: Type, at: &Address) -> (AsyncSocket, Address) {
        let socket = Socket::new(family, kind, 0).expect("a socket");
        socket.bind(at).expect("free");
        socket.listen(0).expect("bound");
        let address = socket.local_address().expect("bound");
        (AsyncSocket::new(socket).expect("a runtime"), address)
    }

    #[tokio::test]
    async fn a_conversation_over_tcp() {
        let any = Address::Ip("127.0.0.1:0".parse().expect("one"));
        let (listener, address) = listener(Family::V4, Type::Stream, &any);
        let socket = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
        let connecting = AsyncSocket::connect(socket, &address);
        let (client, accepted) = tokio::join!(connecting, listener.accept());
        let (client, (server, peer)) = (client.expect("connected"), accepted.expect("accepted"));
        assert_eq!(Ok(peer), client.socket().local_address());
        let server = AsyncSocket::new(server).expect("a runtime");
        let mut buf = [0; 8];
        // It waits without spinning: a connect that was watched too early would never be pending again.
        let mut cx = Context::from_waker(Waker::noop());
        assert!(client.poll_recv(&mut cx, &mut buf).is_pending());
        server.send_all(b"hello").await.expect("sent");
        assert_eq!(client.recv(&mut buf).await.expect("came"), 5);
        server.shutdown(Shutdown::Write).expect("connected");
        assert_eq!(client.recv(&mut buf).await.expect("the end"), 0);
    }

    #[tokio::test]
    async fn a_refused_connect_is_told() {
        let gone = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
        gone.bind(&Address::Ip("127.0.0.1:0".parse().expect("one"))).expect("a free port");
        let to = gone.local_address().expect("bound");
        let socket = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
        let error = AsyncSocket::connect(socket, &to).await.expect_err("nobody listens");
        assert_eq!(error.kind(), Kind::ConnectionRefused);
        let socket = Socket::new(Family::Unix, Type::Stream, 0).expect("a socket");
        let error = AsyncSocket::connect(socket, &Address::path("/nowhere")).await;
        assert_eq!(error.expect_err("nothing is there").kind(), Kind::NotFound);
    }

    #[tokio::test]
    async fn a_full_unix_listener_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = Address::path(folder.path().join("x.sock"));
        let (listener, at) = listener(Family::Unix, Type::Stream, &at);
        let connect = || {
            let socket = Socket::new(Family::Unix, Type::Stream, 0).expect("a socket");
            AsyncSocket::connect(socket, &at)
        };
        let _first = connect().await.expect("one fits");
        let accept_all = async {
            for _ in 0..3 {
                listener.accept().await.expect("one waits");
            }
        };
        let (second, third, ()) = tokio::join!(connect(), connect(), accept_all);
        assert!(second.is_ok() && third.is_ok());
    }

    #[tokio::test]
    async fn records_keep_their_borders_and_their_end() {
        let at = Address::Unnamed;
        let (listener, at) = listener(Family::Unix, Type::Seqpacket, &at);
        let socket = Socket::new(Family::Unix, Type::Seqpacket, 0).expect("a socket");
        let client = AsyncSocket::connect(socket, &at).await.expect("connected");
        let (server, _) = listener.accept().await.expect("one waits");
        let server = AsyncSocket::new(server).expect("a runtime");
        server.socket().mark_records().expect("a Unix socket");
        for bytes in [&b""[..], b"four"] {
            client.send(bytes).await.expect("sent");
        }
        drop(client);
        let mut buf = [0; 2];
        let lengths = async |server: &AsyncSocket, buf: &mut [u8]| {
            server.recv_record(buf).await.expect("no error").map(|record| record.length)
        };
        assert_eq!(lengths(&server, &mut buf).await, Some(0));
        assert_eq!(lengths(&server, &mut buf).await, Some(4));
        assert_eq!(lengths(&server, &mut buf).await, None);
    }

    #[tokio::test]
    async fn datagrams_one_by_one_and_in_batches() {
        let ((one, from), (other, to)) = (datagram(), datagram());
        one.send_to(b"", &to).await.expect("sent");
        let mut buf = [0; 8];
        let came = other.recv_from(&mut buf).await.expect("came");
        assert_eq!(came, (0, from.clone()));
        let mut out = Outgoing::new();
        for bytes in [b"1", b"2", b"3"] {
            out.push(&to, None, bytes).expect("an address");
        }
        let sent = one.try_send_batch(&mut out, &mut |_, error| panic!("{error}"));
        assert_eq!((sent.sent, out.len()), (3, 0));
        let mut batch = Batch::new(16, 64);
        let mut received = 0;
        while received < 3 {
            received += poll_fn(|cx| other.poll_recv_batch(cx, &mut batch)).await.expect("came");
        }
        assert!(batch.iter().all(|one| one.peer == from));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(other.poll_recv(&mut cx, &mut buf).is_pending());
    }

    #[tokio::test]
    async fn a_refusal_ends_one_receive_and_not_the_socket() {
        let ((asks, from), (gone, to)) = (datagram(), datagram());
        drop(gone);
        let asks = AsyncSocket::connect(asks.into_socket(), &to).await.expect("no packet");
        let mut buf = [0; 8];
        let mut cx = Context::from_waker(Waker::noop());
        assert!(asks.poll_recv(&mut cx, &mut buf).is_pending());
        asks.send(b"?").await.expect("sent");
        let error = asks.recv(&mut buf).await.expect_err("ICMP port unreachable");
        assert_eq!(error.kind(), Kind::ConnectionRefused);
        let back = Socket::new(Family::V4, Type::Datagram, 0).expect("a socket");
        back.bind(&to).expect("free again");
        back.send_to(b"here", Flags::NONE, &from).expect("sent");
        assert_eq!(asks.recv(&mut buf).await.expect("came"), 4);
    }

    #[tokio::test]
    async fn a_socket_comes_back_from_the_runtime() {
        let (socket, address) = datagram();
        let socket = socket.into_socket();
        assert_eq!(socket.timeout(), Some(Duration::ZERO));
        let owner = OwnedFd::from(socket);
        assert_eq!(Socket::from(owner).local_address(), Ok(address));
    }
}
