//! The bytes face of a conn: tokio's `AsyncRead` and `AsyncWrite`, for a protocol stack that wants them; and the way
//! back, from what such a stack gives to a channel.

use std::borrow::BorrowMut;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::conn::{Channel, Conn, Vitals};
use crate::error::{Error, Kind, Result};

/// A conn of bytes, owned or borrowed, with tokio's traits. Its errors carry ours inside: see [`error_of`].
pub struct Stream<C>(pub C);

impl<C: BorrowMut<Conn> + Unpin> AsyncRead for Stream<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let conn: &mut Conn = self.0.borrow_mut();
        let received = ready!(conn.channel().poll_recv(cx, buf.initialize_unfilled()));
        buf.advance(received.map_err(into_io)?.unwrap_or(0));
        Poll::Ready(Ok(()))
    }
}

impl<C: BorrowMut<Conn> + Unpin> AsyncWrite for Stream<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let conn: &mut Conn = self.0.borrow_mut();
        conn.channel().poll_send(cx, buf).map_err(into_io)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let conn: &mut Conn = self.0.borrow_mut();
        conn.channel().poll_flush(cx).map_err(into_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let conn: &mut Conn = self.0.borrow_mut();
        conn.channel().poll_end(cx).map_err(into_io)
    }
}

/// What a protocol stack made of a conn, as a channel again.
pub struct Wrapped<T> {
    stream: T,
    beyond: Beyond<T>,
    /// Our direction was ended, and nothing vouches for that end.
    is_cut_short: bool,
    /// Why nothing more can be received; told once all that came before has been handed on.
    failure: Option<Error>,
}

/// What tokio's traits have no word for, and a channel must do.
pub struct Beyond<T> {
    /// Half-closes the conn below without the stack's own end, where it has one.
    pub cut_short: Option<fn(&mut T, &mut Context<'_>) -> Poll<Result<()>>>,
    /// Tears down the conn below.
    pub abort: fn(&mut T),
    /// Whether the peer is gone, as the conn below knows it.
    pub left: fn(&mut T, &mut Context<'_>) -> Poll<Result<()>>,
    /// The kernel's figures of the conn below.
    pub vitals: fn(&T) -> Option<Vitals>,
    /// What the conn below says of its end.
    pub last_word: fn(&mut T) -> Option<String>,
    /// What the stack still has to hand on after its stream has failed: so many bytes of it, in the buffer.
    pub left_over: fn(&mut T, &mut [u8]) -> usize,
    /// What an error of the stack means.
    pub error: fn(io::Error) -> Error,
}

impl<T> Wrapped<T> {
    /// Around the stack's own stream, with what tokio's traits cannot say of it.
    pub fn new(stream: T, beyond: Beyond<T>) -> Self {
        Wrapped { stream, beyond, is_cut_short: false, failure: None }
    }

    /// After a failure: what came before it, and then the failure.
    fn leave(&mut self, buf: &mut [u8], failure: Error) -> Result<Option<usize>> {
        let length = (self.beyond.left_over)(&mut self.stream, buf);
        if length == 0 {
            return Err(failure);
        }
        Ok(Some(length))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Channel for Wrapped<T> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        if let Some(failure) = &self.failure {
            let failure = failure.clone();
            return Poll::Ready(self.leave(buf, failure));
        }
        let mut filled = ReadBuf::new(buf);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut filled));
        let length = filled.filled().len();
        Poll::Ready(match read {
            Ok(()) => Ok((length > 0).then_some(length)),
            Err(error) => {
                let failure = (self.beyond.error)(error);
                self.failure = Some(failure.clone());
                self.leave(buf, failure)
            }
        })
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf).map_err(self.beyond.error)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(self.beyond.error)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.is_cut_short {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx).map_err(self.beyond.error)
    }

    fn poll_cut_short(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        let Some(cut_short) = self.beyond.cut_short else { return Poll::Ready(Ok(false)) };
        ready!(self.poll_flush(cx))?;
        ready!(cut_short(&mut self.stream, cx))?;
        self.is_cut_short = true;
        Poll::Ready(Ok(true))
    }

    fn abort(&mut self) {
        (self.beyond.abort)(&mut self.stream);
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        (self.beyond.left)(&mut self.stream, cx)
    }

    fn vitals(&self) -> Option<Vitals> {
        (self.beyond.vitals)(&self.stream)
    }

    fn last_word(&mut self) -> Option<String> {
        (self.beyond.last_word)(&mut self.stream)
    }
}

/// Our error inside one of the standard library, so that it comes out of a protocol stack as it went in.
fn into_io(error: Error) -> io::Error {
    let kind = match error.kind() {
        Kind::ConnectionReset => io::ErrorKind::ConnectionReset,
        Kind::ConnectionBroken => io::ErrorKind::BrokenPipe,
        Kind::TimedOut => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Our error that an error of the standard library carries, if it does; the other one is given back.
pub fn error_of(error: io::Error) -> std::result::Result<Error, io::Error> {
    error.downcast::<Error>()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::conn::memory;
    use crate::spec::Shape;

    fn beyond() -> Beyond<Stream<Conn>> {
        Beyond {
            cut_short: None,
            abort: |stream| stream.0.abort(),
            left: |stream, cx| stream.0.channel().poll_left(cx),
            vitals: |stream| stream.0.vitals(),
            last_word: |stream| stream.0.last_word(),
            left_over: |_, _| 0,
            error: |error| error_of(error).unwrap_or_else(|error| Error::from_io("stream", &error)),
        }
    }

    #[tokio::test]
    async fn bytes_and_both_ends_pass_through_both_faces() {
        let (here, mut there) = memory::pair(Shape::Bytes);
        let mut here = here.map(Shape::Bytes, |inner| {
            let stream = Stream(Conn::new(there.facts().clone(), Shape::Bytes, inner));
            Box::new(Wrapped::new(stream, beyond()))
        });
        here.send(b"one").await.expect("it is open");
        let mut room = [0; 8];
        assert_eq!(there.recv(&mut room).await, Ok(Some(3)));
        here.end().await.expect("it is open");
        assert_eq!(there.recv(&mut room).await, Ok(None));
        there.send(b"after our end").await.expect("the other half is open");
        there.end().await.expect("it is open");
        let mut all = Vec::new();
        while let Some(length) = here.recv(&mut room).await.expect("it is open") {
            all.extend_from_slice(&room[..length]);
        }
        assert_eq!(all, b"after our end");
    }

    #[tokio::test]
    async fn a_reset_comes_out_as_it_went_in() {
        let (mut here, mut there) = memory::pair(Shape::Bytes);
        there.abort();
        let mut stream = Stream(&mut here);
        let error = stream.read_u8().await.expect_err("it was torn down");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(error_of(error).map(|error| error.kind()).ok(), Some(Kind::ConnectionReset));
        assert!(stream.write_all(b"x").await.is_err());
    }
}
