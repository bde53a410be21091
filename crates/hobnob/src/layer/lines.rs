//! `lines`: bytes below, a packet per line above. LF ends a line, and so does CRLF.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use crate::conn::{Boxed, Channel, Conn, Vitals, scratch, too_long_to_receive};
use crate::error::{Error, Kind, Result};
use crate::layer::{Dressed, Layer, LayerRow, Surroundings};
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};

/// The row.
pub static ROW: LayerRow = LayerRow {
    spec: Spec {
        name: "lines",
        summary: "a message per line, over any bytes",
        options: &[
            OptionSpec {
                name: "max",
                kind: ValueKind::Bytes,
                default: "64k",
                help: "bytes of the longest line, 1 to 64k; a longer one is an error",
            },
            OptionSpec {
                name: "crlf",
                kind: ValueKind::Flag,
                default: "",
                help: "end the lines that are sent with CRLF instead of LF",
            },
        ],
        examples: &["hobnob serve echo lines+tcp://:9000", "hobnob talk lines+tcp://:9000"],
        is_built_in: true,
    },
    below: Some(Shape::Bytes),
    above: Some(Shape::Packets),
    is_one_line: true,
    may_decline: false,
    make: Some(make),
};

fn make(options: &Options) -> Result<Box<dyn Layer>> {
    let max = options.count("max").unwrap_or(scratch::SIZE as u64);
    // A line is received into the buffer of a thread, as a packet of any medium is.
    let max = usize::try_from(max).ok().filter(|max| (1..=scratch::SIZE).contains(max));
    let Some(max) = max else {
        let wrong = format!("max does not take {}", options.count("max").unwrap_or_default());
        let most = format!("a line has 1 to {} bytes (64k)", scratch::SIZE);
        return Err(Error::expecting(Kind::BadOption, &wrong, &most)
            .why("a message is at most as long as the longest datagram"));
    };
    let ending = if options.flag("crlf") { &b"\r\n"[..] } else { b"\n" };
    Ok(Box::new(Lines { max, ending }))
}

#[derive(Clone, Copy)]
struct Lines {
    max: usize,
    ending: &'static [u8],
}

impl Layer for Lines {
    fn wrap<'a>(&'a self, _: &'a Surroundings, conn: Conn) -> Boxed<'a, Dressed> {
        let rules = *self;
        let wrapped = conn.map(Shape::Packets, |inner| Box::new(Framed::new(rules, inner)));
        Box::pin(async move { Ok(Dressed::Conn(wrapped)) })
    }
}

struct Framed {
    inner: Box<dyn Channel>,
    rules: Lines,
    /// Bytes that came and were not handed on: whole lines, then a part of one.
    pending: VecDeque<u8>,
    /// Bytes of `pending` in which no newline was found.
    searched: usize,
    is_ended: bool,
    /// Why nothing more comes; told once the lines that came before have been handed on, with the last, cut one.
    failure: Option<Error>,
    /// Bytes that a send could not pass on at once.
    unsent: VecDeque<u8>,
}

impl Framed {
    fn new(rules: Lines, inner: Box<dyn Channel>) -> Self {
        let (pending, unsent) = (VecDeque::new(), VecDeque::new());
        Framed { inner, rules, pending, searched: 0, is_ended: false, failure: None, unsent }
    }

    /// The next whole line, without its ending; at the end of the stream also a line that has no ending.
    fn next_line(&mut self, buf: &mut [u8]) -> Option<Result<usize>> {
        let found = self.pending.iter().skip(self.searched).position(|byte| *byte == b'\n');
        let (length, ending) = match found {
            Some(at) => (self.searched + at, 1),
            None if self.is_ended && !self.pending.is_empty() => (self.pending.len(), 0),
            None => {
                self.searched = self.pending.len();
                return (self.searched > self.rules.max).then(|| Err(self.too_long()));
            }
        };
        let has_return = ending == 1 && length > 0 && self.pending[length - 1] == b'\r';
        let line = length - usize::from(has_return);
        self.searched = 0;
        if line > self.rules.max {
            return Some(Err(self.too_long()));
        }
        let taken = if line > buf.len() {
            Err(too_long_to_receive(line, buf.len()))
        } else {
            for (place, byte) in buf.iter_mut().zip(self.pending.range(..line)) {
                *place = *byte;
            }
            Ok(line)
        };
        self.pending.drain(..length + ending);
        if self.pending.is_empty() {
            self.pending = VecDeque::new(); // an idle session holds no buffer
        }
        Some(taken)
    }

