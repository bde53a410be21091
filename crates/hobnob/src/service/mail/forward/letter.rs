//! A letter that is passed on, and what the next server made of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::codec::json::{JsonValue, JsonWriter};
use crate::codec::smtp::{Mailbox, SmtpAnswer};

/// The option that names the next server.
pub(crate) const FORWARD: &str = "forward";
/// Received lines of a letter that goes in circles (RFC 5321 section 6.3 asks for a large number).
pub(crate) const MAX_RECEIVED: usize = 30;

/// For how long a letter is tried.
pub(super) const PATIENCE: Duration = Duration::from_hours(24);

/// A letter that is to be passed on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PassedLetter {
    pub(crate) serial: u64,
    /// Its number in the box for all.
    pub(crate) uid: u32,
    /// Who sends; none: nobody, and nobody is told that it could not be passed on.
    pub(crate) from: Option<Mailbox>,
    /// Whom it is still for, and whether the sender wants to know of a failure.
    pub(crate) to: Vec<(Mailbox, bool)>,
    /// The lines that go before it, and the bytes of our own in its file that do not.
    pub(crate) trace: String,
    pub(crate) skip: u64,
    pub(crate) tries: usize,
    /// When it is given up, and when it is tried next.
    pub(crate) until: Duration,
    pub(crate) due: Duration,
}

impl PassedLetter {
    /// A letter, with the lines that say where it came from, of which `skip` bytes stand in its file.
    pub(crate) fn new(serial: u64, uid: u32, from: Option<Mailbox>, now: Duration) -> Self {
        let (to, trace) = (Vec::new(), String::new());
        let until = now.saturating_add(PATIENCE);
        PassedLetter { serial, uid, from, to, trace, skip: 0, tries: 0, until, due: now }
    }

    /// As it stands on the disk until it is passed on, at these times of the clock and of the wall.
    pub(crate) fn errand(&self, now: Duration, wall: SystemTime) -> Vec<u8> {
        let left = self.until.saturating_sub(now);
        let until = wall.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(left);
        let mut json = JsonWriter::default();
        json.begin('{').name("v").plain(1).name("until").plain(until.as_secs());
        if let Some(from) = &self.from {
            json.name("from").text(&from.to_string());
        }
        for (name, wants) in [("to", true), ("quietly", false)] {
            let to: Vec<_> = self.to.iter().filter(|(_, own)| *own == wants).collect();
            let to: Vec<_> = to.into_iter().map(|(to, _)| to.to_string()).collect();
            json.name(name).texts(to.iter().map(String::as_str));
        }
        json.name("skip").plain(self.skip).name("trace").text(&self.trace).end('}');
        json.finish().into_bytes()
    }

    /// The letter of which that stands on the disk. None where nobody can read it.
    pub(super) fn read(
        serial: u64,
        uid: u32,
        errand: &[u8],
        now: Duration,
        wall: SystemTime,
    ) -> Option<Self> {
        let errand = JsonValue::read(std::str::from_utf8(errand).ok()?)?;
        let from = match errand.text("from") {
            "" => None,
            from => Some(Mailbox::parse(from).ok()?),
        };
        let mut letter = PassedLetter::new(serial, uid, from, now);
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = Duration::from_secs(errand.count("until")?).saturating_sub(wall).min(PATIENCE);
        letter.until = now.saturating_add(left);
        letter.skip = errand.count("skip")?;
        errand.text("trace").clone_into(&mut letter.trace);
        for (name, wants) in [("to", true), ("quietly", false)] {
            let to =
                errand.texts(name).into_iter().map(|to| Some((Mailbox::parse(to).ok()?, wants)));
            letter.to.extend(to.collect::<Option<Vec<_>>>()?);
        }
        Some(letter)
    }
}

/// What the next server made of a letter, for each recipient.
#[derive(Debug, Default)]
pub(super) struct Passing {
    pub(super) taken: Vec<String>,
    /// The answer to the letter, where somebody gets it.
    pub(super) answer: String,
    /// Who may get it later, and why not now.
    pub(super) later: Vec<(Mailbox, bool)>,
    /// The letter is not there any more.
    pub(super) is_gone: bool,
    pub(super) why: String,
    /// Who never will, and why.
    pub(super) never: Vec<(Mailbox, bool, String)>,
}

impl Passing {
    /// Nobody has it, and all may get it later.
    pub(super) fn put_off(letter: &PassedLetter, why: &str) -> Self {
        let later = letter.to.iter().map(|(to, wants)| (to.clone(), *wants)).collect();
        Passing { later, why: why.to_owned(), ..Passing::default() }
    }
}

/// An answer as it is told: `550 5.1.1 no such user`.
pub(super) fn shown(answer: &SmtpAnswer) -> String {
    format!("{} {}", answer.code, answer.lines.join(" ")).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_with_a_letter_is_read_as_it_was_written() {
        let mailbox = |text: &str| Mailbox::parse(text).expect("an address");
        let (now, wall) = (Duration::from_secs(7), UNIX_EPOCH + Duration::from_secs(1_000));
        for from in [None, Some(mailbox("\"a b\"@test"))] {
            let mut letter = PassedLetter::new(3, 9, from, now);
            letter.to = vec![(mailbox("li@test"), true), (mailbox("\u{4f60}@test"), false)];
            letter.trace = "Received: from \"a\"\r\n\tby b\r\n".to_owned();
            letter.skip = 80;
            let errand = letter.errand(now, wall);
            let read = |errand: &[u8], now, wall| PassedLetter::read(3, 9, errand, now, wall);
            assert_eq!(read(&errand, now, wall), Some(letter.clone()));
            // In another process, an hour later.
            let later = read(&errand, Duration::ZERO, wall + Duration::from_hours(1));
            assert_eq!(later.expect("it is the same").until, Duration::from_hours(23));
            assert_eq!(read(&errand[1..], now, wall), None);
        }
    }
}
