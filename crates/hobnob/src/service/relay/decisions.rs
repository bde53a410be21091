//! What the faults of a relay decide, in a file: two runs with the same seed and input have the same lines, though those
//! of several sessions and directions may be mixed in another way.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::fault::{Log, Logged};

/// A file of decisions, one JSON object a line.
pub(super) struct Decisions(Mutex<BufWriter<File>>);

impl Decisions {
    /// A file that is not there yet.
    pub(super) fn open(path: &str) -> Result<Self> {
        let opened = File::options().write(true).create_new(true).open(path);
        let file = opened.map_err(|error| {
            Error::from_io("open", &error)
                .with_message(format!("the decisions cannot be written to {path}"))
                .try_flag("--decisions decisions-2.jsonl", "a file that is not there yet")
        })?;
        Ok(Decisions(Mutex::new(BufWriter::new(file))))
    }

    /// Writes what has gathered.
    pub(super) fn flush(&self) {
        // A full disk costs the log, not the sessions.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

impl Log for Decisions {
    fn decided(&self, logged: &Logged) {
        let Logged { session, direction, fault, decision } = logged;
        let (way, at, what) = (direction.between(), decision.at, decision.what);
        let value = decision.value.map(|value| format!(r#","value":{value}"#)).unwrap_or_default();
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(
            file,
            r#"{{"session":{session},"dir":"{way}","fault":"{fault}","at":{at},"do":"{what}"{value}}}"#
        );
    }
}
