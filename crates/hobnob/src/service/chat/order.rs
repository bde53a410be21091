//! Who gives a room its order: what is said, in which sequence, and who has which name.
//!
//! The members know this contract alone. [`OneProcess`] is the room of one process, where the room's lock orders
//! everything and each question is answered at once.

use std::sync::Arc;

use super::room::{Inbox, Room, Taken};

/// Orders what the members of a room do. Every method answers at once: none waits for a peer, a disk or a network.
pub(super) trait RoomOrder: Send + Sync {
    /// Whether each member is asked for a name; else it is numbered.
    fn has_names(&self) -> bool;

    /// Lets a member in, as [`Room::enter`].
    fn enter(&self, id: u64, name: &str, mailbox: &Arc<Inbox>, is_told: bool) -> Result<(), Taken>;

    /// Takes a member's message for everybody else. True: somebody has much to read already.
    fn say(&self, id: u64, text: &str) -> bool;

    /// Gives a member another name, and tells the others.
    fn rename(&self, id: u64, name: &str) -> Result<(), Taken>;

    /// What `/who` says: the names of who is here, until they have so many bytes together.
    fn who(&self, bytes: usize) -> String;

    /// A member is gone. `is_quiet`: and the others need not know, because they go too.
    fn leave(&self, id: u64, is_quiet: bool);
}

/// The room of this process alone.
pub(super) struct OneProcess(pub(super) Room);

impl RoomOrder for OneProcess {
    fn has_names(&self) -> bool {
        self.0.has_names
    }

    fn enter(&self, id: u64, name: &str, mailbox: &Arc<Inbox>, is_told: bool) -> Result<(), Taken> {
        self.0.enter(id, name, mailbox, is_told)
    }

    fn say(&self, id: u64, text: &str) -> bool {
        self.0.say(id, text)
    }

    fn rename(&self, id: u64, name: &str) -> Result<(), Taken> {
        self.0.rename(id, name)
    }

    fn who(&self, bytes: usize) -> String {
        let (names, count) = self.0.who(bytes);
        let more = match count - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = if count == 0 { "nobody".to_owned() } else { names.join(", ") };
        format!("* here: {names}{more}")
    }

    fn leave(&self, id: u64, is_quiet: bool) {
        self.0.leave(id, is_quiet);
    }
}
