//! A course of events by a seed: real servers, nodes whose wires are ours, members who talk, faults at random, and then rest.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::cluster::{ClusterRoom, EntryKind, RoomBatch, RoomEntry};
use hobnob::engine::Crew;

use super::super::judge::{Case, MemberLog, Verdict};
use super::super::member::{Member, Said};
use super::node::Node;
use super::servers::Servers;

/// Nodes of a course, and members of each.
const NODES: usize = 5;
const MEMBERS: usize = 4;

/// How long everything may take to come to rest.
const REST: Duration = Duration::from_secs(90);

/// How long nodes may go on telling what is missing after all has come to rest: they wait 6 s, and then for an answer.
const TAIL: Duration = Duration::from_secs(8);

/// How long what is missing then may still take to be told.
const LATE_TAIL: Duration = Duration::from_secs(12);

/// What the last line of each node begins with.
pub(super) const LAST: &str = "the last of";

/// What a course is made of.
pub(super) struct Course {
    pub(super) program: PathBuf,
    /// How many servers there are.
    pub(super) servers: usize,
    pub(super) seed: u64,
    /// For how long faults happen.
    pub(super) time: Duration,
    /// Lines that may be called gone, and are in the stream.
    pub(super) needless: usize,
    /// Whether servers are parted from each other.
    pub(super) are_parted: bool,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    /// The faults that there were, each by its name.
    pub(super) faults: Vec<&'static str>,
    /// Starts of nodes that no server answered, and what nodes warned of.
    pub(super) refused: usize,
    pub(super) warnings: Vec<String>,
    /// How long it took to come to rest.
    pub(super) rest: Duration,
    logs: Vec<MemberLog>,
    said: Vec<(String, Duration)>,
    stream: Vec<String>,
    dead: HashSet<String>,
}

impl Outcome {
    fn case<'a>(&'a self, logs: &'a [MemberLog]) -> Case<'a> {
        Case { logs, said: &self.said, stream: &self.stream, dead: &self.dead }
    }

    /// Judges again, with what was shown changed.
    pub(super) fn with_logs(&self, change: impl FnOnce(&mut Vec<MemberLog>)) -> Verdict {
        let mut logs = self.logs.clone();
        change(&mut logs);
        self.case(&logs).judge()
    }

    /// When the first of the last lines was said: whoever was there had to be shown all of them.
    pub(super) fn last_words(&self) -> Duration {
        let is_last =
            |line: &str| line.split_once(": ").is_some_and(|(_, text)| text.starts_with(LAST));
        let said = self.said.iter().filter(|(line, _)| is_last(line));
        said.map(|(_, at)| *at).min().expect("each node has its last line")
    }

    /// Everything that there is to know: the stream, and what each member was shown, and when.
    pub(super) fn story(&self) -> String {
        let mut story = self.text();
        for (place, line) in self.stream.iter().enumerate() {
            let _ = write!(story, "\nstream {place}: {line}");
        }
        for (line, at) in &self.said {
            let _ = write!(story, "\nsaid {at:.3?}: {line}");
        }
        for log in &self.logs {
            let shown = log.lines.iter().zip(&log.heard);
            shown.for_each(|(line, at)| _ = write!(story, "\n{} {at:.3?}: {line}", log.name));
        }
        story
    }

    pub(super) fn text(&self) -> String {
        let (mut text, mut names) = (String::new(), self.faults.clone());
        names.sort_unstable();
        let counts = names.chunk_by(PartialEq::eq);
        let counts: Vec<_> = counts.map(|same| format!("{} {}", same.len(), same[0])).collect();
        let _ = write!(text, "{} faults ({}), ", self.faults.len(), counts.join(", "));
        let alone = self.logs.iter().map(MemberLog::longest_alone).max().unwrap_or_default();
        let _ = write!(
            text,
            "{} starts refused, alone for {alone:.1?} at the longest, at rest after {:.1?}: ",
            self.refused, self.rest
        );
        text + &self.verdict.to_string()
    }
}

impl Course {
    /// Runs it on this thread.
    pub(super) fn run(&self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(self.course())
    }

