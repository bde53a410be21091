//! Why the store did not do what it was asked for.

use crate::error::Error;

/// What kept a letter from being kept, or a change from being made. Nothing is half done after any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreFault {
    /// A limit of ours, by its name, or the disk's own.
    Full(&'static str),
    /// There cannot be a box of this name.
    BadName,
    /// The disk says no.
    Disk(Error),
    /// The store is closed.
    Closed,
}

impl StoreFault {
    /// The failure of a call, which is a full disk where the errno says so.
    pub(super) fn of(call: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        match error.kind() {
            Io::StorageFull | Io::QuotaExceeded => StoreFault::Full("disk"),
            _ => StoreFault::Disk(Error::from_io(call, error)),
        }
    }
}
