//! Socket options: one table for the kernel's numbers, for endpoints (`:9000,nodelay,rcvbuf=64k`) and for the
//! reference page.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::observe::{PythonBytes, none, some};
use super::{Family, Socket, Type, explain};
use crate::error::{Error, Kind, Result};
use crate::spec::{OptionSpec, Options, Value, ValueKind};
use crate::sys::call;
use crate::sys::packet_info::ANSWER_CLASS;

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

const KEEP_IDLE: Number = number!(IPPROTO_TCP TCP_KEEPIDLE);
const KEEP_INTERVAL: Number = number!(IPPROTO_TCP TCP_KEEPINTVL);
const CLASS: Number = number!(IPPROTO_IP IP_TOS);
const CLASS_V6: Number = number!(IPPROTO_IPV6 IPV6_TCLASS);

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
}

macro_rules! rows {
    ($($option:ident $name:literal $kind:ident $form:ident $level:ident $number:ident $(or $level6:ident $number6:ident)?: $help:literal;)*) => {
        /// Every option.
        pub static TABLE: &[OptionRow] = &[$(OptionRow {
            option: SocketOption::$option,
            spec: spec(SocketOption::$option, ""),
            number: number!($level $number),
            number_v6: rows!(@v6 $level $number $($level6 $number6)?),
            form: Layout::$form,
        }),*];

        /// How an endpoint names the option, with the default that a transport gives it; empty: the kernel's own.
        pub const fn spec(option: SocketOption, default: &'static str) -> OptionSpec {
            match option {
                $(SocketOption::$option => {
                    OptionSpec { name: $name, kind: ValueKind::$kind, default, help: $help }
                })*
            }
        }
    };
    (@v6 $level:ident $number:ident) => { number!($level $number) };
    (@v6 $level:ident $number:ident $level6:ident $number6:ident) => { number!($level6 $number6) };
}

