//! A session's life, on its shard: layers, tap, service, end.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::chunk::{Direction, Side};
use crate::conn::{Boxed, Conn, scratch};
use crate::engine::door::Doorway;
use crate::engine::ending::Ending;
use crate::engine::house::House;
use crate::engine::presence::Presence;
use crate::engine::respond;
use crate::error::{Error, Result};
use crate::event::{By, End, Fact, Reason};
use crate::service::Made;
use crate::session::{Conclusion, Cut, Session, tap};

/// Lives until the session is over. When the presence drops, it tells how the session ended.
///
/// Thousands of these futures lie idle in their middle. So the beginning, the work and the end are boxed, each by itself:
/// what only one of them needs is not held for the whole life of each session.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
pub(super) fn live(
    mut presence: Presence,
    mut conn: Conn,
    door: Arc<Doorway>,
) -> impl Future<Output = ()> + Send {
    async move {
        note_task(&presence.session).await;
        if !door.is_bare()
            && let Some(end) = Box::pin(dress(&presence, &mut conn, &door)).await
        {
            let cut = presence.session.cut_by();
            presence.ended(end, cut, None);
            return;
        }
        // A conn that was dialled has its layers on already.
        presence.session.tell_learnt(By::Peer, conn.facts().learnt());
        tap::lay(&presence.session, Side::Downstream, &mut conn);
        let held = serve(&presence.house, &presence.session, &mut conn).await;
        Box::pin(part(presence, conn, held, door.has_ends)).await;
    }
}

/// Notes the task of the session, which a cut or a drain is to wake.
async fn note_task(session: &Session) {
    poll_fn(|cx| {
        session.lives_in(cx.waker());
        Poll::Ready(())
    })
    .await;
}

/// Puts the layers on. An outcome that is there means that the session is over before its service began.
async fn dress(presence: &Presence, conn: &mut Conn, door: &Doorway) -> Option<Result<Ending>> {
    let (session, house) = (&presence.session, &presence.house);
    let entering = door.enter(conn.take(), house.limits.handshake);
    let entering = async {
        tokio::select! {
            biased;
            entered = entering => entered.inspect_err(|_| house.note_failed_handshake()),
            () = house.used_up() => Err(turned_away(presence)),
        }
    };
    match uncut(session, entering).await {
        Some(Ok(Some((mut dressed, _)))) if !house.take_quota() => {
            dressed.abort();
            Some(Err(turned_away(presence)))
        }
        Some(Ok(Some((dressed, entered)))) => {
            house.note_used_up();
            *conn = dressed;
            if door.door().is_none() {
                session.enters_by(entered);
                session.emit(Fact::Entered { door: entered });
            }
            None
        }
        Some(Err(error)) => Some(Err(error)),
        Some(Ok(None)) | None => Some(Ok(Ending::default())),
    }
}

/// Turns away a peer whose handshakes were not done when the last session that may come had come.
fn turned_away(presence: &Presence) -> Error {
    let session = &presence.session;
    presence.house.refuse(session.shard(), &session.facts.peer, "max");
    Error::limit("max", "as many sessions had come as may come")
}

/// Ends the conn as the session ended: in order, or torn down.
async fn part(
    mut presence: Presence,
    mut conn: Conn,
    held: Option<Result<Ending>>,
    has_ends: bool,
) {
    let (house, session) = (presence.house.clone(), presence.session.clone());
    let vitals = if house.bus.is_watched() { conn.vitals() } else { None };
    // A cut that comes after the service is done changes nothing about how the session ended.
    let (result, cut) = match held {
        Some(Ok(ending)) => match uncut(&session, conn.end()).await {
            Some(Ok(())) => {
                if has_ends {
                    linger(&session, &mut conn, house.limits.linger).await;
                }
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
            // An idle session ends in order, but a peer that takes nothing cannot hold the end up.
            if !is_idle || tokio::time::timeout(house.limits.linger, conn.end()).await.is_err() {
                conn.abort();
            }
            (Ok(Ending::default()), session.cut_by())
        }
    };
    let result = result.map(|ending| with_last_word(ending, &mut conn));
    presence.ended(result, cut, vitals);
}

/// Adds what the channel says of its end, unless the service has said something.
fn with_last_word(ending: Ending, conn: &mut Conn) -> Ending {
    Ending { detail: ending.detail.or_else(|| conn.last_word()), ..ending }
}

fn serve<'a>(house: &'a House, session: &'a Arc<Session>, conn: &'a mut Conn) -> Serving<'a> {
    let work = match &house.service {
        Made::Responder(responder) => {
            Work::Answering(Box::pin(respond::run(&**responder, session, conn, house.cutting)))
        }
        Made::Service(service) => Work::Holding(service.run(session, conn)),
    };
    Serving { session, work }
}

/// The future of what a session does between its layers and its end. It yields none once the engine cuts the session.
/// An async block would hold its arguments twice.
struct Serving<'a> {
    session: &'a Session,
    work: Work<'a>,
}

enum Work<'a> {
    Answering(Boxed<'a, Ending>),
    Holding(Boxed<'a, ()>),
}

impl Future for Serving<'_> {
    type Output = Option<Result<Ending>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Serving { session, work } = &mut *self;
        if session.cut_by().is_some() {
            return Poll::Ready(None);
        }
        let ended = match work {
            Work::Answering(answering) => answering.as_mut().poll(cx),
            Work::Holding(holding) => holding.as_mut().poll(cx).map_ok(|()| heeded(session)),
        };
        ended.map(Some)
    }
}

/// How a session ended whose service returned well: for the reason that the service gave; or because the drain asked
/// for it, unless the peer had ended its direction already.
fn heeded(session: &Session) -> Ending {
    let has_word = |said: &&Conclusion| said.limit.is_some() || said.detail.is_some();
    if let Some(conclusion) = session.conclusion().filter(has_word) {
        let reason = conclusion.limit.map(Reason::Limit);
        let reason = reason.or(conclusion.fault.map(Reason::Fault));
        return Ending { reason, detail: conclusion.detail.clone() };
    }
    let is_ours = |end: End| end.by == By::Us;
    let is_asked = session.is_draining() && session.end_of(Direction::In).is_none_or(is_ours);
    Ending { reason: is_asked.then_some(Reason::Stopped), detail: None }
}

/// Runs until the engine cuts the session, and yields none then. The cut wakes this task.
async fn uncut<T>(session: &Session, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match session.cut_by() {
        Some(_) => Poll::Ready(None),
        None => work.as_mut().poll(cx).map(Some),
    })
    .await
}

/// Bytes that are read and dropped after our end at most. A peer that says more than that does not listen.
const MOST_UNHEARD: usize = 256 * 1_024 * 1_024;

/// After our end, waits for the peer's end. A close while bytes of the peer are unread would be a reset, which could
/// overtake the answer that is still on its way.
async fn linger(session: &Session, conn: &mut Conn, linger: Duration) {
    if session.end_of(Direction::In).is_some_and(|end| end.by != By::Us) {
        return;
    }
    let mut unheard = 0;
    let discard = poll_fn(|cx| {
        // A few rounds, and then the other tasks have their turn, as the peer may be pouring.
        for _ in 0..16 {
            match scratch::with(|buffer| conn.channel().poll_recv(cx, buffer)) {
                Poll::Ready(Ok(Some(length))) => unheard += length,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
            if unheard > MOST_UNHEARD {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    // Neither a peer that stays nor one that resets now changes how the session ended.
    let discard = async { drop(tokio::time::timeout(linger, discard).await) };
    let _ = uncut(session, discard).await;
}
