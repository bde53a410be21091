//! Events for programs: one JSON object a line, as `docs/events.schema.json` has it.

use std::io::Write as _;
use std::time::Duration;

use hobnob::chunk::Direction;
use hobnob::clock::{Clock, rfc3339};
use hobnob::engine::{Bound, Summary};
use hobnob::error::{Error, errno_name};
use hobnob::event::{
    Bent, Called, Closed, ClusterFact, Data, Event, Exchanged, Fact, MailDeed, Mailed,
};
use hobnob::fault::Act;

use crate::report::cluster;
use crate::report::error::{TypedCommand, tries};
use crate::report::line::JsonLine;

/// Lines that say the name in any case.
const NAMED: &[&str] = &["listening", "open", "summary"];

/// Writes events as lines into buffers of the caller.
pub(crate) struct Json {
    clock: Clock,
    /// `--name`, or what is served.
    name: String,
    /// The service; empty for a verb without one.
    service: String,
    /// Whether the server is a relay: its directions are up and down.
    is_between: bool,
    /// Whether each line says the name, as where several servers are told about.
    is_one_of_several: bool,
    is_first: bool,
}

impl Json {
    /// A writer whose `t` counts from `clock`.
    pub(crate) fn new(clock: Clock) -> Self {
        let (name, service) = (String::new(), String::new());
        Json { clock, name, service, is_between: false, is_one_of_several: false, is_first: true }
    }

    /// The same under a name.
    pub(crate) fn called(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// What the lines from here on are about.
    pub(crate) fn speak_of(&mut self, name: &str, service: &str, is_one_of_several: bool) {
        name.clone_into(&mut self.name);
        service.clone_into(&mut self.service);
        self.is_one_of_several = is_one_of_several;
    }

    /// Whether the lines from here on are about a relay.
    pub(crate) fn speak_between(&mut self, is_between: bool) {
        self.is_between = is_between;
    }

    fn direction(&self, direction: Direction) -> &'static str {
        match (direction, self.is_between) {
            (Direction::In, false) => "in",
            (Direction::Out, false) => "out",
            (Direction::In, true) => "up",
            (Direction::Out, true) => "down",
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    pub(super) fn line<'a>(
        &mut self,
        out: &'a mut Vec<u8>,
        word: &str,
        at: Duration,
    ) -> JsonLine<'a> {
        let mut line = JsonLine::begin(out, word);
        line.seconds("t", at);
        if std::mem::take(&mut self.is_first) {
            line.text("at", &rfc3339(self.clock.wall()));
        }
        if self.is_one_of_several && !NAMED.contains(&word) {
            line.text("name", &self.name);
        }
        line
    }

    /// One event of the bus.
    pub(crate) fn event(&mut self, out: &mut Vec<u8>, event: &Event) {
        let at = event.at;
        match &event.fact {
            Fact::Data(data) => self.data(out, at, event.session, data),
            Fact::Opened(opened) => {
                let name = self.name.clone();
                let mut line = self.line(out, "open", at);
                line.number("id", event.session);
                if opened.parent != 0 {
                    line.number("parent", opened.parent);
                }
                line.text("name", &name);
                if !opened.door.is_empty() {
                    line.text("door", opened.door);
                }
                line.text("transport", opened.transport);
                line.text("local", &opened.local.to_string());
                line.text("peer", &opened.peer.to_string());
                line.end();
            }
            Fact::Entered { door } => {
                let mut line = self.line(out, "entered", at);
                line.number("id", event.session);
                line.text("door", door);
                line.end();
            }
            Fact::Dialed(dialed) => {
                let mut line = self.line(out, "dialed", at);
                line.number("id", event.session);
                line.text("transport", dialed.transport);
                line.text("local", &dialed.local.to_string());
                line.text("peer", &dialed.peer.to_string());
                line.seconds("took", dialed.took);
                line.end();
            }
            Fact::Dressed { with, learnt } => {
                let mut line = self.line(out, "dressed", at);
                line.number("id", event.session);
                line.text("with", with.word());
                for learnt in learnt {
                    line.text(&format!("{}.{}", learnt.layer, learnt.name), &learnt.value);
                }
                line.end();
            }
            Fact::Exchanged(exchange) => self.exchanged(out, at, event.session, exchange),
            Fact::Mailed(mailed) => self.mailed(out, at, event.session, mailed),
            Fact::Clustered(fact) => self.clustered(out, at, fact),
            Fact::Called(call) => self.call(out, at, call),
            Fact::Bent(bent) => self.bent(out, at, event.session, bent),
            Fact::Closed(closed) => self.closed(out, at, event.session, closed),
            Fact::Refused { peer, limit } => {
                let mut line = self.line(out, "note", at);
                line.text("what", "refused");
                line.text("limit", limit);
                line.number("count", 1);
                line.text("peer", &peer.to_string());
                line.end();
            }
            Fact::Dropped { limit, count } => self.limit(out, at, "dropped", limit, Some(*count)),
            Fact::Paused { limit, waiting } => self.limit(out, at, "paused", limit, *waiting),
            Fact::Resumed { limit } => self.limit(out, at, "resumed", limit, None),
            Fact::Draining { open } => {
                let mut line = self.line(out, "note", at);
                line.text("what", "draining");
                line.number("open", *open);
                line.end();
            }
            Fact::Failed(error) => {
                self.error_line(out, at, event.session, error, &TypedCommand::default());
            }
            Fact::Note(text) => self.note(out, at, "note", text),
            Fact::Warning(text) => self.note(out, at, "warning", text),
            // `listening` is told by the verb, with the endpoint that was asked for.
            _ => {}
        }
    }

