//! The link of a room over many nodes, and what was asked by it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::cluster::{
    LinkFault, MadeLink, NameRead, NameWish, PlacesRead, RoomBatch, RoomLink, StreamLook,
    WriteFault,
};

/// What came of a wish.
pub(super) enum WishDone {
    Published(Arc<RoomBatch>, Result<u64, LinkFault>),
    Looked(u64, Result<StreamLook, LinkFault>),
    Read(u64, Result<PlacesRead, LinkFault>),
    NameRead(Arc<str>, u64, Result<NameRead, LinkFault>),
    NameWritten(Arc<str>, u64, Result<u64, WriteFault>),
}

/// A link between two drives, and what was asked by it and is not answered.
#[derive(Default)]
pub(super) struct LinkInUse {
    pub(super) link: Option<MadeLink>,
    pub(super) doing: JoinSet<WishDone>,
}

/// What is noticed of a link by itself.
#[derive(Default)]
pub(super) struct LinkWatch {
    /// When what it lost was looked for last, and whether more was lost since.
    pub(super) lost_at: Option<Duration>,
    pub(super) is_losing: bool,
    /// Whether the link said otherwise of itself than was told of it, at the last look.
    pub(super) is_odd: bool,
    /// Whether a node is not heard any more, and it was not tried since whether the link still leads to a leader.
    pub(super) is_doubtful: bool,
}

/// Asks the leader how far the stream goes. Where it was gone, it is there anew.
pub(super) async fn look(link: &dyn RoomLink, places: &[u64]) -> Result<StreamLook, LinkFault> {
    match link.look(places).await {
        Err(fault) if fault.is_without_stream() && link.prepare().await.is_ok() => {
            link.look(places).await
        }
        look => look,
    }
}

/// Does what the desk of names wishes.
pub(super) async fn name_wish(link: &dyn RoomLink, wish: NameWish) -> WishDone {
    match wish {
        NameWish::Read { id, key } => {
            let found = match link.read_name(&key).await {
                Err(fault) if fault.is_without_stream() && link.prepare().await.is_ok() => {
                    link.read_name(&key).await
                }
                found => found,
            };
            WishDone::NameRead(key, id, found)
        }
        NameWish::Write { id, key, record, expected } => {
            let done = link.write_name(&key, &record, expected).await;
            WishDone::NameWritten(key, id, done)
        }
    }
}
