//! What a door hears, and how long it waits for it.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::conn::{Conn, scratch};
use crate::error::Result;
use crate::session::Session;

/// What came.
pub(super) enum Hearing {
    Bytes(Vec<u8>),
    /// The peer has said all.
    End,
    /// The server is asked to come to its end, and nothing has come.
    Draining,
    /// Nothing came in time.
    Late,
}

/// Bytes that are heard at once.
const HEARD: usize = 32 * 1_024;

/// Waits for bytes, up to a time of the clock. While a letter is on its way (`is_busy`) the drain has to wait.
pub(super) async fn hear(
    session: &Session,
    conn: &mut Conn,
    deadline: Duration,
    is_busy: bool,
) -> Result<Hearing> {
    let ahead = deadline.saturating_sub(session.clock().now());
    let heard = poll_fn(|cx| {
        if !is_busy && session.is_draining() {
            return Poll::Ready(Ok(Hearing::Draining));
        }
        poll(cx, conn)
    });
    tokio::time::timeout(ahead, heard).await.unwrap_or(Ok(Hearing::Late))
}

/// What has come already, before anything was said; none: nothing has.
pub(super) async fn overhear(conn: &mut Conn) -> Result<Option<Hearing>> {
    poll_fn(|cx| match poll(cx, conn) {
        Poll::Ready(heard) => Poll::Ready(heard.map(Some)),
        Poll::Pending => Poll::Ready(Ok(None)),
    })
    .await
}

fn poll(cx: &mut Context<'_>, conn: &mut Conn) -> Poll<Result<Hearing>> {
    scratch::with(|buffer| {
        conn.channel().poll_recv(cx, &mut buffer[..HEARD]).map_ok(|length| match length {
            Some(length) => Hearing::Bytes(buffer[..length].to_vec()),
            None => Hearing::End,
        })
    })
}
