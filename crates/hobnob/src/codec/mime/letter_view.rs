//! A letter as a person sees it: fields and texts decoded, its parts as a tree, its files and its links.

use std::ops::Range;

use super::decode::{decode_body, decode_parameter, decode_text, decode_words};
use super::field::{ContentType, fields, unfold, without_brackets};
use super::part::{MimePart, PartBody};
use super::plain::{links_of_html, links_of_text, plain_of_html};
use super::reader::MimeReader;

/// A letter, held whole.
#[derive(Debug, Clone)]
pub struct LetterView {
    raw: Vec<u8>,
    head: Range<usize>,
    parts: Vec<PartView>,
}

/// A part of a letter, as a line of its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartView {
    /// Its number: `1.2`; empty for the letter itself.
    pub path: String,
    /// How deep it lies; 0: the letter itself.
    pub depth: usize,
    /// `text/plain`, in small letters.
    pub kind: String,
    /// The name of the file that it is, as the sender says. It is a sender's: no path to write to.
    pub name: Option<String>,
    /// How its bytes are encoded, in small letters; empty where that is not said.
    pub encoding: String,
    /// Bytes of its body, decoded; of one that has parts, as they are.
    pub size: u64,
    /// Its `Content-ID`, by which the HTML of its letter may name it, without brackets.
    pub id: Option<String>,
    /// Whether it is to be kept apart from what is read.
    pub is_attached: bool,
    /// Whether it is to be shown among what is read, although it is kept apart: a picture.
    pub is_inline: bool,
    /// How many letters it is within, beside the one that is viewed; 0: it is that one's own.
    pub within: usize,
    /// Whether it has parts, or is a letter.
    pub has_parts: bool,
    place: Range<usize>,
    charset: Option<Vec<u8>>,
}

/// Bytes of a text that are looked at for what it says and where it leads.
const READ: usize = 1 << 20;
/// Links of a letter at most.
const MAX_LINKS: usize = 1_000;

impl LetterView {
    /// Takes a letter apart.
    pub fn read(raw: Vec<u8>) -> Self {
        let mut reader = MimeReader::default();
        reader.push(&raw);
        let root = reader.finish();
        let mut view = LetterView { head: 0..0, parts: Vec::new(), raw };
        view.head = view.range(&root.head);
        view.add(&root, "", 0, 0);
        view
    }

    /// Its bytes.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Its bytes, and nothing else of it.
    pub fn into_raw(self) -> Vec<u8> {
        self.raw
    }

    /// Its head, with the empty line.
    pub fn head(&self) -> &[u8] {
        self.raw.get(self.head.clone()).unwrap_or_default()
    }

    /// The fields of its head in their order, each with its name and its value, decoded.
    pub fn fields(&self) -> impl Iterator<Item = (String, String)> {
        fields(self.head()).map(|field| {
            let name = String::from_utf8_lossy(field.name).into_owned();
            (name, decode_words(&unfold(field.value)))
        })
    }

    /// The first field of this name, decoded.
    pub fn field(&self, name: &str) -> Option<String> {
        field_of(self.head(), name)
    }

