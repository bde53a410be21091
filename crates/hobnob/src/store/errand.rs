//! What is still to be done with a letter that is kept. It is on the disk before anybody is told that the letter is kept,
//! and stays until it is done, whatever ends the process meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::folder;
use super::place::ERRANDS;
use super::sync::Syncing;

/// Bytes of an errand that are read at most.
const LARGEST: u64 = 1 << 20;

/// The errands of a store, a file each.
pub(super) struct LetterErrands {
    folder: PathBuf,
    sync: Syncing,
}

impl LetterErrands {
    pub(super) fn of(root: &Path, sync: Syncing) -> Self {
        LetterErrands { folder: root.join(ERRANDS), sync }
    }

    /// Writes what is to be done with a letter, whole from its first instant.
    pub(super) fn write(&self, serial: u64, errand: &[u8]) -> io::Result<()> {
        let draft = self.folder.join(format!("{serial}.draft"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&draft)?;
        let written = file.write_all(errand).and_then(|()| (self.sync)(&file));
        let placed = written.and_then(|()| fs::rename(&draft, self.path(serial)));
        if placed.is_err() {
            let _ = fs::remove_file(&draft); // a draft that stays is cleared away
        }
        placed
    }

    /// Brings the folder to the disk.
    pub(super) fn settle(&self) -> io::Result<()> {
        (self.sync)(&File::open(&self.folder)?)
    }

    /// It is done, or the letter is not there.
    pub(super) fn remove(&self, serial: u64) {
        // Whatever stays is done twice, at worst.
        let _ = fs::remove_file(self.path(serial));
    }

    /// Removes what belongs to no letter. `serials` are sorted.
    pub(super) fn clear_away(&self, serials: &[u64]) -> io::Result<()> {
        for file in folder::names(&self.folder)? {
            if serial_of(&file).is_none_or(|serial| serials.binary_search(&serial).is_err()) {
                fs::remove_file(self.folder.join(file))?;
            }
        }
        Ok(())
    }

    fn path(&self, serial: u64) -> PathBuf {
        self.folder.join(format!("{serial}.json"))
    }
}

/// All errands in the folder of a store, by the numbers of their letters. This blocks.
pub(super) fn all(root: &Path) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let folder = root.join(ERRANDS);
    let mut all = Vec::new();
    for file in folder::names(&folder)? {
        let Some(serial) = serial_of(&file) else { continue };
        let mut errand = Vec::new();
        let opened = File::open(folder.join(file))?;
        io::Read::read_to_end(&mut io::Read::take(opened, LARGEST), &mut errand)?;
        all.push((serial, errand));
    }
    all.sort_unstable();
    Ok(all)
}

fn serial_of(file: &str) -> Option<u64> {
    file.strip_suffix(".json")?.parse().ok()
}
