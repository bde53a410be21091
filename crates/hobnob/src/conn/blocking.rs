//! A stream socket with a thread of its own. The thread makes the socket's calls one after another, and blocks where one
//! would have to wait: in poll(2), which also hears the bell by which others call the thread, for a cut or a drain.
//!
//! A plain recv(2) could not be called back without harm: what ends it is a shutdown, and the kernel answers whatever the
//! peer says after that with a reset. So a thread waits as Python's sockets with a timeout do, by poll and then the call.

use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::conn::wire::{aborted, failed, is_reset, reset};
use crate::conn::{Channel, Conn, Vitals};
use crate::error::{Error, Kind, Result};
use crate::socket::{CallBell, Readiness, Shutdown, Socket, SocketOption};
use crate::spec::Value;

/// The thread's side of a conn: what it waits for, and the bell that it is called by.
pub(crate) struct Sentry {
    bell: Arc<RungByWaker>,
    wish: Arc<Wishes>,
    /// Weak: once the channel has closed it, nobody waits for it.
    socket: Weak<Socket>,
}

struct RungByWaker(CallBell);

/// What the task waits for at the socket, and what it need not wait for. Only the thread itself reads and writes it.
#[derive(Default)]
struct Wishes {
    wants_input: AtomicBool,
    wants_room: AtomicBool,
    has_input: AtomicBool,
}

impl Wake for RungByWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.ring();
    }
}

impl Sentry {
    /// A sentry without a socket. It costs a descriptor.
    pub(crate) fn new() -> Result<Self> {
        let bell = CallBell::new().map_err(|error| Error::from_io("eventfd()", &error))?;
        let bell = Arc::new(RungByWaker(bell));
        Ok(Sentry { bell, wish: Arc::default(), socket: Weak::new() })
    }

    /// Takes the socket of a conn out of its runtime, so that from now on the thread of this sentry waits for it.
    pub(crate) fn take_over(&mut self, conn: &mut Conn) -> Result<()> {
        let given = conn.channel().give_up();
        let given = given.ok_or_else(|| Error::new(Kind::Bug, "the conn is no bare socket"))?;
        let socket = Arc::new(given);
        self.socket = Arc::downgrade(&socket);
        let has_resets = conn.facts().peer.ip().is_some();
        let (wish, was_reset) = (self.wish.clone(), false);
        let channel = BlockingWire { socket: Some(socket), wish, has_resets, was_reset };
        *conn = Conn::new(conn.facts().clone(), conn.shape(), Box::new(channel));
        Ok(())
    }

    /// Runs the conn's task on this thread until it is over, and blocks whenever the task waits.
    pub(crate) fn block_on<T>(&self, task: impl Future<Output = T>) -> T {
        let waker = Waker::from(self.bell.clone());
        let (mut task, mut cx) = (pin!(task), Context::from_waker(&waker));
        loop {
            if let Poll::Ready(done) = task.as_mut().poll(&mut cx) {
                return done;
            }
            let wanted = self.wish.take();
            let socket = self.socket.upgrade();
            let ready = self.bell.0.wait(socket.as_ref().map(|socket| socket.as_fd()), wanted);
            self.wish.has_input.fetch_or(ready.input, Relaxed);
        }
    }
}

impl Wishes {
    fn take(&self) -> Readiness {
        Readiness {
            input: self.wants_input.swap(false, Relaxed),
            room: self.wants_room.swap(false, Relaxed),
        }
    }

    fn wait_for_input<T>(&self) -> Poll<T> {
        self.has_input.store(false, Relaxed);
        self.wants_input.store(true, Relaxed);
        Poll::Pending
    }

    fn wait_for_room<T>(&self) -> Poll<T> {
        self.wants_room.store(true, Relaxed);
        Poll::Pending
    }
}

/// A stream socket whose thread waits for it.
struct BlockingWire {
    /// None once it was aborted.
    socket: Option<Arc<Socket>>,
    wish: Arc<Wishes>,
    /// Whether the medium has resets, as in [`KernelStream::RESETS`](crate::conn::wire::KernelStream::RESETS).
    has_resets: bool,
    /// A send has heard that the peer tore it down.
    was_reset: bool,
}

impl BlockingWire {
    fn socket(&self) -> Result<&Socket> {
        self.socket.as_deref().ok_or_else(aborted)
    }

    /// Closes it; what the kernel has counted until then is asked for before, for whoever watches.
    fn close(&mut self) {
        if let Some(socket) = self.socket.take()
            && self.has_resets
            && socket.is_watched()
        {
            drop(socket.tcp_info());
        }
    }
}

