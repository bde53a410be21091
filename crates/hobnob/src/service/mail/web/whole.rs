//! A letter that is read as a whole, and what is said of it then.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::harmless::harmless;
use super::summary::{LetterSummary, id, time};
use crate::codec::json::{JsonValue, JsonWriter};
use crate::codec::mime::{Attachment, LetterView, PartView, ShownLetter, fields, unfold};
use crate::service::mail::finding;
use crate::store::{LetterJourney, MailStore, StoredLetter};

/// Bytes of pictures that are put into the HTML of a letter, in base64, at most.
const PICTURES: usize = 8 << 20;

/// A letter, all of it.
pub(super) struct WholeLetter {
    pub(super) letter: Arc<StoredLetter>,
    pub(super) view: LetterView,
    /// What was noted when it came; nothing of one that somebody else put in.
    note: JsonValue,
    /// What was done with it since.
    steps: Vec<JsonValue>,
    /// The boxes that it lies in.
    boxes: Vec<String>,
}

impl WholeLetter {
    /// Reads a letter of a box; none where it is gone. This blocks.
    pub(super) fn read(
        store: &MailStore,
        name: &str,
        letter: &Arc<StoredLetter>,
    ) -> std::io::Result<Option<Self>> {
        let Some(mut file) = store.read(name, letter.uid)? else { return Ok(None) };
        let mut bytes = Vec::with_capacity(usize::try_from(letter.size).unwrap_or(0));
        file.read_to_end(&mut bytes)?;
        let note = letter.serial().and_then(|serial| store.note(serial)).unwrap_or_default();
        let LetterJourney { arrival: note, steps } = LetterJourney::read(&note);
        let lies = |name: &String| {
            store.view(name).letters.iter().any(|other| other.name() == letter.name())
        };
        let boxes = store.boxes().into_iter().filter(lies).collect();
        let view = LetterView::read(bytes);
        Ok(Some(WholeLetter { letter: letter.clone(), view, note, steps, boxes }))
    }

    pub(super) fn shown(&self) -> ShownLetter {
        ShownLetter::of(&self.view)
    }

    pub(super) fn summary(&self) -> LetterSummary {
        LetterSummary::of(&self.note, &self.shown())
    }

    /// By the names that mailpit gives (`Message`).
    pub(super) fn message(&self) -> String {
        let shown = self.shown();
        let summary = LetterSummary::of(&self.note, &shown);
        let mut json = JsonWriter::default();
        json.begin('{').name("ID").text(&id(&self.letter));
        json.name("MessageID").text(&summary.head.message_id);
        summary.write_addresses(&mut json);
        json.name("ReturnPath").text(self.note.text("from"));
        json.name("Subject").text(&summary.subject);
        let date = summary.head.date.clone().unwrap_or_else(|| time(self.letter.received));
        json.name("Date").text(&date);
        json.name("Tags").texts([]);
        json.name("Username").text(&summary.login);
        json.name("Text").text(&shown.text);
        json.name("HTML").text(shown.html.as_deref().unwrap_or_default());
        json.name("Size").plain(self.letter.size);
        for (name, is_inline) in [("Inline", true), ("Attachments", false)] {
            json.name(name).begin('[');
            for (at, part) in shown.attachments.iter().enumerate() {
                if part.is_inline == is_inline {
                    write_attachment(at + 1, part, &mut json);
                }
            }
            json.end(']');
        }
        json.end('}');
        json.finish()
    }

    /// Its headers by name, as they were sent, each on one line.
    pub(super) fn headers(&self) -> String {
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for field in fields(self.view.head()) {
            let value = String::from_utf8_lossy(&unfold(field.value)).trim().to_owned();
            headers.entry(canonical(field.name)).or_default().push(value);
        }
        let mut json = JsonWriter::default();
        json.begin('{');
        for (name, values) in &headers {
            json.name(name).texts(values.iter().map(String::as_str));
        }
        json.end('}');
        json.finish()
    }

    /// Its HTML, in which nothing runs or loads; none where it has none.
    pub(super) fn html(&self) -> Option<String> {
        let shown = self.shown();
        let mut html = shown.html?;
        let mut room = PICTURES;
        for part in shown.attachments.iter().filter(|part| part.kind.starts_with("image/")) {
            let Some(id) = part.id.as_deref().filter(|id| !id.is_empty()) else { continue };
            let named = format!("cid:{id}");
            let times = html.matches(&named).count();
            let size = part.bytes.len().saturating_mul(4) / 3 * times;
            if times == 0 || size > room {
                continue;
            }
            room -= size;
            let picture = format!("data:{};base64,{}", part.kind, STANDARD.encode(&part.bytes));
            html = html.replace(&named, &picture);
        }
        Some(harmless(&html))
    }

    /// What mailpit has no word for: how the letter came, what is wrong with it, and its parts as a tree.
    pub(super) fn journey(&self) -> String {
        let mut json = JsonWriter::default();
        json.begin('{');
        for name in ["at", "peer", "client", "with", "login", "from"] {
            json.name(name).text(self.note.text(name));
        }
        for name in ["to", "dialogue"] {
            json.name(name).texts(self.note.texts(name));
        }
        json.name("boxes").texts(self.boxes.iter().map(String::as_str));
        json.name("links").texts(self.view.links().iter().map(String::as_str));
        json.name("findings").begin('[');
        for finding in self.note.texts("findings").into_iter().filter_map(finding::named) {
            json.begin('{').name("slug").text(finding.slug);
            json.name("source").text(finding.source).name("text").text(finding.text);
            json.name("is_wrong").plain(finding.is_wrong()).end('}');
        }
        json.end(']').name("steps").begin('[');
        for step in &self.steps {
            json.begin('{');
            for name in ["at", "did", "by", "login", "peer", "detail"] {
                json.name(name).text(step.text(name));
            }
            json.name("to").texts(step.texts("to")).end('}');
        }
        json.end(']').name("parts");
        write_tree(self.view.parts(), &mut json);
        json.end('}');
        json.finish()
    }
}

fn write_attachment(number: usize, part: &Attachment, json: &mut JsonWriter) {
    json.begin('{').name("PartID").text(&number.to_string());
    json.name("FileName").text(part.name.as_deref().unwrap_or_default());
    json.name("ContentType").text(&part.kind);
    json.name("ContentID").text(part.id.as_deref().unwrap_or_default());
    json.name("Size").plain(part.bytes.len()).end('}');
}

/// The first part, and the parts within it: 64 deep at most, as a view goes no deeper. What is left behind them.
fn write_tree<'v>(parts: &'v [PartView], json: &mut JsonWriter) -> &'v [PartView] {
    let Some((part, mut rest)) = parts.split_first() else { return parts };
    json.begin('{').name("part").text(&part.path).name("kind").text(&part.kind);
    json.name("name").text(part.name.as_deref().unwrap_or_default());
    json.name("size").plain(part.size).name("attached").plain(part.is_attached);
    json.name("parts").begin('[');
    while rest.first().is_some_and(|next| next.depth > part.depth) {
        rest = write_tree(rest, json);
    }
    json.end(']').end('}');
    rest
}

/// A name of a header, as Go and so mailpit writes it: `Message-Id`.
fn canonical(name: &[u8]) -> String {
    let mut begins = true;
    let letters = String::from_utf8_lossy(name).into_owned();
    let cased = letters.chars().map(|c| {
        let begun = std::mem::replace(&mut begins, c == '-');
        if begun { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    });
    cased.collect()
}
