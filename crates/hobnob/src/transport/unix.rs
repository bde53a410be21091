//! `unix`, `unixgram`, `unixseq`: sockets of this machine, by path or abstract name (unix(7)).

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use tokio::net::UnixStream;

use crate::address::Address;
use crate::conn::datagrams::{self, DatagramListener};
use crate::conn::demux::{self, DatagramRules};
use crate::conn::listener::{Accepted, Listener};
use crate::conn::packets::{PacketEnds, Packets};
use crate::conn::users::{ALLOW_USER, Users};
use crate::conn::watched::WatchedStream;
use crate::conn::wire::Wire;
use crate::conn::{Boxed, Channel, Conn, Credentials, Facts};
use crate::endpoint::{Form, Target};
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::socket::access::{self, Access, GROUP, MODE, USER};
use crate::socket::option::{self, BACKLOG, SocketOption};
use crate::socket::path::{self, Claim};
use crate::socket::{AsyncSocket, Family, Socket, Type};
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};
use crate::transport::{
    Place, Terms, Transport, TransportRow, Twin, name_behind, over_path, relays_behind_packet,
    relays_named, relays_of_dial,
};

/// Streams.
pub(crate) static STREAM: TransportRow = row(
    &Spec {
        name: "unix",
        summary: "bytes to a path of this machine",
        options: OPTIONS,
        examples: &["hobnob serve echo /tmp/x.sock", "hobnob talk unix:@name"],
        is_built_in: true,
    },
    Shape::Bytes,
    &Unix { name: "unix", kind: Type::Stream },
    |place| over_path(place, Type::Stream),
);

/// Datagrams.
pub(crate) static DATAGRAM: TransportRow = row(
    &Spec {
        name: "unixgram",
        summary: "datagrams to a path of this machine",
        options: DATAGRAM_OPTIONS,
        examples: &["hobnob serve echo unixgram:/tmp/x.sock"],
        is_built_in: true,
    },
    Shape::Packets,
    &Unix { name: "unixgram", kind: Type::Datagram },
    |place| over_path(place, Type::Datagram),
);

/// Records.
pub(crate) static SEQPACKET: TransportRow = row(
    &Spec {
        name: "unixseq",
        summary: "records to a path of this machine",
        options: OPTIONS,
        examples: &["hobnob serve echo unixseq:/tmp/x.sock"],
        is_built_in: true,
    },
    Shape::Packets,
    &Unix { name: "unixseq", kind: Type::Seqpacket },
    |place| over_path(place, Type::Seqpacket),
);

const fn row(
    spec: &'static Spec,
    shape: Shape,
    transport: &'static Unix,
    twins: fn(&Place) -> Vec<Twin>,
) -> TransportRow {
    TransportRow {
        spec,
        form: Form::SocketPath,
        shape,
        socket: Some(transport.kind),
        has_opening: !matches!(transport.kind, Type::Datagram),
        transport: Some(transport),
        twins,
    }
}

const OPTIONS: &[OptionSpec] = &[
    ALLOW_USER_OPTION,
    MODE,
    USER,
    GROUP,
    BACKLOG,
    option::spec(SocketOption::ReceiveBuffer, ""),
    option::spec(SocketOption::SendBuffer, ""),
];

const DATAGRAM_OPTIONS: &[OptionSpec] = &[
    ALLOW_USER_OPTION,
    MODE,
    USER,
    GROUP,
    demux::MAX_PEERS_OPTION,
    demux::EVICT_OPTION,
    option::spec(SocketOption::ReceiveBuffer, ""),
    option::spec(SocketOption::SendBuffer, ""),
];

/// A path has a mode, and the file system keeps others out. An abstract name has none: whoever knows it may connect.
const ALLOW_USER_OPTION: OptionSpec = OptionSpec {
    name: ALLOW_USER,
    kind: ValueKind::Named("USER"),
    default: "",
    help: "where one listens: the user of this machine, by name or number, who may come besides yourself and root; any: all",
};

#[derive(Debug)]
struct Unix {
    name: &'static str,
    kind: Type,
}

