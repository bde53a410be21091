//! What the kernel knows of a socket.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::observe::{self, none, some};
use super::{Family, PeerProcess, Socket, TcpInfo, Type, explain};
use crate::error::{Error, Result};
use crate::sys::{call, info};

impl Socket {
    /// The descriptor's number; it stays the socket's own.
    ///
    /// Python `fileno`; in C it is the socket itself. It asks no kernel, and never fails.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// let (one, _other) = Socket::pair(Type::Stream)?;
    /// assert!(one.descriptor() > 2, "behind the standard streams");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn descriptor(&self) -> i32 {
        self.as_raw_fd()
    }

    /// Its family; none where it is one that this library has no name for.
    ///
    /// Python's attribute `family`, C `getsockopt(SO_DOMAIN)`. It never waits.
    ///
    /// ```
    /// use hobnob::socket::{Family, Socket, Type};
    /// assert_eq!(Socket::pair(Type::Stream)?.0.family(), Some(Family::Unix));
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn family(&self) -> Option<Family> {
        let number = call::int_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_DOMAIN).ok()?;
        let all = [Family::V4, Family::V6, Family::Unix, Family::Packet];
        all.into_iter().find(|family| family.number() == number)
    }

    /// Its type; none where it is one that this library has no name for.
    ///
    /// Python's attribute `type`, C `getsockopt(SO_TYPE)`. It never waits.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// assert_eq!(Socket::pair(Type::Datagram)?.0.kind(), Some(Type::Datagram));
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn kind(&self) -> Option<Type> {
        let number = call::int_option(self.as_fd(), libc::SOL_SOCKET, libc::SO_TYPE).ok()?;
        Type::of_number(number)
    }

    /// Takes the pending error: how a connect ended that went on by itself, an ICMP refusal. Taking it clears it.
    ///
    /// Python `getsockopt(SOL_SOCKET, SO_ERROR)`, C `getsockopt(2)` with `SO_ERROR`. It never waits.
    ///
    /// # Errors
    /// `Kind::System`, if the kernel refuses. The pending error is the answer, and no error of this call.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// assert_eq!(Socket::pair(Type::Stream)?.0.take_error()?, None);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn take_error(&self) -> Result<Option<Error>> {
        let pending = |taken: &Option<io::Error>| taken.as_ref().map_or(0, observe::errno);
        let taken = self.ask("SOL_SOCKET, SO_ERROR", info::take_error, pending)?;
        Ok(taken.map(|error| explain::data("getsockopt(SOL_SOCKET, SO_ERROR)", &error)))
    }

    /// Who made the other end of a Unix socket.
    ///
    /// Python `getsockopt(SOL_SOCKET, SO_PEERCRED, 12)`, unpacked; C `getsockopt(2)` with `SO_PEERCRED` (unix(7)). It never
    /// waits.
    ///
    /// # Errors
    /// `Kind::System`, if the kernel refuses.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// let peer = Socket::pair(Type::Stream)?.0.peer_process()?;
    /// assert_eq!(peer.pid.cast_unsigned(), std::process::id());
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn peer_process(&self) -> Result<PeerProcess> {
        self.ask("SOL_SOCKET, SO_PEERCRED", info::peer_process, |peer| {
            format!("pid {}, uid {}, gid {}", peer.pid, peer.uid, peer.gid)
        })
    }

    /// The kernel's figures on a TCP connection.
    ///
    /// Python `getsockopt(IPPROTO_TCP, TCP_INFO, 256)`, unpacked; C `getsockopt(2)` with `TCP_INFO` (tcp(7)). It never waits.
    ///
    /// # Errors
    /// `Kind::System` (`EOPNOTSUPP`, `ENOPROTOOPT`) where it is no TCP.
    ///
    /// ```
    /// use hobnob::socket::{Family, Socket, Type};
    /// assert_eq!(Socket::new(Family::V4, Type::Stream, 0)?.tcp_info()?.resent, 0);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn tcp_info(&self) -> Result<TcpInfo> {
        self.ask("IPPROTO_TCP, TCP_INFO", info::tcp_info, |info| {
            let (segments_out, segments_in) = (info.segments_out, info.segments_in);
            let (resent, round_trip) = (info.resent, info.round_trip.as_secs_f64() * 1_000.0);
            format!("{segments_out} segments out, {segments_in} in, {resent} resent, rtt {round_trip:.2} ms")
        })
    }

    fn ask<T, S: fmt::Display>(
        &self,
        option: &str,
        read: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
        show: impl FnOnce(&T) -> S,
    ) -> Result<T> {
        let began = self.begin();
        let result = read(self.as_fd());
        if self.is_watched() {
            let shown = result.as_ref().map(show);
            self.end(began, "getsockopt", format_args!("{option}"), some(&shown));
        }
        result.map_err(|error| explain::data(&format!("getsockopt({option})"), &error))
    }

    /// The mode, such as `0o600`, that a Unix socket's file has from the first instant; before bind. The umask is taken
    /// off it and is not changed (fchmod(2); Linux takes the file's mode from the descriptor's).
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        let began = self.begin();
        let result = info::set_mode(self.as_fd(), mode);
        self.end(began, "fchmod", format_args!("0o{mode:o}"), none(&result));
        result.map_err(|error| explain::data(&format!("fchmod(0o{mode:o})"), &error))
    }
}
