//! What servers of NATS can do for a room: tried with a room that nobody else is in, and that goes again.

use std::time::{Duration, SystemTime};

use super::super::link::{LinkFault, LinkNews};
use super::{ANSWER, NatsLink, NatsNews, NatsTerms};
use crate::clock::{self, Clock};
use crate::cluster::{ClusterRoom, EntryKind, NodeBeat, NodeId, RoomBatch, RoomEntry};
use crate::codec::json::JsonValue;
use crate::error::Result;

/// The oldest version whose makers still look after it, and that republishes at speed.
pub const OLDEST: &str = "2.10";

/// Whether a version is older than [`OLDEST`]. One that nobody can read is not.
pub fn is_old(version: &str) -> bool {
    let numbers = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??))
    };
    numbers(version).zip(numbers(OLDEST)).is_some_and(|(is, oldest)| is < oldest)
}

/// What a server says of itself, and what came of a room on it.
#[derive(Debug)]
pub struct NatsExam {
    /// The version of the server that answered: `2.15.1`.
    pub version: String,
    /// Bytes that a message may have.
    pub max_payload: usize,
    /// Whether it says that it keeps streams (`JetStream`).
    pub has_streams: bool,
    /// The room; or why its stream cannot be had.
    pub room: Result<RoomExam>,
}

/// What came of a room whose stream could be made.
#[derive(Debug)]
pub struct RoomExam {
    /// Copies that the servers keep of it.
    pub replicas: u64,
    /// What was tried, each with how long it took.
    pub steps: Vec<(ExamStep, Result<Duration, LinkFault>)>,
    /// The servers' clock less ours, as far as it cannot be the way between them. None: they did not say it.
    pub clock: Option<ClockGap>,
}

/// What a node of a room does on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExamStep {
    /// Appends to the stream.
    Append,
    /// Hears what the stream has, as it comes.
    Hear,
    /// Reads a place of the stream from whoever is near.
    ReadNear,
    /// Reads a place of the stream from its leader.
    ReadLeader,
    /// Hears the beats of other nodes.
    Beat,
    /// Removes the streams. No node does that: the room of the trial goes.
    Remove,
}

/// How far two clocks are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockGap {
    /// The other's is ahead of ours.
    Ahead(Duration),
    /// It is behind.
    Behind(Duration),
    /// No more apart than what lies between question and answer.
    Agrees,
}

impl ClockGap {
    /// Of a clock that said this between two looks at ours.
    fn of(said: SystemTime, before: SystemTime, after: SystemTime) -> Self {
        match (said.duration_since(after), before.duration_since(said)) {
            (Ok(ahead), _) if !ahead.is_zero() => ClockGap::Ahead(ahead),
            (_, Ok(behind)) if !behind.is_zero() => ClockGap::Behind(behind),
            _ => ClockGap::Agrees,
        }
    }
}

/// Tries what a room needs of these servers, in a room of its own.
///
/// # Errors
///
/// That there is no link: nobody answers, the user or the certificate is refused.
pub async fn examine(terms: &NatsTerms) -> Result<NatsExam> {
    let name = format!("doctor-{}", terms.me);
    let terms = NatsTerms { room: ClusterRoom::named(&name)?, ..terms.clone() };
    let (link, mut news) = NatsLink::connect(&terms).await?;
    let server = link.client.server_info();
    let room = match link.prepare().await {
        Ok(facts) => Ok(try_room(&link, &mut news, (terms.me, facts.replicas)).await),
        Err(error) => Err(error),
    };
    Ok(NatsExam {
        version: server.version,
        max_payload: server.max_payload,
        has_streams: server.jetstream,
        room,
    })
}

async fn try_room(link: &NatsLink, news: &mut NatsNews, (me, replicas): (NodeId, u64)) -> RoomExam {
    let clock = Clock::start();
    let mut steps = Vec::new();
    let mut step = |step, began: Duration, done: Result<(), LinkFault>| {
        steps.push((step, done.map(|()| clock.now().saturating_sub(began))));
    };
    let (began, before) = (clock.now(), clock.wall());
    let batch = trial(me);
    step(ExamStep::Append, began, link.publish(&batch).await.map(drop));
    let heard = until(news, |news| matches!(news, LinkNews::Heard(..))).await;
    step(ExamStep::Hear, began, heard);
    let began = clock.now();
    step(ExamStep::ReadNear, began, has_one(link.read(1, 1, false).await));
    let began = clock.now();
    step(ExamStep::ReadLeader, began, has_one(link.read(1, 1, true).await));
    let said = link.stamp(1).await;
    let gap = said.map(|said| ClockGap::of(said, before, clock.wall()));
    let began = clock.now();
    link.beat(&beat(me)).await;
    step(ExamStep::Beat, began, until(news, |news| matches!(news, LinkNews::Beaten(_))).await);
    let began = clock.now();
    let mut removed = Ok(());
    for stream in [link.room.stream(), link.room.name_stream()] {
        let done = link.ask(&format!("STREAM.DELETE.{stream}"), String::new()).await;
        removed = removed.and(done.map(drop));
    }
    step(ExamStep::Remove, began, removed);
    RoomExam { replicas, steps, clock: gap }
}

fn has_one(found: Result<Vec<(u64, Option<RoomBatch>)>, LinkFault>) -> Result<(), LinkFault> {
    match found?.as_slice() {
        [(_, Some(_))] => Ok(()),
        _ => Err(LinkFault::NoAnswer),
    }
}

/// Waits for news of a kind, for as long as for an answer.
async fn until(news: &mut NatsNews, is_it: impl Fn(&LinkNews) -> bool) -> Result<(), LinkFault> {
    let coming = async {
        while let Some(news) = news.next().await {
            if is_it(&news) {
                return Ok(());
            }
        }
        Err(LinkFault::NoAnswer)
    };
    tokio::time::timeout(ANSWER, coming).await.unwrap_or(Err(LinkFault::NoAnswer))
}

fn trial(me: NodeId) -> RoomBatch {
    let (name, text) = ("doctor".into(), "is this thing on?".into());
    let entry = RoomEntry { kind: EntryKind::Say, seat: 0, name, text, waited: 0 };
    RoomBatch::frozen(me, (1, 1), (0, 0), entry.line(0))
}

fn beat(me: NodeId) -> NodeBeat {
    let name = "doctor".to_owned();
    NodeBeat { origin: me, acked: 1, at: 1, name, members: 0, names: Vec::new(), is_last: false }
}

impl NatsLink {
    /// When the leader took what stands at a place, by the servers' clock.
    async fn stamp(&self, place: u64) -> Option<SystemTime> {
        let what = format!("STREAM.MSG.GET.{}", self.room.stream());
        let found = self.ask(&what, format!("{{\"seq\":{place}}}")).await.ok()?;
        let message = found.member("message").unwrap_or(&JsonValue::Null);
        clock::read_rfc3339(message.text("time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_older_by_its_numbers() {
        for (version, old) in
            [("2.9.10", true), ("2.10.0", false), ("2.15.1", false), ("1.4.1", true), ("3", false)]
        {
            assert_eq!(is_old(version), old, "{version}");
        }
    }

    #[test]
    fn clocks_are_apart_by_what_the_way_between_them_cannot_be() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let gap = |said| ClockGap::of(at(said), at(100), at(103));
        assert_eq!(gap(95), ClockGap::Behind(Duration::from_secs(5)));
        for said in 100..=103 {
            assert_eq!(gap(said), ClockGap::Agrees, "{said}");
        }
        assert_eq!(gap(110), ClockGap::Ahead(Duration::from_secs(7)));
    }
}