rows! {
    ReuseAddress "reuseaddr" Flag Switch SOL_SOCKET SO_REUSEADDR:
        "bind although old connections of the port linger; on UDP, share it (socket(7))";
    ReusePort "reuseport" Flag Switch SOL_SOCKET SO_REUSEPORT:
        "share the port with other sockets of the same user that ask for it too (socket(7))";
    NoDelay "nodelay" Flag Switch IPPROTO_TCP TCP_NODELAY:
        "send small writes at once instead of waiting for the last one's answer (tcp(7))";
    KeepAlive "keepalive" Duration KeepAlive SOL_SOCKET SO_KEEPALIVE:
        "probe the peer after this much silence, in whole seconds; 0s: never (tcp(7))";
    UserTimeout "user-timeout" Duration Millis IPPROTO_TCP TCP_USER_TIMEOUT:
        "give up when what was sent is not acknowledged for this long; 0s: the kernel decides (tcp(7))";
    Linger "linger" Duration Linger SOL_SOCKET SO_LINGER:
        "on close, wait this long for the peer to have it all, in whole seconds; 0s: reset (socket(7))";
    Ttl "ttl" Count Number IPPROTO_IP IP_TTL or IPPROTO_IPV6 IPV6_UNICAST_HOPS:
        "routers on the way at most, 1 to 255 (ip(7), ipv6(7))";
    ReceiveBuffer "rcvbuf" Bytes Doubled SOL_SOCKET SO_RCVBUF:
        "bytes that wait to be received at most; the kernel doubles it (socket(7))";
    SendBuffer "sndbuf" Bytes Doubled SOL_SOCKET SO_SNDBUF:
        "bytes that wait to be sent at most; the kernel doubles it (socket(7))";
    Broadcast "broadcast" Flag Switch SOL_SOCKET SO_BROADCAST:
        "may send to broadcast addresses (socket(7))";
    Device "device" Text Name SOL_SOCKET SO_BINDTODEVICE:
        "use this network interface alone, as in device=eth0 (socket(7))";
    V6Only "v6only" Flag Switch IPPROTO_IPV6 IPV6_V6ONLY:
        "an IPv6 socket takes no IPv4 (ipv6(7))";
    FreeBind "freebind" Flag Switch IPPROTO_IP IP_FREEBIND or IPPROTO_IPV6 IPV6_FREEBIND:
        "bind an address that this machine does not have yet (ip(7))";
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

impl Socket {
    /// Sets an option (setsockopt(2)). The value is of its row's [`ValueKind`]; another one is [`Kind::BadOption`].
    pub fn set_option(&self, option: SocketOption, value: &Value) -> Result<()> {
        let row = option.row();
        let bytes = encode(row, value)?;
        self.set_raw(row, &bytes).map_err(|error| {
            let call = format!("setsockopt({}, {value})", self.number_of(row).name);
            let failed = explain::data(&call, &error);
            match error.raw_os_error() {
                Some(
                    libc::EINVAL | libc::ENOPROTOOPT | libc::EOPNOTSUPP | libc::ENODEV | libc::EDOM,
                ) => {
                    let message = format!("{} does not work with {value} here", row.spec.name);
                    failed.with_kind(Kind::BadOption).with_message(message)
                }
                _ => failed,
            }
        })
    }

    /// Switches an option on or off.
    pub fn set_switch(&self, option: SocketOption, is_on: bool) -> Result<()> {
        self.set_option(option, &Value::Flag(is_on))
    }

    /// An option's value as the kernel has it (getsockopt(2)): buffers are twice what was asked for. None where it is
    /// off: keepalive, linger, device.
    pub fn option(&self, option: SocketOption) -> Result<Option<Value>> {
        let row = option.row();
        self.read(row).map_err(|error| {
            explain::data(&format!("getsockopt({})", self.number_of(row).name), &error)
        })
    }

    /// Marks what this IP socket sends from now on as answers, so that sockets that ask for it
    /// ([`Batch::ask_for_answers`](super::Batch::ask_for_answers)) do not answer them again: for a datagram socket that
    /// listens. The mark is the traffic class 0x1c (ip(7) `IP_TOS`, ipv6(7) `IPV6_TCLASS`; RFC 2474, 6).
    pub fn mark_answers(&self) -> Result<()> {
        let class = i32::from(ANSWER_CLASS).to_ne_bytes();
        let set = |at: Number| {
            self.set_seen(at, Layout::Number, &class).map_err(|error| {
                explain::data(&format!("setsockopt({}, {ANSWER_CLASS})", at.name), &error)
            })
        };
        if self.family() != Some(Family::V6) {
            return set(CLASS);
        }
        set(CLASS_V6)?;
        // It may have IPv4 peers, unless it is raw: then it takes no option of IPv4.
        set(CLASS).or_else(|error| if self.kind() == Some(Type::Raw) { Ok(()) } else { Err(error) })
    }

    fn set_raw(&self, row: &OptionRow, bytes: &[u8]) -> io::Result<()> {
        let number = self.number_of(row);
        if row.form != Layout::KeepAlive {
            return self.set_seen(number, row.form, bytes);
        }
        let seconds = i32::from_ne_bytes(bytes.try_into().expect("encode made an int"));
        if seconds > 0 && self.family() != Some(Family::Unix) {
            self.set_seen(KEEP_IDLE, Layout::Number, bytes)?;
            self.set_seen(KEEP_INTERVAL, Layout::Number, bytes)?;
        }
        self.set_seen(number, Layout::Switch, &i32::from(seconds > 0).to_ne_bytes())
    }

    fn set_seen(&self, at: Number, form: Layout, bytes: &[u8]) -> io::Result<()> {
        let began = self.begin();
        let result = call::set_option(self.as_fd(), at.level, at.number, bytes);
        let arguments = format_args!("{}, {}", at.name, Python(form, bytes));
        self.end(began, "setsockopt", arguments, none(&result));
        result
    }

    fn read_seen<'a>(&self, at: Number, form: Layout, room: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let began = self.begin();
        let result = call::option(self.as_fd(), at.level, at.number, room);
        let bytes = result.map(|length| &room[..length]);
        let shown = bytes.as_ref().map(|bytes| Python(form, bytes));
        self.end(began, "getsockopt", format_args!("{}", at.name), some(&shown));
        bytes
    }

    fn read(&self, row: &OptionRow) -> io::Result<Option<Value>> {
        let mut room = [0; libc::IFNAMSIZ];
        let bytes = self.read_seen(self.number_of(row), row.form, &mut room)?;
        let (int, second) = (int_at(bytes, 0), int_at(bytes, 4));
        let count = u64::try_from(int).unwrap_or(0);
        let seconds = |int| Value::Duration(Duration::from_secs(u64::try_from(int).unwrap_or(0)));
        Ok(match row.form {
            Layout::Switch => Some(Value::Flag(int != 0)),
            Layout::Number | Layout::Doubled => Some(Value::Count(count)),
            Layout::Millis => Some(Value::Duration(Duration::from_millis(count))),
            Layout::Linger => (int != 0).then(|| seconds(second)),
            Layout::KeepAlive if int == 0 => None,
            Layout::KeepAlive => {
                let mut room = [0; 4];
                Some(seconds(int_at(self.read_seen(KEEP_IDLE, Layout::Number, &mut room)?, 0)))
            }
            Layout::Name => {
                let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                (!name.is_empty()).then(|| Value::Text(name.to_vec()))
            }
        })
    }

    fn number_of(&self, row: &OptionRow) -> Number {
        if row.number != row.number_v6 && self.family() == Some(Family::V6) {
            row.number_v6
        } else {
            row.number
        }
    }
}

