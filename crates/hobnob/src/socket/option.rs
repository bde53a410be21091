//! Socket options: one table for the kernel's numbers, for endpoints (`:9000,nodelay,rcvbuf=64k`), for `explain --options`
//! and for the reference page.

use super::{Family, Socket, Type};
use crate::error::Result;
use crate::spec::{OptionSpec, Options, ValueKind};

/// An option of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketOption {
    /// Bind although old connections of the port linger.
    ReuseAddress,
    /// Share the port with others of the same user that ask for it too.
    ReusePort,
    /// Send small writes at once.
    NoDelay,
    /// Probe a silent peer.
    KeepAlive,
    /// Give up when what was sent is not acknowledged for this long.
    UserTimeout,
    /// Hold close up until what was sent is acknowledged; zero: reset instead.
    Linger,
    /// Routers on the way at most.
    Ttl,
    /// Bytes that wait to be received.
    ReceiveBuffer,
    /// Bytes that wait to be sent.
    SendBuffer,
    /// Send to broadcast addresses.
    Broadcast,
    /// Use this interface alone.
    Device,
    /// Keep IPv4 off an IPv6 socket.
    V6Only,
    /// Bind an address that this machine does not have yet.
    FreeBind,
    /// The traffic class of what is sent.
    TrafficClass,
    /// To directly connected networks only.
    DontRoute,
    /// The urgent byte stays among the others.
    OutOfBandInline,
    /// Tell whose each message is.
    PassCredentials,
    /// Tell to which address each datagram came.
    ReceivePacketInfo,
    /// Tell the hops that were left to each datagram.
    ReceiveTtl,
    /// Tell the traffic class of each datagram.
    ReceiveTrafficClass,
    /// Keep what ICMP says of what was sent.
    ReceiveErrors,
    /// Tell when each datagram came.
    Timestamps,
    /// Tell how many datagrams were dropped for want of room.
    CountLost,
}

/// How a value lies in memory for the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `int`, 0 or 1.
    Switch,
    /// `int`.
    Number,
    /// `int`, bytes; the kernel keeps, and answers, twice as many for its own book-keeping.
    Doubled,
    /// `int`, milliseconds.
    Millis,
    /// `struct linger`: on or off, and seconds.
    Linger,
    /// `int` 0 or 1, and the time into `TCP_KEEPIDLE` and `TCP_KEEPINTVL`, seconds.
    KeepAlive,
    /// A name; empty takes it away.
    Name,
}

impl Layout {
    /// How C declares the value: `int`, `struct linger`.
    pub fn c_type(self) -> &'static str {
        match self {
            Layout::Linger => "struct linger",
            Layout::Name => "char[]",
            _ => "int",
        }
    }

    /// What the kernel counts in; empty where it counts nothing.
    pub fn unit(self) -> &'static str {
        match self {
            Layout::Switch => "0 or 1",
            Layout::Number | Layout::Name => "",
            Layout::Doubled => "bytes, doubled",
            Layout::Millis => "ms",
            Layout::Linger | Layout::KeepAlive => "s",
        }
    }
}

/// How the kernel calls an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// The names of its level and number: `SOL_SOCKET, SO_REUSEADDR`.
    pub name: &'static str,
    /// The level: `SOL_SOCKET`.
    pub level: i32,
    /// The number within the level.
    pub number: i32,
}

macro_rules! number {
    ($level:ident $number:ident) => {
        Number {
            name: concat!(stringify!($level), ", ", stringify!($number)),
            level: libc::$level,
            number: libc::$number,
        }
    };
}

pub(super) const KEEP_IDLE: Number = number!(IPPROTO_TCP TCP_KEEPIDLE);
pub(super) const KEEP_INTERVAL: Number = number!(IPPROTO_TCP TCP_KEEPINTVL);
pub(super) const CLASS: Number = number!(IPPROTO_IP IP_TOS);
pub(super) const CLASS_V6: Number = number!(IPPROTO_IPV6 IPV6_TCLASS);

