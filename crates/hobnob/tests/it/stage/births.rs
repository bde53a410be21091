//! Children of this process between fork(2) and execve(2): each has a copy of every open file meanwhile, so that what
//! another test closes at that moment is not closed yet, and its port still taken.

use std::io::Read as _;
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
    // The program may want what was closed a moment ago.
    settled();
    let _birth = BIRTHS.read().unwrap_or_else(PoisonError::into_inner);
    let mut child = command.spawn()?;
    let heard = first_words(&mut child);
    Ok((child, heard))
}

/// Returns when whatever this process has closed so far is closed in its children too.
pub(crate) fn settled() {
    drop(BIRTHS.write());
}

/// As [`Command::status`], for what does not take long: nothing is settled until it has ended.
pub(crate) fn status(command: &mut Command) -> std::io::Result<ExitStatus> {
    spawn(command, Child::wait)?.1
}

/// As [`Command::output`], for what has its first words soon.
pub(crate) fn output(command: &mut Command) -> std::io::Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let (child, first) = spawn(command, |child| {
        let (mut first, out) = (vec![0; 1 << 10], child.stdout.as_mut().expect("piped"));
        let length = out.read(&mut first)?;
        first.truncate(length);
        std::io::Result::Ok(first)
    })?;
    let (first, mut output) = (first?, child.wait_with_output()?);
    output.stdout.splice(..0, first);
    Ok(output)
}
