//! The line editor, on a thread of its own.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::error::{Error, Kind, Result};
use hobnob::thread;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{LocalFlags, tcgetattr};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Cmd, Config, Editor, ExternalPrinter, Helper, KeyEvent};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::advice::Propose as _;

/// What Ctrl-] is for a peer: its own control character.
const ESCAPE: &str = "\x1d";
/// What Ctrl-] puts into a line. At its start a command comes behind. It is no character of any text (Unicode 23.7), and
/// unlike the control character it takes a cell, as the `:` does that is shown for it.
const MARK: &str = "\u{fdd0}";
/// Lines of history.
const HISTORY: usize = 1_000;

/// What a person did.
#[derive(Debug)]
pub(crate) enum Keyed {
    /// A line, to be sent.
    Line(String),
    /// A line after Ctrl-].
    Order(String),
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-C.
    Interrupt,
    /// Bytes that are not UTF-8: nothing of them is sent.
    Garbled,
    /// The terminal cannot be read any more.
    Lost,
}

/// Shows the mark of Ctrl-] as `:`, so that a command does not look like a message.
struct Marks;

impl Helper for Marks {}
impl Hinter for Marks {
    type Hint = String;
}
impl Validator for Marks {}
impl Completer for Marks {
    type Candidate = String;
}

impl Highlighter for Marks {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        match line.strip_prefix(MARK) {
            Some(order) => Cow::Owned(format!(":{order}")),
            None => Cow::Borrowed(line),
        }
    }

    /// Only the mark itself looks other than it was typed: what comes behind it needs no line that is drawn anew.
    fn highlight_char(&self, line: &str, _: usize, _: CmdKind) -> bool {
        line == MARK
    }
}

type Readline = Editor<Marks, DefaultHistory>;

/// The editor's thread, which is waited for before the terminal is taken back.
pub(crate) struct Hold {
    thread: JoinHandle<()>,
    is_over: Arc<AtomicBool>,
}

impl Hold {
    /// Waits until the editor will not take the terminal again: it has it now, or is gone. It may have been about to.
    pub(crate) async fn settle(&self, clock: Clock, within: Duration) {
        self.is_over.store(true, Ordering::SeqCst);
        let is_taken = || {
            tcgetattr(io::stdin()).is_ok_and(|mode| !mode.local_flags.contains(LocalFlags::ICANON))
        };
        let until = clock.now() + within;
        while !is_taken() && !self.thread.is_finished() && clock.now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Prints above the line that is being typed.
pub(crate) type Printer = Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>;

/// Starts it. From here on its thread is the only one that Ctrl-Z stops: rustyline gives the terminal back, sends
/// the signal to the whole job and then takes the terminal again. Were another thread to take the signal, the terminal
/// would be taken again before we stop, and the shell would have one that echoes nothing.
pub(crate) fn start(
    prompt: String,
    state: Option<PathBuf>,
) -> Result<(Receiver<Keyed>, Printer, Hold)> {
    let failed = |error: &ReadlineError| {
        Error::new(Kind::System, format!("the terminal does not take a line editor: {error}"))
            .try_command("cat | hobnob talk ...", "without one")
    };
    // A pasted text is several lines and not one, so that each is sent by itself.
    let config = Config::builder()
        .bracketed_paste(false)
        .auto_add_history(true)
        .max_history_size(HISTORY)
        .map(rustyline::config::Builder::build)
        .map_err(|error| failed(&error))?;
    let mut editor = Readline::with_config(config).map_err(|error| failed(&error))?;
    editor.set_helper(Some(Marks));
    // There is nothing to complete: it is a character like any other.
    editor.bind_sequence(KeyEvent::from('\t'), Cmd::Insert(1, "\t".to_owned()));
    editor.bind_sequence(KeyEvent::ctrl(']'), Cmd::Insert(1, MARK.to_owned()));
    let mut external = editor.create_external_printer().map_err(|error| failed(&error))?;
    let history = state.map(|state| state.join("hobnob/history"));
    if let Some(path) = history.as_deref().filter(|path| is_private(path).is_ok()) {
        let _ = editor.load_history(path);
    }
    let (to, from) = channel(16);
    let stop = SigSet::from(Signal::SIGTSTP);
    let blocked = |errno| Error::from_io("sigprocmask", &io::Error::from(errno));
    stop.thread_block().map_err(blocked)?;
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_over);
    let read = move || {
        let _ = stop.thread_unblock();
        read_lines(&mut editor, &prompt, &to, &ends);
        if let Some(path) = &history {
            let _ = editor.append_history(path);
        }
    };
    let thread = thread::start("editor", read)?;
    let print: Printer = Box::new(move |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        external.print(text).map_err(io::Error::other)
    });
    Ok((from, print, Hold { thread, is_over }))
}

/// The history file, made so that only its owner can read it.
fn is_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

fn read_lines(editor: &mut Readline, prompt: &str, to: &Sender<Keyed>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        let typed = match editor.readline(prompt) {
            // History may still have the control character.
            Ok(line) => match line.strip_prefix(MARK).or_else(|| line.strip_prefix(ESCAPE)) {
                Some(order) => Keyed::Order(order.to_owned()),
                None => Keyed::Line(line.replace(MARK, ESCAPE)),
            },
            Err(ReadlineError::Eof) => Keyed::End,
            Err(ReadlineError::Interrupted) => Keyed::Interrupt,
            Err(ReadlineError::Signal(_)) => continue,
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                Keyed::Garbled
            }
            Err(_) => Keyed::Lost,
        };
        let is_last = matches!(typed, Keyed::Lost | Keyed::Interrupt);
        if to.blocking_send(typed).is_err() || is_last {
            return;
        }
    }
}
