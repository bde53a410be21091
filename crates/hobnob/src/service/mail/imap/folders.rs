//! Mailboxes by their names: which there are, and what becomes of them.

use std::collections::BTreeMap;

use super::session::{ImapSaid, ImapSession};
use crate::codec::imap::{StatusItem, decode_name, encode_name};
use crate::error::Result;
use crate::service::mail::office::WITHIN;
use crate::store::{BoxView, LetterFlags};

/// What stands between a name and one below it.
const DELIMITER: char = '/';
const INBOX: &str = "INBOX";
/// Bytes of a pattern that is looked at.
const MAX_PATTERN: usize = 1_000;
/// Names that say what a box is for (RFC 6154).
const SPECIAL: [&str; 6] = ["Archive", "Drafts", "Flagged", "Junk", "Sent", "Trash"];

type Done<T> = std::result::Result<T, ImapSaid>;

impl ImapSession<'_> {
    fn own(&self) -> Done<&str> {
        self.inbox.as_deref().ok_or_else(|| ImapSaid::bad("first log in"))
    }

    /// The name in the store of a mailbox, as the client wrote it.
    pub(super) fn stored_name(&self, mailbox: &str) -> Done<String> {
        let own = self.own()?;
        let name = decode_name(mailbox).ok_or_else(|| ImapSaid::bad("that is no name"))?;
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
    fn mailboxes(&self) -> BTreeMap<String, bool> {
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

    fn subscribed(&self) -> Vec<String> {
        let Some(own) = &self.inbox else { return Vec::new() };
        let prefix = format!("{own}{WITHIN}");
        let names = self.office.subscriptions.names();
        names.iter().filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    pub(super) fn list(
        &mut self,
        selection: &[String],
        reference: &str,
        patterns: &[String],
        results: &[String],
    ) -> Done<ImapSaid> {
        self.own()?;
        if patterns.iter().all(String::is_empty) {
            self.tell("LIST (\\Noselect) \"/\" \"\"");
            return Ok(ImapSaid::ok("that is all"));
        }
        let has = |words: &[String], word: &str| words.iter().any(|known| known == word);
        let (all, subscribed) = (self.mailboxes(), self.subscribed());
        let only_subscribed = has(selection, "SUBSCRIBED");
        let shows_subscribed = only_subscribed || has(results, "SUBSCRIBED");
        let mut names: Vec<String> = all.keys().cloned().collect();
        if only_subscribed {
            names.clone_from(&subscribed);
        }
        for name in names {
            if !patterns.iter().any(|pattern| is_match(&format!("{reference}{pattern}"), &name)) {
                continue;
            }
            let special = SPECIAL.iter().find(|special| special.eq_ignore_ascii_case(&name));
            if has(selection, "SPECIAL-USE") && special.is_none() {
                continue;
            }
            let mut attributes = Vec::new();
            match all.get(&name) {
                Some(true) => {}
                Some(false) => attributes.push("\\Noselect".to_owned()),
                None => attributes.push("\\NonExistent".to_owned()),
            }
            let below = format!("{name}{DELIMITER}");
            let has_children = all.range(below.clone()..).next();
            let has_children = has_children.is_some_and(|(next, _)| next.starts_with(&below));
            let word = if has_children { "\\HasChildren" } else { "\\HasNoChildren" };
            attributes.push(word.to_owned());
            attributes.extend(special.map(|special| format!("\\{special}")));
            if shows_subscribed && subscribed.contains(&name) {
                attributes.push("\\Subscribed".to_owned());
            }
            self.tell(&format!("LIST ({}) \"/\" {}", attributes.join(" "), quoted(&name)));
            let status = results.iter().find_map(|word| word.strip_prefix("STATUS "));
            if let Some(items) = status.filter(|_| all.get(&name) == Some(&true)) {
                let items: Vec<_> = items.split(' ').filter_map(status_item).collect();
                self.tell_status(&encode_name(&name), &items);
            }
        }
        Ok(ImapSaid::ok("that is all"))
    }

    pub(super) fn lsub(&mut self, reference: &str, pattern: &str) -> Done<ImapSaid> {
        self.own()?;
        let all = self.mailboxes();
        for name in self.subscribed() {
            if is_match(&format!("{reference}{pattern}"), &name) {
                let word = if all.get(&name) == Some(&true) { "" } else { "\\Noselect" };
                self.tell(&format!("LSUB ({word}) \"/\" {}", quoted(&name)));
            }
        }
        Ok(ImapSaid::ok("that is all"))
    }

    pub(super) async fn status(&mut self, mailbox: &str, items: &[StatusItem]) -> Done<ImapSaid> {
        let name = self.known_name(mailbox, "[NONEXISTENT] there is no such box").await?;
        let _ = self.office.store.look(&name).await; // what cannot be read now was read before
        self.tell_status(mailbox, items);
        Ok(ImapSaid::ok("that is all"))
    }

    fn tell_status(&mut self, mailbox: &str, items: &[StatusItem]) {
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

fn quoted(name: &str) -> String {
    format!("\"{}\"", encode_name(name).replace('\\', "\\\\").replace('"', "\\\""))
}

fn status_item(word: &str) -> Option<StatusItem> {
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

/// Whether a name is one of a pattern: `*` stands for all, `%` for all but the delimiter. The work grows with the product of
/// the two lengths, whatever the pattern.
fn is_match(pattern: &str, name: &str) -> bool {
    let pattern = decode_name(pattern).unwrap_or_else(|| pattern.to_owned());
    if pattern.len() > MAX_PATTERN {
        return false;
    }
    let is_inbox = name == INBOX;
    let letters: Vec<char> = name.chars().collect();
    // Which beginnings of the name the beginning of the pattern stands for.
    let mut fits = vec![false; letters.len() + 1];
    fits[0] = true;
    for sign in pattern.chars() {
        if sign == '*' || sign == '%' {
            for at in 1..fits.len() {
                let may_grow = sign == '*' || letters[at - 1] != DELIMITER;
                fits[at] |= fits[at - 1] && may_grow;
            }
            continue;
        }
        for at in (1..fits.len()).rev() {
            let is_same =
                letters[at - 1] == sign || is_inbox && letters[at - 1].eq_ignore_ascii_case(&sign);
            fits[at] = fits[at - 1] && is_same;
        }
        fits[0] = false;
    }
    fits.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_names_and_cost_no_more_than_they_are_long() {
        for (pattern, name, fits) in [
            ("*", "a/b", true),
            ("%", "a/b", false),
            ("%", "a", true),
            ("a/%", "a/b", true),
            ("a%", "a/b", false),
            ("*b", "a/b", true),
            ("inbox", "INBOX", true),
            ("in%", "INBOX", true),
            ("A", "a", false),
            ("", "a", false),
            ("&AOk-*", "\u{e9}t", true),
        ] {
            assert_eq!(is_match(pattern, name), fits, "{pattern} {name}");
        }
        assert!(!is_match(&"*a".repeat(400), &"a".repeat(255)));
    }
}
