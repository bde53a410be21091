//! A room whose order many nodes share: what members say goes to the stream of the cluster, and is shown when it comes
//! back, in the one order that the stream has. While the others cannot be reached, it is shown here at once.

mod candidate;
mod drive;
mod facts;
mod link;
mod meanwhile;
mod naming;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::order::{NameAnswer, RoomOrder};
use super::room::{Inbox, Room};
use super::show;
use crate::bus::Bus;
use crate::clock::{Clock, draw_seed};
use crate::cluster::nats::{NatsFiles, NatsServers};
use crate::cluster::{
    ClusterNode, ClusterRoom, DeskTerms, ENTRY_TEXT, EntryKind, KnownNode, NameDesk, NodeBeat,
    NodeId, NodeIs, NodeRoster, NodeTerms, NodeTold, OUTBOX_ENTRIES, REFRESH, RoomEntry,
    RoomServers,
};
use crate::conn::Boxed;
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::session::Keeper;
use crate::spec::Options;
use candidate::Candidate;
use link::{LinkInUse, LinkWatch};
use meanwhile::Meanwhile;

/// Bytes that are shown before the members have a turn to read.
const SLICE: usize = 131_072;

/// A wait from which on it is told with a line: its node was away.
const AWAY: u64 = 2_000;

/// The limit of what waits for the servers.
const OUTBOX: &str = "cluster-outbox";

/// Batches of the stream that are read for what was said before.
const PAST: u64 = 256;

/// Bytes of names that a beat has at most.
const BEAT_NAMES: usize = 8_192;

/// Nodes of which it is told by their names that something of them cannot be shown.
const UNREADABLE: usize = 16;

/// How often at most members are told the sum of what cannot be shown, and of what was dropped.
const SUM_PAUSE: Duration = Duration::from_secs(5);

/// A room over many nodes.
pub(super) struct Clustered {
    pub(super) room: Room,
    pub(super) servers: Arc<dyn RoomServers>,
    /// What people call this node.
    name: String,
    pub(super) clock: Clock,
    inner: Mutex<NodeInRoom>,
    /// Rung when there is something to send.
    pub(super) bell: Notify,
    /// The link that `open` has made.
    link: Mutex<LinkInUse>,
    /// Where what is said is counted as dropped, once nothing moves the room any more.
    pub(super) over: OnceLock<Bus>,
}

pub(super) struct NodeInRoom {
    pub(super) node: ClusterNode,
    pub(super) roster: NodeRoster,
    pub(super) names: NameDesk,
    /// Members that wait for a name; and what came of it, until they take it.
    candidates: BTreeMap<u64, Candidate>,
    verdicts: BTreeMap<u64, NameAnswer>,
    /// What others said while we are alone.
    meanwhile: Meanwhile,
    /// Whether members were told that we are alone, and not yet that the others are back: the node may be back already,
    /// and what it has told of that still waits to be shown.
    is_apart: bool,
    /// Bytes that were shown since the members had a turn.
    pub(super) shown: usize,
    /// Messages that were shown here before the others had them.
    said_here: u64,
    /// Entries of other nodes that cannot be shown, and messages that were dropped here, until members are told; and when
    /// they were last.
    unreadable: BTreeMap<NodeId, u64>,
    undelivered: u64,
    sums_told: Option<Duration>,
    watch: LinkWatch,
    /// The node of which was told that it was away.
    late: Option<NodeId>,
    /// Whether somebody here had much to read when the last line was shown.
    is_crowded: bool,
    /// Facts that are not told yet; how many lines were dropped; and how many were larger than the servers take.
    pub(super) facts: Vec<Fact>,
    pub(super) dropped: usize,
    pub(super) too_long: usize,
}

impl Clustered {
    /// The room of the options `room`, on the servers of `cluster`.
    pub(super) fn of(room: Room, servers: &str, options: &Options) -> Result<Self> {
        let me = NodeId::draw();
        let named = ClusterRoom::named(options.text("room").unwrap_or("lobby"))?;
        let path = |name| options.text(name).filter(|path| !path.is_empty()).map(Into::into);
        let files = NatsFiles { auth: path("cluster-auth"), ca: path("cluster-ca") };
        let servers = NatsServers::new(servers, files, named, me)?;
        Clustered::on(room, Arc::new(servers), me, options)
    }

