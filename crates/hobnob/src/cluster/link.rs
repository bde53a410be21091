//! What a room over many nodes needs of its servers, whoever they are: [`nats`](super::nats) has real ones, and
//! `testing::cluster` has some that are made up.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::batch::RoomBatch;
use super::beat::NodeBeat;
use super::names::{NameRecord, WriteFault};
use super::node::StreamLook;
use crate::error::Result;

/// What a link does, and answers when it is done.
pub type LinkWork<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a link tells by itself.
#[derive(Debug)]
pub enum LinkNews {
    /// It is there, anew.
    Up,
    /// It is gone.
    Down,
    /// Messages were dropped, because we were too slow.
    Lost,
    /// The stream has this batch at this place.
    Heard(u64, RoomBatch),
    /// Another node has beaten.
    Beaten(NodeBeat),
    /// This stands for a name now, at this revision.
    Named(u64, NameRecord),
}

/// Why the servers did not do what they were asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkFault {
    /// Nobody has answered: whether it was done is not known.
    NoAnswer,
    /// Nobody was there to take it: it was not done.
    NobodyThere,
    /// The servers say no, with the number of their error (of `JetStream`) and its words.
    Refused(u64, String),
}

impl LinkFault {
    /// The number of an error: there is no such stream.
    pub const NO_STREAM: u64 = 10_059;

    /// The number of an error: the message is larger than the servers take.
    pub const TOO_LARGE: u64 = 10_054;

    /// Whether the stream is gone, as it is where servers have lost all that they had.
    pub fn is_without_stream(&self) -> bool {
        matches!(self, LinkFault::Refused(Self::NO_STREAM, _))
    }

    /// Whether the next try is as large, and refused again.
    pub fn is_too_large(&self) -> bool {
        matches!(self, LinkFault::Refused(Self::TOO_LARGE, _))
    }
}

/// What the servers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFacts {
    /// The version of the server: `2.15.1`.
    pub version: String,
    /// Copies that are kept of the stream.
    pub replicas: u64,
    /// Bytes that a message may have.
    pub max_payload: usize,
}

/// The servers of a room.
pub trait RoomServers: Send + Sync {
    /// Who they are, as people are shown it: without what is secret.
    fn shown(&self) -> &str;

    /// What a person must know before anything is done, if there is something.
    fn warning(&self) -> Option<&'static str> {
        None
    }

    /// Reads what there is to read before the first link. It may wait for a disk.
    ///
    /// # Errors
    ///
    /// What a file says is wrong, or it cannot be read.
    fn read(&self) -> Result<()> {
        Ok(())
    }

    /// Connects, and hears the room from now on. The stream is not looked at: [`RoomLink::prepare`].
    ///
    /// # Errors
    ///
    /// What trying again does not heal, but for [`Kind::ClusterUnreachable`](crate::error::Kind::ClusterUnreachable).
    fn connect(&self) -> LinkWork<'_, Result<MadeLink>>;
}

/// A link that was made.
pub struct MadeLink {
    /// By which the servers are asked: each request goes its own way.
    pub link: Arc<dyn RoomLink>,
    /// What it tells by itself, in the order in which it came.
    pub news: Box<dyn RoomNews>,
}

/// A link to the servers of a room.
pub trait RoomLink: Send + Sync {
    /// Finds the streams of the room, or makes them.
    fn prepare(&self) -> LinkWork<'_, Result<LinkFacts>>;

    /// Whether the servers are reached, as far as it is known.
    fn is_up(&self) -> bool;

    /// Bytes that a message may have, for the server that has us now.
    fn max_payload(&self) -> usize;

    /// Appends a batch to the stream: where it stands.
    fn publish<'a>(&'a self, batch: &'a RoomBatch) -> LinkWork<'a, Result<u64, LinkFault>>;

    /// Asks the leader how far the stream goes, then for each of these places.
    fn look<'a>(&'a self, places: &'a [u64]) -> LinkWork<'a, Result<StreamLook, LinkFault>>;

    /// Reads these places: of the leader, or of whoever is near. What is not found there may be elsewhere.
    fn read(
        &self,
        from: u64,
        to: u64,
        is_leader: bool,
    ) -> LinkWork<'_, Result<PlacesRead, LinkFault>>;

    /// Writes what is to stand for a name, where this revision does now: the new one.
    fn write_name<'a>(
        &'a self,
        key: &'a str,
        record: &'a NameRecord,
        expected: Option<u64>,
    ) -> LinkWork<'a, Result<u64, WriteFault>>;

    /// What the leader has for a name, and its revision; 0 and none: nothing.
    fn read_name<'a>(&'a self, key: &'a str) -> LinkWork<'a, Result<NameRead, LinkFault>>;

    /// Tells the other nodes that we are here. Nobody answers.
    fn beat<'a>(&'a self, beat: &'a NodeBeat) -> LinkWork<'a, ()>;

    /// Waits until what was sent so far is with the servers, or lost.
    fn flush(&self) -> LinkWork<'_, ()>;
}

/// What stands at places of the stream; none: nothing was found there.
pub type PlacesRead = Vec<(u64, Option<RoomBatch>)>;

/// What stands for a name, and its revision.
pub type NameRead = (u64, Option<NameRecord>);

/// What a link tells by itself.
pub trait RoomNews: Send {
    /// What it tells next. None: it is over.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<LinkNews>>;
}

impl dyn RoomNews + '_ {
    /// What it tells next. None: it is over.
    pub async fn next(&mut self) -> Option<LinkNews> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}
