//! What asks us to stop: Ctrl-C, SIGTERM, and the terminal that is closed.
//!
//! The signals are blocked everywhere and taken by a thread of their own (sigwait(3)), which passes them on to whoever runs
//! the verb. The verb may be unable to hear them: it may be writing to a terminal that was stopped with Ctrl-S, or opening
//! a FIFO. So the process is ended anyway once the patience with what it does is over.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::error::{Error, Result};
use hobnob::{streams, thread};
use nix::sys::signal::{SigSet, Signal, raise};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::process::{HUNG_UP, INTERRUPTED, QUITTED, TERMINATED, bug};

/// How long a verb may take to its end once it was asked for the last time.
const PARTING: Duration = Duration::from_secs(1);
/// How long what was measured may take to be summed up, on a machine that the measurement itself keeps busy.
const SUMMING_UP: Duration = Duration::from_secs(10);
/// How often a server is asked: to drain, to cut, and to leave what is still to be told.
const ASKED_OF_A_SERVER: u32 = 3;

/// What asks this process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quit {
    /// Ctrl-C.
    Typed,
    /// SIGTERM.
    Told,
    /// The terminal is closed, which a shell and the kernel may both say: it asks once.
    HungUp,
}

impl Quit {
    /// The exit code of what ends at once: 128 and the signal's number, as a shell says it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Quit::Typed => INTERRUPTED,
            Quit::Told => TERMINATED,
            Quit::HungUp => HUNG_UP,
        }
    }
}

/// The signals that ask for an end.
pub(crate) struct Signals {
    asked: UnboundedReceiver<Quit>,
    patience: Arc<QuitPatience>,
}

/// What the signals interrupt, and so how long it is waited for.
#[derive(Debug)]
struct QuitPatience(AtomicU8);

const WITH_A_VERB: u8 = 0;
const WITH_A_MEASUREMENT: u8 = 1;
const WITH_A_SERVER: u8 = 2;

impl QuitPatience {
    /// How long the end is waited for by who asked so many times. None: it is to be asked once more.
    fn after(&self, times: u32) -> Option<Duration> {
        match self.0.load(SeqCst) {
            WITH_A_SERVER if times < ASKED_OF_A_SERVER => None,
            WITH_A_MEASUREMENT if times == 1 => Some(SUMMING_UP),
            _ => Some(PARTING),
        }
    }

    /// Whether what was asked so many times is to be ended, once it had its time to end by itself. What it does may have
    /// changed meanwhile: a signal may come between the start of a server and the moment at which it says so.
    fn is_over(&self, times: u32, mut wait: impl FnMut(Duration)) -> bool {
        let mut waited = Duration::ZERO;
        while let Some(patience) = self.after(times) {
            if patience <= waited {
                return true;
            }
            wait(patience.saturating_sub(waited));
            waited = patience;
        }
        false
    }
}

impl Signals {
    /// Catches them from here on. To be called before anything is open, so that none is missed, and before any other
    /// thread is started, so that they are blocked in all of them.
    pub(crate) fn catch() -> Result<Self> {
        let mut caught = SigSet::empty();
        caught.add(Signal::SIGINT);
        caught.add(Signal::SIGTERM);
        // Under nohup we are to outlive our terminal, and a shell's background job is not for Ctrl-\.
        for signal in [Signal::SIGHUP, Signal::SIGQUIT] {
            if !is_ignored(signal) {
                caught.add(signal);
            }
        }
        caught.thread_block().map_err(|errno| Error::from_io("sigprocmask", &errno.into()))?;
        let (to, asked) = unbounded_channel();
        let patience = Arc::new(QuitPatience(AtomicU8::new(WITH_A_VERB)));
        let heeded = Arc::clone(&patience);
        thread::start("signals", move || watch(&caught, &to, &heeded)).inspect_err(|_| {
            let _ = caught.thread_unblock();
        })?;
        Ok(Signals { asked, patience })
    }

    /// From here on a server runs: the first asks it to drain.
    pub(crate) fn are_for_a_server(&self) {
        self.patience.0.store(WITH_A_SERVER, SeqCst);
    }

    /// From here on something is measured: the first asks for what it came to.
    pub(crate) fn are_for_a_measurement(&self) {
        self.patience.0.store(WITH_A_MEASUREMENT, SeqCst);
    }