    /// The room on these servers, which know the node by this number.
    pub(super) fn on(
        room: Room,
        servers: Arc<dyn RoomServers>,
        me: NodeId,
        options: &Options,
    ) -> Result<Self> {
        let name = options.text("node").filter(|name| !name.is_empty());
        if let Some(Err(why)) = name.map(|name| show::name(name.as_bytes())) {
            let error = Error::new(Kind::BadOption, format!("a node's name: {why}"));
            return Err(error.hint_option("node", "kite", "a name as members have them"));
        }
        let name = name.map_or_else(own_name, str::to_owned);
        // Who came and went stands in the stream too: what is read has more than the messages that are wanted.
        let past = if options.count("history").unwrap_or_default() > 0 { PAST } else { 0 };
        let terms = NodeTerms { me, seed: draw_seed(), outbox: OUTBOX_ENTRIES, past };
        let node_name = name.as_str().into();
        let desk = DeskTerms { me, node: node_name, seed: draw_seed(), refresh: REFRESH };
        let clock = Clock::start();
        Ok(Clustered {
            room,
            servers,
            name,
            clock,
            inner: Mutex::new(NodeInRoom::of(ClusterNode::new(terms, clock.now()), desk)),
            bell: Notify::new(),
            link: Mutex::default(),
            over: OnceLock::new(),
        })
    }

    fn inner(&self) -> MutexGuard<'_, NodeInRoom> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the node do something, then shows what it tells.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut NodeInRoom, Duration) -> T) -> T {
        let mut inner = self.inner();
        let now = self.clock.now();
        let done = act(&mut inner, now);
        loop {
            while let Some(told) = inner.names.told() {
                self.named(&mut inner, now, told);
            }
            if inner.shown >= SLICE {
                self.bell.notify_one(); // the rest is shown when the members have had a turn
                return done;
            }
            let Some(told) = inner.node.told() else { return done };
            self.show(&mut inner, told);
        }
    }

    /// Our beat.
    pub(super) fn beat(&self, acked: (u64, u64)) -> NodeBeat {
        let (names, members) = self.room.who(BEAT_NAMES);
        NodeBeat {
            origin: self.inner().node.me(),
            acked: acked.0,
            at: acked.1,
            name: self.name.clone(),
            members: members as u64,
            names: names.iter().map(ToString::to_string).collect(),
            is_last: false,
        }
    }

    fn say_entry(&self, kind: EntryKind, seat: u64, name: &Arc<str>, text: &str) {
        self.with(|inner, now| inner.say(now, (kind, seat), name, text));
        self.bell.notify_one();
    }

    fn show(&self, inner: &mut NodeInRoom, told: NodeTold) {
        inner.fact(&told);
        let count = |from, to: u64| usize::try_from(to + 1 - from).unwrap_or(usize::MAX);
        match told {
            NodeTold::Dropped(from, to) => {
                inner.dropped += count(from, to);
                inner.undelivered += to + 1 - from;
            }
            NodeTold::TooLong(from, to) => inner.too_long += count(from, to),
            NodeTold::Alone => (inner.is_apart, inner.said_here) = (true, 0),
            NodeTold::Back(_) => inner.is_apart = false,
            _ => {}
        }
        match told {
            NodeTold::Heard { entry, is_past: true, .. } if !inner.is_apart => {
                self.remember(&entry);
            }
            // Who came while we were alone from the start has not seen it yet.
            NodeTold::Heard { entry, is_past: true, .. } if entry.kind != EntryKind::Say => {}
            NodeTold::Heard { origin, entry, .. } if origin == inner.node.me() => {
                self.show_entry(inner, origin, &entry);
            }
            NodeTold::Heard { origin, entry, is_past, .. } => match tamed(entry) {
                None => inner.note_unreadable(origin, 1),
                Some(entry) if inner.is_apart => inner.meanwhile.keep(origin, entry, is_past),
                Some(entry) => self.show_entry(inner, origin, &entry),
            },
            NodeTold::Own { entry, .. } => {
                let me = inner.node.me();
                self.show_entry(inner, me, &entry);
            }
            NodeTold::Twin => {
                let (now, me) = (self.clock.now(), NodeId::draw());
                inner.node.reborn(now, me);
                inner.names.reborn(now, me);
            }
            NodeTold::Back(away) => self.show_meanwhile(inner, away),
            NodeTold::Unreadable { origin, count } => inner.note_unreadable(origin, count),
            told => {
                let name = |node| node_name(&inner.roster, node);
                for line in words::told(&told, name) {
                    self.room.tell(None, &line);
                }
            }
        }
    }

    /// Shows what was said at the other nodes while they could not be reached.
    fn show_meanwhile(&self, inner: &mut NodeInRoom, away: Duration) {
        let meanwhile = std::mem::take(&mut inner.meanwhile);
        let (said_there, unkept) = (meanwhile.messages(), meanwhile.unkept);
        let said_here = std::mem::take(&mut inner.said_here);
        inner.facts.push(facts::rejoined(away, said_here, said_there));
        self.room.tell(None, &words::back(said_there, meanwhile.is_of_before));
        if unkept > 0 {
            self.room.tell(None, &words::unkept(unkept));
        }
        for (origin, entry) in meanwhile.into_entries() {
            self.show_entry(inner, origin, &entry);
        }
        if said_there > 0 {
            self.room.tell(None, "* that was all");
        }
    }

    fn show_entry(&self, inner: &mut NodeInRoom, origin: NodeId, entry: &RoomEntry) {
        let is_own = origin == inner.node.me();
        if !is_own && entry.waited >= AWAY && inner.late != Some(origin) {
            let name = node_name(&inner.roster, origin);
            self.room.tell(None, &words::away(&name, entry.waited));
        }
        inner.late = (!is_own && entry.waited >= AWAY).then_some(origin);
        let Some(line) = line(entry) else { return };
        let but = is_own.then_some(entry.seat);
        inner.shown += line.len();
        inner.is_crowded = self.room.hear(but, &line, entry.kind == EntryKind::Say);
    }

    /// Keeps what was said before we came, for who joins.
    fn remember(&self, entry: &RoomEntry) {
        if let (EntryKind::Say, Some(line)) = (entry.kind, line(entry)) {
            self.room.keep(&line);
        }
    }

    /// Tells that so many messages of members here were dropped.
    pub(super) fn tell_dropped(&self, count: u64) {
        self.room.tell(None, &words::dropped(count));
    }

    /// Tells that so much of a node cannot be shown.
    pub(super) fn tell_unreadable(&self, origin: NodeId, count: u64) {
        let mut inner = self.inner();
        let name = node_name(&inner.roster, origin);
        self.room.tell(None, &words::unreadable(&name, count));
        inner.facts.push(facts::unreadable(name, count));
    }

    /// Tells that a node came, is not reached, or is gone.
    pub(super) fn tell_node(&self, node: &KnownNode) {
        let name = shown_name(&node.beat.name).unwrap_or_else(|| node.beat.origin.to_string());
        let line = words::node(&name, node.is, node.beat.members);
        self.room.tell(None, &line);
        self.inner().facts.push(facts::node(name, node.is, node.beat.members));
    }
}

