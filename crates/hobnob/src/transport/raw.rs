//! `raw`: IP packets of one protocol, over IPv4 and IPv6 (raw(7), ipv6(7)).
//!
//! A message is what follows the IP header; the header is the kernel's to write, and a fact of the packet. With `hdrincl`
//! who dials sends whole packets instead, with headers of their own; what comes is shown without them all the same.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use crate::address::{Address, canonical};
use crate::codec::ip::IpHeader;
use crate::conn::datagrams::{self, DatagramListener};
use crate::conn::demux::{self, DatagramRules};
use crate::conn::listener::Listener;
use crate::conn::wire::aborted;
use crate::conn::{Boxed, Channel, Conn, Facts, too_long_to_receive};
use crate::endpoint::{Form, Host, Target};
use crate::error::{Error, Kind, Result};
use crate::socket::option::{self, SocketOption};
use crate::socket::{AsyncSocket, Type, host, take_whole_packets};
use crate::spec::{OptionSpec, Shape, Spec, ValueKind};
use crate::transport::{Place, SOURCE, Terms, Transport, TransportRow};

/// The row.
pub(crate) static ROW: TransportRow = TransportRow {
    spec: &Spec {
        name: "raw",
        summary: "IP packets of one protocol, to a host",
        options: OPTIONS,
        examples: &[
            "hobnob serve echo raw://127.0.0.1,proto=253",
            "hobnob talk raw://127.0.0.1,proto=253,source=127.0.0.2 hello",
        ],
        is_built_in: true,
    },
    form: Form::Host,
    shape: Shape::Packets,
    socket: Some(Type::Raw),
    has_opening: false,
    transport: Some(&Raw),
    twins: |_| Vec::new(),
};

const PROTOCOL: &str = "proto";
const WHOLE: &str = "hdrincl";

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: PROTOCOL,
        kind: ValueKind::Within(1, MOST_PROTOCOL),
        default: "253",
        help: "the protocol, 1 to 254; 253 and 254 are for trying things out (RFC 3692)",
    },
    OptionSpec {
        name: WHOLE,
        kind: ValueKind::Flag,
        default: "",
        help: "where one dials: messages that are sent are whole packets, IP header included (raw(7) IP_HDRINCL)",
    },
    SOURCE,
    demux::MAX_PEERS_OPTION,
    demux::EVICT_OPTION,
    option::spec(SocketOption::Ttl, ""),
    option::spec(SocketOption::ReceiveBuffer, ""),
    option::spec(SocketOption::SendBuffer, ""),
    option::spec(SocketOption::Broadcast, ""),
    option::spec(SocketOption::Device, ""),
    option::spec(SocketOption::FreeBind, ""),
];

/// Bytes of the largest packet.
const LARGEST: usize = 65_536;
/// The largest protocol that may be listened to: 255 is for sending alone, and the kernel's own numbers lie beyond.
const MOST_PROTOCOL: u64 = 254;

#[derive(Debug)]
struct Raw;

impl Transport for Raw {
    fn bind<'a>(&'a self, at: &'a Place, terms: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        Box::pin(async move {
            let protocol = protocol(at);
            if at.options.flag(WHOLE) {
                let text =
                    "hdrincl is for who dials: an answer has no header before the kernel writes it";
                return Err(Error::new(Kind::DoesNotFit, text).hint_topic("raw", ""));
            }
            let bind = |address| {
                let socket =
                    at.open(host::family_of(&address), Type::Raw, protocol.into(), terms)?;
                datagrams::prepare(&socket, &Address::Ip(address), None)?;
                socket.bind(&Address::Ip(address))?;
                // As on udp: a machine that cannot mark serves all the same.
                drop(socket.mark_answers());
                Ok(socket)
            };
            let sockets = at.bind_each(terms, bind).await?;
            let rules = || DatagramRules {
                is_raw: true,
                ..DatagramRules::new("raw", &at.options, terms.peers, &terms.bus)
            };
            let listener =
                |socket| Ok(Box::new(DatagramListener::new(socket, rules(), None)?) as _);
            sockets.into_iter().map(listener).collect()
        })
    }

    /// The protocol, and on loopback another address than the listener's own, which is never answered.
    fn dialled(&self, at: &Place) -> Vec<String> {
        let proto = at.options.is_given(PROTOCOL).then(|| at.options.count(PROTOCOL)).flatten();
        let mut settings = Vec::from_iter(proto.map(|proto| format!("{PROTOCOL}={proto}")));
        if let Target::Net { host: Host::V4(ip), .. } = &at.target {
            settings.extend(other_loopback(*ip).map(|other| format!("{}={other}", SOURCE.name)));
        }
        settings
    }

    /// Takes the first address: a connect sends nothing here, so that there is nothing to race.
    fn connect<'a>(
        &'a self,
        to: &'a Place,
        terms: &'a Terms,
        _: Option<&'a Facts>,
    ) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let protocol = protocol(to);
            let mut failed = None;
            for address in to.destinations(terms).await? {
                terms.own.check("raw", &Address::Ip(address))?;
                match connect(address, protocol, to, terms).await {
                    Ok(conn) => return Ok(conn),
                    Err(error) => drop(failed.get_or_insert(error)),
                }
            }
            let none = || Error::new(Kind::HostNotFound, "there is no address to send to");
            Err(failed.unwrap_or_else(none))
        })
    }
}

