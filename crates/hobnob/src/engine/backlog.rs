//! Who waits in the kernel's queues while a server that serves one at a time is busy: shaken hands with, not accepted.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::bus::{Bus, Seldom};
use crate::conn::listener::Listener;
use crate::socket::AcceptQueue;

/// The limit's name: the model that has one place.
pub(super) const SERIAL: &str = "serial";

/// What was told less than a second ago is looked at again after this long.
const PAUSE: Duration = Duration::from_millis(100);

/// The queues of all listeners of a server.
pub(super) struct Backlog(Vec<AcceptQueue>);

impl Backlog {
    /// Of the listeners that are sockets of the kernel's. One whose queue cannot be watched is served as ever.
    pub(super) fn of<'a>(listeners: impl Iterator<Item = &'a (dyn Listener + 'static)>) -> Self {
        let queues =
            listeners.filter_map(|listener| AcceptQueue::watch(listener.descriptor()?).ok());
        Backlog(queues.collect())
    }

    /// Tells that peers wait, and how many, when that changes and at most once a second. It is never ready; once it has told
    /// something, the end of the wait is to be told too.
    pub(super) async fn tell(&self, bus: &Bus, seldom: &Seldom, is_told: &mut bool) {
        let mut told = None;
        loop {
            let waiting = self.length();
            if waiting.is_none() || waiting == told {
                self.grown().await;
            } else if seldom.paused_with(bus, SERIAL, waiting) {
                (told, *is_told) = (waiting, true);
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// How many wait; none: nobody.
    fn length(&self) -> Option<u64> {
        self.0.iter().filter_map(AcceptQueue::length).reduce(|one, other| one + other)
    }

    /// Resolves when somebody has come to one of the queues.
    async fn grown(&self) {
        poll_fn(|cx| {
            // Each is asked, so that each wakes this task.
            let grown = self.0.iter().filter(|queue| queue.poll_grown(cx).is_ready()).count();
            if grown > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
