//! The file of a letter that is on its way in, which nobody counts as a letter.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file of a draft, in `tmp`. It goes when it is dropped, unless it has become a letter.
pub(super) struct DraftFile {
    pub(super) base: String,
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) size: u64,
    /// It has become a letter, and is no more in `tmp`.
    pub(super) is_placed: bool,
}

impl DraftFile {
    pub(super) fn make(folder: &Path, base: String) -> io::Result<Self> {
        let path = folder.join("tmp").join(&base);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(&path)?;
        Ok(DraftFile { base, path, file, size: 0, is_placed: false })
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

impl Drop for DraftFile {
    fn drop(&mut self) {
        if !self.is_placed {
            let _ = fs::remove_file(&self.path); // what cannot be removed is at the next start
        }
    }
}
