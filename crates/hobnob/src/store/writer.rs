//! The thread that writes: everything that touches the folder goes through it, in order. Letters that wait together are
//! kept together, so that their numbers and their folder cost one sync for all.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::statvfs::statvfs;
use tokio::sync::watch;

use super::batch::LetterBatch;
use super::errand::LetterErrands;
use super::fault::StoreFault;
use super::file::DraftFile;
use super::folder::{self, MailFolder};
use super::job::{FlagChange, Keeping, StoreJob};
use super::letter::{BoxView, KeptIn, KeptLetter, StoredLetter};
use super::limits::StoreLimits;
use super::name;
use super::place::{BOXES, HeldFolder, NOTES};
use super::uids;
use crate::clock::Clock;
use crate::error::Result;
use crate::home;

/// The box that always is: the folder itself.
pub const ALL: &str = "all";

/// Letters that are kept together at most.
const BATCH: usize = 64;

/// Bytes that are known of a letter at most: a line is added while there are fewer.
const MOST_KNOWN: u64 = 256 * 1_024;

/// What readers see.
pub(super) struct StoreShared {
    views: Mutex<BTreeMap<String, BoxView>>,
    pub(super) serial: AtomicU64,
    pub(super) changes: watch::Sender<u64>,
    pub(super) root: PathBuf,
    /// Whether the folder stays.
    pub(super) is_lasting: bool,
}

impl StoreShared {
    pub(super) fn views(&self) -> MutexGuard<'_, BTreeMap<String, BoxView>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of a box.
    pub(super) fn folder(&self, name: &str) -> Option<PathBuf> {
        folder_of(&self.root, name)
    }

    /// Where that stands which is known of a letter.
    pub(super) fn note(&self, serial: u64) -> PathBuf {
        self.root.join(NOTES).join(format!("{serial}.json"))
    }
}

fn folder_of(root: &Path, name: &str) -> Option<PathBuf> {
    if name == ALL {
        return Some(root.to_owned());
    }
    Some(root.join(BOXES).join(name::folder_of_box(name)?))
}

/// The state of the thread.
pub(super) struct StoreWriter {
    folders: HashMap<String, MailFolder>,
    errands: LetterErrands,
    pub(super) shared: Arc<StoreShared>,
    limits: StoreLimits,
    clock: Clock,
    host: String,
    /// The highest validity that was given to a folder.
    validity: u32,
    // The last field: the folder goes when all of it is closed.
    held: HeldFolder,
}

impl StoreWriter {
    /// Opens all boxes of the folder. What an earlier process left half done goes.
    pub(super) fn open(held: HeldFolder, limits: StoreLimits, clock: Clock) -> Result<Self> {
        let root = held.path.clone();
        let shared = StoreShared {
            views: Mutex::default(),
            serial: AtomicU64::new(1),
            changes: watch::Sender::new(0),
            root: root.clone(),
            is_lasting: !held.is_private,
        };
        let mut writer = StoreWriter {
            folders: HashMap::new(),
            errands: LetterErrands::of(&root, held.sync),
            shared: Arc::new(shared),
            limits,
            clock,
            host: name::host(),
            validity: 0,
            held,
        };
        let failed = |error: std::io::Error| home::failed("open", &root, &error);
        writer.validity = uids::last_validity(&root).map_err(failed)?;
        writer.load(ALL).map_err(failed)?;
        for folder in folder::names(&root.join(BOXES)).map_err(failed)? {
            if let Some(name) = name::box_of_folder(&folder) {
                writer.load(&name).map_err(failed)?;
            }
        }
        writer.clear_away().map_err(failed)?;
        Ok(writer)
    }

    /// Removes drafts and notes that belong to no letter, and finds the next serial number.
    fn clear_away(&self) -> std::io::Result<()> {
        let root = &self.shared.root;
        for file in folder::names(&root.join("tmp"))? {
            if name::serial(&file).is_some() {
                fs::remove_file(root.join("tmp").join(file))?;
            }
        }
        let mut serials: Vec<_> = self
            .shared
            .views()
            .values()
            .flat_map(|view| view.letters.iter().filter_map(|letter| letter.serial()))
            .collect();
        serials.sort_unstable();
        let mut last = serials.last().copied().unwrap_or(0);
        for file in folder::names(&root.join(NOTES))? {
            let Some(serial) = file.strip_suffix(".json").and_then(|serial| serial.parse().ok())
            else {
                continue;
            };
            last = last.max(serial);
            if serials.binary_search(&serial).is_err() {
                fs::remove_file(root.join(NOTES).join(file))?;
            }
        }
        self.errands.clear_away(&serials)?;
        self.shared.serial.store(last.saturating_add(1), Relaxed);
        Ok(())
    }

