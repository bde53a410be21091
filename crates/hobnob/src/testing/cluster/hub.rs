//! Servers of a room inside this process, and wires to them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::{mpsc, watch};

use super::servers::FakeServers;
use crate::cluster::{
    LinkFacts, LinkFault, LinkNews, LinkWork, MadeLink, NameRead, NameRecord, NodeBeat, NodeId,
    PlacesRead, RoomBatch, RoomLink, RoomNews, RoomServers, StreamLook, WriteFault,
};
use crate::error::{Error, Kind, Result};
use crate::service::{Made, room_over};

/// Servers of one room that are made up: nodes of this process share it with no server of NATS.
#[derive(Clone, Default)]
pub struct FakeHub(Arc<Mutex<HubState>>);

#[derive(Default)]
struct HubState {
    stream: FakeServers,
    names: BTreeMap<String, (u64, NameRecord)>,
    revision: u64,
    links: Vec<FakeLink>,
}

/// What goes to one node.
struct FakeLink {
    wire: Arc<watch::Sender<FakeWireState>>,
    is_parted: Arc<AtomicBool>,
    news: mpsc::UnboundedSender<LinkNews>,
}

/// A node's end of a link, to one server of several.
struct FakeEnd {
    wire: FakeWire,
    /// Whether that server is parted from the others, and leads nowhere.
    is_parted: Arc<AtomicBool>,
}

/// A node's way to a [`FakeHub`]: a test has it do what real ones do too seldom.
#[derive(Clone)]
pub struct FakeWire {
    hub: FakeHub,
    state: Arc<watch::Sender<FakeWireState>>,
}

/// Whether a node comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WireIs {
    Whole,
    Cut,
    Refused,
}

#[derive(Debug, Clone, Copy)]
struct FakeWireState {
    is: WireIs,
    is_deaf: bool,
    is_held: bool,
    max_payload: usize,
    /// Batches that have come, and how many of them are held back.
    came: u64,
    held: u64,
    /// Writes of names that have come.
    named: u64,
}

impl FakeHub {
    /// A wire for one node.
    pub fn wire(&self) -> FakeWire {
        let state = FakeWireState {
            is: WireIs::Whole,
            is_deaf: false,
            is_held: false,
            max_payload: 1 << 20, // as of a server of NATS to which nobody said anything else
            came: 0,
            held: 0,
            named: 0,
        };
        FakeWire { hub: self.clone(), state: Arc::new(watch::Sender::new(state)) }
    }

    /// Has the stream take a batch of a node that is elsewhere: where it stands.
    pub fn say(&self, batch: &RoomBatch) -> u64 {
        self.state().append(batch)
    }

    /// Has every node hear this beat.
    pub fn beat(&self, beat: &NodeBeat) {
        self.state().tell(|| LinkNews::Beaten(beat.clone()));
    }

    /// Forgets what was said, for its age.
    pub fn expire(&self) {
        self.state().stream.expire(0);
    }

    /// Loses all that was said and all names, as servers do whose disks are gone.
    pub fn lose_all(&self) {
        let mut state = self.state();
        state.stream.begin_anew();
        state.names.clear();
        state.revision = 0;
    }

    fn state(&self) -> MutexGuard<'_, HubState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HubState {
    fn tell(&mut self, news: impl Fn() -> LinkNews) {
        self.links.retain(|link| {
            let FakeWireState { is, is_deaf, .. } = *link.wire.borrow();
            let news = news();
            let is_parted = link.is_parted.load(Relaxed);
            let is_deaf = is_deaf && matches!(news, LinkNews::Heard(..));
            let is_lost = is != WireIs::Whole || is_parted || is_deaf;
            is_lost || link.news.send(news).is_ok()
        });
    }

    fn append(&mut self, batch: &RoomBatch) -> u64 {
        let (place, is_new) = self.stream.append(batch);
        if is_new {
            self.tell(|| LinkNews::Heard(place, batch.clone()));
        }
        place
    }