    /// The next of them.
    pub(crate) async fn next(&mut self) -> Quit {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// What comes of some work, unless somebody asks for an end before: then it is given up. What is done is looked at first:
    /// a server that has served somebody already has started, whenever this thread gets to know it. So a loop over this must
    /// end by itself where each piece of work is done at once: it would not hear the signal.
    pub(crate) async fn unless_asked<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Quit> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            by = self.next() => Err(by),
        }
    }

    /// As [`next`](Self::next), for a future that polls other things, too.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Quit> {
        match self.asked.poll_recv(cx) {
            Poll::Ready(Some(asked)) => Poll::Ready(asked),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Signals {
    /// What is still to be said may find no reader: the next signal ends it.
    fn drop(&mut self) {
        self.patience.0.store(WITH_A_VERB, SeqCst);
    }
}

/// Takes the signals, one after the other, for as long as the process lives.
fn watch(caught: &SigSet, to: &UnboundedSender<Quit>, patience: &Arc<QuitPatience>) {
    // Ctrl-Z is for the thread that has the terminal.
    let _ = SigSet::all().thread_block();
    let (mut times, mut is_hung_up) = (0, false);
    loop {
        let asked = match caught.wait() {
            Ok(Signal::SIGQUIT) => quit(),
            Ok(Signal::SIGINT) => Quit::Typed,
            Ok(Signal::SIGHUP) if is_hung_up => continue,
            Ok(Signal::SIGHUP) => Quit::HungUp,
            Ok(_) => Quit::Told,
            Err(_) => continue,
        };
        is_hung_up |= asked == Quit::HungUp;
        times += 1;
        // The verb may be over, and what it leaves behind is not.
        let _ = to.send(asked);
        let heeded = Arc::clone(patience);
        let parting = move || part(&heeded, times, asked);
        // On a thread of its own: it may be asked again meanwhile, and then it has less time.
        if patience.after(times).is_some() && thread::start("parting", parting.clone()).is_err() {
            parting();
        }
    }
}

/// Ends the process where it does not end by itself.
fn part(patience: &QuitPatience, times: u32, asked: Quit) {
    // Ctrl-Z is for the thread that has the terminal.
    let _ = SigSet::all().thread_block();
    if patience.is_over(times, std::thread::park_timeout) {
        bug::restore_terminal();
        streams::abandon(asked.code());
    }
}

/// SIGQUIT: ends the process as it does where nobody catches it, which may leave a core, but with the terminal as it was.
fn quit() -> ! {
    bug::restore_terminal();
    let _ = SigSet::from(Signal::SIGQUIT).thread_unblock();
    let _ = raise(Signal::SIGQUIT);
    streams::abandon(QUITTED)
}

/// Whether our parent process wants this signal ignored (`SigIgn` in proc(5)). Asking sigaction(2) would need
/// unsafe.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal as i32 - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it was waited for what was asked so many times, and whether it was ended then.
    fn waited(patience: &QuitPatience, times: u32) -> (Duration, bool) {
        let mut waited = Duration::ZERO;
        let is_over = patience.is_over(times, |time| waited += time);
        (waited, is_over)
    }

    #[test]
    fn what_is_interrupted_has_its_time() {
        for (with, times, expected) in [
            (WITH_A_VERB, 1, Some(PARTING)),
            (WITH_A_VERB, 2, Some(PARTING)),
            (WITH_A_MEASUREMENT, 1, Some(SUMMING_UP)),
            (WITH_A_MEASUREMENT, 2, Some(PARTING)),
            (WITH_A_SERVER, 1, None),
            (WITH_A_SERVER, 2, None),
            (WITH_A_SERVER, 3, Some(PARTING)),
        ] {
            let patience = QuitPatience(AtomicU8::new(with));
            let expected = expected.map_or((Duration::ZERO, false), |time| (time, true));
            assert_eq!(waited(&patience, times), expected, "{with}, asked {times} times");
        }
    }

    #[test]
    fn a_verb_that_becomes_something_else_while_it_is_asked_has_the_time_of_that() {
        let patience = QuitPatience(AtomicU8::new(WITH_A_VERB));
        let becomes = |_| patience.0.store(WITH_A_SERVER, SeqCst);
        assert!(!patience.is_over(1, becomes), "it drains");
        let patience = QuitPatience(AtomicU8::new(WITH_A_VERB));
        let mut waited = Vec::new();
        assert!(patience.is_over(1, |time| {
            waited.push(time);
            patience.0.store(WITH_A_MEASUREMENT, SeqCst);
        }));
        assert_eq!(waited, [PARTING, SUMMING_UP.saturating_sub(PARTING)]);
    }

    #[tokio::test]
    async fn what_is_done_when_the_end_is_asked_for_is_done() {
        let (to, asked) = unbounded_channel();
        let patience = Arc::new(QuitPatience(AtomicU8::new(WITH_A_VERB)));
        let mut signals = Signals { asked, patience };
        to.send(Quit::Told).expect("they are heard");
        assert_eq!(signals.unless_asked(async { "done" }).await, Ok("done"));
        let never = std::future::pending::<&str>();
        assert_eq!(signals.unless_asked(never).await, Err(Quit::Told), "it was kept");
    }
}