impl Drop for BlockingWire {
    fn drop(&mut self) {
        self.close();
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl Channel for BlockingWire {
    /// A call that brought less than there was room for has brought all, so that the next waits first.
    fn poll_recv(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        let mut socket = self.socket()?;
        if !self.wish.has_input.load(Relaxed) {
            socket.awaits_input();
            return self.wish.wait_for_input();
        }
        match socket.read(buf) {
            Ok(0) if self.was_reset => Poll::Ready(Err(failed("recv", &reset()))),
            Ok(length) => {
                self.wish.has_input.store(length == 0 || length == buf.len(), Relaxed);
                Poll::Ready(Ok((length > 0).then_some(length)))
            }
            Err(error) if would_block(&error) => {
                socket.awaits_input();
                self.wish.wait_for_input()
            }
            Err(error) => Poll::Ready(Err(failed("recv", &error))),
        }
    }

    fn poll_send(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let mut socket = self.socket()?;
        match socket.write(buf) {
            Ok(length) => Poll::Ready(Ok(length)),
            Err(error) if would_block(&error) => {
                socket.awaits_room();
                self.wish.wait_for_room()
            }
            Err(error) => {
                self.was_reset |= is_reset(self.has_resets, &error);
                Poll::Ready(Err(failed("send", &error)))
            }
        }
    }

    /// What a send took is the kernel's already.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        match self.socket()?.shutdown(Shutdown::Write) {
            // The peer tore it down before we could end: nothing is left to end.
            Err(error) if error.errno() != Some(libc::ENOTCONN) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn abort(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.has_resets) {
            // SO_LINGER of zero: close sends RST and forgets what was not sent. An error means it is gone already.
            drop(socket.set_option(SocketOption::Linger, &Value::Duration(Duration::ZERO)));
        }
        self.close();
    }

    fn vitals(&self) -> Option<Vitals> {
        let info = self.socket().ok()?.tcp_info().ok()?;
        Some(Vitals {
            round_trip: info.round_trip,
            resent: info.resent,
            is_sending: info.is_sending,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::address::Address;
    use crate::conn::Facts;
    use crate::conn::wire::Wire;
    use crate::spec::Shape;

    /// A conn whose thread is the test's own, and the other end.
    fn pair() -> (Sentry, Conn, UnixStream) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.expect("a runtime");
        let _entered = runtime.enter();
        let (ours, theirs) = UnixStream::pair().expect("two descriptors");
        ours.set_nonblocking(true).expect("a socket");
        let ours = tokio::net::UnixStream::from_std(ours).expect("a runtime watches it");
        let facts = Facts::new("unix", Address::Unnamed, Address::Unnamed);
        let mut conn = Conn::new(facts, Shape::Bytes, Box::new(Wire::new(ours)));
        let mut sentry = Sentry::new().expect("a descriptor");
        sentry.take_over(&mut conn).expect("a bare socket");
        (sentry, conn, theirs)
    }

    #[test]
    fn a_thread_blocks_until_something_comes_and_hears_the_end() {
        let (sentry, mut conn, mut theirs) = pair();
        let talking = std::thread::spawn(move || {
            theirs.write_all(b"one").expect("it is open");
            let mut answer = [0; 3];
            theirs.read_exact(&mut answer).expect("it is answered");
            theirs.shutdown(std::net::Shutdown::Write).expect("it is open");
            let mut rest = Vec::new();
            theirs.read_to_end(&mut rest).expect("it ends");
            (answer, rest)
        });
        sentry.block_on(async {
            let mut room = [0; 3];
            assert_eq!(conn.recv(&mut room).await, Ok(Some(3)));
            conn.send(&room).await.expect("it is open");
            assert_eq!(conn.recv(&mut room).await, Ok(None));
            assert_eq!(conn.recv(&mut room).await, Ok(None), "the end stays");
            conn.send(b"last").await.expect("the other half is open");
            conn.end().await.expect("it is open");
        });
        assert_eq!(talking.join().expect("no panic"), (*b"one", b"last".to_vec()));
    }

    #[test]
    fn a_send_without_room_blocks_until_there_is_some() {
        let (sentry, mut conn, mut theirs) = pair();
        let all = vec![7; 4 << 20];
        let reading = std::thread::spawn(move || {
            let mut heard = Vec::new();
            theirs.read_to_end(&mut heard).expect("it ends");
            heard
        });
        sentry.block_on(async {
            conn.send(&all).await.expect("it is read");
            conn.end().await.expect("it is open");
        });
        assert!(reading.join().expect("no panic") == all);
    }

    #[test]
    fn a_waker_ends_the_wait_and_an_abort_closes_at_once() {
        let (sentry, mut conn, mut theirs) = pair();
        let mut is_woken = false;
        sentry.block_on(std::future::poll_fn(|cx| {
            let received = conn.channel().poll_recv(cx, &mut [0; 8]);
            assert!(received.is_pending(), "nobody has said anything");
            if is_woken {
                return Poll::Ready(());
            }
            is_woken = true;
            let waker = cx.waker().clone();
            drop(std::thread::spawn(move || waker.wake()));
            Poll::Pending
        }));
        conn.abort();
        assert_eq!(theirs.read(&mut [0; 8]).expect("it was closed"), 0);
        assert!(sentry.block_on(conn.recv(&mut [0; 8])).is_err());
    }
}
