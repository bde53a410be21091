//! Looks now and then at a side that is not read from, because its direction is full or over: no read would tell that the
//! peer has torn its conn down.
//!
//! A kernel tells of a reset by waking a reader, and all that the peer sends would wake it too. So this is a timer, with a
//! growing pause: a look costs one poll(2), and a side that is read from costs nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::way::{Deafness, Way};
use super::witness::Broken;
use crate::conn::Conn;

/// The first pause, after something has moved, and the longest. Each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// When the sides that are not read from are looked at next. None where both are read from.
#[derive(Default)]
pub(super) struct Glance(Option<Box<GlancePause>>);

struct GlancePause {
    time: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl GlancePause {
    fn of(time: Duration) -> Self {
        GlancePause { time, sleep: Box::pin(sleep(time)) }
    }
}

impl Glance {
    /// Something has moved: what it leads to is looked for soon.
    pub(super) fn soon(&mut self) {
        if let Some(pause) = &mut self.0 {
            pause.time = FIRST_PAUSE;
        }
    }

    /// Looks when it is time. Ready: this side's peer has torn its conn down. Each direction comes with the conn that it
    /// receives from.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        ways: [(&Way, &mut Conn); 2],
    ) -> Poll<Broken> {
        if ways.iter().all(|(way, _)| way.deafness().is_none()) {
            self.0 = None;
            return Poll::Pending;
        }
        let pause = self.0.get_or_insert_with(|| Box::new(GlancePause::of(FIRST_PAUSE)));
        ready!(pause.sleep.as_mut().poll(cx));
        for (way, from) in ways {
            let is_over = match way.deafness() {
                None => false,
                Some(Deafness::Held) => true,
                // Nothing has moved for a while: no more of what it said will be taken.
                Some(Deafness::Waits) => pause.time >= LONGEST_PAUSE,
            };
            // A peer that has left in order is no reason to lose what it said.
            if is_over && let Poll::Ready(Err(error)) = look(from) {
                return Poll::Ready(Broken { side: way.from, error });
            }
        }
        let mut next = GlancePause::of((pause.time * 2).min(LONGEST_PAUSE));
        // It is polled so that it wakes us; a pause is never over at once.
        let _ = next.sleep.as_mut().poll(cx);
        **pause = next;
        Poll::Pending
    }
}

/// Whether the peer is gone, as of now: one poll of what waits for that.
fn look(conn: &mut Conn) -> Poll<crate::error::Result<()>> {
    conn.channel().left().as_mut().poll(&mut Context::from_waker(Waker::noop()))
}