    fn too_long(&self) -> Error {
        Error::new(Kind::BadFrame, format!("a line of more than {} bytes came", self.rules.max))
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(self.inner.poll_send(cx, self.unsent.as_slices().0))?;
            self.unsent.drain(..sent);
        }
        self.unsent = VecDeque::new();
        Poll::Ready(Ok(()))
    }
}

impl Channel for Framed {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        loop {
            if let Some(line) = self.next_line(buf) {
                return Poll::Ready(line.map(Some));
            }
            if self.is_ended {
                return Poll::Ready(self.failure.clone().map_or(Ok(None), Err));
            }
            let (inner, pending) = (&mut self.inner, &mut self.pending);
            let received = scratch::with(|room| match inner.poll_recv(cx, room) {
                Poll::Ready(Ok(Some(length))) => {
                    pending.extend(&room[..length]);
                    Poll::Ready(Ok(Some(length)))
                }
                other => other,
            });
            match ready!(received) {
                Ok(received) => self.is_ended = received.is_none(),
                Err(error) => (self.is_ended, self.failure) = (true, Some(error)),
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        if buf.contains(&b'\n') {
            let text = "a message with a newline in it is not one line";
            return Poll::Ready(Err(Error::new(Kind::BadFrame, text)));
        }
        ready!(self.poll_drain(cx))?;
        self.unsent.extend(buf);
        self.unsent.extend(self.rules.ending);
        // The message is taken as a whole from here on: bytes that do not pass now are kept for the next call.
        if let Poll::Ready(Err(error)) = self.poll_drain(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_drain(cx))?;
        self.inner.poll_flush(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_drain(cx))?;
        self.inner.poll_end(cx)
    }

    fn poll_cut_short(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        ready!(self.poll_drain(cx))?;
        self.inner.poll_cut_short(cx)
    }

    fn abort(&mut self) {
        self.inner.abort();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::memory;
    use crate::layer::Role;

    async fn framed(max: usize) -> (Conn, Conn) {
        let (there, here) = memory::pair(Shape::Bytes);
        let layer = Lines { max, ending: b"\n" };
        let scene = Surroundings::alone(Role::Server);
        let framed =
            layer.wrap(&scene, here).await.expect("no handshake").into_conn().expect("a conn");
        (there, framed)
    }

    #[tokio::test]
    async fn lines_come_whole_however_they_were_sent() {
        let (mut there, mut here) = framed(16).await;
        for part in [&b"on"[..], b"e\r", b"\n\ntwo\nla", b"st"] {
            there.send(part).await.expect("room");
        }
        there.end().await.expect("an end");
        let mut buf = [0; 32];
        for line in [&b"one"[..], b"", b"two", b"last"] {
            let length = here.recv(&mut buf).await.expect("a line").expect("not the end");
            assert_eq!(&buf[..length], line);
        }
        assert_eq!(here.recv(&mut buf).await, Ok(None));
    }

    #[tokio::test]
    async fn a_line_past_the_limit_is_an_error_and_memory_stays_bounded() {
        let (mut there, mut here) = framed(16).await;
        there.send(&[b'x'; 4_000]).await.expect("room");
        let error = here.recv(&mut [0; 32]).await.expect_err("too long");
        assert_eq!(error.kind(), Kind::BadFrame);
    }

    #[tokio::test]
    async fn what_came_before_a_reset_is_heard_before_it() {
        let (mut there, mut here) = framed(16).await;
        there.send(b"whole\ncu").await.expect("room");
        here.send(b"unread").await.expect("room");
        drop(there); // with bytes unread: a reset
        let mut buf = [0; 32];
        for line in [&b"whole"[..], b"cu"] {
            let length = here.recv(&mut buf).await.expect("it came before").expect("not the end");
            assert_eq!(&buf[..length], line);
        }
        for _ in 0..2 {
            let error = here.recv(&mut buf).await.expect_err("a reset");
            assert_eq!(error.kind(), Kind::ConnectionReset);
        }
    }

    #[tokio::test]
    async fn a_message_with_a_newline_is_refused() {
        let (_there, mut here) = framed(16).await;
        let error = here.send(b"a\nb").await.expect_err("two lines");
        assert_eq!(error.kind(), Kind::BadFrame);
    }
}
