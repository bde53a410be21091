//! `-`: standard input and output, one session, then no more.
//!
//! A terminal or a file cannot be polled like a socket, so each direction has a thread and a bounded queue. The
//! threads hold nothing up: a read that never returns ends with the process.
//!
//! Our end closes standard output: its reader sees the end then, and not when the process is over. A conn that is gone
//! lets go of standard input too, so that who writes there does not wait for a reader that will not come.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::SockRef;

use crate::address::Address;
use crate::conn::listener::{Accepted, Listener};
use crate::conn::{Boxed, Channel, Conn, Facts, StdioPatience};
use crate::endpoint::Form;
use crate::error::{Error, Kind, Result};
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};
use crate::streams::{self, StdoutWatch};
use crate::thread;
use crate::transport::{Place, Terms, Transport, TransportRow};

/// The row.
pub static ROW: TransportRow = TransportRow {
    spec: &Spec {
        name: "stdio",
        summary: "standard input and output, written -",
        options: &[OptionSpec {
            name: WAIT,
            kind: ValueKind::Duration,
            default: "",
            help: "how long silence may last once one of two joined sides has ended (stdin: 2s)",
        }],
        examples: &["hobnob serve hello -"],
        is_built_in: true,
    },
    form: Form::Nothing,
    shape: Shape::Bytes,
    socket: None,
    has_opening: true,
    transport: Some(&Stdio),
    twins: |_| Vec::new(),
};

/// The option that says how long silence may last.
const WAIT: &str = "wait";
/// How long standard input may say nothing after the other side has ended, where the option says nothing.
const LEFTOVER: Duration = Duration::from_secs(2);
/// How many bytes may wait in each direction.
const QUEUE: usize = 65_536;

#[derive(Debug)]
struct Stdio;

impl Transport for Stdio {
    fn bind<'a>(&'a self, at: &'a Place, _: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        Box::pin(async move { Ok(vec![Box::new(Once(Some(open(at)?))) as _]) })
    }

    fn connect<'a>(&'a self, to: &'a Place, _: &'a Terms, _: Option<&'a Facts>) -> Boxed<'a, Conn> {
        Box::pin(async move { open(to) })
    }
}

fn open(place: &Place) -> Result<Conn> {
    let answer = place.options.duration(WAIT);
    let is_typed = io::stdin().is_terminal();
    let input = if is_typed { Duration::ZERO } else { answer.unwrap_or(LEFTOVER) };
    let facts = Facts::new("stdio", Address::name("-"), Address::name("stdio"));
    let facts = facts.with_patience(StdioPatience { input, answer });
    let (input, output) = (Arc::new(Queue::default()), Arc::new(Queue::default()));
    let (reads, writes) = (input.clone(), output.clone());
    // The writer first: one without a reader beside it ends by itself, once the queue is dropped.
    thread::start("hobnob-stdout", move || write_all(&writes))?;
    let watch = StdoutWatch::begin_beside_signals();
    let channel = Box::new(StdioChannel { input, output, watch });
    thread::start("hobnob-stdin", move || read_all(&reads))?;
    Ok(Conn::new(facts, Shape::Bytes, channel))
}

/// Yields its one conn, then says that there are no more.
struct Once(Option<Conn>);

impl Listener for Once {
    fn address(&self) -> Address {
        Address::name("-")
    }

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Accepted> {
        Poll::Ready(self.0.take().map_or(Accepted::NoMore, Accepted::Conn))
    }
}

/// A bounded queue between a thread that blocks and a task that polls.
#[derive(Default)]
struct Queue {
    state: Mutex<Queued>,
    changed: Condvar,
}

#[derive(Default)]
struct Queued {
    bytes: VecDeque<u8>,
    /// Bytes that the thread has taken and not written yet.
    taken: usize,
    /// For input, that no more comes or is wanted; for output, that no more goes.
    is_ended: bool,
    failed: Option<(io::ErrorKind, Option<i32>)>,
    task: Option<Waker>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes whoever waits on either side.
    fn change<T>(&self, change: impl FnOnce(&mut Queued) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let task = state.task.take();
        drop(state);
        self.changed.notify_all();
        task.into_iter().for_each(Waker::wake);
        result
    }

    fn wait_while(&self, is_waiting: impl Fn(&Queued) -> bool) -> MutexGuard<'_, Queued> {
        let waiting = self.changed.wait_while(self.lock(), |state| is_waiting(state));
        waiting.unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: &io::Error) {
        self.change(|state| state.failed = Some((error.kind(), error.raw_os_error())));
    }
}

fn read_all(queue: &Queue) {
    let mut buffer = [0; 16_384];
    loop {
        match streams::stdin().read(&mut buffer) {
            Ok(0) => return queue.change(|state| state.is_ended = true),
            Ok(length) => queue.change(|state| state.bytes.extend(&buffer[..length])),
            Err(error) => return queue.fail(&error),
        }
        if queue.wait_while(|state| state.bytes.len() >= QUEUE && !state.is_ended).is_ended {
            return close_input();
        }
    }
}

