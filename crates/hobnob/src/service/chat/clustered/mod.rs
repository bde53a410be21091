//! A room whose order many nodes share: what members say goes to the stream of the cluster, and is shown when it comes
//! back, in the one order that the stream has. While the others cannot be reached, it is shown here at once.

mod drive;
mod words;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::order::RoomOrder;
use super::room::{Inbox, Room, Taken};
use super::show;
use crate::clock::Clock;
use crate::cluster::nats::{NatsLink, NatsNews, NatsTerms};
use crate::cluster::{
    ClusterNode, EntryKind, KnownNode, NodeBeat, NodeId, NodeIs, NodeRoster, NodeTold,
    OUTBOX_ENTRIES, RoomEntry,
};
use crate::event::Fact;

/// Lines of others that wait while this node is alone, to be shown together.
const MEANWHILE: usize = 4_096;

/// A wait from which on it is told with a line: its node was away.
const AWAY: u64 = 2_000;

/// Bytes of names that a beat has at most.
const BEAT_NAMES: usize = 8_192;

/// A room over many nodes.
pub(super) struct Clustered {
    pub(super) room: Room,
    pub(super) terms: NatsTerms,
    /// What people call this node.
    name: String,
    pub(super) clock: Clock,
    inner: Mutex<NodeInRoom>,
    /// Rung when there is something to send.
    pub(super) bell: Notify,
    /// The link that `open` has made.
    pub(super) link: Mutex<Option<(NatsLink, NatsNews)>>,
}

pub(super) struct NodeInRoom {
    pub(super) node: ClusterNode,
    pub(super) roster: NodeRoster,
    /// What others said while we are alone.
    meanwhile: VecDeque<(NodeId, RoomEntry)>,
    /// Whether some of it was said before we came.
    is_of_before: bool,
    /// How many more there were than are kept.
    unkept: u64,
    /// The node of which was told that it was away.
    late: Option<NodeId>,
    /// Whether somebody here had much to read when the last line was shown.
    is_crowded: bool,
    /// Facts that are not told yet; and how many lines were dropped.
    pub(super) facts: Vec<Fact>,
    pub(super) dropped: usize,
}

impl Clustered {
    pub(super) fn new(
        room: Room,
        terms: NatsTerms,
        name: String,
        node: ClusterNode,
        clock: Clock,
    ) -> Self {
        let inner = NodeInRoom {
            node,
            roster: NodeRoster::default(),
            meanwhile: VecDeque::new(),
            is_of_before: false,
            unkept: 0,
            late: None,
            is_crowded: false,
            facts: Vec::new(),
            dropped: 0,
        };
        Clustered {
            room,
            terms,
            name,
            clock,
            inner: Mutex::new(inner),
            bell: Notify::new(),
            link: Mutex::new(None),
        }
    }