/// Families and types that an option does something for.
type Reach = (&'static [Family], &'static [Type]);
const V4_AND_V6: &[Family] = &[Family::V4, Family::V6];
const EVERY_FAMILY: &[Family] = &[Family::V4, Family::V6, Family::Unix, Family::Packet];
const EVERY_TYPE: &[Type] = &[Type::Stream, Type::Datagram, Type::Seqpacket, Type::Raw];
const ANY: Reach = (EVERY_FAMILY, EVERY_TYPE);
const IP: Reach = (V4_AND_V6, EVERY_TYPE);
const IPV6: Reach = (&[Family::V6], EVERY_TYPE);
const TCP: Reach = (V4_AND_V6, &[Type::Stream]);
const IP_DATAGRAMS: Reach = (V4_AND_V6, &[Type::Datagram, Type::Raw]);
const DATAGRAMS: Reach = (EVERY_FAMILY, &[Type::Datagram, Type::Raw]);
const UNIX: Reach = (&[Family::Unix], EVERY_TYPE);

/// One option of the table.
#[derive(Debug)]
pub struct OptionRow {
    /// Which.
    pub option: SocketOption,
    /// How an endpoint names it, what value it takes with its unit, its default, and one line of help with the man page.
    pub spec: OptionSpec,
    /// The kernel's number on IPv4 and Unix sockets.
    pub number: Number,
    /// The kernel's number on IPv6 sockets.
    pub number_v6: Number,
    /// How the value is handed over.
    pub form: Layout,
    /// The families that have it.
    pub families: &'static [Family],
    /// The types that have it.
    pub types: &'static [Type],
}

impl OptionRow {
    /// Whether it does something for such a socket.
    pub fn is_for(&self, family: Family, kind: Type) -> bool {
        self.families.contains(&family) && self.types.contains(&kind)
    }

    /// How the kernel calls it on a socket of that family.
    pub fn number_on(&self, family: Option<Family>) -> Number {
        if family == Some(Family::V6) { self.number_v6 } else { self.number }
    }
}

macro_rules! rows {
    ($($option:ident $name:literal $kind:ident $(($least:literal $most:literal))? $form:ident $reach:ident $level:ident $number:ident $(or $level6:ident $number6:ident)?: $help:literal;)*) => {
        /// Every option.
        pub static TABLE: &[OptionRow] = &[$(OptionRow {
            option: SocketOption::$option,
            spec: spec(SocketOption::$option, ""),
            number: number!($level $number),
            number_v6: rows!(@v6 $level $number $($level6 $number6)?),
            form: Layout::$form,
            families: $reach.0,
            types: $reach.1,
        }),*];

        /// How an endpoint names the option, with the default that a transport gives it; empty: the kernel's own.
        pub const fn spec(option: SocketOption, default: &'static str) -> OptionSpec {
            match option {
                $(SocketOption::$option => {
                    OptionSpec { name: $name, kind: ValueKind::$kind $(($least, $most))?, default, help: $help }
                })*
            }
        }
    };
    (@v6 $level:ident $number:ident) => { number!($level $number) };
    (@v6 $level:ident $number:ident $level6:ident $number6:ident) => { number!($level6 $number6) };
}

