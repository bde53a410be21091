//! Waiting for a letter.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{CaughtLetter, CaughtLetters, Sink};
use crate::error::{Error, Kind, Result};
use crate::spec::show_duration;

/// How long a wait lasts that nobody has said.
const USUAL: Duration = Duration::from_secs(5);
/// How long a wait sleeps at most: of several that wait at once, one alone is woken.
const NAP: Duration = Duration::from_millis(20);
/// Letters that an error names at most.
const NAMED: usize = 20;

/// A moment, from which on letters count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailMark(pub(super) u64);

/// A wait: for how long, and from when on letters count.
#[derive(Clone, Copy)]
pub struct MailWait<'s> {
    sink: &'s Sink,
    after: MailMark,
    time: Duration,
}

impl<'s> MailWait<'s> {
    pub(super) fn of(sink: &'s Sink) -> Self {
        MailWait { sink, after: MailMark(0), time: USUAL }
    }

    /// For so long.
    pub fn within(self, time: Duration) -> Self {
        MailWait { time, ..self }
    }

    /// For letters that came after this alone.
    pub fn after(self, mark: MailMark) -> Self {
        MailWait { after: mark, ..self }
    }

    /// Waits for a letter that fits and that no wait was given yet.
    ///
    /// # Errors
    ///
    /// None came in time; the error says what did come.
    pub fn wait_for(self, fits: impl Fn(&CaughtLetter) -> bool) -> Result<CaughtLetter> {
        let found = self.until(|caught, after| {
            let is_it = |letter: &&CaughtLetter| {
                letter.number() > after && !caught.taken.contains(&letter.number()) && fits(letter)
            };
            let letter = caught.letters.iter().find(is_it)?.clone();
            caught.taken.insert(letter.number());
            Some(letter)
        });
        found.ok_or_else(|| self.nothing())
    }

    /// Makes sure that no letter comes for so long, beside those that a wait was given.
    ///
    /// # Errors
    ///
    /// One came, or was there.
    pub fn stays_empty(self, time: Duration) -> Result<()> {
        let came = self.within(time).until(|caught, after| {
            let is_new = |letter: &&CaughtLetter| {
                letter.number() > after && !caught.taken.contains(&letter.number())
            };
            caught.letters.iter().find(is_new).cloned()
        });
        match came {
            None => Ok(()),
            Some(letter) => {
                let error = Error::new(Kind::DoesNotFit, "a letter came, and none was to come");
                Err(error.why(letter.to_string()))
            }
        }
    }

    /// Waits until something is found, or the time is over.
    fn until<T>(&self, mut find: impl FnMut(&mut CaughtLetters, u64) -> Option<T>) -> Option<T> {
        let clock = self.sink.running.control().clock();
        let end = clock.now().saturating_add(self.time);
        let bell = Arc::new(MailBell::default());
        let waker = Waker::from(bell.clone());
        loop {
            if let Some(found) = find(&mut self.sink.look(), self.after.0) {
                return Some(found);
            }
            let left = end.saturating_sub(clock.now());
            if left.is_zero() {
                return None;
            }
            let asked = self.sink.events.poll_changed(&mut Context::from_waker(&waker));
            if asked == Poll::Pending {
                bell.wait(left.min(NAP));
            }
        }
    }

    /// What is said where nothing fits.
    fn nothing(&self) -> Error {
        let caught = self.sink.look();
        let text = format!("no such letter came within {}", show_duration(self.time));
        let mut error = Error::new(Kind::TimedOut, text);
        let came = caught.letters.iter().filter(|letter| letter.number() > self.after.0);
        let came: Vec<String> = came
            .map(|letter| {
                let is_taken = caught.taken.contains(&letter.number());
                format!("{letter}{}", if is_taken { " (a wait was given it)" } else { "" })
            })
            .collect();
        if came.is_empty() {
            error = error.why("none came at all");
        }
        let more = came.len().saturating_sub(NAMED);
        error =
            came.iter().rev().take(NAMED).fold(error, |error, letter| error.why(letter.as_str()));
        if more > 0 {
            error = error.why(format!("and {more} more, which came before"));
        }
        if caught.missed > 0 {
            error = error.why(format!("{} events came too fast to be seen", caught.missed));
        }
        error
    }
}

/// Wakes a thread.
#[derive(Default)]
struct MailBell {
    has_rung: Mutex<bool>,
    bell: Condvar,
}

impl MailBell {
    /// Waits until it rings, at most so long.
    fn wait(&self, time: Duration) {
        let has_rung = self.has_rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(has_rung, time, |has_rung| !*has_rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl Wake for MailBell {
    fn wake(self: Arc<Self>) {
        *self.has_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }
}
