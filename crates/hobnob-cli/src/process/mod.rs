//! The process that a verb runs in: its exit codes, its runtime, its stdout, and the signals that ask for its end.

pub(crate) mod bug;
pub(crate) mod signals;

use std::io::Write as _;

use hobnob::error::{Error, Kind, Result};
use hobnob::streams;
use tokio::runtime::Runtime;

/// A program that the reader of our stdout has left ends like one that SIGPIPE killed.
pub(crate) const BROKEN_PIPE: u8 = 141;
/// Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;
/// SIGTERM.
pub(crate) const TERMINATED: u8 = 143;
/// SIGQUIT.
pub(crate) const QUITTED: u8 = 131;
/// SIGHUP.
pub(crate) const HUNG_UP: u8 = 129;

/// A runtime on this thread.
pub(crate) fn runtime() -> Result<Runtime> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Error::from_io("epoll_create", &error))
}

/// Writes to stdout, all of it or an error; a reader that has left is an exit code.
pub(crate) fn say(text: &str) -> Result<u8> {
    write_out(text.as_bytes())
}

/// The same with bytes.
pub(crate) fn write_out(bytes: &[u8]) -> Result<u8> {
    let mut out = streams::stdout();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(0),
        Err(error) => output_failed(&error),
    }
}

/// What a failed write to stdout means: the reader has left (141), or an error.
pub(crate) fn output_failed(error: &std::io::Error) -> Result<u8> {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Ok(BROKEN_PIPE);
    }
    Err(Error::from_io("write(stdout)", error).with_kind(Kind::OutputFailed))
}
