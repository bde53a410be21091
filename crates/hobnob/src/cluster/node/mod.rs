//! A node of a room: what it takes, what it sends, what it asks, and what it tells. Without clock, I/O and lots of its own:
//! the time is given, and so is the seed.
//!
//! A driver calls what happened (`heard`, `acked`, `looked` ..), and [`ClusterNode::tick`] each [`TICK`], but for the time
//! that the node [rests](ClusterNode::rests_until); then it does the [wishes](NodeWish) and passes on what is
//! [told](NodeTold), in that order.

mod looking;
mod publishing;
mod reading;
mod telling;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::batch::{BatchMark, RoomBatch, RoomEntry};
use super::beat::NodeBeat;
use super::ledger::OriginLedger;
use super::name::NodeId;
use super::outbox::RoomOutbox;
use super::rule::ClusterRule;
use super::trail::StreamTrail;

/// How often a driver ticks.
pub const TICK: Duration = Duration::from_millis(100);

/// How long an ack is waited for before the batch is sent again.
const ACK: Duration = Duration::from_millis(1_500);

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(2);

/// A pause before something is tried again: by chance between these two.
const PAUSE: (u64, u64) = (50, 300);

/// For how long no own line may come back, of those that are away, before the node counts as alone. An election of a leader
/// takes longer.
const ALONE: Duration = Duration::from_secs(2);

/// What one tick adds at most to that time. A node that did not run for longer has heard nothing, whoever spoke.
const LONG_TICK: Duration = Duration::from_millis(500);

/// For how long another node may be ahead of what was heard before the leader is asked.
const BEHIND: Duration = Duration::from_millis(700);

/// After which time what did not come is told as missing.
const TAIL: Duration = Duration::from_secs(6);

/// Places that one request reads at most.
pub const READ_PLACES: u64 = 16;

/// How often in turn whoever is near may bring nothing before the leader is read; and the leader before they are again.
const READS_FAILED: u32 = 2;

/// Batches behind a hole that are kept until it is filled. What is beyond is read again.
const HELD: usize = 1_024;

/// Bytes of them.
const HELD_BYTES: usize = 8 << 20;

/// Places that are compared in one look.
const SUSPECTS: usize = 8;

/// What a node is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeTerms {
    /// Its number, drawn at each start.
    pub me: NodeId,
    /// What its pauses are drawn from.
    pub seed: u64,
    /// Entries that wait for the stream at most.
    pub outbox: usize,
    /// Batches that are read of what was said before.
    pub past: u64,
}

/// What a node asks of its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeWish {
    /// Append this batch to the stream, and say where it stands: [`ClusterNode::acked`].
    Publish(Arc<RoomBatch>),
    /// Ask the leader for the stream's first and last place and for what stands at these: [`ClusterNode::looked`].
    Look {
        /// The number of the request.
        id: u64,
        /// The places.
        places: Vec<u64>,
    },
    /// Read these places: [`ClusterNode::read`].
    Read {
        /// The number of the request.
        id: u64,
        /// The first place.
        from: u64,
        /// The last.
        to: u64,
        /// Ask the leader, and not whoever is near.
        is_leader: bool,
    },
    /// Tell the others that we are here.
    Beat {
        /// The last of our numbers that the stream has; and where.
        acked: (u64, u64),
    },
}

/// What the leader answered to a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLook {
    /// The first place that is still there.
    pub first: u64,
    /// The last; less than `first` where there is none.
    pub end: u64,
    /// What stands at the places that were asked for.
    pub marks: Vec<(u64, Option<BatchMark>)>,
}

/// What a node tells of the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeTold {
    /// The end of the stream is known: members may come in, and miss nothing from now on.
    Joined,
    /// An entry, in the order of the stream.
    Heard {
        /// Whose.
        origin: NodeId,
        /// Its number.
        number: u64,
        /// The entry.
        entry: RoomEntry,
        /// It was said before the node had joined.
        is_past: bool,
    },
    /// An entry of our own, before the others have it: we are alone.
    Own {
        /// Its number.
        number: u64,
        /// The entry.
        entry: RoomEntry,
    },
    /// What we say is heard here only.
    Alone,
    /// We are not alone any more, after so long.
    Back(Duration),
    /// Entries of a node are missing.
    Missed {
        /// Whose.
        origin: NodeId,
        /// The first number that is missing; none: how many are missing is not known.
        from: Option<u64>,
        /// The number behind the last.
        before: u64,
        /// Their node dropped them itself, before the stream had them.
        is_dropped: bool,
    },
    /// Of what was said while we were away the servers do not have all any more: whose it was, and how much, nobody knows.
    Expired,
    /// So many entries of a node are of another version, or longer than anybody can say: they cannot be shown.
    Unreadable {
        /// Whose.
        origin: NodeId,
        /// How many.
        count: u64,
    },
    /// Entries of our own that waited for the others were dropped: the first and the last number.
    Dropped(u64, u64),
    /// Entries of our own were dropped because no server takes them: the first and the last number.
    TooLong(u64, u64),
    /// What was said before is gone from the stream.
    WentBack,
    /// Somebody else says something in our name.
    Twin,
}

