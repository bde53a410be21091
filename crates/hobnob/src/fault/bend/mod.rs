//! What stands between the faults and a link: what a person asked for, when it comes on, and the row of queues of one
//! direction.

mod chain;
mod gate;
mod panel;
mod pattern;
mod profile;
mod rules;
mod setting;
mod typed;

pub use chain::{Chain, Hit};
pub use panel::{Bend, Entry, Hits, Log, Logged, Panel, State};
pub use profile::{PROFILES, Profile};
pub use rules::KEYS;
pub use setting::Setting;

#[cfg(test)]
mod tests;