    fn inner(&self) -> MutexGuard<'_, NodeInRoom> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the node do something, then shows what it tells.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut NodeInRoom, Duration) -> T) -> T {
        let mut inner = self.inner();
        let done = act(&mut inner, self.clock.now());
        while let Some(told) = inner.node.told() {
            self.show(&mut inner, told);
        }
        done
    }

    /// Our beat.
    pub(super) fn beat(&self, acked: (u64, u64)) -> NodeBeat {
        let (names, members) = self.room.who(BEAT_NAMES);
        NodeBeat {
            origin: self.terms.me,
            acked: acked.0,
            at: acked.1,
            name: self.name.clone(),
            members: members as u64,
            names: names.iter().map(ToString::to_string).collect(),
        }
    }

    fn say_entry(&self, kind: EntryKind, seat: u64, name: &Arc<str>, text: &str) -> bool {
        let entry = RoomEntry { kind, seat, name: name.clone(), text: text.into(), waited: 0 };
        let is_behind = self.with(|inner, now| {
            inner.node.say(now, entry);
            inner.node.is_behind() || inner.is_crowded
        });
        self.bell.notify_one();
        is_behind
    }

    fn show(&self, inner: &mut NodeInRoom, told: NodeTold) {
        let name = |node| node_name(&inner.roster, node);
        if let Some(fact) = words::fact(&told, name) {
            inner.facts.push(fact);
        }
        if let NodeTold::Dropped(from, to) = told {
            inner.dropped += usize::try_from(to + 1 - from).unwrap_or(usize::MAX);
        }
        match told {
            NodeTold::Heard { entry, is_past: true, .. } if !inner.node.is_alone() => {
                self.remember(&entry);
            }
            // Who came while we were alone from the start has not seen it yet.
            NodeTold::Heard { entry, is_past: true, .. } if entry.kind != EntryKind::Say => {}
            NodeTold::Heard { origin, entry, is_past, .. } => {
                let is_own = origin == self.terms.me;
                if inner.node.is_alone() && !is_own {
                    inner.is_of_before |= is_past;
                    inner.meanwhile.push_back((origin, entry));
                    if inner.meanwhile.len() > MEANWHILE {
                        inner.meanwhile.pop_front();
                        inner.unkept += 1;
                    }
                } else {
                    self.show_entry(inner, origin, &entry);
                }
            }
            NodeTold::Own { entry, .. } => self.show_entry(inner, self.terms.me, &entry),
            NodeTold::Back(_) => self.show_meanwhile(inner),
            told => {
                let name = |node| node_name(&inner.roster, node);
                for line in words::told(&told, name) {
                    self.room.tell(None, &line);
                }
            }
        }
    }

    /// Shows what was said at the other nodes while they could not be reached.
    fn show_meanwhile(&self, inner: &mut NodeInRoom) {
        let meanwhile = std::mem::take(&mut inner.meanwhile);
        let unkept = std::mem::take(&mut inner.unkept);
        let is_of_before = std::mem::take(&mut inner.is_of_before);
        self.room.tell(None, &words::back(meanwhile.len(), is_of_before));
        if unkept > 0 {
            self.room.tell(None, &words::unkept(unkept));
        }
        let is_any = !meanwhile.is_empty();
        for (origin, entry) in meanwhile {
            self.show_entry(inner, origin, &entry);
        }
        if is_any {
            self.room.tell(None, "* that was all");
        }
    }

    fn show_entry(&self, inner: &mut NodeInRoom, origin: NodeId, entry: &RoomEntry) {
        let is_own = origin == self.terms.me;
        if !is_own && entry.waited >= AWAY && inner.late != Some(origin) {
            let name = node_name(&inner.roster, origin);
            self.room.tell(None, &words::away(&name, entry.waited));
        }
        inner.late = (!is_own && entry.waited >= AWAY).then_some(origin);
        let Some(line) = line(entry) else { return };
        let but = is_own.then_some(entry.seat);
        inner.is_crowded = self.room.hear(but, &line, entry.kind == EntryKind::Say);
    }

    /// Keeps what was said before we came, for who joins.
    fn remember(&self, entry: &RoomEntry) {
        if let (EntryKind::Say, Some(line)) = (entry.kind, line(entry)) {
            self.room.keep(&line);
        }
    }

    /// Tells that a node came, is not reached, or is gone.
    pub(super) fn tell_node(&self, node: &KnownNode) {
        let name = shown_name(&node.beat.name).unwrap_or_else(|| node.beat.origin.to_string());
        let line = words::node(&name, node.is, node.beat.members);
        self.room.tell(None, &line);
        self.inner().facts.push(Fact::Note(line.trim_start_matches("* ").to_owned()));
    }

    fn is_taken_elsewhere(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let inner = self.inner();
        let mut names = inner.roster.nodes().flat_map(|node| &node.beat.names);
        names.any(|taken| taken.to_lowercase() == name)
    }
}

impl RoomOrder for Clustered {
    fn has_names(&self) -> bool {
        self.room.has_names
    }

    fn enter(&self, id: u64, name: &str, mailbox: &Arc<Inbox>, is_told: bool) -> Result<(), Taken> {
        // Numbers are given by each node by itself: two letters of ours make them unique.
        let name = if name.starts_with('#') {
            format!("{name}~{}", self.terms.me.short())
        } else {
            name.to_owned()
        };
        if self.is_taken_elsewhere(&name) {
            return Err(Taken);
        }
        let others = {
            let inner = self.inner();
            let reached = inner.roster.nodes().filter(|node| node.is == NodeIs::Came);
            reached.fold((0, 0), |(nodes, members), node| (nodes + 1, members + node.beat.members))
        };
        self.room.enter_quietly(id, &name, mailbox, is_told, &words::elsewhere(others))?;
        if is_told {
            self.say_entry(EntryKind::Join, id, &name.as_str().into(), "");
        }
        Ok(())
    }

