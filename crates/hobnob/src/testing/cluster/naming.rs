//! Names over many nodes, on a stream that delays, loses acks, is in doubt, and goes away: has each name one owner, and is
//! none lost for ever?

mod faults;
mod owners;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{
    DeskTerms, GONE, NameDesk, NameRecord, NameRule, NameTold, NameWish, NodeId, WriteFault,
};

/// When no member comes or goes any more, and no fault begins: milliseconds.
const QUIET: u64 = 120_000;

/// When all must have come to rest, and everybody leaves.
const LEAVE: u64 = 240_000;

/// When nobody is left, and each name is claimed once more: who crashed is gone by then, also to who was away till late.
const CLAIM: u64 = 265_000;

/// After how long the stream forgets what nobody said anew. As with real servers it is longer than a node may be away and be
/// waited for, and than it takes until an owner says it anew.
const AGE: u64 = 200_000;

/// When they are claimed again: whoever was not heard before is gone a minute after its name was asked for.
const AGAIN: u64 = CLAIM + 65_000;

/// When they are claimed once more where servers had lost what they had: a write that they had not known of may have come to
/// them when its node was away and had forgotten it. The stream has forgotten it by then.
const FORGOTTEN: u64 = LEAVE + AGE + 10_000;

/// How long after the last claims each of them must have come to its end.
const ENDED: u64 = 20_000;

/// How long a node is silent before its names may be taken.
const GONE_MILLIS: u64 = 60_000;

/// How long a process is stopped before it knows it.
const STOPPED_MILLIS: u64 = 5_000;

/// How often a node ticks, and beats.
const TICK_MILLIS: u64 = 250;
const BEAT_MILLIS: u64 = 1_000;

const NAMES: [&str; 5] = ["Ada", "ada", "Bob", "Cy", "Di"];

/// One course of events about names, by its seed.
#[derive(Debug, Clone, Copy)]
pub struct NamingTrial {
    seed: u64,
    broken: Option<NameRule>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct NamingReport {
    /// How often a member asked for a name.
    pub asked: usize,
    /// How often it got it, at once or later.
    pub granted: usize,
    /// How often it was lent another one.
    pub lent: usize,
    /// How often a name was taken from a node that was away for too long, or whose servers had lost what they had.
    pub lost: usize,
    /// How often a name had two owners that knew of each other, or at the end.
    pub doubled: usize,
    /// Names that nobody has at the end, and nobody can get; and members that wait for ever.
    pub stuck: usize,
}

impl NamingReport {
    /// Whether each name had one owner, and none is lost for ever.
    pub fn is_clean(&self) -> bool {
        self.doubled == 0 && self.stuck == 0
    }
}

impl NamingTrial {
    /// The trial of this seed.
    pub fn of(seed: u64) -> Self {
        NamingTrial { seed, broken: None }
    }

    /// The same, with nodes that break a rule.
    pub fn breaking(self, rule: NameRule) -> Self {
        NamingTrial { broken: Some(rule), ..self }
    }

