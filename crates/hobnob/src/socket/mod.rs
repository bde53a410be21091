//! The one door to the kernel: sockets as the field knows them, public and safe. Linux only.
//!
//! | Python | here |
//! |---|---|
//! | `socket()`, `socketpair()` | [`Socket::new`], [`Socket::pair`] |
//! | `bind`, `listen`, `accept` | [`Socket::bind`], [`Socket::listen`], [`Socket::accept`]; for paths [`path::claim`] |
//! | `connect`, `connect_ex` | [`Socket::connect`], [`Socket::connect_ex`] |
//! | `recv`, `recv_into`, `recvfrom` | [`Socket::recv`], [`Socket::recv_from`]; [`Socket::recv_record`] knows borders |
//! | `send`, `sendall`, `sendto` | [`Socket::send`], [`Socket::send_all`], [`Socket::send_to`] |
//! | `shutdown`, `close` | [`Socket::shutdown`], [`Socket::close`] |
//! | `getsockname`, `getpeername` | [`Socket::local_address`], [`Socket::peer_address`] |
//! | `setsockopt`, `getsockopt` | [`Socket::set_option`], [`Socket::option`] |
//! | `settimeout`, `gettimeout`, `setblocking` | [`Socket::set_timeout`], [`Socket::timeout`], [`Socket::set_blocking`] |
//! | `fileno` | [`Socket::descriptor`] |
//! | `makefile` | `Read` and `Write` of `&Socket`, so that `BufReader::new(&socket)` works |
//! | `gethostname`, `getaddrinfo` | [`host_name`], [`look_up`] |
//!
//! ```
//! use hobnob::socket::{Family, Flags, Shutdown, Socket, Type};
//! let listener = Socket::new(Family::V4, Type::Stream, 0)?;
//! listener.bind(&hobnob::address::Address::Ip(([127, 0, 0, 1], 0).into()))?;
//! listener.listen(1)?;
//! let client = Socket::new(Family::V4, Type::Stream, 0)?;
//! client.connect(&listener.local_address()?)?;
//! let (server, _) = listener.accept()?;
//! client.send_all(b"hi")?;
//! client.shutdown(Shutdown::Write)?;
//! assert_eq!(server.recv(&mut [0; 8], Flags::NONE)?, 2);
//! assert_eq!(server.recv(&mut [0; 8], Flags::NONE)?, 0, "the end");
//! # Ok::<(), hobnob::Error>(())
//! ```

pub mod access;
mod aio;
mod calls;
mod connect;
mod explain;
mod flags;
mod handle;
pub mod holder;
pub mod host;
mod interface;
mod names;
pub mod observe;
pub mod option;
#[cfg(test)]
mod parity;
pub mod path;
mod pipe;
mod queue;
mod timed;

pub use aio::AsyncSocket;
pub use flags::Flags;
pub use handle::Socket;
pub use host::interface_addresses;
pub use interface::{Interface, interfaces};
pub use names::{host_name, look_up, look_up_async};
pub use observe::{KernelCall, Observer};
pub use option::SocketOption;
pub use pipe::{PIPE_SIZE, Pipe};
pub(crate) use queue::AcceptQueue;

pub(crate) use crate::sys::alarm::Alarm;
pub(crate) use crate::sys::bell::{CallBell, Readiness};
pub(crate) use crate::sys::hangup::HangupPoll;
pub use crate::sys::info::{PeerProcess, TcpInfo};
pub use crate::sys::mmsg::{Batch, Outgoing, Received, Sent};
pub use crate::sys::packet_info::Arrival;
pub(crate) use crate::sys::reach::{ask_for_reach, reach, set_reach};
pub use crate::sys::record::Record;
pub(crate) use crate::sys::watch::{SocketState, state};

use crate::error::{Error, Result};
use crate::sys;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `AF_INET` (ip(7)).
    V4,
    /// `AF_INET6` (ipv6(7)).
    V6,
    /// `AF_UNIX` (unix(7)).
    Unix,
    /// `AF_PACKET`: frames of an interface (packet(7)).
    Packet,
}

impl Family {
    /// The kernel's number.
    pub fn number(self) -> i32 {
        match self {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
            Family::Unix => libc::AF_UNIX,
            Family::Packet => libc::AF_PACKET,
        }
    }

    /// The kernel's name: `AF_INET`.
    pub fn name(self) -> &'static str {
        match self {
            Family::V4 => "AF_INET",
            Family::V6 => "AF_INET6",
            Family::Unix => "AF_UNIX",
            Family::Packet => "AF_PACKET",
        }
    }
}

/// A socket type (socket(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// `SOCK_STREAM`: bytes in order, without borders.
    Stream,
    /// `SOCK_DGRAM`: datagrams.
    Datagram,
    /// `SOCK_SEQPACKET`: records in order, over a connection.
    Seqpacket,
    /// `SOCK_RAW`: packets with their protocol's header.
    Raw,
}

impl Type {
    /// The kernel's number.
    pub fn number(self) -> i32 {
        match self {
            Type::Stream => libc::SOCK_STREAM,
            Type::Datagram => libc::SOCK_DGRAM,
            Type::Seqpacket => libc::SOCK_SEQPACKET,
            Type::Raw => libc::SOCK_RAW,
        }
    }

    /// The kernel's name: `SOCK_STREAM`.
    pub fn name(self) -> &'static str {
        match self {
            Type::Stream => "SOCK_STREAM",
            Type::Datagram => "SOCK_DGRAM",
            Type::Seqpacket => "SOCK_SEQPACKET",
            Type::Raw => "SOCK_RAW",
        }
    }

    fn of_number(number: i32) -> Option<Self> {
        [Type::Stream, Type::Datagram, Type::Seqpacket, Type::Raw]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

/// Which directions [`Socket::shutdown`] ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// `SHUT_RD`.
    Read,
    /// `SHUT_WR`: the half-close.
    Write,
    /// `SHUT_RDWR`.
    Both,
}

impl Shutdown {
    fn number(self) -> i32 {
        match self {
            Shutdown::Read => libc::SHUT_RD,
            Shutdown::Write => libc::SHUT_WR,
            Shutdown::Both => libc::SHUT_RDWR,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Shutdown::Read => "SHUT_RD",
            Shutdown::Write => "SHUT_WR",
            Shutdown::Both => "SHUT_RDWR",
        }
    }
}

/// This process's limits of open files: the soft one, which holds, and the hard one, up to which it can be raised.
pub fn open_files() -> Result<(u64, u64)> {
    sys::info::open_files().map_err(|error| Error::from_io("getrlimit(RLIMIT_NOFILE)", &error))
}

/// Raises this process's soft limit of open files to the hard one (getrlimit(2)); answers the limit that now holds.
pub fn raise_open_files() -> Result<u64> {
    sys::info::raise_open_files()
        .map_err(|error| Error::from_io("setrlimit(RLIMIT_NOFILE)", &error))
}

/// What the kernel knows about a TCP connection, for who has only its descriptor (tcp(7), `TCP_INFO`).
pub fn tcp_info(socket: std::os::fd::BorrowedFd<'_>) -> Result<TcpInfo> {
    sys::info::tcp_info(socket).map_err(|error| Error::from_io("getsockopt(TCP_INFO)", &error))
}
