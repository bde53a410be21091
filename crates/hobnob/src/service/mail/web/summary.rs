//! What a list says of a letter.

use crate::codec::json::{JsonValue, JsonWriter};
use crate::codec::mime::{ShownAddress, ShownHead, ShownLetter};
use crate::store::{LetterFlags, StoredLetter};

/// Characters of a letter's beginning that a list shows.
const SNIPPET: usize = 250;

/// What is known of a letter without looking at it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LetterSummary {
    pub(super) head: ShownHead,
    /// Whom it was for without being named by `To` or `Cc`.
    pub(super) bcc: Vec<ShownAddress>,
    pub(super) subject: String,
    /// Who had logged in to send it.
    pub(super) login: String,
    pub(super) snippet: String,
    /// Parts that it carries beside its text.
    pub(super) attachments: usize,
}

impl LetterSummary {
    /// What a letter shows, and what was noted when it came.
    pub(super) fn of(note: &JsonValue, shown: &ShownLetter) -> Self {
        let head = shown.head.clone();
        let mut bcc = head.bcc.clone();
        // Whom RCPT named and no header does: mailpit puts those here as well.
        for to in note.texts("to") {
            let is_it = |known: &&ShownAddress| known.address.eq_ignore_ascii_case(to);
            if !head.to.iter().chain(&head.cc).chain(&bcc).any(|known| is_it(&known)) {
                bcc.push(ShownAddress { name: String::new(), address: to.to_owned() });
            }
        }
        let words: Vec<_> = shown.text.split_whitespace().collect();
        LetterSummary {
            bcc,
            subject: shown.subject.clone(),
            login: note.text("login").to_owned(),
            snippet: words.join(" ").chars().take(SNIPPET).collect(),
            attachments: shown.attachments.len(),
            head,
        }
    }

    /// An element of a list, by the names that mailpit gives (`MessageSummary`).
    pub(super) fn write(&self, letter: &StoredLetter, json: &mut JsonWriter) {
        json.begin('{').name("ID").text(&id(letter));
        json.name("MessageID").text(&self.head.message_id);
        json.name("Read").plain(is_read(letter));
        self.write_addresses(json);
        json.name("Subject").text(&self.subject);
        json.name("Created").text(&time(letter.received));
        json.name("Username").text(&self.login);
        json.name("Tags").texts([]);
        json.name("Size").plain(letter.size);
        json.name("Attachments").plain(self.attachments);
        json.name("Snippet").text(&self.snippet).end('}');
    }

    /// From whom it is, and whom it is for.
    pub(super) fn write_addresses(&self, json: &mut JsonWriter) {
        write_address(&self.head.from, json.name("From"));
        let lists = [
            ("To", &self.head.to),
            ("Cc", &self.head.cc),
            ("Bcc", &self.bcc),
            ("ReplyTo", &self.head.reply_to),
        ];
        for (name, list) in lists {
            json.name(name).begin('[');
            for one in list {
                write_address(one, json);
            }
            json.end(']');
        }
    }
}

fn write_address(address: &ShownAddress, json: &mut JsonWriter) {
    json.begin('{').name("Name").text(&address.name);
    json.name("Address").text(&address.address).end('}');
}

/// The number by which our events know a letter; of one that somebody else put in, its own in the box.
pub(super) fn id(letter: &StoredLetter) -> String {
    letter.serial().map_or_else(|| format!("u{}", letter.uid), |serial| serial.to_string())
}

pub(super) fn is_read(letter: &StoredLetter) -> bool {
    letter.flags.has(LetterFlags::SEEN)
}

/// A time in seconds since 1970, as JSON has it.
pub(super) fn time(seconds: u64) -> String {
    crate::clock::rfc3339(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}