    fn write(&mut self, key: &str, record: &NameRecord, expected: u64) -> Result<u64, WriteFault> {
        let stands = self.names.get(key).map_or(0, |(revision, _)| *revision);
        if stands != expected {
            return Err(WriteFault::Conflict);
        }
        self.revision += 1;
        let revision = self.revision;
        self.names.insert(key.to_owned(), (revision, record.clone()));
        self.tell(|| LinkNews::Named(revision, record.clone()));
        Ok(revision)
    }
}

impl FakeWire {
    /// A node of the room at the end of this wire: its options are those of `chat`.
    ///
    /// # Errors
    ///
    /// Those of [`room_over`].
    pub fn node(&self, options: &[(&str, &str)]) -> Result<Made> {
        room_over(Arc::new(self.clone()), NodeId::draw(), options)
    }

    /// Cuts it, or mends it, and its node is not told: what would have told it was lost.
    pub fn cut_unheard(&self, is_cut: bool) {
        self.turn(|state| state.is = if is_cut { WireIs::Cut } else { WireIs::Whole });
    }

    /// Cuts it, or mends it: its node is told.
    pub fn cut(&self, is_cut: bool) {
        self.cut_unheard(is_cut);
        let links = &self.hub.state().links;
        for link in links.iter().filter(|link| self.is_of(link)) {
            // Where the link is gone nobody hears it.
            drop(link.news.send(if is_cut { LinkNews::Down } else { LinkNews::Up }));
        }
    }

    /// Parts the server that its node is linked to from the others: that link is there, and leads nowhere. Another one would
    /// be to another server.
    pub fn part(&self) {
        for link in self.hub.state().links.iter().filter(|link| self.is_of(link)) {
            link.is_parted.store(true, Relaxed);
        }
    }

    fn is_of(&self, link: &FakeLink) -> bool {
        Arc::ptr_eq(&link.wire, &self.state)
    }

    /// The servers know its node no more: they end its link, and refuse the next one.
    pub fn refuse(&self) {
        self.turn(|state| state.is = WireIs::Refused);
        self.hub.state().links.retain(|link| !self.is_of(link));
    }

    /// Passes on nothing of what is said, or goes on with it: the node has to ask.
    pub fn deafen(&self, is_deaf: bool) {
        self.turn(|state| state.is_deaf = is_deaf);
    }

    /// Holds the node's batches back before the stream has them, or lets go of them.
    pub fn hold(&self, is_held: bool) {
        self.turn(|state| state.is_held = is_held);
    }

    /// Waits until so many batches are held back.
    pub async fn held(&self, count: u64) {
        let mut state = self.state.subscribe();
        drop(state.wait_for(|state| state.held >= count).await);
    }

    /// Messages may have so many bytes from now on.
    pub fn bound(&self, max_payload: usize) {
        self.turn(|state| state.max_payload = max_payload);
    }

    /// How often batches have come, one that came twice twice.
    pub fn came(&self) -> u64 {
        self.state.borrow().came
    }

    /// How often names were written, or tried to be.
    pub fn named(&self) -> u64 {
        self.state.borrow().named
    }

    fn turn(&self, change: impl FnOnce(&mut FakeWireState)) {
        self.state.send_modify(change);
    }

    fn is_whole(&self) -> bool {
        self.state.borrow().is == WireIs::Whole
    }
}

impl FakeEnd {
    /// Does something with what the servers have, where they are reached.
    fn ask<T>(&self, act: impl FnOnce(&mut HubState) -> T) -> Result<T, LinkFault> {
        if !self.wire.is_whole() || self.is_parted.load(Relaxed) {
            return Err(LinkFault::NoAnswer);
        }
        Ok(act(&mut self.wire.hub.state()))
    }

    async fn take(&self, batch: &RoomBatch) -> Result<u64, LinkFault> {
        let mut state = self.wire.state.subscribe();
        self.wire.turn(|state| (state.came, state.held) = (state.came + 1, state.held + 1));
        let max_payload = state.wait_for(|state| !state.is_held).await;
        let max_payload = max_payload.map_or(0, |state| state.max_payload);
        self.wire.turn(|state| state.held -= 1);
        if batch.body.len() > max_payload {
            let words = "the message is larger than the servers take";
            return Err(LinkFault::Refused(LinkFault::TOO_LARGE, words.to_owned()));
        }
        self.ask(|hub| hub.append(batch))
    }
}