    fn exchanged(&mut self, out: &mut Vec<u8>, at: Duration, session: u64, exchange: &Exchanged) {
        let mut line = self.line(out, "exchange", at);
        line.number("id", session);
        line.text("method", &exchange.method);
        line.text("target", &exchange.target);
        line.number("status", u64::from(exchange.status));
        line.number("bytes", exchange.bytes);
        line.seconds("took", exchange.took);
        line.end();
    }

    fn data(&mut self, out: &mut Vec<u8>, at: Duration, session: u64, data: &Data) {
        let direction = self.direction(data.direction);
        let mut line = self.line(out, "data", at);
        if session != 0 {
            line.number("id", session);
        }
        if let Some(peer) = &data.peer {
            line.text("peer", &peer.to_string());
        }
        line.text("dir", direction);
        line.number("seq", data.ordinal);
        line.number("len", data.length as u64);
        line.payload(&data.bytes);
        if data.is_hidden {
            line.raw("hidden", "true");
        } else if data.bytes.len() < data.length {
            line.raw("cut", "true");
        }
        line.end();
    }

    fn call(&mut self, out: &mut Vec<u8>, at: Duration, call: &Called) {
        let mut line = self.line(out, "call", at);
        if let Some(descriptor) = call.descriptor {
            line.raw("fd", &descriptor.to_string());
        }
        line.text("call", call.name);
        line.text("args", &call.arguments);
        match &call.result {
            Ok(result) => line.text("result", result),
            Err(errno) => {
                line.text("outcome", &errno_name(*errno));
                line.raw("errno", &errno.to_string());
            }
        }
        line.text("c", &call.in_c);
        line.seconds("took", call.took);
        line.end();
    }

    fn clustered(&mut self, out: &mut Vec<u8>, at: Duration, fact: &ClusterFact) {
        let mut line = self.line(out, cluster::word(fact), at);
        match fact {
            ClusterFact::Linked { server, version, replicas } => {
                line.text("server", server);
                line.text("version", version);
                line.number("replicas", *replicas);
            }
            ClusterFact::Parted { why } => line.text("why", why),
            ClusterFact::Rejoined { away, said_here, said_there } => {
                line.seconds("away", *away);
                line.number("said_here", *said_here);
                line.number("said_there", *said_there);
            }
            ClusterFact::Missed { node, count, why } => {
                line.text("node", node);
                line.raw("count", &count.map_or("null".to_owned(), |count| count.to_string()));
                line.text("why", why);
            }
            ClusterFact::Node { node, is, members } => {
                line.text("node", node);
                line.text("is", is);
                line.number("members", *members);
            }
        }
        line.end();
    }