/// The int that is there in the kernel's bytes; 0 where they are too short.
fn int_at(bytes: &[u8], at: usize) -> i32 {
    let int = bytes.get(at..at + 4).and_then(|int| int.try_into().ok());
    i32::from_ne_bytes(int.unwrap_or_default())
}

/// The bytes for the kernel; an error where the value is of another kind or too large.
fn encode(row: &OptionRow, value: &Value) -> Result<Vec<u8>> {
    let int = |number: u128| i32::try_from(number).ok().map(|int| int.to_ne_bytes().to_vec());
    let bytes = match (row.form, value) {
        (Layout::Switch, Value::Flag(is_on)) => int(u128::from(*is_on)),
        // Halved by the kernel's own cap (INT_MAX / 2), not by ours.
        (Layout::Number | Layout::Doubled, Value::Count(count)) => int(u128::from(*count)),
        (Layout::Millis, Value::Duration(time)) => int(time.as_nanos().div_ceil(1_000_000)),
        (Layout::KeepAlive, Value::Duration(time)) => int(time.as_nanos().div_ceil(1_000_000_000)),
        (Layout::Linger, Value::Duration(time)) => int(time.as_nanos().div_ceil(1_000_000_000))
            .map(|seconds| [&1_i32.to_ne_bytes()[..], &seconds].concat()),
        (Layout::Name, Value::Text(name)) if name.len() < libc::IFNAMSIZ => Some(name.clone()),
        _ => None,
    };
    bytes.ok_or_else(|| {
        Error::new(Kind::BadOption, format!("{} does not take {value}", row.spec.name))
    })
}

/// A value in Python's notation.
struct Python<'a>(Layout, &'a [u8]);

