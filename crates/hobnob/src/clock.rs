//! The one place where time and chance come from. Everywhere else they are arguments.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::spec::LONGEST;

/// The program's clock. Events are stamped with the time since it began.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// A clock that begins now. tokio's instant, so that a test can hold time still.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn start() -> Self {
        Clock { began: Instant::now() }
    }

    /// Time since the clock began; never goes back.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now(&self) -> Duration {
        Instant::now().duration_since(self.began)
    }

    /// The instant that is `ahead` from now, for a timer; at most [`LONGEST`] from now, which nobody waits for.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn instant_in(&self, ahead: Duration) -> Instant {
        Instant::now() + ahead.min(LONGEST)
    }

    /// The time of day; may jump.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A time of the clock in nanoseconds, for places where thousands lie idle: 8 bytes where a `Duration` is 16.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) // 584 years
}

/// A seed that nobody chose. Its 53 bits are what every reader of JSON keeps of a number (RFC 8259 section 6).
#[allow(clippy::disallowed_methods, reason = "the one place that draws a seed")]
pub(crate) fn draw_seed() -> u64 {
    fastrand::u64(..1 << 53)
}

/// A time between the two, by chance.
pub(crate) fn draw_between(least: Duration, most: Duration) -> Duration {
    least + most.saturating_sub(least).mul_f64(fastrand::f64())
}

/// RFC 3339 in UTC with milliseconds: `2026-11-21T14:02:09.113Z`.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The time that [`rfc3339`] or another clock wrote in UTC, with any number of digits behind the second. None: it is none,
/// or has another zone.
pub fn read_rfc3339(text: &str) -> Option<SystemTime> {
    let (whole, fraction) = match text.strip_suffix('Z')?.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (text.strip_suffix('Z')?, ""),
    };
    let shape = "0000-00-00T00:00:00";
    let is_shaped = whole.len() == shape.len()
        && whole
            .bytes()
            .zip(shape.bytes())
            .all(|(is, wanted)| if wanted == b'0' { is.is_ascii_digit() } else { is == wanted });
    if !is_shaped || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: std::ops::Range<usize>| whole.get(at)?.parse::<u64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let (hour, minute, second) = (part(11..13)?, part(14..16)?, part(17..19)?);
    // Every fourth year has a day more, at most.
    let (years, guess) = (year.checked_sub(1970)?, year.checked_sub(1970)? * 365);
    let days = (guess..=guess + years / 4 + 366).find(|days| civil(*days) == (year, month, day))?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let nanos = format!("{fraction:0<9.9}").parse().ok()?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(UNIX_EPOCH + Duration::new(seconds, nanos))
}

/// Year, month and day in UTC.
pub fn date(time: SystemTime) -> (i32, u8, u8) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = civil(since.as_secs() / 86_400);
    let small = |part: u64| u8::try_from(part).unwrap_or(1);
    (i32::try_from(year).unwrap_or(i32::MAX), small(month), small(day))
}

/// Year, month and day of a number of days since 1970-01-01, by eras of 400 years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days from 0000-03-01 to 1970-01-01
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        let at = |seconds| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_795_269_729), "2026-11-21T14:02:09.000Z");
        assert_eq!(at(4_102_444_799), "2099-12-31T23:59:59.000Z");
    }

    #[test]
    fn what_a_clock_wrote_is_read_and_nothing_else() {
        for seconds in [0, 951_782_400, 1_795_269_729, 4_102_444_799] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(read_rfc3339(&rfc3339(time)), Some(time));
        }
        let precise = UNIX_EPOCH + Duration::new(951_782_400, 123_456_789);
        assert_eq!(read_rfc3339("2000-02-29T00:00:00.123456789Z"), Some(precise));
        let even = UNIX_EPOCH + Duration::new(951_782_400, 0);
        assert_eq!(read_rfc3339("2000-02-29T00:00:00Z"), Some(even));
        for none in [
            "",
            "Z",
            "2000-02-30T00:00:00Z",
            "1969-01-01T00:00:00Z",
            "2000-02-29T24:00:00Z",
            "2000-02-29 00:00:00Z",
            "2000-02-29T00:00:00+01:00",
            "2000-02-29T00:00:00.xZ",
            "2000-02-29T00:00:00.1é23Z",
        ] {
            assert_eq!(read_rfc3339(none), None, "{none}");
        }
    }
}