rows! {
    ReuseAddress "reuseaddr" Flag Switch IP SOL_SOCKET SO_REUSEADDR:
        "bind although old connections of the port linger; on UDP, share it (socket(7))";
    ReusePort "reuseport" Flag Switch IP SOL_SOCKET SO_REUSEPORT:
        "share the port with other sockets of the same user that ask for it too (socket(7))";
    NoDelay "nodelay" Flag Switch TCP IPPROTO_TCP TCP_NODELAY:
        "send small writes at once instead of waiting for the last one's answer (tcp(7))";
    KeepAlive "keepalive" Duration KeepAlive TCP SOL_SOCKET SO_KEEPALIVE:
        "probe the peer after this much silence, in whole seconds; 0s: never (tcp(7))";
    UserTimeout "user-timeout" Duration Millis TCP IPPROTO_TCP TCP_USER_TIMEOUT:
        "give up when what was sent is not acknowledged for this long; 0s: the kernel decides (tcp(7))";
    Linger "linger" Duration Linger TCP SOL_SOCKET SO_LINGER:
        "on close, wait this long for the peer to have it all, in whole seconds; 0s: reset (socket(7))";
    Ttl "ttl" Within(1 255) Number IP IPPROTO_IP IP_TTL or IPPROTO_IPV6 IPV6_UNICAST_HOPS:
        "routers on the way at most, 1 to 255 (ip(7), ipv6(7))";
    ReceiveBuffer "rcvbuf" Bytes Doubled ANY SOL_SOCKET SO_RCVBUF:
        "bytes that wait to be received at most; the kernel doubles it (socket(7))";
    SendBuffer "sndbuf" Bytes Doubled ANY SOL_SOCKET SO_SNDBUF:
        "bytes that wait to be sent at most; the kernel doubles it (socket(7))";
    Broadcast "broadcast" Flag Switch IP_DATAGRAMS SOL_SOCKET SO_BROADCAST:
        "may send to broadcast addresses (socket(7))";
    Device "device" Text Name IP SOL_SOCKET SO_BINDTODEVICE:
        "use this network interface alone, as in device=eth0 (socket(7))";
    V6Only "v6only" Flag Switch IPV6 IPPROTO_IPV6 IPV6_V6ONLY:
        "an IPv6 socket takes no IPv4 (ipv6(7))";
    FreeBind "freebind" Flag Switch IP IPPROTO_IP IP_FREEBIND or IPPROTO_IPV6 IPV6_FREEBIND:
        "bind an address that this machine does not have yet (ip(7))";
    TrafficClass "tos" Within(0 255) Number IP IPPROTO_IP IP_TOS or IPPROTO_IPV6 IPV6_TCLASS:
        "the traffic class of what is sent, 0 to 255 (ip(7), ipv6(7))";
    DontRoute "dontroute" Flag Switch IP SOL_SOCKET SO_DONTROUTE:
        "send to directly connected networks only (socket(7))";
    OutOfBandInline "oobinline" Flag Switch TCP SOL_SOCKET SO_OOBINLINE:
        "the urgent byte stays among the others (socket(7), tcp(7))";
    PassCredentials "passcred" Flag Switch UNIX SOL_SOCKET SO_PASSCRED:
        "tell whose each message is (unix(7))";
    ReceivePacketInfo "pktinfo" Flag Switch IP_DATAGRAMS IPPROTO_IP IP_PKTINFO or IPPROTO_IPV6 IPV6_RECVPKTINFO:
        "tell to which address each datagram came (ip(7), ipv6(7))";
    ReceiveTtl "recvttl" Flag Switch IP_DATAGRAMS IPPROTO_IP IP_RECVTTL or IPPROTO_IPV6 IPV6_RECVHOPLIMIT:
        "tell the hops that were left to each datagram (ip(7), ipv6(7))";
    ReceiveTrafficClass "recvtos" Flag Switch IP_DATAGRAMS IPPROTO_IP IP_RECVTOS or IPPROTO_IPV6 IPV6_RECVTCLASS:
        "tell the traffic class of each datagram (ip(7), ipv6(7))";
    ReceiveErrors "recverr" Flag Switch IP IPPROTO_IP IP_RECVERR or IPPROTO_IPV6 IPV6_RECVERR:
        "keep what ICMP says of what was sent, for recv with MSG_ERRQUEUE (ip(7), ipv6(7))";
    Timestamps "timestamp" Flag Switch DATAGRAMS SOL_SOCKET SO_TIMESTAMPNS:
        "tell when each datagram came, to the nanosecond (socket(7))";
    CountLost "rxq-ovfl" Flag Switch DATAGRAMS SOL_SOCKET SO_RXQ_OVFL:
        "tell how many datagrams were dropped for want of room (socket(7))";
}

/// How many connections may wait to be accepted: of listen(2), and so of no row.
pub const BACKLOG: OptionSpec = OptionSpec {
    name: "backlog",
    kind: ValueKind::Count,
    default: "1024",
    help: "connections that wait to be accepted; the kernel caps it at net.core.somaxconn (listen(2))",
};

/// Sets on a socket what an endpoint's options say: those of [`TABLE`] that were given or have a default. Before bind and
/// connect; an accepted socket has its listener's. `v6only` is left out where the socket is not IPv6.
pub fn apply(socket: &Socket, options: &Options) -> Result<()> {
    for row in TABLE {
        let Some(value) = options.value(row.spec.name) else { continue };
        if row.option == SocketOption::V6Only && socket.family() != Some(Family::V6) {
            continue;
        }
        socket.set_option(row.option, value)?;
    }
    Ok(())
}

impl SocketOption {
    /// Its row of the table.
    pub fn row(self) -> &'static OptionRow {
        TABLE
            .iter()
            .find(|row| row.option == self)
            .expect("every option has a row: one macro makes both")
    }
}