impl RoomServers for FakeWire {
    fn shown(&self) -> &'static str {
        "made up"
    }

    fn connect(&self) -> LinkWork<'_, Result<MadeLink>> {
        let is = self.state.borrow().is;
        let link = match is {
            WireIs::Refused => {
                Err(Error::new(Kind::ClusterRefused, "the servers refuse this node"))
            }
            WireIs::Cut => Err(Error::new(Kind::ClusterUnreachable, "the servers are away")),
            WireIs::Whole => {
                let (news, heard) = mpsc::unbounded_channel();
                let is_parted = Arc::<AtomicBool>::default();
                let end = FakeEnd { wire: self.clone(), is_parted: is_parted.clone() };
                let wire = self.state.clone();
                self.hub.state().links.push(FakeLink { wire, is_parted, news });
                Ok(MadeLink { link: Arc::new(end), news: Box::new(FakeNews(heard)) })
            }
        };
        Box::pin(std::future::ready(link))
    }
}

impl RoomLink for FakeEnd {
    fn prepare(&self) -> LinkWork<'_, Result<LinkFacts>> {
        let max_payload = self.max_payload();
        let facts = LinkFacts { version: "2.10.0".to_owned(), replicas: 3, max_payload };
        let unled = |_| Error::new(Kind::ClusterNoJetstream, "the servers have no leader");
        Box::pin(std::future::ready(self.ask(|_| facts).map_err(unled)))
    }

    fn is_up(&self) -> bool {
        self.wire.is_whole()
    }

    fn max_payload(&self) -> usize {
        self.wire.state.borrow().max_payload
    }

    fn publish<'a>(&'a self, batch: &'a RoomBatch) -> LinkWork<'a, Result<u64, LinkFault>> {
        Box::pin(self.take(batch))
    }

    fn look<'a>(&'a self, places: &'a [u64]) -> LinkWork<'a, Result<StreamLook, LinkFault>> {
        let look = self.ask(|HubState { stream, .. }| StreamLook {
            first: stream.first(),
            end: stream.end(),
            marks: places.iter().map(|place| (*place, stream.mark(*place))).collect(),
        });
        Box::pin(std::future::ready(look))
    }

    fn read(&self, from: u64, to: u64, _: bool) -> LinkWork<'_, Result<PlacesRead, LinkFault>> {
        let found = self.ask(|HubState { stream, .. }| {
            (from..=to).map(|place| (place, stream.at(place).cloned())).collect()
        });
        Box::pin(std::future::ready(found))
    }

    fn write_name<'a>(
        &'a self,
        key: &'a str,
        record: &'a NameRecord,
        expected: Option<u64>,
    ) -> LinkWork<'a, Result<u64, WriteFault>> {
        self.wire.turn(|state| state.named += 1);
        let done = self.ask(|hub| hub.write(key, record, expected.unwrap_or_default()));
        Box::pin(std::future::ready(done.unwrap_or(Err(WriteFault::Doubt))))
    }

    fn read_name<'a>(&'a self, key: &'a str) -> LinkWork<'a, Result<NameRead, LinkFault>> {
        let found = self.ask(|hub| match hub.names.get(key) {
            Some((revision, record)) => (*revision, Some(record.clone())),
            None => (0, None),
        });
        Box::pin(std::future::ready(found))
    }

    fn beat<'a>(&'a self, beat: &'a NodeBeat) -> LinkWork<'a, ()> {
        drop(self.ask(|hub| hub.tell(|| LinkNews::Beaten(beat.clone()))));
        Box::pin(std::future::ready(()))
    }

    fn flush(&self) -> LinkWork<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What one node is told.
struct FakeNews(mpsc::UnboundedReceiver<LinkNews>);

impl RoomNews for FakeNews {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<LinkNews>> {
        self.0.poll_recv(cx)
    }
}
