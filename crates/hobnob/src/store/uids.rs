//! The list of UIDs of a folder: which number is whose, for ever. A number is burnt, on the disk, before its letter shows.
//!
//! `hobnob.uids` begins with `1 V<validity> N<next>`, and goes on with lines of a number and the name that has it. Lines
//! are added; what a crash tore off is written anew.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::sync::Syncing;

/// The list's file in its folder.
const FILE: &str = "hobnob.uids";
/// Bytes of the list at most: ten million letters.
const LARGEST: u64 = 1 << 30;

/// The list, open to be added to.
pub(super) struct UidList {
    path: PathBuf,
    file: File,
    pub(super) validity: u32,
    /// The number that the next letter gets.
    pub(super) next: u32,
    /// Whether the file may hold what it should not, and has to be written anew before it is added to.
    is_spoilt: bool,
    sync: Syncing,
}

impl UidList {
    /// Opens the list of a folder, or makes one of this validity. The names that it knows.
    pub(super) fn open(
        folder: &Path,
        validity: u32,
        sync: Syncing,
    ) -> io::Result<(Self, HashMap<String, u32>)> {
        let path = folder.join(FILE);
        let text = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path) {
            Ok(file) => read(&file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let (head, lines) = text.split_once('\n').unwrap_or_default();
        let mut known = HashMap::new();
        let Some((validity, mut next)) = read_head(head) else {
            // None there, or one that nobody can read: all numbers are new, and the validity says so.
            let file = rewrite(&path, validity, 1, std::iter::empty(), sync)?;
            let list = UidList { path, file, validity, next: 1, is_spoilt: false, sync };
            return Ok((list, known));
        };
        let mut is_spoilt = !text.ends_with('\n');
        let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
        for line in whole.lines() {
            let Some((uid, name)) = read_line(line) else {
                is_spoilt = true;
                continue;
            };
            next = next.max(uid.saturating_add(1));
            known.insert(name.to_owned(), uid);
        }
        let file = append(&path)?;
        Ok((UidList { path, file, validity, next, is_spoilt, sync }, known))
    }

    /// Burns a number for each of these names, in their order, and returns the first. `known` are the letters that there
    /// are. After an error no letter may have any of the numbers.
    pub(super) fn burn<'a>(
        &mut self,
        names: &[&str],
        known: impl Iterator<Item = (u32, &'a str)>,
    ) -> io::Result<u32> {
        let first = self.next;
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let used_up = || io::Error::new(io::ErrorKind::StorageFull, "no UIDs are left");
        self.next = first.checked_add(count).filter(|next| *next < u32::MAX).ok_or_else(used_up)?;
        if self.is_spoilt {
            self.file = rewrite(&self.path, self.validity, self.next, known, self.sync)?;
            self.is_spoilt = false;
        }
        let lines = lines((first..).zip(names.iter().copied()));
        // A part of the lines may be there after a failure, and a sync that failed is not to be asked again: the kernel may
        // have forgotten what it could not write (fsync(2)).
        let added = self.file.write_all(lines.as_bytes()).and_then(|()| (self.sync)(&self.file));
        self.is_spoilt = added.is_err();
        added.map(|()| first)
    }

    /// How much more than these letters the list may hold before it is written anew.
    pub(super) fn tidy(&mut self, lines: usize, letters: usize) {
        self.is_spoilt |= lines > 2 * letters + 1_000;
    }
}

/// The file of a store that says which validity was given last, where the box that had it may be gone.
const LAST: &str = "hobnob.validity";

/// The validity that was given last, as far as a box that was removed has left word of it.
pub(super) fn last_validity(root: &Path) -> io::Result<u32> {
    match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(root.join(LAST)) {
        Ok(file) => Ok(read(&file)?.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Leaves word of it: a box that is made again under an old name has another one, also after a restart within the same
/// second.
pub(super) fn keep_validity(root: &Path, validity: u32, sync: Syncing) -> io::Result<()> {
    let draft = root.join(LAST).with_extension("draft");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let mut file = options.open(&draft)?;
    file.write_all(format!("{validity}\n").as_bytes()).and_then(|()| sync(&file))?;
    fs::rename(&draft, root.join(LAST))?;
    sync(&File::open(root)?)
}

fn read(file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, LARGEST), &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_head(line: &str) -> Option<(u32, u32)> {
    let (validity, next) = line.strip_prefix("1 V")?.split_once(" N")?;
    let (validity, next) = (validity.parse().ok()?, next.parse().ok()?);
    (validity > 0 && next > 0).then_some((validity, next))
}

fn read_line(line: &str) -> Option<(u32, &str)> {
    let (uid, name) = line.split_once(' ')?;
    let uid = uid.parse().ok()?;
    (uid > 0 && !name.is_empty()).then_some((uid, name))
}

/// The lines of these numbers and names.
fn lines<'a>(known: impl Iterator<Item = (u32, &'a str)>) -> String {
    known.fold(String::new(), |mut text, (uid, name)| {
        let _ = writeln!(text, "{uid} {name}"); // a String takes all
        text
    })
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Writes the list anew, whole from its first instant.
fn rewrite<'a>(
    path: &Path,
    validity: u32,
    next: u32,
    known: impl Iterator<Item = (u32, &'a str)>,
    sync: Syncing,
) -> io::Result<File> {
    let draft = path.with_extension("draft");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let file = options.open(&draft)?;
    let text = format!("1 V{validity} N{next}\n{}", lines(known));
    let written = (&file).write_all(text.as_bytes()).and_then(|()| sync(&file));
    if let Err(error) = written.and_then(|()| fs::rename(&draft, path)) {
        let _ = fs::remove_file(&draft); // a draft that stays is written over
        return Err(error);
    }
    if let Some(folder) = path.parent() {
        sync(&File::open(folder)?)?;
    }
    append(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sync;

    fn open(folder: &Path, validity: u32) -> (UidList, Vec<(String, u32)>) {
        let (list, known) = UidList::open(folder, validity, sync::to_disk).expect("it opens");
        let mut known: Vec<_> = known.into_iter().collect();
        known.sort();
        (list, known)
    }

    fn said(known: &[(&str, u32)]) -> Vec<(String, u32)> {
        known.iter().map(|(name, uid)| ((*name).to_owned(), *uid)).collect()
    }

    #[test]
    fn numbers_only_rise_and_last_whatever_a_crash_tore_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut list, known) = open(folder.path(), 7);
        assert!(known.is_empty());
        assert_eq!(list.burn(&["a", "b c"], std::iter::empty()).expect("it is burnt"), 1);
        assert_eq!(list.burn(&["d"], std::iter::empty()).expect("it is burnt"), 3);
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).expect("it is there");
        assert_eq!(whole, b"1 V7 N1\n1 a\n2 b c\n3 d\n");
        for cut in whole.len() - 3..whole.len() {
            fs::write(&path, &whole[..cut]).expect("a crash");
            let (mut list, known) = open(folder.path(), 9);
            assert_eq!((list.validity, known), (7, said(&[("a", 1), ("b c", 2)])), "{cut}");
            let first = list.burn(&["e"], [(1, "a"), (2, "b c")].into_iter()).expect("anew");
            assert_eq!(first, 3);
            let (list, known) = open(folder.path(), 9);
            assert_eq!((list.next, known), (4, said(&[("a", 1), ("b c", 2), ("e", 3)])));
        }
        fs::write(&path, b"what is that").expect("nonsense");
        let (list, known) = open(folder.path(), 9);
        assert_eq!((list.validity, list.next, known.len()), (9, 1, 0));
    }

    #[test]
    fn a_number_that_could_not_be_burnt_is_never_given_again() {
        fn broken(_: &File) -> io::Result<()> {
            Err(io::Error::from_raw_os_error(libc::EIO))
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (mut list, _) = open(folder.path(), 7);
        list.sync = broken;
        list.burn(&["a"], std::iter::empty()).expect_err("the disk is broken");
        list.burn(&["b"], std::iter::empty()).expect_err("it still is");
        list.sync = sync::to_disk;
        assert_eq!(list.burn(&["c"], std::iter::empty()).expect("it is well again"), 3);
        let (list, known) = open(folder.path(), 9);
        assert_eq!((list.next, known), (4, said(&[("c", 3)])));
    }
}