    /// Runs it to its end.
    pub fn run(self) -> NamingReport {
        let mut world = NameWorld::of(self);
        while let Some(((now, _), event)) = world.events.pop_first() {
            let last = if world.has_lost { FORGOTTEN } else { AGAIN };
            if now > last + ENDED {
                break;
            }
            world.now = now;
            world.happen(event);
        }
        world.judged()
    }
}

/// Something that happens at its time. Nodes are numbered across their starts.
enum NameEvent {
    Start,
    Tick(usize),
    Beat(usize),
    Come(usize),
    Go(usize),
    GoSoon(usize, u64),
    /// A member comes to this node and asks for this name.
    Ask(usize, &'static str),
    Link(usize, bool),
    /// A node's process is stopped for so long; and goes on.
    Stop(usize, u64),
    Resume(usize, u64),
    Fault,
    /// The servers lose what they had.
    Lose,
    Arrive(usize, NameWish),
    Written(usize, Arc<str>, u64, Result<u64, WriteFault>),
    Read(usize, Arc<str>, u64, (u64, Option<NameRecord>)),
    Heard(usize, u64, NameRecord),
    Beaten(usize, NodeId),
    Leave,
    Claim,
}

/// A node, and what its members believe.
struct NamedNode {
    me: NodeId,
    desk: NameDesk,
    is_alive: bool,
    is_linked: bool,
    /// Until when its process is stopped, and since when it runs again, where it can have noticed.
    stopped: u64,
    resumed: u64,
    /// When it had its link first.
    came: u64,
    /// Since when it is away, and when it came back last after it was away for long.
    away: u64,
    returned: u64,
    /// When each name stood as its own last.
    stood: BTreeMap<String, u64>,
    seats: u64,
    /// Who has a name, by the name in lower case.
    owners: BTreeMap<String, u64>,
    /// Who waits: for its name, or for it while it has another one.
    waiting: BTreeSet<(u64, String)>,
    /// Who has asked and heard nothing yet: it asks for nothing else.
    claiming: BTreeSet<u64>,
    /// Names that were taken from it while it was away, and of which it does not know yet.
    outdated: BTreeSet<String>,
    /// When each other node was heard.
    heard: BTreeMap<NodeId, u64>,
}

/// What stands for a name, and since when.
struct NameStanding {
    revision: u64,
    record: NameRecord,
    since: u64,
}

struct NameWorld {
    trial: NamingTrial,
    now: u64,
    count: u64,
    events: BTreeMap<(u64, u64), NameEvent>,
    chance: fastrand::Rng,
    /// The stream: the last revision, and what stands for each name.
    last: u64,
    stands: BTreeMap<Arc<str>, NameStanding>,
    nodes: Vec<NamedNode>,
    /// Until when there is no leader; until when writes come late; until when acks are lost.
    leaderless: u64,
    slow: u64,
    mute: u64,
    /// Whether the servers have lost what they had.
    has_lost: bool,
    report: NamingReport,
}

impl NameWorld {
    fn of(trial: NamingTrial) -> Self {
        assert_eq!(GONE, Duration::from_millis(GONE_MILLIS), "the trial waits as nodes do");
        let mut world = NameWorld {
            trial,
            now: 0,
            count: 0,
            events: BTreeMap::new(),
            chance: fastrand::Rng::with_seed(trial.seed),
            last: 0,
            stands: BTreeMap::new(),
            nodes: Vec::new(),
            leaderless: 0,
            slow: 0,
            mute: 0,
            has_lost: false,
            report: NamingReport::default(),
        };
        for _ in 0..world.chance.usize(2..=4) {
            world.start();
        }
        for _ in 0..world.chance.usize(10..60) {
            let (at, node) = (world.chance.u64(..QUIET), world.chance.usize(..4));
            let event = if world.one_in(3) { NameEvent::Go(node) } else { NameEvent::Come(node) };
            world.at(at, event);
        }
        for _ in 0..world.chance.usize(1..10) {
            let at = world.chance.u64(..QUIET);
            world.at(at, NameEvent::Fault);
        }
        world.plan_stops();
        world.at(LEAVE, NameEvent::Leave);
        world.at(CLAIM, NameEvent::Claim);
        world.at(AGAIN, NameEvent::Claim);
        world.at(FORGOTTEN, NameEvent::Claim);
        world
    }

    fn at(&mut self, at: u64, event: NameEvent) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    fn after(&mut self, least: u64, most: u64, event: NameEvent) {
        let at = self.now + self.chance.u64(least..=most);
        self.at(at, event);
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.chance.u32(..count) == 0
    }

    fn start(&mut self) {
        let at = self.nodes.len();
        let me = NodeId::drawn([self.chance.u64(1..), at as u64]);
        let seed = self.chance.u64(..);
        let refresh = Duration::from_secs(if self.trial.seed.is_multiple_of(2) { 20 } else { 120 });
        let terms = DeskTerms { me, node: "kite".into(), seed, refresh };
        let mut desk = NameDesk::new(terms);
        if let Some(rule) = self.trial.broken {
            desk = desk.breaking(rule);
        }
        self.nodes.push(NamedNode {
            me,
            desk,
            is_alive: true,
            is_linked: false,
            stopped: 0,
            resumed: 0,
            came: 0,
            away: 0,
            returned: 0,
            stood: BTreeMap::new(),
            seats: 0,
            owners: BTreeMap::new(),
            waiting: BTreeSet::new(),
            claiming: BTreeSet::new(),
            outdated: BTreeSet::new(),
            heard: BTreeMap::new(),
        });
        let up = self.now + self.chance.u64(1..=2_500);
        self.nodes[at].came = up;
        self.at(up, NameEvent::Link(at, true));
        if self.now > 0 && self.one_in(2) {
            // Two want one name when nobody has heard the one's node yet.
            let (name, other) = (NAMES[self.chance.usize(..NAMES.len())], self.chance.usize(..4));
            self.at(up + 1, NameEvent::Ask(at, name));
            if let Some(other) = self.alive(other) {
                let soon = up + self.chance.u64(1..600);
                self.at(soon, NameEvent::Ask(other, name));
            }
        }
        self.after(1, TICK_MILLIS, NameEvent::Tick(at));
        self.after(1, BEAT_MILLIS, NameEvent::Beat(at));
    }

