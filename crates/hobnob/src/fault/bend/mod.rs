//! What stands between the faults and a link: what a person asked for, when it comes on, and the row of queues of one
//! direction.

mod chain;
mod panel;
mod pattern;
mod profile;
mod rules;
mod setting;
mod trigger;
mod typed;

pub use chain::{Chain, Hit};
pub use panel::{Bend, Entry, FaultState, Hits, Log, Logged, Panel};
pub use profile::{PROFILES, Profile};
pub use rules::KEYS;
pub use setting::Setting;

#[cfg(test)]
mod tests;
