//! Socket options set on a socket, and read back from it.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::observe::{PythonBytes, none, some};
use super::option::{
    CLASS, CLASS_V6, KEEP_IDLE, KEEP_INTERVAL, Layout, Number, OptionRow, SocketOption, TABLE,
};
use super::{Family, Socket, Type, explain};
use crate::error::{Error, Kind, Result};
use crate::spec::Value;
use crate::sys::call;
use crate::sys::packet_info::ANSWER_CLASS;

/// What a new socket of this family and type has, as this kernel has it now: each option that such a socket can have, with
/// its value, none where it is off. It opens a socket and closes it, without a name; a raw IP socket is one that only sends
/// (`IPPROTO_RAW`, raw(7)), as there is none without a protocol.
///
/// # Errors
/// As of [`Socket::new`]: raw sockets take a right.
pub fn option_defaults(
    family: Family,
    kind: Type,
) -> Result<Vec<(&'static OptionRow, Result<Option<Value>>)>> {
    let is_raw_ip = kind == Type::Raw && matches!(family, Family::V4 | Family::V6);
    let protocol = if is_raw_ip { libc::IPPROTO_RAW } else { 0 };
    let socket = Socket::new(family, kind, protocol)?;
    let rows = TABLE.iter().filter(|row| row.is_for(family, kind));
    Ok(rows.map(|row| (row, socket.option(row.option))).collect())
}

impl Socket {
    /// Sets an option, to a value of its row's kind ([`option::TABLE`](super::option::TABLE)).
    ///
    /// Python `setsockopt`, C `setsockopt(2)`. It never waits.
    ///
    /// # Errors
    /// [`Kind::BadOption`] for a value of another kind or out of range (`EINVAL`), and where this socket has no such option
    /// (`ENOPROTOOPT`, `EOPNOTSUPP`); [`Kind::PermissionDenied`] (`EPERM`).
    ///
    /// ```
    /// use hobnob::{socket::{Family, Socket, SocketOption, Type}, spec::Value};
    /// let socket = Socket::new(Family::V4, Type::Stream, 0)?;
    /// socket.set_option(SocketOption::Ttl, &Value::Count(7))?;
    /// assert_eq!(socket.option(SocketOption::Ttl)?, Some(Value::Count(7)));
    /// # Ok::<(), hobnob::Error>(())
    /// ```
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
    ///
    /// Python `setsockopt(level, number, True)`, C `setsockopt(2)`. It never waits.
    ///
    /// # Errors
    /// As of [`set_option`](Self::set_option).
    ///
    /// ```
    /// use hobnob::socket::{Family, Socket, SocketOption, Type};
    /// let socket = Socket::new(Family::V4, Type::Stream, 0)?;
    /// socket.set_switch(SocketOption::NoDelay, true)?;
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn set_switch(&self, option: SocketOption, is_on: bool) -> Result<()> {
        self.set_option(option, &Value::Flag(is_on))
    }

