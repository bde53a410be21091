//! A conn whose peer reads nothing, and word of the moment from which a send waits for it: in memory, where nothing
//! but a reader makes room again.

use std::task::{Context, Poll};

use hobnob::Result;
use hobnob::conn::{Channel, Conn, memory};
use hobnob::spec::Shape;
use tokio::sync::watch;

/// A conn for a server, its other end, and whether a send of the server's waits.
pub(crate) fn guest() -> (Conn, Conn, watch::Receiver<bool>) {
    let (ours, theirs) = memory::pair_holding(Shape::Bytes, 1_024);
    let (waits, is_waiting) = watch::channel(false);
    (ours.map(Shape::Bytes, |inner| Box::new(Watched { inner, waits })), theirs, is_waiting)
}

struct Watched {
    inner: Box<dyn Channel>,
    waits: watch::Sender<bool>,
}

impl Channel for Watched {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        self.inner.poll_recv(cx, buf)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let sent = self.inner.poll_send(cx, buf);
        self.waits.send_replace(sent.is_pending());
        sent
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_flush(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_end(cx)
    }

    fn abort(&mut self) {
        self.inner.abort();
    }
}
