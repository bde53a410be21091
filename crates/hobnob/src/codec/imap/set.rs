//! Sets of numbers of letters: `1:3,7,9:*`.

use std::ops::RangeInclusive;

/// Ranges of a set at most.
const MAX_RANGES: usize = 10_000;

/// A set as it was typed. `*` is the largest number that there is, and is not known before the set is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceSet(Vec<(Option<u32>, Option<u32>)>);

impl SequenceSet {
    /// Reads a set; none where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| match text {
            "*" => Some(None),
            _ if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
            _ => text.parse().ok().map(Some),
        };
        let mut ranges = Vec::new();
        for range in text.split(',') {
            if ranges.len() >= MAX_RANGES {
                return None;
            }
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            ranges.push((number(first)?, number(last)?));
        }
        Some(SequenceSet(ranges))
    }

    /// Writes rising numbers as a set: `1:3,7`.
    pub fn write(numbers: &[u32]) -> String {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
                _ => ranges.push((*number, *number)),
            }
        }
        let range = |(first, last): &(u32, u32)| {
            if first == last { first.to_string() } else { format!("{first}:{last}") }
        };
        ranges.iter().map(range).collect::<Vec<_>>().join(",")
    }

    /// The ranges in rising order, none touching another, where `largest` is the largest number. What lies above it is not
    /// cut away: who looks up numbers goes through those that there are, and never through a range.
    pub fn ranges(&self, largest: u32) -> Vec<RangeInclusive<u32>> {
        let mut ranges: Vec<(u32, u32)> = self
            .0
            .iter()
            .map(|(first, last)| (first.unwrap_or(largest), last.unwrap_or(largest)))
            .map(|(first, last)| (first.min(last), first.max(last)))
            .filter(|(_, last)| *last > 0)
            .collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => joined.push((first, last)),
            }
        }
        joined.into_iter().map(|(first, last)| first..=last).collect()
    }

    /// Whether it names a number above `largest`, which a set of numbers in a box must not.
    pub fn goes_beyond(&self, largest: u32) -> bool {
        let is_beyond =
            |number: &Option<u32>| number.map_or(largest == 0, |number| number > largest);
        self.0.iter().any(|(first, last)| is_beyond(first) || is_beyond(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_ranges() {
        for (numbers, text) in [
            (&[1, 2, 3, 7][..], "1:3,7"),
            (&[5], "5"),
            (&[1, 3, 4], "1,3:4"),
            (&[], ""),
            (&[u32::MAX - 1, u32::MAX], "4294967294:4294967295"),
        ] {
            assert_eq!(SequenceSet::write(numbers), text);
        }
    }

    #[test]
    fn sets_are_joined_and_the_largest_number_has_its_sign() {
        let ranges = |text: &str, largest| {
            let set = SequenceSet::parse(text).expect("a set");
            set.ranges(largest)
                .iter()
                .map(|range| (*range.start(), *range.end()))
                .collect::<Vec<_>>()
        };
        assert_eq!(ranges("3:1,2,4,9", 10), [(1, 4), (9, 9)]);
        assert_eq!(ranges("559:*", 3), [(3, 559)], "the last is always in it");
        assert_eq!(ranges("*", 7), [(7, 7)]);
        assert_eq!(ranges("*", 0), []);
        assert_eq!(ranges("*:4294967295", 3), [(3, u32::MAX)]);
        assert_eq!(ranges("4294967294:4294967295,4294967295", 3), [(4_294_967_294, u32::MAX)]);
        for wrong in ["", "0", "1:", ":1", "1,,2", "a", "-1", "4294967296", "1:2:3", "01", "* "] {
            assert_eq!(SequenceSet::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(SequenceSet::parse(&vec!["1"; MAX_RANGES + 1].join(",")), None);
        let beyond =
            |text: &str, largest| SequenceSet::parse(text).expect("a set").goes_beyond(largest);
        assert!(beyond("1:4", 3) && beyond("*", 0) && !beyond("1:*", 3) && !beyond("3", 3));
    }
}