    async fn course(&self) -> Outcome {
        let (clock, crew) = (Clock::start(), Crew::start().expect("threads"));
        let name = format!("room-{}-{}", self.servers, self.seed);
        let room = ClusterRoom::named(&name).expect("a name");
        let mut servers = Servers::start_wired(&self.program, self.servers, &crew);
        servers.ready().await;
        let ports: Vec<_> = (0..self.servers).map(|at| servers.port(at)).collect();
        let node = |at| Node::new(at, &name, &ports, &crew, clock);
        let (mut nodes, said): (Vec<_>, _) = ((0..NODES).map(node).collect(), Said::default());
        for node in &mut nodes {
            node.start(MEMBERS, &said).await;
        }
        let until = clock.now() + self.time;
        let kinds = if self.servers > 2 { 6 + 3 * u8::from(self.are_parted) } else { 3 };
        let stage = FaultStage { until, clock, room: room.clone(), kinds };
        let chance = |lot| fastrand::Rng::with_seed(self.seed << 8 | lot);
        let nodes: Vec<_> = nodes.into_iter().map(tokio::sync::Mutex::new).collect();
        let (of_servers, of_nodes, ()) = tokio::join!(
            stage.of_servers(&mut servers, chance(0)),
            stage.of_nodes(&nodes, chance(1), &said),
            stage.talk(&nodes, chance(2), &said),
        );
        let nodes: Vec<_> = nodes.into_iter().map(tokio::sync::Mutex::into_inner).collect();
        let began = clock.now();
        rest(&nodes, &stage, &said).await;
        let rest = clock.now().saturating_sub(began);
        let faults = [of_servers, of_nodes].concat();
        self.judge(nodes, &servers, &stage, faults, rest, &said).await
    }

    /// Judges once whatever is told falsely has been told, and again while something is not told that may still be.
    async fn judge(
        &self,
        mut nodes: Vec<Node>,
        servers: &Servers,
        stage: &FaultStage,
        faults: Vec<&'static str>,
        rest: Duration,
        said: &Said,
    ) -> Outcome {
        let until = stage.clock.now() + LATE_TAIL;
        tokio::time::sleep(TAIL).await; // nobody tells that nothing is told any more
        nodes.iter_mut().for_each(Node::tell);
        let batches = servers.stream(&stage.room).await;
        let entries = batches.iter().flat_map(RoomBatch::entries);
        let lives = nodes.iter().flat_map(|node| &node.lives);
        let mut outcome = Outcome {
            verdict: Verdict::default(),
            faults,
            refused: nodes.iter().map(|node| node.refused).sum(),
            warnings: nodes.iter().flat_map(|node| node.warnings.clone()).collect(),
            rest,
            logs: Vec::new(),
            said: said.lines(),
            stream: entries.filter_map(|(_, entry)| shown(&entry)).collect(),
            dead: lives.filter(|life| life.1).map(|life| life.0.clone()).collect(),
        };
        loop {
            outcome.logs = nodes.iter().flat_map(Node::logs).collect();
            outcome.verdict = outcome.case(&outcome.logs).judge();
            if outcome.verdict.is_clean() || stage.clock.now() > until {
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(500)).await; // a tail that is missing is told in its time
        }
    }
}

/// An entry of the stream, as members are shown it.
fn shown(entry: &RoomEntry) -> Option<String> {
    let RoomEntry { name, text, .. } = entry;
    Some(match entry.kind {
        EntryKind::Say => format!("{name}: {text}"),
        EntryKind::Join => format!("* {name} joined"),
        EntryKind::Left => format!("* {name} left"),
        EntryKind::Name => format!("* {name} is {text} now"),
        EntryKind::Unknown => return None,
    })
}

/// Everybody says a last line, and all are shown all of them.
async fn rest(nodes: &[Node], stage: &FaultStage, said: &Said) {
    let mut last = Vec::new();
    for node in nodes {
        let speaker = node.members.first().expect("it has members");
        last.push((format!("{LAST} {}", speaker.name), speaker.name.clone()));
        stage.say(speaker, &last[last.len() - 1].0, said);
    }
    let all_is_heard = |log: &MemberLog| {
        // Who was alone has shown it long before.
        let is_last = |line: &&str| line.starts_with(LAST);
        let texts = log.lines.iter().rev().filter_map(|line| Some(line.split_once(": ")?.1));
        let ends: HashSet<_> = texts.filter(is_last).collect();
        last.iter().all(|(line, speaker)| *speaker == log.name || ends.contains(&**line))
    };
    let until = stage.clock.instant_in(REST);
    for member in nodes.iter().flat_map(|node| &node.members) {
        if tokio::time::timeout_at(until, member.until(all_is_heard)).await.is_err() {
            let log = member.with(MemberLog::clone);
            let tail = &log.lines[log.lines.len().saturating_sub(30)..];
            panic!("{} waits for a last line, and was shown {tail:#?}", log.name);
        }
    }
}

/// Where faults happen, and until when.
struct FaultStage {
    until: Duration,
    clock: Clock,
    room: ClusterRoom,
    /// How many kinds of faults servers have.
    kinds: u8,
}

