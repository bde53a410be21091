//! Whole IP packets to a raw socket, with headers of their own (ip(7) `IP_HDRINCL`; ipv6(7) has no word of its twin).

use std::io;
use std::os::fd::BorrowedFd;

use super::call;
use super::reach::is_v6;

/// From now on this raw socket takes packets whose IP header is written already. Over IPv4 the kernel fills in the checksum,
/// and what is zero of the identifier and the source.
pub(crate) fn take_whole_packets(fd: BorrowedFd<'_>) -> io::Result<()> {
    let (level, number) = if is_v6(fd)? {
        (libc::IPPROTO_IPV6, libc::IPV6_HDRINCL)
    } else {
        (libc::IPPROTO_IP, libc::IP_HDRINCL)
    };
    call::set_int_option(fd, level, number, 1)
}
