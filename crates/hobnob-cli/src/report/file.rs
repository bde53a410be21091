//! A file that is being made: under another name until it is whole, so that nobody takes a part for all of it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;

/// How many names are tried for what is not whole.
const NAMES: u32 = 100;

/// Where a body goes, or a script.
pub(crate) struct BodyFile {
    /// As it was typed.
    pub(crate) name: String,
    /// The flag that it was typed with.
    flag: &'static str,
    /// The file itself: what a link leads to.
    target: PathBuf,
    /// What is written; none for a device or a pipe, which is no file to be replaced.
    part: Option<PathBuf>,
    may_replace: bool,
    /// Whether the part has the owner and the mode of the file that it is to replace.
    is_alike: bool,
}

impl BodyFile {
    /// Opens a file of this name, which must not be there unless it `may_replace` it.
    /// `flag` is the flag that names it.
    pub(crate) fn open(name: &str, may_replace: bool, flag: &'static str) -> Result<(Self, File)> {
        let failed = |error: &io::Error| failed("open", name, error);
        if name.is_empty() {
            let error = Error::new(Kind::Usage, format!("{flag} needs the name of a file"));
            return Err(error.try_flag(format!("{flag} FILE"), ""));
        }
        let found = fs::metadata(name);
        let mut place = BodyFile {
            name: name.to_owned(),
            flag,
            target: fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name)),
            part: None,
            may_replace,
            is_alike: true,
        };
        match &found {
            Ok(found) if found.is_dir() => {
                return Err(failed(&io::Error::from_raw_os_error(nix::libc::EISDIR)));
            }
            Ok(found) if found.is_file() && !may_replace => return Err(is_there(name, flag)),
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new().write(true).open(name);
                return Ok((place, file.map_err(|error| failed(&error))?));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::symlink_metadata(name).is_ok() {
                    return Err(is_there(name, flag).why("it is a link that leads nowhere"));
                }
            }
            Err(error) => return Err(failed(error)),
        }
        let (part, file) = part_of(&place.target).map_err(|error| failed(&error))?;
        place.part = Some(part);
        if let Ok(found) = found {
            // Now, so that nobody reads meanwhile what the file itself would not show.
            place.is_alike = become_alike(&file, &found).is_ok();
        }
        Ok((place, file))
    }

    /// It is whole: gives it its name.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let Some(part) = self.part.take() else { return Ok(()) };
        if !self.is_alike {
            return self.write_over(&part).map_err(|error| {
                failed("write", &self.name, &error)
                    .why(format!("all of it is in {}", part.display()))
            });
        }
        let failed = |error: &io::Error| failed("rename", &self.name, error);
        if self.may_replace {
            return fs::rename(&part, &self.target).map_err(|error| failed(&error));
        }
        // Unlike a rename, a link takes no name from a file that somebody made meanwhile.
        match fs::hard_link(&part, &self.target) {
            Ok(()) => fs::remove_file(&part).map_err(|error| failed(&error)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(is_there(&self.name, self.flag)
                    .why(format!("all of it is in {}", part.display())))
            }
            // Not every file system has links.
            Err(_) => fs::rename(&part, &self.target).map_err(|error| failed(&error)),
        }
    }

    /// Writes the whole over a file of another owner, which keeps its owner only so.
    fn write_over(&self, part: &Path) -> io::Result<()> {
        let mut from = File::open(part)?;
        let mut to = OpenOptions::new().write(true).truncate(true).open(&self.target)?;
        io::copy(&mut from, &mut to)?;
        fs::remove_file(part)
    }

    /// It will not be whole: where the part is, if there is anything in it.
    pub(crate) fn keep(&mut self) -> Option<PathBuf> {
        let part = self.part.take()?;
        if fs::metadata(&part).is_ok_and(|found| found.len() > 0) {
            return Some(part);
        }
        let _ = fs::remove_file(&part);
        None
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        self.keep();
    }
}

/// Gives a new file owner and mode of the one that it is to replace. The owner comes first: changing it clears bits of the
/// mode (chown(2)).
fn become_alike(file: &File, found: &Metadata) -> io::Result<()> {
    std::os::unix::fs::fchown(file, Some(found.uid()), Some(found.gid()))?;
    file.set_permissions(found.permissions())
}

