//! A room: everyone hears everyone.
//!
//! The room is in the service value, so its members may sit on any transport and any shard. Each has a mailbox that
//! others push into and never wait for; a member's conn and mailbox are polled in one future.

#[cfg(feature = "nats")]
mod clustered;
mod command;
mod member;
mod order;
mod proof;
mod room;
mod show;

use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::{Door, Made, Service, ServiceRow, Site};
#[cfg(feature = "nats")]
use crate::cluster::{NodeId, RoomServers};
use crate::conn::{Boxed, Conn};
use crate::error::Result;
use crate::session::{Keeper, Session};
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};
use member::Member;
use order::{RoomHere, RoomOrder};
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
            OptionSpec {
                name: "cluster",
                kind: ValueKind::Named("URL"),
                default: "",
                help: "shares the room with other nodes by the NATS servers at nats://HOST:PORT[,..], as their user USER:PASSWORD@",
            },
            OptionSpec {
                name: "room",
                kind: ValueKind::Named("NAME"),
                default: "lobby",
                help: "with --cluster, which room of the cluster it is",
            },
            OptionSpec {
                name: "node",
                kind: ValueKind::Named("NAME"),
                default: "",
                help: "with --cluster, what others call this node; the name of this machine where none is given",
            },
            OptionSpec {
                name: "cluster-auth",
                kind: ValueKind::Named("FILE"),
                default: "",
                help: "with --cluster, USER:PASSWORD or a token for its servers; nobody else may read the file",
            },
            OptionSpec {
                name: "cluster-ca",
                kind: ValueKind::Named("FILE"),
                default: "",
                help: "with --cluster, trusts these certificates (PEM) alone to vouch for its servers, and asks for TLS",
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
    make: Some(|options| Ok(Made::Service(Box::new(Chat::new(options)?)))),
};

struct Chat {
    order: Box<dyn RoomOrder>,
    /// The key of the cookies. The system's own chance makes it, as the run's seed may be one that a person chose.
    key: RandomState,
}

impl Chat {
    fn new(options: &Options) -> Result<Self> {
        let room = Chat::room(options);
        let order = match options.text("cluster").filter(|servers| !servers.is_empty()) {
            None => Box::new(RoomHere(room)),
            Some(servers) => over_nodes(room, servers, options)?,
        };
        Ok(Chat { order, key: RandomState::new() })
    }

    fn room(options: &Options) -> Room {
        let history = options.count("history").unwrap_or_default();
        let history = usize::try_from(history).unwrap_or(usize::MAX);
        Room::new(history, options.flag("names"))
    }

    /// What a peer must prove before it may join: that it hears what is sent to its address.
    fn proof(&self, session: &Session) -> Option<Proof> {
        let facts = &session.facts;
        facts.can_be_forged.then(|| {
            Proof::new(self.key.hash_one((&facts.peer, session.id)), facts.peer.is_local_only())
        })
    }
}

#[cfg(feature = "nats")]
fn over_nodes(room: Room, servers: &str, options: &Options) -> Result<Box<dyn RoomOrder>> {
    Ok(Box::new(clustered::Clustered::of(room, servers, options)?))
}

#[cfg(not(feature = "nats"))]
fn over_nodes(_: Room, _: &str, _: &Options) -> Result<Box<dyn RoomOrder>> {
    use crate::error::{Error, Kind};
    Err(Error::new(Kind::NotBuiltIn, "this build of hobnob has no rooms over many nodes")
        .hint_topic("addresses", "what is built in"))
}

/// A room whose order these servers give: what `chat` with `cluster` is, on servers that need not be of NATS. They know
/// the node by the number `me`; the options are those of `chat`, of which `cluster`, `cluster-auth` and `cluster-ca` say
/// nothing here.
///
/// # Errors
///
/// An option that `chat` does not have, or a value that it does not take.
#[cfg(feature = "nats")]
pub fn room_over(
    servers: Arc<dyn RoomServers>,
    me: NodeId,
    given: &[(&str, &str)],
) -> Result<Made> {
    let mut options = Options::of(ROW.spec.options);
    for (name, value) in given {
        options.set(ROW.spec.options, name, Some(value))?;
    }
    let order = clustered::Clustered::on(Chat::room(&options), servers, me, &options)?;
    Ok(Made::Service(Box::new(Chat { order: Box::new(order), key: RandomState::new() })))
}

impl Service for Chat {
    fn open<'a>(&'a self, site: &'a mut Site) -> Boxed<'a, ()> {
        self.order.open(site.keeper())
    }

    fn keep<'a>(&'a self, keeper: &'a Keeper) -> Boxed<'a, ()> {
        self.order.keep(keeper)
    }

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