impl Transport for Unix {
    fn bind<'a>(&'a self, at: &'a Place, scene: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        Box::pin(async move {
            let (users, access) = (users(at)?, access(at)?);
            let socket = at.open(Family::Unix, self.kind, 0, scene)?;
            if self.kind == Type::Datagram {
                datagrams::prepare(&socket, &address(&at.target)?, Some(&users))?;
            }
            let claim = bind(&socket, &at.target, access, scene)?;
            if self.kind == Type::Datagram {
                let rules = DatagramRules::new(self.name, &at.options, scene.peers, &scene.bus);
                let relays_behind = relays_behind_packet;
                let rules = DatagramRules { users: Some(users), relays_behind, ..rules };
                let claim = claim.map(|claim| Box::new(claim) as _);
                return Ok(vec![Box::new(DatagramListener::new(socket, rules, claim)?) as _]);
            }
            let backlog = at.options.count(BACKLOG.name).unwrap_or(1_024);
            socket.listen(u32::try_from(backlog).unwrap_or(u32::MAX))?;
            let address = socket.local_address()?;
            let listener = AsyncSocket::new(socket)?;
            let door = UnixDoor { kind: self.kind, listener, address, users, _claim: claim };
            Ok(vec![Box::new(door) as _])
        })
    }

    fn connect<'a>(
        &'a self,
        to: &'a Place,
        scene: &'a Terms,
        asker: Option<&'a Facts>,
    ) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let hops = relays_of_dial(asker)?;
            let socket = to.open(Family::Unix, self.kind, 0, scene)?;
            // A name that is taken costs the count alone.
            let is_named = hops.is_some_and(|hops| socket.bind(&name_behind(hops)).is_ok());
            if self.kind == Type::Datagram && !is_named {
                socket.bind(&Address::Unnamed)?; // the kernel picks an abstract name, so that answers find us
            }
            if self.kind == Type::Seqpacket {
                socket.mark_records()?;
            }
            let address = address(&to.target)?;
            scene.own.check(self.name, &address)?;
            let socket = AsyncSocket::connect(socket, &address).await?;
            let (local, peer) = (socket.socket().local_address()?, socket.socket().peer_address()?);
            let credentials = credentials(socket.socket());
            let facts = Facts::new(self.name, local, peer).with_credentials(credentials);
            let facts = if self.kind == Type::Datagram { facts.without_end() } else { facts };
            let ends = match self.kind {
                Type::Stream => return stream(facts, socket.into_socket()),
                Type::Datagram => PacketEnds::HasNone,
                _ => PacketEnds::Has,
            };
            Ok(Conn::new(facts, Shape::Packets, Box::new(Packets::new(socket, ends))))
        })
    }
}

fn address(target: &Target) -> Result<Address> {
    match target {
        Target::Path(path) => Ok(Address::path(path.clone())),
        Target::Abstract(name) => Ok(Address::Abstract(name.as_slice().into())),
        _ => Err(Error::new(Kind::Bug, "a Unix socket was planned without a path")),
    }
}

/// Binds a socket. A path is private from the first instant unless it is to be otherwise, and we remove it at the end.
fn bind(socket: &Socket, target: &Target, access: Access, scene: &Terms) -> Result<Option<Claim>> {
    let Target::Path(path) = target else {
        socket.bind(&address(target)?)?;
        return Ok(None);
    };
    let mut claim = path::claim(path, access)?;
    if claim.was_replaced() {
        let note = format!(
            "replaced {}: a socket of ours that nobody listened on",
            Address::path(path.clone())
        );
        scene.bus.emit(0, 0, Fact::Note(note));
    }
    claim.bind(socket).map_err(|error| may_not(error, &access))?;
    Ok(Some(claim))
}

/// What helps where the system does not let a path be given away.
fn may_not(error: Error, access: &Access) -> Error {
    if !error.call().is_some_and(|call| call.text.starts_with("chown(")) {
        return error;
    }
    let error = match access.user {
        Some(_) => error.why("only root can give a file to another user"),
        None => error.why("only root can give a file to a group that it is not in"),
    };
    error
        .hint_shell("id", "your user, and your groups")
        .hint_topic("addresses", "allow-user= lets a user in and keeps the owner")
}

