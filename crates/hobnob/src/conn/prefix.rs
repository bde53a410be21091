//! A conn from which something was read that is still to be read: what a layer gives back that declines.

use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};

use crate::conn::{Channel, Conn, Kernel, Vitals};
use crate::error::Result;

/// The same conn, with these bytes before all that comes. They must be of a conn of bytes: a packet that was read
/// cannot be told from the next.
pub fn prefix(conn: Conn, bytes: Bytes) -> Conn {
    if bytes.is_empty() {
        return conn;
    }
    let shape = conn.shape();
    conn.map(shape, |inner| Box::new(Prefixed { inner, bytes }))
}

struct Prefixed {
    inner: Box<dyn Channel>,
    /// What is to be read first.
    bytes: Bytes,
}

impl Channel for Prefixed {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        if self.bytes.is_empty() {
            return self.inner.poll_recv(cx, buf);
        }
        let length = buf.len().min(self.bytes.len());
        self.bytes.copy_to_slice(&mut buf[..length]);
        if self.bytes.is_empty() {
            self.bytes = Bytes::new(); // an idle session holds no buffer
        }
        Poll::Ready(Ok(Some(length)))
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

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_left(cx)
    }

    /// Not while there is something to read that the kernel does not have any more.
    fn kernel(&mut self) -> Option<&mut dyn Kernel> {
        if self.bytes.is_empty() { self.inner.kernel() } else { None }
    }

    fn vitals(&self) -> Option<Vitals> {
        self.inner.vitals()
    }

    fn last_word(&mut self) -> Option<String> {
        self.inner.last_word()
    }
}
