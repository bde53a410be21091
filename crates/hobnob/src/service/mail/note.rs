//! What is known of a letter beside its bytes, as JSON.

use std::fmt::Write as _;

use super::finding::Finding;
use super::script::MailScript;
use crate::codec::json::quote;

/// What is known of a letter.
pub(super) struct LetterNote<'a> {
    pub(super) serial: u64,
    pub(super) at: String,
    pub(super) peer: &'a str,
    pub(super) client: &'a str,
    pub(super) with: &'a str,
    pub(super) login: Option<&'a str>,
    /// Who sends; empty: nobody.
    pub(super) from: String,
    pub(super) to: &'a [String],
    /// Bytes of our own lines at its beginning.
    pub(super) trace: usize,
    pub(super) findings: &'a [&'static Finding],
    pub(super) script: &'a MailScript,
}

impl LetterNote<'_> {
    pub(super) fn json(&self) -> String {
        let mut out = format!("{{\"v\":1,\"serial\":{}", self.serial);
        let mut text = |key: &str, value: &str| {
            let _ = write!(out, ",\"{key}\":"); // a String takes all
            quote(&mut out, value);
        };
        text("at", &self.at);
        text("peer", self.peer);
        text("client", self.client);
        text("with", self.with);
        if let Some(login) = self.login {
            text("login", login);
        }
        text("from", &self.from);
        let _ = write!(out, ",\"trace\":{}", self.trace);
        list(&mut out, "to", self.to.iter().map(String::as_str));
        list(&mut out, "findings", self.findings.iter().map(|finding| finding.slug));
        list(&mut out, "dialogue", self.script.lines().iter().map(String::as_str));
        out.push_str("}\n");
        out
    }
}

fn list<'a>(out: &mut String, key: &str, items: impl Iterator<Item = &'a str>) {
    let _ = write!(out, ",\"{key}\":["); // a String takes all
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        quote(out, item);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_json_whatever_a_peer_said() {
        let mut script = MailScript::default();
        script.heard(b"MAIL FROM:<\"a\\\"\x1b\xff\"@b>");
        let note = LetterNote {
            serial: 7,
            at: "now".to_owned(),
            peer: "p",
            client: "c",
            with: "ESMTP",
            login: None,
            from: String::new(),
            to: &["a".to_owned(), "b".to_owned()],
            trace: 9,
            findings: &[&super::super::finding::BARE_LF],
            script: &script,
        };
        assert_eq!(
            note.json(),
            "{\"v\":1,\"serial\":7,\"at\":\"now\",\"peer\":\"p\",\"client\":\"c\",\"with\":\"ESMTP\",\
             \"from\":\"\",\"trace\":9,\"to\":[\"a\",\"b\"],\"findings\":[\"bare-lf\"],\
             \"dialogue\":[\"> MAIL FROM:<\\\"a\\\\\\\"\\u001b\u{fffd}\\\"@b>\"]}\n"
        );
    }
}