fn protocol(place: &Place) -> u8 {
    let number = place.options.count(PROTOCOL).and_then(|number| u8::try_from(number).ok());
    number.expect("the option has a default, and takes nothing that is no protocol")
}

async fn connect(address: SocketAddr, protocol: u8, to: &Place, terms: &Terms) -> Result<Conn> {
    let socket = to.open_towards(&address, Type::Raw, protocol.into(), terms)?;
    let is_whole = to.options.flag(WHOLE);
    if is_whole {
        let taken = take_whole_packets(socket.as_fd());
        taken.map_err(|error| Error::from_io("setsockopt(IP_HDRINCL, 1)", &error))?;
    }
    let socket = AsyncSocket::connect(socket, &Address::Ip(address)).await?;
    let local = socket.socket().local_address()?.without_port();
    let peer = Address::Ip(address);
    // Whole packets say themselves from where they come.
    if local == peer && !is_whole {
        return Err(hears_itself(address.ip()));
    }
    let facts = Facts::new("raw", local, peer).without_end();
    let channel = RawChannel {
        socket: Some(socket),
        peer: address.ip(),
        whole: is_whole.then_some(protocol),
        incoming: vec![0; LARGEST],
    };
    Ok(Conn::new(facts, Shape::Packets, Box::new(channel)))
}

/// There are no ports by which a question and its answer could be told apart.
fn hears_itself(ip: IpAddr) -> Error {
    let text = format!("from {ip} to {ip} a raw socket would hear what it says itself");
    let error = Error::new(Kind::DoesNotFit, text).why("raw packets have no ports");
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => {
            let other = other_loopback(ip).unwrap_or(Ipv4Addr::LOCALHOST);
            error.hint_setting(format!("source={other}"), "another address of this machine")
        }
        _ => error.hint_topic("raw", "from another address of this machine"),
    }
}

/// Another loopback address than this one.
fn other_loopback(ip: Ipv4Addr) -> Option<Ipv4Addr> {
    let [first, second, third, last] = ip.octets();
    let other = Ipv4Addr::new(first, second, third, if last == 2 { 3 } else { 2 });
    ip.is_loopback().then_some(other)
}

/// A connected socket. None once it was aborted.
struct RawChannel {
    socket: Option<AsyncSocket>,
    peer: IpAddr,
    /// The protocol of the whole packets that are sent, where they are whole.
    whole: Option<u8>,
    incoming: Vec<u8>,
}

impl RawChannel {
    /// Checks a packet with a header of its own: that the header is true to the packet, and to this conn.
    fn check(&self, packet: &[u8], protocol: u8) -> Result<()> {
        let header = IpHeader::read(packet)?;
        let wrong = |what: String| {
            let error = Error::new(Kind::BadFrame, what);
            Err(error.hint_topic("raw", "what a whole packet is"))
        };
        if canonical(header.to) != canonical(self.peer) {
            return wrong(format!("its header says it is for {}, not {}", header.to, self.peer));
        }
        if header.protocol != protocol {
            let says = header.protocol;
            return wrong(format!("its header says protocol {says}, not {protocol}"));
        }
        Ok(())
    }
}

impl Channel for RawChannel {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        loop {
            let socket = self.socket.as_ref().ok_or_else(aborted)?;
            let record = ready!(socket.poll_recv_datagram(cx, &mut self.incoming))?;
            let mut message = &self.incoming[..record.kept];
            if self.peer.is_ipv4() {
                // The kernel has checked the header before it handed the packet on, so that this leaves nothing out.
                let Ok(header) = IpHeader::read(message) else { continue };
                message = &message[header.length..];
            }
            return Poll::Ready(match buf.get_mut(..message.len()) {
                Some(room) => {
                    room.copy_from_slice(message);
                    Ok(Some(message.len()))
                }
                None => Err(too_long_to_receive(message.len(), buf.len())),
            });
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        if let Some(protocol) = self.whole {
            self.check(buf, protocol)?;
        }
        self.socket.as_ref().ok_or_else(aborted)?.poll_send(cx, buf)
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