/// How far a node has come with the past of its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JoinPhase {
    /// The end of the stream is to be asked for.
    New,
    /// The last entries up to there are read.
    Reading(u64),
    /// Whether they still stand there is to be asked.
    Comparing,
    /// It has joined.
    Joined,
}

/// A request that is on its way.
#[derive(Debug)]
struct NodeAsking {
    id: u64,
    at: Duration,
    is_look: bool,
    is_leader: bool,
    /// How far the stream was taken when it was asked.
    last: u64,
    /// The highest place that was heard since.
    heard: u64,
}

/// A batch at the next place, before which something is missing. Whether that is so is asked before it is told.
#[derive(Debug)]
struct NodeDoubt {
    batch: RoomBatch,
    /// The last request at that time: what is asked later counts.
    asked: u64,
}

/// A node that is ahead of what was heard of it.
#[derive(Debug, Clone, Copy)]
struct NodeLag {
    since: Duration,
    acked: u64,
    at: u64,
}

/// A batch on its way, and when it is sent again.
#[derive(Debug)]
struct NodeFlight {
    batch: Arc<RoomBatch>,
    again: Duration,
}

/// A node of one room.
///
/// What it knows of the stream, by places of which some may be one:
///
/// ```text
///            trail.start()       trail.last()                     end
///                 v                   v                            v
///   1 .. gone .. [taken, with marks .. ] next | hole | held | hole |
///                      ^           ^                   ^
///                   verified   joined_at            back_to
/// ```
///
/// Up to `trail.last()` all was taken, and `verified` is how far the leader has vouched for it. What was heard behind a hole
/// is `held` until the hole is read; up to `back_to` it is read of the leader. What stands up to `joined_at` was said before
/// the node came, and is not its to miss.
#[derive(Debug)]
pub struct ClusterNode {
    me: NodeId,
    past: u64,
    broken: Option<ClusterRule>,
    chance: fastrand::Rng,
    phase: JoinPhase,
    ledger: OriginLedger,
    outbox: RoomOutbox,
    trail: StreamTrail,
    held: BTreeMap<u64, RoomBatch>,
    /// The highest place that the stream is known to have.
    end: u64,
    /// The end of the stream when we joined, or lower where it went back since.
    joined_at: u64,
    asking: Option<NodeAsking>,
    asked: u64,
    next_ask: Duration,
    wants_look: bool,
    /// Places to compare in the next look.
    suspects: BTreeSet<u64>,
    /// The last place that the leader has vouched for.
    verified: u64,
    /// Whether places were read, and not heard, since the leader was asked.
    has_read: bool,
    /// How often the next place was not found.
    misses: u32,
    /// How often in turn a read brought nothing at all; and how often looks did since the last request.
    reads_failed: u32,
    looks_failed: u32,
    /// When it was not found first.
    missed_since: Duration,
    doubt: Option<NodeDoubt>,
    /// Up to where the leader is read. After the stream went back others may have what was there before.
    back_to: u64,
    /// Something else was heard at a place that was taken: nothing is taken before the leader was asked.
    is_contradicted: bool,
    /// The doubt for which all was read again last.
    reread_for: Option<BatchMark>,
    /// When the last look that told something was asked.
    looked_at: Option<Duration>,
    behind: BTreeMap<NodeId, NodeLag>,
    flights: Vec<NodeFlight>,
    /// Own entries that have not come back.
    unreturned: VecDeque<(u64, RoomEntry, Duration)>,
    /// Own entries up to this number were shown here before they came back.
    shown_to: u64,
    /// Own entries that were dropped here, and have not been passed yet: the first and the last number.
    dropped: VecDeque<(u64, u64)>,
    alone_since: Option<Duration>,
    /// For how long own lines are away and none came back; and up to when that was counted.
    unanswered_for: Duration,
    counted_to: Duration,
    down_since: Option<Duration>,
    begun: Duration,
    next_beat: Duration,
    wishes: VecDeque<NodeWish>,
    told: VecDeque<NodeTold>,
}

impl ClusterNode {
    /// A node that begins now and has no link yet.
    pub fn new(terms: NodeTerms, now: Duration) -> Self {
        let NodeTerms { me, seed, outbox, past } = terms;
        let mut ledger = OriginLedger::default();
        ledger.begin(me);
        ClusterNode {
            me,
            past,
            broken: None,
            chance: fastrand::Rng::with_seed(seed),
            phase: JoinPhase::New,
            ledger,
            outbox: RoomOutbox::new(me, outbox),
            trail: StreamTrail::default(),
            held: BTreeMap::new(),
            end: 0,
            joined_at: 0,
            asking: None,
            asked: 0,
            next_ask: now,
            wants_look: false,
            suspects: BTreeSet::new(),
            verified: 0,
            has_read: false,
            misses: 0,
            reads_failed: 0,
            looks_failed: 0,
            missed_since: now,
            doubt: None,
            back_to: 0,
            is_contradicted: false,
            reread_for: None,
            looked_at: None,
            behind: BTreeMap::new(),
            flights: Vec::new(),
            unreturned: VecDeque::new(),
            shown_to: 0,
            dropped: VecDeque::new(),
            alone_since: None,
            unanswered_for: Duration::ZERO,
            counted_to: now,
            down_since: Some(now),
            begun: now,
            next_beat: now,
            wishes: VecDeque::new(),
            told: VecDeque::new(),
        }
    }

