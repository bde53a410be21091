//! A few threads for work that may block, such as reading a disk, with a bounded queue. No session runs on them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Kind, Result};
use crate::session::powers::Job;
use crate::thread;

/// The most threads. A disk is not faster for more of them, and with several a job that hangs does not hold up the
/// others.
const THREADS: usize = 4;
/// The most jobs that wait in the queue. A caller that brings one more waits.
const QUEUE: usize = 64;

/// A server's workshop. No thread is started before there is work.
pub(super) struct Workshop {
    bench: Arc<Bench>,
    places: Arc<Semaphore>,
}

struct Bench {
    state: Mutex<Floor>,
    came: Condvar,
    /// Notified when a thread has ended.
    left: Notify,
}

#[derive(Default)]
struct Floor {
    waiting: VecDeque<(Job, OwnedSemaphorePermit)>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

impl Workshop {
    pub(super) fn new() -> Self {
        let (state, came, left) = (Mutex::default(), Condvar::new(), Notify::new());
        Workshop {
            bench: Arc::new(Bench { state, came, left }),
            places: Arc::new(Semaphore::new(QUEUE)),
        }
    }

    /// Puts a job into the queue, once there is room.
    pub(super) async fn take(&self, job: Job) -> Result<()> {
        let closed = || Error::new(Kind::ConnectionBroken, "the server takes no more work");
        let place = self.places.clone().acquire_owned().await.map_err(|_| closed())?;
        let mut floor = self.bench.lock();
        if floor.is_closed {
            return Err(closed());
        }
        floor.waiting.push_back((job, place));
        if floor.idle < floor.waiting.len() && floor.threads < THREADS {
            floor.threads += 1;
            let bench = self.bench.clone();
            if let Err(error) = thread::start("hobnob-work", move || bench.work()) {
                floor.threads -= 1;
                if floor.threads == 0 {
                    floor.waiting.pop_back();
                    return Err(error);
                }
            }
        }
        drop(floor);
        self.bench.came.notify_one();
        Ok(())
    }

    /// Takes no more jobs, and waits until all jobs that were taken are done, or until patience ends. Returns how many
    /// threads are still at work then.
    pub(super) async fn close(&self, patience: impl Future<Output = ()>) -> usize {
        self.shut();
        let all_left = async {
            loop {
                let left = self.bench.left.notified();
                tokio::pin!(left);
                left.as_mut().enable();
                if self.bench.lock().threads == 0 {
                    return;
                }
                left.await;
            }
        };
        tokio::select! {
            biased;
            () = all_left => {}
            () = patience => {}
        }
        self.bench.lock().threads
    }

    fn shut(&self) {
        self.places.close();
        self.bench.lock().is_closed = true;
        self.bench.came.notify_all();
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Bench {
    fn work(&self) {
        while let Some((job, place)) = self.next() {
            // The caller that waits for the outcome learns of a panic by the outcome never being sent.
            let _ = catch_unwind(AssertUnwindSafe(job));
            drop(place);
        }
        self.lock().threads -= 1;
        self.left.notify_waiters();
    }

    fn next(&self) -> Option<(Job, OwnedSemaphorePermit)> {
        let mut floor = self.lock();
        loop {
            if let Some(job) = floor.waiting.pop_front() {
                return Some(job);
            }
            if floor.is_closed {
                return None;
            }
            floor.idle += 1;
            floor = self.came.wait(floor).unwrap_or_else(PoisonError::into_inner);
            floor.idle -= 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Floor> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_was_taken_is_done_before_it_closes_and_nothing_is_taken_after() {
        let shop = Workshop::new();
        let (done, all) = mpsc::channel();
        for n in 0..QUEUE {
            let done = done.clone();
            shop.take(Box::new(move || done.send(n).expect("somebody counts")))
                .await
                .expect("room");
        }
        assert_eq!(
            shop.close(tokio::time::sleep(Duration::from_mins(1))).await,
            0,
            "no thread is left"
        );
        assert_eq!(all.try_iter().count(), QUEUE);
        assert!(shop.take(Box::new(|| {})).await.is_err());
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_a_panic_costs_one_job() {
        let shop = Workshop::new();
        shop.take(Box::new(|| panic!("one job"))).await.expect("room");
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..THREADS + QUEUE {
            let held = held.clone();
            let waits = move || drop(held.lock().map(|held| held.recv()));
            // The threads take theirs out of the queue as they come to it.
            let taken = shop.take(Box::new(waits));
            if tokio::time::timeout(Duration::from_millis(200), taken).await.is_err() {
                drop(release);
                assert_eq!(shop.close(tokio::time::sleep(Duration::from_mins(1))).await, 0);
                return;
            }
        }
        panic!("a queue without a bound");
    }

    #[tokio::test]
    async fn a_job_that_hangs_does_not_hang_the_close() {
        let shop = Workshop::new();
        let (release, held) = mpsc::channel::<()>();
        shop.take(Box::new(move || {
            let _ = held.recv();
        }))
        .await
        .expect("room");
        assert_eq!(shop.close(tokio::time::sleep(Duration::from_millis(50))).await, 1);
        drop(release);
    }
}
