//! Wakes what faults hold for a short time to the tenth of a millisecond: one alarm of the kernel's for all links of a
//! thread, which is set only while something waits for it.
//!
//! A runtime's own timer is up to a millisecond late, at each fault and in each direction, which is most of a short hold.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::socket::Alarm;

thread_local! {
    /// The chime of the runtime that this thread runs; none until something is held here.
    static CHIME: RefCell<Weak<Chime>> = const { RefCell::new(Weak::new()) };
}

/// One alarm, and who waits for it.
pub(super) struct Chime {
    alarm: Alarm,
    clock: Clock,
    waiting: Mutex<Sleepers>,
}

#[derive(Default)]
struct Sleepers {
    by_time: BTreeMap<(Instant, u64), Waker>,
    /// Of the next to come, so that two of one time are two.
    number: u64,
    /// What the alarm is set for.
    set_for: Option<Instant>,
}

/// A place among those that wait. Dropping it gives the place up.
pub(super) struct Waits {
    chime: Arc<Chime>,
    key: (Instant, u64),
}

impl Chime {
    /// Has the waker woken at that time. None: the kernel gives no alarm, and the runtime's timer has to do.
    pub(super) fn wait(clock: Clock, due: Instant, waker: &Waker) -> Option<Waits> {
        let chime = CHIME.with_borrow_mut(|chime| {
            chime.upgrade().or_else(|| {
                let new =
                    Arc::new(Chime { alarm: Alarm::new().ok()?, clock, waiting: Mutex::default() });
                *chime = Arc::downgrade(&new);
                tokio::spawn(ring(new.clone()));
                Some(new)
            })
        })?;
        let key = {
            let mut waiting = chime.waiting();
            let key = (due, waiting.number);
            waiting.number += 1;
            waiting.by_time.insert(key, waker.clone());
            chime.set(&mut waiting);
            key
        };
        Some(Waits { chime, key })
    }

    fn waiting(&self) -> MutexGuard<'_, Sleepers> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the alarm for the first that waits. A later one stays set for nothing, once: only where none waits, it is off.
    fn set(&self, waiting: &mut Sleepers) {
        let first = waiting.by_time.keys().next().map(|(due, _)| *due);
        let is_set = match (first, waiting.set_for) {
            (Some(first), Some(set_for)) => set_for <= first,
            (first, set_for) => first == set_for,
        };
        if !is_set {
            let now = self.clock.instant_in(std::time::Duration::ZERO);
            // It fails only for a time that cannot be; the runtime's timer is set as well.
            drop(self.alarm.set(first.map(|first| first.saturating_duration_since(now))));
            waiting.set_for = first;
        }
    }

    /// Those whose time has come.
    fn rung(&self) -> Vec<Waker> {
        let now = self.clock.instant_in(std::time::Duration::ZERO);
        let mut waiting = self.waiting();
        let later = waiting.by_time.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut waiting.by_time, later);
        waiting.set_for = None;
        self.set(&mut waiting);
        due.into_values().collect()
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut waiting = self.chime.waiting();
        if waiting.by_time.remove(&self.key).is_some() && waiting.by_time.is_empty() {
            self.chime.set(&mut waiting);
        }
    }
}

/// Wakes those whose time has come, for as long as the runtime is there.
async fn ring(chime: Arc<Chime>) {
    while poll_fn(|cx| chime.alarm.poll_rung(cx)).await.is_ok() {
        chime.rung().into_iter().for_each(Waker::wake);
    }
}

/// How many wait for the alarm of this thread.
#[cfg(test)]
pub(super) fn waiting_here() -> usize {
    let chime = CHIME.with_borrow(Weak::upgrade);
    chime.map_or(0, |chime| chime.waiting().by_time.len())
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;

    fn is_set(chime: &Chime) -> bool {
        chime.waiting().set_for.is_some()
    }

    /// Done once it was woken.
    async fn rings(clock: Clock, after: Duration) -> Arc<Chime> {
        let due = clock.instant_in(after);
        let mut waits = None;
        poll_fn(|cx| {
            let waits =
                waits.get_or_insert_with(|| Chime::wait(clock, due, cx.waker()).expect("an alarm"));
            if clock.instant_in(Duration::ZERO) < due {
                return Poll::Pending;
            }
            Poll::Ready(waits.chime.clone())
        })
        .await
    }

    #[tokio::test]
    async fn each_is_woken_at_its_time_and_then_the_alarm_is_off() {
        let clock = Clock::start();
        let micros = Duration::from_micros;
        let (one, other, third) = tokio::join!(
            rings(clock, micros(900)),
            rings(clock, micros(300)),
            rings(clock, micros(900))
        );
        assert!(Arc::ptr_eq(&one, &other) && Arc::ptr_eq(&one, &third), "one for all");
        assert!(one.waiting().by_time.is_empty() && !is_set(&one));
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing_behind() {
        let clock = Clock::start();
        let hour = Duration::from_hours(1);
        let mut long = pin!(rings(clock, hour));
        poll_fn(|cx| Poll::Ready(long.as_mut().poll(cx).is_pending())).await;
        let waits =
            Chime::wait(clock, clock.instant_in(hour * 2), Waker::noop()).expect("an alarm");
        let chime = waits.chime.clone();
        assert!(is_set(&chime));
        drop(waits);
        assert_eq!(chime.waiting().by_time.len(), 1);
        long.set(rings(clock, hour));
        assert!(chime.waiting().by_time.is_empty() && !is_set(&chime));
    }
}
