//! `udp`: datagrams over IPv4 and IPv6 (RFC 768; udp(7)).

use std::net::SocketAddr;

use crate::address::Address;
use crate::conn::datagrams::{self, DatagramListener};
use crate::conn::demux::{self, DatagramRules};
use crate::conn::listener::Listener;
use crate::conn::packets::{PacketEnds, Packets};
use crate::conn::{Boxed, Conn, Facts};
use crate::endpoint::Form;
use crate::error::{Error, Kind, Result};
use crate::socket::option::{self, SocketOption};
use crate::socket::{AsyncSocket, Type, host};
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};
use crate::transport::{Place, SOURCE, Terms, Transport, TransportRow, over_ip};

/// The row.
pub(crate) static ROW: TransportRow = TransportRow {
    spec: &Spec {
        name: "udp",
        summary: "datagrams to a host and port",
        options: OPTIONS,
        examples: &["hobnob serve temp udp://:9998", "hobnob talk udp://:9998 20C"],
        is_built_in: true,
    },
    form: Form::HostPort,
    shape: Shape::Packets,
    socket: Some(Type::Datagram),
    has_opening: false,
    transport: Some(&Udp),
    twins: |place| over_ip(place, Type::Datagram),
};

const OPTIONS: &[OptionSpec] = &[
    SOURCE,
    demux::MAX_PEERS_OPTION,
    demux::EVICT_OPTION,
    OptionSpec {
        name: TRUSTED,
        kind: ValueKind::Flag,
        default: "",
        help: "where one listens and no stranger can send: takes peers' addresses for true, and bounds no answers",
    },
    option::spec(SocketOption::ReuseAddress, ""),
    option::spec(SocketOption::ReusePort, ""),
    option::spec(SocketOption::Ttl, ""),
    option::spec(SocketOption::ReceiveBuffer, ""),
    option::spec(SocketOption::SendBuffer, ""),
    option::spec(SocketOption::Broadcast, ""),
    option::spec(SocketOption::Device, ""),
    option::spec(SocketOption::V6Only, ""),
    option::spec(SocketOption::FreeBind, ""),
];

const TRUSTED: &str = "trusted";

#[derive(Debug)]
struct Udp;

impl Transport for Udp {
    fn bind<'a>(&'a self, at: &'a Place, scene: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        Box::pin(async move {
            let bind = |address| {
                let socket = at.open(host::family_of(&address), Type::Datagram, 0, scene)?;
                datagrams::prepare(&socket, &Address::Ip(address), None)?;
                socket.bind(&Address::Ip(address))?;
                // Only what listens is marked: what was dialled asks, and is to be answered. A machine that cannot mark
                // serves all the same.
                drop(socket.mark_answers());
                Ok(socket)
            };
            let sockets = at.bind_each(scene, bind).await?;
            let rules = || {
                let mut rules = DatagramRules::new("udp", &at.options, scene.peers, &scene.bus);
                rules.peers.are_trusted |= at.options.flag(TRUSTED);
                rules
            };
            let listener =
                |socket| Ok(Box::new(DatagramListener::new(socket, rules(), None)?) as _);
            sockets.into_iter().map(listener).collect()
        })
    }

    /// Takes the first address: nobody answers a connect on UDP, so there is nothing to race.
    fn connect<'a>(
        &'a self,
        to: &'a Place,
        scene: &'a Terms,
        _: Option<&'a Facts>,
    ) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let mut failed = None;
            for address in to.destinations(scene).await? {
                scene.own.check("udp", &Address::Ip(address))?;
                match connect(address, to, scene).await {
                    Ok(conn) => return Ok(conn),
                    Err(error) => drop(failed.get_or_insert(error)),
                }
            }
            Err(failed.unwrap_or_else(|| {
                Error::new(Kind::HostNotFound, "there is no address to send to")
            }))
        })
    }
}

async fn connect(address: SocketAddr, to: &Place, scene: &Terms) -> Result<Conn> {
    let socket = to.open_towards(&address, Type::Datagram, 0, scene)?;
    let socket = AsyncSocket::connect(socket, &Address::Ip(address)).await?;
    let (local, peer) = (socket.socket().local_address()?, socket.socket().peer_address()?);
    let facts = Facts::new("udp", local, peer).without_end();
    Ok(Conn::new(facts, Shape::Packets, Box::new(Packets::new(socket, PacketEnds::HasNone))))
}
