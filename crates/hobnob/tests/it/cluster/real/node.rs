//! A node of the room: an engine of its own with service chat, whose wires to the servers are relays of ours, so that their
//! faults are ours to turn on.

use std::time::Duration;

use hobnob::bus::{Subscription, Wish};
use hobnob::clock::Clock;
use hobnob::engine::{Crew, Running, Server, parse};
use hobnob::event::Fact;

use super::super::judge::MemberLog;
use super::super::member::{Member, Said};
use super::wire::Wire;
use crate::stage::PATIENCE;

/// A node, and who is there.
pub(super) struct Node {
    /// The place of it: 0 is the first node.
    at: usize,
    /// How often it was started.
    starts: usize,
    wires: Vec<Wire>,
    engine: Option<(Running, Subscription)>,
    pub(super) members: Vec<Member>,
    /// Logs of members whose node is gone.
    pub(super) gone: Vec<MemberLog>,
    /// What each start was called, and whether it is gone.
    pub(super) lives: Vec<(String, bool)>,
    /// Starts that ended at once, because no server answered.
    pub(super) refused: usize,
    /// Warnings that it gave.
    pub(super) warnings: Vec<String>,
    room: String,
    clock: Clock,
}

impl Node {
    /// A node that is not started yet, with a wire to each of these ports.
    pub(super) fn new(at: usize, room: &str, ports: &[u16], crew: &Crew, clock: Clock) -> Self {
        Node {
            at,
            starts: 0,
            wires: ports.iter().map(|port| Wire::to(*port, crew)).collect(),
            engine: None,
            members: Vec::new(),
            gone: Vec::new(),
            lives: Vec::new(),
            refused: 0,
            warnings: Vec::new(),
            room: room.to_owned(),
            clock,
        }
    }

    /// Starts it, again where it crashed, and has so many members come in.
    pub(super) async fn start(&mut self, members: usize, said: &Said) {
        let name = format!("n{}x{}", self.at, self.starts);
        self.starts += 1;
        let door = format!("memory:{}-{name}", self.room);
        let urls: Vec<_> = self.wires.iter().map(Wire::url).collect();
        let mut refusal = "it was not refused".to_owned();
        let opened = async {
            loop {
                let mut server = Server::new("chat").expect("a service of the table");
                server.on(&parse(&door).expect("an endpoint")).expect("it fits");
                let options = [("cluster", &urls.join(",")), ("room", &self.room), ("node", &name)];
                for (option, value) in options {
                    server.set(option, Some(value)).expect("an option");
                }
                let wish = Wish { data: false, upstream: false, snap: 0, capacity: 1 << 12 };
                let events = server.subscribe(wish);
                match server.open().await {
                    Ok(running) => return (running, events),
                    // Whoever runs a node starts it again where it could not begin.
                    Err(error) => {
                        self.refused += 1;
                        refusal = format!("{error:?}");
                    }
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        // Servers that are busy may take long to agree who leads.
        let opened = tokio::time::timeout(PATIENCE * 2, opened).await;
        self.engine = Some(opened.unwrap_or_else(|_| {
            panic!("node {name} did not come: {} refusals, at last {refusal}", self.refused)
        }));
        for number in 0..members {
            let called = format!("{name}m{number}");
            said.note(format!("* {called} joined"), self.clock.now());
            let member = Member::enter(&door, &called, &name, self.clock).await;
            self.members.push(member.expect("the node is there"));
        }
        self.lives.push((name, false));
    }

    /// Ends it without a word: its threads stop where they are.
    pub(super) fn crash(&mut self) {
        self.tell();
        drop(self.engine.take());
        self.gone.extend(
            self.members
                .drain(..)
                .map(|member| MemberLog { is_over: true, ..member.with(MemberLog::clone) }),
        );
        if let Some(life) = self.lives.last_mut() {
            life.1 = true;
        }
    }

    /// Keeps what it has warned of.
    pub(super) fn tell(&mut self) {
        let Some((_, events)) = &mut self.engine else { return };
        let mut told = Vec::new();
        events.pull(&mut told);
        for event in told {
            match event.fact {
                Fact::Warning(text) => self.warnings.push(format!("n{}: {text}", self.at)),
                Fact::Failed(error) => panic!("node {} ended: {error}", self.at),
                _ => {}
            }
        }
    }

    /// Turns these faults on in all its wires, and no others.
    pub(super) fn bend(&self, faults: &[&str]) {
        self.wires.iter().for_each(|wire| wire.bend(faults));
    }

    /// Tears what goes through its wires.
    pub(super) fn tear(&self) {
        self.wires.iter().for_each(Wire::tear);
    }

    /// What everybody was shown who is or was here.
    pub(super) fn logs(&self) -> Vec<MemberLog> {
        let here = self.members.iter().map(|member| member.with(MemberLog::clone));
        here.chain(self.gone.iter().cloned()).collect()
    }
}
