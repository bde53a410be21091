//! The words that a panel understands: those of a relay's links, or those of what a service answers.

use super::rules::Amount;
use crate::fault::{FaultRow, REPLIES, TABLE};

/// What can be asked of a panel, and how that is called.
#[derive(Debug)]
pub struct Vocabulary {
    /// The faults, in the order of their help page.
    pub faults: &'static [&'static FaultRow],
    /// What one is called: `fault`.
    pub noun: &'static str,
    /// The option that takes one.
    pub option: &'static str,
    /// The help page.
    pub topic: &'static str,
    /// How `after` and `for` are read.
    pub(super) amount: fn(&str) -> Option<Amount>,
    /// What they take.
    pub(super) amounts: &'static str,
    /// Whether there are two ways, and kinds of networks.
    pub(super) has_ways: bool,
    /// A setting that stands for one that is missing.
    pub(super) example: &'static str,
}

/// What bends the links of a relay.
pub static LINKS: Vocabulary = Vocabulary {
    faults: TABLE,
    noun: "fault",
    option: "fault",
    topic: "faults",
    amount: Amount::read,
    amounts: "sessions, bytes, packets or time, as in 3conn, 4k, 5pkt, 10s",
    has_ways: true,
    example: "latency=200ms",
};

/// What a service answers on purpose.
pub static ANSWERS: Vocabulary = Vocabulary {
    faults: REPLIES,
    noun: "reply",
    option: "reply",
    topic: "replies",
    amount: Amount::read_of_answers,
    amounts: "answers, sessions or time, as in 2, 3conn, 10s; after takes 100/min, too",
    has_ways: false,
    example: "rcpt=450",
};
