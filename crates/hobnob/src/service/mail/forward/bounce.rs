//! The letter that says that another could not be passed on (RFC 3464).

use std::fmt::Write as _;
use std::time::SystemTime;

use crate::codec::smtp::Mailbox;
use crate::service::mail::trace;

/// What is known of the letter that it is about.
pub(super) struct MailBounce<'a> {
    /// What we call ourselves.
    pub(super) host: &'a str,
    /// Who had sent the letter, and gets this one.
    pub(super) from: &'a Mailbox,
    pub(super) subject: &'a str,
    /// The headers of the letter.
    pub(super) head: &'a [u8],
    /// The number of this letter.
    pub(super) serial: u64,
    pub(super) at: SystemTime,
}

impl MailBounce<'_> {
    /// The whole letter, about these recipients, each with what the next server said.
    pub(super) fn text(&self, failed: &[&(Mailbox, bool, String)]) -> String {
        let MailBounce { host, from, serial, .. } = self;
        let (date, boundary) = (trace::date(self.at), format!("hobnob-{serial}-{host}"));
        let subject = one_line(self.subject);
        let mut text = format!(
            "Return-Path: <>\r\nFrom: Mail at {host} <mailer-daemon@{host}>\r\nTo: <{from}>\r\n\
             Subject: Not passed on: {subject}\r\nDate: {date}\r\nMessage-ID: <bounce-{serial}@{host}>\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             Your letter could not be passed on to:\r\n\r\n"
        );
        for (to, _, why) in failed {
            let _ = write!(text, "  {to}\r\n    {}\r\n", one_line(why)); // a String takes all
        }
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; {host}\r\n"
        );
        for (to, _, why) in failed {
            let why = one_line(why);
            let status = status_of(&why);
            let _ = write!(
                text,
                "\r\nFinal-Recipient: rfc822; {to}\r\nAction: failed\r\nStatus: {status}\r\n\
                 Diagnostic-Code: smtp; {why}\r\n"
            );
        }
        let head = String::from_utf8_lossy(self.head);
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n--{boundary}--\r\n"
        );
        text
    }
}

/// The enhanced status of an answer (RFC 3463), or that of any failure.
fn status_of(why: &str) -> &str {
    let is_status = |word: &&str| {
        let parts: Vec<_> = word.split('.').collect();
        parts.len() == 3 && parts.iter().all(|part| part.parse::<u16>().is_ok())
    };
    why.split(' ').find(is_status).unwrap_or("5.0.0")
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::mime::{MimeReader, PartBody};

    #[test]
    fn a_bounce_is_a_report_of_three_parts_that_names_who_did_not_get_the_letter() {
        let from = Mailbox::parse("app@test").expect("an address");
        let to = Mailbox::parse("nobody@test").expect("an address");
        let bounce = MailBounce {
            host: "here",
            from: &from,
            subject: "hi\r\nX: y",
            head: b"Subject: hi\r\n",
            serial: 7,
            at: SystemTime::UNIX_EPOCH,
        };
        let text = bounce.text(&[&(to, true, "550 5.1.1 no such\nuser".to_owned())]);
        assert!(
            text.contains("\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such?user\r\n")
        );
        assert!(text.contains("\r\nSubject: Not passed on: hi??X: y\r\n"), "{text}");
        let mut reader = MimeReader::default();
        reader.push(text.as_bytes());
        let letter = reader.finish();
        assert!(
            letter.is_closed
                && matches!(&letter.inside, PartBody::Parts(parts) if parts.len() == 3)
        );
        assert_eq!(status_of("no answer"), "5.0.0");
    }
}