/// A new file beside `target`: `page.html.part`, or with a number where that is taken.
fn part_of(target: &Path) -> io::Result<(PathBuf, File)> {
    let named = |number: u32| {
        let mut name = target.as_os_str().to_owned();
        match number {
            1 => name.push(".part"),
            _ => name.push(format!(".{number}.part")),
        }
        PathBuf::from(name)
    };
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for part in (1..=NAMES).map(named) {
        // `create_new` follows no link.
        match OpenOptions::new().write(true).create_new(true).open(&part) {
            Ok(file) => return Ok((part, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn is_there(name: &str, flag: &str) -> Error {
    let text = format!("{name} is already there, and I will not overwrite it");
    Error::new(Kind::FileExists, text)
        .try_flag("--force", "")
        .try_flag(format!("{flag} {}", other(name)), "")
}

/// `page-2.html`, or the next number that is free.
fn other(name: &str) -> String {
    let path = Path::new(name);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
    let numbered = |number: u32| {
        path.with_file_name(format!("{stem}-{number}{}", ending.as_deref().unwrap_or_default()))
    };
    let free = (2..=NAMES).map(numbered).find(|path| fs::symlink_metadata(path).is_err());
    free.unwrap_or_else(|| numbered(NAMES)).to_string_lossy().into_owned()
}

/// The error of a file that cannot be written.
pub(crate) fn failed(call: &str, name: &str, error: &io::Error) -> Error {
    let told = Error::from_io(&format!("{call}({name})"), error);
    let text = format!("{name} cannot be written: {}", told.message());
    let told = told.with_message(text);
    match told.kind() {
        Kind::System => told.with_kind(Kind::OutputFailed),
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).expect("a file")
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("page.html");
        let name = path.to_str().expect("UTF-8");
        let part = folder.path().join("page.html.part");
        let (mut place, mut file) = BodyFile::open(name, false, "-o").expect("it is free");
        file.write_all(b"one").expect("a disk");
        assert!(part.exists() && !path.exists());
        place.finish().expect("it has its name");
        assert_eq!((text(&path).as_str(), part.exists()), ("one", false));

        let error = BodyFile::open(name, false, "-o").err().expect("it is there");
        assert_eq!(error.kind(), Kind::FileExists);
        let (mut place, mut file) = BodyFile::open(name, true, "-o").expect("it may");
        file.write_all(b"two").expect("a disk");
        assert_eq!(text(&path), "one", "not before it is whole");
        place.finish().expect("it has its name");
        assert_eq!(text(&path), "two");
        assert_eq!(other(name), folder.path().join("page-2.html").display().to_string());
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_mode_and_its_owner() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        let name = path.to_str().expect("UTF-8");
        let facts = || {
            let found = fs::metadata(&path).expect("a file");
            (found.permissions().mode() & 0o7777, found.uid(), found.gid())
        };
        for is_alike in [true, false] {
            fs::write(&path, "one and more").expect("a disk");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
            // Only root may give a file away; for others it stays theirs.
            let _ = std::os::unix::fs::chown(&path, Some(12_345), Some(12_345));
            let before = facts();
            let (mut place, mut file) = BodyFile::open(name, true, "-o").expect("it may");
            let part = fs::metadata(folder.path().join("secret.part")).expect("a part");
            assert_eq!(part.permissions().mode() & 0o777, 0o640, "no more than the file shows");
            file.write_all(b"two").expect("a disk");
            // Where the owner cannot be given, the file is written over.
            place.is_alike &= is_alike;
            place.finish().expect("it has its name");
            assert_eq!((text(&path).as_str(), facts()), ("two", before));
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        }
    }

    #[test]
    fn what_is_not_whole_keeps_another_name_and_nothing_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        let name = path.to_str().expect("UTF-8");
        for part in ["x.part", "x.2.part"] {
            let (mut place, mut file) = BodyFile::open(name, false, "-o").expect("it is free");
            file.write_all(part.as_bytes()).expect("a disk");
            assert_eq!(place.keep(), Some(folder.path().join(part)));
        }
        assert_eq!(text(&folder.path().join("x.part")), "x.part");
        let (mut empty, _) = BodyFile::open(name, false, "-o").expect("it is free");
        assert_eq!(empty.keep(), None);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
    }

    #[test]
    fn a_file_that_somebody_made_meanwhile_is_not_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        let (mut place, _file) =
            BodyFile::open(path.to_str().expect("UTF-8"), false, "-o").expect("free");
        fs::write(&path, "theirs").expect("a disk");
        assert_eq!(place.finish().expect_err("it is there").kind(), Kind::FileExists);
        assert_eq!(text(&path), "theirs");
    }

    #[test]
    fn a_link_is_followed_only_to_what_may_be_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("x"), folder.path().join("link"));
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let name = link.to_str().expect("UTF-8");
        assert_eq!(
            BodyFile::open(name, true, "-o").err().map(|e| e.kind()),
            Some(Kind::FileExists)
        );
        fs::write(&path, "one").expect("a disk");
        let (mut place, mut file) = BodyFile::open(name, true, "-o").expect("it may");
        file.write_all(b"two").expect("a disk");
        place.finish().expect("it has its name");
        assert_eq!(text(&path), "two");
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    }

    #[test]
    fn a_device_is_written_as_it_is() {
        let (mut place, mut file) = BodyFile::open("/dev/null", false, "-o").expect("a device");
        file.write_all(b"x").expect("it takes all");
        place.finish().expect("nothing to do");
        assert!(Path::new("/dev/null").exists() && !Path::new("/dev/null.part").exists());
        assert!(BodyFile::open("/dev", false, "-o").is_err());
        assert_eq!(
            BodyFile::open("", true, "-o").err().map(|error| error.kind()),
            Some(Kind::Usage)
        );
    }
}
