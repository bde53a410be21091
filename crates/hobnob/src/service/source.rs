//! Pours numbered lines until the peer stops.
//!
//! Every 64 bytes are a line that begins with its own offset, so that whoever receives can tell at any place
//! whether something was lost, repeated or moved.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Door, Made, Service, ServiceRow};
use crate::conn::{Boxed, Conn, scratch};
use crate::error::{Kind, Result};
use crate::session::Session;
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "source",
        summary: "pours",
        options: &[OptionSpec {
            name: "bytes",
            kind: ValueKind::Bytes,
            default: "",
            help: "stop after so many bytes, as in 512, 64k or 1m; no limit where it is not given",
        }],
        examples: &["hobnob serve source", "hobnob serve source --bytes 1m"],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: true,
    make: Some(|options| Ok(Made::Service(Box::new(Pourer { limit: options.count("bytes") })))),
};

/// Bytes of a packet. A packet of this size passes every network in one piece.
const PACKET: usize = 1_024;

/// How long a packet of the peer keeps the packets coming. A datagram peer that is gone cannot say so.
const INTEREST: Duration = Duration::from_secs(10);

/// Sends before other sessions of the thread get their turn.
const ROUNDS: usize = 16;

struct Pourer {
    limit: Option<u64>,
}

impl Service for Pourer {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        let mut pour = Pour {
            limit: self.limit.unwrap_or(u64::MAX),
            poured: 0,
            has_peer_ended: false,
            has_peer_closed: false,
            interest_ends: None,
        };
        Box::pin(poll_fn(move |cx| pour.poll(cx, session, conn)))
    }

    /// One packet of a peer is answered with many packets.
    fn says_lines(&self) -> bool {
        false
    }
}

/// One session's state.
struct Pour {
    limit: u64,
    poured: u64,
    /// Whether the peer says no more. It may still listen.
    has_peer_ended: bool,
    has_peer_closed: bool,
    /// On packets, the time of the clock until which they are wanted; none: the peer has not asked.
    interest_ends: Option<Duration>,
}

impl Pour {
    /// Polls both directions. What the peer sends is read and dropped, so that its end or reset is seen.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        conn: &mut Conn,
    ) -> Poll<Result<()>> {
        for _ in 0..ROUNDS {
            if session.is_draining() || self.is_over(conn.shape()) {
                return Poll::Ready(Ok(()));
            }
            let heard = self.listen(cx, session, conn)?;
            let sent = self.send(cx, session, conn)?;
            if heard.is_pending() && sent.is_pending() {
                let _ = conn.channel().poll_flush(cx)?;
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_over(&self, shape: Shape) -> bool {
        // Packets go only to a peer that asks, and this one will not ask again.
        let is_abandoned = shape == Shape::Packets && self.has_peer_ended;
        self.poured >= self.limit || self.has_peer_closed || is_abandoned
    }

    /// Reads once. Pending where nothing more can be read, now or ever.
    ///
    /// On bytes the peer's end is only the end of what it says (`nc < /dev/null` ends at once, and still wants
    /// all): the pouring goes on until it closes, which a send will tell.
    fn listen(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        conn: &mut Conn,
    ) -> Poll<Result<()>> {
        if self.has_peer_ended {
            return Poll::Pending;
        }
        match ready!(scratch::with(|buffer| conn.channel().poll_recv(cx, buffer)))? {
            Some(_) => self.interest_ends = Some(session.clock().now() + INTEREST),
            None => self.has_peer_ended = true,
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the next lines, straight from this thread's buffer: a slow peer costs no memory.
    fn send(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        conn: &mut Conn,
    ) -> Poll<Result<()>> {
        let size = match conn.shape() {
            Shape::Bytes => scratch::SIZE,
            Shape::Packets if self.is_wanted(session) => PACKET,
            Shape::Packets => return Poll::Pending,
        };
        let left = usize::try_from(self.limit - self.poured).unwrap_or(usize::MAX);
        let sent = ready!(scratch::with(|buffer| {
            let lines = &mut buffer[..size.min(left)];
            write_lines(self.poured, lines);
            conn.channel().poll_send(cx, lines)
        }));
        match sent {
            Ok(sent) => self.poured += sent as u64,
            // After the peer's end, its close shows as this error, and nothing is lost but our own flood.
            Err(error) if self.has_peer_ended && is_gone(error.kind()) => {
                self.has_peer_closed = true;
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }

    fn is_wanted(&self, session: &Session) -> bool {
        self.interest_ends.is_some_and(|ends| session.clock().now() < ends)
    }
}

fn is_gone(kind: Kind) -> bool {
    matches!(kind, Kind::ConnectionReset | Kind::ConnectionBroken)
}

const LINE: usize = 64;
const DIGITS: usize = 20;

/// A line whose offset is still all zeros.
const BLANK: &[u8; LINE] = b"00000000000000000000 abcdefghijklmnopqrstuvwxyz0123456789-+.:,;\n";

/// Fills `out` with what stands at `offset` of the endless text.
fn write_lines(offset: u64, out: &mut [u8]) {
    let within = usize::try_from(offset % LINE as u64).expect("less than a line");
    let mut start = offset - within as u64;
    let (head, rest) = out.split_at_mut(out.len().min((LINE - within) % LINE));
    if !head.is_empty() {
        head.copy_from_slice(&line(start)[within..][..head.len()]);
        start = start.wrapping_add(LINE as u64);
    }
    for part in rest.chunks_mut(LINE) {
        part.copy_from_slice(&line(start)[..part.len()]);
        start = start.wrapping_add(LINE as u64);
    }
}

/// The line that begins at `offset`.
fn line(mut offset: u64) -> [u8; LINE] {
    let mut line = *BLANK;
    for digit in line[..DIGITS].iter_mut().rev() {
        if offset == 0 {
            break;
        }
        *digit = b'0' + (offset % 10) as u8;
        offset /= 10;
    }
    line
}

#[cfg(test)]
mod tests;
