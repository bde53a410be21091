//! A room: everyone hears everyone.
//!
//! The room is in the service value, so its members may sit on any transport and any shard. Each has a mailbox that
//! others push into and never wait for; a member's conn and mailbox are polled in one future.

mod command;
mod member;
mod order;
mod proof;
mod room;
mod show;

use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::{Door, Made, Service, ServiceRow};
use crate::conn::{Boxed, Conn};
use crate::session::Session;
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};
use member::Member;
use order::{InProcess, RoomOrder};
use proof::Proof;
use room::Room;

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "chat",
        summary: "everyone hears everyone",
        options: &[
            OptionSpec {
                name: "names",
                kind: ValueKind::Flag,
                default: "yes",
                help: "asks each member for a name; --no-names numbers them, and the first thing they send is a message",
            },
            OptionSpec {
                name: "history",
                kind: ValueKind::Count,
                default: "50",
                help: "how many of the last messages are shown to who joins, 256 KiB of them at most",
            },
        ],
        examples: &[
            "hobnob serve chat",
            "hobnob serve chat :9000 udp://:9000 /tmp/chat.sock",
            "hobnob serve chat --no-names --history 5",
        ],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(|options| Ok(Made::Service(Box::new(Chat::new(options))))),
};

struct Chat {
    order: Box<dyn RoomOrder>,
    /// The key of the cookies. The system's own chance makes it, as the run's seed may be one that a person chose.
    key: RandomState,
}

impl Chat {
    fn new(options: &Options) -> Self {
        let history = options.count("history").unwrap_or_default();
        let history = usize::try_from(history).unwrap_or(usize::MAX);
        Chat {
            order: Box::new(InProcess(Room::new(history, options.flag("names")))),
            key: RandomState::new(),
        }
    }

    /// What a peer must prove before it may join: that it hears what is sent to its address.
    fn proof(&self, session: &Session) -> Option<Proof> {
        let facts = &session.facts;
        facts.can_be_forged.then(|| {
            Proof::new(self.key.hash_one((&facts.peer, session.id)), facts.peer.is_local_only())
        })
    }
}

impl Service for Chat {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        let proof = self.proof(session);
        let mut member = Member::new(&*self.order, proof, session, conn.shape());
        Box::pin(poll_fn(move |cx| member.poll(cx, conn.channel())))
    }

    fn has_proofs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
