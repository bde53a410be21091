//! Servers of NATS as a room has them.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use super::super::batch::RoomBatch;
use super::super::beat::NodeBeat;
use super::super::link::{
    LinkFacts, LinkFault, LinkNews, LinkWork, MadeLink, NameRead, PlacesRead, RoomLink, RoomNews,
    RoomServers,
};
use super::super::name::{ClusterRoom, NodeId};
use super::super::names::{NameRecord, WriteFault};
use super::super::node::StreamLook;
use super::{NatsFiles, NatsLink, NatsNews, NatsTerms};
use crate::error::Result;

/// Where servers of NATS are, and what files say of them.
#[derive(Debug)]
pub struct NatsServers {
    terms: NatsTerms,
    files: NatsFiles,
    /// The terms with what the files say, once they are read.
    ready: OnceLock<NatsTerms>,
}

impl NatsServers {
    /// The servers at these URLs, as [`NatsFiles::terms`] takes them.
    ///
    /// # Errors
    ///
    /// A URL that is none, two secrets, or one that would leave this machine in clear text.
    pub fn new(urls: &str, files: NatsFiles, room: ClusterRoom, me: NodeId) -> Result<Self> {
        let terms = files.terms(urls, room, me)?;
        Ok(NatsServers { terms, files, ready: OnceLock::new() })
    }
}

impl RoomServers for NatsServers {
    fn shown(&self) -> &str {
        &self.terms.servers
    }

    fn warning(&self) -> Option<&'static str> {
        let words = "everybody on this machine can see a password of the options; a file keeps it (cluster-auth)";
        self.terms.secret.is_some().then_some(words)
    }

    fn read(&self) -> Result<()> {
        let read = self.files.read(self.terms.clone())?;
        self.ready.get_or_init(|| read);
        Ok(())
    }

    fn connect(&self) -> LinkWork<'_, Result<MadeLink>> {
        Box::pin(async {
            let terms = self.ready.get().unwrap_or(&self.terms);
            let (link, news) = NatsLink::connect(terms).await?;
            Ok(MadeLink { link: Arc::new(link), news: Box::new(news) })
        })
    }
}

impl RoomLink for NatsLink {
    fn prepare(&self) -> LinkWork<'_, Result<LinkFacts>> {
        Box::pin(self.prepare())
    }

    fn is_up(&self) -> bool {
        self.is_up()
    }

    fn max_payload(&self) -> usize {
        self.max_payload()
    }

    fn publish<'a>(&'a self, batch: &'a RoomBatch) -> LinkWork<'a, Result<u64, LinkFault>> {
        Box::pin(self.publish(batch))
    }

    fn look<'a>(&'a self, places: &'a [u64]) -> LinkWork<'a, Result<StreamLook, LinkFault>> {
        Box::pin(self.look(places))
    }

    fn read(
        &self,
        from: u64,
        to: u64,
        is_leader: bool,
    ) -> LinkWork<'_, Result<PlacesRead, LinkFault>> {
        Box::pin(self.read(from, to, is_leader))
    }

    fn write_name<'a>(
        &'a self,
        key: &'a str,
        record: &'a NameRecord,
        expected: Option<u64>,
    ) -> LinkWork<'a, Result<u64, WriteFault>> {
        Box::pin(self.write_name(key, record, expected))
    }

    fn read_name<'a>(&'a self, key: &'a str) -> LinkWork<'a, Result<NameRead, LinkFault>> {
        Box::pin(self.read_name(key))
    }

    fn beat<'a>(&'a self, beat: &'a NodeBeat) -> LinkWork<'a, ()> {
        Box::pin(self.beat(beat))
    }

    fn flush(&self) -> LinkWork<'_, ()> {
        Box::pin(self.flush())
    }
}

impl RoomNews for NatsNews {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<LinkNews>> {
        self.poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_everybody_can_see_is_warned_of() {
        for (url, is_warned) in [("nats://127.0.0.1", false), ("nats://me:secret@127.0.0.1", true)]
        {
            let room = ClusterRoom::named("lobby").expect("a name");
            let servers = NatsServers::new(url, NatsFiles::default(), room, NodeId::NOBODY);
            let servers = servers.expect("a server");
            assert_eq!(servers.warning().is_some(), is_warned, "{url}");
            assert_eq!(servers.shown(), "nats://127.0.0.1");
        }
    }
}
