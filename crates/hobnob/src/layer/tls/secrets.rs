//! The file that `SSLKEYLOGFILE` names: with it Wireshark reads what was recorded. Whoever has it reads everything, so
//! it is made for its owner alone.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use rustls::{KeyLog, NoKeyLog};

use crate::event::Fact;
use crate::home;
use crate::layer::Surroundings;
use crate::layer::tls::certificate::hex;

/// The log of the secrets of sessions: the file that the environment names, or none.
pub(super) fn log(scene: &Surroundings) -> Arc<dyn KeyLog> {
    let Some(path) = home::key_log() else { return Arc::new(NoKeyLog) };
    match home::private_log(&path) {
        Ok(file) => Arc::new(Secrets(file)),
        Err(error) => {
            let text = format!("SSLKEYLOGFILE is not written: {}", error.message());
            scene.bus.emit(0, 0, Fact::Warning(text));
            Arc::new(NoKeyLog)
        }
    }
}

#[derive(Debug)]
struct Secrets(File);

impl KeyLog for Secrets {
    /// A line a secret, in one write: other processes may append to the same file.
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        // The session is worth more than its log: a full disk does not end it.
        let _ = (&self.0).write_all(line.as_bytes());
    }
}