/// What the path is given. An abstract name has no file that could have it.
fn access(at: &Place) -> Result<Access> {
    let said = [&MODE, &USER, &GROUP].into_iter().find(|option| at.options.is_given(option.name));
    if let (Some(said), Target::Abstract(_)) = (said, &at.target) {
        let text = format!("an abstract name has no file, and so no {}", said.name);
        let error = Error::new(Kind::DoesNotFit, text);
        return Err(error.hint_setting(format!("{ALLOW_USER}=any"), "to let other users in"));
    }
    let usual = Access::default();
    Ok(Access {
        mode: at.options.mode(MODE.name).unwrap_or(usual.mode),
        user: at.options.text(USER.name).map(access::user).transpose()?,
        group: at.options.text(GROUP.name).map(access::group).transpose()?,
    })
}

/// The users who may come. A path is made private by its mode, so that who gets there was let in by the file system.
fn users(at: &Place) -> Result<Users> {
    match (at.options.text(ALLOW_USER), &at.target) {
        (None, Target::Path(_)) => Ok(Users::all()),
        (option, _) => Users::and(option),
    }
}

/// A conn whose peer may come, or word that it may not.
fn accepted(conn: Conn, users: &Users) -> Accepted {
    let facts = conn.facts();
    if users.hold(facts.credentials().map(|process| process.uid)) {
        return Accepted::Conn(conn);
    }
    Accepted::Refused(facts.peer.clone(), ALLOW_USER)
}

/// Over a connected socket that does not block. Only one that is watched pays for being watched.
fn stream(facts: Facts, socket: Socket) -> Result<Conn> {
    let channel: Box<dyn Channel> = if socket.is_watched() {
        Box::new(WatchedStream::new(AsyncSocket::new(socket)?, false))
    } else {
        let stream = UnixStream::from_std(OwnedFd::from(socket).into());
        Box::new(Wire::new(stream.map_err(|error| Error::from_io("epoll_ctl()", &error))?))
    };
    Ok(Conn::new(facts, Shape::Bytes, channel))
}

fn credentials(socket: &Socket) -> Option<Credentials> {
    let process = socket.peer_process().ok()?;
    Some(Credentials { pid: process.pid, uid: process.uid, gid: process.gid })
}

/// The facts of an accepted conn. The name that a relay dials from is a number of relays, and no name.
fn facts(transport: &'static str, local: &Address, peer: Address) -> Facts {
    let relays = match &peer {
        Address::Abstract(name) => relays_named(name),
        _ => None,
    };
    match relays {
        Some(relays) => Facts::new(transport, local.clone(), Address::Unnamed).behind(relays),
        None => Facts::new(transport, local.clone(), peer),
    }
}

struct UnixDoor {
    kind: Type,
    listener: AsyncSocket,
    address: Address,
    users: Users,
    _claim: Option<Claim>,
}

impl UnixDoor {
    fn conn(&self, socket: Socket, peer: Address) -> Result<Conn> {
        let transport = if self.kind == Type::Stream { "unix" } else { "unixseq" };
        let facts = facts(transport, &self.address, peer).with_credentials(credentials(&socket));
        if self.kind == Type::Stream {
            return stream(facts, socket);
        }
        socket.mark_records()?;
        let packets = Packets::new(AsyncSocket::new(socket)?, PacketEnds::Has);
        Ok(Conn::new(facts, Shape::Packets, Box::new(packets)))
    }
}

impl Listener for UnixDoor {
    fn address(&self) -> Address {
        self.address.clone()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.listener.as_fd())
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        let came = ready!(self.listener.poll_accept(cx))
            .and_then(|(socket, peer)| self.conn(socket, peer));
        Poll::Ready(came.map_or_else(Accepted::Failed, |conn| accepted(conn, &self.users)))
    }
}
