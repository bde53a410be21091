//! What a new letter is told by: the time, a name that no other letter has, and a mark that separates its parts.

use std::time::UNIX_EPOCH;

use super::sending::own_name;
use crate::clock::{self, Clock};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The marks of a new letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterStamp {
    /// For `Date` (RFC 5322 section 3.3), in UTC.
    pub date: String,
    /// For `Message-ID`, in its brackets.
    pub id: String,
    /// For between its parts.
    pub boundary: String,
}

impl LetterStamp {
    /// The marks of a letter that is made now.
    pub fn now(clock: Clock) -> Self {
        let time = clock.wall();
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (year, month, day) = clock::date(time);
        let weekday = DAYS[usize::try_from(seconds / 86_400 % 7).unwrap_or(0)];
        let month = MONTHS[usize::from(month.clamp(1, 12)) - 1];
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        let host = own_name();
        let host = host.trim_matches(['[', ']']);
        LetterStamp {
            date: format!(
                "{weekday}, {day} {month} {year} {hour:02}:{minute:02}:{second:02} +0000"
            ),
            id: format!("<{seconds:x}.{:x}@{host}>", clock::draw_seed()),
            boundary: format!("hobnob-{:013x}", clock::draw_seed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_letters_of_one_moment_are_told_apart() {
        let clock = Clock::start();
        let (one, other) = (LetterStamp::now(clock), LetterStamp::now(clock));
        assert_ne!(one.id, other.id);
        assert_ne!(one.boundary, other.boundary);
        assert!(one.date.ends_with(" +0000") && one.date[3..].starts_with(", "), "{}", one.date);
    }
}
