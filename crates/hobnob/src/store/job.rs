//! What the thread that writes is asked for.

use tokio::sync::oneshot;

use super::fault::StoreFault;
use super::file::DraftFile;
use super::letter::KeptLetter;
use super::name::LetterFlags;

type Done<T> = oneshot::Sender<Result<T, StoreFault>>;

/// What the thread is asked for. Whoever asks waits for the answer, so that no session has two jobs in the queue.
pub(super) enum StoreJob {
    Append { serial: u64, file: Option<DraftFile>, bytes: Vec<u8>, done: Done<DraftFile> },
    Keep(Box<Keeping>),
    Expunge { name: String, uids: Vec<u32>, done: Done<Vec<u32>> },
    Mark { name: String, uids: Vec<u32>, change: FlagChange, done: Done<()> },
    Look { name: String, done: Done<()> },
    Note { serial: u64, line: String },
    Errand { serial: u64, errand: Option<Vec<u8>> },
    Make { name: String, done: Done<()> },
    Remove { name: String, done: Done<()> },
    Rename { from: String, to: String, done: Done<()> },
    Close,
}

/// What happens to the flags of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagChange {
    /// These are set, and no others.
    Set(LetterFlags),
    /// These are set too.
    Add(LetterFlags),
    /// These are no longer set.
    Remove(LetterFlags),
}

impl FlagChange {
    pub(super) fn on(self, flags: LetterFlags) -> LetterFlags {
        match self {
            FlagChange::Set(these) => these,
            FlagChange::Add(these) => flags.with(these),
            FlagChange::Remove(these) => flags.without(these),
        }
    }
}

/// A letter that is to be kept.
pub(super) struct Keeping {
    pub(super) serial: u64,
    pub(super) file: Option<DraftFile>,
    /// What is not in the file yet.
    pub(super) rest: Vec<u8>,
    /// When it came, in seconds since 1970; none: now.
    pub(super) received: Option<u64>,
    /// The boxes, at least one, each once.
    pub(super) boxes: Vec<String>,
    /// What is to be known of it.
    pub(super) note: Vec<u8>,
    /// What is to be done with it; empty: nothing.
    pub(super) errand: Vec<u8>,
    pub(super) done: oneshot::Sender<Result<KeptLetter, StoreFault>>,
}

impl Keeping {
    pub(super) fn refuse(self, fault: StoreFault) {
        let _ = self.done.send(Err(fault)); // nobody waits where the session is over
    }
}
