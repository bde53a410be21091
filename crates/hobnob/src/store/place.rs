//! The folder of a store: one that somebody names, or a private one that goes with us. One process has it at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::sync::{self, Syncing};
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::home;

/// Where letters are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// In this folder: a Maildir, or what becomes one. A letter that is kept is on the disk.
    Folder(PathBuf),
    /// In a folder that nobody else can look into, and that goes when the store does.
    Private,
}

/// The folder, as long as it is ours.
pub(super) struct HeldFolder {
    pub(super) path: PathBuf,
    pub(super) sync: Syncing,
    pub(super) is_private: bool,
    /// The lock on the folder (flock(2)), which the kernel takes back however we end.
    _lock: File,
}

/// What a Maildir consists of.
pub(super) const PARTS: [&str; 3] = ["tmp", "new", "cur"];
/// The folders of the other boxes, and what is known of letters.
pub(super) const BOXES: &str = "boxes";
pub(super) const NOTES: &str = "hobnob.letters";
/// What is still to be done with letters.
pub(super) const ERRANDS: &str = "hobnob.errands";

const PRIVATE: &str = "hobnob-mail-";

impl HeldFolder {
    pub(super) fn open(place: &StorePlace) -> Result<Self> {
        match place {
            StorePlace::Folder(path) => {
                check(path)?;
                // Somebody's own link to a folder is that folder, from here on by its real name.
                let real = fs::canonicalize(path);
                let real = real.map_err(|error| home::failed("realpath", path, &error))?;
                let lock = lock(&real)?.ok_or_else(|| taken(path))?;
                furnish(&real)?;
                Ok(HeldFolder { path: real, sync: sync::to_disk, is_private: false, _lock: lock })
            }
            StorePlace::Private => {
                let all = home::temporary_folder();
                sweep(&all);
                let name = format!("{PRIVATE}{}-{:016x}", std::process::id(), clock::draw_seed());
                let path = all.join(name);
                let made = DirBuilder::new().mode(0o700).create(&path);
                made.map_err(|error| home::failed("mkdir", &path, &error))?;
                let held = lock(&path)?.ok_or_else(|| taken(&path))?;
                let folder =
                    HeldFolder { path, sync: sync::to_nobody, is_private: true, _lock: held };
                furnish(&folder.path)?;
                Ok(folder)
            }
        }
    }
}

impl Drop for HeldFolder {
    fn drop(&mut self) {
        if self.is_private {
            // What cannot be removed now is swept at the next start.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A folder that is not there is made; one that holds other things than letters, or that others may write to, is refused.
fn check(path: &Path) -> Result<()> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return make_to_stay(path);
        }
        found => found.map_err(|error| home::failed("stat", path, &error))?,
    };
    if !found.is_dir() {
        return Err(no_maildir(path, "it is no folder"));
    }
    if found.uid() != home::own() || found.mode() & 0o022 != 0 {
        return Err(home::unsafe_to_use(path, "it is not yours, or others may write into it"));
    }
    let mut entries = fs::read_dir(path).map_err(|error| home::failed("open", path, &error))?;
    let is_empty = entries.next().is_none();
    for part in PARTS {
        match fs::symlink_metadata(path.join(part)) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(no_maildir(path, &format!("{part} in it is no folder"))),
            Err(_) if is_empty => {}
            // A start that was given up may have made some of the parts.
            Err(_) if is_begun(path) => {}
            Err(_) => {
                return Err(no_maildir(path, "it holds other things, and no tmp, new and cur"));
            }
        }
    }
    Ok(())
}

/// Makes a folder, and those above it that are not there. Its name is on the disk like what will lie in it: without power
/// nothing in a folder is found that its parent does not know of.
fn make_to_stay(path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    let make = || DirBuilder::new().mode(0o700).create(path);
    let made = match make() {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !parent.exists() => {
            make_to_stay(parent)?;
            make()
        }
        made => made,
    };
    made.map_err(|error| home::failed("mkdir", path, &error))?;
    let synced = File::open(parent).and_then(|parent| sync::to_disk(&parent));
    synced.map_err(|error| home::failed("fsync", parent, &error))
}

