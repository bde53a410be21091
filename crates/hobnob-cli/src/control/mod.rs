//! The control socket: one for each process that serves, spoken to in lines of JSON.
//!
//! The protocol is documented in `docs/reference/control.md`. Every caller is served alike.

mod answer;
mod caller;
mod client;
mod place;
mod request;
mod served;
mod socket;
mod steered;
mod watch;

use std::time::Duration;

pub(crate) use caller::{Caller, Survey};
pub(crate) use place::Folder;
pub(crate) use socket::ControlSocket;
pub(crate) use steered::SteeredServer;

/// The version that is spoken. It rises for breaks; fields are added and never renamed.
const VERSION: u64 = 1;

/// Clients at once: the limit `control-clients`.
const CLIENTS: usize = 16;
/// Bytes of a request: the limit `control-line`.
const LINE: usize = 64 * 1_024;
/// Sessions in one answer, unless fewer are asked for: the limit `control-sessions`.
const SESSIONS: u64 = 1_000;
/// Bytes of a chunk that a watcher is told, unless it asks for fewer: the limit `control-snap`.
const SNAP: u64 = 64 * 1_024;
/// Events that wait for a slow watcher on each shard before more are dropped: the limit `control-events`.
const EVENTS: usize = 1_024;

/// Time between two looks at what has happened.
const TICK: Duration = Duration::from_millis(20);
/// How long the last words to all clients may take.
const LAST_WORDS: Duration = Duration::from_millis(500);