    fn happen(&mut self, event: NameEvent) {
        let Some(event) = self.put_off(event) else { return };
        match event {
            NameEvent::Start => self.start(),
            NameEvent::Tick(at) => {
                // A desk that rests is ticked as seldom as its node beats.
                let is_seldom = !(self.now / TICK_MILLIS).is_multiple_of(BEAT_MILLIS / TICK_MILLIS);
                if !(is_seldom && self.nodes[at].desk.is_resting()) {
                    self.with(at, NameDesk::tick);
                }
                self.at(self.now + TICK_MILLIS, NameEvent::Tick(at));
            }
            NameEvent::Beat(at) => self.beat(at),
            NameEvent::Come(at) => self.come(at),
            NameEvent::Go(at) => self.go(at),
            NameEvent::GoSoon(at, seat) => self.leave(at, seat),
            NameEvent::Link(at, is_up) => {
                let (now, node) = (self.now, &mut self.nodes[at]);
                node.is_linked = is_up;
                match is_up {
                    true if node.away + GONE_MILLIS / 2 <= now => node.returned = now,
                    true => {}
                    false => node.away = now,
                }
                self.with(at, |desk, now| if is_up { desk.up(now) } else { desk.down(now) });
            }
            NameEvent::Stop(place, time) => self.stop(place, time),
            NameEvent::Resume(at, time) => {
                let (now, node) = (self.now, &mut self.nodes[at]);
                if time >= STOPPED_MILLIS {
                    node.resumed = now;
                }
                if time >= GONE_MILLIS / 2 {
                    node.returned = now;
                }
            }
            NameEvent::Ask(at, name) => self.seat(at, name),
            NameEvent::Fault => self.fault(),
            NameEvent::Lose => {
                self.has_lost = true;
                self.stands.clear();
                self.last = 0;
            }
            NameEvent::Arrive(at, wish) => self.serve(at, wish),
            NameEvent::Written(at, key, id, done) => {
                self.answer(at, |desk, now| desk.written(now, &key, id, done));
            }
            NameEvent::Read(at, key, id, found) => {
                self.answer(at, |desk, now| desk.read(now, &key, id, Ok(found)));
            }
            NameEvent::Heard(at, revision, record) => {
                self.answer(at, |desk, now| desk.heard(now, revision, &record));
            }
            NameEvent::Beaten(at, origin) => {
                if self.nodes[at].is_linked {
                    self.nodes[at].heard.insert(origin, self.now);
                }
                self.answer(at, |desk, now| desk.beaten(now, origin));
            }
            NameEvent::Leave => self.leave_all(),
            NameEvent::Claim => self.claim_all(),
        }
    }

    /// Has a node do something that came over its link, if that is there.
    fn answer(&mut self, at: usize, act: impl FnOnce(&mut NameDesk, Duration)) {
        if self.nodes[at].is_linked {
            self.with(at, act);
        }
    }

    fn with(&mut self, at: usize, act: impl FnOnce(&mut NameDesk, Duration)) {
        let now = Duration::from_millis(self.now);
        let node = &mut self.nodes[at];
        if !node.is_alive {
            return;
        }
        act(&mut node.desk, now);
        while let Some(told) = self.nodes[at].desk.told() {
            self.note(at, told);
        }
        while let Some(wish) = self.nodes[at].desk.wish() {
            if !self.nodes[at].is_linked || self.now < self.mute && self.one_in(6) {
                continue;
            }
            let is_slow = self.now < self.slow && self.one_in(2);
            let most = if is_slow { 6_000 } else { 5 };
            self.after(1, most, NameEvent::Arrive(at, wish));
        }
    }

