//! What all doors of the service share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::rules::{BoxesBy, MailRules};
use crate::store::{ALL, MailStore};

/// The rules, and the letters.
pub(super) struct MailOffice {
    pub(super) rules: MailRules,
    /// The layer that STARTTLS puts on, with its settings.
    pub(super) tls: String,
    pub(super) store: Arc<MailStore>,
    /// The boxes that one session has for itself.
    claimed: Mutex<HashSet<String>>,
}

impl MailOffice {
    pub(super) fn new(rules: MailRules, tls: String, store: MailStore) -> Self {
        MailOffice { rules, tls, store: Arc::new(store), claimed: Mutex::default() }
    }

    /// The box that somebody sees who logged in by this name, in small letters: the one of that address, or of that part
    /// before an `@`; the box for all is called so.
    pub(super) fn box_of(&self, name: &str) -> String {
        if self.rules.boxes == BoxesBy::One || name == ALL {
            return ALL.to_owned();
        }
        let is_its = |known: &String| {
            known == name || known.rsplit_once('@').is_some_and(|(local, _)| local == name)
        };
        self.store.boxes().into_iter().find(is_its).unwrap_or_else(|| name.to_owned())
    }

    /// Has a box for one session alone; none where another session has it.
    pub(super) fn claim(&self, name: &str) -> Option<BoxClaim<'_>> {
        let is_free = self.claimed().insert(name.to_owned());
        is_free.then(|| BoxClaim { office: self, name: name.to_owned() })
    }

    fn claimed(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A box that one session has for itself, as long as this lives.
pub(super) struct BoxClaim<'a> {
    office: &'a MailOffice,
    pub(super) name: String,
}

impl Drop for BoxClaim<'_> {
    fn drop(&mut self) {
        self.office.claimed().remove(&self.name);
    }
}
