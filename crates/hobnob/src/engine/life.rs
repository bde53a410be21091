//! A session's life, on its shard: layers, tap, service, end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::chunk::Direction;
use crate::conn::{Conn, scratch};
use crate::engine::house::{Door, House, Presence};
use crate::engine::respond::{self, Ending};
use crate::error::Result;
use crate::layer::tap;
use crate::service::Made;
use crate::session::{Cut, Session};

/// Lives until the session is over. The presence tells how it ended when it drops.
pub(super) async fn live(mut presence: Presence, conn: Conn, door: Arc<Door>) {
    let (house, session) = (presence.house.clone(), presence.session.clone());
    poll_fn(|cx| {
        session.lives_in(cx.waker());
        Poll::Ready(())
    })
    .await;
    let dressed = if door.stack.is_bare() {
        Ok(Some(conn))
    } else {
        uncut(&session, door.stack.dress(conn, house.limits.handshake)).await.unwrap_or(Ok(None))
    };
    let mut conn = match dressed {
        Ok(Some(conn)) => tap::lay(&session, conn),
        Ok(None) => return presence.ended(Ok(Ending::default()), session.cut_by(), None),
        Err(error) => return presence.ended(Err(error), session.cut_by(), None),
    };
    let held = uncut(&session, serve(&house, &session, &mut conn)).await;
    let vitals = if house.bus.is_watched() { conn.vitals() } else { None };
    // A cut that comes when all was said changes nothing about how the session ended.
    let (result, cut) = match held {
        Some(Ok(ending)) => match uncut(&session, conn.end()).await {
            Some(Ok(())) => {
                linger(&session, &mut conn, house.limits.linger).await;
                (Ok(ending), None)
            }
            Some(Err(error)) => (Err(error), None),
            None => {
                conn.abort();
                (Ok(ending), session.cut_by())
            }
        },
        Some(Err(error)) => {
            conn.abort();
            (Err(error), None)
        }
        None => {
            let is_idle = session.cut_by() == Some(Cut::Idle);
            // In order, but a peer that takes nothing cannot hold it up.
            if !is_idle || tokio::time::timeout(house.limits.linger, conn.end()).await.is_err() {
                conn.abort();
            }
            (Ok(Ending::default()), session.cut_by())
        }
    };
    presence.ended(result, cut, vitals);
}

async fn serve(house: &House, session: &Arc<Session>, conn: &mut Conn) -> Result<Ending> {
    match &house.service {
        Made::Responder(responder) => {
            respond::run(&**responder, session, conn, house.cutting).await
        }
        Made::Service(service) => service.run(session, conn).await.map(|()| Ending::default()),
    }
}

/// Runs until the engine cuts the session: then none. The notice wakes this task.
async fn uncut<T>(session: &Session, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match session.cut_by() {
        Some(_) => Poll::Ready(None),
        None => work.as_mut().poll(cx).map(Some),
    })
    .await
}

/// After our end, waits for the peer's: a close with its bytes unread would be a reset, and could overtake the
/// answer that is still on its way.
async fn linger(session: &Session, conn: &mut Conn, linger: Duration) {
    if session.end_of(Direction::In).is_some() {
        return;
    }
    let discard = poll_fn(|cx| {
        // A few rounds, then the others: the peer may be pouring.
        for _ in 0..16 {
            match scratch::with(|buffer| conn.channel().poll_recv(cx, buffer)) {
                Poll::Ready(Ok(Some(_))) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    // Neither a peer that stays nor one that resets now changes how the session ended.
    let discard = async { drop(tokio::time::timeout(linger, discard).await) };
    let _ = uncut(session, discard).await;
}