    /// Works until it is closed.
    pub(super) fn work(&mut self, jobs: &Receiver<StoreJob>) {
        while let Ok(first) = jobs.recv() {
            let mut letters = Vec::new();
            let mut next = Some(first);
            let mut is_closed = false;
            while let Some(job) = next {
                match job {
                    StoreJob::Keep(keeping) => letters.push(*keeping),
                    StoreJob::Close => {
                        is_closed = true;
                        break;
                    }
                    job => self.serve(job),
                }
                next = if letters.len() < BATCH { jobs.try_recv().ok() } else { None };
            }
            if !letters.is_empty() {
                self.keep(letters);
            }
            if is_closed {
                return;
            }
        }
    }

    /// Does one thing. An answer that nobody waits for is dropped, and a draft's file with it.
    fn serve(&mut self, job: StoreJob) {
        match job {
            StoreJob::Append { serial, file, bytes, done } => {
                let _ = done.send(self.append(serial, file, &bytes));
            }
            StoreJob::Expunge { name, uids, done } => {
                let _ = done.send(self.expunge(&name, &uids));
            }
            StoreJob::Mark { name, uids, change, done } => {
                let _ = done.send(self.mark(&name, &uids, change));
            }
            StoreJob::Look { name, done } => {
                let _ = done.send(self.look(&name));
            }
            StoreJob::Note { serial, line } => self.add_note(serial, &line),
            StoreJob::Errand { serial, errand: Some(errand) } => {
                // Where it cannot be written, the one before stays: somebody gets the letter twice, and nobody misses it.
                let _ = self.errands.write(serial, &errand);
            }
            StoreJob::Errand { serial, errand: None } => self.errands.remove(serial),
            StoreJob::Make { name, done } => {
                let _ = done.send(self.room_in(&name, 0));
            }
            StoreJob::Remove { name, done } => {
                let _ = done.send(self.remove(&name));
            }
            StoreJob::Rename { from, to, done } => {
                let _ = done.send(self.rename(&from, &to));
            }
            StoreJob::Keep(_) | StoreJob::Close => {}
        }
    }

    /// Adds a line to the note of a letter that has one. What the disk does not take is not known then.
    fn add_note(&self, serial: u64, line: &str) {
        let Ok(mut note) = fs::OpenOptions::new().append(true).open(self.shared.note(serial))
        else {
            return;
        };
        if note.metadata().is_ok_and(|found| found.len() < MOST_KNOWN) {
            // The line before may not have been written to its end.
            let _ = note.write_all(format!("\n{line}").as_bytes());
        }
    }

    /// Removes a box. Notes of its letters go at the next start.
    fn remove(&mut self, name: &str) -> std::result::Result<(), StoreFault> {
        if name == ALL {
            return Err(StoreFault::BadName);
        }
        if !self.folders.contains_key(name) {
            return Ok(());
        }
        uids::keep_validity(&self.shared.root, self.validity, self.held.sync)
            .map_err(|error| StoreFault::of("write(hobnob.validity)", &error))?;
        let Some(folder) = self.folders.remove(name) else { return Ok(()) };
        self.shared.views().remove(name);
        let root = folder.root.clone();
        let removed = fs::remove_dir_all(&root).and_then(|()| self.settle_boxes());
        self.tell();
        removed.map_err(|error| StoreFault::of("rmdir", &error))
    }

    fn rename(&mut self, from: &str, to: &str) -> std::result::Result<(), StoreFault> {
        let fault = |error: std::io::Error| StoreFault::of("rename(boxes)", &error);
        let is_free = from != ALL && to != ALL && !self.folders.contains_key(to);
        let path = folder_of(&self.shared.root, to).filter(|_| is_free);
        let path = path.ok_or(StoreFault::BadName)?;
        let Some(folder) = self.folders.get(from) else { return Ok(()) };
        fs::rename(&folder.root, path).map_err(fault)?;
        self.folders.remove(from);
        self.shared.views().remove(from);
        let loaded = self.load(to).and_then(|()| self.settle_boxes());
        self.tell();
        loaded.map_err(fault)
    }

    fn settle_boxes(&self) -> std::io::Result<()> {
        (self.held.sync)(&fs::File::open(self.shared.root.join(BOXES))?)
    }

    fn append(
        &mut self,
        serial: u64,
        file: Option<DraftFile>,
        bytes: &[u8],
    ) -> std::result::Result<DraftFile, StoreFault> {
        self.check_room()?;
        let fault = |error: std::io::Error| StoreFault::of("write(tmp)", &error);
        let fresh = || {
            let base = name::fresh(self.clock.wall(), serial, &self.host);
            DraftFile::make(&self.shared.root, base)
        };
        let mut file = file.map_or_else(fresh, Ok).map_err(fault)?;
        file.append(bytes).map_err(fault)?;
        Ok(file)
    }

