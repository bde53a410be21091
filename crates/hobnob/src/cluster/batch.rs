//! What travels: a batch of entries of one node, which is frozen before it is sent, and its text.
//!
//! A header tells whose it is and which numbers it has, so that gaps can be counted even where its body is of another
//! version; the body is a line of JSON for each entry.

use std::sync::Arc;

use super::name::NodeId;
use crate::codec::json::{JsonValue, JsonWriter};

/// The version of the protocol.
pub const VERSION: u64 = 1;

/// Entries that a batch has at most.
pub const BATCH_ENTRIES: usize = 64;

/// Bytes of entries beyond which a batch takes no further one.
pub const BATCH_BYTES: usize = 32_768;

/// Bytes that the text of an entry has at most: what a member can say in one line, where each byte is shown as four
/// (`\x07`).
pub const ENTRY_TEXT: usize = 4 * crate::codec::text::LINE_CAP;

/// Entries that a batch of another version may say that it has.
const FOREIGN_ENTRIES: u64 = 4_096;

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Somebody said something.
    Say,
    /// Somebody came.
    Join,
    /// Somebody left.
    Left,
    /// Somebody has another name: the text.
    Name,
    /// Something that this version does not know, or that is longer than anybody can say: counted, and not shown.
    Unknown,
}

const KINDS: [(EntryKind, &str); 4] = [
    (EntryKind::Say, "say"),
    (EntryKind::Join, "join"),
    (EntryKind::Left, "left"),
    (EntryKind::Name, "name"),
];

/// One thing that happened in a room. Its texts come from a peer: who shows them escapes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomEntry {
    /// What it does.
    pub kind: EntryKind,
    /// The member's number at its node; 0: nobody's.
    pub seat: u64,
    /// The member's name.
    pub name: Arc<str>,
    /// What was said, or the new name.
    pub text: Arc<str>,
    /// For how many milliseconds it waited for the other nodes, by the clock of its own.
    pub waited: u64,
}

impl RoomEntry {
    /// Bytes that it takes in memory and on its way, more or less.
    pub fn weight(&self) -> usize {
        self.name.len() + self.text.len() + 64
    }

    /// Its line in a batch, with the milliseconds for which it has waited.
    pub fn line(&self, waited: u64) -> String {
        let kind = KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, word)| *word);
        let mut json = JsonWriter::default();
        json.begin('{').name("k").text(kind).name("s").plain(self.seat);
        json.name("n").text(&self.name).name("t").text(&self.text);
        if waited > 0 {
            json.name("w").plain(waited);
        }
        json.end('}');
        json.finish() + "\n"
    }

    fn read(line: &str) -> Self {
        let value = JsonValue::read(line).unwrap_or(JsonValue::Null);
        let number = |name: &str| value.count(name).unwrap_or(0);
        let kind = KINDS.iter().find(|(_, word)| *word == value.text("k"));
        let is_sayable = value.text("t").len() <= ENTRY_TEXT && value.text("n").len() <= ENTRY_TEXT;
        let kind = kind.filter(|_| is_sayable).map_or(EntryKind::Unknown, |(kind, _)| *kind);
        if kind == EntryKind::Unknown {
            let (name, text): (Arc<str>, Arc<str>) = ("".into(), "".into());
            return RoomEntry { kind, seat: 0, name, text, waited: 0 };
        }
        RoomEntry {
            kind,
            seat: number("s"),
            name: value.text("n").into(),
            text: value.text("t").into(),
            waited: number("w"),
        }
    }
}

/// What tells a batch in a stream from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMark {
    /// Whose it is.
    pub origin: NodeId,
    /// The number of its first entry.
    pub first: u64,
    /// The number of its last one.
    pub last: u64,
}

/// Entries of one node, numbered from `first` on, in the bytes that are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomBatch {
    /// Whose it is.
    pub origin: NodeId,
    /// The number of its first entry; a node's first is 1.
    pub first: u64,
    /// How many it has.
    pub count: u64,
    /// Where in the stream the batch of this node before it stands; 0: it is the first.
    pub prev: u64,
    /// The number of the last entry of that batch. What is between it and `first` was dropped before it was sent.
    pub after: u64,
    /// A line of JSON for each entry.
    pub body: Arc<str>,
}

impl RoomBatch {
    /// A batch of so many entries, whose [lines](RoomEntry::line) are the body. `after`: the number of the last entry of
    /// the batch before; `prev`: where that stands.
    pub fn frozen(
        origin: NodeId,
        (first, count): (u64, u64),
        (after, prev): (u64, u64),
        body: String,
    ) -> Self {
        RoomBatch { origin, first, count, prev, after, body: body.into() }
    }

    /// What stands in a stream and is no batch of this protocol.
    pub fn foreign() -> Self {
        RoomBatch { origin: NodeId::NOBODY, first: 0, count: 0, prev: 0, after: 0, body: "".into() }
    }

    /// Its mark.
    pub fn mark(&self) -> BatchMark {
        BatchMark { origin: self.origin, first: self.first, last: self.next().saturating_sub(1) }
    }

    /// The number behind its last entry.
    pub fn next(&self) -> u64 {
        self.first + self.count
    }

    /// What a server knows it by when it comes again. The count belongs to it: a batch that grew is another one.
    pub fn id(&self) -> String {
        format!("{}.{}.{}", self.origin, self.first, self.count)
    }

