//! A letter that is on its way in: in memory as long as it is short, and then in a file that nobody counts as a letter.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use tokio::sync::oneshot;

use super::fault::StoreFault;
use super::writer::StoreJob;

/// Bytes that a draft holds in memory before it wants to be [flushed](LetterDraft::flush).
const HELD: usize = 64 * 1_024;

/// A letter that is not kept yet. Dropping it leaves nothing.
pub struct LetterDraft {
    pub(super) serial: u64,
    pub(super) held: Vec<u8>,
    pub(super) file: Option<DraftFile>,
    jobs: Sender<StoreJob>,
}

impl LetterDraft {
    pub(super) fn new(serial: u64, jobs: Sender<StoreJob>) -> Self {
        LetterDraft { serial, held: Vec::new(), file: None, jobs }
    }

    /// The number by which the store will know the letter.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
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

/// The file of a draft, in `tmp`. It goes when it is dropped.
pub(super) struct DraftFile {
    pub(super) base: String,
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) size: u64,
}

impl DraftFile {
    pub(super) fn make(folder: &Path, base: String) -> io::Result<Self> {
        let path = folder.join("tmp").join(&base);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(&path)?;
        Ok(DraftFile { base, path, file, size: 0 })
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

impl Drop for DraftFile {
    fn drop(&mut self) {
        // It is gone where it has become a letter; what cannot be removed is at the next start.
        let _ = fs::remove_file(&self.path);
    }
}
