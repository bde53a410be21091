//! The path of a Unix socket: replaced when it is a dead one of ours, and never anything else.

use std::fs::{self, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::access::Access;
use super::{Socket, explain};
use crate::address::Address;
use crate::error::{Error, Result};
use crate::sys::call;
use crate::sys::name::Name;

/// The mode of a file that lets nobody in, except who may do anything.
const CLOSED: u32 = 0;

/// A path that is free to be bound; once bound, its file is removed when this is dropped, if it still is that file.
#[derive(Debug)]
#[must_use = "dropping it removes the socket's file"]
pub struct Claim {
    path: PathBuf,
    access: Access,
    was_replaced: bool,
    /// Device and inode of the file that we have bound.
    bound: Option<(u64, u64)>,
}

/// Makes a path free for [`Claim::bind`]. A socket there that is our user's, or of the user whom we give such sockets to,
/// and proven dead is removed. Anything else stays, and is
/// [`Kind::SocketFileExists`](crate::error::Kind::SocketFileExists): a live socket, another owner's, a file, a folder, a
/// symbolic link wherever it leads.
pub fn claim(path: &Path, access: Access) -> Result<Claim> {
    let address = Address::path(path);
    let name = Name::of(&address)?;
    let free = |was_replaced| Claim { path: path.to_owned(), access, was_replaced, bound: None };
    // Nothing is there; or the folder is not, or closed to us, which bind says better.
    let Ok(found) = path.symlink_metadata() else { return Ok(free(false)) };
    let kind = found.file_type();
    if !kind.is_socket() {
        let what = match kind {
            kind if kind.is_dir() => "a folder",
            kind if kind.is_symlink() => "a symbolic link",
            kind if kind.is_file() => "a file",
            _ => "something else than a socket",
        };
        return Err(explain::kept_path(path, what));
    }
    if !access.is_owner(found.uid()) {
        return Err(explain::kept_path(path, "another user's socket"));
    }
    if is_alive(&name).map_err(|error| Error::from_io("connect", &error))? {
        return Err(explain::live_path(path));
    }
    let removed = remove(path, &found);
    removed.map_err(|error| Error::from_io(&format!("unlink({address})"), &error))?;
    Ok(free(true))
}

/// Removes a socket there that is our user's and proven dead, and says whether it did. Whatever else is there stays.
pub fn clear(path: &Path) -> bool {
    let Ok(found) = path.symlink_metadata() else { return false };
    let is_dead =
        || Name::of(&Address::path(path)).is_ok_and(|name| matches!(is_alive(&name), Ok(false)));
    let is_own = Access::default().is_owner(found.uid());
    found.file_type().is_socket() && is_own && is_dead() && remove(path, &found).is_ok()
}

impl Claim {
    /// Binds the socket. At no moment does its file let in more than the access says: the usual one has its mode from the
    /// first instant, and where something else was asked for the file lets nobody in before it has all of that.
    pub fn bind(&mut self, socket: &Socket) -> Result<()> {
        let is_usual = self.access == Access::default();
        socket.set_mode(if is_usual { self.access.mode } else { CLOSED })?;
        socket.bind(&Address::path(self.path.clone()))?;
        self.bound = identity(&self.path);
        if is_usual { Ok(()) } else { self.access.give(&self.path, self.bound) }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a dead socket of ours was removed, which a person wants to be told.
    pub fn was_replaced(&self) -> bool {
        self.was_replaced
    }

    /// Leaves the file where it is.
    pub fn keep(mut self) {
        self.bound = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.bound.is_some() && identity(&self.path) == self.bound {
            // It may be gone by now, and nobody is left to be told.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the file that was found. Whoever has put another one there since keeps it.
fn remove(path: &Path, found: &Metadata) -> io::Result<()> {
    if identity(path) == Some((found.dev(), found.ino())) { fs::remove_file(path) } else { Ok(()) }
}

/// Whether any socket is bound there. A datagram probe leaves no trace: a stream probe would be a connection that a live
/// listener must accept, and would be refused by a stream socket that is bound but does not listen yet.
fn is_alive(name: &Name) -> io::Result<bool> {
    let probe = call::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK, 0)?;
    match call::connect(probe.as_fd(), name) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::ECONNREFUSED | libc::ENOENT) => Ok(false),
            // EPROTOTYPE: of another type. EPERM: connected to somebody else. All of them answer only where one lives;
            // for whatever else the kernel may say, it is alive until proven dead.
            _ => Ok(true),
        },
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.symlink_metadata().ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use nix::unistd::Uid;

    use super::super::{Family, Type};
    use super::*;
    use crate::error::Kind;

    fn stream() -> Socket {
        Socket::new(Family::Unix, Type::Stream, 0).expect("a socket")
    }

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().expect("bound").mode() & 0o777
    }

    /// That the claim is refused, and what is there stays.
    fn is_kept(path: &Path) -> Error {
        let before = identity(path).expect("something is there");
        let error = claim(path, Access::default()).expect_err("not ours to replace");
        assert_eq!(error.kind(), Kind::SocketFileExists);
        assert_eq!(identity(path), Some(before));
        error
    }

    #[test]
    fn a_stale_socket_of_ours_is_replaced_and_said_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.sock");
        let first = claim(&path, Access::default()).expect("nothing is there");
        assert!(!first.was_replaced());
        drop(UnixListener::bind(&path).expect("bound"));
        let mut second = claim(&path, Access::default()).expect("nobody listens");
        assert!(second.was_replaced());
        let socket = stream();
        second.bind(&socket).expect("free");
        assert_eq!(mode(&path), 0o600);
        drop(first);
        assert!(path.exists(), "a claim that bound nothing removes nothing");
    }

    #[test]
    fn a_live_socket_of_any_type_is_kept_and_not_disturbed() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let listener = UnixListener::bind(at("stream")).expect("bound");
        let error = is_kept(&at("stream"));
        let expected = format!("(pid {})", std::process::id());
        assert!(error.message().ends_with(&expected), "{}", error.message());
        assert_eq!(error.errno(), Some(libc::EADDRINUSE));
        listener.set_nonblocking(true).expect("set");
        let probed = listener.accept().expect_err("the probe is no connection");
        assert_eq!(probed.kind(), io::ErrorKind::WouldBlock);
        let _datagram = UnixDatagram::bind(at("datagram")).expect("bound");
        is_kept(&at("datagram"));
        let record = Socket::new(Family::Unix, Type::Seqpacket, 0).expect("a socket");
        record.bind(&Address::path(at("record"))).expect("bound");
        is_kept(&at("record"));
        // Bound, and not listening yet: a stream probe would be refused, and take it for dead.
        let early = stream();
        early.bind(&Address::path(at("early"))).expect("bound");
        is_kept(&at("early"));
    }

    #[test]
    fn a_datagram_socket_that_talks_to_another_is_alive() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let talks = UnixDatagram::bind(&one).expect("bound");
        let _peer = UnixDatagram::bind(&other).expect("bound");
        talks.connect(&other).expect("connected");
        is_kept(&one);
    }

    #[test]
    fn files_folders_and_links_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), b"mine").expect("written");
        fs::create_dir(at("folder")).expect("made");
        drop(UnixListener::bind(at("stale")).expect("bound"));
        symlink(at("stale"), at("link")).expect("linked");
        symlink(at("nowhere"), at("dangling")).expect("linked");
        assert!(is_kept(&at("file")).message().contains("is a file, and I will not replace it"));
        assert!(is_kept(&at("folder")).message().contains("is a folder"));
        assert!(is_kept(&at("link")).message().contains("is a symbolic link"));
        is_kept(&at("dangling"));
        assert!(at("stale").symlink_metadata().is_ok());
    }

    #[test]
    fn only_a_dead_socket_of_ours_is_cleared() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        drop(UnixListener::bind(at("dead")).expect("bound"));
        drop(UnixListener::bind(at("behind")).expect("bound"));
        let _listener = UnixListener::bind(at("live")).expect("bound");
        fs::write(at("file"), b"mine").expect("written");
        symlink(at("behind"), at("link")).expect("linked");
        let cleared = ["dead", "live", "file", "link", "nothing"].map(|name| clear(&at(name)));
        assert_eq!(cleared, [true, false, false, false, false]);
        let is_there = |name: &str| at(name).symlink_metadata().is_ok();
        assert_eq!(
            ["dead", "live", "file", "link", "behind"].map(is_there),
            [false, true, true, true, true]
        );
    }

    #[test]
    fn another_users_stale_socket_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.sock");
        drop(UnixListener::bind(&path).expect("bound"));
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
            println!("left out: only root can give a file to another user");
            return;
        }
        assert!(is_kept(&path).message().contains("another user's socket"));
        assert!(!clear(&path));
        let given = Access { user: Some(65_534), ..Access::default() };
        let claim = claim(&path, given).expect("one that was given to that user is ours");
        assert!(claim.was_replaced());
    }

    #[test]
    fn dropping_removes_our_file_and_nobody_elses() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.sock");
        let bound = || {
            let (mut claim, socket) = (claim(&path, Access::default()).expect("free"), stream());
            claim.bind(&socket).expect("free");
            (claim, socket)
        };
        let (claimed, _socket) = bound();
        drop(claimed);
        assert!(!path.exists());
        let (claimed, _socket) = bound();
        fs::remove_file(&path).expect("it was there");
        let _theirs = UnixListener::bind(&path).expect("bound");
        drop(claimed);
        assert!(path.exists());
        fs::remove_file(&path).expect("it was there");
        let (claimed, _socket) = bound();
        claimed.keep();
        assert!(path.exists());
    }

    #[test]
    fn the_file_is_private_from_the_first_instant_and_other_threads_files_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let plain = folder.path().join("plain");
        fs::write(&plain, b"").expect("written");
        let usual = mode(&plain);
        std::thread::scope(|scope| {
            let binder = scope.spawn(|| {
                for index in 0..200 {
                    let path = folder.path().join(format!("{index}.sock"));
                    let (mut claim, socket) =
                        (claim(&path, Access::default()).expect("free"), stream());
                    claim.bind(&socket).expect("free");
                    claim.keep();
                }
            });
            let mut seen = 0;
            for index in 0.. {
                let was_finished = binder.is_finished();
                let path = folder.path().join(format!("{seen}.sock"));
                if path.symlink_metadata().is_ok() {
                    assert_eq!(mode(&path), 0o600);
                    seen += 1;
                } else if was_finished {
                    break;
                }
                let file = folder.path().join(format!("{}.txt", index % 100));
                let _ = fs::remove_file(&file);
                fs::write(&file, b"").expect("written");
                assert_eq!(mode(&file), usual, "the umask is not touched");
            }
            assert_eq!(seen, 200);
        });
    }

    #[test]
    fn at_no_moment_does_a_file_let_in_more_than_was_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let is_root = nix::unistd::geteuid().is_root();
        let (before, group) = (nix::unistd::getegid().as_raw(), is_root.then_some(54_321));
        let access = Access { mode: 0o666, user: None, group };
        std::thread::scope(|scope| {
            let binder = scope.spawn(|| {
                for index in 0..200 {
                    let path = folder.path().join(format!("{index}.sock"));
                    let (mut claim, socket) = (claim(&path, access).expect("free"), stream());
                    claim.bind(&socket).expect("free");
                    claim.keep();
                }
            });
            let mut seen = 0;
            loop {
                let was_finished = binder.is_finished();
                let path = folder.path().join(format!("{seen}.sock"));
                let Ok(found) = path.symlink_metadata() else {
                    if was_finished {
                        break;
                    }
                    continue;
                };
                let now = (found.mode() & 0o777, found.gid());
                if now == (0o666, group.unwrap_or(before)) {
                    seen += 1;
                } else {
                    assert_eq!(now.0, 0, "closed until it has all: {now:?}");
                }
            }
            assert_eq!(seen, 200);
        });
    }

    #[test]
    fn what_cannot_be_given_leaves_no_file_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("it is ours");
        let path = folder.path().join("x.sock");
        let access = Access { user: Some(54_321), ..Access::default() };
        let binds = || {
            // Root can give everything: the thread is nobody to the file system (setfsuid(2)), until it ends.
            nix::unistd::setfsuid(Uid::from_raw(65_534));
            let mut claim = claim(&path, access).expect("free");
            let error = claim.bind(&stream()).expect_err("only root can");
            assert_eq!(error.kind(), Kind::PermissionDenied, "{error}");
            drop(claim);
        };
        std::thread::scope(|scope| scope.spawn(binds).join().expect("no panic"));
        assert!(!path.exists());
    }
}