    fn say(&self, id: u64, text: &str) -> bool {
        let Some((name, was_told)) = self.room.speaker(id) else { return false };
        if !was_told {
            self.say_entry(EntryKind::Join, id, &name, "");
        }
        self.say_entry(EntryKind::Say, id, &name, text)
    }

    fn rename(&self, id: u64, name: &str) -> Result<(), Taken> {
        if self.is_taken_elsewhere(name) {
            return Err(Taken);
        }
        let Some((old, is_told)) = self.room.rename_quietly(id, name)? else { return Ok(()) };
        if is_told {
            self.say_entry(EntryKind::Name, id, &old, name);
        }
        Ok(())
    }

    fn who(&self, bytes: usize) -> String {
        let (names, count) = self.room.who(bytes);
        let now = self.clock.now();
        let inner = self.inner();
        let nodes = inner.roster.nodes().filter(|node| node.beat.members > 0);
        let mut line = words::here(&names, count);
        for node in nodes {
            let name = shown_name(&node.beat.name).unwrap_or_else(|| node.beat.origin.to_string());
            let names: Vec<_> =
                node.beat.names.iter().filter_map(|name| shown_name(name)).collect();
            let silence = now.saturating_sub(node.heard);
            let silence = (node.is != NodeIs::Came).then_some(silence);
            line += &words::there(&name, &names, node.beat.members, silence);
            if line.len() > bytes {
                break;
            }
        }
        line
    }

    fn leave(&self, id: u64, _is_quiet: bool) {
        let Some((name, was_told)) = self.room.leave_quietly(id) else { return };
        // At the end of this node the others are told of each member: they stay.
        if was_told {
            self.say_entry(EntryKind::Left, id, &name, "");
        }
    }
}

/// A node that begins now.
pub(super) fn node(me: NodeId, past: u64, clock: Clock) -> ClusterNode {
    let seed = crate::clock::draw_seed();
    let terms = crate::cluster::NodeTerms { me, seed, outbox: OUTBOX_ENTRIES, past };
    ClusterNode::new(terms, clock.now())
}

/// The line of an entry, as members see it. It comes from another machine, and is looked at as what a peer said.
fn line(entry: &RoomEntry) -> Option<String> {
    let name = shown_name(&entry.name).unwrap_or_else(|| "somebody".to_owned());
    Some(match entry.kind {
        EntryKind::Say => format!("{name}: {}", show::escaped(entry.text.as_bytes())),
        EntryKind::Join => format!("* {name} joined"),
        EntryKind::Left => format!("* {name} left"),
        EntryKind::Name => format!("* {name} is {} now", shown_name(&entry.text)?),
        EntryKind::Unknown => return None,
    })
}

/// A name that another node says, if a name may be like that.
fn shown_name(name: &str) -> Option<String> {
    let number = name
        .strip_prefix('#')
        .map(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'~'));
    match number {
        Some(is_number) => (is_number && name.len() <= 32).then(|| name.to_owned()),
        None => show::name(name.as_bytes()).ok(),
    }
}

fn node_name(roster: &NodeRoster, node: NodeId) -> String {
    shown_name(&roster.name(node)).unwrap_or_else(|| node.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: EntryKind, name: &str, text: &str) -> Option<String> {
        line(&RoomEntry { kind, seat: 1, name: name.into(), text: text.into(), waited: 0 })
    }

    #[test]
    fn what_a_hostile_node_sends_forges_no_line_and_moves_no_terminal() {
        let say = |name, text| shown(EntryKind::Say, name, text).expect("a line");
        assert_eq!(say("Ada", "\u{1b}[2J\r\nBob: hi"), r"Ada: \x1b[2J\x0d\x0aBob: hi");
        for forged in ["* the room", "Ada: yes", "/quit", "#7 x", "A\u{200b}da", "", "\u{202e}"] {
            assert_eq!(say(forged, "hi"), "somebody: hi", "{forged:?}");
        }
        assert_eq!(say("#12~k7", "hi"), "#12~k7: hi");
        assert_eq!(shown(EntryKind::Join, "* x", "").as_deref(), Some("* somebody joined"));
        assert_eq!(shown(EntryKind::Name, "Ada", "* Bob"), None);
        assert_eq!(shown(EntryKind::Unknown, "Ada", "hi"), None);
    }
}
