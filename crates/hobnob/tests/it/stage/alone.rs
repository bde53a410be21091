//! A test in a process of its own, which is the peer of its own standard input and output: they are the process's, so
//! that one session is all that a process can have with them.
//!
//! The child is this very binary, asked to run the same test as one part of it.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hobnob::address::Address;
use hobnob::conn::wire::Wire;
use hobnob::conn::{Channel, Conn, Facts};
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::Shape;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};

use super::births;

/// Where the child finds which part it is.
pub(crate) const PART: &str = "HOBNOB_STAGE_PART";
/// Only a child that hangs takes this long.
const PATIENCE: Duration = Duration::from_secs(200);

/// What standard input and output are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// Two pipes, as in a shell.
    Pipes,
    /// One socket, as under inetd.
    Socket,
}

impl Wiring {
    pub(crate) const ALL: [Wiring; 2] = [Wiring::Pipes, Wiring::Socket];
}

/// Which part this process is, if it is such a child.
pub(crate) fn part() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the only way to tell a test binary anything")]
    let part = std::env::var(PART).ok();
    if part.is_some() {
        eprintln!("stage-part"); // so that who asked knows that this test has run at all
    }
    part
}

/// The test that this thread runs.
pub(crate) fn test() -> String {
    std::thread::current().name().expect("a test has a thread with its name").to_owned()
}

/// A child that runs a test.
pub(crate) struct Playing {
    child: std::process::Child,
    from: BufReader<std::process::ChildStderr>,
    said: String,
}

/// Has a child run a test as one part of it.
pub(crate) fn play(test: &str, part: &str) -> Playing {
    let mut child = Command::new(std::env::current_exe().expect("it runs"));
    // One thread, as the harness then prints no notice after a minute: its standard output is the conversation's.
    child
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let (child, (from, said)) = births::spawn(&mut child, |child| {
        let mut from = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        from.read_line(&mut said).expect("text");
        (from, said)
    })
    .expect("it starts");
    Playing { child, from, said }
}

impl Playing {
    /// Waits for its end; what it said, unless it took its part and passed.
    pub(crate) fn finish(mut self) -> std::result::Result<(), String> {
        self.from.read_to_string(&mut self.said).expect("text");
        let (status, said) = (self.child.wait().expect("it is ours"), &self.said);
        let has_played = said.contains("stage-part");
        if status.success() && has_played { Ok(()) } else { Err(format!("{status}: {said}")) }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What standard output was, for the test's own result.
static SAVED: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// In the child: makes standard input and output what the wiring says. Their other end.
pub(crate) fn take_over(wiring: Wiring) -> Conn {
    watch();
    let saved = std::io::stdout().as_fd().try_clone_to_owned().expect("a descriptor");
    *SAVED.lock().expect("no panic") = Some(saved);
    let channel: Box<dyn Channel> = match wiring {
        Wiring::Pipes => {
            let (input, to) = pipe().expect("a pipe");
            let (from, output) = pipe().expect("a pipe");
            nix::unistd::dup2_stdin(input).expect("a descriptor");
            nix::unistd::dup2_stdout(output).expect("a descriptor");
            Box::new(Pipes::new(from, to))
        }
        Wiring::Socket => {
            let (theirs, ours) = UnixStream::pair().expect("a pair");
            nix::unistd::dup2_stdin(&theirs).expect("a descriptor");
            nix::unistd::dup2_stdout(&theirs).expect("a descriptor");
            ours.set_nonblocking(true).expect("a socket");
            Box::new(Wire::new(tokio::net::UnixStream::from_std(ours).expect("a runtime")))
        }
    };
    let (local, peer) = (Address::name("stdio"), Address::name("-"));
    let facts = Facts::new("stdio", local, peer);
    Conn::new(facts, Shape::Bytes, channel)
}

/// In the child: gives standard output back to the test.
pub(crate) fn give_back() {
    if let Some(saved) = SAVED.lock().expect("no panic").take() {
        nix::unistd::dup2_stdout(saved).expect("a descriptor");
    }
}

/// Ends a child that hangs: nobody else can.
fn watch() {
    std::thread::spawn(|| {
        let (_never, over) = mpsc::channel::<()>();
        let _ = over.recv_timeout(PATIENCE);
        eprintln!("it hangs");
        std::process::exit(9);
    });
}

/// The other ends of two pipes.
struct Pipes {
    from: Option<Receiver>,
    to: Option<Sender>,
}

impl Pipes {
    fn new(from: PipeReader, to: PipeWriter) -> Self {
        let from = Receiver::from_owned_fd(from.into()).expect("a pipe");
        let to = Sender::from_owned_fd(to.into()).expect("a pipe");
        Pipes { from: Some(from), to: Some(to) }
    }
}

fn gone() -> Error {
    Error::new(Kind::ConnectionBroken, "it was ended or aborted")
}

impl Channel for Pipes {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        let from = self.from.as_mut().ok_or_else(gone)?;
        let mut into = ReadBuf::new(buf);
        let read = ready!(Pin::new(from).poll_read(cx, &mut into));
        read.map_err(|error| Error::from_io("read()", &error))?;
        Poll::Ready(Ok(Some(into.filled().len()).filter(|length| *length > 0)))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let to = self.to.as_mut().ok_or_else(gone)?;
        let sent = ready!(Pin::new(to).poll_write(cx, buf));
        Poll::Ready(sent.map_err(|error| Error::from_io("write()", &error)))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.to = None;
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        (self.from, self.to) = (None, None);
    }
}
