//! The course of a trial: nodes, links, servers and faults, in made-up time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::judge::{LineKey, NodeView, StreamFate, TrialReport, judge};
use super::servers::FakeServers;
use crate::cluster::{
    ClusterNode, ClusterRule, EntryKind, NodeBeat, NodeId, NodeTerms, NodeWish, RoomBatch,
    RoomEntry, StreamLook,
};

/// When nobody says anything any more, and no fault begins: milliseconds.
const QUIET: u64 = 9_000;

/// When everything must have come to rest.
const END: u64 = 36_000;

/// How often a node ticks.
const TICK_MILLIS: u64 = 100;

/// One course of events, by its seed.
#[derive(Debug, Clone, Copy)]
pub struct ClusterTrial {
    seed: u64,
    broken: Option<ClusterRule>,
}

impl ClusterTrial {
    /// The trial of this seed.
    pub fn of(seed: u64) -> Self {
        ClusterTrial { seed, broken: None }
    }

    /// The same, with nodes that break a rule.
    pub fn breaking(self, rule: ClusterRule) -> Self {
        ClusterTrial { broken: Some(rule), ..self }
    }

    /// Runs it to its end.
    pub fn run(self) -> TrialReport {
        let mut world = World::of(self);
        while let Some(((now, _), event)) = world.events.pop_first() {
            if now > END {
                break;
            }
            world.now = now;
            world.happen(event);
        }
        world.judged()
    }
}

/// Something that happens at its time.
enum SimEvent {
    Start(usize),
    Say(usize),
    Tick(usize),
    Arrive(usize, NodeWish),
    LookStep(usize, u64, Vec<u64>, StreamLook),
    ReadStep(usize, u64, (u64, u64), bool, Vec<(u64, Option<RoomBatch>)>),
    Hear(usize, SimNews),
    Fault,
    Link(usize, bool),
    LayGhosts,
}

/// What reaches a node.
enum SimNews {
    Batch(u64, RoomBatch),
    Acked(u64, u64),
    Refused(u64),
    Looked(u64, StreamLook),
    Read(u64, Vec<(u64, Option<RoomBatch>)>),
    Failed(u64),
    Beat(NodeBeat),
}

struct SimNode {
    node: ClusterNode,
    view: NodeView,
    /// What belongs to an earlier start does not reach a later one.
    is_linked: bool,
    /// Until when its reader is frozen; until when it hears beats alone.
    frozen: u64,
    deaf: u64,
}

struct World {
    trial: ClusterTrial,
    now: u64,
    count: u64,
    events: BTreeMap<(u64, u64), SimEvent>,
    chance: fastrand::Rng,
    servers: FakeServers,
    nodes: Vec<Option<SimNode>>,
    dead: Vec<NodeView>,
    said: Vec<LineKey>,
    /// Places of nodes that tick: across starts.
    ticking: BTreeSet<usize>,
    /// Until when there is no leader; until when deliveries are lost, doubled and late; until when acks are; until when
    /// servers lag.
    leaderless: u64,
    lossy: u64,
    late_acks: u64,
    lagging: u64,
    /// Whether the servers lose what they have.
    loses: bool,
    outbox: usize,
}

impl World {
    fn of(trial: ClusterTrial) -> Self {
        let mut chance = fastrand::Rng::with_seed(trial.seed);
        let loses = trial.seed % 2 == 1;
        let count = chance.usize(2..=4);
        let outbox = if chance.u8(..8) == 0 { 6 } else { 4_096 };
        let mut world = World {
            trial,
            now: 0,
            count: 0,
            events: BTreeMap::new(),
            servers: FakeServers::new(trial.broken),
            nodes: (0..count).map(|_| None).collect(),
            dead: Vec::new(),
            said: Vec::new(),
            ticking: BTreeSet::new(),
            leaderless: 0,
            lossy: 0,
            late_acks: 0,
            lagging: 0,
            loses,
            outbox,
            chance,
        };
        for node in 0..count {
            let at = world.chance.u64(..if node == 0 { 100 } else { 5_000 });
            world.at(at, SimEvent::Start(node));
        }
        for _ in 0..world.chance.usize(10..80) {
            let (at, node) = (world.chance.u64(..QUIET), world.chance.usize(..count));
            world.at(at, SimEvent::Say(node));
        }
        for _ in 0..world.chance.usize(1..8) {
            let at = world.chance.u64(..QUIET - 1_000);
            world.at(at, SimEvent::Fault);
        }
        world
    }