impl fmt::Display for Python<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Python(form, bytes) = self;
        match form {
            Layout::Name => PythonBytes(bytes).fmt(f),
            Layout::Linger => {
                write!(f, "struct.pack('ii', {}, {})", int_at(bytes, 0), int_at(bytes, 4))
            }
            _ => int_at(bytes, 0).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Flags, Type};
    use super::*;

    const TCP_OPTIONS: &[OptionSpec] = &[
        spec(SocketOption::NoDelay, ""),
        spec(SocketOption::KeepAlive, ""),
        spec(SocketOption::ReceiveBuffer, ""),
        spec(SocketOption::SendBuffer, ""),
        spec(SocketOption::UserTimeout, ""),
        spec(SocketOption::Ttl, ""),
        spec(SocketOption::ReuseAddress, ""),
        spec(SocketOption::ReusePort, ""),
        spec(SocketOption::Linger, ""),
        spec(SocketOption::Device, ""),
        spec(SocketOption::V6Only, ""),
        spec(SocketOption::FreeBind, ""),
    ];
    use crate::address::Address;

    fn tcp(family: Family) -> Socket {
        Socket::new(family, Type::Stream, 0).expect("a socket")
    }

    /// A value other than the kernel's default, as a person types it, and what the kernel then answers.
    fn sample(option: SocketOption) -> (&'static str, Option<Value>) {
        let seconds = |seconds| Some(Value::Duration(Duration::from_secs(seconds)));
        match option {
            SocketOption::KeepAlive | SocketOption::UserTimeout => ("30s", seconds(30)),
            SocketOption::Linger => ("3s", seconds(3)),
            SocketOption::Ttl => ("7", Some(Value::Count(7))),
            SocketOption::ReceiveBuffer | SocketOption::SendBuffer => {
                ("48k", Some(Value::Count(98_304)))
            }
            SocketOption::Device => ("lo", Some(Value::Text(b"lo".to_vec()))),
            _ => ("", Some(Value::Flag(true))),
        }
    }

    #[test]
    fn every_option_is_set_and_read_back() {
        for row in TABLE {
            let (text, expected) = sample(row.option);
            let value = row.spec.kind.parse(row.spec.name, text).expect("a sample");
            for family in [Family::V4, Family::V6] {
                if row.option == SocketOption::V6Only && family == Family::V4 {
                    continue;
                }
                let socket = tcp(family);
                let before = socket.option(row.option).expect("readable");
                assert_ne!(before, expected, "{} is that by default", row.spec.name);
                socket.set_option(row.option, &value).expect(row.spec.name);
                assert_eq!(socket.option(row.option), Ok(expected.clone()), "{}", row.spec.name);
            }
        }
    }

    #[test]
    fn an_endpoints_options_reach_the_socket_and_what_it_accepts() {
        let mut options = Options::of(TCP_OPTIONS);
        for (name, value) in [
            ("nodelay", None),
            ("rcvbuf", Some("64k")),
            ("keepalive", Some("1500ms")),
            ("linger", Some("0s")),
            ("v6only", None),
        ] {
            options.set(TCP_OPTIONS, name, value).expect("an option of TCP");
        }
        let listener = tcp(Family::V4);
        apply(&listener, &options).expect("all of them work");
        listener.bind(&Address::Ip("127.0.0.1:0".parse().expect("one"))).expect("a free port");
        listener.listen(1).expect("bound");
        let client = tcp(Family::V4);
        client.connect(&listener.local_address().expect("bound")).expect("connected");
        let (accepted, _) = listener.accept().expect("one waits");
        let seconds = |seconds| Ok(Some(Value::Duration(Duration::from_secs(seconds))));
        assert_eq!(accepted.option(SocketOption::NoDelay), Ok(Some(Value::Flag(true))));
        assert_eq!(accepted.option(SocketOption::ReceiveBuffer), Ok(Some(Value::Count(131_072))));
        assert_eq!(accepted.option(SocketOption::KeepAlive), seconds(2));
        assert_eq!(accepted.option(SocketOption::Linger), seconds(0));
        // Linger zero: the close is a reset.
        drop(accepted);
        let error = client.recv(&mut [0], Flags::NONE).expect_err("reset");
        assert_eq!(error.kind(), Kind::ConnectionReset);
    }

    #[test]
    fn a_switch_can_be_denied_and_an_option_taken_away() {
        let socket = tcp(Family::V4);
        let mut options = Options::of(TCP_OPTIONS);
        options.set(TCP_OPTIONS, "no-nodelay", None).expect("a switch");
        options.set(TCP_OPTIONS, "keepalive", Some("0s")).expect("a time");
        socket.set_switch(SocketOption::NoDelay, true).expect("set");
        let minute = Value::Duration(Duration::from_mins(1));
        socket.set_option(SocketOption::KeepAlive, &minute).expect("set");
        apply(&socket, &options).expect("both work");
        assert_eq!(socket.option(SocketOption::NoDelay), Ok(Some(Value::Flag(false))));
        assert_eq!(socket.option(SocketOption::KeepAlive), Ok(None));
    }

    #[test]
    fn what_the_kernel_does_not_take_is_a_bad_option() {
        let socket = tcp(Family::V4);
        let kind =
            |option, value: Value| socket.set_option(option, &value).expect_err("refused").kind();
        let day = Value::Duration(Duration::from_hours(24));
        assert_eq!(kind(SocketOption::KeepAlive, day), Kind::BadOption);
        assert_eq!(kind(SocketOption::Ttl, Value::Count(256)), Kind::BadOption);
        assert_eq!(kind(SocketOption::Ttl, Value::Count(1 << 40)), Kind::BadOption);
        assert_eq!(kind(SocketOption::Ttl, Value::Flag(true)), Kind::BadOption);
        assert_eq!(kind(SocketOption::Device, Value::Text(b"no-such".to_vec())), Kind::BadOption);
        assert_eq!(kind(SocketOption::V6Only, Value::Flag(true)), Kind::BadOption);
    }
}