    /// The same, and it does not keep this rule. For a simulator, whose checker is to find out.
    pub fn breaking(mut self, rule: ClusterRule) -> Self {
        self.broken = Some(rule);
        if rule == ClusterRule::EndBeforeMembers {
            self.told.push_back(NodeTold::Joined);
        }
        self
    }

    fn keeps(&self, rule: ClusterRule) -> bool {
        self.broken != Some(rule)
    }

    /// Its number.
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// Whether what members say is heard here only.
    pub fn is_alone(&self) -> bool {
        self.alone_since.is_some()
    }

    /// Whether its link is there.
    pub fn is_linked(&self) -> bool {
        self.down_since.is_none()
    }

    /// Whether the end of the stream is known.
    pub fn has_joined(&self) -> bool {
        self.phase == JoinPhase::Joined
    }

    /// Whether all that members said here has come back.
    pub fn is_settled(&self) -> bool {
        self.outbox.is_empty() && self.unreturned.is_empty()
    }

    /// The link is there, anew: what was on its way may be lost.
    pub fn up(&mut self, now: Duration) {
        self.down_since = None;
        self.trouble(now);
        self.settle(now);
    }

    /// The link is gone.
    pub fn down(&mut self, now: Duration) {
        self.down_since.get_or_insert(now);
        self.forget_asking();
    }

    /// Something may have passed unheard: the link lost messages, or was made anew.
    pub fn trouble(&mut self, now: Duration) {
        self.wants_look = true;
        self.forget_asking();
        self.next_ask = now;
        for flight in 0..self.flights.len() {
            self.flights[flight].again = now + self.pause();
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        if self.asking.as_ref().is_some_and(|asking| asking.at + ANSWER <= now) {
            self.unanswered(now);
        }
        if self.next_beat <= now && self.down_since.is_none() {
            self.next_beat = now + super::beat::BEAT;
            self.wishes.push_back(NodeWish::Beat { acked: self.last_acked() });
        }
        self.retry(now);
        self.watch(now);
        self.settle(now);
        self.count_silence(now);
        self.judge_alone(now);
    }

    /// Until when it needs no tick, if nothing happens: it waits for its next beat alone. None: it waits for something else.
    pub fn rests_until(&self) -> Option<Duration> {
        let is_here = self.has_joined() && self.is_linked() && !self.is_alone();
        let waits_for_answers = self.asking.is_some() || self.wants_look || self.has_read;
        let doubts = self.doubt.is_some() || self.is_contradicted || !self.suspects.is_empty();
        let is_behind = !self.behind.is_empty() || !self.held.is_empty() || !self.is_caught_up();
        let is_resting =
            is_here && self.is_settled() && !waits_for_answers && !doubts && !is_behind;
        is_resting.then_some(self.next_beat)
    }

    /// What it asks of its link next.
    pub fn wish(&mut self) -> Option<NodeWish> {
        self.wishes.pop_front()
    }

    /// What it tells next.
    pub fn told(&mut self) -> Option<NodeTold> {
        self.told.pop_front()
    }

    /// Whether it has something to tell.
    pub fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    fn tell(&mut self, told: NodeTold) {
        self.told.push_back(told);
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.chance.u64(PAUSE.0..=PAUSE.1))
    }

    /// A request was not answered, or its answer says that nobody could tell.
    fn unanswered(&mut self, now: Duration) {
        if self.asking.as_ref().is_some_and(|asking| asking.is_look) {
            self.wants_look = true;
            self.looks_failed += 1;
        }
        self.forget_asking();
        self.next_ask = now + self.pause();
    }

    /// What is on its way will not be answered.
    fn forget_asking(&mut self) {
        if self.asking.take().is_some_and(|asking| !asking.is_look) {
            self.reads_failed += 1;
        }
    }

    /// The link could not do what was asked with this number.
    pub fn failed(&mut self, now: Duration, id: u64) {
        if self.asking.as_ref().is_some_and(|asking| asking.id == id) {
            self.unanswered(now);
        }
    }

    /// The last of its numbers that the stream has; and where. That is what a beat says.
    pub fn last_acked(&self) -> (u64, u64) {
        self.outbox.acked()
    }

    /// Beats with the next tick: somebody came who does not know us.
    pub fn beat_soon(&mut self, now: Duration) {
        self.next_beat = now;
    }

    /// Another node has beaten.
    pub fn beaten(&mut self, now: Duration, beat: &NodeBeat) {
        if beat.origin != self.me {
            self.compare(now, beat.origin, beat.acked, beat.at);
        }
    }
}
