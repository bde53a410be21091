//! What is done with letters that were kept, as it is told and as it is noted beside them.

use std::time::SystemTime;

use crate::codec::json::JsonWriter;
use crate::event::{Fact, MailDeed, Mailed};
use crate::session::Session;
use crate::store::{MailStore, StoredLetter};

/// Somebody who reads letters, by a session.
#[derive(Clone, Copy)]
pub(super) struct MailReader<'a> {
    pub(super) store: &'a MailStore,
    pub(super) session: &'a Session,
    /// Who has logged in; empty: nobody, where that is not needed.
    pub(super) login: &'a str,
}

impl MailReader<'_> {
    /// Notes what was done with letters of a box, and tells it where somebody looks.
    pub(super) fn did<'l>(
        &self,
        did: MailDeed,
        name: &str,
        letters: impl Iterator<Item = &'l StoredLetter>,
    ) {
        let (session, login) = (self.session, self.login);
        let is_watched = session.bus().is_watched();
        let peer = session.facts.peer.to_string();
        for letter in letters {
            let (serial, by) = (letter.serial(), session.door());
            if let Some(serial) = serial {
                let at = session.clock().wall();
                let step = MailStep { did, at, by, login, peer: &peer, to: &[], detail: name };
                self.store.add_note(serial, step.json());
            }
            if is_watched {
                session.emit(Fact::Mailed(Box::new(Mailed {
                    did,
                    letter: serial.unwrap_or(0),
                    boxes: vec![(name.to_owned(), letter.uid)],
                    size: letter.size,
                    login: login.to_owned(),
                    detail: by.to_owned(),
                    ..Mailed::default()
                })));
            }
        }
    }
}

/// One step, as a line beside a letter has it.
pub(super) struct MailStep<'a> {
    pub(super) did: MailDeed,
    pub(super) at: SystemTime,
    /// The door.
    pub(super) by: &'a str,
    pub(super) login: &'a str,
    pub(super) peer: &'a str,
    /// Whom it is about, where the letter is for several.
    pub(super) to: &'a [String],
    /// Why, or the box.
    pub(super) detail: &'a str,
}

impl MailStep<'_> {
    pub(super) fn json(&self) -> String {
        let mut json = JsonWriter::default();
        json.begin('{').name("at").text(&crate::clock::rfc3339(self.at));
        json.name("did").text(self.did.word());
        let texts =
            [("by", self.by), ("login", self.login), ("peer", self.peer), ("detail", self.detail)];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            json.name(name).text(text);
        }
        if !self.to.is_empty() {
            json.name("to").texts(self.to.iter().map(String::as_str));
        }
        json.end('}');
        json.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_step_is_one_line_whatever_the_next_server_said() {
        let (did, at, to) = (MailDeed::Forwarded, UNIX_EPOCH, ["li@test".to_owned()]);
        let step =
            MailStep { did, at, by: "", login: "", peer: "", to: &to, detail: "250 \n\"ok\"" };
        assert_eq!(
            step.json(),
            "{\"at\":\"1970-01-01T00:00:00.000Z\",\"did\":\"forwarded\",\"detail\":\"250 \\u000a\\\"ok\\\"\",\"to\":[\"li@test\"]}"
        );
    }
}
