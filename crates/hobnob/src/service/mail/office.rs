//! What all doors of the service share.

use super::rules::MailRules;
use crate::store::MailStore;

/// The rules, and the letters.
pub(super) struct MailOffice {
    pub(super) rules: MailRules,
    /// The layer that STARTTLS puts on, with its settings.
    pub(super) tls: String,
    pub(super) store: MailStore,
}
