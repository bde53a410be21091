//! How many routers the first packet of a TCP connection could still have passed when it arrived, as its sender set it and
//! the kernel keeps it (ip(7) `IP_TTL`, ipv6(7) `IPV6_HOPLIMIT`).

use std::io;
use std::os::fd::BorrowedFd;

use super::call;
use super::control::{self, ControlMessage};

/// Asks the kernel to keep it for each connection that this listener accepts from now on.
pub(crate) fn ask_for_reach(fd: BorrowedFd<'_>) -> io::Result<()> {
    let (level, number) = if is_v6(fd)? {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)
    } else {
        (libc::IPPROTO_IP, libc::IP_RECVTTL)
    };
    call::set_int_option(fd, level, number, 1)
}

/// What the kernel has kept for an accepted connection, whose family the caller knows.
pub(crate) fn reach(fd: BorrowedFd<'_>, is_v6: bool) -> io::Result<u8> {
    let (level, number) = if is_v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_2292PKTOPTIONS)
    } else {
        (libc::IPPROTO_IP, libc::IP_PKTOPTIONS)
    };
    let mut room = [0; 64];
    let length = call::option(fd, level, number, &mut room)?;
    let reach = control::messages(&room[..length]).find_map(|message| match message.known() {
        Some(ControlMessage::Ttl(reach)) => Some(reach),
        _ => None,
    });
    reach.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODATA))
}

/// Sets how many routers what this socket sends may pass.
pub(crate) fn set_reach(fd: BorrowedFd<'_>, reach: u8) -> io::Result<()> {
    let (level, number) = if is_v6(fd)? {
        (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS)
    } else {
        (libc::IPPROTO_IP, libc::IP_TTL)
    };
    call::set_int_option(fd, level, number, i32::from(reach))
}

/// Whether it is an IPv6 socket, so that its options and control messages are those of IPv6.
pub(crate) fn is_v6(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(call::int_option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? == libc::AF_INET6)
}
