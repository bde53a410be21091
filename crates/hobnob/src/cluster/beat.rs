//! That a node is there: its beats, and who is known by them. Without clock and I/O: the time is given.

use std::collections::BTreeMap;
use std::time::Duration;

use super::name::NodeId;
use crate::codec::json::{JsonValue, JsonWriter};

/// How often a node beats.
pub const BEAT: Duration = Duration::from_secs(1);

/// The silence after which a node counts as not reached.
pub const UNREACHED: Duration = Duration::from_secs(5);

/// The silence after which a node counts as gone.
pub const GONE: Duration = Duration::from_mins(1);

/// Between two looks at the time: after so long this process was stopped in between, and has heard nobody. It looks with
/// each beat of its own.
pub(super) const STOPPED: Duration = UNREACHED;

/// For how long the name of a node that is gone is known: as long as the stream has something of it.
const NAMED: Duration = Duration::from_hours(1);

/// Nodes that are known at most: one more is not listed, whatever it says.
const NODES: usize = 1_024;

/// Bytes that a beat may have.
const BEAT_BYTES: usize = 16_384;

/// Names that are read of a beat.
const NAMES: usize = 1_024;

/// Characters that are shown of a node's name.
const SHOWN: usize = 32;

/// What a node says of itself, each second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeBeat {
    /// Who it is.
    pub origin: NodeId,
    /// The last of its numbers that the stream has, as the stream said.
    pub acked: u64,
    /// Where in the stream that stands; 0: nowhere yet.
    pub at: u64,
    /// What people call it.
    pub name: String,
    /// How many members it has.
    pub members: u64,
    /// The names of the first of them.
    pub names: Vec<String>,
    /// It ends, and this is its last beat.
    pub is_last: bool,
}

impl NodeBeat {
    /// Its text.
    pub fn text(&self) -> String {
        let mut json = JsonWriter::default();
        json.begin('{')
            .name("v")
            .plain(super::batch::VERSION)
            .name("o")
            .text(&self.origin.to_string());
        json.name("acked").plain(self.acked).name("at").plain(self.at);
        json.name("name").text(&self.name).name("members").plain(self.members);
        // What must be escaped is twice as long. Names that do not fit are counted by the members, and not named.
        let mut room = BEAT_BYTES - 1_024;
        let names = self.names.iter().map(String::as_str).take_while(|name| {
            let left = room.checked_sub(2 * name.len() + 3);
            room = left.unwrap_or(0);
            left.is_some()
        });
        json.name("names").texts(names);
        if self.is_last {
            json.name("last").plain(true);
        }
        json.end('}');
        json.finish()
    }

    /// Reads one. None: it is none, or too long. What a newer version adds is passed over.
    pub fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= BEAT_BYTES)?;
        let value = JsonValue::read(text)?;
        let number = |name: &str| value.count(name).unwrap_or(0);
        Some(NodeBeat {
            origin: NodeId::read(value.text("o"))?,
            acked: number("acked"),
            at: number("at"),
            name: value.text("name").chars().take(SHOWN).collect(),
            members: number("members"),
            names: value.texts("names").into_iter().take(NAMES).map(str::to_owned).collect(),
            is_last: value.member("last") == Some(&JsonValue::Flag(true)),
        })
    }
}

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeIs {
    /// It is there.
    Came,
    /// Nothing was heard of it for [`UNREACHED`].
    Unreachable,
    /// It has said so, or nothing was heard of it for [`GONE`].
    Gone,
}

/// The other nodes, by their beats.
#[derive(Debug, Default)]
pub struct NodeRoster {
    rows: BTreeMap<NodeId, KnownNode>,
    /// When it was looked last who is silent.
    ticked: Duration,
}

/// Another node.
#[derive(Debug, Clone)]
pub struct KnownNode {
    /// Its last beat.
    pub beat: NodeBeat,
    /// When that was heard, by the listener's own clock.
    pub heard: Duration,
    /// Whether it is reached.
    pub is: NodeIs,
}

impl NodeRoster {
    /// Takes a beat. The node, where it is new, is reached again, or goes.
    pub fn hear(&mut self, now: Duration, beat: NodeBeat) -> Option<KnownNode> {
        let before = self.rows.get(&beat.origin).map(|row| row.is);
        let is = if beat.is_last { NodeIs::Gone } else { NodeIs::Came };
        if before.is_none() && self.rows.len() >= NODES {
            self.rows.retain(|_, row| row.is != NodeIs::Gone); // they make room
        }
        if before.is_none() && (beat.is_last || self.rows.len() >= NODES) {
            return None;
        }
        let origin = beat.origin;
        let row = KnownNode { beat, heard: now, is };
        self.rows.insert(origin, row.clone());
        (before != Some(is)).then_some(row)
    }

