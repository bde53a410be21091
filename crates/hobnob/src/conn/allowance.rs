//! What a datagram socket may send to one source off this machine: no more than three times what came from there, and a
//! thousand packets a second. So nobody who forges a source makes us a weapon against it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::address::{Address, canonical};

/// Sources that are remembered, in each of two generations.
const SOURCES: usize = 65_536;
/// How long a generation lasts. What came from a source that is silent for two of them is forgotten.
const GENERATION: Duration = Duration::from_mins(1);
const ANSWERS_PER_SECOND: u32 = 1_000;
const AMPLIFICATION: u64 = 3;
/// Bytes of IP and UDP headers, counted with each packet as they are on the wire too: so a packet `A` may be answered
/// with `Hello, A!`.
pub(crate) const HEADERS: usize = 28;

/// What may be sent to each source.
///
/// What came is not forgotten when a second is over: the answer of a relay's target may come much later. To forget a
/// source, as in a flood of forged ones, takes its allowance away, and never gives more.
#[derive(Default)]
pub(crate) struct Allowance {
    recent: HashMap<IpAddr, Account>,
    earlier: HashMap<IpAddr, Account>,
    turned: Duration,
}

#[derive(Default, Clone, Copy)]
struct Account {
    /// Bytes that may still be sent.
    bytes: u64,
    /// The second in which the last answer went, and how many went in that second.
    second: u64,
    answers: u32,
}

impl Allowance {
    /// Counts a packet of so many bytes that came from there.
    pub(crate) fn came(&mut self, from: &Address, bytes: usize, now: Duration) {
        let Some(ip) = counted(from) else { return };
        let more = AMPLIFICATION.saturating_mul((bytes + HEADERS) as u64);
        let account = self.account(ip, now);
        account.bytes = account.bytes.saturating_add(more);
    }

    /// Whether a packet of so many bytes may go there; the error is the rule's name.
    pub(crate) fn may(
        &mut self,
        to: &Address,
        bytes: usize,
        now: Duration,
    ) -> Result<(), &'static str> {
        let Some(ip) = counted(to) else { return Ok(()) };
        let account = self.account(ip, now);
        if account.second == now.as_secs() && account.answers >= ANSWERS_PER_SECOND {
            return Err("answer-rate");
        }
        if account.bytes < (bytes + HEADERS) as u64 {
            return Err("amplification");
        }
        Ok(())
    }

    /// Counts a packet of so many bytes that went there.
    pub(crate) fn went(&mut self, to: &Address, bytes: usize, now: Duration) {
        let Some(ip) = counted(to) else { return };
        let account = self.account(ip, now);
        account.bytes = account.bytes.saturating_sub((bytes + HEADERS) as u64);
        if account.second != now.as_secs() {
            (account.second, account.answers) = (now.as_secs(), 0);
        }
        account.answers += 1;
    }

    fn account(&mut self, ip: IpAddr, now: Duration) -> &mut Account {
        let is_full = self.recent.len() >= SOURCES && !self.recent.contains_key(&ip);
        if is_full || now.saturating_sub(self.turned) >= GENERATION {
            self.turned = now;
            self.earlier = std::mem::take(&mut self.recent);
        }
        let Allowance { recent, earlier, .. } = self;
        recent.entry(ip).or_insert_with(|| earlier.remove(&ip).unwrap_or_default())
    }
}

/// The source that packets of this address count for; none on this machine, where nobody is hurt.
fn counted(address: &Address) -> Option<IpAddr> {
    let ip = address.ip().map(|address| canonical(address.ip()));
    ip.filter(|ip| !ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::Ip(text.parse().expect("an address"))
    }

    #[test]
    fn an_answer_may_come_late_and_all_together_are_three_times_what_came() {
        let (peer, mut allowance) = (address("192.0.2.9:5000"), Allowance::default());
        let second = Duration::from_secs;
        assert_eq!(allowance.may(&peer, 1, second(1)), Err("amplification"));
        allowance.came(&peer, 10, second(1));
        // Half of it in one second, half in another, from another port of the same source.
        let half = 3 * (10 + HEADERS) / 2 - HEADERS;
        for (port, now) in [("192.0.2.9:5000", second(2)), ("192.0.2.9:5001", second(70))] {
            assert_eq!(allowance.may(&address(port), half, now), Ok(()));
            allowance.went(&address(port), half, now);
        }
        assert_eq!(allowance.may(&peer, 0, second(70)), Err("amplification"));
        assert_eq!(allowance.may(&address("127.0.0.1:5"), 65_000, second(70)), Ok(()));
    }

    #[test]
    fn who_is_silent_for_long_is_forgotten_and_a_flood_leaves_no_more_than_is_bounded() {
        let (peer, mut allowance) = (address("192.0.2.9:5000"), Allowance::default());
        allowance.came(&peer, 1_000, Duration::ZERO);
        allowance.came(&address("192.0.2.1:1"), 1, GENERATION);
        assert_eq!(allowance.may(&address("192.0.2.1:1"), 1, 2 * GENERATION), Ok(()));
        assert_eq!(allowance.may(&peer, 1, 2 * GENERATION), Err("amplification"));
        for number in 0..3 * u32::try_from(SOURCES).expect("it fits") {
            let forged =
                Address::Ip((std::net::Ipv4Addr::from_bits(number + (10 << 24)), 9).into());
            allowance.came(&forged, 1, 2 * GENERATION);
            // Who goes on asking is remembered all the same.
            allowance.came(&peer, 1, 2 * GENERATION);
        }
        assert!(allowance.recent.len() + allowance.earlier.len() <= 2 * SOURCES);
        assert_eq!(allowance.may(&peer, 1_000, 2 * GENERATION), Ok(()));
    }
}
