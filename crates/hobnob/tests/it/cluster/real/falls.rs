//! By hand: what members see when something falls, and after how long. `HOBNOB_FALLS=3` does each so often:
//! `HOBNOB_FALLS=3 cargo test -p hobnob --test it cluster::real::falls -- --nocapture`.

use std::fmt::Write as _;
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::cluster::ClusterRoom;
use hobnob::engine::Crew;

use super::super::judge::{ALONE, BACK, MemberLog};
use super::super::member::Said;
use super::asked;
use super::node::Node;
use super::servers::{Make, Servers};
use crate::stage::skip;

/// Between two lines of who talks all the time.
const BEAT: Duration = Duration::from_millis(50);

/// How long after the end of a fault everything must be as before.
const CALM: Duration = Duration::from_secs(30);

/// What falls, with how many servers, and for how long.
const FALLS: &[(&str, usize, u64)] = &[
    ("a follower killed", 3, 5),
    ("the leader killed", 3, 10),
    ("the leader stopped", 3, 10),
    ("two of three killed", 3, 5),
    ("all three killed", 3, 5),
    ("a follower parted from the others", 3, 30),
    ("the leader parted from the others", 3, 10),
    ("all three parted", 3, 5),
    ("the lone server killed", 1, 5),
    ("a node's wires stalled", 3, 5),
    ("a node's wires stalled", 3, 15),
    ("a node's wires cut", 3, 5),
    ("a node's wires reset", 3, 0),
];

/// A room at two nodes: somebody talks at the first, and is heard at both.
struct Fallen {
    servers: Servers,
    room: ClusterRoom,
    nodes: Vec<Node>,
    said: Said,
    clock: Clock,
}

impl Fallen {
    async fn stand(count: usize, crew: &Crew) -> Self {
        let program = Make::Pinned.program().expect("cargo xtask peers has put it there");
        let (clock, said) = (Clock::start(), Said::default());
        let name = format!("falls-{count}");
        let servers = Servers::start_wired(&program, count, crew);
        servers.ready().await;
        let ports: Vec<_> = (0..count).map(|at| servers.port(at)).collect();
        let node = |at| Node::new(at, &name, &ports, crew, clock);
        let mut nodes: Vec<_> = (0..2).map(node).collect();
        for node in &mut nodes {
            node.start(2, &said).await;
        }
        let room = ClusterRoom::named(&name).expect("a name");
        Fallen { servers, room, nodes, said, clock }
    }

    /// Says a line each [`BEAT`] for so long, and until all were shown at the other node.
    async fn talk(&self, time: Duration) {
        let until = self.clock.now() + time;
        let (speaker, hearer) = (&self.nodes[0].members[0], &self.nodes[1].members[0]);
        let mut last = String::new();
        while self.clock.now() < until {
            last = format!("{}", self.clock.now().as_micros());
            speaker.say(&last);
            self.said.note(format!("{}: {last}", speaker.name), self.clock.now());
            tokio::time::sleep(BEAT).await;
        }
        let is_shown = |log: &MemberLog| log.lines.iter().rev().any(|line| line.ends_with(&last));
        let heard = tokio::time::timeout(CALM, hearer.until(is_shown)).await;
        heard.unwrap_or_else(|_| panic!("the other node does not hear {last}"));
    }