    /// We were away and heard nobody: how long the others are silent counts from now on.
    pub fn listen(&mut self, now: Duration) {
        self.ticked = now;
        let there = self.rows.values_mut().filter(|row| row.is != NodeIs::Gone);
        there.for_each(|row| row.heard = now);
    }

    /// Looks who has been silent for too long: each change once. Who is gone is forgotten much later: what it said may
    /// still come. Where nobody looked for [`UNREACHED`], this process was stopped.
    pub fn tick(&mut self, now: Duration) -> Vec<KnownNode> {
        if self.ticked + STOPPED <= now {
            self.listen(now);
        }
        self.ticked = now;
        let mut changed = Vec::new();
        self.rows.retain(|_, row| {
            let silence = now.saturating_sub(row.heard);
            let is = match silence {
                _ if silence >= GONE || row.is == NodeIs::Gone => NodeIs::Gone,
                _ if silence >= UNREACHED => NodeIs::Unreachable,
                _ => row.is, // that it is there, it says itself
            };
            if is != row.is {
                row.is = is;
                changed.push(row.clone());
            }
            silence < NAMED
        });
        changed
    }

    /// When the next of them has been silent for too long, if nothing is heard.
    pub fn next_change(&self) -> Option<Duration> {
        let due = |row: &KnownNode| match row.is {
            NodeIs::Came => Some(row.heard + UNREACHED),
            NodeIs::Unreachable => Some(row.heard + GONE),
            NodeIs::Gone => None,
        };
        self.rows.values().filter_map(due).min()
    }

    /// The other nodes, without those that are gone.
    pub fn nodes(&self) -> impl Iterator<Item = &KnownNode> {
        self.rows.values().filter(|row| row.is != NodeIs::Gone)
    }

