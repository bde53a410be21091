//! Days and times as IMAP and letters write them.

use std::time::{Duration, UNIX_EPOCH};

use crate::clock;
use crate::codec::imap::SearchDate;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `INTERNALDATE` of a time in seconds since 1970: `26-Nov-2026 15:00:00 +0000`.
pub(super) fn internal(seconds: u64) -> String {
    let (year, month, day) = clock::date(UNIX_EPOCH + Duration::from_secs(seconds));
    let month = MONTHS[usize::from(month.clamp(1, 12)) - 1];
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{day:02}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

/// Reads such a time, in seconds since 1970. None where it is none, or before that.
pub(super) fn read_internal(text: &str) -> Option<u64> {
    let mut words = text.trim_start().split(' ');
    let (date, time, zone) = (words.next()?, words.next()?, words.next()?);
    let (year, month, day) = SearchDate::parse(date)?.day;
    let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..61).contains(&second);
    let zone: i64 = zone.parse().ok().filter(|zone: &i64| zone.abs() < 2_400 && is_time)?;
    // Days since 1970 by years that begin in March.
    let (year, month) = (i64::from(year), i64::from(month));
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    let ahead = (zone / 100 * 60 + zone % 100) * 60;
    u64::try_from(days * 86_400 + hour * 3_600 + minute * 60 + second - ahead).ok()
}

/// The day of a time in seconds since 1970, in UTC.
pub(super) fn day(seconds: u64) -> SearchDate {
    let (year, month, day) = clock::date(UNIX_EPOCH + Duration::from_secs(seconds));
    SearchDate { day: (u16::try_from(year).unwrap_or(u16::MAX), month, day) }
}

/// The day that a `Date` field names, whatever its zone (RFC 3501 section 6.4.4).
pub(super) fn sent(value: &[u8]) -> Option<SearchDate> {
    let text = String::from_utf8_lossy(value);
    let text = text.split_once(',').map_or(&*text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    SearchDate::parse(&format!("{day}-{month}-{year}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_days_are_read() {
        assert_eq!(internal(951_782_400 + 3_661), "29-Feb-2000 01:01:01 +0000");
        for seconds in [0, 951_782_400, 1_795_269_729, 4_102_444_799] {
            assert_eq!(read_internal(&internal(seconds)), Some(seconds));
        }
        assert_eq!(read_internal(" 1-Jan-1970 01:30:00 +0130"), Some(0));
        for wrong in ["", "1-Jan-1970", "1-Jan-1970 25:00:00 +0000", " 1-Jan-1970 00:00:00 +0130"] {
            assert_eq!(read_internal(wrong), None, "{wrong}");
        }
        assert_eq!(day(951_782_400).day, (2000, 2, 29));
        let sent = |text: &str| sent(text.as_bytes()).map(|date| date.day);
        assert_eq!(sent("Thu, 26 Nov 2026 23:59:00 -1100"), Some((2026, 11, 26)));
        assert_eq!(sent("6 nov 2026 1:2 GMT"), Some((2026, 11, 6)));
        assert_eq!((sent("yesterday"), sent("")), (None, None));
    }
}
