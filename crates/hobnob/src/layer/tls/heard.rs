//! Remembers the first bytes that came, so that a peer which spoke no TLS can be recognised by them; and hides a name from
//! rustls that would end the handshake.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::layer::tls::hello;

/// Bytes that are remembered.
const ROOM: usize = 32;

/// Bytes that are sent together at most, where they come in parts.
const TOGETHER: usize = 16_384;

/// A stream that remembers its first bytes.
pub(super) struct Heard<S> {
    inner: S,
    first: [u8; ROOM],
    length: usize,
    /// Only while a client may be saying for whom it asks.
    screen: Option<Box<Screen>>,
    /// The name that was hidden from rustls.
    ignored: Option<Vec<u8>>,
}

impl<S> Heard<S> {
    pub(super) fn new(inner: S) -> Self {
        Heard { inner, first: [0; ROOM], length: 0, screen: None, ignored: None }
    }

    /// The same for the side that was dialled: a server name that is no host name is not shown to rustls.
    pub(super) fn screened(inner: S) -> Self {
        Heard { screen: Some(Box::default()), ..Heard::new(inner) }
    }

    /// The first bytes that came.
    pub(super) fn first(&self) -> &[u8] {
        &self.first[..self.length]
    }

    /// The name that the peer asked for, where it is no host name and was ignored.
    pub(super) fn ignored(&self) -> Option<&[u8]> {
        self.ignored.as_deref()
    }

    pub(super) fn inner(&self) -> &S {
        &self.inner
    }

    pub(super) fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S: AsyncRead + Unpin> Heard<S> {
    fn poll_hear(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let length = self.length;
        let came = &buf.filled()[before..];
        let kept = came.len().min(ROOM - length);
        self.first[length..length + kept].copy_from_slice(&came[..kept]);
        self.length += kept;
        Poll::Ready(Ok(()))
    }

    /// Fills the screen until something of it may be read.
    fn poll_screen(&mut self, cx: &mut Context<'_>, screen: &mut Screen) -> Poll<io::Result<()>> {
        while screen.ready == 0 && !screen.is_over {
            let mut room = [0; 4_096];
            let mut buf = ReadBuf::new(&mut room);
            ready!(self.poll_hear(cx, &mut buf))?;
            if buf.filled().is_empty() {
                screen.let_pass();
            } else {
                screen.bytes.extend_from_slice(buf.filled());
                self.ignored = screen.look().or(self.ignored.take());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut screen) = self.screen.take() else { return self.poll_hear(cx, buf) };
        let filled = self.poll_screen(cx, &mut screen);
        let length = screen.ready.min(buf.remaining());
        buf.put_slice(&screen.bytes[..length]);
        screen.bytes.drain(..length);
        screen.ready -= length;
        let is_spent = screen.is_over && screen.bytes.is_empty();
        self.screen = Some(screen).filter(|_| !is_spent);
        filled
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

/// The types of records that a client sends before anything is encrypted (RFC 8446, section 5.1, and appendix D.4).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
/// The head of a record: its type, a version, a length.
const HEAD: usize = 5;

/// What a client says until it encrypts, record by record.
#[derive(Default)]
struct Screen {
    bytes: Vec<u8>,
    /// So many of them were looked at, and may be read.
    ready: usize,
    /// Nothing more is looked at.
    is_over: bool,
}

impl Screen {
    /// Looks at each record that is whole; the name that was hidden.
    fn look(&mut self) -> Option<Vec<u8>> {
        let mut hidden = None;
        while let Some(&kind) = self.bytes.get(self.ready) {
            let record = &mut self.bytes[self.ready..];
            let length = record
                .get(3..HEAD)
                .map(|it| HEAD + usize::from(u16::from_be_bytes([it[0], it[1]])));
            match (kind, length) {
                (HANDSHAKE | CHANGE_CIPHER_SPEC, None) => return hidden,
                (HANDSHAKE | CHANGE_CIPHER_SPEC, Some(length)) if length <= HEAD + TOGETHER => {
                    if record.len() < length {
                        return hidden;
                    }
                    let message = &mut record[HEAD..length];
                    let is_more = kind == CHANGE_CIPHER_SPEC || hello::is_hello(message);
                    hidden = hello::hide_name(message).or(hidden);
                    if is_more {
                        self.ready += length;
                    } else {
                        self.let_pass();
                    }
                }
                _ => self.let_pass(),
            }
            if self.is_over {
                break;
            }
        }
        hidden
    }

    fn let_pass(&mut self) {
        (self.ready, self.is_over) = (self.bytes.len(), true);
    }
}