    /// Whether the disk has more than what is to stay free.
    fn check_room(&self) -> std::result::Result<(), StoreFault> {
        let Ok(disk) = statvfs(&self.shared.root) else { return Ok(()) };
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        if free < self.limits.free { Err(StoreFault::Full("disk-floor")) } else { Ok(()) }
    }

    /// The folder of a box, made where it is not there yet, with room for so many letters more.
    fn room_in(&mut self, name: &str, more: usize) -> std::result::Result<(), StoreFault> {
        if !self.folders.contains_key(name) {
            name::folder_of_box(name).ok_or(StoreFault::BadName)?;
            if self.folders.len() >= self.limits.boxes {
                return Err(StoreFault::Full("boxes"));
            }
            let made = self.load(name).and_then(|()| self.settle_boxes());
            made.map_err(|error| StoreFault::of("mkdir(boxes)", &error))?;
        }
        let lies = self.shared.views().get(name).map_or(0, |view| view.letters.len());
        // Where the oldest go, there is always room.
        let is_full = self.limits.keep.is_none() && lies + more > self.limits.letters;
        if is_full { Err(StoreFault::Full("letters")) } else { Ok(()) }
    }

    fn load(&mut self, name: &str) -> std::io::Result<()> {
        let wall = self.clock.wall();
        let seconds = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let validity = u32::try_from(seconds).unwrap_or(u32::MAX - 1).max(self.validity + 1);
        let root = folder_of(&self.shared.root, name).ok_or(std::io::ErrorKind::InvalidFilename)?;
        let (folder, letters) = MailFolder::open(root, validity, wall, self.held.sync)?;
        self.validity = self.validity.max(folder.validity());
        let view = BoxView { validity: folder.validity(), next: folder.next(), letters };
        self.shared.views().insert(name.to_owned(), view);
        self.folders.insert(name.to_owned(), folder);
        Ok(())
    }

    fn keep(&mut self, letters: Vec<Keeping>) {
        let room = self.check_room();
        let mut batch = LetterBatch::default();
        for mut keeping in letters {
            match room.clone().and_then(|()| self.file(&mut keeping, &batch)) {
                Ok(file) => batch.add(keeping, file),
                Err(fault) => keeping.refuse(fault),
            }
        }
        let shared = self.shared.clone();
        let note = |serial| shared.note(serial);
        batch.burn(&mut self.folders, &shared.views());
        batch.place(&self.folders, &self.errands, note);
        batch.settle(&self.folders, &self.errands);
        let said = batch.publish(&self.folders, &self.errands, &mut shared.views(), note);
        let mut dropped = self.trim();
        // What went is told by the last of those who still listen.
        let teller =
            said.iter().rposition(|(keeping, kept)| kept.is_ok() && !keeping.done.is_closed());
        for (at, (keeping, outcome)) in said.into_iter().enumerate() {
            let dropped =
                if Some(at) == teller { std::mem::take(&mut dropped) } else { Vec::new() };
            let outcome = outcome.map(|letter| KeptLetter { dropped, ..letter });
            let _ = keeping.done.send(outcome); // nobody waits where the session is over
        }
        self.tell();
    }

    /// Brings the whole letter to its file, and the file to the disk.
    fn file(
        &mut self,
        keeping: &mut Keeping,
        batch: &LetterBatch,
    ) -> std::result::Result<DraftFile, StoreFault> {
        for name in &keeping.boxes {
            self.room_in(name, 1 + batch.count(name))?;
        }
        let (file, rest) = (keeping.file.take(), std::mem::take(&mut keeping.rest));
        let file = self.append(keeping.serial, file, &rest)?;
        if let Some(received) = keeping.received {
            // A Maildir has no other place for it than the file's own time.
            let time = UNIX_EPOCH + Duration::from_secs(received);
            file.file.set_modified(time).map_err(|error| StoreFault::of("utimens", &error))?;
        }
        (self.held.sync)(&file.file).map_err(|error| StoreFault::of("fsync(tmp)", &error))?;
        Ok(file)
    }

    /// Lets the oldest letters go where only the newest are kept; those that went.
    fn trim(&mut self) -> Vec<KeptIn> {
        let mut oldest = self.superfluous();
        let mut boxes: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for letter in &oldest {
            boxes.entry(letter.name.clone()).or_default().push(letter.uid);
        }
        for (name, uids) in boxes {
            let _ = self.expunge(&name, &uids); // what stays is tried again with the next letter
        }
        let views = self.shared.views();
        let stays = |letter: &KeptIn| {
            views.get(&letter.name).is_some_and(|view| view.find(letter.uid).is_some())
        };
        oldest.retain(|letter| !stays(letter));
        oldest
    }

