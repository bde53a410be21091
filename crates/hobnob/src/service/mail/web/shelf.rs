//! What all sessions of the door share: what is known of letters, and the memory for those that are answered with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::WebRefusal;
use super::summary::LetterSummary;
use crate::bus::Seldom;
use crate::store::StoredLetter;

/// Summaries that are kept, of about 1 KiB each.
const SUMMARIES: usize = 10_000;
/// Memory for letters that are being answered with, in steps: all conns share it, and wait for it.
const ROOM: usize = 1_536;
const STEP: u64 = 64 * 1_024;
/// What a letter takes while it is read: its bytes, what is decoded of it, and the answer.
const COPIES: u64 = 3;

/// What the door has in common for all its sessions.
pub(crate) struct WebShelf {
    /// Summaries, by the name that a letter has for ever.
    summaries: Mutex<HashMap<String, Arc<LetterSummary>>>,
    room: Arc<Semaphore>,
    pub(super) faults: Seldom,
}

impl Default for WebShelf {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(ROOM));
        WebShelf { summaries: Mutex::default(), room, faults: Seldom::default() }
    }
}

impl WebShelf {
    /// The summary of the letter of this name, where it was made before.
    pub(super) fn summary(&self, name: &str) -> Option<Arc<LetterSummary>> {
        self.summaries().get(name).cloned()
    }

    pub(super) fn keep_summary(&self, name: &str, summary: &Arc<LetterSummary>) {
        let mut summaries = self.summaries();
        if summaries.len() >= SUMMARIES {
            summaries.clear();
        }
        summaries.insert(name.to_owned(), summary.clone());
    }

    /// Waits for memory for a letter.
    pub(super) async fn room(&self, size: u64) -> Option<OwnedSemaphorePermit> {
        let steps = u32::try_from(steps(size.saturating_mul(COPIES))).unwrap_or(1);
        self.room.clone().acquire_many_owned(steps).await.ok()
    }

    fn summaries(&self) -> MutexGuard<'_, HashMap<String, Arc<LetterSummary>>> {
        self.summaries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory that an answer takes, of what the reading of its letter took.
pub(super) fn left(room: &mut OwnedSemaphorePermit, size: u64) -> Option<OwnedSemaphorePermit> {
    room.split(steps(size).min(room.num_permits()))
}

/// Steps of memory for so many bytes; all of them where they are more.
fn steps(size: u64) -> usize {
    usize::try_from(1 + size / STEP).unwrap_or(ROOM).min(ROOM)
}

/// What was made of a letter, with the memory that it has.
pub(super) struct MadeOfLetter<T> {
    pub(super) made: T,
    pub(super) letter: Arc<StoredLetter>,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl<T> MadeOfLetter<T> {
    /// An answer, which has the memory until it is sent.
    pub(super) fn answer(self, answer: impl FnOnce(T) -> Response<Bytes>) -> Response<Bytes> {
        let MadeOfLetter { made, room, .. } = self;
        answer(made).map(|bytes| Bytes::from_owner(AnswerInRoom { bytes, _room: room }))
    }
}

impl<T> MadeOfLetter<Option<T>> {
    /// Where there is none, there is no such page.
    pub(super) fn some(self) -> Result<MadeOfLetter<T>, WebRefusal> {
        let MadeOfLetter { made, letter, room } = self;
        let made = made.ok_or_else(WebRefusal::unknown)?;
        Ok(MadeOfLetter { made, letter, room })
    }
}

struct AnswerInRoom {
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for AnswerInRoom {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
