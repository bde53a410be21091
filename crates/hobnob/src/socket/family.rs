//! What a socket is: its family, its type; and which of its directions end.

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

    pub(super) fn of_number(number: i32) -> Option<Self> {
        [Type::Stream, Type::Datagram, Type::Seqpacket, Type::Raw]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

/// Which directions [`Socket::shutdown`](super::Socket::shutdown) ends.
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
    pub(super) fn number(self) -> i32 {
        match self {
            Shutdown::Read => libc::SHUT_RD,
            Shutdown::Write => libc::SHUT_WR,
            Shutdown::Both => libc::SHUT_RDWR,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Shutdown::Read => "SHUT_RD",
            Shutdown::Write => "SHUT_WR",
            Shutdown::Both => "SHUT_RDWR",
        }
    }
}