    fn at(&mut self, at: u64, event: SimEvent) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    fn after(&mut self, least: u64, most: u64, event: SimEvent) {
        let at = self.now + self.chance.u64(least..=most);
        self.at(at, event);
    }

    fn clock(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.chance.u32(..count) == 0
    }

    fn happen(&mut self, event: SimEvent) {
        match event {
            SimEvent::Start(at) => self.start(at),
            SimEvent::Say(at) => self.say(at),
            SimEvent::Tick(at) => {
                let rests = self.nodes[at].as_ref().and_then(|sim| sim.node.rests_until());
                if rests.is_none_or(|until| until <= self.clock()) {
                    self.with(at, ClusterNode::tick);
                }
                self.at(self.now + TICK_MILLIS, SimEvent::Tick(at));
            }
            SimEvent::Arrive(at, wish) => self.serve(at, wish),
            SimEvent::LookStep(at, id, places, look) => self.look(at, id, places, look),
            SimEvent::ReadStep(at, id, left, is_leader, found) => {
                self.read(at, id, left, is_leader, found);
            }
            SimEvent::Hear(at, news) => self.hear(at, news),
            SimEvent::Fault => self.fault(),
            SimEvent::Link(at, is_up) => self.link(at, is_up),
            SimEvent::LayGhosts => self.servers.lay_ghosts(),
        }
    }

    fn start(&mut self, at: usize) {
        let me = NodeId::drawn([self.chance.u64(1..), at as u64]);
        let past = [0, 3, 50][self.chance.usize(..3)];
        let terms = NodeTerms { me, seed: self.chance.u64(..), outbox: self.outbox, past };
        let mut node = ClusterNode::new(terms, self.clock());
        if let Some(rule) = self.trial.broken {
            node = node.breaking(rule);
        }
        let view = NodeView { me: Some(me), ..NodeView::default() };
        let is_first = self.ticking.insert(at);
        self.nodes[at] = Some(SimNode { node, view, is_linked: false, frozen: 0, deaf: 0 });
        self.drain(at);
        if is_first {
            self.after(0, 99, SimEvent::Tick(at));
        }
        let late = if self.one_in(3) { 2_500 } else { 50 };
        self.after(1, late, SimEvent::Link(at, true));
    }

    /// Has a node do something, then does what it wishes and notes what it tells.
    fn with(&mut self, at: usize, act: impl FnOnce(&mut ClusterNode, Duration)) {
        let now = self.clock();
        if let Some(sim) = &mut self.nodes[at] {
            act(&mut sim.node, now);
        }
        self.drain(at);
    }

    fn drain(&mut self, at: usize) {
        let said = self.said.len();
        let Some(sim) = &mut self.nodes[at] else { return };
        while let Some(told) = sim.node.told() {
            sim.view.note(&told, said);
        }
        let is_linked = sim.is_linked;
        let wishes: Vec<_> = std::iter::from_fn(|| sim.node.wish()).collect();
        for wish in wishes {
            let is_lost = !is_linked || self.now < self.lossy && self.one_in(20);
            if !is_lost {
                let most = if self.now < self.lossy { 400 } else { 4 };
                self.after(1, most, SimEvent::Arrive(at, wish));
            }
        }
    }

    fn say(&mut self, at: usize) {
        let Some(sim) = &mut self.nodes[at] else { return };
        // Nobody is let in before the node has joined or is alone.
        if !sim.node.has_joined() && !sim.node.is_alone() {
            return;
        }
        let me = sim.node.me();
        let many = if self.chance.u8(..6) == 0 { 12 } else { 1 };
        for _ in 0..many {
            let text = self.said.len().to_string().into();
            let entry =
                RoomEntry { kind: EntryKind::Say, seat: 1, name: "Ada".into(), text, waited: 0 };
            let Some(sim) = &mut self.nodes[at] else { return };
            let number = sim.node.say(Duration::from_millis(self.now), entry);
            self.said.push((me, number));
        }
        self.drain(at);
    }

