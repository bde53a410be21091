//! Any key, while nothing is being typed: the terminal gives each at once and does not show it.

use std::fs::File;
use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;

use nix::sys::termios::{
    FlushArg, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcflush, tcgetattr, tcsetattr,
};
use nix::unistd::{getpgrp, tcgetpgrp};
use tokio::net::unix::pipe::Receiver;

use crate::job::Job;
use crate::process::bug;

/// No key (`_POSIX_VDISABLE` of termios(3)).
const NO_KEY: u8 = 0;

/// A terminal that waits for any key; given back as it was when this is dropped.
pub(super) struct Keys {
    before: Termios,
    is_taken: bool,
    /// Only asked whether something is there: reading would block.
    typed: Option<Receiver>,
}

impl Keys {
    /// The person's terminal; none: nobody watches, it only writes line after line, or it is somebody else's now.
    pub(super) fn of(job: &Job) -> Option<Self> {
        let is_for_people = !job.is_on("json") && !job.is_on("quiet") && !job.environment.is_dumb;
        let is_seen = io::stdin().is_terminal() && io::stderr().is_terminal();
        // Whoever changes the terminal from the background is stopped.
        let is_ours = || tcgetpgrp(io::stdin().as_fd()).is_ok_and(|group| group == getpgrp());
        if !is_for_people || !is_seen || !is_ours() {
            return None;
        }
        let before = tcgetattr(io::stdin()).ok()?;
        Some(Keys { before, is_taken: false, typed: None })
    }

    /// Takes the terminal. Ctrl-C stays a signal. Ctrl-Z and Ctrl-\ are keys like any other: the shell is to have the
    /// terminal as it was, so that the second of them does what it always does.
    pub(super) fn listen(&mut self) {
        bug::remember_terminal();
        let mut mode = self.before.clone();
        mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        for key in [SpecialCharacterIndices::VSUSP, SpecialCharacterIndices::VQUIT] {
            mode.control_chars[key as usize] = NO_KEY;
        }
        mode.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        mode.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        self.is_taken = tcsetattr(io::stdin(), SetArg::TCSANOW, &mode).is_ok();
        if self.is_taken {
            let twin = io::stdin().as_fd().try_clone_to_owned();
            self.typed = twin.and_then(|twin| Receiver::from_file_unchecked(File::from(twin))).ok();
        }
    }

    /// Resolves when a key is pressed, which nobody reads.
    pub(super) async fn pressed(&mut self) {
        match &self.typed {
            Some(typed) => {
                let _ = typed.readable().await;
                let _ = tcflush(io::stdin().as_fd(), FlushArg::TCIFLUSH);
            }
            None => pending().await,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if self.is_taken {
            // Without a wait for what is still to be shown: a terminal that Ctrl-S has stopped would keep us here.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
        }
    }
}
