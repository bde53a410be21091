//! How the service was asked to behave.

use std::collections::HashMap;

use crate::codec::sasl::Login;
use crate::store::ALL;

/// Whether something is there for who wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is there.
    There,
    /// Nothing goes without it.
    Need,
    /// It is not there.
    Off,
}

impl Offer {
    /// The words of an option.
    pub(super) const WORDS: &'static [&'static str] = &["offer", "need", "off"];

    pub(super) fn of(word: &str) -> Self {
        match word {
            "need" => Offer::Need,
            "off" => Offer::Off,
            _ => Offer::There,
        }
    }
}

/// How letters are spread over boxes, beside the one for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BoxesBy {
    /// There is one for all.
    One,
    /// By whom they are for.
    Recipient,
    /// By who logged in to send them.
    User,
}

impl BoxesBy {
    /// The words of an option.
    pub(super) const WORDS: &'static [&'static str] = &["one", "recipient", "user"];

    pub(super) fn of(word: &str) -> Self {
        match word {
            "recipient" => BoxesBy::Recipient,
            "user" => BoxesBy::User,
            _ => BoxesBy::One,
        }
    }
}

/// What all sessions go by.
#[derive(Debug, Clone)]
pub(super) struct MailRules {
    /// What the server calls itself.
    pub(super) host: String,
    /// Bytes of the largest letter.
    pub(super) size: u64,
    /// Whether what a sender does wrong is refused.
    pub(super) is_strict: bool,
    /// Whether a letter begins with lines that say where it came from.
    pub(super) has_trace: bool,
    pub(super) auth: Offer,
    pub(super) starttls: Offer,
    pub(super) boxes: BoxesBy,
    /// Whether letters are passed on.
    pub(super) forwards: bool,
    /// Who may log in, with their passwords; none: anybody.
    pub(super) users: Option<HashMap<String, String>>,
    /// Names that the door for browsers goes by.
    #[cfg(feature = "http")]
    pub(super) web_hosts: Vec<String>,
}

impl MailRules {
    /// Whether anybody may send.
    pub(super) fn is_open(&self) -> bool {
        self.auth != Offer::Need || self.users.is_none()
    }

    /// Who logs in, where the password is right: the name in small letters.
    pub(super) fn check(&self, login: &Login) -> Option<String> {
        let name = login.name.to_lowercase();
        match &self.users {
            None => Some(name),
            Some(users) => {
                users.get(&name).is_some_and(|right| *right == login.password).then_some(name)
            }
        }
    }

    /// The boxes that a letter goes into.
    pub(super) fn boxes(&self, to: &[String], sender: Option<&str>) -> Vec<String> {
        let mut boxes = vec![ALL.to_owned()];
        match self.boxes {
            BoxesBy::One => {}
            BoxesBy::Recipient => boxes.extend(to.iter().map(|to| box_of(to))),
            BoxesBy::User => boxes.extend(sender.map(str::to_owned)),
        }
        boxes
    }
}

/// The box of an address: in small letters, and without what stands behind a plus.
fn box_of(address: &str) -> String {
    let address = address.to_lowercase();
    let (local, domain) = address.rsplit_once('@').unwrap_or((&address, ""));
    let name =
        if local.starts_with('"') { local } else { local.split('+').next().unwrap_or(local) };
    let name = if name.is_empty() { local } else { name };
    if domain.is_empty() { name.to_owned() } else { format!("{name}@{domain}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_box_however_it_is_written() {
        for (address, name) in [
            ("Li@Test", "li@test"),
            ("li+news+x@test", "li@test"),
            ("+x@test", "+x@test"),
            ("\"a+b\"@test", "\"a+b\"@test"),
            ("postmaster", "postmaster"),
        ] {
            assert_eq!(box_of(address), name);
        }
    }
}
