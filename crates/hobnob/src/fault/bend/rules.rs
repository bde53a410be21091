//! When a setting's faults come on, and for how long: `when`, `after`, `on`, `for`.

use std::net::IpAddr;
use std::time::Duration;

use crate::address::Network;
use crate::codec::pattern::Pattern;
use crate::spec::{OptionSpec, ValueKind, parse_bytes, parse_duration};

/// The keys of any fault.
pub static KEYS: &[OptionSpec] = &[
    OptionSpec {
        name: "when",
        kind: ValueKind::Percent,
        default: "",
        help: "how many of the sessions it hits, by chance",
    },
    OptionSpec {
        name: "from",
        kind: ValueKind::Text,
        default: "",
        help: "only clients of this address or network, as in 10.0.0.0/8 (repeat)",
    },
    OptionSpec {
        name: "after",
        kind: ValueKind::Text,
        default: "",
        help: "it comes on after 3conn, 4k (bytes), 5pkt or 10s",
    },
    OptionSpec {
        name: "on",
        kind: ValueKind::Text,
        default: "",
        help: "it comes on behind the first match of a /REGEX/",
    },
    OptionSpec {
        name: "for",
        kind: ValueKind::Text,
        default: "",
        help: "it is over after 1conn, 4k (bytes), 5pkt or 10s",
    },
];

/// How much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    /// Sessions of the relay.
    Sessions(u64),
    /// Bytes of the direction.
    Bytes(u64),
    /// Packets of the direction.
    Packets(u64),
    /// Time of the session; of what a service answers, since the setting was first looked at.
    Time(Duration),
    /// Answers of a service.
    Times(u64),
    /// So many answers of a service in so long.
    Often {
        /// How many.
        times: u64,
        /// In how long.
        per: Duration,
    },
}

/// The largest number of answers that a rate counts: each that was let be is remembered.
const MOST_OFTEN: u64 = 10_000;

impl Amount {
    /// `3conn`, `5pkt`, `4k`, `10s`.
    pub(super) fn read(text: &str) -> Option<Amount> {
        let counted = |unit| text.strip_suffix(unit).and_then(|number: &str| number.parse().ok());
        let sessions = counted("conn").map(Amount::Sessions);
        let packets = || counted("pkt").map(Amount::Packets);
        // 5m is five minutes, as in any other time; 5mb is bytes.
        let time = || parse_duration(text).ok().map(Amount::Time);
        let bytes = || parse_bytes(text).ok().map(Amount::Bytes);
        sessions.or_else(packets).or_else(time).or_else(bytes)
    }

    /// The same of what a service answers: `2`, `100/min`, `3conn`, `10s`.
    pub(super) fn read_of_answers(text: &str) -> Option<Amount> {
        if let Some((times, unit)) = text.split_once('/') {
            let per = match unit {
                "s" => Duration::from_secs(1),
                "m" | "min" => Duration::from_mins(1),
                "h" => Duration::from_hours(1),
                _ => return None,
            };
            let times = times.parse().ok().filter(|times| *times <= MOST_OFTEN)?;
            return Some(Amount::Often { times, per });
        }
        let times = text.bytes().all(|byte| byte.is_ascii_digit());
        let times = times.then(|| text.parse().ok().map(Amount::Times)).flatten();
        let sessions = || text.strip_suffix("conn").and_then(|number| number.parse().ok());
        let time = || parse_duration(text).ok().map(Amount::Time);
        times.or_else(|| sessions().map(Amount::Sessions)).or_else(time)
    }

    pub(super) fn is_nothing(self) -> bool {
        match self {
            Amount::Sessions(count)
            | Amount::Bytes(count)
            | Amount::Packets(count)
            | Amount::Times(count)
            | Amount::Often { times: count, .. } => count == 0,
            Amount::Time(time) => time.is_zero(),
        }
    }
}

/// The rules of one setting.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// The share of sessions, in millionths.
    pub(super) when: Option<u32>,
    /// The networks of the clients that it hits; none: all.
    pub(super) from: Vec<Network>,
    pub(super) after: Option<Amount>,
    pub(super) on: Option<Pattern>,
    pub(super) lasts: Option<Amount>,
}

impl Rules {
    /// Whether clients of this address are among those that it may hit.
    pub(super) fn takes_client(&self, peer: Option<IpAddr>) -> bool {
        let holds = |ip| self.from.iter().any(|network| network.contains(ip));
        self.from.is_empty() || peer.is_some_and(holds)
    }

    /// Whether sessions of this number, from 1, are among those that it may hit at all.
    pub(super) fn takes_session(&self, number: u64) -> bool {
        let after = match self.after {
            Some(Amount::Sessions(after)) => after,
            _ => 0,
        };
        let upto = match self.lasts {
            Some(Amount::Sessions(lasts)) => after.saturating_add(lasts),
            _ => u64::MAX,
        };
        number > after && number <= upto
    }
}
