//! `icmp`: echo requests over IPv4 and IPv6 (RFC 792; RFC 4443, section 4; icmp(7)).
//!
//! A message is what a request carries, and what comes is what the replies to ours bring back. Who answers is the other
//! machine's kernel, so that nobody can listen here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use crate::address::{Address, canonical};
use crate::clock;
use crate::codec::icmp::{EchoMessage, HEADER, IcmpTypes, V4, V6};
use crate::codec::ip::IpHeader;
use crate::conn::listener::Listener;
use crate::conn::wire::aborted;
use crate::conn::{Boxed, Channel, Conn, Facts, too_long_to_receive};
use crate::endpoint::Form;
use crate::error::{Advice, Error, Kind, Result};
use crate::socket::option::{self, SocketOption};
use crate::socket::{AsyncSocket, Socket, Type};
use crate::spec::{OptionSpec, Shape, Spec};
use crate::transport::{Place, SOURCE, Terms, Transport, TransportRow};

/// The row.
pub(crate) static ROW: TransportRow = TransportRow {
    spec: &Spec {
        name: "icmp",
        summary: "echo requests; the other machine's kernel answers",
        options: OPTIONS,
        examples: &["hobnob ping 127.0.0.1", "hobnob talk icmp://127.0.0.1 hello"],
        is_built_in: true,
    },
    form: Form::Host,
    shape: Shape::Packets,
    socket: Some(Type::Datagram),
    has_opening: false,
    transport: Some(&Icmp),
    twins: |_| Vec::new(),
};

const OPTIONS: &[OptionSpec] = &[
    SOURCE,
    option::spec(SocketOption::Ttl, ""),
    option::spec(SocketOption::ReceiveBuffer, ""),
    option::spec(SocketOption::SendBuffer, ""),
    option::spec(SocketOption::Device, ""),
];

/// Bytes of the largest packet.
const LARGEST: usize = 65_536;

#[derive(Debug)]
struct Icmp;

impl Transport for Icmp {
    fn bind<'a>(&'a self, at: &'a Place, _: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        Box::pin(async move {
            let (host, _) = at.host_and_port()?;
            let text = "nobody can listen on icmp: the kernel answers echo requests by itself";
            Err(Error::new(Kind::DoesNotFit, text)
                .hint_dial(format!("icmp://{host}"), "to ask it")
                .hint_endpoint(format!("raw://{host}"), "an echo of our own"))
        })
    }

    /// Takes the first address: a connect sends nothing here, so that there is nothing to race.
    fn connect<'a>(
        &'a self,
        to: &'a Place,
        terms: &'a Terms,
        _: Option<&'a Facts>,
    ) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let mut failed = None;
            for address in to.destinations(terms).await? {
                match connect(address, to, terms).await {
                    Ok(conn) => return Ok(conn),
                    Err(error) => drop(failed.get_or_insert(error)),
                }
            }
            let none = || Error::new(Kind::HostNotFound, "there is no address to ask");
            Err(failed.unwrap_or_else(none))
        })
    }
}

async fn connect(address: SocketAddr, to: &Place, terms: &Terms) -> Result<Conn> {
    let (types, protocol) =
        if address.is_ipv4() { (V4, libc::IPPROTO_ICMP) } else { (V6, libc::IPPROTO_ICMPV6) };
    let (socket, kind) = open(&address, protocol, to, terms)?;
    let socket = AsyncSocket::connect(socket, &Address::Ip(address)).await?;
    let peer = Address::Ip(answering(address));
    // The kernel shows the identifier where other sockets have their port.
    let local = socket.socket().local_address()?.without_port();
    let channel = EchoChannel {
        identifier: (kind == Type::Raw).then(draw_identifier),
        // Of raw sockets, those of IPv4 alone show the IP header (raw(7)).
        has_header: kind == Type::Raw && address.is_ipv4(),
        peer: answering(address).ip(),
        socket: Some(socket),
        types,
        sequence: 0,
        request: Vec::new(),
        incoming: vec![0; LARGEST],
    };
    let facts = Facts::new("icmp", local, peer).without_end();
    Ok(Conn::new(facts, Shape::Packets, Box::new(channel)))
}

