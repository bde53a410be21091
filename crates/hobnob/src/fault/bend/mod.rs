//! What stands between the faults and a link: what a person asked for, when it comes on, and the row of queues of one
//! direction.

mod active;
mod chain;
mod count;
mod judge;
mod log;
mod panel;
mod profile;
mod rules;
mod setting;
mod trigger;
mod typed;
mod vocabulary;
mod words;

pub use active::{FaultState, Hits};
pub use chain::{Chain, Hit};
pub use judge::{AnswerQuestion, AnswerVerdict};
pub use log::{Log, Logged};
pub use panel::{Bend, Entry, Panel};
pub use profile::{PROFILES, Profile};
pub use rules::KEYS;
pub use setting::Setting;
pub use vocabulary::{ANSWERS, LINKS, Vocabulary};

#[cfg(test)]
mod tests;
