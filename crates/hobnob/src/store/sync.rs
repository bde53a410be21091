//! How sure a write is: on the disk before it is told, or not.

use std::fs::File;
use std::io;

/// Brings what was written to a file or folder to the disk.
pub(super) type Syncing = fn(&File) -> io::Result<()>;

/// Waits until the disk has it (`fsync(2)`).
pub(super) fn to_disk(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Waits for nothing: what goes with the process need not outlive the machine.
pub(super) fn to_nobody(_: &File) -> io::Result<()> {
    Ok(())
}