/// A datagram socket, which needs no right where the kernel has a group for it, and else a raw one. Where the group is
/// empty not even root has the first, and the second works.
fn open(address: &SocketAddr, protocol: i32, to: &Place, terms: &Terms) -> Result<(Socket, Type)> {
    let denied = match to.open_towards(address, Type::Datagram, protocol, terms) {
        Err(error) if error.kind() == Kind::PermissionDenied => error,
        opened => return Ok((opened?, Type::Datagram)),
    };
    let raw = to.open_towards(address, Type::Raw, protocol, terms);
    let raw = raw.map_err(|error| match error.kind() {
        Kind::RawSocketDenied => both_denied(error, &denied),
        _ => error,
    });
    Ok((raw?, Type::Raw))
}

/// Says both ways out.
fn both_denied(raw: Error, datagram: &Error) -> Error {
    let call = datagram.call().map(|call| format!("{} -> {}: ", call.text, call.outcome));
    raw.without_hints()
        .with_message("echo requests need a right that you do not have")
        .why(format!("{}your group is not in net.ipv4.ping_group_range", call.unwrap_or_default()))
        .hint_shell(
            "sudo sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"",
            "for everybody, until the next start",
        )
        .hint(Advice::Right("cap_net_raw"), "for this program, once")
}

/// Raw sockets hear the replies to everybody: a number that nobody else is likely to have.
fn draw_identifier() -> u16 {
    u16::try_from(clock::draw_seed() & 0xffff).expect("16 bits")
}

/// Who answers at an address: at the wildcard address, this machine itself.
fn answering(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0),
        _ => address,
    }
}

/// A connected socket that asks. None once it was aborted.
struct EchoChannel {
    socket: Option<AsyncSocket>,
    types: IcmpTypes,
    peer: IpAddr,
    /// That of our requests, where it is not the kernel that knows its own.
    identifier: Option<u16>,
    has_header: bool,
    sequence: u16,
    request: Vec<u8>,
    incoming: Vec<u8>,
}

impl EchoChannel {
    /// What the reply brings back, where the packet is a reply to a request of ours.
    fn reply(&self, length: usize, from: &Address) -> Option<&[u8]> {
        let packet = self.incoming.get(..length)?;
        let message =
            if self.has_header { &packet[IpHeader::read(packet).ok()?.length..] } else { packet };
        let echo = self.types.reply(message)?;
        let is_theirs = from.ip().is_some_and(|ip| canonical(ip.ip()) == canonical(self.peer));
        let is_ours = self.identifier.is_none_or(|ours| ours == echo.identifier);
        (is_theirs && is_ours).then_some(echo.payload)
    }
}

impl Channel for EchoChannel {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        loop {
            let socket = self.socket.as_ref().ok_or_else(aborted)?;
            let (length, from) = ready!(socket.poll_recv_from(cx, &mut self.incoming))?;
            let Some(payload) = self.reply(length, &from) else { continue };
            return Poll::Ready(match buf.get_mut(..payload.len()) {
                Some(room) => {
                    room.copy_from_slice(payload);
                    Ok(Some(payload.len()))
                }
                None => Err(too_long_to_receive(payload.len(), buf.len())),
            });
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let socket = self.socket.as_ref().ok_or_else(aborted)?;
        let (identifier, sequence) = (self.identifier.unwrap_or(0), self.sequence);
        let echo = EchoMessage { identifier, sequence, payload: buf };
        self.types.request(echo, &mut self.request);
        ready!(socket.poll_send(cx, &self.request)).map_err(|error| too_long(error, buf.len()))?;
        self.sequence = self.sequence.wrapping_add(1);
        Poll::Ready(Ok(buf.len()))
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

/// The kernel counts our header, and a person does not.
fn too_long(error: Error, length: usize) -> Error {
    if error.kind() != Kind::MessageTooLong {
        return error;
    }
    let most = LARGEST - 1 - 20 - HEADER;
    let text = format!("{length} bytes do not fit into one echo request");
    let call = error.call().cloned();
    let error = Error::new(Kind::MessageTooLong, text)
        .why(format!("the most is {most} over IPv4, 20 more over IPv6"));
    match call {
        Some(call) => error.with_outcome(call.text, call.errno, call.outcome),
        None => error,
    }
}
