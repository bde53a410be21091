//! Who gives a room its order: what is said, in which sequence, and who has which name.
//!
//! The members know this contract alone. [`RoomHere`] is the room of one process, where the room's lock orders
//! everything and each question is answered at once.

use std::sync::Arc;

use super::room::{Inbox, Room, Taken};
use crate::conn::Boxed;
use crate::session::Keeper;

/// What becomes of a name that a member wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NameAnswer {
    /// It has it.
    Granted,
    /// It has another one for now, as this line says.
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "a room here lends none"))]
    Lent(String),
    /// It does not get it, and why: `Ada is taken`.
    Refused(String),
    /// Others are asked: [`RoomOrder::verdict`].
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "a room here asks nobody"))]
    Asked,
}

impl NameAnswer {
    /// What a room of its own makes of it.
    pub(super) fn of(done: &Result<(), Taken>, name: &str) -> Self {
        match done {
            Ok(()) => NameAnswer::Granted,
            Err(Taken) => NameAnswer::Refused(format!("{name} is taken")),
        }
    }
}

/// Orders what the members of a room do. Every method answers at once: none waits for a peer, a disk or a network.
pub(super) trait RoomOrder: Send + Sync {
    /// Whether each member is asked for a name; else it is numbered.
    fn has_names(&self) -> bool;

    /// Lets a member in, as [`Room::enter`].
    fn enter(&self, id: u64, name: &str, mailbox: &Arc<Inbox>, is_told: bool) -> NameAnswer;

    /// Takes a member's message for everybody else. True: somebody has much to read already.
    fn say(&self, id: u64, text: &str) -> bool;

    /// Gives a member another name, and tells the others.
    fn rename(&self, id: u64, name: &str) -> NameAnswer;

    /// What came of the name that others were asked for. None: nothing yet, and the member's mailbox wakes it.
    fn verdict(&self, _id: u64) -> Option<NameAnswer> {
        None
    }

    /// What `/who` says: the names of who is here, until they have so many bytes together.
    fn who(&self, bytes: usize) -> String;

    /// A member is gone. `is_quiet`: and the others need not know, because they go too.
    fn leave(&self, id: u64, is_quiet: bool);

    /// Gets ready before the first member comes, as [`Service::open`](super::Service::open).
    fn open<'a>(&'a self, _keeper: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Works beside the members until the server ends, as [`Service::keep`](super::Service::keep).
    fn keep<'a>(&'a self, _keeper: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The room of this process alone.
pub(super) struct RoomHere(pub(super) Room);

impl RoomOrder for RoomHere {
    fn has_names(&self) -> bool {
        self.0.has_names
    }

    fn enter(&self, id: u64, name: &str, mailbox: &Arc<Inbox>, is_told: bool) -> NameAnswer {
        NameAnswer::of(&self.0.enter(id, name, mailbox, is_told), name)
    }

    fn say(&self, id: u64, text: &str) -> bool {
        self.0.say(id, text)
    }

    fn rename(&self, id: u64, name: &str) -> NameAnswer {
        NameAnswer::of(&self.0.rename(id, name), name)
    }

    fn who(&self, bytes: usize) -> String {
        self.0.here(bytes)
    }

    fn leave(&self, id: u64, is_quiet: bool) {
        self.0.leave(id, is_quiet);
    }
}
