//! What is wanted of a mailbox, and what a letter in it is known by.

use std::time::Duration;

use super::talk::MailWitness;
use crate::codec::sasl::Login;

/// Silence that is borne where nobody says otherwise.
const PATIENCE: Duration = Duration::from_mins(1);
/// The mailbox that everybody has.
const INBOX: &str = "INBOX";

/// What is wanted of a mailbox.
#[derive(Debug, Clone)]
pub struct PickupWish {
    /// Who looks.
    pub login: Login,
    /// The mailbox, where there are several: `INBOX`.
    pub mailbox: String,
    /// Whether letters may be deleted; otherwise nothing is changed.
    pub may_delete: bool,
    /// How long the server may say nothing.
    pub patience: Duration,
    /// Who is told what is said.
    pub witness: MailWitness,
}

impl PickupWish {
    /// To look only.
    pub fn of(login: Login) -> Self {
        let (mailbox, witness) = (INBOX.to_owned(), MailWitness::default());
        PickupWish { login, mailbox, may_delete: false, patience: PATIENCE, witness }
    }
}

/// A letter in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PickedHead {
    /// Its number in the mailbox, from 1, as long as the conversation lasts.
    pub number: u32,
    /// Its name that lasts, as the server says it.
    pub uid: String,
    /// Its bytes, as the server says.
    pub size: u64,
    /// Fields of its head. They come from the peer, and from a sender.
    pub head: Vec<u8>,
}