    async fn fall(&mut self, what: &str, time: Duration) -> String {
        let leader = self.servers.leader(&self.room.stream()).await.unwrap_or(0);
        let all = 0..self.servers.count();
        let hit: Vec<_> = match what {
            "a follower killed" | "a follower parted from the others" => {
                all.filter(|at| *at != leader).take(1).collect()
            }
            "the leader killed" | "the leader stopped" | "the leader parted from the others" => {
                vec![leader]
            }
            "two of three killed" => all.filter(|at| *at != leader).collect(),
            "all three killed" | "the lone server killed" | "all three parted" => all.collect(),
            _ => Vec::new(),
        };
        let began = self.clock.now();
        let faults: &[&str] = match what {
            "a node's wires stalled" => &["stall"],
            "a node's wires cut" => &["refuse"],
            "a node's wires reset" => &["reset,after=1ms"],
            _ => &[],
        };
        self.nodes[0].bend(faults);
        if faults == ["refuse"] {
            self.nodes[0].tear();
        }
        let (is_stopped, is_parted) = (what.ends_with("stopped"), what.contains("parted"));
        match &hit[..] {
            parted if is_parted => self.servers.part(parted),
            stopped if is_stopped => stopped.iter().for_each(|at| self.servers.freeze(*at, true)),
            killed => killed.iter().for_each(|at| self.servers.kill(*at)),
        }
        // Where the other node is away too, the last line of it comes later.
        let talk = self.talk(time.max(BEAT * 2));
        drop(tokio::time::timeout(time.max(BEAT * 4), talk).await);
        self.nodes[0].bend(&[]);
        match &hit[..] {
            _ if is_parted => self.servers.part(&[]),
            stopped if is_stopped => stopped.iter().for_each(|at| self.servers.freeze(*at, false)),
            killed => killed.iter().for_each(|at| self.servers.start_one(*at)),
        }
        let healed = self.clock.now();
        self.talk(Duration::from_secs(4)).await;
        tokio::time::sleep(Duration::from_secs(3)).await; // who is alone still says so now
        self.seen(began, healed)
    }

    /// What was seen of it: how late the latest line was, and who was told what when.
    fn seen(&self, began: Duration, healed: Duration) -> String {
        let said = self.said.lines();
        let latest = self.nodes[1].members[0].with(|log| {
            let late = |(line, heard): (&String, &Duration)| {
                let at = said.iter().find(|(said, at)| said == line && *at >= began)?.1;
                Some(heard.saturating_sub(at))
            };
            log.lines.iter().zip(&log.heard).filter_map(late).max()
        });
        let mut text = format!("latest line {:.1?}", latest.unwrap_or_default());
        for (node, member) in [(0, 1), (1, 1)] {
            self.nodes[node].members[member].with(|log| {
                let told = |words: &str| {
                    let heard = log.lines.iter().zip(&log.heard);
                    heard
                        .filter(|(line, at)| line.starts_with(words) && **at >= began)
                        .map(|(_, at)| *at)
                        .collect::<Vec<_>>()
                };
                let (alone, back) = (told(ALONE), told(BACK));
                if let (Some(alone), Some(back)) = (alone.first(), back.last()) {
                    let (alone, late) = (alone.saturating_sub(began), back.saturating_sub(healed));
                    let _ = write!(
                        text,
                        ", node {node} alone after {alone:.1?} and back {late:.1?} after its end"
                    );
                }
            });
        }
        text
    }
}

#[tokio::test]
async fn what_members_see_when_something_falls() {
    let test = "cluster::real::falls::what_members_see_when_something_falls";
    let Some(cycles) = asked("HOBNOB_FALLS") else {
        return skip(test, "by hand: HOBNOB_FALLS says how often");
    };
    let crew = Crew::start().expect("threads");
    for count in [3, 1] {
        let mut fallen = Fallen::stand(count, &crew).await;
        for (what, _, time) in FALLS.iter().filter(|(_, servers, _)| *servers == count) {
            for _ in 0..cycles {
                let seen = fallen.fall(what, Duration::from_secs(*time)).await;
                println!("falls: {what} for {time} s: {seen}");
            }
        }
        let crashed = fallen.clock.now();
        fallen.nodes[1].crash();
        for words in ["* node n1x0 is not reached", "* node n1x0 is gone"] {
            let is_told = |log: &MemberLog| {
                let mut told = log.lines.iter().zip(&log.heard);
                let told = told.find(|(line, at)| line.starts_with(words) && **at >= crashed);
                told.map(|(_, at)| *at)
            };
            let member = &fallen.nodes[0].members[0];
            let telling = member.until(|log| is_told(log).is_some());
            tokio::time::timeout(CALM * 3, telling).await.expect(words);
            let told = member.with(is_told).expect("it was told");
            println!("falls: a node crashed: {words:?} after {:.1?}", told.saturating_sub(crashed));
        }
    }
}
