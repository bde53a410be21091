//! APPEND (RFC 3501 section 6.3.11, and RFC 4315): a letter that goes to the store as it comes.

use super::dates;
use super::session::{ImapSaid, ImapSession};
use crate::codec::imap::AppendHead;
use crate::error::Result;
use crate::store::{FlagChange, LetterDraft, LetterFlags, StoreFault};

/// A letter that is coming.
pub(super) struct ImapAppend {
    pub(super) tag: String,
    /// The box in the store.
    name: String,
    flags: LetterFlags,
    draft: LetterDraft,
    fault: Option<StoreFault>,
}

impl ImapAppend {
    /// Bytes of it in memory.
    pub(super) fn held(&self) -> usize {
        self.draft.held()
    }

    /// Adds to the letter. What cannot be written is answered once the letter is whole.
    pub(super) async fn write(&mut self, text: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        self.draft.push(text);
        if self.draft.is_full() {
            self.fault = self.draft.flush().await.err();
        }
    }
}

impl ImapSession<'_> {
    /// Whether a letter may come, and where it goes.
    pub(super) async fn appendable(
        &mut self,
        tag: &str,
        head: AppendHead,
        size: u64,
        most: u64,
    ) -> Result<std::result::Result<ImapAppend, ImapSaid>> {
        if size > most {
            return Ok(Err(ImapSaid::No(format!("[TOOBIG] a letter has {most} bytes at most"))));
        }
        let missing = "[TRYCREATE] there is no such box";
        let name = match self.known_name(&head.mailbox, missing).await {
            Ok(name) => name,
            Err(said) => return Ok(Err(said)),
        };
        let flags = match self.flags(&head.flags).await? {
            Ok(flags) => flags,
            Err(said) => return Ok(Err(said)),
        };
        let mut draft = self.office.store.draft();
        if let Some(date) = &head.date {
            let Some(received) = dates::read_internal(date) else {
                return Ok(Err(ImapSaid::bad("that is no time")));
            };
            draft.received_at(received);
        }
        Ok(Ok(ImapAppend { tag: tag.to_owned(), name, flags, draft, fault: None }))
    }

    /// Keeps the letter that is whole.
    pub(super) async fn keep(
        &self,
        append: ImapAppend,
    ) -> std::result::Result<ImapSaid, StoreFault> {
        if let Some(fault) = append.fault {
            return Err(fault);
        }
        let (store, name) = (&self.office.store, append.name);
        // What goes in is recent even where its flags move it away from what is new.
        let _ = self.office.recent_after(&name, &store.view(&name), false);
        let kept = store.keep(append.draft, &[&name], b"").await?;
        let uid = kept.boxes.first().map_or(0, |kept| kept.uid);
        if append.flags != LetterFlags::default() {
            store.mark(&name, &[uid], FlagChange::Set(append.flags)).await?;
        }
        let validity = store.view(&name).validity;
        Ok(ImapSaid::Ok(format!("[APPENDUID {validity} {uid}] it is kept")))
    }
}
