//! What asks us to stop: Ctrl-C, SIGTERM, and the terminal that is closed.
//!
//! The signals are blocked everywhere and taken by a thread of their own (sigwait(3)), which passes them on to whoever runs
//! the verb. The verb may be unable to hear them: it may be writing to a terminal that was stopped with Ctrl-S, or opening
//! a FIFO. So the thread ends the process itself, a second after the verb was asked as often as it may be asked.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::error::{Error, Result};
use hobnob::{streams, thread};
use nix::sys::signal::{SigSet, Signal, raise};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::process::{HUNG_UP, INTERRUPTED, QUITTED, TERMINATED, bug};

/// How long a verb may take to its end once it was asked for the last time.
const PARTING: Duration = Duration::from_secs(1);
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
    /// How often the verb may be asked before it is ended.
    most: Arc<AtomicU32>,
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
        let most = Arc::new(AtomicU32::new(1));
        let heeded = Arc::clone(&most);
        thread::start("signals", move || watch(&caught, &to, &heeded)).inspect_err(|_| {
            let _ = caught.thread_unblock();
        })?;
        Ok(Signals { asked, most })
    }

    /// From here on a server runs: the first asks it to drain.
    pub(crate) fn are_for_a_server(&self) {
        self.most.store(ASKED_OF_A_SERVER, SeqCst);
    }

    /// The next of them.
    pub(crate) async fn next(&mut self) -> Quit {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// What comes of some work, unless somebody asks for an end before: then it is given up.
    pub(crate) async fn unless_asked<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Quit> {
        tokio::select! {
            biased;
            by = self.next() => Err(by),
            done = work => Ok(done),
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
        self.most.store(1, SeqCst);
    }
}

/// Takes the signals, one after the other, for as long as the process lives.
fn watch(caught: &SigSet, to: &UnboundedSender<Quit>, most: &AtomicU32) {
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
        if is_to_be_ended(times, most, || std::thread::park_timeout(PARTING)) {
            bug::restore_terminal();
            streams::abandon(asked.code());
        }
    }
}

/// Whether a verb that was asked so many times is to be ended, once it had its time to end by itself: not if it has become
/// a server meanwhile. The signal may have come between its start and the moment at which it said so.
fn is_to_be_ended(times: u32, most: &AtomicU32, wait: impl FnOnce()) -> bool {
    let was_asked_enough = || times >= most.load(SeqCst);
    if was_asked_enough() {
        wait();
    }
    was_asked_enough()
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

    #[test]
    fn a_verb_that_becomes_a_server_while_it_is_asked_is_not_ended() {
        let most = AtomicU32::new(1);
        assert!(is_to_be_ended(1, &most, || ()), "it had its time");
        let becomes = || most.store(ASKED_OF_A_SERVER, SeqCst);
        assert!(!is_to_be_ended(1, &most, becomes), "it drains");
        assert!(!is_to_be_ended(2, &most, || panic!("nothing is waited for")), "it cuts");
        assert!(is_to_be_ended(ASKED_OF_A_SERVER, &most, || ()));
    }
}
