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
        Ok(None) => return presence.end = Some(Box::new((Ok(Ending::default()), None))),
        Err(error) => return presence.end = Some(Box::new((Err(error), None))),
    };
    let held = uncut(&session, serve(&house, &session, &mut conn)).await;
    let vitals = if house.bus.is_watched() { conn.vitals() } else { None };
    let result = match held {
        Some(Ok(ending)) => {
            conclude(&session, &mut conn, house.limits.linger).await.map(|()| ending)
        }
        Some(Err(error)) => {
            conn.abort();
            Err(error)
        }
        None if session.cut_by() == Some(Cut::Idle) => {
            conclude(&session, &mut conn, house.limits.linger).await.map(|()| Ending::default())
        }
        None => {
            conn.abort();
            Ok(Ending::default())
        }
    };
    presence.end = Some(Box::new((result, vitals)));
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

/// Ends our direction, then waits for the peer's end: a close with its bytes unread would be a reset, and
/// could overtake the answer that is still on its way.
async fn conclude(session: &Session, conn: &mut Conn, linger: Duration) -> Result<()> {
    conn.end().await?;
    if session.end_of(Direction::In).is_some() {
        return Ok(());
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
    Ok(())
}
