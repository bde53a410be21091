//! `udp`: datagrams over IPv4 and IPv6 (RFC 768; udp(7)), to one host, to a multicast group, or to all of a network.
//!
//! Who listens at a group joins it, and hears of no other. Who dials a group, or with `broadcast` an address, hears whoever
//! answers: the answers come from the addresses of those who do.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use crate::address::Address;
use crate::conn::datagrams::{self, DatagramListener};
use crate::conn::demux::{self, DatagramRules};
use crate::conn::listener::Listener;
use crate::conn::packets::{PacketEnds, Packets};
use crate::conn::wire::aborted;
use crate::conn::{Boxed, Channel, Conn, Facts, too_long_to_receive};
use crate::endpoint::Form;
use crate::error::{Error, Kind, Result};
use crate::socket::option::{self, SocketOption};
use crate::socket::{
    AsyncSocket, Socket, Type, hear_own_groups, host, interface_index, interfaces, join,
    send_to_groups,
};
use crate::spec::{self, OptionSpec, Shape, Spec, ValueKind};
use crate::transport::{
    Place, SOURCE, Terms, Transport, TransportRow, over_ip, relays_behind_packet, relays_of_dial,
    send_relays_along,
};

/// The row.
pub(crate) static ROW: TransportRow = TransportRow {
    spec: &Spec {
        name: "udp",
        summary: "datagrams to a host and port",
        options: OPTIONS,
        examples: &[
            "hobnob serve temp udp://:9998",
            "hobnob talk udp://:9998 20C",
            "hobnob serve echo udp://239.1.2.3:9000,iface=lo",
        ],
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
    OptionSpec {
        name: INTERFACE,
        kind: ValueKind::Text,
        default: "",
        help: "of a group: the interface on which it is joined and sent to, as in iface=eth0 (ip(7))",
    },
    OptionSpec {
        name: SENDER,
        kind: ValueKind::IpAddress,
        default: "",
        help: "of a group: hears what this address sends, and nobody else (source-specific, RFC 4607)",
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
const INTERFACE: &str = "iface";
const SENDER: &str = "ssm";

/// Routers that a packet to a group may pass, where nobody says otherwise: it stays on its link.
const USUAL_REACH: u8 = 1;
/// Bytes of the largest datagram.
const LARGEST: usize = 65_536;

#[derive(Debug)]
struct Udp;

impl Transport for Udp {
    fn bind<'a>(&'a self, at: &'a Place, scene: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        Box::pin(async move {
            let bind = |address| {
                let socket = at.open(host::family_of(&address), Type::Datagram, 0, scene)?;
                let group = MulticastGroup::of(address.ip(), at)?;
                if group.is_some() {
                    // Members of one group on one machine share its port.
                    socket.set_switch(SocketOption::ReuseAddress, true)?;
                }
                datagrams::prepare(&socket, &Address::Ip(address), None)?;
                socket.bind(&Address::Ip(address))?;
                group.map_or(Ok(()), |group| group.join(&socket))?;
                // Only what listens is marked: what was dialled asks, and is to be answered. A machine that cannot mark
                // serves all the same.
                drop(socket.mark_answers());
                Ok(socket)
            };
            let sockets = at.bind_each(scene, bind).await?;
            let rules = || {
                let mut rules = DatagramRules::new("udp", &at.options, scene.peers, &scene.bus);
                rules.peers.are_trusted |= at.options.flag(TRUSTED);
                rules.relays_behind = relays_behind_packet;
                rules
            };
            let listener =
                |socket| Ok(Box::new(DatagramListener::new(socket, rules(), None)?) as _);
            sockets.into_iter().map(listener).collect()
        })
    }

    /// The interface of a group.
    fn dialled(&self, at: &Place) -> Vec<String> {
        Vec::from_iter(at.options.text(INTERFACE).map(|name| format!("{INTERFACE}={name}")))
    }

    /// Takes the first address: nobody answers a connect on UDP, so there is nothing to race.
    fn connect<'a>(
        &'a self,
        to: &'a Place,
        scene: &'a Terms,
        asker: Option<&'a Facts>,
    ) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let behind = asker.zip(relays_of_dial(asker)?);
            let mut failed = None;
            for address in to.destinations(scene).await? {
                scene.own.check("udp", &Address::Ip(address))?;
                match connect(address, to, scene, behind).await {
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

async fn connect(
    address: SocketAddr,
    to: &Place,
    scene: &Terms,
    behind: Option<(&Facts, u8)>,
) -> Result<Conn> {
    let socket = to.open_towards(&address, Type::Datagram, 0, scene)?;
    if let Some((asker, hops)) = behind
        && !to.options.is_given(SocketOption::Ttl.row().spec.name)
    {
        send_relays_along(&socket, hops, asker, address.ip());
    }
    let group = MulticastGroup::of(address.ip(), to)?;
    if group.is_some() || to.options.flag(SocketOption::Broadcast.row().spec.name) {
        group.map_or(Ok(()), |group| group.reach(&socket, to))?;
        let peer = Address::Ip(address);
        let facts = Facts::new("udp", socket.local_address()?, peer.clone()).without_end();
        let socket = Some(AsyncSocket::new(socket)?);
        let channel = ToMany { socket, peer, incoming: vec![0; LARGEST] };
        return Ok(Conn::new(facts, Shape::Packets, Box::new(channel)));
    }
    let socket = AsyncSocket::connect(socket, &Address::Ip(address)).await?;
    let (local, peer) = (socket.socket().local_address()?, socket.socket().peer_address()?);
    let facts = Facts::new("udp", local, peer).without_end();
    Ok(Conn::new(facts, Shape::Packets, Box::new(Packets::new(socket, PacketEnds::HasNone))))
}

/// A multicast group, and what an endpoint says of it.
#[derive(Debug, Clone, Copy)]
struct MulticastGroup {
    ip: IpAddr,
    /// The number of its interface; 0 leaves the choice to the route.
    interface: u32,
    /// The only one who is heard.
    sender: Option<IpAddr>,
}

impl MulticastGroup {
    /// None where the address is none of a group. Then nothing may be said of one.
    fn of(ip: IpAddr, place: &Place) -> Result<Option<Self>> {
        let (interface, sender) = (place.options.text(INTERFACE), place.options.text(SENDER));
        if !ip.is_multicast() {
            let said = interface.map(|_| INTERFACE).or(sender.map(|_| SENDER));
            return said.map_or(Ok(None), |said| Err(no_group(said, ip)));
        }
        let sender = sender.and_then(spec::parse_ip).map(|sender| sender.ip());
        if let Some(other) = sender.filter(|sender| sender.is_ipv4() != ip.is_ipv4()) {
            let text = format!("{other} cannot send to the group {ip}: it is of the other family");
            return Err(Error::new(Kind::BadOption, text).hint_topic("udp", ""));
        }
        let interface = interface.map_or(Ok(0), number_of)?;
        Ok(Some(MulticastGroup { ip, interface, sender }))
    }

    /// For who listens.
    fn join(self, socket: &Socket) -> Result<()> {
        let own = hear_own_groups(socket.as_fd(), self.ip);
        own.map_err(|error| Error::from_io("setsockopt(IP_MULTICAST_ALL, 0)", &error))?;
        let joined = join(socket.as_fd(), self.ip, self.interface, self.sender)?;
        joined.map_err(|error| self.not_joined(&error))
    }

    /// For who sends to it.
    fn reach(self, socket: &Socket, place: &Place) -> Result<()> {
        let reach = place.options.count(SocketOption::Ttl.row().spec.name);
        let reach = reach.and_then(|reach| u8::try_from(reach).ok()).unwrap_or(USUAL_REACH);
        let set = send_to_groups(socket.as_fd(), self.ip, self.interface, reach);
        set.map_err(|error| Error::from_io("setsockopt(IP_MULTICAST_IF)", &error))?;
        let is_bound = place.options.is_given(SOURCE.name);
        let Some(name) = place.options.text(INTERFACE).filter(|_| !is_bound) else { return Ok(()) };
        self.address_on(name).map_or(Ok(()), |ip| socket.bind(&Address::Ip(SocketAddr::new(ip, 0))))
    }

    /// The first IPv4 address of an interface. A socket without an address of its own sends from 0.0.0.0 where the interface
    /// is loopback, and nobody can answer that. Over IPv6 the kernel picks one that can be answered on every interface.
    fn address_on(self, interface: &str) -> Option<IpAddr> {
        let all = interfaces().unwrap_or_default();
        let found = all.into_iter().find(|one| one.name == interface && self.ip.is_ipv4());
        found?.addresses.into_iter().find(IpAddr::is_ipv4)
    }

    fn not_joined(self, error: &std::io::Error) -> Error {
        let call = format!("setsockopt(MCAST_JOIN_GROUP, {})", self.ip);
        if error.raw_os_error() != Some(libc::ENODEV) {
            return Error::from_io(&call, error);
        }
        let text = format!("on which interface is the group {}?", self.ip);
        let error = Error::new(Kind::BadOption, text).with_call(call, error);
        error
            .why("no route of this machine leads to it")
            .hint_setting(format!("{INTERFACE}=lo"), "for one that stays on this machine")
    }
}

fn no_group(said: &str, ip: IpAddr) -> Error {
    let text = format!("{said} is for a group, and {ip} is none");
    Error::new(Kind::BadOption, text)
        .why("multicast groups are 224.0.0.0 to 239.255.255.255, and ff00::/8")
        .hint_endpoint(format!("udp://239.1.2.3:9000,{INTERFACE}=lo"), "for one")
}

/// The number of an interface.
fn number_of(name: &str) -> Result<u32> {
    interface_index(name).map_err(|error| {
        let all = interfaces().unwrap_or_default();
        let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
        let names_here = format!("the interfaces here are: {}", names.join(", "));
        let error = error.with_kind(Kind::BadOption).why(names_here);
        let near = spec::nearest(name, names.iter().copied()).unwrap_or("lo");
        error.hint_setting(format!("{INTERFACE}={near}"), "")
    })
}

/// A socket that sends to many, and hears whoever answers. None once it was aborted.
struct ToMany {
    socket: Option<AsyncSocket>,
    peer: Address,
    incoming: Vec<u8>,
}

impl Channel for ToMany {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        let socket = self.socket.as_ref().ok_or_else(aborted)?;
        let (length, _) = ready!(socket.poll_recv_from(cx, &mut self.incoming))?;
        Poll::Ready(match buf.get_mut(..length) {
            Some(room) => {
                room.copy_from_slice(&self.incoming[..length]);
                Ok(Some(length))
            }
            None => Err(too_long_to_receive(length, buf.len())),
        })
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.socket.as_ref().ok_or_else(aborted)?.poll_send_to(cx, buf, &self.peer)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.socket = None;
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }
}