    /// What people call a node; else the letters of its number.
    pub fn name(&self, node: NodeId) -> String {
        let row = self.rows.get(&node).filter(|row| !row.beat.name.is_empty());
        row.map_or_else(|| node.to_string(), |row| row.beat.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn beat(origin: u64) -> NodeBeat {
        let names = vec!["Ada".to_owned(), "\"\u{1b}".to_owned()];
        let origin = NodeId::drawn([origin, 0]);
        let name = "kite".to_owned();
        NodeBeat { origin, acked: 7, at: 1 << 50, name, members: 2, names, is_last: false }
    }

    proptest! {
        /// A beat of which one byte is another, or that ends early, or is rubbish.
        #[test]
        fn whatever_comes_is_refused_or_no_longer_than_it_may_be(
            name in ".{0,60}", changed: (usize, u8), cut in 0..4_usize, rubbish: Vec<u8>,
        ) {
            prop_assert!(NodeBeat::read(&rubbish).is_none());
            let mut body = NodeBeat { name, ..beat(1) }.text().into_bytes();
            let at = changed.0 % body.len();
            body[at] = changed.1;
            body.truncate(body.len() - cut);
            let read = NodeBeat::read(&body);
            prop_assert!(read.is_none_or(|read| read.name.chars().count() <= SHOWN));
        }
    }

    #[test]
    fn a_beat_is_read_as_it_was_written() {
        assert_eq!(NodeBeat::read(beat(1).text().as_bytes()), Some(beat(1)));
        let last = NodeBeat { is_last: true, ..beat(1) };
        assert_eq!(NodeBeat::read(last.text().as_bytes()), Some(last));
        let long = beat(1).text() + &" ".repeat(BEAT_BYTES);
        assert_eq!(NodeBeat::read(long.as_bytes()), None);
        let named = NodeBeat { name: "x".repeat(40), ..beat(1) };
        assert_eq!(NodeBeat::read(named.text().as_bytes()).expect("a beat").name.len(), SHOWN);
    }

    #[test]
    fn a_beat_names_as_many_as_it_has_room_for_however_they_are_written() {
        for (name, least) in
            [("\"\\".repeat(16), 200), ("李".repeat(10), 200), ("x".to_owned(), NAMES)]
        {
            let full = NodeBeat { members: 5_000, names: vec![name; 5_000], ..beat(1) };
            let read = NodeBeat::read(full.text().as_bytes()).expect("others read it");
            assert!(read.members == 5_000 && read.names.len() >= least, "{}", read.names.len());
        }
    }

    /// Looks each second up to then, as a node does.
    fn looked(roster: &mut NodeRoster, seconds: std::ops::RangeInclusive<u64>) -> Vec<KnownNode> {
        seconds.flat_map(|second| roster.tick(Duration::from_secs(second))).collect()
    }

    #[test]
    fn nobody_was_silent_while_we_were_away() {
        let (mut roster, at) = (NodeRoster::default(), Duration::from_secs);
        assert!(roster.hear(at(0), beat(1)).is_some());
        roster.listen(at(100));
        assert!(looked(&mut roster, 100..=104).is_empty());
        assert_eq!(roster.tick(at(105)).len(), 1);
    }

    #[test]
    fn nobody_was_silent_while_this_process_was_stopped() {
        let (mut roster, at) = (NodeRoster::default(), Duration::from_secs);
        assert!(roster.hear(at(0), beat(1)).is_some() && roster.tick(at(1)).is_empty());
        assert!(looked(&mut roster, 120..=124).is_empty(), "two minutes went by at once");
        assert_eq!(roster.tick(at(125)).len(), 1);
        assert_eq!(looked(&mut roster, 126..=179).len(), 0);
        assert_eq!(roster.tick(at(180))[0].is, NodeIs::Gone);
    }

    #[test]
    fn who_is_not_reached_is_here_when_it_says_so_and_not_because_we_were_away() {
        let (mut roster, at) = (NodeRoster::default(), Duration::from_secs);
        assert!(roster.hear(at(0), beat(1)).is_some());
        assert_eq!(looked(&mut roster, 1..=10).len(), 1, "it is not reached");
        roster.listen(at(10));
        assert!(looked(&mut roster, 10..=69).is_empty());
        assert_eq!(roster.tick(at(70))[0].is, NodeIs::Gone);
        assert!(roster.hear(at(71), beat(1)).is_some_and(|row| row.is == NodeIs::Came));
    }

    #[test]
    fn silence_is_told_in_two_steps_and_a_new_beat_is_news() {
        let mut roster = NodeRoster::default();
        let at = Duration::from_secs;
        assert_eq!(roster.next_change(), None);
        assert!(roster.hear(at(0), beat(1)).is_some() && roster.hear(at(1), beat(1)).is_none());
        assert_eq!(roster.next_change(), Some(at(6)));
        assert!(looked(&mut roster, 1..=5).is_empty());
        let is = |changed: Vec<KnownNode>| changed.iter().map(|row| row.is).collect::<Vec<_>>();
        assert_eq!(is(roster.tick(at(6))), [NodeIs::Unreachable]);
        assert_eq!(roster.next_change(), Some(at(61)));
        assert!(roster.tick(at(7)).is_empty());
        assert!(roster.hear(at(8), beat(1)).is_some_and(|row| row.is == NodeIs::Came));
        assert_eq!(is(looked(&mut roster, 8..=70)), [NodeIs::Unreachable, NodeIs::Gone]);
        assert_eq!(roster.nodes().count(), 0);
    }

    #[test]
    fn who_says_that_it_goes_is_gone_at_once_and_has_its_name_for_an_hour() {
        let (mut roster, at) = (NodeRoster::default(), Duration::from_secs);
        let last = || NodeBeat { is_last: true, ..beat(1) };
        assert_eq!(roster.hear(at(0), last()).map(|row| row.is), None, "nobody knew it");
        assert_eq!(roster.nodes().count(), 0);
        assert!(roster.hear(at(1), beat(1)).is_some());
        assert_eq!(roster.hear(at(2), last()).map(|row| row.is), Some(NodeIs::Gone));
        assert_eq!(roster.hear(at(3), last()).map(|row| row.is), None, "that is no news");
        assert!(looked(&mut roster, 3..=10).is_empty());
        assert_eq!(roster.nodes().count(), 0, "whatever it says of members, /who lists it no more");
        assert_eq!(roster.name(beat(1).origin), "kite");
        assert!(looked(&mut roster, 11..=3_602).is_empty());
        assert_eq!(roster.name(beat(1).origin), "kite", "what it said may still come");
        assert!(roster.tick(at(3_603)).is_empty());
        assert_ne!(roster.name(beat(1).origin), "kite");
    }

    #[test]
    fn no_flood_of_nodes_is_kept() {
        let mut roster = NodeRoster::default();
        (0..2_000).for_each(|node| drop(roster.hear(Duration::ZERO, beat(node))));
        assert_eq!(roster.nodes().count(), NODES);
        let last = NodeBeat { is_last: true, ..beat(0) };
        assert!(roster.hear(Duration::ZERO, last).is_some());
        assert!(roster.hear(Duration::ZERO, beat(5_000)).is_some(), "who is gone makes room");
    }
}
