//! A kernel pipe between two sockets: what a relay splices through (splice(2)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::splice;

/// Bytes that a pipe holds: the most that the kernel gives without privileges (/proc/sys/fs/pipe-max-size).
pub const PIPE_SIZE: usize = 1 << 20;

/// A pipe, and how many bytes are in it. Nothing else has its ends, so the count is the truth.
pub struct Pipe {
    writing: OwnedFd,
    reading: OwnedFd,
    filled: usize,
}

impl Pipe {
    /// An empty one. It fails where descriptors, or this user's pages for pipes, have run out.
    pub fn open() -> io::Result<Self> {
        let (writing, reading) = splice::pipe(PIPE_SIZE)?;
        Ok(Pipe { writing, reading, filled: 0 })
    }

    /// Bytes that are in it.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Moves what the descriptor has into the pipe; 0 is its end. Only into an empty pipe: then `WouldBlock` can be
    /// about nothing but the descriptor, and its readiness is what is to be waited for.
    pub fn fill_from(&mut self, from: BorrowedFd<'_>) -> io::Result<usize> {
        debug_assert_eq!(self.filled, 0, "a full pipe would look like an empty socket");
        let moved = splice::splice(from, self.writing.as_fd(), PIPE_SIZE)?;
        self.filled += moved;
        Ok(moved)
    }

    /// Moves what is in the pipe out to the descriptor, as far as that takes it.
    pub fn pour_into(&mut self, to: BorrowedFd<'_>) -> io::Result<usize> {
        let moved = splice::splice(self.reading.as_fd(), to, self.filled)?;
        self.filled -= moved;
        Ok(moved)
    }

    /// Takes bytes out into memory.
    pub fn take(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.filled);
        let taken = splice::read(self.reading.as_fd(), &mut into[..most])?;
        self.filled -= taken;
        Ok(taken)
    }
}
