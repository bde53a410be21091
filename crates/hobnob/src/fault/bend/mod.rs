//! What stands between the faults and a link: what a person asked for, when it comes on, and the row of queues of one
//! direction.

mod active;
mod chain;
mod log;
mod panel;
mod profile;
mod rules;
mod setting;
mod trigger;
mod typed;
mod words;

pub use active::{FaultState, Hits};
pub use chain::{Chain, Hit};
pub use log::{Log, Logged};
pub use panel::{Bend, Entry, Panel};
pub use profile::{PROFILES, Profile};
pub use rules::KEYS;
pub use setting::Setting;

#[cfg(test)]
mod tests;
