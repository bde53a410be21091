//! The cookie round trip of who may have forged its address: until it is back, that address is sent no more bytes
//! than came from it, and nothing of the room.

/// How many tries may be wrong. A peer that needs more is guessing, and does not hear the answers.
const TRIES: u8 = 3;

/// A peer that has yet to prove that it hears us.
pub(super) struct Proof {
    cookie: String,
    /// Whether the peer is on this machine. Nobody elsewhere can forge it then, so it may be told more than it said.
    is_near: bool,
    received: usize,
    sent: usize,
    wrong: u8,
}

/// What to do about a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The cookie came back: let the peer in.
    Proven,
    /// The cookie has not come back: send this.
    Tell(String),
    /// The cookie has not come back, and nothing may be sent.
    Wait,
    /// There were too many wrong tries: turn the peer away.
    Refuse,
}

impl Proof {
    /// A proof whose cookie is drawn from `chance`.
    pub(super) fn new(chance: u64, is_near: bool) -> Self {
        let cookie = format!("{:08}", chance % 100_000_000);
        Proof { cookie, is_near, received: 0, sent: 0, wrong: 0 }
    }

    /// Judges a packet, as it came.
    pub(super) fn judge(&mut self, packet: &[u8]) -> Verdict {
        self.received = self.received.saturating_add(packet.len());
        let was_told = self.sent > 0;
        if was_told && packet.trim_ascii() == self.cookie.as_bytes() {
            return Verdict::Proven;
        }
        self.wrong += u8::from(was_told);
        if self.wrong >= TRIES {
            return Verdict::Refuse;
        }
        let text = if self.is_near {
            format!("* send back {} to join", self.cookie)
        } else {
            self.cookie.clone()
        };
        if !self.is_near && self.sent + text.len() > self.received {
            return Verdict::Wait;
        }
        self.sent += text.len();
        Verdict::Tell(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_19_a_far_peer_is_told_no_more_than_it_said() {
        let mut proof = Proof::new(77, false);
        assert_eq!(proof.judge(b""), Verdict::Wait);
        assert_eq!(proof.judge(b"hello"), Verdict::Wait);
        assert_eq!(proof.judge(b"join"), Verdict::Tell("00000077".to_owned()));
        assert_eq!(proof.judge(b"what?"), Verdict::Wait, "9 + 5 bytes came, 8 went: not 8 more");
        assert_eq!(proof.judge(b"00000077\n"), Verdict::Proven);
    }

    #[test]
    fn three_wrong_tries_are_the_end() {
        for is_near in [true, false] {
            let mut proof = Proof::new(12_345_678, is_near);
            assert!(matches!(proof.judge(b"let me in"), Verdict::Tell(_)));
            assert_ne!(proof.judge(b"00000000"), Verdict::Refuse);
            assert_ne!(proof.judge(b"11111111"), Verdict::Refuse);
            assert_eq!(proof.judge(b"22222222"), Verdict::Refuse);
        }
    }

    #[test]
    fn a_cookie_that_was_not_sent_yet_proves_nothing() {
        let mut proof = Proof::new(12_345_678, false);
        assert_ne!(proof.judge(b"12345678"), Verdict::Proven);
    }

    #[test]
    fn a_near_peer_is_told_what_to_do() {
        let mut proof = Proof::new(5, true);
        let told = Verdict::Tell("* send back 00000005 to join".to_owned());
        assert_eq!(proof.judge(b""), told);
        assert_eq!(proof.judge(b"00000005"), Verdict::Proven);
    }
}
