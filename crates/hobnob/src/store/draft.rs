//! A letter that is on its way in: in memory as long as it is short, and then in a file that nobody counts as a letter.

use std::sync::mpsc::Sender;

use tokio::sync::oneshot;

use super::fault::StoreFault;
use super::file::DraftFile;
use super::job::StoreJob;

/// Bytes that a draft holds in memory before it wants to be [flushed](LetterDraft::flush).
const HELD: usize = 64 * 1_024;

/// A letter that is not kept yet. Dropping it leaves nothing.
pub struct LetterDraft {
    pub(super) serial: u64,
    pub(super) held: Vec<u8>,
    pub(super) file: Option<DraftFile>,
    /// When it came, in seconds since 1970; none: now.
    pub(super) received: Option<u64>,
    /// What is to be done with it; empty: nothing.
    pub(super) errand: Vec<u8>,
    jobs: Sender<StoreJob>,
}

impl LetterDraft {
    pub(super) fn new(serial: u64, jobs: Sender<StoreJob>) -> Self {
        LetterDraft {
            serial,
            held: Vec::new(),
            file: None,
            received: None,
            errand: Vec::new(),
            jobs,
        }
    }

    /// The number by which the store will know the letter.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// It came at that time, in seconds since 1970, and not now.
    pub fn received_at(&mut self, seconds: u64) {
        self.received = Some(seconds);
    }

    /// Something is to be done with it once it is kept: the store has that until it is told that it is done
    /// ([`MailStore::set_errand`](super::MailStore::set_errand)).
    pub fn set_errand(&mut self, errand: Vec<u8>) {
        self.errand = errand;
    }

    /// Bytes of it in memory.
    pub fn held(&self) -> usize {
        self.held.capacity()
    }

    /// Whether it has enough in memory, and is to be flushed before more comes.
    pub fn is_full(&self) -> bool {
        self.held.len() >= HELD
    }

    /// Brings what is in memory to its file. After an error the letter is lost.
    pub async fn flush(&mut self) -> Result<(), StoreFault> {
        let (done, written) = oneshot::channel();
        let (serial, file) = (self.serial, self.file.take());
        let job = StoreJob::Append { serial, file, bytes: std::mem::take(&mut self.held), done };
        self.jobs.send(job).map_err(|_| StoreFault::Closed)?;
        self.file = Some(written.await.map_err(|_| StoreFault::Closed)??);
        Ok(())
    }
}
