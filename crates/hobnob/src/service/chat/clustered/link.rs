//! The link of a room over many nodes, and what was asked by it.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cluster::nats::{LinkFault, NatsLink, NatsNews};
use crate::cluster::{NameRecord, RoomBatch, StreamLook, WriteFault};

/// What came of a wish.
pub(super) enum WishDone {
    Published(Arc<RoomBatch>, Result<u64, LinkFault>),
    Looked(u64, Result<StreamLook, LinkFault>),
    Read(u64, Result<Vec<(u64, Option<RoomBatch>)>, LinkFault>),
    NameRead(Arc<str>, u64, Result<(u64, Option<NameRecord>), LinkFault>),
    NameWritten(Arc<str>, u64, Result<u64, WriteFault>),
}

/// A link between two drives, and what was asked by it and is not answered.
#[derive(Default)]
pub(super) struct LinkInUse {
    pub(super) link: Option<(NatsLink, NatsNews)>,
    pub(super) doing: JoinSet<WishDone>,
}
