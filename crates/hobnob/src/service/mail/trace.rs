//! The lines that a letter gets when it is kept: where it came from (RFC 5321 section 4.4).

use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock;

/// What is known of how a letter came.
pub(super) struct LetterArrival<'a> {
    /// Who sends, in brackets.
    pub(super) reverse_path: &'a str,
    /// What the client calls itself.
    pub(super) client: &'a str,
    /// Its address.
    pub(super) peer: &'a str,
    /// What we call ourselves.
    pub(super) host: &'a str,
    /// What was spoken: `ESMTPSA`.
    pub(super) with: &'a str,
    /// The number by which the store knows the letter.
    pub(super) serial: u64,
    /// Whom it is for, where that is one: others are not to learn of each other.
    pub(super) only_to: Option<&'a str>,
    pub(super) at: SystemTime,
}

impl LetterArrival<'_> {
    /// The lines, each with its end.
    pub(super) fn lines(&self) -> String {
        let for_one = self.only_to.map(|to| format!("\r\n\tfor <{}>", plain(to)));
        format!(
            "Return-Path: {}\r\nReceived: from {} ([{}])\r\n\tby {} with {} id {}{};\r\n\t{}\r\n",
            plain(self.reverse_path),
            word(self.client),
            word(self.peer),
            word(self.host),
            self.with,
            self.serial,
            for_one.unwrap_or_default(),
            date(self.at),
        )
    }
}

/// What was spoken, as RFC 3848 and RFC 6531 name it, where that is more than SMTP.
pub(super) fn extended(is_utf8: bool, is_secure: bool, has_login: bool) -> String {
    let name = if is_utf8 { "UTF8SMTP" } else { "ESMTP" };
    let letter = |is_so: bool, letter: &'static str| if is_so { letter } else { "" };
    format!("{name}{}{}", letter(is_secure, "S"), letter(has_login, "A"))
}

/// A peer's word, in which nothing is left that a header would take for something else.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-._:/[]@".contains(c);
    text.chars().map(|c| if is_plain(c) { c } else { '?' }).collect()
}

/// An address, which the grammar of addresses has passed already.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// `Thu, 26 Nov 2026 13:15:33 +0000` (RFC 5322 section 3.3).
pub(super) fn date(at: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = clock::date(at);
    let weekday = DAYS[usize::try_from(since / 86_400 % 7).unwrap_or(0)];
    let month = MONTHS[usize::from(month.clamp(1, 12)) - 1];
    let (hour, minute, second) = (since / 3_600 % 24, since / 60 % 60, since % 60);
    format!("{weekday}, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_peer_says_is_no_header_of_its_own() {
        let arrival = LetterArrival {
            reverse_path: "<\"a\\\"b\"@test>",
            client: "me(x;\u{1b}y)",
            peer: "127.0.0.1:5",
            host: "here",
            with: "ESMTP",
            serial: 7,
            only_to: Some("li@test"),
            at: UNIX_EPOCH + Duration::from_secs(1_795_698_933),
        };
        assert_eq!(
            arrival.lines(),
            "Return-Path: <\"a\\\"b\"@test>\r\n\
             Received: from me?x??y? ([127.0.0.1:5])\r\n\
             \tby here with ESMTP id 7\r\n\
             \tfor <li@test>;\r\n\
             \tThu, 26 Nov 2026 13:15:33 +0000\r\n"
        );
        assert_eq!(date(UNIX_EPOCH), "Thu, 1 Jan 1970 00:00:00 +0000");
        assert_eq!(extended(false, true, true), "ESMTPSA");
        assert_eq!(extended(true, false, false), "UTF8SMTP");
    }
}
