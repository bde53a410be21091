//! Socket options: one table for the kernel's numbers, for endpoints (`:9000,nodelay,rcvbuf=64k`) and for the
//! reference page.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::calls::none;
use super::{Family, Socket, explain};
use crate::error::{Error, Kind, Result};
use crate::spec::{OptionSpec, Options, Value, ValueKind};
use crate::sys::call;

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
pub enum Form {
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

/// One option of the table.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub option: SocketOption,
    /// How an endpoint names it, what value it takes with its unit, its default, and one line of help with the man page.
    pub spec: OptionSpec,
    /// The kernel's level and number, by their names: `SOL_SOCKET, SO_REUSEADDR`.
    pub names: &'static str,
    /// The level and number on IPv4 and Unix sockets.
    pub number: (i32, i32),
    /// The level and number on IPv6 sockets.
    pub number_v6: (i32, i32),
    /// How the value is handed over.
    pub form: Form,
}

macro_rules! rows {
    ($($option:ident $name:literal $kind:ident $form:ident $level:ident $number:ident $(or $level6:ident $number6:ident)?: $help:literal;)*) => {
        /// Every option.
        pub static TABLE: &[Row] = &[$(Row {
            option: SocketOption::$option,
            spec: spec(SocketOption::$option),
            names: concat!(stringify!($level), ", ", stringify!($number)),
            number: (libc::$level, libc::$number),
            number_v6: rows!(@v6 $level $number $($level6 $number6)?),
            form: Form::$form,
        }),*];

        const fn spec(option: SocketOption) -> OptionSpec {
            match option {
                $(SocketOption::$option => {
                    OptionSpec { name: $name, kind: ValueKind::$kind, default: "", help: $help }
                })*
            }
        }
    };
    (@v6 $level:ident $number:ident) => { (libc::$level, libc::$number) };
    (@v6 $level:ident $number:ident $level6:ident $number6:ident) => { (libc::$level6, libc::$number6) };
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

/// What a TCP endpoint takes.
pub const TCP_OPTIONS: &[OptionSpec] = &[
    spec(SocketOption::ReuseAddress),
    spec(SocketOption::ReusePort),
    spec(SocketOption::NoDelay),
    spec(SocketOption::KeepAlive),
    spec(SocketOption::UserTimeout),
    spec(SocketOption::Linger),
    spec(SocketOption::Ttl),
    spec(SocketOption::ReceiveBuffer),
    spec(SocketOption::SendBuffer),
    spec(SocketOption::Device),
    spec(SocketOption::V6Only),
    spec(SocketOption::FreeBind),
];

/// What a UDP endpoint takes.
pub const UDP_OPTIONS: &[OptionSpec] = &[
    spec(SocketOption::ReuseAddress),
    spec(SocketOption::ReusePort),
    spec(SocketOption::Ttl),
    spec(SocketOption::ReceiveBuffer),
    spec(SocketOption::SendBuffer),
    spec(SocketOption::Broadcast),
    spec(SocketOption::Device),
    spec(SocketOption::V6Only),
    spec(SocketOption::FreeBind),
];

/// What a Unix endpoint takes.
pub const UNIX_OPTIONS: &[OptionSpec] =
    &[spec(SocketOption::ReceiveBuffer), spec(SocketOption::SendBuffer)];

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
    pub fn row(self) -> &'static Row {
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
        let began = self.begin();
        let bytes = encode(row, value)?;
        let result = self.set_raw(row, &bytes);
        self.end(
            began,
            "setsockopt",
            format_args!("{}, {}", row.names, Python(value)),
            none(&result),
        );
        result.map_err(|error| {
            let call = format!("setsockopt({}, {value})", row.names);
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
        self.read(row).map_err(|error| explain::data(&format!("getsockopt({})", row.names), &error))
    }

    fn set_raw(&self, row: &Row, bytes: &[u8]) -> io::Result<()> {
        let (level, number) = self.number_of(row);
        if row.form != Form::KeepAlive {
            return call::set_option(self.as_fd(), level, number, bytes);
        }
        let seconds = i32::from_ne_bytes(bytes.try_into().expect("encode made an int"));
        if seconds > 0 && self.family() != Some(Family::Unix) {
            for number in [libc::TCP_KEEPIDLE, libc::TCP_KEEPINTVL] {
                call::set_int_option(self.as_fd(), libc::IPPROTO_TCP, number, seconds)?;
            }
        }
        call::set_int_option(self.as_fd(), level, number, i32::from(seconds > 0))
    }

    fn read(&self, row: &Row) -> io::Result<Option<Value>> {
        let (level, number) = self.number_of(row);
        let mut room = [0; libc::IFNAMSIZ];
        let length = call::option(self.as_fd(), level, number, &mut room)?;
        let int = i32::from_ne_bytes([room[0], room[1], room[2], room[3]]);
        let count = u64::try_from(int).unwrap_or(0);
        Ok(match row.form {
            Form::Switch => Some(Value::Flag(int != 0)),
            Form::Number | Form::Doubled => Some(Value::Count(count)),
            Form::Millis => Some(Value::Duration(Duration::from_millis(count))),
            Form::Linger => {
                let seconds = u64::from(u32::from_ne_bytes([room[4], room[5], room[6], room[7]]));
                (int != 0).then_some(Value::Duration(Duration::from_secs(seconds)))
            }
            Form::KeepAlive if int == 0 => None,
            Form::KeepAlive => {
                let seconds =
                    call::int_option(self.as_fd(), libc::IPPROTO_TCP, libc::TCP_KEEPIDLE)?;
                Some(Value::Duration(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
            }
            Form::Name => {
                let name = room[..length].split(|byte| *byte == 0).next().unwrap_or_default();
                (!name.is_empty()).then(|| Value::Text(name.to_vec()))
            }
        })
    }

    fn number_of(&self, row: &Row) -> (i32, i32) {
        if row.number != row.number_v6 && self.family() == Some(Family::V6) {
            row.number_v6
        } else {
            row.number
        }
    }
}

/// The bytes for the kernel; an error where the value is of another kind or too large.
fn encode(row: &Row, value: &Value) -> Result<Vec<u8>> {
    let int = |number: u128| i32::try_from(number).ok().map(|int| int.to_ne_bytes().to_vec());
    let bytes = match (row.form, value) {
        (Form::Switch, Value::Flag(is_on)) => int(u128::from(*is_on)),
        // Halved by the kernel's own cap (INT_MAX / 2), not by ours.
        (Form::Number | Form::Doubled, Value::Count(count)) => int(u128::from(*count)),
        (Form::Millis, Value::Duration(time)) => int(time.as_nanos().div_ceil(1_000_000)),
        (Form::KeepAlive, Value::Duration(time)) => int(time.as_nanos().div_ceil(1_000_000_000)),
        (Form::Linger, Value::Duration(time)) => int(time.as_nanos().div_ceil(1_000_000_000))
            .map(|seconds| [&1_i32.to_ne_bytes()[..], &seconds].concat()),
        (Form::Name, Value::Text(name)) if name.len() < libc::IFNAMSIZ => Some(name.clone()),
        _ => None,
    };
    bytes.ok_or_else(|| {
        Error::new(Kind::BadOption, format!("{} does not take {value}", row.spec.name))
    })
}

/// A value as an argument in Python's notation.
struct Python<'a>(&'a Value);

impl fmt::Display for Python<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Flag(is_on) => write!(f, "{}", u8::from(*is_on)),
            Value::Text(bytes) => super::observe::PythonBytes(bytes).fmt(f),
            value => value.fmt(f),
        }
    }
}
