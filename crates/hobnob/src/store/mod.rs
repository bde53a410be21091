//! Letters on a disk: a Maildir (maildir(5)) that other programs may read and write too, whose letters have numbers that
//! last. A thread of its own does what touches the disk.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> hobnob::Result<()> {
//! use hobnob::clock::Clock;
//! use hobnob::store::{ALL, MailStore, StoreLimits, StorePlace};
//!
//! let store = MailStore::open(&StorePlace::Private, StoreLimits::default(), Clock::start())?;
//! let mut draft = store.draft();
//! draft.push(b"Subject: hi\r\n\r\nhello\r\n");
//! let kept = store.keep(draft, &[ALL], b"").await.expect("there is room");
//! assert_eq!((kept.boxes[0].uid, store.view(ALL).letters.len()), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! A letter is streamed to `tmp`, brought to the disk, given its number, and put into `new`; once the folder is on the disk
//! as well it is told. Where the process ends in between, the letter is not there, and was not told. A store without a
//! folder of its own is the same in a private one, and waits for no disk.

mod batch;
mod draft;
mod errand;
mod fault;
mod file;
mod folder;
mod job;
mod journey;
mod letter;
mod limits;
mod name;
mod place;
mod sync;
mod uids;
mod writer;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::error::Result;
use crate::thread;

pub use draft::LetterDraft;
pub use fault::StoreFault;
pub use job::FlagChange;
pub use journey::{LetterJourney, letter_of_number};
pub use letter::{BoxView, KeptIn, KeptLetter, StoredLetter};
pub use limits::{KeepLimit, StoreLimits};
pub use name::LetterFlags;
pub use place::StorePlace;
pub use writer::ALL;

use job::{Keeping, StoreJob};
use place::HeldFolder;
use writer::{StoreShared, StoreWriter};

/// Boxes of letters. Dropping it waits for what is being written; a private folder goes then.
pub struct MailStore {
    jobs: Sender<StoreJob>,
    shared: Arc<StoreShared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl MailStore {
    /// Opens a store. This reads the whole folder, so that it may block.
    ///
    /// # Errors
    ///
    /// The folder holds other things than letters, somebody else has it, others may write into it, or the disk says no.
    pub fn open(place: &StorePlace, limits: StoreLimits, clock: Clock) -> Result<Self> {
        let mut writer = StoreWriter::open(HeldFolder::open(place)?, limits, clock)?;
        let (jobs, queue) = mpsc::channel();
        let shared = writer.shared.clone();
        let thread = thread::start("hobnob-store", move || writer.work(&queue))?;
        Ok(MailStore { jobs, shared, thread: Mutex::new(Some(thread)) })
    }

    /// The folder that it keeps its letters in.
    pub fn folder(&self) -> &Path {
        &self.shared.root
    }

    /// A letter to be written.
    pub fn draft(&self) -> LetterDraft {
        let serial = self.shared.serial.fetch_add(1, Relaxed);
        LetterDraft::new(serial, self.jobs.clone())
    }

    /// Keeps a letter in these boxes, which are made where they are not there yet, with a note beside it of what is to be
    /// known of the letter. Once this is told, the letter stays, in a folder that was named even without power.
    pub async fn keep(
        &self,
        draft: LetterDraft,
        boxes: &[&str],
        note: &[u8],
    ) -> Result<KeptLetter, StoreFault> {
        let mut names: Vec<String> = boxes.iter().map(|name| (*name).to_owned()).collect();
        names.sort_unstable();
        names.dedup();
        let LetterDraft { serial, held, file, received, errand, .. } = draft;
        let keep = |done| {
            let note = note.to_owned();
            let (rest, boxes) = (held, names);
            let keeping = Keeping { serial, file, rest, received, boxes, note, errand, done };
            StoreJob::Keep(Box::new(keeping))
        };
        self.ask(keep).await
    }

    /// The names of all boxes.
    pub fn boxes(&self) -> Vec<String> {
        self.shared.views().keys().cloned().collect()
    }

    /// A box as it is now; an empty one where there is none.
    pub fn view(&self, name: &str) -> BoxView {
        self.shared.views().get(name).cloned().unwrap_or_default()
    }

    /// Changes whenever a box does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Opens a letter, whatever became of its flags meanwhile; none where it is gone. This may block.
    ///
    /// # Errors
    ///
    /// It is there, and cannot be opened now: no descriptor is left, or the disk says no.
    pub fn read(&self, name: &str, uid: u32) -> io::Result<Option<File>> {
        let Some(folder) = self.shared.folder(name) else { return Ok(None) };
        // Somebody may rename the letter between the two steps, and once more.
        for _ in 0..8 {
            // Not by a view: one of thousands of letters, made for each of them, is most of the work.
            let letter = self.shared.views().get(name).and_then(|view| view.find(uid).cloned());
            let Some(letter) = letter else { return Ok(None) };
            match File::open(folder.join(letter.place())) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => return opened.map(Some),
            }
        }
        Ok(None)
    }