    fn note(&mut self, at: usize, told: NameTold) {
        match told {
            NameTold::Granted { seat, name } => {
                self.report.granted += 1;
                self.own(at, seat, &name);
                self.keep_only(at, seat, &name);
            }
            NameTold::Regained { seat, name } => {
                self.report.granted += 1;
                self.own(at, seat, &name);
            }
            NameTold::Lent { seat, name } => {
                self.report.lent += 1;
                self.keep_only(at, seat, &name);
                self.nodes[at].owners.retain(|_, own| *own != seat);
            }
            NameTold::Taken { seat, name, .. } => {
                let node = &mut self.nodes[at];
                node.claiming.remove(&seat);
                node.waiting.remove(&(seat, name.to_lowercase()));
            }
            NameTold::Lost { name, .. } => {
                self.report.lost += 1;
                self.nodes[at].owners.remove(&name.to_lowercase());
                self.nodes[at].outdated.remove(&name.to_lowercase());
            }
        }
    }

    /// A live node by its place, as long as there is one that runs.
    fn alive(&self, place: usize) -> Option<usize> {
        let runs = |node: &NamedNode| node.is_alive && node.stopped <= self.now;
        let alive: Vec<_> = (0..self.nodes.len()).filter(|at| runs(&self.nodes[*at])).collect();
        (!alive.is_empty()).then(|| alive[place % alive.len()])
    }

    fn ask(&mut self, at: usize, seat: u64, name: &str) {
        self.report.asked += 1;
        self.nodes[at].waiting.insert((seat, name.to_lowercase()));
        self.nodes[at].claiming.insert(seat);
        self.with(at, |desk, now| desk.claim(now, seat, name));
    }

    /// A member comes and asks for a name; or one that has a name asks for another one.
    fn come(&mut self, place: usize) {
        let Some(at) = self.alive(place) else { return };
        let name = NAMES[self.chance.usize(..NAMES.len())];
        let is_free = |seat: &&u64| !self.nodes[at].claiming.contains(seat);
        let seated = self.nodes[at].owners.values().find(is_free).copied();
        let seat = if let Some(seat) = seated.filter(|_| self.one_in(3)) {
            seat
        } else {
            self.nodes[at].seats += 1;
            self.nodes[at].seats
        };
        self.ask(at, seat, name);
        if self.one_in(4) {
            self.after(0, 3_000, NameEvent::GoSoon(at, seat)); // before it knows, perhaps
        }
    }

    /// A new member asks for a name.
    fn seat(&mut self, at: usize, name: &str) {
        self.nodes[at].seats += 1;
        self.ask(at, self.nodes[at].seats, name);
    }

    fn go(&mut self, place: usize) {
        let Some(at) = self.alive(place) else { return };
        let seats = self.nodes[at].seats;
        if seats > 0 {
            let seat = self.chance.u64(1..=seats);
            let mut had = self.nodes[at].owners.iter().filter(|(_, own)| **own == seat);
            let name = had
                .next()
                .and_then(|(key, _)| NAMES.iter().find(|name| name.to_lowercase() == *key));
            self.leave(at, seat);
            if let Some(name) = name.filter(|_| self.one_in(2)) {
                self.after(200, 4_000, NameEvent::Ask(at, name)); // the same name, before it was given back for certain
            }
        }
    }

    fn leave(&mut self, at: usize, seat: u64) {
        let node = &mut self.nodes[at];
        node.owners.retain(|_, own| *own != seat);
        node.waiting.retain(|(own, _)| *own != seat);
        node.claiming.remove(&seat);
        self.with(at, |desk, now| desk.leave(now, seat));
    }

    fn beat(&mut self, at: usize) {
        if !self.nodes[at].is_alive {
            return;
        }
        self.at(self.now + BEAT_MILLIS, NameEvent::Beat(at));
        if self.nodes[at].is_linked {
            let me = self.nodes[at].me;
            self.others(at, |other| NameEvent::Beaten(other, me));
        }
    }

    fn others(&mut self, at: usize, event: impl Fn(usize) -> NameEvent) {
        for other in (0..self.nodes.len()).filter(|other| *other != at) {
            self.after(1, 5, event(other));
        }
    }

    /// Each name is there for who comes.
    fn claim_all(&mut self) {
        let Some(at) = self.alive(0) else { return };
        for name in &NAMES[1..] {
            if !self.nodes[at].owners.contains_key(&name.to_lowercase()) {
                self.seat(at, name);
            }
        }
    }
}
