//! To which of our addresses a datagram came, and from which one the answer leaves (ip(7) `IP_PKTINFO`, RFC 3542, 6).
//! Whether it is itself an answer of a listening socket of ours, how many routers it could still have passed (ip(7)
//! `IP_RECVTTL`), how many the kernel has dropped before it (socket(7) `SO_RXQ_OVFL`), and on a Unix socket whose it is
//! (unix(7) `SCM_CREDENTIALS`).
//!
//! A socket bound to the wildcard address otherwise answers from whatever address the route picks, and a peer
//! that asked another one drops the answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;

use super::call;

/// Room for the control messages of one datagram: the larger address takes 40 bytes, its traffic class 24, its reach 24,
/// and the number of those that were dropped 24.
pub(crate) type Control = [u64; 14];

/// The bytes of that room which a Unix socket is given: a user takes all of them, so that there is no room for
/// descriptors, which a peer could hand us.
#[allow(clippy::cast_possible_truncation, reason = "a structure of 12 bytes")]
// SAFETY: CMSG_SPACE only computes.
pub(super) const USER_BYTES: usize =
    unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize;

/// The traffic class of what a listening datagram socket sends: codepoint 000111, of the pool that is left to
/// experiments and local use (RFC 2474, 6), and no ECN bits. Of that pool it is treated as plain traffic by those who
/// still read the old meanings: precedence 0, and no slower band of Linux's default queue. And a router that clears
/// the old precedence leaves it as it is.
pub(crate) const ANSWER_CLASS: u8 = 0b00_0111 << CODEPOINT_SHIFT;
/// The lower two bits of a traffic class are ECN's, which routers change on the way (RFC 3168, 5).
const CODEPOINT_SHIFT: u32 = 2;

/// What the kernel told about one datagram.
#[derive(Default)]
pub(super) struct Ancillary {
    pub arrival: Option<Arrival>,
    pub is_answer: bool,
    /// How many routers it could still have passed.
    pub reach: Option<u8>,
    /// How many the kernel has dropped since the socket was opened, for want of room; none are not told.
    pub lost: u32,
    /// The user whose process has sent it.
    pub user: Option<u32>,
}

/// To which of our addresses a datagram came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The address it was sent to: one of ours, a group, or a broadcast address.
    pub to: IpAddr,
    /// The address of ours that an answer leaves from; none where the kernel has to pick (an IPv6 group).
    pub answer_from: Option<IpAddr>,
    /// The index of the interface it came in by.
    pub interface: u32,
}

/// Asks the kernel to tell it with every datagram from now on.
pub(crate) fn ask_for_arrival(fd: BorrowedFd<'_>) -> io::Result<()> {
    match call::int_option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? {
        libc::AF_INET => call::set_int_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        libc::AF_INET6 => call::set_int_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
        _ => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
}

/// Asks the kernel to tell the traffic class of every datagram from now on.
pub(crate) fn ask_for_class(fd: BorrowedFd<'_>) -> io::Result<()> {
    match call::int_option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? {
        libc::AF_INET => {}
        libc::AF_INET6 => {
            call::set_int_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)?;
        }
        _ => return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
    // On an IPv6 socket too: it may have IPv4 peers. A raw one has none, and takes no option of IPv4.
    match call::set_int_option(fd, libc::IPPROTO_IP, libc::IP_RECVTOS, 1) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
        set => set,
    }
}