    /// An option's value as the kernel has it: buffers are twice what was asked for. None where it is off: keepalive,
    /// linger, device.
    ///
    /// Python `getsockopt`, C `getsockopt(2)`. It never waits.
    ///
    /// # Errors
    /// [`Kind::System`] (`ENOPROTOOPT`, `EOPNOTSUPP`) where this socket has no such option.
    ///
    /// ```
    /// use hobnob::{socket::{Family, Socket, SocketOption, Type}, spec::Value};
    /// let socket = Socket::new(Family::V4, Type::Stream, 0)?;
    /// assert_eq!(socket.option(SocketOption::NoDelay)?, Some(Value::Flag(false)));
    /// assert_eq!(socket.option(SocketOption::Linger)?, None);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn option(&self, option: SocketOption) -> Result<Option<Value>> {
        let row = option.row();
        self.read(row).map_err(|error| {
            explain::data(&format!("getsockopt({})", self.number_of(row).name), &error)
        })
    }

    /// An option that the table does not have, as a number.
    ///
    /// Python `getsockopt(level, number)`, C `getsockopt(2)` with an `int`. It never waits.
    ///
    /// # Errors
    /// [`Kind::System`] (`ENOPROTOOPT`, `EOPNOTSUPP`) where this socket has no such option.
    ///
    /// ```
    /// use hobnob::socket::{Family, Socket, Type};
    /// const SOL_SOCKET: i32 = 1;
    /// const SO_TYPE: i32 = 3;
    /// let socket = Socket::new(Family::V4, Type::Datagram, 0)?;
    /// assert_eq!(socket.option_number(SOL_SOCKET, SO_TYPE)?, Type::Datagram.number());
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn option_number(&self, level: i32, number: i32) -> Result<i32> {
        let bytes = self.option_bytes(level, number, size_of::<i32>())?;
        Ok(int_at(&bytes, 0))
    }

    /// The same as bytes, at most `most`, and at most 65,536: a structure, a name.
    ///
    /// Python `getsockopt(level, number, most)`, C `getsockopt(2)`. It never waits.
    ///
    /// # Errors
    /// As of [`option_number`](Self::option_number).
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// const SOL_SOCKET: i32 = 1;
    /// const SO_PEERCRED: i32 = 17;
    /// let bytes = Socket::pair(Type::Stream)?.0.option_bytes(SOL_SOCKET, SO_PEERCRED, 64)?;
    /// assert_eq!(bytes[..4], std::process::id().to_ne_bytes());
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn option_bytes(&self, level: i32, number: i32, most: usize) -> Result<Vec<u8>> {
        // All zero: of the options that read what lies there, none finds a place to write to.
        let most = most.min(1 << 16);
        let mut room = vec![0; most];
        let began = self.begin();
        let result = call::option(self.as_fd(), level, number, &mut room);
        let shown = result.as_ref().map(|length| PythonBytes(&room[..*length]));
        self.end(began, "getsockopt", format_args!("{level}, {number}, {most}"), some(&shown));
        let length = result
            .map_err(|error| explain::data(&format!("getsockopt({level}, {number})"), &error))?;
        room.truncate(length);
        Ok(room)
    }

    /// Sets an option that the table does not have to a number. Structures cannot be set: some hold pointers, which the
    /// kernel would follow.
    ///
    /// Python `setsockopt(level, number, value)`, C `setsockopt(2)` with an `int`. It never waits.
    ///
    /// # Errors
    /// [`Kind::System`] (`EINVAL`, `ENOPROTOOPT`), [`Kind::PermissionDenied`] (`EPERM`).
    ///
    /// ```
    /// use hobnob::socket::{Family, Socket, Type};
    /// const SOL_SOCKET: i32 = 1;
    /// const SO_PRIORITY: i32 = 12;
    /// let socket = Socket::new(Family::V4, Type::Stream, 0)?;
    /// socket.set_option_number(SOL_SOCKET, SO_PRIORITY, 4)?;
    /// assert_eq!(socket.option_number(SOL_SOCKET, SO_PRIORITY)?, 4);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn set_option_number(&self, level: i32, number: i32, value: i32) -> Result<()> {
        let began = self.begin();
        let result = call::set_int_option(self.as_fd(), level, number, value);
        self.end(began, "setsockopt", format_args!("{level}, {number}, {value}"), none(&result));
        result.map_err(|error| {
            explain::data(&format!("setsockopt({level}, {number}, {value})"), &error)
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
        // Most have one number, and the kernel need not be asked.
        let family = if row.number == row.number_v6 { None } else { self.family() };
        row.number_on(family)
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
    use super::super::Flags;
    use super::super::option::{apply, spec};
    use super::*;
    use crate::address::Address;
    use crate::spec::{OptionSpec, Options};

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
            SocketOption::TrafficClass => ("16", Some(Value::Count(16))),
            SocketOption::ReceiveBuffer | SocketOption::SendBuffer => {
                ("48k", Some(Value::Count(98_304)))
            }
            SocketOption::Device => ("lo", Some(Value::Text(b"lo".to_vec()))),
            _ => ("", Some(Value::Flag(true))),
        }
    }

    /// A socket of that family that the option is for; none of interfaces' frames, which take a right.
    fn that_has(row: &OptionRow, family: Family) -> Option<Socket> {
        let kind = row.types.iter().find(|kind| **kind != Type::Raw)?;
        let socket = (family != Family::Packet).then(|| Socket::new(family, *kind, 0));
        socket.map(|socket| socket.expect("a socket"))
    }

    #[test]
    fn every_option_is_set_and_read_back() {
        for row in TABLE {
            let (text, expected) = sample(row.option);
            let value = row.spec.kind.parse(row.spec.name, text).expect("a sample");
            for family in row.families {
                let Some(socket) = that_has(row, *family) else { continue };
                let name = (row.spec.name, family);
                let before = socket.option(row.option).expect("readable");
                assert_ne!(before, expected, "{name:?} is that by default");
                socket.set_option(row.option, &value).unwrap_or_else(|e| panic!("{name:?} {e}"));
                assert_eq!(socket.option(row.option), Ok(expected.clone()), "{name:?}");
            }
        }
    }

    #[test]
    fn no_two_options_have_one_name_or_one_number() {
        for (at, row) in TABLE.iter().enumerate() {
            for other in &TABLE[at + 1..] {
                assert_ne!(row.spec.name, other.spec.name);
                let same = [row.number, row.number_v6].contains(&other.number);
                assert!(!same, "{} and {}", row.spec.name, other.spec.name);
            }
        }
    }

    #[test]
    fn every_default_can_be_read() {
        for family in [Family::V4, Family::V6, Family::Unix] {
            for kind in [Type::Stream, Type::Datagram] {
                let all = option_defaults(family, kind).expect("a socket");
                let named = |name| all.iter().any(|(row, _)| row.spec.name == name);
                assert!(named("rcvbuf"));
                assert_eq!(named("v6only"), family == Family::V6);
                assert_eq!(named("nodelay"), family != Family::Unix && kind == Type::Stream);
                for (row, value) in &all {
                    assert!(value.is_ok(), "{} {family:?} {kind:?}", row.spec.name);
                }
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
