//! Faults under one name: what a kind of network is like.

use crate::error::{Error, Kind, Result};
use crate::spec::nearest;

/// A kind of network. What is for packets alone is left out where there are none.
#[derive(Debug)]
pub struct Profile {
    /// The word.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Its faults.
    pub faults: &'static [&'static str],
}

/// The kinds of networks. Times are one way, so that a round trip is twice as long.
pub static PROFILES: &[Profile] = &[
    Profile {
        name: "3g",
        summary: "a phone in town: 300 ms round trip, 1.6 Mbit/s down, 768 kbit/s up",
        faults: &[
            "latency=150ms,jitter=30ms",
            "down:rate=1600kbit/s",
            "up:rate=768kbit/s",
            "loss=1%",
        ],
    },
    Profile {
        name: "edge",
        summary: "a phone in the country: 840 ms round trip, 240 kbit/s down, 200 kbit/s up",
        faults: &[
            "latency=420ms,jitter=100ms",
            "down:rate=240kbit/s",
            "up:rate=200kbit/s",
            "loss=2%",
        ],
    },
    Profile {
        name: "wifi-bad",
        summary: "two walls away: quick, then not; 6 Mbit/s, one packet in twenty lost",
        faults: &["latency=5ms,jitter=80ms", "rate=6mbit/s", "loss=5%", "dup=0.5%,reorder=1%"],
    },
    Profile {
        name: "satellite",
        summary: "36,000 km up and down: 600 ms round trip, 15 Mbit/s down, 3 Mbit/s up",
        faults: &[
            "latency=300ms,jitter=20ms",
            "down:rate=15mbit/s",
            "up:rate=3mbit/s",
            "loss=0.5%",
        ],
    },
    Profile {
        name: "offline",
        summary: "the cable is out: new sessions are refused, open ones fall silent",
        faults: &["refuse", "stall"],
    },
];

impl Profile {
    /// The profile of this name.
    pub(super) fn named(name: &str) -> Result<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name).ok_or_else(|| unknown(name))
    }
}

fn unknown(name: &str) -> Error {
    let names = || PROFILES.iter().map(|profile| profile.name);
    let error = Error::new(Kind::BadOption, format!("nothing is like {name:?}"));
    let error = match nearest(name, names()) {
        Some(near) => error.why(format!("did you mean {near}?")),
        None => error,
    };
    let known = names().collect::<Vec<_>>().join(", ");
    error.why(format!("known are: {known}")).hint_topic("faults", "")
}
