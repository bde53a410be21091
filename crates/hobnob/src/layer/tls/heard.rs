//! Remembers the first bytes that came, so that a peer which spoke no TLS can be recognised by them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are remembered.
const ROOM: usize = 32;

/// Bytes that are sent together at most, where they come in parts.
const TOGETHER: usize = 16_384;

/// A stream that remembers its first bytes.
pub(super) struct Heard<S> {
    inner: S,
    first: [u8; ROOM],
    length: usize,
}

impl<S> Heard<S> {
    pub(super) fn new(inner: S) -> Self {
        Heard { inner, first: [0; ROOM], length: 0 }
    }

    /// The first bytes that came.
    pub(super) fn first(&self) -> &[u8] {
        &self.first[..self.length]
    }

    pub(super) fn inner(&self) -> &S {
        &self.inner
    }

    pub(super) fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let length = self.length;
        let came = &buf.filled()[before..];
        let kept = came.len().min(ROOM - length);
        self.first[length..length + kept].copy_from_slice(&came[..kept]);
        self.length += kept;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    /// All at once: rustls hands over a slice a record, and tries but once to send the alert that is the last of them.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match parts {
            [] => self.poll_write(cx, &[]),
            [one] => self.poll_write(cx, one),
            [first, ..] if first.len() >= TOGETHER => self.poll_write(cx, first),
            several => {
                let bytes = several.iter().flat_map(|part| part.iter().copied());
                let together: Vec<u8> = bytes.take(TOGETHER).collect();
                self.poll_write(cx, &together)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
