//! As many bytes as go through: up, down, or there and back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::conn::{Boxed, Conn, scratch};
use crate::endpoint::Endpoint;
use crate::engine::{self, Dialer, Route};
use crate::error::{Error, Kind, Result};
use crate::load::driver::{Driver, Mismatch, OpenTalker, Round, Talker, Upshot, ended};
use crate::load::pingpong::route;
use crate::spec::Shape;

/// Bytes of a piece, where nobody says otherwise.
const USUAL_SIZE: usize = 128 << 10;
/// Bytes that are under way there and back, at most.
const WINDOW: usize = 1 << 20;
/// After so many bytes the stream begins anew. A prime, so that no buffer, page or segment fits into it a whole number of
/// times, and what was lost, doubled or misplaced shows.
const PERIOD: usize = 65_521;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferWay {
    /// To the server, which is to take them, as `discard` does.
    Up,
    /// From a server that sends without being asked.
    Down,
    /// To an echo and back, each byte compared.
    Both,
}

/// Bulk over conns that stay open. A round is one piece of it.
#[derive(Clone)]
pub struct Transfers {
    route: Route,
    way: TransferWay,
    size: usize,
}

impl Transfers {
    /// Pieces of 128 KiB.
    pub fn to(endpoint: &Endpoint, way: TransferWay, dialer: &Dialer) -> Result<Self> {
        if engine::resolve(endpoint)?.shape == Shape::Packets {
            let text = format!("a stream goes over bytes, and {endpoint} gives packets");
            let error = Error::new(Kind::DoesNotFit, text);
            return Err(error.hint_option("mode", "pingpong", "messages there and back"));
        }
        Ok(Transfers { route: route(endpoint, dialer)?, way, size: USUAL_SIZE })
    }

    /// Bytes of a piece.
    pub fn size(self, size: usize) -> Self {
        Transfers { size: size.max(1), ..self }
    }
}

impl Driver for Transfers {
    fn open(&self, _: usize) -> Boxed<'static, OpenTalker> {
        let Transfers { route, way, size } = self.clone();
        Box::pin(async move {
            let dialed = route.dial().await?;
            let talker = TransferTalker {
                conn: dialed.conn,
                way,
                size,
                stream: stream(size),
                under_way: VecDeque::new(),
                to_send: 0,
                sent: 0,
                is_flushed: true,
                received: 0,
                wrong: None,
                has_ended: false,
            };
            Ok(OpenTalker { talker: Box::new(talker), connected: Some(dialed.took) })
        })
    }
}

/// A period and a piece more, so that a piece can begin anywhere in it: printable noise (the generator of Numerical
/// Recipes), as a person may look at it.
fn stream(size: usize) -> Arc<[u8]> {
    let mut noise = 1_u32;
    let byte = |at: usize| {
        noise = if at.is_multiple_of(PERIOD) { 1 } else { noise };
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'!' + u8::try_from((noise >> 16) % 94).unwrap_or(0)
    };
    (0..PERIOD + size.max(scratch::SIZE)).map(byte).collect()
}

struct TransferTalker {
    conn: Conn,
    way: TransferWay,
    size: usize,
    stream: Arc<[u8]>,
    under_way: VecDeque<Round>,
    /// Up to where the stream is to be sent, how far it was, and how far it came.
    to_send: u64,
    sent: u64,
    is_flushed: bool,
    received: u64,
    wrong: Option<Box<Mismatch>>,
    has_ended: bool,
}

impl TransferTalker {
    /// The stream from an offset on, so many bytes of it.
    fn piece(&self, from: u64, length: usize) -> &[u8] {
        let at = usize::try_from(from % PERIOD as u64).unwrap_or(0);
        &self.stream[at..at + length]
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.sent < self.to_send {
            let left = usize::try_from(self.to_send - self.sent).unwrap_or(usize::MAX);
            let at = usize::try_from(self.sent % PERIOD as u64).unwrap_or(0);
            let piece = &self.stream[at..at + left.min(self.size)];
            self.sent += std::task::ready!(self.conn.channel().poll_send(cx, piece))? as u64;
            self.is_flushed = false;
        }
        if !self.is_flushed {
            std::task::ready!(self.conn.channel().poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes in what has come; false at the end of the stream.
    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        scratch::with(|buffer| {
            let received = std::task::ready!(self.conn.channel().poll_recv(cx, buffer))?;
            let Some(length) = received else { return Poll::Ready(Ok(false)) };
            let came = &buffer[..length];
            if self.way == TransferWay::Both && self.piece(self.received, length) != came {
                self.wrong = Some(Mismatch::new(self.piece(self.received, length), came));
            }
            self.received += length as u64;
            Poll::Ready(Ok(true))
        })
    }

    /// A piece that is through.
    fn done(&mut self) -> Option<Upshot> {
        let size = self.size as u64;
        let left = self.under_way.len() as u64 * size;
        let (is_through, sent, received) = match self.way {
            TransferWay::Up => (self.sent + left >= self.to_send + size, size, 0),
            TransferWay::Down => (self.received >= size, 0, size),
            TransferWay::Both => (self.received + left >= self.to_send + size, size, size),
        };
        if !is_through || self.wrong.is_some() {
            return None;
        }
        let round = self.under_way.pop_front()?;
        if self.way == TransferWay::Down {
            self.received -= size;
        }
        Some(Upshot::Done { round, sent, received })
    }
}

impl Talker for TransferTalker {
    fn room(&self) -> usize {
        let most = if self.way == TransferWay::Both { WINDOW.div_ceil(self.size) } else { 1 };
        if self.wrong.is_some() { 0 } else { most.saturating_sub(self.under_way.len()) }
    }

    fn begin(&mut self, round: Round) {
        self.under_way.push_back(round);
        if self.way != TransferWay::Down {
            self.to_send += self.size as u64;
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: Duration) -> Poll<Upshot> {
        loop {
            if let Some(came) = self.done() {
                return Poll::Ready(came);
            }
            if let Some(wrong) = self.wrong.clone() {
                let round = self.under_way.pop_front();
                let came = round.map(|round| Upshot::Wrong(round, wrong));
                return Poll::Ready(came.unwrap_or(Upshot::GivenUp));
            }
            let before = self.sent;
            if let Poll::Ready(Err(error)) = self.poll_out(cx) {
                return Poll::Ready(Upshot::Broken(error));
            }
            match self.poll_in(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(Upshot::Broken(ended())),
                Poll::Ready(Err(error)) => return Poll::Ready(Upshot::Broken(error)),
                Poll::Pending if self.sent > before => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Ends our direction, and waits until the server has taken all of it and ends its own.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.has_ended {
            // What was begun is to be whole.
            std::task::ready!(self.poll_out(cx))?;
            std::task::ready!(self.conn.channel().poll_end(cx))?;
            self.has_ended = true;
        }
        while self.way != TransferWay::Down && std::task::ready!(self.poll_in(cx))? {}
        Poll::Ready(Ok(()))
    }
}
