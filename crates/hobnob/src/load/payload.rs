//! What is sent, and what is to come back.

use std::sync::Arc;

use crate::codec::pattern::{Pattern, Search};
use crate::error::{Error, Kind, Result};

/// Bytes of a stamp: of which round, and of whom.
const STAMP: usize = 12;
/// Of these, those of the round's number.
const NUMBER: usize = 8;
/// What stamps are written in: nothing that ends a line or drives a terminal.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-";

/// A message to send over and over.
#[derive(Debug, Clone)]
pub struct Payload {
    bytes: Arc<[u8]>,
    is_stamped: bool,
}

impl Payload {
    /// So many bytes of a printable pattern, stamped with the round and the talker, so that each message differs from all
    /// others and a reply that belongs to another one shows.
    pub fn pattern(size: usize) -> Self {
        // 31 and 94 have no divisor in common: neighbours differ.
        let printable = |at: usize| b'!' + u8::try_from(at * 31 % 94).unwrap_or(0);
        Payload { bytes: (0..size).map(printable).collect(), is_stamped: true }
    }

    /// These bytes, the same each time.
    pub fn given(bytes: &[u8]) -> Self {
        Payload { bytes: bytes.into(), is_stamped: false }
    }

    /// Bytes of it.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a reply says of which round it is.
    pub(super) fn tells_rounds(&self) -> bool {
        self.is_stamped && self.size() >= NUMBER
    }

    fn stamp(&self, talker: usize, number: u64) -> ([u8; STAMP], usize) {
        let digit = |number: u64, at: usize| {
            let value = (number >> (6 * at)) % DIGITS.len() as u64;
            DIGITS[usize::try_from(value).unwrap_or(0)]
        };
        let mut stamp = [0; STAMP];
        for (at, byte) in stamp.iter_mut().enumerate() {
            *byte = match at.checked_sub(NUMBER) {
                None => digit(number, at),
                Some(at) => digit(talker as u64, at),
            };
        }
        (stamp, if self.is_stamped { STAMP.min(self.size()) } else { 0 })
    }

    /// Adds the message of a round.
    pub(super) fn write(&self, talker: usize, number: u64, into: &mut Vec<u8>) {
        let (stamp, stamped) = self.stamp(talker, number);
        into.extend_from_slice(&stamp[..stamped]);
        into.extend_from_slice(&self.bytes[stamped..]);
    }

    /// The message of a round.
    pub(super) fn message(&self, talker: usize, number: u64) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.size());
        self.write(talker, number, &mut message);
        message
    }

    /// Whether this piece is what stands at `at` in the message of a round.
    pub(super) fn is_at(&self, at: usize, piece: &[u8], talker: usize, number: u64) -> bool {
        let Some(rest) = self.bytes.get(at..).and_then(|rest| rest.get(..piece.len())) else {
            return false;
        };
        let (stamp, stamped) = self.stamp(talker, number);
        let head = stamped.saturating_sub(at).min(piece.len());
        piece[..head] == stamp[at.min(stamped)..][..head] && piece[head..] == rest[head..]
    }

    /// The number of the round that a message says it is of, where it says one and is this talker's.
    pub(super) fn number_of(&self, message: &[u8], talker: usize) -> Option<u64> {
        let value = |byte: &u8| DIGITS.iter().position(|digit| digit == byte).map(|at| at as u64);
        let mut number = 0;
        for (at, byte) in message.get(..NUMBER)?.iter().enumerate() {
            number |= value(byte)? << (6 * at);
        }
        let (stamp, stamped) = self.stamp(talker, number);
        message.starts_with(&stamp[..stamped]).then_some(number)
    }
}

/// What the reply of a message is to be.
#[derive(Debug, Clone, Default)]
pub struct Expected(Option<(Pattern, Arc<str>)>);

impl Expected {
    /// The message itself.
    pub fn echo() -> Self {
        Expected(None)
    }

    /// Whatever this regular expression matches. In bytes the reply is over with the match; a packet is one as a whole.
    pub fn matching(pattern: &str) -> Result<Self> {
        let bad = |why: String| {
            let text = format!("{pattern:?} is no pattern of a reply: {why}");
            Error::new(Kind::BadOption, text).hint_option("expect", r"PONG\r\n", "for one")
        };
        let read = Pattern::read(pattern).map_err(bad)?;
        if read.matches_nothing() {
            return Err(bad("it matches before anything has come".to_owned()));
        }
        Ok(Expected(Some((read, pattern.into()))))
    }

    /// How far the search for a reply has come before anything has; none: the message itself is to come back.
    pub(super) fn search(&self) -> Option<Search> {
        self.0.as_ref().map(|(pattern, _)| pattern.search())
    }

    /// Goes on with a search; after how many bytes the reply is over.
    pub(super) fn find(&self, search: &mut Search, bytes: &[u8]) -> Option<usize> {
        self.0.as_ref().and_then(|(pattern, _)| pattern.find(search, bytes))
    }

    /// Whether the message itself is to come back.
    pub(super) fn is_echo(&self) -> bool {
        self.0.is_none()
    }

    /// What was expected, in words.
    pub(super) fn words(&self) -> &str {
        self.0.as_ref().map_or("the message itself", |(_, words)| words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_again_in_any_pieces_and_another_is_not() {
        for size in [1, 5, 8, 12, 13, 64, 1_000] {
            let payload = Payload::pattern(size);
            let message = payload.message(3, 77);
            assert_eq!(message.len(), size);
            assert!(message.iter().all(|byte| (b'!'..=b'~').contains(byte)));
            for cut in 0..=size {
                let (front, back) = message.split_at(cut);
                assert!(payload.is_at(0, front, 3, 77) && payload.is_at(cut, back, 3, 77));
            }
            assert!(!payload.is_at(0, &message, 3, 78), "{size}");
            assert!(size < STAMP || !payload.is_at(0, &message, 4, 77));
            assert!(!payload.is_at(1, &message, 3, 77), "it is longer than that");
            for at in 0..size {
                let mut damaged = message.clone();
                damaged[at] ^= 1;
                assert!(!payload.is_at(0, &damaged, 3, 77), "{size} at {at}");
            }
        }
    }

    #[test]
    fn a_message_says_its_round() {
        let payload = Payload::pattern(64);
        for number in [0, 1, 63, 64, 1 << 40] {
            let message = payload.message(9, number);
            assert_eq!(payload.number_of(&message, 9), Some(number));
            assert_eq!(payload.number_of(&message, 8), None, "of another talker");
        }
        assert_eq!(payload.number_of(b"Hello, who are you?", 9), None);
        assert_eq!(payload.number_of(b"Hi", 9), None);
        assert!(!Payload::given(&[0; 64]).tells_rounds() && !Payload::pattern(4).tells_rounds());
    }

    #[test]
    fn a_reply_may_be_whatever_matches() {
        let expected = Expected::matching(r"\+PONG\r\n").expect("a pattern");
        let mut search = expected.search().expect("there is one");
        assert_eq!(expected.find(&mut search, b"+PO"), None);
        assert_eq!(expected.find(&mut search, b"NG\r\n+"), Some(4));
        assert!(Expected::matching("x*").is_err() && Expected::matching("(").is_err());
    }
}