/// Whether nothing but parts of a Maildir is there.
fn is_begun(path: &Path) -> bool {
    let known = |name: &str| PARTS.contains(&name) || name == BOXES || name.starts_with("hobnob.");
    fs::read_dir(path).is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(known)))
    })
}

fn furnish(path: &Path) -> Result<()> {
    for part in PARTS.iter().chain(&[BOXES, NOTES, ERRANDS]) {
        make(&path.join(part)).map_err(|error| home::failed("mkdir", path, &error))?;
    }
    Ok(())
}

/// Makes a folder that is the owner's alone, where there is none.
pub(super) fn make(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_folder = fs::symlink_metadata(path)?.is_dir();
            if is_folder { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
        }
        made => made,
    }
}

/// The lock on a folder; none where another process has it.
fn lock(path: &Path) -> Result<Option<File>> {
    let folder = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path);
    let folder = folder.map_err(|error| home::failed("open", path, &error))?;
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(home::failed("flock", path, &error)),
    }
}

/// Removes private folders whose processes are gone.
fn sweep(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PRIVATE)?.split_once('-'));
        let Some(pid) = pid.and_then(|(pid, _)| pid.parse::<u32>().ok()) else { continue };
        let is_ours =
            entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == home::own());
        // One that was just made may not be locked yet, so that its process has to be gone too.
        let is_left = is_ours && !Path::new(&format!("/proc/{pid}")).exists();
        if is_left && matches!(lock(&entry.path()), Ok(Some(_))) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn taken(path: &Path) -> Error {
    let text = format!("another process keeps its letters in {}", path.display());
    Error::new(Kind::FileExists, text).why("a folder has one server at a time").hint_option(
        "dir",
        "DIR",
        "another folder",
    )
}

fn no_maildir(path: &Path, why: &str) -> Error {
    Error::new(Kind::FileExists, format!("{} is no Maildir", path.display())).why(why).hint_option(
        "dir",
        "DIR",
        "a folder that is empty, or not there yet",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn open(path: &Path) -> Result<HeldFolder> {
        HeldFolder::open(&StorePlace::Folder(path.to_owned()))
    }

    #[test]
    fn a_folder_becomes_a_maildir_and_has_one_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/mail");
        let held = open(&path).expect("it is made");
        let found = fs::metadata(path.join("new")).expect("it is there");
        assert_eq!(found.mode() & 0o777, 0o700);
        let refused = open(&path).err().expect("somebody has it");
        assert_eq!(refused.kind(), Kind::FileExists);
        assert!(refused.message().contains("another process"), "{refused}");
        drop(held);
        drop(open(&path).expect("it is free again"));
        fs::remove_dir(path.join("cur")).expect("it is empty");
        open(&path).expect("one that was only begun is completed");
    }

    #[test]
    fn what_is_no_maildir_and_what_is_not_ours_is_refused_and_left_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let with = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("a folder");
            path
        };
        let full = with("full");
        fs::write(full.join("thesis.tex"), "x").expect("a file");
        let linked = with("linked");
        symlink("/etc", linked.join("new")).expect("a link");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("a file");
        for path in [&full, &linked, &file] {
            let refused = open(path).err().expect("no Maildir");
            assert_eq!(refused.kind(), Kind::FileExists, "{refused:?}");
        }
        assert_eq!(fs::read_dir(&full).expect("it is there").count(), 1);
        let open_to_all = with("open");
        fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o777)).expect("ours");
        let refused = open(&open_to_all).err().expect("others may write");
        assert_eq!(refused.kind(), Kind::PermissionDenied);
    }

    #[test]
    fn a_private_folder_goes_with_us_and_what_the_dead_left_is_swept() {
        let held = HeldFolder::open(&StorePlace::Private).expect("it is made");
        let path = held.path.clone();
        let all = path.parent().expect("the folder for what is temporary");
        let dead = all.join(format!("{PRIVATE}4294967295-{:016x}", clock::draw_seed()));
        fs::create_dir(&dead).expect("no process has that number");
        fs::write(dead.join("letter"), "x").expect("a file");
        drop(HeldFolder::open(&StorePlace::Private).expect("another"));
        assert!(!dead.exists() && path.exists());
        drop(held);
        assert!(!path.exists());
    }
}
