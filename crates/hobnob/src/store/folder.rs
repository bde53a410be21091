//! One Maildir: which letters lie in it, under which numbers, and what others have done to it meanwhile.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::letter::{StoredLetter, base};
use super::name::{self, LetterFlags};
use super::place::{self, PARTS};
use super::sync::Syncing;
use super::uids::UidList;

/// A folder, as who writes to it has it.
pub(super) struct MailFolder {
    pub(super) root: PathBuf,
    list: UidList,
    sync: Syncing,
    /// When `new` and `cur` were last changed, as of the last look, and when that was.
    stamps: [SystemTime; 2],
    looked: SystemTime,
}

/// For how long a time of change may stay the same while more changes: file systems count in steps.
const STEP: Duration = Duration::from_secs(2);

type Letters = Vec<Arc<StoredLetter>>;

/// A file of a folder.
struct FoundFile {
    file: String,
    flags: LetterFlags,
    is_new: bool,
}

impl MailFolder {
    /// Opens the folder, made where it is not there, with the letters in it.
    pub(super) fn open(
        root: PathBuf,
        validity: u32,
        wall: SystemTime,
        sync: Syncing,
    ) -> io::Result<(Self, Letters)> {
        place::make(&root)?;
        for part in PARTS {
            place::make(&root.join(part))?;
        }
        let (list, known) = UidList::open(&root, validity, sync)?;
        let lines = known.len();
        let stamps = [UNIX_EPOCH; 2];
        let mut folder = MailFolder { root, list, sync, stamps, looked: UNIX_EPOCH };
        let letters = folder.scan(&known, &[], wall)?;
        folder.list.tidy(lines, letters.len());
        Ok((folder, letters))
    }

    pub(super) fn validity(&self) -> u32 {
        self.list.validity
    }

    pub(super) fn next(&self) -> u32 {
        self.list.next
    }

    /// Burns a number for each of these names, in their order, and returns the first.
    pub(super) fn burn(
        &mut self,
        names: &[&str],
        letters: &[Arc<StoredLetter>],
    ) -> io::Result<u32> {
        self.list.burn(names, letters.iter().map(|letter| (letter.uid, letter.name())))
    }

    /// The letters, where others may have changed something since the last look; none where nothing has changed.
    pub(super) fn look(
        &mut self,
        letters: &Letters,
        wall: SystemTime,
    ) -> io::Result<Option<Letters>> {
        let is_settled = self
            .stamps
            .iter()
            .all(|stamp| self.looked.duration_since(*stamp).is_ok_and(|since| since > STEP));
        if is_settled && self.changed()? == self.stamps {
            return Ok(None);
        }
        let known = letters.iter().map(|letter| (letter.name().to_owned(), letter.uid)).collect();
        let found = self.scan(&known, letters, wall)?;
        Ok((found != *letters).then_some(found))
    }

    fn changed(&self) -> io::Result<[SystemTime; 2]> {
        let stamp = |part: &str| fs::metadata(self.root.join(part))?.modified();
        Ok([stamp("new")?, stamp("cur")?])
    }

    /// Reads what is there. Files without a number get one, in the order in which they came.
    fn scan(
        &mut self,
        known: &HashMap<String, u32>,
        before: &[Arc<StoredLetter>],
        wall: SystemTime,
    ) -> io::Result<Letters> {
        (self.stamps, self.looked) = (self.changed()?, wall);
        let before: HashMap<_, _> = before.iter().map(|letter| (letter.name(), letter)).collect();
        let mut files = HashMap::new();
        // A letter that moves to `cur` between the two reads is found twice, and one that moves back is not ours to expect.
        for (part, is_new) in [("new", true), ("cur", false)] {
            for file in names(&self.root.join(part))? {
                let Some((base, flags)) = name::split(&file) else { continue };
                let base = base.to_owned();
                files.insert(base, FoundFile { file, flags, is_new });
            }
        }
        let (mut letters, mut strangers) = (Vec::with_capacity(files.len()), Vec::new());
        for (base, found) in files {
            match (before.get(&*base), known.get(&base)) {
                (Some(letter), _) if letter.file == found.file && letter.is_new == found.is_new => {
                    letters.push((*letter).clone());
                }
                (Some(letter), _) => {
                    let FoundFile { file, flags, is_new } = found;
                    let letter =
                        StoredLetter { flags, is_new, file, ..StoredLetter::clone(letter) };
                    letters.push(Arc::new(letter));
                }
                (None, uid) => {
                    let Some(letter) = self.stored(found, uid.copied().unwrap_or(0)) else {
                        continue;
                    };
                    if letter.uid > 0 {
                        letters.push(Arc::new(letter));
                    } else {
                        strangers.push(letter);
                    }
                }
            }
        }
        letters.sort_unstable_by_key(|letter| letter.uid);
        strangers.sort_unstable_by(|a, b| (a.received, &a.file).cmp(&(b.received, &b.file)));
        let names: Vec<_> = strangers.iter().map(|letter| letter.name().to_owned()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        if !names.is_empty() {
            let first = self.burn(&names, &letters)?;
            let numbered = (first..).zip(strangers);
            letters.extend(numbered.map(|(uid, letter)| Arc::new(StoredLetter { uid, ..letter })));
        }
        Ok(letters)
    }

    /// What a file says of itself. None where it is gone, or no file.
    fn stored(&self, found: FoundFile, uid: u32) -> Option<StoredLetter> {
        let FoundFile { file, flags, is_new } = found;
        let letter = StoredLetter { uid, size: 0, received: 0, flags, is_new, file };
        let on_disk = fs::symlink_metadata(self.root.join(letter.place())).ok()?;
        let modified = on_disk.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (size, received) = (on_disk.len(), modified.as_secs());
        on_disk.is_file().then_some(StoredLetter { size, received, ..letter })
    }

    /// In how many boxes the letter lies.
    pub(super) fn copies(&self, letter: &StoredLetter) -> u64 {
        fs::symlink_metadata(self.root.join(letter.place())).map_or(0, |found| found.nlink())
    }

    /// Takes a letter's file away. One that is gone already is as good.
    pub(super) fn remove(&self, letter: &StoredLetter) -> io::Result<()> {
        match fs::remove_file(self.root.join(letter.place())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Gives a letter these flags, and what it is then. Whoever gives flags has looked at it, so that it is in `cur`.
    pub(super) fn mark(
        &self,
        letter: &StoredLetter,
        flags: LetterFlags,
    ) -> io::Result<StoredLetter> {
        let file = name::flagged(base(&letter.file), flags);
        let marked = StoredLetter { file, flags, is_new: false, ..letter.clone() };
        fs::rename(self.root.join(letter.place()), self.root.join(marked.place()))?;
        Ok(marked)
    }

    /// Brings what was done to a part of the folder to the disk.
    pub(super) fn settle(&self, part: &str) -> io::Result<()> {
        (self.sync)(&File::open(self.root.join(part))?)
    }
}

/// The names of the files in a folder that are text.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    entries
        .filter_map(|entry| match entry {
            Ok(entry) => entry.file_name().into_string().ok().map(Ok),
            Err(error) => Some(Err(error)),
        })
        .collect()
}
