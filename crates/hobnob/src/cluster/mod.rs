//! A room over many nodes: what travels between them, and what each of them keeps in mind so that no line is lost without
//! a word.
//!
//! The truth is a stream that servers keep: every node appends [batches](RoomBatch) to it, and hears what was appended in
//! the one order that the stream has. What servers promise is not always what they keep, so each node numbers what it
//! says, and every other one counts: what is missing is told with its number, and never passed over.
//!
//! [`ClusterNode`] has no clock, no task and no socket: it is told what happened and when, and says what it wants. A
//! [link](RoomLink) to servers does that, and a simulator does it worse than any network (`testing::cluster`).
//! [`ClusterRule`] has the nine rules.
//! Whose a name is, a second stream keeps; a [`NameDesk`] claims names there for one node's members, by rules of its own
//! ([`NameRule`]).
//!
//! ```
//! use std::time::Duration;
//! use hobnob::cluster::{ClusterNode, NodeId, NodeTerms, NodeTold, NodeWish, StreamLook};
//!
//! let terms = NodeTerms { me: NodeId::drawn([1, 2]), seed: 0, outbox: 4_096, past: 50 };
//! let mut node = ClusterNode::new(terms, Duration::ZERO);
//! node.up(Duration::ZERO);
//! let nothing = StreamLook { first: 1, end: 0, marks: Vec::new() };
//! while let Some(wish) = node.wish() {
//!     if let NodeWish::Look { id, .. } = wish {
//!         node.looked(Duration::ZERO, id, &nothing);
//!     }
//! }
//! assert_eq!(node.told(), Some(NodeTold::Joined));
//! ```

mod batch;
mod beat;
mod ledger;
mod link;
mod name;
mod names;
pub mod nats;
mod node;
mod outbox;
mod rule;
mod trail;

pub use batch::{
    BATCH_BYTES, BATCH_ENTRIES, BatchMark, ENTRY_TEXT, EntryKind, RoomBatch, RoomEntry, VERSION,
};
pub use beat::{BEAT, GONE, KnownNode, NodeBeat, NodeIs, NodeRoster, UNREACHED};
pub use ledger::{BatchFit, OriginLedger};
pub use link::{
    LinkFacts, LinkFault, LinkNews, LinkWork, MadeLink, NameRead, PlacesRead, RoomLink, RoomNews,
    RoomServers,
};
pub use name::{ClusterRoom, NodeId, base32};
pub use names::{
    DeskTerms, NameDesk, NameRecord, NameRule, NameTold, NameWish, REFRESH, WriteFault, name_key,
    name_token,
};
pub use node::{ClusterNode, NodeTerms, NodeTold, NodeWish, READ_PLACES, StreamLook, TICK};
pub use outbox::{OUTBOX_BYTES, OUTBOX_ENTRIES, RoomOutbox};
pub use rule::ClusterRule;
pub use trail::StreamTrail;
