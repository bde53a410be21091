//! The way of a letter, as a person reads it.

use hobnob::event::{MailDeed, MailFinding, Mailed};

use crate::report::look::Look;
use crate::report::show::{safe, size};

/// Cells before the text of a line that is not the first: `  MUA   `.
pub(crate) const INDENT: usize = 8;

/// One step, in lines: who sent a letter (MUA), what took it (MTA), where it lies (MDA), and what is to be known of it (!).
pub(crate) fn lines(mailed: &Mailed, look: Look) -> Vec<String> {
    let number =
        if mailed.letter == 0 { String::new() } else { format!("letter {}   ", mailed.letter) };
    let from_box = || mailed.boxes.first().map_or(String::new(), |(name, _)| safe(name));
    let detail = safe(&mailed.detail);
    let mut lines = match mailed.did {
        MailDeed::Kept => kept(mailed, look),
        MailDeed::Refused => {
            vec![format!("refused   {}", envelope(mailed, look)), format!("  MTA   {detail}")]
        }
        MailDeed::Fetched | MailDeed::Deleted => {
            let did = if mailed.did == MailDeed::Fetched { "fetched" } else { "deleted" };
            vec![format!("{number}{did} from {} by {detail}{}", from_box(), login(mailed))]
        }
        MailDeed::Forwarded => vec![format!("{number}forwarded, for {}: {detail}", whom(mailed))],
        MailDeed::Queued => vec![format!("{number}waits, for {}: {detail}", whom(mailed))],
        MailDeed::Bounced => vec![format!("{number}came back, for {}: {detail}", whom(mailed))],
        MailDeed::Dropped => vec![format!("{number}went from {}: {detail}", from_box())],
        MailDeed::Noted => {
            let found = mailed.findings.iter().map(finding).collect::<Vec<_>>().join("   ");
            return vec![format!("{number}{found}")];
        }
    };
    lines.extend(mailed.findings.iter().map(|found| format!("  !     {}", finding(found))));
    lines
}

fn kept(mailed: &Mailed, look: Look) -> Vec<String> {
    let login = login(mailed);
    let boxes = mailed.boxes.iter().map(|(name, uid)| format!("box {}, uid {uid}", safe(name)));
    let mut lies: Vec<String> = boxes.collect();
    lies.push(safe(&mailed.file));
    vec![
        format!("letter {}   {}", mailed.letter, envelope(mailed, look)),
        format!("  MUA   {}", safe(&mailed.client)),
        format!("  MTA   {}{login}", safe(&mailed.with)),
        format!("  MDA   {}", lies.join("   ")),
    ]
}

/// `, as li`; nothing of somebody who has not logged in.
fn login(mailed: &Mailed) -> String {
    match &*mailed.login {
        "" => String::new(),
        login => format!(", as {}", safe(login)),
    }
}

/// `app@test » li@test, wang@test   subject   41 KB`.
fn envelope(mailed: &Mailed, look: Look) -> String {
    let from = if mailed.from.is_empty() { "<>".to_owned() } else { safe(&mailed.from) };
    let to = whom(mailed);
    let subject = match &*mailed.subject {
        "" => "(no subject)".to_owned(),
        subject => safe(subject),
    };
    format!("{from} {} {to}   {subject}   {}", look.sent(), size(mailed.size))
}

/// Whom it is for; of many the first three.
fn whom(mailed: &Mailed) -> String {
    match &*mailed.to {
        [first, second, third, _, ..] => {
            let rest = mailed.to.len() - 3;
            format!("{}, {}, {} and {rest} more", safe(first), safe(second), safe(third))
        }
        few => few.iter().map(|to| safe(to)).collect::<Vec<_>>().join(", "),
    }
}

fn finding(found: &MailFinding) -> String {
    in_words(found.slug, found.text, found.source)
}

/// What was found: `no-date: there is no Date header (RFC 5322 3.6)`.
pub(crate) fn in_words(slug: &str, text: &str, source: &str) -> String {
    format!("{slug}: {text} ({source})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_told_from_who_sent_it_to_where_it_lies() {
        let found =
            MailFinding { slug: "no-date", source: "RFC 5322 3.6", text: "none", is_wrong: true };
        let mailed = Mailed {
            letter: 2,
            boxes: vec![("all".to_owned(), 2), ("li@test".to_owned(), 1)],
            file: "new/1.M2".to_owned(),
            from: "app@test".to_owned(),
            to: ["a@t", "b@t", "c@t", "d@t"].map(str::to_owned).to_vec(),
            subject: "\u{4f60}\u{1b}[0m".to_owned(),
            size: 41_984,
            client: "me".to_owned(),
            with: "ESMTPA".to_owned(),
            login: "u".to_owned(),
            findings: vec![found],
            ..Mailed::default()
        };
        assert_eq!(
            lines(&mailed, Look::default()),
            [
                "letter 2   app@test \u{bb} a@t, b@t, c@t and 1 more   \u{4f60}\\x1b[0m   41,984 B",
                "  MUA   me",
                "  MTA   ESMTPA, as u",
                "  MDA   box all, uid 2   box li@test, uid 1   new/1.M2",
                "  !     no-date: none (RFC 5322 3.6)",
            ]
        );
        let fetched = Mailed {
            did: MailDeed::Fetched,
            letter: 2,
            boxes: vec![("all".to_owned(), 2)],
            login: "li".to_owned(),
            detail: "pop3".to_owned(),
            ..Mailed::default()
        };
        assert_eq!(
            lines(&fetched, Look::default()),
            ["letter 2   fetched from all by pop3, as li"]
        );
    }
}