    /// Its header.
    pub fn header(&self) -> String {
        let RoomBatch { origin, first, count, prev, after, .. } = self;
        format!("{VERSION} {origin} {first} {count} {prev} {after}")
    }

    /// Reads what came on this node's subject. What is no batch of it, or too much, is [foreign](Self::foreign): it has
    /// its place in the stream, and nothing of it is shown. Of another version the numbers count, and the body is empty.
    pub fn read(node: NodeId, header: &str, body: &[u8]) -> Self {
        Self::parse(node, header, body).unwrap_or_else(Self::foreign)
    }

    fn parse(node: NodeId, header: &str, body: &[u8]) -> Option<Self> {
        let mut words = header.split(' ');
        let version: u64 = words.next()?.parse().ok()?;
        let origin = NodeId::read(words.next()?).filter(|origin| *origin == node)?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let (first, count, prev, after) = (number()?, number()?, number()?, number()?);
        let is_ours = version == VERSION;
        let most = if is_ours { BATCH_ENTRIES as u64 } else { FOREIGN_ENTRIES };
        if first <= after || count == 0 || count > most || first > u64::MAX / 2 {
            return None;
        }
        let body = if is_ours { std::str::from_utf8(body).ok()? } else { "" };
        Some(RoomBatch { origin, first, count, prev, after, body: body.into() })
    }

    /// Its entries with their numbers, as many as it says it has: what cannot be read is [unknown](EntryKind::Unknown).
    pub fn entries(&self) -> impl Iterator<Item = (u64, RoomEntry)> + '_ {
        let mut lines = self.body.lines();
        (self.first..self.next())
            .map(move |number| (number, RoomEntry::read(lines.next().unwrap_or_default())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node() -> NodeId {
        NodeId::drawn([7, 7])
    }

    fn say(text: &str) -> RoomEntry {
        RoomEntry {
            kind: EntryKind::Say,
            seat: 3,
            name: "Ada".into(),
            text: text.into(),
            waited: 0,
        }
    }

    proptest! {
        #[test]
        fn a_batch_is_read_as_it_was_written(
            texts in prop::collection::vec(".{0,40}", 1..=BATCH_ENTRIES),
            first in 1..1_u64 << 53,
            prev: u64,
            waited in 0..1_u64 << 40,
        ) {
            let entries: Vec<_> = texts.iter().map(|text| say(text)).collect();
            let body = entries.iter().map(|one| one.line(waited)).collect();
            let batch = RoomBatch::frozen(node(), (first, texts.len() as u64), (first / 2, prev), body);
            let again = RoomBatch::read(node(), &batch.header(), batch.body.as_bytes());
            prop_assert_eq!(&again, &batch);
            for ((number, entry), (at, text)) in again.entries().zip(texts.iter().enumerate()) {
                prop_assert_eq!(number, first + at as u64);
                prop_assert_eq!(entry, RoomEntry { waited, ..say(text) });
            }
            prop_assert_eq!(again.entries().count(), texts.len());
        }

        /// Of a batch that was right a byte of its header and one of its body are another, and its end is cut off.
        #[test]
        fn whatever_comes_is_a_batch_or_foreign(
            numbers: (u64, u64), before: (u64, u64), changed: (usize, u8), spoilt: (usize, u8), cut in 0..200_usize,
        ) {
            let body = say("hello\u{1b}\"").line(3).repeat(3);
            let mut batch = RoomBatch::frozen(node(), numbers, before, body);
            if cut % 2 == 0 {
                batch.first %= 1 << 20;
                batch.count %= 80;
                (batch.after, batch.prev) = (batch.first / 2, batch.prev % (1 << 20));
            }
            let mut header = batch.header().into_bytes();
            let at = changed.0 % header.len();
            header[at] = if cut % 3 == 0 { header[at] } else { changed.1 };
            let mut body = batch.body.as_bytes().to_vec();
            let at = spoilt.0 % body.len();
            body[at] = spoilt.1;
            body.truncate(body.len().saturating_sub(cut));
            let read = RoomBatch::read(node(), &String::from_utf8_lossy(&header), &body);
            prop_assert!(read == RoomBatch::foreign() || read.origin == node());
            prop_assert!(read.count <= FOREIGN_ENTRIES && read.first.checked_add(read.count).is_some());
            prop_assert_eq!(read.entries().count() as u64, read.count);
        }
    }

    #[test]
    fn a_forged_or_huge_one_is_foreign_and_another_version_counts() {
        let other = NodeId::drawn([8, 8]);
        for header in [
            format!("1 {other} 1 1 0 0"),
            format!("1 {} 1 65 0 0", node()),
            format!("1 {} 0 1 0 0", node()),
            format!("1 {} 5 1 0 5", node()),
            format!("1 {} {} 1 0 0", node(), u64::MAX),
            format!("2 {} 1 4097 0 0", node()),
            format!("1 {} 1", node()),
            String::new(),
        ] {
            assert_eq!(RoomBatch::read(node(), &header, b"{}"), RoomBatch::foreign(), "{header}");
        }
        let newer = RoomBatch::read(node(), &format!("2 {} 5 100 9 4 more", node()), b"\xff\xff");
        assert_eq!((newer.first, newer.count, newer.prev), (5, 100, 9));
        assert!(newer.entries().all(|(_, entry)| entry.kind == EntryKind::Unknown));
    }
}
