//! The path of a Unix socket: replaced when it is a dead one of ours, and never anything else.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Socket, explain};
use crate::address::Address;
use crate::error::{Error, Result};
use crate::sys::call;
use crate::sys::name::Name;

/// The mode of a socket's file, unless somebody asks for another: the owner's alone.
pub const PRIVATE: u32 = 0o600;

/// A path that is free to be bound; once bound, its file is removed when this is dropped, if it still is that file.
#[derive(Debug)]
#[must_use = "dropping it removes the socket's file"]
pub struct Claim {
    path: PathBuf,
    was_replaced: bool,
    /// Device and inode of the file that we have bound.
    bound: Option<(u64, u64)>,
}

/// Makes a path free for [`Claim::bind`]. A socket there that is our user's and proven dead is removed. Anything
/// else stays, and is [`Kind::SocketFileExists`](crate::error::Kind::SocketFileExists): a live socket, another owner's, a
/// file, a folder, a symbolic link wherever it leads.
pub fn claim(path: &Path) -> Result<Claim> {
    let address = Address::path(path);
    let name = Name::of(&address)?;
    let free = |was_replaced| Claim { path: path.to_owned(), was_replaced, bound: None };
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
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(explain::kept_path(path, "another user's socket"));
    }
    if is_alive(&name).map_err(|error| Error::from_io("connect", &error))? {
        return Err(explain::live_path(path));
    }
    // Whoever has put another file there since keeps it.
    if identity(path) == Some((found.dev(), found.ino())) {
        let removed = fs::remove_file(path);
        removed.map_err(|error| Error::from_io(&format!("unlink({address})"), &error))?;
    }
    Ok(free(true))
}

impl Claim {
    /// Binds the socket, its file having this mode from the first instant (less the umask); [`PRIVATE`] is the usual one.
    pub fn bind(&mut self, socket: &Socket, mode: u32) -> Result<()> {
        socket.set_mode(mode)?;
        socket.bind(&Address::path(self.path.clone()))?;
        self.bound = identity(&self.path);
        Ok(())
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