    fn serve(&mut self, at: usize, wish: NodeWish) {
        let has_leader = self.now >= self.leaderless;
        match wish {
            NodeWish::Publish(batch) if has_leader => {
                let (place, is_new) = self.servers.append(&batch);
                self.ack(at, batch.first, place);
                if is_new {
                    self.republish(place, &batch);
                }
            }
            NodeWish::Publish(batch) if self.one_in(2) => {
                self.after(1, 5, SimEvent::Hear(at, SimNews::Refused(batch.first)));
            }
            NodeWish::Look { id, places } if has_leader => {
                let look = StreamLook {
                    first: self.servers.first(),
                    end: self.servers.end(),
                    marks: Vec::new(),
                };
                self.after(0, 3, SimEvent::LookStep(at, id, places, look));
            }
            NodeWish::Look { id, .. } if self.one_in(2) => {
                self.after(1, 5, SimEvent::Hear(at, SimNews::Failed(id)));
            }
            NodeWish::Read { id, from, to, is_leader } if has_leader || !is_leader => {
                self.after(0, 3, SimEvent::ReadStep(at, id, (from, to), is_leader, Vec::new()));
            }
            NodeWish::Beat { acked } => self.beat(at, acked),
            _ => {}
        }
    }

    fn ack(&mut self, at: usize, first: u64, place: u64) {
        let is_late = self.now < self.late_acks;
        if is_late && self.one_in(2) {
            return;
        }
        let most = if is_late { 4_000 } else { 4 };
        self.after(1, most, SimEvent::Hear(at, SimNews::Acked(first, place)));
    }

    /// Tells every node what was appended: not surely, and not surely once and in order.
    fn republish(&mut self, place: u64, batch: &RoomBatch) {
        for at in 0..self.nodes.len() {
            let is_lossy = self.now < self.lossy;
            let copies = if is_lossy { [0, 0, 1, 1, 1, 2][self.chance.usize(..6)] } else { 1 };
            for _ in 0..copies {
                let most = if is_lossy { 1_500 } else { 3 };
                let news = SimNews::Batch(place, batch.clone());
                self.after(1, most, SimEvent::Hear(at, news));
            }
        }
    }

    fn beat(&mut self, from: usize, acked: (u64, u64)) {
        let Some(me) = self.nodes[from].as_ref().map(|sim| sim.node.me()) else { return };
        for at in 0..self.nodes.len() {
            if at == from || self.now < self.lossy && self.one_in(2) {
                continue;
            }
            let (name, names) = (String::new(), Vec::new());
            let beat = NodeBeat {
                origin: me,
                acked: acked.0,
                at: acked.1,
                name,
                members: 1,
                names,
                is_last: false,
            };
            self.after(1, 5, SimEvent::Hear(at, SimNews::Beat(beat)));
        }
    }

    /// The leader is asked for one place after the other, and time passes in between.
    fn look(&mut self, at: usize, id: u64, mut places: Vec<u64>, mut look: StreamLook) {
        if self.now < self.leaderless {
            return;
        }
        let Some(place) = places.pop() else {
            self.after(1, 4, SimEvent::Hear(at, SimNews::Looked(id, look)));
            return;
        };
        let is_late = self.now < self.lagging && self.one_in(3);
        look.marks.push((place, self.servers.mark(place).filter(|_| !is_late)));
        let most = if self.one_in(4) { 150 } else { 2 };
        self.after(0, most, SimEvent::LookStep(at, id, places, look));
    }

