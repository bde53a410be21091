//! Mailboxes by their names: what becomes of them, and how full they are.

use std::collections::BTreeMap;

use super::session::{ImapSaid, ImapSession};
use crate::codec::imap::{StatusItem, decode_name, encode_name};
use crate::error::Result;
use crate::service::mail::office::WITHIN;
use crate::store::{BoxView, LetterFlags};

/// What stands between a name and one below it.
pub(super) const DELIMITER: char = '/';
pub(super) const INBOX: &str = "INBOX";

pub(super) type Done<T> = std::result::Result<T, ImapSaid>;

impl ImapSession<'_> {
    pub(super) fn own(&self) -> Done<&str> {
        self.inbox.as_deref().ok_or_else(|| ImapSaid::bad("first log in"))
    }

    /// The name in the store of a mailbox, as the client wrote it.
    pub(super) fn stored_name(&self, mailbox: &str) -> Done<String> {
        let own = self.own()?;
        let name = decode_name(mailbox).ok_or_else(|| ImapSaid::no("[CANNOT] that is no name"))?;
        if name.eq_ignore_ascii_case(INBOX) {
            return Ok(own.to_owned());
        }
        let is_name =
            !name.contains(char::is_control) && name.split(DELIMITER).all(|n| !n.is_empty());
        if !is_name {
            return Err(ImapSaid::no("[CANNOT] there can be no box of that name"));
        }
        Ok(format!("{own}{WITHIN}{name}"))
    }

    /// The same of a mailbox that is there.
    pub(super) async fn known_name(&self, mailbox: &str, missing: &str) -> Done<String> {
        let name = self.stored_name(mailbox)?;
        if Some(&name) == self.inbox.as_ref() {
            // INBOX always is, as soon as somebody asks for it.
            self.office.store.make_box(&name).await.map_err(|fault| ImapSaid::of(&fault))?;
        }
        let is_there = self.office.store.view(&name).validity > 0;
        is_there.then_some(name).ok_or_else(|| ImapSaid::no(missing))
    }

    /// The mailboxes that there are, and those above one that are none (false), by their names.
    pub(super) fn mailboxes(&self) -> BTreeMap<String, bool> {
        let Some(own) = &self.inbox else { return BTreeMap::new() };
        let mut all = BTreeMap::from([(INBOX.to_owned(), true)]);
        for name in self.office.store.boxes() {
            let below = name.strip_prefix(own.as_str()).and_then(|rest| rest.strip_prefix(WITHIN));
            let Some(name) = below else { continue };
            for (at, _) in name.match_indices(DELIMITER) {
                all.entry(name[..at].to_owned()).or_insert(false);
            }
            all.insert(name.to_owned(), true);
        }
        all
    }

    fn is_listed(&self, mailbox: &str) -> bool {
        decode_name(mailbox).is_some_and(|name| self.mailboxes().contains_key(&name))
    }

    pub(super) fn subscribed(&self) -> Vec<String> {
        let Some(own) = &self.inbox else { return Vec::new() };
        let prefix = format!("{own}{WITHIN}");
        let names = self.office.subscriptions.names();
        names.iter().filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    pub(super) async fn status(&mut self, mailbox: &str, items: &[StatusItem]) -> Done<ImapSaid> {
        let name = self.known_name(mailbox, "[NONEXISTENT] there is no such box").await?;
        let _ = self.office.store.look(&name).await; // what cannot be read now was read before
        self.tell_status(mailbox, items);
        Ok(ImapSaid::ok("that is all"))
    }

    pub(super) fn tell_status(&mut self, mailbox: &str, items: &[StatusItem]) {
        let Ok(name) = self.stored_name(mailbox) else { return };
        let view = self.office.store.view(&name);
        let after = self.office.recent_after(&name, &view, false);
        let items: Vec<_> = items.iter().map(|item| status_of(*item, &view, after)).collect();
        let shown = decode_name(mailbox).unwrap_or_default();
        self.tell(&format!("STATUS {} ({})", quoted(&shown), items.join(" ")));
    }

    pub(super) async fn create(&mut self, mailbox: &str) -> Done<ImapSaid> {
        let mailbox = mailbox.strip_suffix(DELIMITER).unwrap_or(mailbox);
        let name = self.stored_name(mailbox)?;
        if self.office.store.view(&name).validity > 0 || Some(&name) == self.inbox.as_ref() {
            return Err(ImapSaid::no("[ALREADYEXISTS] there is such a box"));
        }
        let made = self.office.store.make_box(&name).await;
        made.map_err(|fault| ImapSaid::of(&fault))?;
        Ok(ImapSaid::ok("it is made"))
    }

    pub(super) async fn delete(&mut self, mailbox: &str) -> Done<ImapSaid> {
        let name = self.known_name(mailbox, "[NONEXISTENT] there is no such box").await?;
        if Some(&name) == self.inbox.as_ref() {
            return Err(ImapSaid::no("[CANNOT] INBOX stays"));
        }
        let removed = self.office.store.remove_box(&name).await;
        removed.map_err(|fault| ImapSaid::of(&fault))?;
        Ok(ImapSaid::ok("it is gone"))
    }

    /// Renames a mailbox that is not INBOX, and all below it.
    pub(super) async fn rename(&mut self, from: &str, to: &str) -> Done<ImapSaid> {
        let to = to.strip_suffix(DELIMITER).unwrap_or(to);
        let (old, new) = (self.stored_name(from)?, self.stored_name(to)?);
        let below = |name: &str| format!("{name}{DELIMITER}");
        let boxes = self.office.store.boxes();
        if boxes.contains(&new) || Some(&new) == self.inbox.as_ref() {
            return Err(ImapSaid::no("[ALREADYEXISTS] there is such a box"));
        }
        if new.starts_with(&below(&old)) {
            return Err(ImapSaid::no("[CANNOT] a box cannot lie within itself"));
        }
        let moved = boxes.iter().filter_map(|name| {
            let rest = name.strip_prefix(&old)?;
            let is_it = rest.is_empty() || rest.starts_with(DELIMITER);
            is_it.then(|| (name.clone(), format!("{new}{rest}")))
        });
        let moved: Vec<_> = moved.collect();
        if moved.is_empty() {
            return Err(ImapSaid::no("[NONEXISTENT] there is no such box"));
        }
        for (from, to) in moved {
            let renamed = self.office.store.rename_box(&from, &to).await;
            renamed.map_err(|fault| ImapSaid::of(&fault))?;
        }
        Ok(ImapSaid::ok("it is called so"))
    }

    pub(super) async fn subscribe(
        &mut self,
        mailbox: &str,
        is_subscribed: bool,
    ) -> Result<Done<ImapSaid>> {
        let name = match self.stored_name(mailbox) {
            Ok(name) => name,
            Err(said) => return Ok(Err(said)),
        };
        // A name that is listed is there, or was when somebody asked for it (RFC 3501 section 6.3.6 lets a server look).
        if is_subscribed && !self.is_listed(mailbox) {
            return Ok(Err(ImapSaid::no("[NONEXISTENT] there is no such box")));
        }
        // INBOX stands among the others here, by its own name.
        let name = match &self.inbox {
            Some(own) if name == *own => format!("{own}{WITHIN}{INBOX}"),
            _ => name,
        };
        let list = self.office.subscriptions.clone();
        let change = move || {
            if is_subscribed { list.add(&name) } else { list.remove(&name).map(|()| true) }
        };
        Ok(match self.session.work(change).await? {
            Ok(true) => Ok(ImapSaid::ok("it is noted")),
            Ok(false) => Err(ImapSaid::no("[LIMIT] there are too many already")),
            Err(error) => {
                Err(ImapSaid::No(format!("[SERVERBUG] it could not be written: {error}")))
            }
        })
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", encode_name(name).replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn status_item(word: &str) -> Option<StatusItem> {
    Some(match word {
        "MESSAGES" => StatusItem::Messages,
        "RECENT" => StatusItem::Recent,
        "UIDNEXT" => StatusItem::UidNext,
        "UIDVALIDITY" => StatusItem::UidValidity,
        "UNSEEN" => StatusItem::Unseen,
        "SIZE" => StatusItem::Size,
        "DELETED" => StatusItem::Deleted,
        _ => return None,
    })
}

fn status_of(item: StatusItem, view: &BoxView, recent_after: u32) -> String {
    let has = |flag| view.letters.iter().filter(|letter| letter.flags.has(flag)).count();
    let recent = view.letters.iter().filter(|letter| letter.uid > recent_after).count();
    match item {
        StatusItem::Messages => format!("MESSAGES {}", view.letters.len()),
        StatusItem::Recent => format!("RECENT {recent}"),
        StatusItem::UidNext => format!("UIDNEXT {}", view.next.max(1)),
        StatusItem::UidValidity => format!("UIDVALIDITY {}", view.validity),
        StatusItem::Unseen => format!("UNSEEN {}", view.letters.len() - has(LetterFlags::SEEN)),
        StatusItem::Deleted => format!("DELETED {}", has(LetterFlags::DELETED)),
        StatusItem::Size => {
            format!("SIZE {}", view.letters.iter().map(|letter| letter.size).sum::<u64>())
        }
    }
}
