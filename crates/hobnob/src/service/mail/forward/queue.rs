//! The letters that wait to be passed on.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use super::letter::PassedLetter;

/// Letters that wait to be passed on, at most; more are kept, and not passed on.
const MAX_WAITING: usize = 10_000;

/// The letters on their way out.
pub(crate) struct ForwardQueue {
    give: mpsc::Sender<PassedLetter>,
    take: Mutex<Option<mpsc::Receiver<PassedLetter>>>,
}

impl Default for ForwardQueue {
    fn default() -> Self {
        let (give, take) = mpsc::channel(MAX_WAITING);
        ForwardQueue { give, take: Mutex::new(Some(take)) }
    }
}

impl ForwardQueue {
    /// Adds a letter; false: there is no room.
    pub(crate) fn push(&self, letter: PassedLetter) -> bool {
        self.give.try_send(letter).is_ok()
    }

    /// Takes the other end, once.
    pub(super) fn take(&self) -> Option<mpsc::Receiver<PassedLetter>> {
        self.take.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
