//! Multicast groups: joining them, and sending to them (ip(7), ipv6(7); RFC 3678 for the calls that both families share).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

use super::call;
use super::name::Name;
use crate::address::Address;
use crate::error::Result;

/// What a socket that is bound to a wildcard would hear of groups that others on this machine have joined
/// (`IP_MULTICAST_ALL`, `IPV6_MULTICAST_ALL`).
const ALL_V4: i32 = libc::IP_MULTICAST_ALL;
const ALL_V6: i32 = 29; // of linux/in6.h
/// Bytes of a `sockaddr_storage`, and of the number before it with what aligns them.
const NAME: usize = size_of::<libc::sockaddr_storage>();
const NUMBER: usize = 8;

/// Joins a group on an interface; 0: the one that the route to the group picks. With a source nobody else is heard.
pub(crate) fn join(
    fd: BorrowedFd<'_>,
    group: IpAddr,
    interface: u32,
    source: Option<IpAddr>,
) -> Result<io::Result<()>> {
    // A `group_req`, and with a source a `group_source_req`.
    let mut request = [0_u8; NUMBER + 2 * NAME];
    request[..4].copy_from_slice(&interface.to_ne_bytes());
    let mut end = NUMBER;
    for ip in [Some(group), source].into_iter().flatten() {
        let name = Name::of(&Address::Ip(SocketAddr::new(ip, 0)))?;
        request[end..end + NAME].copy_from_slice(name.bytes());
        end += NAME;
    }
    let number =
        if source.is_some() { libc::MCAST_JOIN_SOURCE_GROUP } else { libc::MCAST_JOIN_GROUP };
    Ok(call::set_option(fd, level(group), number, &request[..end]))
}

/// Hears of the groups that this socket has joined, and of no others.
pub(crate) fn hear_own_groups(fd: BorrowedFd<'_>, group: IpAddr) -> io::Result<()> {
    let number = if group.is_ipv4() { ALL_V4 } else { ALL_V6 };
    call::set_int_option(fd, level(group), number, 0)
}

/// How what is sent to groups leaves: by which interface, 0 for the one of the route, and how many routers it may pass, 1
/// for none.
pub(crate) fn send_to_groups(
    fd: BorrowedFd<'_>,
    group: IpAddr,
    interface: u32,
    reach: u8,
) -> io::Result<()> {
    if group.is_ipv4() {
        // An `ip_mreqn`: two addresses, which stay empty, and the interface.
        let mut by = [0; 12];
        by[8..].copy_from_slice(&interface.to_ne_bytes());
        call::set_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &by)?;
        return call::set_int_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, reach.into());
    }
    let by = interface.to_ne_bytes();
    call::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, &by)?;
    call::set_int_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, reach.into())
}

fn level(group: IpAddr) -> i32 {
    if group.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 }
}
