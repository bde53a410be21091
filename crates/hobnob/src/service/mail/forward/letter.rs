//! A letter that is passed on, and what the next server made of it.

use std::time::Duration;

use crate::codec::smtp::{Mailbox, SmtpAnswer};

/// The option that names the next server.
pub(crate) const FORWARD: &str = "forward";
/// Received lines of a letter that goes in circles (RFC 5321 section 6.3 asks for a large number).
pub(crate) const MAX_RECEIVED: usize = 30;

/// A letter that is to be passed on.
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
    pub(crate) began: Duration,
    pub(crate) due: Duration,
}

impl PassedLetter {
    /// A letter, with the lines that say where it came from, of which `skip` bytes stand in its file.
    pub(crate) fn new(serial: u64, uid: u32, from: Option<Mailbox>, now: Duration) -> Self {
        let (to, trace) = (Vec::new(), String::new());
        PassedLetter { serial, uid, from, to, trace, skip: 0, tries: 0, began: now, due: now }
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