    /// All fields of this name, decoded.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.fields()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, text)| text)
            .collect()
    }

    /// The text to read: the first of its plain parts, or what its HTML says.
    pub fn text(&self) -> Option<String> {
        let plain = self.text_of("text/plain");
        plain.or_else(|| self.html().map(|html| plain_of_html(beginning(&html))))
    }

    /// Its HTML, as it came. It is a sender's, and is to run nowhere.
    pub fn html(&self) -> Option<String> {
        self.text_of("text/html")
    }

    fn text_of(&self, kind: &str) -> Option<String> {
        let part = self.read_parts().find(|part| part.kind == kind)?;
        Some(self.part_text(part))
    }

    /// The parts, the letter itself first.
    pub fn parts(&self) -> &[PartView] {
        &self.parts
    }

    fn add(&mut self, part: &MimePart, path: &str, depth: usize, within: usize) {
        let view = self.view(part, path.to_owned(), depth);
        self.parts.push(PartView { within, ..view });
        let below = |number: usize| match path {
            "" => number.to_string(),
            path => format!("{path}.{number}"),
        };
        match &part.inside {
            PartBody::Bytes => {}
            PartBody::Parts(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    self.add(part, &below(at + 1), depth + 1, within);
                }
            }
            PartBody::Letter(letter) => {
                // A letter that is nothing but another one is that one.
                self.add(letter, &below(1), depth + 1, within + usize::from(!path.is_empty()));
            }
        }
    }

    /// The parts that a person reads: texts of this letter, and of none that it holds.
    fn read_parts(&self) -> impl Iterator<Item = &PartView> {
        self.parts.iter().filter(|part| !part.is_attached && part.within == 0 && !part.has_parts)
    }

    fn view(&self, part: &MimePart, path: String, depth: usize) -> PartView {
        let small = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase();
        let kind = part.kind.as_ref().map_or_else(
            || "text/plain".to_owned(),
            |kind| format!("{}/{}", small(&kind.kind), small(&kind.subtype)),
        );
        let named = |content: &Option<ContentType>, name| {
            content.as_ref().and_then(|content| decode_parameter(content, name))
        };
        let name = named(&part.disposition, "filename").or_else(|| named(&part.kind, "name"));
        let is_text = kind.starts_with("text/");
        let is_placed = |place: &[u8]| {
            part.disposition.as_ref().map(|how| how.kind.eq_ignore_ascii_case(place))
        };
        let has_parts = part.inside != PartBody::Bytes;
        let is_letter = matches!(part.inside, PartBody::Letter(_));
        let id = part.id.as_deref().map(|id| without_brackets(&String::from_utf8_lossy(id)));
        // A text with a name is a file, unless it is the first of its place.
        let is_first = path.is_empty() || path == "1" || path.ends_with(".1");
        let is_file = name.is_some() && !is_first;
        let is_apart = is_placed(b"attachment").unwrap_or(false) || !is_text || is_file;
        let place = self.range(&part.body);
        let raw = self.raw.get(place.clone()).unwrap_or_default();
        let encoding = part.encoding.as_deref().map(|how| small(how.trim_ascii()));
        let size =
            if has_parts { raw.len() } else { decode_body(part.encoding.as_deref(), raw).len() };
        PartView {
            depth,
            is_attached: if has_parts { is_letter && !path.is_empty() } else { is_apart },
            is_inline: is_placed(b"inline").unwrap_or(id.is_some()),
            within: 0,
            id,
            charset: part
                .kind
                .as_ref()
                .and_then(|kind| kind.parameter("charset"))
                .map(<[u8]>::to_vec),
            kind,
            name,
            path,
            encoding: encoding.unwrap_or_default(),
            size: size as u64,
            has_parts,
            place,
        }
    }

    /// The bytes of a part, decoded.
    pub fn part_bytes(&self, part: &PartView) -> Vec<u8> {
        let raw = self.raw.get(part.place.clone()).unwrap_or_default();
        let encoding = (!part.has_parts).then_some(part.encoding.as_bytes());
        decode_body(encoding, raw)
    }

    /// The bytes of a part in its characters.
    pub fn part_text(&self, part: &PartView) -> String {
        decode_text(part.charset.as_deref(), &self.part_bytes(part))
    }

    /// What is attached to it; of a letter that it holds, that as a whole.
    pub fn files(&self) -> impl Iterator<Item = &PartView> {
        self.parts.iter().filter(|part| part.is_attached && part.within == 0)
    }

    /// The links of its texts, each once, in their order.
    pub fn links(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for part in self.read_parts() {
            let text = self.part_text(part);
            let links = match part.kind.as_str() {
                "text/html" => {
                    let html = beginning(&text);
                    let said = plain_of_html(html);
                    links_of_html(html).into_iter().chain(links_of_text(&said)).collect()
                }
                "text/plain" => links_of_text(beginning(&text)),
                _ => continue,
            };
            for link in links {
                if found.len() < MAX_LINKS && !found.contains(&link) {
                    found.push(link);
                }
            }
        }
        found
    }

    fn range(&self, place: &Range<u64>) -> Range<usize> {
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(self.raw.len());
        at(place.start)..at(place.end)
    }
}

/// As much of a text as is looked at.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(READ)]
}

/// The first field of this name in a head, decoded.
pub fn field_of(head: &[u8], name: &str) -> Option<String> {
    let is_it = |own: &[u8]| own.eq_ignore_ascii_case(name.as_bytes());
    let field = fields(head).find(|field| is_it(field.name))?;
    Some(decode_words(&unfold(field.value)))
}

#[cfg(test)]
mod tests;