impl NodeInRoom {
    fn of(node: ClusterNode, desk: DeskTerms) -> Self {
        NodeInRoom {
            node,
            roster: NodeRoster::default(),
            names: NameDesk::new(desk),
            candidates: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            meanwhile: Meanwhile::default(),
            is_apart: false,
            shown: 0,
            said_here: 0,
            unreadable: BTreeMap::new(),
            undelivered: 0,
            sums_told: None,
            watch: LinkWatch::default(),
            late: None,
            is_crowded: false,
            facts: Vec::new(),
            dropped: 0,
            too_long: 0,
        }
    }

    /// Counts what cannot be shown. Of more nodes than are known nobody needs a number each.
    fn note_unreadable(&mut self, origin: NodeId, count: u64) {
        let is_known = self.unreadable.contains_key(&origin);
        let origin =
            if is_known || self.unreadable.len() < UNREADABLE { origin } else { NodeId::STRANGER };
        let sum = self.unreadable.entry(origin).or_default();
        *sum = sum.saturating_add(count);
    }

    /// What cannot be shown, and what was dropped, and was not told yet: at once, and then once in a while.
    pub(super) fn take_sums(&mut self, now: Duration) -> (BTreeMap<NodeId, u64>, u64) {
        let was_told = self.sums_told.is_some_and(|told| told + SUM_PAUSE > now);
        if was_told || self.unreadable.is_empty() && self.undelivered == 0 {
            return (BTreeMap::new(), 0);
        }
        self.sums_told = Some(now);
        (std::mem::take(&mut self.unreadable), std::mem::take(&mut self.undelivered))
    }

    /// Whether members are still to be told a sum.
    pub(super) fn has_sums(&self) -> bool {
        self.undelivered > 0 || !self.unreadable.is_empty()
    }

