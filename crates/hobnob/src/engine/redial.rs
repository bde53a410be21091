//! A dialled endpoint where a listener is expected: the peer that answers is served as if it had come.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::address::Address;
use crate::conn::listener::{Accepted, Listener};
use crate::conn::{Boxed, Channel, Conn, Kernel, Vitals};
use crate::engine::dial::Dialer;
use crate::engine::plan::Ready;
use crate::engine::powers;
use crate::error::{Error, Result};
use crate::event::Fact;

/// The pause between the end of a conn and the next dial, so that a peer which closes at once is not dialled without
/// end.
const PAUSE: Duration = Duration::from_millis(200);

/// Yields one conn at a time: the first, and with `retry` the next each time that a conn is over.
pub(super) struct Redial {
    dialer: Dialer,
    ready: Arc<Ready>,
    state: State,
    undialled: Arc<Mutex<Option<Error>>>,
}

enum State {
    Has(Box<Conn>),
    InUse(oneshot::Receiver<()>),
    Dialing(Boxed<'static, Conn>),
    Over,
}

impl Redial {
    /// Dials for the first time. A peer that cannot be reached is an error of the start. With `retry` the peer is
    /// waited for, which can take for ever, and an error that ends the waiting is noted in `undialled`.
    pub(super) async fn begin(
        dialer: Dialer,
        ready: Ready,
        undialled: Arc<Mutex<Option<Error>>>,
    ) -> Result<Self> {
        let ready = Arc::new(ready);
        let state = if ready.retries {
            State::Dialing(dial(dialer.clone(), ready.clone(), Duration::ZERO))
        } else {
            State::Has(Box::new(dialer.dial_for(&ready, None).await?.conn))
        };
        Ok(Redial { dialer, ready, state, undialled })
    }

    fn lend(&mut self, mut conn: Conn) -> Poll<Accepted> {
        let (done, is_done) = oneshot::channel();
        let shape = conn.shape();
        conn.wrap(shape, |inner| Box::new(Lent { inner, _done: done }));
        self.state = State::InUse(is_done);
        Poll::Ready(Accepted::Conn(conn))
    }
}

impl Listener for Redial {
    fn address(&self) -> Address {
        Address::name(&self.ready.endpoint.to_string())
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Has(conn) => return self.lend(*conn),
                State::InUse(mut is_done) => {
                    if Pin::new(&mut is_done).poll(cx).is_pending() {
                        self.state = State::InUse(is_done);
                        return Poll::Pending;
                    }
                    if self.ready.retries {
                        let dialing = dial(self.dialer.clone(), self.ready.clone(), PAUSE);
                        self.state = State::Dialing(dialing);
                    }
                }
                State::Dialing(mut dialing) => match dialing.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = State::Dialing(dialing);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(conn)) => return self.lend(conn),
                    Poll::Ready(Err(error)) => {
                        powers::note(&self.undialled, &error);
                        self.dialer.bus().emit(0, 0, Fact::Failed(error));
                    }
                },
                State::Over => return Poll::Ready(Accepted::NoMore),
            }
        }
    }
}

fn dial(dialer: Dialer, ready: Arc<Ready>, pause: Duration) -> Boxed<'static, Conn> {
    Box::pin(async move {
        tokio::time::sleep(pause).await;
        Ok(dialer.dial_for(&ready, None).await?.conn)
    })
}

/// The channel of a conn that is in use. The listener dials again once this is dropped.
struct Lent {
    inner: Box<dyn Channel>,
    /// Dropping this end tells the listener that the conn is over.
    _done: oneshot::Sender<()>,
}

impl Channel for Lent {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        self.inner.poll_recv(cx, buf)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.inner.poll_send(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_flush(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_end(cx)
    }

    fn poll_cut_short(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        self.inner.poll_cut_short(cx)
    }

    fn abort(&mut self) {
        self.inner.abort();
    }

    fn kernel(&mut self) -> Option<&mut dyn Kernel> {
        self.inner.kernel()
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_left(cx)
    }

    fn vitals(&self) -> Option<Vitals> {
        self.inner.vitals()
    }

    fn last_word(&mut self) -> Option<String> {
        self.inner.last_word()
    }
}
