//! Names that one member of all nodes has: who wants one claims it by a write that fails where another one was first.
//! Without clock, I/O and lots of its own: the time is given, and so is the seed.
//!
//! A stream keeps one record a name. A claim is a write that expects the revision on which it builds: none, or that of a
//! record that gave the name back, or that of a node that is gone. Whether a write was done is not always known; then the
//! leader is asked whose the name is, and nothing is assumed.
//!
//! A driver calls what happened and [`NameDesk::tick`] each [`TICK`](super::TICK), does the [wishes](NameWish), and passes
//! on what is [told](NameTold).

mod desk;
mod record;
mod rule;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::beat::{GONE, STOPPED};
use super::name::NodeId;
pub use record::{NameRecord, name_key, name_token};
pub use rule::NameRule;

/// How long a member waits for its name before it is lent another one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(2);

/// A pause before something is tried again: by chance between these two.
const PAUSE: (u64, u64) = (50, 300);

/// Requests that are on their way at once.
const WINDOW: usize = 64;

/// Nodes of which it is kept when they were heard.
const NODES: usize = 1_024;

/// Numbers of our own that we had before.
const FORMER: usize = 8;

/// How often an owner says that a name is still its own. The stream forgets what was not said for an hour.
pub const REFRESH: Duration = Duration::from_mins(20);

/// What a desk is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskTerms {
    /// The node's number.
    pub me: NodeId,
    /// What people call it.
    pub node: Arc<str>,
    /// What its pauses are drawn from.
    pub seed: u64,
    /// How often it says that its names are its own: [`REFRESH`].
    pub refresh: Duration,
}

/// What a desk asks of its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameWish {
    /// Ask the leader what stands for a name: [`NameDesk::read`].
    Read {
        /// The number of the request.
        id: u64,
        /// The name, in lower case.
        key: Arc<str>,
    },
    /// Write what is to stand for a name: [`NameDesk::written`].
    Write {
        /// The number of the request.
        id: u64,
        /// The name, in lower case.
        key: Arc<str>,
        /// What is to stand.
        record: NameRecord,
        /// The revision that must stand there now; 0: none. Nothing: whatever does, which no node asks for.
        expected: Option<u64>,
    },
}

/// What is known of a write that was not done as it was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// Another revision stands there: it was not done.
    Conflict,
    /// Nobody was there to take it: it was not done.
    Untaken,
    /// Whether it was done, or will be, is not known.
    Doubt,
}

/// What a desk tells of a member's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameTold {
    /// The member has the name that it asked for.
    Granted {
        /// The member.
        seat: u64,
        /// The name.
        name: Arc<str>,
    },
    /// Another one has it.
    Taken {
        /// The member that asked, now or when nobody could be asked.
        seat: u64,
        /// The name.
        name: Arc<str>,
        /// Whose it is.
        by: NameRecord,
    },
    /// Nobody could be asked in time. The desk goes on asking, and the member has another name until it knows.
    Lent {
        /// The member.
        seat: u64,
        /// The name that it asked for.
        name: Arc<str>,
    },
    /// The name for which it was lent another one is the member's now.
    Regained {
        /// The member.
        seat: u64,
        /// The name.
        name: Arc<str>,
    },
    /// A name that a member had is another one's now: we were away for too long.
    Lost {
        /// The member.
        seat: u64,
        /// The name.
        name: Arc<str>,
        /// Whose it is.
        by: NameRecord,
    },
}

/// How far a member has come with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameStage {
    /// It waits for the name until then.
    Asking(Duration),
    /// It has another one, and gets this one if it can be had.
    Lent,
    /// It has it.
    Own,
}

/// What stands for a name, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NameStands {
    /// The leader is to be asked.
    Unknown,
    /// Nobody's, at this revision; 0: nothing stands there.
    Free(u64),
    /// Ours.
    Ours(u64),
    /// Another one's.
    Theirs(NameRecord, u64),
}

/// A request that is on its way.
#[derive(Debug, Clone, Copy)]
struct NameFlight {
    id: u64,
    at: Duration,
    /// Of a write: what it expects, and whether it makes the name ours. None: it reads.
    write: Option<(u64, bool)>,
}

