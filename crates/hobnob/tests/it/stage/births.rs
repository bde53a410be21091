//! Children of this process between fork(2) and execve(2): each has a copy of every open file meanwhile, so that what
//! another test closes at that moment is not closed yet, and its port still taken.

use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{PoisonError, RwLock};

/// Held by whoever makes a child, until it is a program of its own.
static BIRTHS: RwLock<()> = RwLock::new(());

/// As [`Command::spawn`], and then hears the child's first words: the kernel says that a program has begun a little before
/// it closes what the program is not to have, so that only what the program says itself is proof.
pub(crate) fn spawn<T>(
    command: &mut Command,
    first_words: impl FnOnce(&mut Child) -> T,
) -> std::io::Result<(Child, T)> {
    let _birth = BIRTHS.read().unwrap_or_else(PoisonError::into_inner);
    let mut child = command.spawn()?;
    let heard = first_words(&mut child);
    Ok((child, heard))
}

/// Returns when whatever this process has closed so far is closed in its children too.
pub(crate) fn settled() {
    drop(BIRTHS.write());
}

/// The first words of a program that says nothing: its name, which Linux changes after it has closed what the program is
/// not to have. Of no use for a copy of this very program.
pub(crate) fn named(child: &mut Child) {
    let name = |of: &str| std::fs::read(format!("/proc/{of}/comm")).ok();
    let (ours, pid) = (name("thread-self"), child.id().to_string());
    // Without /proc there is nothing to wait for.
    while name(&pid).is_some_and(|name| Some(name) == ours) {
        std::thread::yield_now();
    }
}

/// As [`Command::status`].
pub(crate) fn status(command: &mut Command) -> std::io::Result<ExitStatus> {
    spawn(command, named)?.0.wait()
}

/// As [`Command::output`], which is all that is read.
pub(crate) fn output(command: &mut Command) -> std::io::Result<Output> {
    spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()), named)?.0.wait_with_output()
}