    fn mailed(&mut self, out: &mut Vec<u8>, at: Duration, session: u64, mailed: &Mailed) {
        let mut line = self.line(out, "mail", at);
        if session != 0 {
            line.number("id", session);
        }
        line.text("did", mailed.did.word());
        if mailed.letter != 0 {
            line.number("letter", mailed.letter);
        }
        let is_of_sender = matches!(mailed.did, MailDeed::Kept | MailDeed::Refused);
        if let Some((name, uid)) = mailed.boxes.first() {
            line.text("box", name);
            line.number("uid", u64::from(*uid));
        }
        if mailed.boxes.len() > 1 {
            line.objects("boxes", &mailed.boxes, |line, (name, uid)| {
                line.text("box", name);
                line.number("uid", u64::from(*uid));
            });
        }
        if !mailed.file.is_empty() {
            line.text("file", &mailed.file);
        }
        if is_of_sender {
            line.text("from", &mailed.from);
        }
        if is_of_sender || !mailed.to.is_empty() {
            line.texts("to", mailed.to.iter().map(String::as_str));
        }
        if is_of_sender {
            line.text("subject", &mailed.subject);
            line.number("parts", mailed.parts);
            line.text("client", &mailed.client);
            line.text("with", &mailed.with);
        }
        if mailed.size != 0 || is_of_sender {
            line.number("size", mailed.size);
        }
        if !mailed.login.is_empty() {
            line.text("login", &mailed.login);
        }
        if is_of_sender || !mailed.findings.is_empty() {
            line.texts("findings", mailed.findings.iter().map(|found| found.slug));
        }
        if is_of_sender {
            line.texts("dialogue", mailed.dialogue.iter().map(String::as_str));
        }
        if !mailed.detail.is_empty() {
            line.text("detail", &mailed.detail);
        }
        line.end();
    }

    fn bent(&mut self, out: &mut Vec<u8>, at: Duration, session: u64, bent: &Bent) {
        let direction = self.direction(bent.direction);
        let mut line = self.line(out, "fault", at);
        line.number("id", session);
        line.text("dir", direction);
        line.text("kind", bent.kind);
        match bent.act {
            Act::Held(time) => line.millis("held_ms", time),
            Act::Discarded(bytes) => line.number("discarded", bytes),
            Act::Answered(code) => {
                line.text("did", bent.act.word());
                line.number("code", u64::from(code));
            }
            did => line.text("did", did.word()),
        }
        line.end();
    }

    fn closed(&mut self, out: &mut Vec<u8>, at: Duration, session: u64, closed: &Closed) {
        let (up, down) = (self.direction(Direction::In), self.direction(Direction::Out));
        let mut line = self.line(out, "close", at);
        line.number("id", session);
        let (inward, outward) = (closed.inward, closed.outward);
        let _ = write!(
            line.0,
            r#","ends":[{{"dir":"{up}","by":"{}","how":"{}"}},{{"dir":"{down}","by":"{}","how":"{}"}}]"#,
            inward.by.word(),
            inward.how.word(),
            outward.by.word(),
            outward.how.word()
        );
        line.text("reason", closed.reason.word());
        if let Some(limit) = closed.reason.limit() {
            line.text("limit", limit);
        }
        if let Some(detail) = &closed.detail {
            line.text("detail", detail);
        }
        line.number("in", closed.bytes_in);
        line.number("out", closed.bytes_out);
        line.seconds("lasted", closed.lasted);
        vitals(&mut line, ["rtt_us", "retrans"], closed.round_trip, closed.resent);
        if let Some(upstream) = &closed.upstream {
            line.text("upstream", &upstream.peer.to_string());
            let names = ["upstream_rtt_us", "upstream_retrans"];
            vitals(&mut line, names, upstream.round_trip, upstream.resent);
        }
        line.end();
    }

    fn limit(
        &mut self,
        out: &mut Vec<u8>,
        at: Duration,
        what: &str,
        limit: &str,
        count: Option<u64>,
    ) {
        let mut line = self.line(out, "note", at);
        line.text("what", what);
        line.text("limit", limit);
        if let Some(count) = count {
            line.number("count", count);
        }
        line.end();
    }

    /// Events that this program could not take in time.
    pub(crate) fn missed(&mut self, out: &mut Vec<u8>, count: u64) {
        let at = self.clock.now();
        self.limit(out, at, "dropped", "events", Some(count));
    }

    fn note(&mut self, out: &mut Vec<u8>, at: Duration, what: &str, text: &str) {
        let mut line = self.line(out, "note", at);
        line.text("what", what);
        line.text("message", text);
        line.end();
    }

