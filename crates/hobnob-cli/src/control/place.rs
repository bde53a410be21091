//! Where the control sockets lie: a folder that is its owner's alone, and is never reached through a link.

use std::fs::{self, DirBuilder, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hobnob::error::{Error, Kind, Result, quoted};
use hobnob::socket::access::Access;
use hobnob::socket::path::{self, Claim};
use hobnob::socket::{Family, Socket, Type};
use nix::unistd::geteuid;

use crate::advice::Propose as _;
use crate::env::Environment;

/// Clients that may wait to be accepted.
const BACKLOG: u32 = 32;
/// How the name of a socket ends; before that stands the process id.
const ENDING: &str = ".sock";
/// The bit of a folder such as /tmp, where nobody can rename or remove what is another's (inode(7)).
const STICKY: u32 = 0o1000;

/// The folder of the control sockets, looked at and found to be ours alone.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder, made if it is not there.
    pub(crate) fn make(environment: &Environment) -> Result<Self> {
        let path = path_of(environment);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(failed("mkdir", &path, &error))
            }
            _ => Folder::look(path)?.ok_or_else(|| refused(&path_of(environment), "it is gone")),
        }
    }

    /// The folder, if it is there.
    pub(crate) fn find(environment: &Environment) -> Result<Option<Self>> {
        Folder::look(path_of(environment))
    }

    /// Commands from a socket in this folder are obeyed, so that no other user may put one there.
    fn look(path: PathBuf) -> Result<Option<Self>> {
        let found = match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found.map_err(|error| failed("lstat", &path, &error))?,
        };
        if let Some(why) = danger(&found) {
            return Err(refused(&path, &why));
        }
        let parent = path.parent().unwrap_or(&path);
        let above = fs::metadata(parent).map_err(|error| failed("stat", parent, &error))?;
        let mode = above.permissions().mode();
        if mode & 0o022 != 0 && mode & STICKY == 0 {
            let why = format!("everybody may rename what is in {}", parent.display());
            return Err(refused(&path, &why));
        }
        Ok(Some(Folder(path)))
    }

    /// The process ids and paths of all the sockets in it, dead ones as well.
    pub(crate) fn sockets(&self) -> Result<Vec<(u32, PathBuf)>> {
        let entries = fs::read_dir(&self.0).map_err(|error| failed("opendir", &self.0, &error))?;
        let id = |path: &Path| {
            let name = path.file_name()?.to_str()?;
            name.strip_suffix(ENDING)?.parse().ok()
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut found: Vec<(u32, PathBuf)> =
            paths.filter_map(|path| Some((id(&path)?, path))).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Binds this process's own socket. What processes have left that ended without a word is removed first: only a
    /// refused connect proves that nobody is there, as a process id may be one of another container's.
    pub(super) fn bind(&self) -> Result<(Claim, Socket)> {
        for (_, path) in self.sockets()? {
            path::clear(&path);
        }
        let own = self.0.join(format!("{}{ENDING}", std::process::id()));
        let mut claim = path::claim(&own, Access::default())?;
        let socket = Socket::new(Family::Unix, Type::Stream, 0)?;
        claim.bind(&socket)?;
        socket.listen(BACKLOG)?;
        Ok((claim, socket))
    }
}

fn path_of(environment: &Environment) -> PathBuf {
    match &environment.runtime {
        Some(runtime) => runtime.join("hobnob"),
        None => environment.temporary.join(format!("hobnob-{}", geteuid())),
    }
}

/// Why a folder is not for us.
fn danger(found: &Metadata) -> Option<String> {
    let mode = found.permissions().mode() & 0o7777;
    if found.file_type().is_symlink() {
        return Some("it is a symbolic link".to_owned());
    }
    if !found.is_dir() {
        return Some("it is not a folder".to_owned());
    }
    if found.uid() != geteuid().as_raw() {
        return Some(format!("it is another user's (uid {})", found.uid()));
    }
    (mode & 0o077 != 0).then(|| format!("others may look into it (mode {mode:04o})"))
}

fn refused(path: &Path, why: &str) -> Error {
    let shown = path.display().to_string();
    Error::new(Kind::PermissionDenied, format!("I will not use {shown} for control sockets"))
        .why(why)
        .try_command(format!("ls -ld {}", quoted(&shown)), "whose is it?")
        .try_command("hobnob help control", "where they lie")
}

fn failed(call: &str, path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    let failure = Error::from_io(&format!("{call}({shown})"), error);
    let words = format!("{shown}: {}", failure.message());
    failure.with_message(words).try_command("hobnob help control", "where the sockets lie")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn environment(runtime: &Path) -> Environment {
        Environment { runtime: Some(runtime.to_owned()), ..Environment::default() }
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    #[test]
    fn the_folder_is_made_once_and_is_ours_alone() {
        let home = tempfile::tempdir().expect("a folder");
        let environment = environment(home.path());
        assert!(Folder::find(&environment).expect("nothing is wrong").is_none());
        for _ in 0..2 {
            let folder = Folder::make(&environment).expect("it can be made");
            assert_eq!(folder.0, home.path().join("hobnob"));
            assert_eq!(fs::metadata(&folder.0).expect("it is there").mode() & 0o777, 0o700);
        }
        assert!(Folder::find(&environment).expect("nothing is wrong").is_some());
    }

    #[test]
    fn without_a_runtime_folder_it_is_one_of_this_users_in_the_temporary_one() {
        let temporary = PathBuf::from("/somewhere");
        let environment = Environment { temporary, ..Environment::default() };
        let expected = format!("/somewhere/hobnob-{}", geteuid());
        assert_eq!(path_of(&environment), Path::new(&expected));
    }

    #[test]
    fn what_others_could_reach_is_refused_with_its_reason() {
        let home = tempfile::tempdir().expect("a folder");
        let own = home.path().join("hobnob");
        let why = |expected: &str| {
            let Err(error) = Folder::make(&environment(home.path())) else {
                panic!("{expected}: it is used");
            };
            assert_eq!(error.kind(), Kind::PermissionDenied);
            assert!(error.reasons()[0].contains(expected), "{:?}", error.reasons());
            assert!(Folder::find(&environment(home.path())).is_err());
        };
        let elsewhere = home.path().join("elsewhere");
        DirBuilder::new().mode(0o700).create(&elsewhere).expect("made");
        symlink(&elsewhere, &own).expect("linked");
        why("a symbolic link");
        fs::remove_file(&own).expect("it is there");
        fs::write(&own, b"").expect("written");
        why("not a folder");
        fs::remove_file(&own).expect("it is there");
        DirBuilder::new().mode(0o700).create(&own).expect("made");
        set_mode(&own, 0o755);
        why("(mode 0755)");
        set_mode(&own, 0o700);
        set_mode(home.path(), 0o777);
        why("everybody may rename");
        set_mode(home.path(), 0o1777);
        assert!(Folder::make(&environment(home.path())).is_ok(), "as /tmp is");
        if std::os::unix::fs::chown(&own, Some(65_534), None).is_err() {
            println!("left out: only root can give a folder to another user");
            return;
        }
        why("another user's (uid 65534)");
    }

    #[test]
    fn dead_sockets_are_cleared_and_no_other_file_is() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = Folder::make(&environment(home.path())).expect("it can be made");
        let at = |name: &str| folder.0.join(name);
        drop(UnixListener::bind(at("1.sock")).expect("bound"));
        drop(UnixListener::bind(at("notes.sock")).expect("bound"));
        let _living = UnixListener::bind(at("2.sock")).expect("bound");
        fs::write(at("3.sock"), b"no socket").expect("written");
        let (claim, _socket) = folder.bind().expect("it is free");
        let own = format!("{}.sock", std::process::id());
        assert_eq!(claim.path(), at(&own));
        assert_eq!(fs::metadata(claim.path()).expect("bound").mode() & 0o777, 0o600);
        let there = ["1.sock", "2.sock", "3.sock", "notes.sock"].map(|name| at(name).exists());
        assert_eq!(there, [false, true, true, true], "only what has our form is ours to clear");
        let ids: Vec<_> = folder.sockets().expect("listed").into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [2, 3, std::process::id()]);
        drop(claim);
        assert!(!at(&own).exists());
    }
}
