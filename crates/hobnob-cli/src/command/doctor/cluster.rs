//! What the servers of a cluster can do for a room, tried with a room of our own.

use std::time::Duration;

use hobnob::cluster::nats::{self, ClockGap, ExamStep, NatsExam, NatsFiles, OLDEST, RoomExam};
use hobnob::cluster::{ClusterRoom, LinkFault, NodeId};
use hobnob::error::Result;

use super::check::Check;
use crate::job::Job;
use crate::process::runtime;
use crate::report::show::{fine, size, span};

/// Clocks that are further apart than this are worth a word: a room forgets by the servers' clock.
const APART: Duration = Duration::from_mins(1);
/// Bytes of the longest line of a room (64 KiB), and of what stands around it.
const PAYLOAD: usize = 66 << 10;

/// What is found, and whether a room can live there.
pub(super) fn checks(job: &Job, servers: &str) -> Result<(Vec<Check>, bool)> {
    let path = |name| job.text(name).map(Into::into);
    let files = NatsFiles { auth: path("cluster-auth"), ca: path("cluster-ca") };
    let room = ClusterRoom::named("doctor")?;
    let terms = files.read(files.terms(servers, room, NodeId::draw())?)?;
    let exam = runtime()?.block_on(nats::examine(&terms))?;
    let mut all = vec![version(&exam), payload(&exam), streams(&exam)];
    if let Ok(room) = &exam.room {
        all.push(replicas(room));
        all.extend(room.steps.iter().map(|(step, done)| tried(*step, done)));
        all.extend(room.clock.map(clock));
    }
    let is_sick = |room: &RoomExam| room.steps.iter().any(|(_, done)| done.is_err());
    let is_well = exam.room.as_ref().is_ok_and(|room| !is_sick(room));
    Ok((all, is_well))
}

fn version(exam: &NatsExam) -> Check {
    let name = "nats-server";
    if nats::is_old(&exam.version) {
        let text = format!("{}: its makers support {OLDEST} and later", exam.version);
        return Check::lacking(name, text).but(format!("a server of version {OLDEST} or later"));
    }
    Check::fine(name, &*exam.version)
}

fn payload(exam: &NatsExam) -> Check {
    let name = "max_payload";
    let text = size(exam.max_payload as u64);
    if exam.max_payload < PAYLOAD {
        let text = format!("{text}: the longest lines do not fit, and are refused");
        return Check::lacking(name, text).but("max_payload: 1MB in the server's configuration");
    }
    Check::fine(name, text)
}

fn streams(exam: &NatsExam) -> Check {
    let name = "JetStream";
    let off = || {
        let remedy = "nats-server -js -a 127.0.0.1 -sd DIR, or jetstream {} in its configuration";
        Check::lacking(name, "it is off on this server").but(remedy)
    };
    match &exam.room {
        Ok(_) => Check::fine(name, "a room's stream was made, and is gone again"),
        Err(_) if !exam.has_streams => off(),
        Err(error) => {
            let why = error.reasons().join("; ");
            let text = format!("{}: {why}", error.message());
            Check::lacking(name, text).but("let our user publish to $JS.API.>")
        }
    }
}

fn replicas(room: &RoomExam) -> Check {
    let name = "copies";
    match room.replicas {
        1 => Check::lacking(name, "one: what is said is lost with its server")
            .but("three servers in a cluster: docs/rooms.md"),
        many => Check::fine(name, format!("{many} of what is said")),
    }
}

fn tried(step: ExamStep, done: &std::result::Result<Duration, LinkFault>) -> Check {
    let (name, right) = match step {
        ExamStep::Append => ("append", "publish to hobnob.1.chat.*.in.*"),
        ExamStep::Hear => ("hear", "subscribe to hobnob.1.chat.*.out.*"),
        ExamStep::ReadNear => ("read", "publish to $JS.API.DIRECT.GET.>"),
        ExamStep::ReadLeader => ("read from the leader", "publish to $JS.API.STREAM.MSG.GET.>"),
        ExamStep::Beat => ("beats", "publish and subscribe to hobnob.1.chat.*.beat"),
        ExamStep::Remove => ("remove", "publish to $JS.API.STREAM.DELETE.>"),
    };
    match done {
        Ok(time) => Check::fine(name, fine(*time)),
        Err(LinkFault::NoAnswer | LinkFault::NobodyThere) => {
            Check::lacking(name, "no answer").but(format!("let our user {right}"))
        }
        Err(LinkFault::Refused(number, why)) => {
            Check::lacking(name, format!("{why} ({number})")).but(format!("let our user {right}"))
        }
    }
}

fn clock(gap: ClockGap) -> Check {
    let name = "clock";
    let (text, by) = match gap {
        ClockGap::Agrees => return Check::fine(name, "agrees with ours"),
        ClockGap::Ahead(by) => (format!("{} ahead of ours", span(by)), by),
        ClockGap::Behind(by) => (format!("{} behind ours", span(by)), by),
    };
    if by < APART {
        return Check::fine(name, text);
    }
    let text = format!("{text}; the hour for which a room keeps what was said goes by it");
    Check::lacking(name, text).but("chronyc tracking    on the machines of the servers")
}