/// Asks the kernel to tell with every datagram from now on how many routers it could still have passed.
pub(crate) fn ask_for_reach(fd: BorrowedFd<'_>) -> io::Result<()> {
    match call::int_option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? {
        libc::AF_INET => {}
        libc::AF_INET6 => {
            call::set_int_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
        }
        _ => return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
    // On an IPv6 socket too: it may have IPv4 peers.
    call::set_int_option(fd, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)
}

/// Asks the kernel to tell with every datagram from now on how many it has dropped, for want of room.
pub(crate) fn ask_for_losses(fd: BorrowedFd<'_>) -> io::Result<()> {
    call::set_int_option(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)
}

/// Asks the kernel to tell on a Unix socket with every datagram from now on whose it is.
pub(crate) fn ask_for_users(fd: BorrowedFd<'_>) -> io::Result<()> {
    call::set_int_option(fd, libc::SOL_SOCKET, libc::SO_PASSCRED, 1)
}

fn is_answer_class(class: u8) -> bool {
    class >> CODEPOINT_SHIFT == ANSWER_CLASS >> CODEPOINT_SHIFT
}

/// Reads it from a received header, whose control buffer must still be alive.
///
/// # Safety
/// `header.msg_control` is null or points at `msg_controllen` bytes that the kernel has written.
pub(super) unsafe fn read(header: &libc::msghdr) -> Ancillary {
    let mut told = Ancillary::default();
    // SAFETY: the caller vouches for the control buffer; the macros stay within its length.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(header);
        while !at.is_null() {
            match ((*at).cmsg_level, (*at).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = libc::CMSG_DATA(at).cast::<libc::in_pktinfo>().read_unaligned();
                    let ours = Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes());
                    told.arrival = Some(Arrival {
                        to: Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into(),
                        answer_from: Some(ours.into()),
                        interface: info.ipi_ifindex.cast_unsigned(),
                    });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = libc::CMSG_DATA(at).cast::<libc::in6_pktinfo>().read_unaligned();
                    let to = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    told.arrival = Some(Arrival {
                        to: to.into(),
                        answer_from: (!to.is_multicast()).then_some(to.into()),
                        interface: info.ipi6_ifindex,
                    });
                }
                (libc::IPPROTO_IP, libc::IP_TOS) => {
                    told.is_answer = is_answer_class(libc::CMSG_DATA(at).read());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    let class = libc::CMSG_DATA(at).cast::<i32>().read_unaligned();
                    told.is_answer = u8::try_from(class).is_ok_and(is_answer_class);
                }
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    let reach = libc::CMSG_DATA(at).cast::<i32>().read_unaligned();
                    told.reach = u8::try_from(reach).ok();
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    told.lost = libc::CMSG_DATA(at).cast::<u32>().read_unaligned();
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                    let whose = libc::CMSG_DATA(at).cast::<libc::ucred>().read_unaligned();
                    told.user = Some(whose.uid);
                }
                _ => {}
            }
            at = libc::CMSG_NXTHDR(header, at);
        }
    }
    told
}

/// Points a header at a control message that makes the datagram leave from `source`.
///
/// # Safety
/// `control` outlives every use of `header`.
pub(super) unsafe fn write(header: &mut libc::msghdr, control: &mut Control, source: IpAddr) {
    *control = Control::default();
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>();
    // SAFETY: the control buffer has room for the larger of the two messages (the test counts), and is aligned for
    // a cmsghdr; so CMSG_FIRSTHDR is not null and CMSG_DATA within it.
    unsafe {
        let at = libc::CMSG_FIRSTHDR(header);
        match source {
            IpAddr::V4(ip) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                put(header, at, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            IpAddr::V6(ip) => {
                let ipi6_addr = libc::in6_addr { s6_addr: ip.octets() };
                let info = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
                put(header, at, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
        }
    }
}

/// # Safety
/// `at` is the header's first control message, with room for a `T`.
unsafe fn put<T>(
    header: &mut libc::msghdr,
    at: *mut libc::cmsghdr,
    level: i32,
    kind: i32,
    info: T,
) {
    let size = super::size_for_kernel::<T>();
    // SAFETY: the caller vouches for `at`.
    unsafe {
        (*at).cmsg_level = level;
        (*at).cmsg_type = kind;
        (*at).cmsg_len = libc::CMSG_LEN(size) as usize;
        libc::CMSG_DATA(at).cast::<T>().write_unaligned(info);
        header.msg_controllen = libc::CMSG_SPACE(size) as usize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_fit_into_the_room() {
        // SAFETY: CMSG_SPACE only computes.
        let space = |size: usize| unsafe { libc::CMSG_SPACE(u32::try_from(size).expect("small")) };
        let room = u32::try_from(size_of::<Control>()).expect("small");
        let others = 2 * space(size_of::<i32>()) + space(size_of::<u32>());
        assert!(space(size_of::<libc::in_pktinfo>()) + others <= room);
        assert!(space(size_of::<libc::in6_pktinfo>()) + others <= room);
    }
}
