//! A real terminal for the program: tmux, driven by keys and read as text.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::kit::skip;

/// A terminal of its own, gone at the end of the test.
pub(crate) struct Screen {
    socket: String,
}

impl Screen {
    /// None where there is no tmux.
    pub(crate) fn open(name: &str) -> Option<Self> {
        Screen::of_size(name, 100, 40)
    }

    /// The same with so many columns and rows.
    pub(crate) fn of_size(name: &str, columns: u16, rows: u16) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if Command::new("tmux").arg("-V").output().is_err() {
            skip(name, "tmux is not here");
            return None;
        }
        let number = COUNT.fetch_add(1, Relaxed);
        let screen = Screen { socket: format!("hobnob-test-{}-{number}", std::process::id()) };
        let shell = "env -i PATH=/usr/bin:/bin TERM=screen LC_ALL=C.UTF-8 PS1='$ ' sh";
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let size = ["-x", &columns, "-y", &rows, shell];
        screen.tmux(&[&["-f", "/dev/null", "new-session", "-d"], &size[..]].concat());
        screen.until(|text| text.contains('$'));
        Some(screen)
    }

    /// Asks tmux.
    pub(crate) fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.env("LC_ALL", "C.UTF-8").args(["-u", "-L", &self.socket]).args(words);
        let output = command.output().expect("tmux is there");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a line.
    pub(crate) fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// Presses keys, by the names that tmux has for them.
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a command after Ctrl-].
    pub(crate) fn order(&self, text: &str) {
        self.keys(&["C-]"]);
        self.line(text);
    }

    /// Runs a command; answers the screen once it is over, without what stood there before.
    pub(crate) fn run(&self, command: &str) -> String {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let number = RUNS.fetch_add(1, Relaxed);
        // Typed it reads otherwise, so that only what is printed counts.
        let last = format!("over {number}.");
        self.line(&format!("clear; {command}; echo ov''er {number}."));
        self.until(|text| text.contains(&last))
    }

    /// The screen once it is as wanted.
    pub(crate) fn until(&self, wanted: impl Fn(&str) -> bool) -> String {
        for _ in 0..600 {
            let text = self.tmux(&["capture-pane", "-p"]);
            if wanted(&text) {
                return text;
            }
            // tmux tells nobody when a screen changes, so it is looked at again.
            std::thread::park_timeout(Duration::from_millis(50));
        }
        panic!("it does not come:\n{}", self.tmux(&["capture-pane", "-p"]));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// The program.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_hobnob");