    /// The oldest letters, as many as are too many or too large together. The newest stays, however large.
    fn superfluous(&self) -> Vec<KeptIn> {
        let Some(keep) = self.limits.keep else { return Vec::new() };
        let views = self.shared.views();
        let all = || views.values().flat_map(|view| &view.letters);
        let (mut count, mut bytes) = (all().count(), all().map(|letter| letter.size).sum::<u64>());
        let mut rests: Vec<_> =
            views.iter().map(|(name, view)| (name, view.letters.iter().peekable())).collect();
        let mut oldest = Vec::new();
        while count > 1 && (count > keep.letters || bytes > keep.bytes) {
            let firsts = rests.iter_mut().filter_map(|(name, rest)| {
                let letter = *rest.peek()?;
                Some(((letter.received, letter.serial(), letter.uid), *name, rest))
            });
            let first = firsts.min_by_key(|(age, name, _)| (*age, *name));
            let Some(((_, serial, uid), name, letter)) =
                first.and_then(|(age, name, rest)| Some((age, name, rest.next()?)))
            else {
                break;
            };
            (count, bytes) = (count - 1, bytes - letter.size);
            oldest.push(KeptIn { name: name.clone(), uid, serial });
        }
        oldest
    }

    fn expunge(&mut self, name: &str, uids: &[u32]) -> std::result::Result<Vec<u32>, StoreFault> {
        let Some(folder) = self.folders.get(name) else { return Ok(Vec::new()) };
        let view = self.shared.views().get(name).cloned().unwrap_or_default();
        let (mut gone, mut failure) = (Vec::new(), None);
        for letter in uids.iter().filter_map(|uid| view.find(*uid)) {
            let is_last = folder.copies(letter) == 1;
            if let Err(error) = folder.remove(letter) {
                failure = Some(StoreFault::of("unlink", &error));
                break;
            }
            if let Some(serial) = letter.serial().filter(|_| is_last) {
                let _ = fs::remove_file(self.shared.note(serial)); // one that stays is cleared away
            }
            gone.push(letter.uid);
        }
        for part in ["new", "cur"] {
            if let Err(error) = folder.settle(part) {
                failure.get_or_insert(StoreFault::of("fsync", &error));
            }
        }
        gone.sort_unstable();
        if let Some(view) = self.shared.views().get_mut(name) {
            view.letters.retain(|letter| gone.binary_search(&letter.uid).is_err());
        }
        self.tell();
        failure.map_or(Ok(gone), Err)
    }

    fn mark(
        &mut self,
        name: &str,
        uids: &[u32],
        change: FlagChange,
    ) -> std::result::Result<(), StoreFault> {
        let Some(folder) = self.folders.get(name) else { return Ok(()) };
        let view = self.shared.views().get(name).cloned().unwrap_or_default();
        let mut marked: HashMap<u32, Arc<StoredLetter>> = HashMap::new();
        let mut failure = None;
        for letter in uids.iter().filter_map(|uid| view.find(*uid)) {
            let flags = change.on(letter.flags);
            if flags == letter.flags && !letter.is_new {
                continue;
            }
            match folder.mark(letter, flags) {
                Ok(letter) => drop(marked.insert(letter.uid, Arc::new(letter))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {} // somebody took it away
                Err(error) => failure = Some(StoreFault::of("rename", &error)),
            }
        }
        if let Some(view) = self.shared.views().get_mut(name) {
            for letter in &mut view.letters {
                if let Some(new) = marked.remove(&letter.uid) {
                    *letter = new;
                }
            }
        }
        self.tell();
        failure.map_or(Ok(()), Err)
    }

    fn look(&mut self, name: &str) -> std::result::Result<(), StoreFault> {
        let wall = self.clock.wall();
        let Some(folder) = self.folders.get_mut(name) else { return Ok(()) };
        let before = self.shared.views().get(name).cloned().unwrap_or_default();
        let found = folder.look(&before.letters, wall);
        if let Some(letters) = found.map_err(|error| StoreFault::of("read(new)", &error))? {
            if let Some(view) = self.shared.views().get_mut(name) {
                (view.letters, view.next) = (letters, folder.next());
            }
            self.tell();
        }
        Ok(())
    }

    /// Wakes who waits for changes.
    fn tell(&self) {
        self.shared.changes.send_modify(|count| *count += 1);
    }
}