/// Writes until the end, and then closes standard output.
fn write_all(queue: &Queue) {
    loop {
        let mut state = queue.wait_while(|state| state.bytes.is_empty() && !state.is_ended);
        if state.bytes.is_empty() {
            drop(state);
            return close_output();
        }
        let bytes = Vec::from(std::mem::take(&mut state.bytes));
        state.taken = bytes.len();
        drop(state);
        let mut stdout = streams::stdout();
        if let Err(error) = stdout.write_all(&bytes).and_then(|()| stdout.flush()) {
            return queue.fail(&error);
        }
        queue.change(|state| state.taken = 0);
    }
}

/// Whoever writes to it hears that nobody reads. The descriptor stays, on nothing, so that no file that is opened
/// later becomes standard input.
fn close_input() {
    if let Ok(nothing) = File::open("/dev/null") {
        let _ = nix::unistd::dup2_stdin(nothing);
    }
}

/// Closes standard output, so that its reader sees the end.
fn close_output() {
    shut_down(Shutdown::Write);
    if let Ok(nothing) = File::options().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(nothing);
    }
}

/// A socket is open for as long as standard input is the same one. An error means that it is none.
fn shut_down(how: Shutdown) {
    drop(SockRef::from(&io::stdout()).shutdown(how));
}

struct StdioChannel {
    input: Arc<Queue>,
    output: Arc<Queue>,
    /// Until our end: it holds standard output open.
    watch: StdoutWatch,
}

impl StdioChannel {
    /// Whether what is written could not be, as far as the thread that writes or the watch knows. Who waits for anything
    /// asks here before, and is woken when the watch sees something.
    fn unwritten(&mut self, cx: &mut Context<'_>) -> Result<()> {
        if self.watch.poll_deserted(cx).is_ready() {
            self.output.fail(&io::Error::from_raw_os_error(libc::EPIPE));
        }
        unwritten(&self.output.lock())
    }

    /// Nothing more is written: the thread closes standard output behind what it has.
    fn end_output(&mut self) {
        self.watch = StdoutWatch::default();
        self.output.change(|state| state.is_ended = true);
    }

    fn let_go_of_input(&self) {
        self.input.change(|state| {
            state.bytes.clear();
            state.is_ended = true;
        });
    }
}

impl Drop for StdioChannel {
    /// Bytes that were taken are still written.
    fn drop(&mut self) {
        self.end_output();
        self.let_go_of_input();
    }
}

fn failure(state: &Queued, call: &str, otherwise: Kind) -> Result<()> {
    let Some((kind, errno)) = state.failed else { return Ok(()) };
    let error = errno.map_or_else(|| io::Error::from(kind), io::Error::from_raw_os_error);
    Err(Error::from_io(call, &error).with_kind(match kind {
        io::ErrorKind::BrokenPipe => Kind::ConnectionBroken,
        io::ErrorKind::ConnectionReset => Kind::ConnectionReset,
        _ => otherwise,
    }))
}

fn unwritten(state: &Queued) -> Result<()> {
    failure(state, "write(1)", Kind::OutputFailed)
}

impl Channel for StdioChannel {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        let known = self.unwritten(cx);
        let mut state = self.input.lock();
        if state.bytes.is_empty() {
            failure(&state, "read(0)", Kind::ConnectionBroken)?;
            if state.is_ended {
                return Poll::Ready(Ok(None));
            }
            // As with a socket, a reader that takes no more is gone, and has nothing more to say. What it had said is heard
            // before, and so is how it went: the thread that reads brings both.
            if known.is_err() && !streams::is_stdin_ready() {
                known?;
            }
            state.task = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = state.bytes.len().min(buf.len());
        let (front, back) = state.bytes.as_slices();
        let from_front = front.len().min(length);
        buf[..from_front].copy_from_slice(&front[..from_front]);
        buf[from_front..length].copy_from_slice(&back[..length - from_front]);
        state.bytes.drain(..length);
        drop(state);
        self.input.changed.notify_all();
        Poll::Ready(Ok(Some(length)))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.unwritten(cx)?;
        let mut state = self.output.lock();
        if state.is_ended {
            let text = "standard output was ended already";
            return Poll::Ready(Err(Error::new(Kind::ConnectionBroken, text)));
        }
        let room = QUEUE.saturating_sub(state.bytes.len() + state.taken).min(buf.len());
        if room == 0 && !buf.is_empty() {
            state.task = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.bytes.extend(&buf[..room]);
        drop(state);
        self.output.changed.notify_all();
        Poll::Ready(Ok(room))
    }

    /// Ready when all was written.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.unwritten(cx)?;
        let mut state = self.output.lock();
        if state.bytes.is_empty() && state.taken == 0 {
            return Poll::Ready(Ok(()));
        }
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = self.poll_flush(cx);
        if flushed.is_ready() {
            self.end_output();
        }
        flushed
    }

    fn abort(&mut self) {
        self.output.change(|state| state.bytes.clear());
        self.end_output();
        self.let_go_of_input();
        shut_down(Shutdown::Both); // a write that waits for its reader waits no more
    }
}
