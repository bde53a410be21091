//! Looks out for the end of sockets that nobody reads from: no read would tell that their peers are gone.
//!
//! One epoll instance for all sockets of a runtime's thread, which is told of failures alone (`sys/hangup.rs`): a socket
//! on which nothing of that kind happens wakes nobody, whatever comes in.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::socket::{HangupPoll, SocketState, state};

thread_local! {
    /// The one of the runtime that this thread runs; none until somebody looks out here.
    static VIGIL: RefCell<Weak<Vigil>> = const { RefCell::new(Weak::new()) };
}

/// The sockets of a thread, and the tasks that are to hear of them.
struct Vigil {
    sockets: HangupPoll,
    watchers: Mutex<Watchers>,
}

#[derive(Default)]
struct Watchers {
    by_number: HashMap<u64, Watcher>,
    next: u64,
}

struct Watcher {
    waker: Waker,
    /// Something has happened since the socket was last asked.
    is_told: bool,
}

/// A socket's place among those that are looked out for. None until its end is first waited for: thousands lie idle.
#[derive(Default)]
pub(crate) struct Lookout(Option<Box<LookoutPlace>>);

struct LookoutPlace {
    vigil: Weak<Vigil>,
    number: u64,
}

impl Lookout {
    /// Ready with what `judge` makes of the socket's state, as soon as that is something. It is asked at the first time,
    /// and then only after a failure or a hangup. Always of the same socket.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        socket: BorrowedFd<'_>,
        judge: impl FnOnce(SocketState) -> Option<T>,
    ) -> Poll<T> {
        let place = match &self.0 {
            Some(place) if !place.is_told(cx.waker()) => return Poll::Pending,
            Some(place) => place,
            None => self.0.insert(Box::new(LookoutPlace::take(socket, cx.waker()))),
        };
        match state(socket).ok().and_then(judge) {
            Some(end) => {
                place.note_told();
                Poll::Ready(end)
            }
            None => Poll::Pending,
        }
    }
}

impl LookoutPlace {
    /// Where the kernel has no epoll to give, the place is that of nobody, and the socket is asked whenever it is polled.
    fn take(socket: BorrowedFd<'_>, waker: &Waker) -> Self {
        let vigil = Vigil::of_this_thread();
        let number = vigil.as_ref().and_then(|vigil| vigil.enter(socket, waker));
        match (vigil, number) {
            (Some(vigil), Some(number)) => LookoutPlace { vigil: Arc::downgrade(&vigil), number },
            _ => LookoutPlace { vigil: Weak::new(), number: 0 },
        }
    }

    /// Whether something has happened. If not, this waker hears of it.
    fn is_told(&self, waker: &Waker) -> bool {
        let Some(vigil) = self.vigil.upgrade() else { return true };
        let mut watchers = vigil.watchers();
        let Some(watcher) = watchers.by_number.get_mut(&self.number) else { return true };
        watcher.waker.clone_from(waker);
        std::mem::take(&mut watcher.is_told)
    }

    /// What happened is still to be told to whoever asks next.
    fn note_told(&self) {
        let Some(vigil) = self.vigil.upgrade() else { return };
        if let Some(watcher) = vigil.watchers().by_number.get_mut(&self.number) {
            watcher.is_told = true;
        }
    }
}

impl Drop for LookoutPlace {
    fn drop(&mut self) {
        if let Some(vigil) = self.vigil.upgrade() {
            vigil.watchers().by_number.remove(&self.number);
        }
    }
}

impl Vigil {
    fn of_this_thread() -> Option<Arc<Self>> {
        VIGIL.with_borrow_mut(|vigil| {
            vigil.upgrade().or_else(|| {
                let new = Arc::new(Vigil {
                    sockets: HangupPoll::new().ok()?,
                    watchers: Mutex::default(),
                });
                *vigil = Arc::downgrade(&new);
                // The task alone owns it, so that it is gone with its runtime.
                tokio::spawn(keep(new.clone()));
                Some(new)
            })
        })
    }

    fn enter(&self, socket: BorrowedFd<'_>, waker: &Waker) -> Option<u64> {
        let mut watchers = self.watchers();
        let number = watchers.next;
        self.sockets.add(socket, number).ok()?;
        watchers.next += 1;
        watchers.by_number.insert(number, Watcher { waker: waker.clone(), is_told: false });
        Some(number)
    }

    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what has happened; the tasks that are to hear of it.
    fn tell(&self, numbers: &[u64]) -> Vec<Waker> {
        let mut watchers = self.watchers();
        let told = numbers.iter().filter_map(|number| {
            let watcher = watchers.by_number.get_mut(number)?;
            watcher.is_told = true;
            Some(watcher.waker.clone())
        });
        told.collect()
    }
}

/// Wakes those whose sockets have failed or hung up, for as long as the runtime is there.
async fn keep(vigil: Arc<Vigil>) {
    while let Ok(told) = poll_fn(|cx| vigil.sockets.poll_told(cx)).await {
        vigil.tell(&told).into_iter().for_each(Waker::wake);
    }
}