    /// Something is bound.
    pub(crate) fn listening(
        &mut self,
        out: &mut Vec<u8>,
        bound: &Bound,
        addr: &str,
        bent: Option<&(Vec<String>, u64)>,
    ) {
        let (name, service) = (self.name.clone(), self.service.clone());
        let at = self.clock.now();
        let mut line = self.line(out, "listening", at);
        line.text("name", &name);
        if !service.is_empty() {
            line.text("service", &service);
        }
        if !bound.door.is_empty() {
            line.text("door", bound.door);
        }
        line.text("transport", bound.transport);
        line.text("endpoint", &bound.endpoint.to_string());
        line.text("addr", addr);
        if let Some((faults, seed)) = bent {
            line.texts("faults", faults.iter().map(String::as_str));
            line.number("seed", *seed);
        }
        line.end();
    }

    /// The command failed.
    pub(crate) fn error(&mut self, out: &mut Vec<u8>, error: &Error, typed: &TypedCommand) {
        let at = self.clock.now();
        self.error_line(out, at, 0, error, typed);
    }

    fn error_line(
        &mut self,
        out: &mut Vec<u8>,
        at: Duration,
        session: u64,
        error: &Error,
        typed: &TypedCommand,
    ) {
        let mut line = self.line(out, "error", at);
        if session != 0 {
            line.number("id", session);
        }
        line.text("slug", error.kind().slug());
        line.text("message", error.message());
        if let Some(call) = error.call() {
            line.text("call", &call.text);
            line.text("outcome", &call.outcome);
            if let Some(errno) = call.errno {
                line.raw("errno", &errno.to_string());
            }
        }
        if let Some(limit) = error.limit_name() {
            line.text("limit", limit);
        }
        line.texts("why", error.reasons().iter().map(String::as_str));
        line.number("exit", u64::from(error.kind().exit_code()));
        let tries = tries(error, typed);
        line.texts("try", tries.iter().map(|(command, _)| command.as_str()));
        line.end();
    }

    /// A relay that runs, as another process sees it.
    pub(crate) fn relay(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut JsonLine<'_>)) {
        let at = self.clock.now();
        let mut line = self.line(out, "relay", at);
        write(&mut line);
        line.end();
    }

    /// How it all went.
    pub(crate) fn summary(
        &mut self,
        out: &mut Vec<u8>,
        verb: &str,
        summary: &Summary,
        hits: &[(&str, u64)],
    ) {
        let name = self.name.clone();
        let at = self.clock.now();
        let mut line = self.line(out, "summary", at);
        line.text("verb", verb);
        line.text("name", &name);
        line.number("sessions", summary.sessions);
        line.number("in", summary.bytes_in);
        line.number("out", summary.bytes_out);
        line.number("refused", summary.refused);
        line.number("dropped", summary.dropped);
        if !hits.is_empty() {
            line.object("hits", |line| {
                for (kind, number) in hits {
                    line.number(kind, *number);
                }
            });
        }
        line.seconds("lasted", summary.lasted);
        line.end();
    }
}

/// What the kernel counted about a connection, where it did.
fn vitals(
    line: &mut JsonLine<'_>,
    names: [&str; 2],
    round_trip: Option<Duration>,
    resent: Option<u32>,
) {
    if let Some(round_trip) = round_trip {
        line.micros(names[0], round_trip);
    }
    if let Some(resent) = resent {
        line.number(names[1], u64::from(resent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_data_is_text_where_it_is_text() {
        let mut json = Json::new(Clock::start()).called("hello");
        json.is_first = false;
        let data = |bytes: &[u8]| Event {
            at: Duration::from_micros(2_011_900),
            session: 1,
            fact: Fact::Data(Box::new(Data {
                side: hobnob::chunk::Side::Downstream,
                is_hidden: false,
                direction: Direction::In,
                ordinal: 1,
                bytes: bytes.into(),
                length: bytes.len(),
                is_packet: false,
                peer: None,
            })),
        };
        let mut out = Vec::new();
        json.event(&mut out, &data("Mi\"\x1b\u{9b}李".as_bytes()));
        json.event(&mut out, &data(b"\xff\xfe\x00"));
        assert_eq!(
            String::from_utf8(out).expect("UTF-8"),
            "{\"v\":1,\"type\":\"data\",\"t\":2.011900,\"id\":1,\"dir\":\"in\",\"seq\":1,\"len\":9,\
             \"text\":\"Mi\\\"\\u001b\\u009b李\"}\n\
             {\"v\":1,\"type\":\"data\",\"t\":2.011900,\"id\":1,\"dir\":\"in\",\"seq\":1,\"len\":3,\
             \"b64\":\"//4A\"}\n"
        );
    }
}
