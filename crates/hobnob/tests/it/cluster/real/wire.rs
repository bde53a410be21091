//! A wire to a server: a relay of ours, so that its faults are ours to turn on.

use hobnob::engine::{Crew, Running, Server, parse};

/// A relay to one port of this machine.
pub(super) struct Wire(Running);

impl Wire {
    pub(super) fn to(port: u16, crew: &Crew) -> Self {
        let mut relay = Server::new("relay").expect("a service of the table");
        let here = parse("tcp://127.0.0.1:0").expect("an endpoint");
        relay.on_crew(crew).on(&here).expect("it fits");
        relay.set("to", Some(&format!("tcp://127.0.0.1:{port}"))).expect("an endpoint");
        Wire(relay.start().expect("it starts"))
    }

    /// Where a client or a server of NATS finds it.
    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.0.port().expect("it listens"))
    }

    /// Turns these faults on, and no others.
    pub(super) fn bend(&self, faults: &[&str]) {
        self.0.faults().expect("a relay has them").turn(faults).expect("they fit");
    }

    /// Tears what goes through it.
    pub(super) fn tear(&self) {
        let control = self.0.control();
        for session in control.sessions(0, 64) {
            control.kill(session.id);
        }
    }
}