#[derive(Debug)]
struct NameRow {
    name: Arc<str>,
    /// Whose it is to be; none: it is given back.
    seat: Option<u64>,
    stage: NameStage,
    stands: NameStands,
    flight: Option<NameFlight>,
    /// What a write expected of which it is not known whether it was done: where that still stands, it may still come.
    unsettled: Option<u64>,
    /// Something else was heard since the last request was sent.
    is_doubted: bool,
    /// When it was written last by us, for certain.
    refreshed: Option<Duration>,
    /// When something is to be done about it.
    due: Duration,
}

/// The last that is known of another node.
#[derive(Debug, Clone, Copy, Default)]
struct NodeSign {
    /// When it lived.
    at: Duration,
    /// The newest revision of it that was read.
    read: u64,
}

/// The names of one node's members.
#[derive(Debug)]
pub struct NameDesk {
    terms: DeskTerms,
    /// Numbers that this node had before: what they own is ours.
    former: VecDeque<NodeId>,
    broken: Option<NameRule>,
    chance: fastrand::Rng,
    rows: BTreeMap<Arc<str>, NameRow>,
    /// The names of each member, in lower case.
    seats: HashMap<u64, Vec<Arc<str>>>,
    /// Names that wait for a place among the requests.
    queue: VecDeque<Arc<str>>,
    flights: usize,
    asked: u64,
    /// Since when other nodes can be heard.
    listening: Option<Duration>,
    /// When time passed last, as far as it was told.
    ticked: Duration,
    heard: BTreeMap<NodeId, NodeSign>,
    /// The revision of what was heard last.
    newest: u64,
    wishes: VecDeque<NameWish>,
    told: VecDeque<NameTold>,
}

impl NameDesk {
    /// A desk that has no link yet.
    pub fn new(terms: DeskTerms) -> Self {
        NameDesk {
            chance: fastrand::Rng::with_seed(terms.seed),
            terms,
            former: VecDeque::new(),
            broken: None,
            rows: BTreeMap::new(),
            seats: HashMap::new(),
            queue: VecDeque::new(),
            flights: 0,
            asked: 0,
            listening: None,
            ticked: Duration::ZERO,
            heard: BTreeMap::new(),
            newest: 0,
            wishes: VecDeque::new(),
            told: VecDeque::new(),
        }
    }

    /// The same, and it does not keep this rule. For a simulator, whose judge is to find out.
    pub fn breaking(mut self, rule: NameRule) -> Self {
        self.broken = Some(rule);
        self
    }

    fn keeps(&self, rule: NameRule) -> bool {
        self.broken != Some(rule)
    }

    /// What it asks of its link next.
    pub fn wish(&mut self) -> Option<NameWish> {
        self.wishes.pop_front()
    }

    /// What it tells next.
    pub fn told(&mut self) -> Option<NameTold> {
        self.told.pop_front()
    }

    /// Whether nothing is to be done: every member has its name, and nothing is being given back.
    pub fn is_settled(&self) -> bool {
        let is_done = |row: &NameRow| row.seat.is_some() && row.stage == NameStage::Own;
        self.rows.values().all(is_done)
    }

    /// Whether it needs ticks for nothing but to say, once in a long while, that its names are its own.
    pub fn is_resting(&self) -> bool {
        let is_ours = |row: &NameRow| matches!(row.stands, NameStands::Ours(_));
        self.is_settled() && self.rows.values().all(|row| is_ours(row) && row.flight.is_none())
    }

    /// The link is there, anew.
    pub fn up(&mut self, now: Duration) {
        (self.listening, self.ticked) = (Some(now), now);
        self.trouble(now);
    }

    /// The link is gone: nobody can be asked.
    pub fn down(&mut self, now: Duration) {
        self.listening = None;
        self.wishes.clear();
        self.queue.clear();
        for key in self.keys() {
            self.unanswered(now, &key);
            self.lend(&key);
        }
    }