impl FaultStage {
    fn is_over(&self) -> bool {
        self.clock.now() >= self.until
    }

    fn say(&self, member: &Member, text: &str, said: &Said) {
        said.note(format!("{}: {text}", member.name), self.clock.now());
        member.say(text);
    }

    /// Servers that are killed, stopped, parted and started again: one fault after the other.
    async fn of_servers(
        &self,
        servers: &mut Servers,
        mut chance: fastrand::Rng,
    ) -> Vec<&'static str> {
        let mut faults = Vec::new();
        while !self.is_over() {
            pause(&mut chance).await;
            let at = chance.usize(..servers.count());
            let others = (0..servers.count()).filter(|other| *other != at);
            let kind = chance.u8(..self.kinds);
            let leader = match kind {
                4 | 5 | 7 => servers.leader(&self.room.stream()).await,
                _ => None,
            };
            let (fault, hit) = match kind {
                0 | 1 => ("server killed", vec![at]),
                2 => ("server stopped", vec![at]),
                3 => ("two of three killed", others.collect()),
                4 | 5 => ("leader killed", vec![leader.unwrap_or(at)]),
                6 => ("server parted", vec![at]),
                7 => ("leader parted", vec![leader.unwrap_or(at)]),
                _ => ("all servers parted", (0..servers.count()).collect()),
            };
            faults.push(fault);
            match fault {
                "server stopped" => servers.freeze(at, true),
                parted if parted.ends_with("parted") => servers.part(&hit),
                _ => hit.iter().for_each(|at| servers.kill(*at)),
            }
            lasts(&mut chance).await;
            match fault {
                "server stopped" => servers.freeze(at, false),
                parted if parted.ends_with("parted") => servers.part(&[]),
                _ => hit.iter().for_each(|at| servers.start_one(*at)),
            }
        }
        faults
    }

    /// Nodes whose wires are bent, which crash, and whose members do not read.
    async fn of_nodes(
        &self,
        nodes: &[tokio::sync::Mutex<Node>],
        mut chance: fastrand::Rng,
        said: &Said,
    ) -> Vec<&'static str> {
        let mut faults = Vec::new();
        while !self.is_over() {
            pause(&mut chance).await;
            let at = chance.usize(..NODES);
            let (fault, settings): (_, &[&str]) = match chance.u8(..9) {
                0 | 1 => ("wires stalled", &["stall"]),
                2 => ("wires stalled one way", &[["up:stall", "down:stall"][chance.usize(..2)]]),
                3 => ("wires slow", &["latency=300ms", "jitter=200ms"]),
                4 | 5 => ("wires cut", &["refuse"]),
                6 => ("wires reset", &["reset,after=1ms"]),
                7 => ("node crashed", &[]),
                _ => ("slow reader", &[]),
            };
            faults.push(fault);
            let mut node = nodes[at].lock().await;
            match fault {
                "node crashed" => {
                    node.crash();
                    lasts(&mut chance).await;
                    node.start(MEMBERS, said).await;
                }
                "slow reader" => {
                    let time = Duration::from_millis(chance.u64(300..4_000));
                    node.members.iter().take(2).for_each(|member| member.doze(time));
                }
                _ => {
                    node.bend(settings);
                    if fault == "wires cut" {
                        node.tear();
                    }
                    drop(node);
                    lasts(&mut chance).await;
                    nodes[at].lock().await.bend(&[]);
                }
            }
        }
        faults
    }

    /// Members say lines, by chance one or a dozen at once.
    async fn talk(
        &self,
        nodes: &[tokio::sync::Mutex<Node>],
        mut chance: fastrand::Rng,
        said: &Said,
    ) {
        let mut count = 0;
        while !self.is_over() {
            tokio::time::sleep(Duration::from_millis(chance.u64(5..45))).await;
            // Who crashed says nothing.
            let Ok(node) = nodes[chance.usize(..NODES)].try_lock() else { continue };
            let Some(member) = node.members.get(chance.usize(..MEMBERS)) else { continue };
            let many = if chance.u8(..12) == 0 { 12 } else { 1 };
            for _ in 0..many {
                count += 1;
                let text = format!("line {count} {}", "x".repeat(chance.usize(..40)));
                self.say(member, text.trim_end(), said);
            }
        }
    }
}

/// The time between two faults.
async fn pause(chance: &mut fastrand::Rng) {
    tokio::time::sleep(Duration::from_millis(chance.u64(500..1_500))).await;
}

/// How long a fault lasts.
async fn lasts(chance: &mut fastrand::Rng) {
    tokio::time::sleep(Duration::from_millis(chance.u64(300..4_000))).await;
}
