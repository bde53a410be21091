//! Children of this process between fork(2) and execve(2): each has a copy of every open file meanwhile, so that what
//! another test closes at that moment is not closed yet, and its port still taken.

use std::process::{Child, Command};
use std::sync::{PoisonError, RwLock};

/// Held by whoever makes a child, until it is a program of its own.
static BIRTHS: RwLock<()> = RwLock::new(());

/// As [`Command::spawn`], which returns when the child has begun its program.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let _birth = BIRTHS.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Returns when whatever this process has closed so far is closed in its children too.
pub(crate) fn settled() {
    drop(BIRTHS.write());
}