    /// The same of reads. Who is near may not have it yet, or may have what was there before.
    fn read(
        &mut self,
        at: usize,
        id: u64,
        (from, to): (u64, u64),
        is_leader: bool,
        mut found: Vec<(u64, Option<RoomBatch>)>,
    ) {
        if from > to {
            self.after(1, 4, SimEvent::Hear(at, SimNews::Read(id, found)));
            return;
        }
        let is_late = self.now < self.lagging && self.one_in(3) || !is_leader && self.one_in(10);
        let ghost = self.servers.ghost(from).filter(|_| !is_leader).cloned();
        let is_ghost = ghost.is_some() && self.one_in(3);
        let batch = if is_ghost { ghost } else { self.servers.at(from).cloned() };
        found.push((from, batch.filter(|_| is_ghost || !is_late)));
        let most = if self.one_in(8) { 100 } else { 1 };
        self.after(0, most, SimEvent::ReadStep(at, id, (from + 1, to), is_leader, found));
    }

    fn hear(&mut self, at: usize, news: SimNews) {
        let Some(sim) = &self.nodes[at] else { return };
        if !sim.is_linked || self.now < sim.deaf && !matches!(news, SimNews::Beat(_)) {
            return;
        }
        if self.now < sim.frozen {
            let frozen = sim.frozen;
            self.at(frozen, SimEvent::Hear(at, news));
            return;
        }
        self.with(at, |node, now| match news {
            SimNews::Batch(place, batch) => node.heard(now, place, batch),
            SimNews::Acked(first, place) => node.acked(now, first, place),
            SimNews::Refused(first) => node.refused(now, first),
            SimNews::Looked(id, look) => node.looked(now, id, &look),
            SimNews::Read(id, found) => node.read(now, id, found),
            SimNews::Failed(id) => node.failed(now, id),
            SimNews::Beat(beat) => node.beaten(now, &beat),
        });
    }

    fn link(&mut self, at: usize, is_up: bool) {
        if let Some(sim) = &mut self.nodes[at] {
            sim.is_linked = is_up;
        }
        self.with(at, |node, now| if is_up { node.up(now) } else { node.down(now) });
    }

    /// A crash takes what was not sent along, and its node comes back as another one.
    fn crash(&mut self, at: usize) {
        let Some(SimNode { mut view, .. }) = self.nodes[at].take() else { return };
        view.is_dead = true;
        self.dead.push(view);
        // Its ticks go on: they find the next start there.
        let again = self.now + self.chance.u64(10..2_000);
        self.at(again, SimEvent::Start(at));
    }

    fn fault(&mut self) {
        let lasts = self.now + self.chance.u64(100..4_000).min(QUIET - self.now.min(QUIET));
        let at = self.chance.usize(..self.nodes.len());
        match self.chance.u8(..if self.loses { 13 } else { 9 }) {
            0 => self.leaderless = lasts,
            1 => self.lossy = lasts,
            2 => self.late_acks = lasts,
            3 => self.lagging = lasts,
            4 => {
                let is_started = self.nodes[at].as_ref().is_some_and(|sim| sim.is_linked);
                if is_started {
                    self.link(at, false);
                    self.at(lasts, SimEvent::Link(at, true));
                }
            }
            5 => self.nodes[at].iter_mut().for_each(|sim| sim.frozen = lasts),
            6 => self.crash(at),
            7 => self.servers.forget(),
            8 => {
                let deaf = self.now + self.chance.u64(2_000..9_000);
                self.nodes[at].iter_mut().for_each(|sim| sim.deaf = deaf);
            }
            9 => self.servers.expire(3),
            10 if self.one_in(2) => {
                self.servers.begin_anew();
                self.after(0, 1_000, SimEvent::LayGhosts);
            }
            _ => {
                let count = self.chance.u64(1..6);
                self.servers.go_back(count);
                if self.one_in(2) {
                    self.leaderless = self.leaderless.max(self.now + self.chance.u64(..500));
                    self.lagging = self.leaderless + 300;
                }
                self.after(0, 1_000, SimEvent::LayGhosts);
            }
        }
    }

    fn judged(self) -> TrialReport {
        let fate = StreamFate { there: self.servers.lines(), lost: self.servers.lost };
        let alive = self.nodes.into_iter().flatten().map(|sim| {
            let is_settled = sim.node.has_joined() && !sim.node.is_alone() && sim.node.is_settled();
            NodeView { is_settled, ..sim.view }
        });
        let views: Vec<_> = alive.chain(self.dead).collect();
        judge(&views, &self.said, &fate)
    }
}
