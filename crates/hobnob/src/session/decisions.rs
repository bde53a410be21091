//! What faults decide, in a file: two runs with the same seed and input have the same lines, though those
//! of several sessions and directions may be mixed in another way.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};

use crate::bus::Bus;
use crate::error::{Error, Result};
use crate::event::Fact;
use crate::fault::{Log, Logged};

/// Bytes that gather before they are written.
const MUCH: usize = 16 * 1_024;
/// The limit that drops lines which cannot be written.
const LIMIT: &str = "decisions";

/// A file of decisions, one JSON object a line.
pub(crate) struct Decisions(Mutex<Sheet>);

struct Sheet {
    file: File,
    /// Bytes of the file that are whole lines, also where the disk was full in the middle of one.
    written: u64,
    waiting: Vec<u8>,
    /// Lines that wait to be written.
    lines: usize,
    /// How many lines could not be written and were not told of yet.
    lost: usize,
    /// Why the first of these lines could not be written.
    why: Option<String>,
    was_told_why: bool,
}

impl Decisions {
    /// Creates a file, which must not be there yet.
    pub(crate) fn open(path: &str) -> Result<Self> {
        let opened = File::options().write(true).create_new(true).open(path);
        let file = opened.map_err(|error| {
            Error::from_io("open", &error)
                .with_message(format!("the decisions cannot be written to {path}"))
                .hint_option("decisions", "decisions-2.jsonl", "a file that is not there yet")
        })?;
        Ok(Decisions(Mutex::new(Sheet {
            file,
            written: 0,
            waiting: Vec::new(),
            lines: 0,
            lost: 0,
            why: None,
            was_told_why: false,
        })))
    }

    /// Writes what has gathered, and tells what could not be written: a full disk costs the log, not the sessions.
    pub(crate) fn flush(&self, bus: &Bus) {
        let mut sheet = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sheet.write();
        let (lost, why) = (std::mem::take(&mut sheet.lost), sheet.why.take());
        drop(sheet);
        if let Some(why) = why {
            let text = format!("decisions are lost, and the sessions go on: {why}");
            bus.emit(0, 0, Fact::Warning(text));
        }
        bus.drop_by(LIMIT, lost);
    }
}

impl Log for Decisions {
    fn decided(&self, logged: &Logged) {
        let Logged { session, direction, fault, decision } = logged;
        let (way, at, what) = (direction.between(), decision.at, decision.what);
        let value = decision.value.map(|value| format!(r#","value":{value}"#)).unwrap_or_default();
        let mut sheet = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing into memory does not fail.
        let _ = writeln!(
            sheet.waiting,
            r#"{{"session":{session},"dir":"{way}","fault":"{fault}","at":{at},"do":"{what}"{value}}}"#
        );
        sheet.lines += 1;
        if sheet.waiting.len() >= MUCH {
            sheet.write();
        }
    }
}

impl Sheet {
    /// Writes all lines that wait, or none of them.
    fn write(&mut self) {
        let Err(error) = self.file.write_all_at(&self.waiting, self.written) else {
            self.written += self.waiting.len() as u64;
            return self.forget();
        };
        // Half a line would spoil the next. If that fails as well, the next is written over it.
        let _ = self.file.set_len(self.written);
        self.lost += self.lines;
        if !self.was_told_why {
            self.was_told_why = true;
            self.why = Some(Error::from_io("write", &error).message().to_owned());
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.waiting.clear();
        self.lines = 0;
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        self.write();
    }
}