    /// Keeps what whoever looks at the server is told of it.
    fn fact(&mut self, told: &NodeTold) {
        let fact = match told {
            NodeTold::Alone => Some(facts::parted(self.node.is_linked())),
            NodeTold::Own { entry, .. } => {
                self.said_here += u64::from(entry.kind == EntryKind::Say);
                None
            }
            NodeTold::Missed { origin, .. } => facts::told(told, node_name(&self.roster, *origin)),
            told => facts::told(told, String::new()),
        };
        self.facts.extend(fact);
    }

    /// Tells the other nodes what a member does; or how many bytes of text it may say, where that is too long.
    fn say(
        &mut self,
        now: Duration,
        (kind, seat): (EntryKind, u64),
        name: &Arc<str>,
        text: &str,
    ) -> Option<usize> {
        let entry = RoomEntry { kind, seat, name: name.clone(), text: text.into(), waited: 0 };
        let too_long = self.node.too_long(&entry);
        if too_long.is_none() {
            self.node.say(now, entry);
        }
        too_long
    }
}

impl RoomOrder for Clustered {
    fn has_names(&self) -> bool {
        self.room.has_names
    }

    fn enter(&self, id: u64, name: &str, mailbox: &Arc<Inbox>, is_told: bool) -> NameAnswer {
        let name: Arc<str> = name.into();
        self.claim(id, Candidate { name, mailbox: mailbox.clone(), is_told, is_inside: false })
    }

    fn say(&self, id: u64, text: &str) -> bool {
        let Some((name, was_told)) = self.room.speaker(id) else { return false };
        if !was_told {
            self.say_entry(EntryKind::Join, id, &name, "");
        }
        let is_behind = self.with(|inner, now| {
            if let Some(bus) = self.over.get() {
                bus.drop_by(OUTBOX, 1); // the servers have refused this node, and its members are about to be told to go
            }
            if let Some(most) = inner.say(now, (EntryKind::Say, id), &name, text) {
                inner.too_long += 1;
                self.room.answer(id, &words::too_long(most));
            }
            inner.node.is_behind() || inner.is_crowded
        });
        self.bell.notify_one();
        is_behind
    }

    fn rename(&self, id: u64, name: &str) -> NameAnswer {
        let Some(mailbox) = self.room.mailbox(id) else { return NameAnswer::Granted };
        self.claim(id, Candidate { name: name.into(), mailbox, is_told: false, is_inside: true })
    }

    fn verdict(&self, id: u64) -> Option<NameAnswer> {
        self.inner().verdicts.remove(&id)
    }

    fn who(&self, bytes: usize) -> String {
        let mut line = self.room.here(bytes);
        let now = self.clock.now();
        let inner = self.inner();
        let nodes = inner.roster.nodes().filter(|node| node.beat.members > 0);
        let mut left_out = 0;
        for node in nodes {
            let name = shown_name(&node.beat.name).unwrap_or_else(|| node.beat.origin.to_string());
            let names: Vec<_> =
                node.beat.names.iter().filter_map(|name| shown_name(name)).collect();
            let silence = now.saturating_sub(node.heard);
            let is_away = node.is != NodeIs::Came || !inner.node.is_linked();
            let there = words::there(&name, &names, node.beat.members, is_away.then_some(silence));
            if line.len() + there.len() > bytes {
                left_out += 1;
            } else {
                line += &there;
            }
        }
        line + &words::more_nodes(left_out)
    }

    fn leave(&self, id: u64, _is_quiet: bool) {
        self.with(|inner, now| inner.forget(now, id));
        let Some((name, was_told)) = self.room.leave_quietly(id) else { return };
        // When this node ends, each of its members leaves for those at the other nodes, who stay.
        if was_told {
            self.say_entry(EntryKind::Left, id, &name, "");
        }
        self.bell.notify_one();
    }

    fn open<'a>(&'a self, keeper: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(self.begin(keeper))
    }

    fn keep<'a>(&'a self, keeper: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(self.go_on(keeper))
    }
}

/// The name of this machine.
fn own_name() -> String {
    nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok()).unwrap_or_default()
}

/// An entry of another node as it may be shown here: what was escaped there is escaped here, too, and is longer then. None:
/// it is longer than anything that a member can say.
fn tamed(entry: RoomEntry) -> Option<RoomEntry> {
    let text = match entry.kind {
        EntryKind::Say => Arc::from(show::escaped(entry.text.as_bytes())),
        _ => entry.text,
    };
    (text.len() <= ENTRY_TEXT).then_some(RoomEntry { text, ..entry })
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
