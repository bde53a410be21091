//! A kernel pipe, and splice(2): bytes go from one descriptor to another without passing through this process.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::check_length;

/// A pipe of at least `size` bytes, neither end of which blocks: its writing and its reading end.
pub(crate) fn pipe(size: usize) -> io::Result<(OwnedFd, OwnedFd)> {
    let (reading, writing) = nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
    let size = libc::c_int::try_from(size).unwrap_or(libc::c_int::MAX);
    // Past /proc/sys/fs/pipe-user-pages-soft a new pipe holds next to nothing, and may not grow: no pipe then.
    fcntl(writing.as_fd(), FcntlArg::F_SETPIPE_SZ(size))?;
    Ok((writing, reading))
}

/// Moves at most `most` bytes. One of the two is a pipe. 0: the end of `from`.
pub(crate) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    let nowhere = std::ptr::null_mut();
    // SAFETY: both descriptors are open for as long as they are borrowed; neither offset is given.
    let moved =
        unsafe { libc::splice(from.as_raw_fd(), nowhere, to.as_raw_fd(), nowhere, most, flags) };
    check_length(moved)
}

/// Takes bytes out of a pipe the common way.
pub(crate) fn read(from: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    Ok(nix::unistd::read(from, into)?)
}