    /// What is known of a letter; none where nothing is. This may block.
    pub fn note(&self, serial: u64) -> Option<Vec<u8>> {
        std::fs::read(self.shared.note(serial)).ok()
    }

    /// Adds a line to what is known of a letter, where something is. It is for people who look: nothing waits until it is
    /// on the disk, and where too much is known already it is left out.
    pub fn add_note(&self, serial: u64, line: String) {
        let _ = self.jobs.send(StoreJob::Note { serial, line }); // nothing is noted any more once it is closed
    }

    /// Whether what is kept outlives the store.
    pub fn is_lasting(&self) -> bool {
        self.shared.is_lasting
    }

    /// What is still to be done with letters, by their numbers ([`LetterDraft::set_errand`]). This may block.
    ///
    /// # Errors
    ///
    /// The disk says no.
    pub fn errands(&self) -> std::io::Result<Vec<(u64, Vec<u8>)>> {
        errand::all(&self.shared.root)
    }

    /// So much is still to be done with a letter; none: nothing is. Nothing waits until this is on the disk.
    pub fn set_errand(&self, serial: u64, errand: Option<Vec<u8>>) {
        let _ = self.jobs.send(StoreJob::Errand { serial, errand }); // it stays once the store is closed
    }

    /// Removes letters for good; those that were there.
    pub async fn expunge(&self, name: &str, uids: &[u32]) -> Result<Vec<u32>, StoreFault> {
        let (name, uids) = (name.to_owned(), uids.to_owned());
        self.ask(|done| StoreJob::Expunge { name, uids, done }).await
    }

    /// Changes the flags of letters. None of them is new any more.
    pub async fn mark(
        &self,
        name: &str,
        uids: &[u32],
        change: FlagChange,
    ) -> Result<(), StoreFault> {
        let (name, uids) = (name.to_owned(), uids.to_owned());
        self.ask(|done| StoreJob::Mark { name, uids, change, done }).await
    }

    /// Looks whether other programs have changed something in a box.
    pub async fn look(&self, name: &str) -> Result<(), StoreFault> {
        let name = name.to_owned();
        self.ask(|done| StoreJob::Look { name, done }).await
    }

    /// Makes a box, where there is none of this name.
    pub async fn make_box(&self, name: &str) -> Result<(), StoreFault> {
        let name = name.to_owned();
        self.ask(|done| StoreJob::Make { name, done }).await
    }

    /// Removes a box with all its letters. The one for all stays.
    pub async fn remove_box(&self, name: &str) -> Result<(), StoreFault> {
        let name = name.to_owned();
        self.ask(|done| StoreJob::Remove { name, done }).await
    }

    /// Gives a box another name, which no box has yet; the one for all keeps its own. Its letters keep their numbers.
    pub async fn rename_box(&self, from: &str, to: &str) -> Result<(), StoreFault> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.ask(|done| StoreJob::Rename { from, to, done }).await
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreFault>>) -> StoreJob,
    ) -> Result<T, StoreFault> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(job(done)).map_err(|_| StoreFault::Closed)?;
        answer.await.map_err(|_| StoreFault::Closed)?
    }
}

impl Drop for MailStore {
    fn drop(&mut self) {
        let _ = self.jobs.send(StoreJob::Close); // it is closed where it cannot be told
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(thread.map(JoinHandle::join));
    }
}

#[cfg(test)]
mod tests;
