//! The standard streams of the process, for a thread that may wait.
//!
//! A stream is shared with other programs, and one of them may have made it non-blocking: node, ssh and some build
//! services do. The flag (`O_NONBLOCK`, `fcntl(2)`) belongs to the open file and not to a descriptor, so it is never set
//! or cleared here. `EAGAIN` is no end and no error: it means wait, and `poll(2)` says how long. Data is read and written
//! through this module alone; the architecture tests refuse another way.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, StderrLock, StdinLock, StdoutLock, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{dup2_stdin, dup2_stdout};

use crate::sys::{call, watch};

/// Standard input, held until it is dropped. A descriptor that is closed reads as the end.
pub fn stdin() -> Patient<StdinLock<'static>> {
    Patient(io::stdin().lock())
}

/// Standard output, held until it is dropped: what is written meanwhile stays together. It is buffered, so flush it. A
/// descriptor that is closed takes everything.
pub fn stdout() -> Patient<StdoutLock<'static>> {
    Patient(io::stdout().lock())
}

/// Standard error, held until it is dropped: what is written meanwhile stays together. A descriptor that is closed
/// takes everything.
pub fn stderr() -> Patient<StderrLock<'static>> {
    Patient(io::stderr().lock())
}

/// Cells of a line of this stream; none: it is no terminal, or one that does not know.
pub fn columns(stream: &impl AsFd) -> Option<usize> {
    let columns = crate::sys::terminal::columns(stream.as_fd()).ok()?;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}

/// Whether standard output and standard error are one terminal: what the one waits for, the other does, too.
pub fn are_one_terminal() -> bool {
    let (out, err) = (io::stdout(), io::stderr());
    let device = |stream: BorrowedFd<'_>| {
        File::from(stream.try_clone_to_owned().ok()?).metadata().ok().map(|of| of.rdev())
    };
    out.is_terminal() && err.is_terminal() && device(out.as_fd()) == device(err.as_fd())
}

/// Whether standard output was closed when the process began: what is written to it goes nowhere.
pub fn was_stdout_closed() -> bool {
    crate::sys::closed::was_stdout_closed()
}

/// Whether a read of standard input would not wait: for bytes, for the end or for an error.
pub(crate) fn is_stdin_ready() -> bool {
    let stdin = io::stdin();
    let mut asked = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Opens the terminal again where it does not block: a line editor reads and writes it by its own means, which do not
/// wait. The new open file is ours alone. One that cannot be opened again, as after `su`, is used as it is.
pub fn reopen_terminal() {
    if let Some(terminal) = blocking_twin(&io::stdin()) {
        let _ = dup2_stdin(terminal);
    }
    if let Some(terminal) = blocking_twin(&io::stdout()) {
        let _ = dup2_stdout(terminal);
    }
}

/// A watch for the moment at which nobody reads standard output any more, as after `| head -1`. It costs a descriptor,
/// which keeps the stream open, and wakes nobody before.
#[derive(Default)]
pub struct StdoutWatch(Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>);

impl StdoutWatch {
    /// Watches from the first poll on. [`StdoutWatch::default`] never sees anything.
    pub fn begin() -> Self {
        StdoutWatch(Some(Box::pin(async { watch::deserted(io::stdout().as_fd()).await })))
    }

    /// The same for a conversation: a terminal that goes says so by a signal (SIGHUP), and is not watched.
    pub fn begin_beside_signals() -> Self {
        if io::stdout().is_terminal() { StdoutWatch::default() } else { StdoutWatch::begin() }
    }

    /// Ready, once, when nobody reads any more. Of a file that is never the case, and where it cannot be known, for want of
    /// a descriptor, it is never told. Needs a runtime.
    pub fn poll_deserted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(watch) = &mut self.0 else { return Poll::Pending };
        let known = ready!(watch.as_mut().poll(cx));
        self.0 = None;
        if known.is_ok() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl fmt::Debug for StdoutWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StdoutWatch").field(&self.0.is_some()).finish()
    }
}

/// Ends the process at once (_exit(2)). What the standard streams still hold is given up: a stream whose reader takes
/// nothing would hold up an ordinary exit, which flushes them.
pub fn abandon(code: u8) -> ! {
    call::exit(i32::from(code))
}

/// The same terminal in an open file of its own, if this one does not block.
fn blocking_twin(stream: &(impl AsFd + AsRawFd + IsTerminal)) -> Option<File> {
    let flags = OFlag::from_bits_retain(fcntl(stream, FcntlArg::F_GETFL).ok()?);
    if !flags.contains(OFlag::O_NONBLOCK) || !stream.is_terminal() {
        return None;
    }
    let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
    let mut options = File::options();
    options.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
    options.open(path).ok()
}

/// A stream that blocks, whether or not its open file does.
#[derive(Debug)]
pub struct Patient<S>(S);

impl<S: AsFd> Patient<S> {
    /// Any descriptor that can be polled.
    pub fn new(stream: S) -> Self {
        Patient(stream)
    }

    /// Calls until the kernel has an answer other than "not now".
    fn insist<T>(
        &mut self,
        ready: PollFlags,
        mut call: impl FnMut(&mut S) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut pause = 0;
        loop {
            match call(&mut self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                answer => return answer,
            }
            wait(&mut [], PollTimeout::from(pause))?;
            wait(&mut [PollFd::new(self.0.as_fd(), ready)], PollTimeout::NONE)?;
            // The kernel may call a stream ready that then takes nothing, as a terminal with room for half a newline.
            // A pause that grows keeps such a stream from costing a core.
            pause = (pause * 2).clamp(1, LONGEST_PAUSE);
        }
    }
}

/// Milliseconds between two questions to a stream that is called ready and is not.
const LONGEST_PAUSE: u8 = 64;

/// A signal ends no wait: whoever wants it to ends the process or the thread.
fn wait(streams: &mut [PollFd<'_>], time: PollTimeout) -> io::Result<()> {
    loop {
        match poll(streams, time) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(_) => return Ok(()),
        }
    }
}

impl<S: Read + AsFd> Read for Patient<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.insist(PollFlags::POLLIN, |stream| stream.read(buf))
    }
}

impl<S: Write + AsFd> Write for Patient<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.insist(PollFlags::POLLOUT, |stream| stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.insist(PollFlags::POLLOUT, Write::flush)
    }
}
