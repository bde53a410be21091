//! LIST and LSUB (RFC 3501 section 6.3.8): which mailboxes there are, with what RFC 5258 may ask beside.

use std::collections::BTreeSet;

use super::folders::{DELIMITER, Done, INBOX, quoted, status_item};
use super::session::{ImapSaid, ImapSession};
use crate::codec::imap::{decode_name, encode_name};

/// Bytes of a pattern that is looked at.
const MAX_PATTERN: usize = 1_000;
/// Names that say what a box is for (RFC 6154).
const SPECIAL: [&str; 6] = ["Archive", "Drafts", "Flagged", "Junk", "Sent", "Trash"];
/// What may be asked for in front of a reference, and behind `RETURN`, where STATUS has words of its own.
const SELECTIONS: [&str; 4] = ["SUBSCRIBED", "SPECIAL-USE", "REMOTE", "RECURSIVEMATCH"];
const RESULTS: [&str; 3] = ["SUBSCRIBED", "SPECIAL-USE", "CHILDREN"];

impl ImapSession<'_> {
    pub(super) fn list(
        &mut self,
        selection: &[String],
        reference: &str,
        patterns: &[String],
        results: &[String],
    ) -> Done<ImapSaid> {
        self.own()?;
        check_words(selection, results)?;
        if patterns.iter().all(String::is_empty) {
            self.tell("LIST (\\Noselect) \"/\" \"\"");
            return Ok(ImapSaid::ok("that is all"));
        }
        let (all, subscribed) = (self.mailboxes(), self.subscribed());
        let fits = |name: &str| {
            patterns.iter().any(|pattern| is_match(&format!("{reference}{pattern}"), name))
        };
        let only_subscribed = has(selection, "SUBSCRIBED");
        let shows_subscribed = only_subscribed || has(results, "SUBSCRIBED");
        let hidden = if has(selection, "RECURSIVEMATCH") {
            above(&subscribed, fits)
        } else {
            BTreeSet::new()
        };
        let mut names: BTreeSet<&str> = if only_subscribed {
            subscribed.iter().map(String::as_str).collect()
        } else {
            all.keys().map(String::as_str).collect()
        };
        names.retain(|name| fits(name));
        names.extend(&hidden);
        let status = results.iter().find_map(|word| word.strip_prefix("STATUS "));
        for name in names {
            let special = SPECIAL.iter().find(|special| special.eq_ignore_ascii_case(name));
            if has(selection, "SPECIAL-USE") && special.is_none() {
                continue;
            }
            let mut attributes = Vec::new();
            match all.get(name) {
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
            if shows_subscribed && subscribed.iter().any(|known| known == name) {
                attributes.push("\\Subscribed".to_owned());
            }
            let attributes = attributes.join(" ");
            let why = if hidden.contains(name) { " (\"CHILDINFO\" (\"SUBSCRIBED\"))" } else { "" };
            self.tell(&format!("LIST ({attributes}) \"/\" {}{why}", quoted(name)));
            if let Some(items) = status.filter(|_| all.get(name) == Some(&true)) {
                let items: Vec<_> = items.split(' ').filter_map(status_item).collect();
                self.tell_status(&encode_name(name), &items);
            }
        }
        Ok(ImapSaid::ok("that is all"))
    }

    pub(super) fn lsub(&mut self, reference: &str, pattern: &str) -> Done<ImapSaid> {
        self.own()?;
        let (all, subscribed) = (self.mailboxes(), self.subscribed());
        let fits = |name: &str| is_match(&format!("{reference}{pattern}"), name);
        for name in subscribed.iter().filter(|name| fits(name)) {
            let word = if all.get(name) == Some(&true) { "" } else { "\\Noselect" };
            self.tell(&format!("LSUB ({word}) \"/\" {}", quoted(name)));
        }
        // `%` stops above what is subscribed, and says that something is below (RFC 3501 section 6.3.9).
        for name in above(&subscribed, fits) {
            if !subscribed.iter().any(|known| known == name) {
                self.tell(&format!("LSUB (\\Noselect) \"/\" {}", quoted(name)));
            }
        }
        Ok(ImapSaid::ok("that is all"))
    }
}

fn has(words: &[String], word: &str) -> bool {
    words.iter().any(|known| known == word)
}

fn check_words(selection: &[String], results: &[String]) -> Done<()> {
    if let Some(word) = selection.iter().find(|word| !SELECTIONS.contains(&word.as_str())) {
        return Err(ImapSaid::Bad(format!("LIST selects nothing by {word}")));
    }
    let is_known = |word: &&String| RESULTS.contains(&word.as_str()) || word.starts_with("STATUS ");
    if let Some(word) = results.iter().find(|word| !is_known(word)) {
        return Err(ImapSaid::Bad(format!("LIST returns nothing of the name {word}")));
    }
    // RFC 5258 section 3.1: it says how far the others reach, and REMOTE is none of them.
    if has(selection, "RECURSIVEMATCH") && !has(selection, "SUBSCRIBED") {
        return Err(ImapSaid::bad("RECURSIVEMATCH goes with SUBSCRIBED"));
    }
    Ok(())
}

/// The names that fit, above one of these that does not.
fn above(names: &[String], fits: impl Fn(&str) -> bool) -> BTreeSet<&str> {
    let beyond = names.iter().filter(|name| !fits(name));
    let parents = beyond.flat_map(|name| name.match_indices(DELIMITER).map(|(at, _)| &name[..at]));
    parents.filter(|parent| fits(parent)).collect()
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