    /// Something may have passed unheard: each name is compared.
    pub fn trouble(&mut self, now: Duration) {
        self.queue.clear(); // each is queued anew where there is no place for it
        for key in self.keys() {
            self.unanswered(now, &key);
            let is_compared = self.keeps(NameRule::NamesAreCompared);
            let Some(row) = self.rows.get_mut(&key) else { continue };
            if is_compared {
                row.stands = NameStands::Unknown;
            }
            row.due = now;
            self.act(now, &key);
        }
    }

    fn keys(&self) -> Vec<Arc<str>> {
        self.rows.keys().cloned().collect()
    }

    /// Another node has beaten.
    pub fn beaten(&mut self, now: Duration, origin: NodeId) {
        if self.has_room(now, origin) {
            self.heard.entry(origin).or_default().at = now;
        }
    }

    /// What another node has written was heard: it lives.
    fn has_written(&mut self, now: Duration, owner: NodeId, revision: u64) {
        self.newest = revision;
        if self.keeps(NameRule::WritersLive) {
            self.beaten(now, owner);
        }
    }

    /// What another node has written was read. Where that was not heard, it may have been written a moment ago.
    fn meet(&mut self, now: Duration, owner: NodeId, revision: u64) {
        if !self.keeps(NameRule::WritersLive) || !self.has_room(now, owner) {
            return;
        }
        let is_unheard = revision > self.newest;
        let sign = self.heard.entry(owner).or_insert(NodeSign { at: now, read: revision });
        if is_unheard && revision > sign.read {
            *sign = NodeSign { at: now, read: revision };
        }
    }

    /// Whether it can be kept when this node was heard. Who is gone makes room.
    fn has_room(&mut self, now: Duration, origin: NodeId) -> bool {
        if self.heard.len() >= NODES && !self.heard.contains_key(&origin) {
            self.heard.retain(|_, sign| sign.at + GONE > now);
        }
        self.heard.len() < NODES || self.heard.contains_key(&origin)
    }

    /// Whether nothing was heard of a node for so long that its names may be taken.
    fn is_gone(&self, now: Duration, owner: NodeId) -> bool {
        let is_over = |since: Duration| since + GONE <= now;
        let is_new = !self.keeps(NameRule::WritersLive);
        let is_silent = self.heard.get(&owner).map_or(is_new, |sign| is_over(sign.at));
        let can_tell = self.listening.is_some_and(is_over) && !self.was_stopped(now);
        can_tell && is_silent && owner != NodeId::STRANGER
    }

    /// Whether this process did not run lately: nobody told it that time passes.
    fn was_stopped(&self, now: Duration) -> bool {
        self.ticked + STOPPED <= now && self.keeps(NameRule::StopsAreNoticed)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        if self.was_stopped(now) {
            self.listening = self.listening.map(|_| now);
        }
        self.ticked = now;
        let is_late = |row: &NameRow| row.flight.is_some_and(|flight| flight.at + ANSWER <= now);
        let is_over = |row: &NameRow| matches!(row.stage, NameStage::Asking(until) if until <= now);
        let is_due = |row: &NameRow| row.flight.is_none() && row.due <= now;
        let rows = self.rows.iter();
        let keys = rows.filter(|(_, row)| is_late(row) || is_over(row) || is_due(row));
        for key in keys.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            if self.rows.get(&key).is_some_and(is_late) {
                self.unanswered(now, &key);
            }
            if self.rows.get(&key).is_some_and(is_over) {
                self.lend(&key);
            }
            if self.flights < WINDOW {
                self.act(now, &key);
            }
        }
        self.pump(now);
    }

    /// From now on the node has another number: what it owns is written anew.
    pub fn reborn(&mut self, now: Duration, me: NodeId) {
        self.former.push_front(std::mem::replace(&mut self.terms.me, me));
        self.former.truncate(FORMER);
        for row in self.rows.values_mut() {
            (row.refreshed, row.due) = (None, now);
            row.is_doubted |= row.flight.is_some(); // it has the number that we had
        }
    }

    fn is_ours(&self, owner: NodeId) -> bool {
        owner == self.terms.me || self.former.contains(&owner)
    }
}
