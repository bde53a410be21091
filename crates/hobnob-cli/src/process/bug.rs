//! A panic is a bug of ours: it is told as one, and the backtrace goes to a file.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::Mutex;

use hobnob::streams;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

use crate::report::show::safe;

thread_local! {
    /// Whether a panic of this thread ends one session and not the program.
    static BELONGS_TO_ENGINE: RefCell<bool> = const { RefCell::new(true) };
}

/// How the terminal was when we came.
static TERMINAL: Mutex<Option<Termios>> = Mutex::new(None);

/// Replaces the panic message. To be called on the main thread.
pub(crate) fn install_hook() {
    BELONGS_TO_ENGINE.set(false);
    std::panic::set_hook(Box::new(|info| {
        let is_fatal = BELONGS_TO_ENGINE.with_borrow(|belongs| !belongs);
        if is_fatal {
            restore_terminal();
        }
        tell(info, is_fatal);
    }));
}

/// Remembers how the terminal is, to bring it back whatever happens.
pub(crate) fn remember_terminal() {
    if let (Ok(now), Ok(mut terminal)) = (tcgetattr(std::io::stdin()), TERMINAL.lock()) {
        *terminal = Some(now);
    }
}

/// Brings the terminal back to how it was remembered.
pub(crate) fn restore_terminal() {
    // Whoever is at the same should not be waited for.
    let was = TERMINAL.try_lock().ok().and_then(|terminal| terminal.clone());
    if let Some(was) = was {
        // At once: one that was stopped (Ctrl-S) never takes what is still on its way.
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &was);
    }
}

fn tell(info: &PanicHookInfo<'_>, is_fatal: bool) {
    let what = safe(&info.payload_as_str().unwrap_or("a panic without words").replace('\n', " "));
    let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line()));
    let place = place.unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("error[bug]: this is a bug in hobnob {version}: {what}{place}\n");
    if !is_fatal {
        text.push_str("  why    one session ended because of it; the others go on\n");
    }
    match keep(&format!("hobnob {version}\n{info}\n{}", Backtrace::force_capture())) {
        Some(path) => {
            text.push_str("  try    report it with what you typed, and this file:\n");
            text.push_str("         ");
            text.push_str(&safe(&path.to_string_lossy()));
            text.push('\n');
        }
        None => text.push_str("  try    report it with what you typed\n"),
    }
    let _ = streams::stderr().write_all(text.as_bytes());
}

/// Writes the backtrace to a new file that only we can read.
fn keep(trace: &str) -> Option<PathBuf> {
    let name = |number: u32| format!("hobnob-bug-{}-{number}.txt", std::process::id());
    (0..20).find_map(|number| {
        let path = std::env::temp_dir().join(name(number));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).ok()?;
        file.write_all(trace.as_bytes()).ok().map(|()| path)
    })
}
