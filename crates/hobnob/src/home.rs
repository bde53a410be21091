//! The folders of our own, and files in them that are the owner's alone.

#![cfg_attr(
    not(all(feature = "tls", feature = "mail")),
    allow(dead_code, reason = "only the layer tls and the letters of mail are files of our own")
)]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::clock;
use crate::error::{Error, Kind, Result};

/// The most that a file of ours holds, in bytes.
const LARGEST: u64 = 1_024 * 1_024;

/// Where what we keep belongs: `hobnob` in `$XDG_STATE_HOME`, or else in `~/.local/state` (XDG Base Directory).
pub fn state_folder() -> Result<PathBuf> {
    let state = variable("XDG_STATE_HOME");
    let state = state.or_else(|| Some(variable("HOME")?.join(".local/state")));
    state.map(|state| state.join("hobnob")).ok_or_else(|| {
        let text = "there is no place for what I keep: neither XDG_STATE_HOME nor HOME is set";
        Error::new(Kind::NotFound, text).hint_shell("export XDG_STATE_HOME=/tmp/state", "")
    })
}

/// The file that `SSLKEYLOGFILE` names, if it does: where the secrets of TLS sessions are to be written.
pub(crate) fn key_log() -> Option<PathBuf> {
    path("SSLKEYLOGFILE")
}

/// The file that `SSL_CERT_FILE` names, if it does: whom this machine trusts, in place of its own list.
pub(crate) fn trusted() -> Option<PathBuf> {
    path("SSL_CERT_FILE")
}

/// Where folders stand that go with their process.
pub(crate) fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}

/// A variable that holds a whole path; others are to be ignored, says the specification.
fn variable(name: &str) -> Option<PathBuf> {
    path(name).filter(|path| path.is_absolute())
}

#[expect(clippy::disallowed_methods, reason = "the one place of the library that asks for paths")]
fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty())
}

/// Makes a folder that only its owner can look into, if it is not there; one that others may write to is refused.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| failed("mkdir", path, &error))?;
    let found = fs::metadata(path).map_err(|error| failed("stat", path, &error))?;
    if found.uid() != own() || found.mode() & 0o022 != 0 {
        return Err(unsafe_to_use(path, "others may write into it"));
    }
    Ok(())
}

/// Reads a file of ours; none where there is none. A link, another user's file, or one that others may look into is
/// refused.
pub(crate) fn read_private(path: &Path) -> Result<Option<Vec<u8>>> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path);
    let file = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| failed("open", path, &error))?,
    };
    let found = file.metadata().map_err(|error| failed("fstat", path, &error))?;
    if !found.is_file() || found.uid() != own() || found.mode() & 0o077 != 0 {
        return Err(unsafe_to_use(path, "it is not a file of yours alone (mode 0600)"));
    }
    let mut bytes = Vec::new();
    let read = file.take(LARGEST).read_to_end(&mut bytes);
    read.map_err(|error| failed("read", path, &error))?;
    Ok(Some(bytes))
}

/// Makes a file that only its owner can read, whole from its first instant. Where there is one already it stays, and
/// that is the one to be read: of several who make it at once, one wins.
pub(crate) fn make_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{:016x}", clock::draw_seed()));
    let written = write_draft(&draft, bytes);
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed("link", path, &error)),
        _ => Ok(()),
    });
    // What cannot be removed is a stray file of ours, and no reason to fail.
    let _ = fs::remove_file(&draft);
    linked
}

/// Opens a file to add to; one that is made is its owner's alone.
pub(crate) fn private_log(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map_err(|error| failed("open", path, &error))
}

fn write_draft(draft: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let mut file: File = options.open(draft).map_err(|error| failed("open", draft, &error))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| failed("write", draft, &error))
}

/// The user that we are.
pub(crate) fn own() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// What a call said of a path.
pub(crate) fn failed(call: &str, path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    let failure = Error::from_io(&format!("{call}({shown})"), error);
    let words = format!("{shown}: {}", failure.message());
    failure.with_message(words)
}

/// A path that somebody else has a hand in.
pub(crate) fn unsafe_to_use(path: &Path, why: &str) -> Error {
    let shown = path.display();
    Error::new(Kind::PermissionDenied, format!("I will not use {shown}"))
        .why(why)
        .hint_shell(format!("ls -ld {shown}"), "whose is it?")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_made_once_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let ours = folder.path().join("deep/er");
        private_folder(&ours).expect("it can be made");
        assert_eq!(fs::metadata(&ours).expect("it is there").mode() & 0o777, 0o700);
        let path = ours.join("x.pem");
        assert_eq!(read_private(&path), Ok(None));
        make_private(&path, b"first").expect("it can be made");
        make_private(&path, b"second").expect("the first stays");
        assert_eq!(read_private(&path), Ok(Some(b"first".to_vec())));
        assert_eq!(fs::metadata(&path).expect("it is there").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&ours).expect("it is there").count(), 1, "no draft is left");
    }

    #[test]
    fn what_others_can_read_and_what_is_a_link_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.pem");
        make_private(&path, b"first").expect("it can be made");
        let link = folder.path().join("link.pem");
        symlink(&path, &link).expect("a link");
        assert!(read_private(&link).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
        let error = read_private(&path).expect_err("the group may read it");
        assert_eq!(error.kind(), Kind::PermissionDenied);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("ours");
        assert!(private_folder(folder.path()).is_err());
    }
}
