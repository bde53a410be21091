//! What all sessions of the door share: what is known of letters, and the memory for those that are answered with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::WebRefusal;
use super::summary::LetterSummary;
use crate::bus::Seldom;
use crate::store::StoredLetter;

/// Summaries that are kept, of about 1 KiB each.
const SUMMARIES: usize = 10_000;
/// Memory for letters that are being read, in steps: all conns share it, and wait for it. No peer can hold it.
const ROOM: usize = 1_280;
/// Memory for answers until they are sent. Who does not read holds it until it is cut.
const HELD: usize = 1_024;
const STEP: u64 = 64 * 1_024;
/// What a letter takes while it is read: its bytes, what is decoded of it, and the answer.
const COPIES: u64 = 3;
/// How long an answer waits for memory that others hold.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the door has in common for all its sessions.
pub(crate) struct WebShelf {
    /// Summaries, by the name that a letter has for ever.
    summaries: Mutex<HashMap<String, Arc<LetterSummary>>>,
    room: Arc<Semaphore>,
    held: Arc<Semaphore>,
    pub(super) faults: Seldom,
}

impl Default for WebShelf {
    fn default() -> Self {
        let (room, held) = (Arc::new(Semaphore::new(ROOM)), Arc::new(Semaphore::new(HELD)));
        WebShelf { summaries: Mutex::default(), room, held, faults: Seldom::default() }
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

    /// Waits for memory for a letter while it is read.
    pub(super) async fn room(&self, size: u64) -> Option<OwnedSemaphorePermit> {
        let steps = steps(size.saturating_mul(COPIES), ROOM);
        self.room.clone().acquire_many_owned(steps).await.ok()
    }

    /// Waits for memory for an answer until it is sent. A small one needs none.
    pub(super) async fn hold(&self, size: u64) -> Result<HeldMemory, WebRefusal> {
        if size < STEP {
            return Ok(HeldMemory { steps: None });
        }
        let free = self.held.clone().acquire_many_owned(steps(size, HELD));
        match tokio::time::timeout(PATIENCE, free).await {
            Ok(steps) => Ok(HeldMemory { steps: steps.ok() }),
            Err(_) => Err(WebRefusal::busy()),
        }
    }

    fn summaries(&self) -> MutexGuard<'_, HashMap<String, Arc<LetterSummary>>> {
        self.summaries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory that an answer has until it is sent.
pub(super) struct HeldMemory {
    /// Given back when the answer is dropped.
    steps: Option<OwnedSemaphorePermit>,
}

impl HeldMemory {
    /// Gives back what an answer of so many bytes does not need: what is said of a large letter is seldom large.
    fn at_most(self, bytes: usize) -> Self {
        let needed = steps(bytes as u64, HELD) as usize;
        let split = |mut held: OwnedSemaphorePermit| held.split(needed.min(held.num_permits()));
        HeldMemory { steps: self.steps.and_then(split) }
    }
}

/// Steps of memory for so many bytes; all of them where they are more.
fn steps(size: u64, most: usize) -> u32 {
    let steps = usize::try_from(1 + size / STEP).unwrap_or(most).min(most);
    u32::try_from(steps).unwrap_or(1)
}

/// What was made of a letter, with the memory that it has.
pub(super) struct MadeOfLetter<T> {
    pub(super) made: T,
    pub(super) letter: Arc<StoredLetter>,
    pub(super) held: HeldMemory,
}

impl<T> MadeOfLetter<T> {
    /// An answer, which has the memory until it is sent.
    pub(super) fn answer(self, answer: impl FnOnce(T) -> Response<Bytes>) -> Response<Bytes> {
        let MadeOfLetter { made, held, .. } = self;
        answer(made).map(|bytes| {
            let held = held.at_most(bytes.len());
            Bytes::from_owner(AnswerInRoom { bytes, _held: held })
        })
    }
}

impl<T> MadeOfLetter<Option<T>> {
    /// Where there is none, there is no such page.
    pub(super) fn some(self) -> Result<MadeOfLetter<T>, WebRefusal> {
        let MadeOfLetter { made, letter, held } = self;
        let made = made.ok_or_else(WebRefusal::unknown)?;
        Ok(MadeOfLetter { made, letter, held })
    }
}

struct AnswerInRoom {
    bytes: Bytes,
    _held: HeldMemory,
}

impl AsRef<[u8]> for AnswerInRoom {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
