//! What a round is, and what comes of it.

use std::net::IpAddr;
use std::time::Duration;

use crate::address::Address;
use crate::error::{Error, Kind, Result};
use crate::socket::interface_addresses;

/// What a round is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingWay {
    /// A probe, and the same bytes back.
    Probe,
    /// A dial, handshakes of the layers included.
    Dial,
    /// A dial, and a request until the head of its answer is there.
    Request,
}

/// How often, and with what.
#[derive(Debug, Clone, Copy)]
pub(super) struct PingTerms {
    pub count: Option<u64>,
    pub interval: Duration,
    pub patience: Duration,
    pub size: usize,
}

/// Something that came of a round. Rounds are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingEvent {
    /// It is back.
    Back(PingBack),
    /// It came back once more.
    Doubled {
        /// Which round.
        round: u64,
        /// Whether a later round was back before this copy.
        is_overtaken: bool,
    },
    /// Nothing has come back in time.
    Lost {
        /// Which round.
        round: u64,
    },
    /// Somebody said that it cannot come back.
    Failed {
        /// Which round.
        round: u64,
        /// What was said.
        error: Error,
        /// Who has said it, where it was somebody else than this machine and that is known.
        by: Option<IpAddr>,
    },
}

/// A round that is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingBack {
    /// Which.
    pub round: u64,
    /// From before it was sent until after it was back.
    pub took: Duration,
    /// Whether a later round was back before it.
    pub is_overtaken: bool,
    /// Whether it had been told to be lost before.
    pub is_late: bool,
}

/// Bytes that a probe carries, where nobody says otherwise: those of ping(8).
pub const USUAL_SIZE: usize = 56;
/// The pause from one round to the next, where nobody says otherwise.
pub const USUAL_INTERVAL: Duration = Duration::from_secs(1);
/// How long a round may take, where nobody says otherwise.
pub const USUAL_PATIENCE: Duration = Duration::from_secs(2);
/// The shortest pause towards another machine: less would be a flood.
const SHORTEST_ELSEWHERE: Duration = Duration::from_millis(2);

/// Refuses to flood another machine.
pub(super) fn check_interval(interval: Duration, peer: &Address) -> Result<()> {
    if interval >= SHORTEST_ELSEWHERE || is_here(peer) {
        return Ok(());
    }
    let text = "less than 2 ms from round to round would flood another machine";
    Err(Error::new(Kind::BadOption, text).hint_option("interval", "2ms", "the least"))
}

fn is_here(peer: &Address) -> bool {
    let is_own =
        |peer: &Address| peer.ip().is_some_and(|ip| interface_addresses().contains(&ip.ip()));
    peer.is_local_only() || is_own(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_not_flooded() {
        let at = |text: &str| Address::Ip(text.parse().expect("an address"));
        let check = |micros, text| check_interval(Duration::from_micros(micros), &at(text));
        assert_eq!(check(0, "127.0.0.1:9"), Ok(()));
        assert_eq!(check(2_000, "192.0.2.1:9"), Ok(()));
        for micros in [0, 1_999] {
            let error = check(micros, "192.0.2.1:9").expect_err("a flood");
            assert_eq!((error.kind(), error.hints().len()), (Kind::BadOption, 1));
        }
    }
}
