//! What the commands of a session share: who it is, which box is open, and the answers that are not sent yet.

use std::sync::Arc;

use super::seats::ImapBox;
use crate::conn::Conn;
use crate::error::Result;
use crate::event::MailDeed;
use crate::service::mail::office::MailOffice;
use crate::service::mail::step::MailReader;
use crate::session::Session;
use crate::store::{BoxView, FlagChange, LetterFlags, StoreFault, StoredLetter};

/// Answers that are gathered before they are sent, in bytes.
const GATHERED: usize = 16 * 1_024;

/// The last word on a command; the text may begin with a code in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ImapSaid {
    Ok(String),
    No(String),
    Bad(String),
}

impl ImapSaid {
    pub(super) fn ok(text: &str) -> Self {
        ImapSaid::Ok(text.to_owned())
    }

    pub(super) fn no(text: &str) -> Self {
        ImapSaid::No(text.to_owned())
    }

    pub(super) fn bad(text: &str) -> Self {
        ImapSaid::Bad(text.to_owned())
    }

    /// What is said where the store did not do what it was asked for.
    pub(super) fn of(fault: &StoreFault) -> Self {
        ImapSaid::No(match fault {
            StoreFault::Full(what) => format!("[OVERQUOTA] there is no room: {what}"),
            StoreFault::BadName => "[CANNOT] there can be no box of that name".to_owned(),
            StoreFault::Disk(error) => format!("[SERVERBUG] the disk refused it: {error}"),
            StoreFault::Closed => "[UNAVAILABLE] nothing is kept any more".to_owned(),
        })
    }
}

pub(super) struct ImapSession<'a> {
    pub(super) office: &'a MailOffice,
    pub(super) session: &'a Arc<Session>,
    /// The box of who has logged in, by its name in the store.
    pub(super) inbox: Option<String>,
    /// Who has logged in.
    pub(super) login: String,
    pub(super) selected: Option<ImapBox>,
    /// Answers that are not sent yet.
    pub(super) out: Vec<u8>,
}

impl ImapSession<'_> {
    /// Tells and notes what was done with letters.
    pub(super) fn did<'l>(
        &self,
        did: MailDeed,
        name: &str,
        letters: impl Iterator<Item = &'l StoredLetter>,
    ) {
        let (store, session, login) = (&self.office.store, self.session, &self.login);
        MailReader { store, session, login }.did(did, name, letters);
    }

    /// An answer that ends no command.
    pub(super) fn tell(&mut self, text: &str) {
        self.out.extend_from_slice(format!("* {text}\r\n").as_bytes());
    }

    /// The last word on a command.
    pub(super) fn say(&mut self, tag: &str, said: &ImapSaid) {
        let (word, text) = match said {
            ImapSaid::Ok(text) => ("OK", text),
            ImapSaid::No(text) => ("NO", text),
            ImapSaid::Bad(text) => ("BAD", text),
        };
        self.out.extend_from_slice(format!("{tag} {word} {text}\r\n").as_bytes());
    }

    /// Sends what is there.
    pub(super) async fn flush(&mut self, conn: &mut Conn) -> Result<()> {
        if !self.out.is_empty() {
            conn.send(&self.out).await?;
            self.out = Vec::new();
        }
        Ok(())
    }

    /// Sends what is there, where it is enough.
    pub(super) async fn flush_much(&mut self, conn: &mut Conn) -> Result<()> {
        self.session.note_held(self.out.capacity());
        if self.out.len() > GATHERED { self.flush(conn).await } else { Ok(()) }
    }

    /// Tells what has become of the open box; that letters are gone only where that may be told now (RFC 3501 section 7.4.1).
    pub(super) async fn update(&mut self, may_shrink: bool) {
        let Some(open) = &mut self.selected else { return };
        let view = self.office.store.view(&open.name);
        let after = self.office.recent_after(&open.name, &view, !open.is_read_only);
        let keywords = self.office.keywords.names();
        open.update(&view, may_shrink, after, &keywords, &mut self.out);
        if open.is_read_only {
            return;
        }
        let (name, new) = (open.name.clone(), new_ones(&view));
        if !new.is_empty() {
            // A letter that cannot be moved now is new for the next session too.
            let _ =
                self.office.store.mark(&name, &new, FlagChange::Add(LetterFlags::default())).await;
        }
    }
}

fn new_ones(view: &BoxView) -> Vec<u32> {
    view.letters.iter().filter(|letter| letter.is_new).map(|letter| letter.uid).collect()
}
