//! Letters that are kept together: numbers burnt, files put in place, folders brought to the disk, and only then told. A
//! letter that fails on the way is taken back from wherever it was put.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::errand::LetterErrands;
use super::fault::StoreFault;
use super::file::DraftFile;
use super::folder::MailFolder;
use super::job::Keeping;
use super::letter::{BoxView, KeptIn, KeptLetter, StoredLetter};
use super::name::LetterFlags;

/// The letters of one batch.
#[derive(Default)]
pub(super) struct LetterBatch {
    letters: Vec<Placing>,
}

struct Placing {
    keeping: Keeping,
    file: DraftFile,
    /// Its number in each of its boxes.
    uids: Vec<u32>,
    /// Where it was put.
    placed: Vec<PathBuf>,
    fault: Option<StoreFault>,
}

type Folders = HashMap<String, MailFolder>;
type Views = BTreeMap<String, BoxView>;

impl LetterBatch {
    /// Letters of the batch that go into this box.
    pub(super) fn count(&self, name: &str) -> usize {
        let goes = |letter: &&Placing| letter.keeping.boxes.iter().any(|of_it| of_it == name);
        self.letters.iter().filter(goes).count()
    }

    /// Adds a letter whose file is on the disk.
    pub(super) fn add(&mut self, keeping: Keeping, file: DraftFile) {
        let uids = vec![0; keeping.boxes.len()];
        self.letters.push(Placing { keeping, file, uids, placed: Vec::new(), fault: None });
    }

    /// Burns a number for each letter in each of its boxes.
    pub(super) fn burn(&mut self, folders: &mut Folders, views: &Views) {
        for name in self.boxes() {
            let Some(folder) = folders.get_mut(&name) else { continue };
            let letters = views.get(&name).map_or(&[][..], |view| &view.letters);
            let goes: Vec<_> = self.letters.iter().map(|letter| letter.at(&name)).collect();
            let names: Vec<_> = self
                .letters
                .iter()
                .zip(&goes)
                .filter_map(|(letter, at)| at.map(|_| &*letter.file.base))
                .collect();
            let mut burnt = folder.burn(&names, letters);
            for (letter, at) in self.letters.iter_mut().zip(goes) {
                let Some(at) = at else { continue };
                match &mut burnt {
                    Ok(next) => {
                        letter.uids[at] = *next;
                        *next += 1;
                    }
                    Err(error) => letter.fail("write(hobnob.uids)", error),
                }
            }
        }
    }

    /// Puts each letter into its boxes, where its note is in place already.
    pub(super) fn place(
        &mut self,
        folders: &Folders,
        errands: &LetterErrands,
        note: impl Fn(u64) -> PathBuf,
    ) {
        for letter in self.letters.iter_mut().filter(|letter| letter.fault.is_none()) {
            let Keeping { serial, errand, .. } = &letter.keeping;
            let noted = if errand.is_empty() { Ok(()) } else { errands.write(*serial, errand) };
            match noted {
                Ok(()) => {
                    if let Err(error) = letter.place(folders, &note) {
                        letter.fail("rename(new)", &error);
                    }
                }
                Err(error) => letter.fail("write(hobnob.errands)", &error),
            }
        }
    }

    /// Brings the folders of all boxes to the disk, and what is to be done with the letters.
    pub(super) fn settle(&mut self, folders: &Folders, errands: &LetterErrands) {
        let has_one = |letter: &Placing| !letter.keeping.errand.is_empty();
        if self.letters.iter().any(has_one)
            && let Err(error) = errands.settle()
        {
            let of_it = self.letters.iter_mut().filter(|letter| has_one(letter));
            of_it.for_each(|letter| letter.fail("fsync(hobnob.errands)", &error));
        }
        for name in self.boxes() {
            let settled = folders.get(&name).map_or(Ok(()), |folder| folder.settle("new"));
            if let Err(error) = settled {
                let of_it = self.letters.iter_mut().filter(|letter| letter.at(&name).is_some());
                of_it.for_each(|letter| letter.fail("fsync(new)", &error));
            }
        }
    }

    /// Takes back what failed, and shows the rest to readers. What there is to say of each.
    pub(super) fn publish(
        self,
        folders: &Folders,
        errands: &LetterErrands,
        views: &mut Views,
        note: impl Fn(u64) -> PathBuf,
    ) -> Vec<(Keeping, Result<KeptLetter, StoreFault>)> {
        let mut said = Vec::new();
        for letter in self.letters {
            let Placing { keeping, file, uids, placed, fault } = letter;
            if let Some(fault) = fault {
                errands.remove(keeping.serial);
                for path in placed.into_iter().chain([note(keeping.serial)]) {
                    let _ = fs::remove_file(path); // the disk has failed once already
                }
                said.push((keeping, Err(fault)));
                continue;
            }
            let modified = file.file.metadata().and_then(|found| found.modified());
            let received = modified.unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH);
            let received = received.unwrap_or_default().as_secs();
            for (name, uid) in keeping.boxes.iter().zip(&uids) {
                let Some(view) = views.get_mut(name) else { continue };
                view.letters.push(Arc::new(StoredLetter {
                    uid: *uid,
                    size: file.size,
                    received,
                    flags: LetterFlags::default(),
                    is_new: true,
                    file: file.base.clone(),
                }));
                view.next = folders.get(name).map_or(uid + 1, MailFolder::next);
            }
            let boxes = keeping.boxes.iter().cloned().zip(uids);
            let (serial, size) = (keeping.serial, file.size);
            let boxes = boxes.map(|(name, uid)| KeptIn { name, uid, serial: Some(serial) });
            let (boxes, dropped) = (boxes.collect(), Vec::new());
            let file = format!("new/{}", file.base);
            said.push((keeping, Ok(KeptLetter { serial, size, file, boxes, dropped })));
        }
        said
    }

    /// The boxes of letters that have not failed, each once.
    fn boxes(&self) -> Vec<String> {
        let well = self.letters.iter().filter(|letter| letter.fault.is_none());
        let mut names: Vec<_> = well.flat_map(|letter| letter.keeping.boxes.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Placing {
    /// The place of a box among those of the letter, where the letter goes there and has not failed.
    fn at(&self, name: &str) -> Option<usize> {
        let at = self.keeping.boxes.iter().position(|of_it| of_it == name);
        at.filter(|_| self.fault.is_none())
    }

    fn fail(&mut self, call: &str, error: &std::io::Error) {
        self.fault.get_or_insert_with(|| StoreFault::of(call, error));
    }

    fn place(&mut self, folders: &Folders, note: impl Fn(u64) -> PathBuf) -> std::io::Result<()> {
        if !self.keeping.note.is_empty() {
            fs::write(note(self.keeping.serial), &self.keeping.note)?;
        }
        for (at, name) in self.keeping.boxes.iter().enumerate() {
            let folder = folders.get(name).ok_or(std::io::ErrorKind::NotFound)?;
            let path = folder.root.join("new").join(&self.file.base);
            let is_last = at + 1 == self.keeping.boxes.len();
            if is_last {
                fs::rename(&self.file.path, &path)?;
                self.file.is_placed = true;
            } else {
                fs::hard_link(&self.file.path, &path)?;
            }
            self.placed.push(path);
        }
        Ok(())
    }
}
