//! To which of our addresses a datagram came, and from which one the answer leaves (ip(7) `IP_PKTINFO`, RFC 3542, 6).
//! Whether it is itself an answer of a listening socket of ours, how many routers it could still have passed (ip(7)
//! `IP_RECVTTL`), how many the kernel has dropped before it (socket(7) `SO_RXQ_OVFL`), and on a Unix socket whose it is
//! (unix(7) `SCM_CREDENTIALS`).
//!
//! A socket bound to the wildcard address otherwise answers from whatever address the route picks, and a peer
//! that asked another one drops the answer.

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use super::call;
use super::control::{self, Arrival, ControlMessage};

/// Room for the control messages of one datagram: the larger address takes 40 bytes, its traffic class 24, its reach 24,
/// and the number of those that were dropped 24.
pub(crate) type Control = [u8; 112];

/// Room without a message.
pub(crate) const EMPTY: Control = [0; 112];

/// The bytes of that room which a Unix socket is given: a user takes all of them, so that there is no room for
/// descriptors, which a peer could hand us.
pub(super) const USER_BYTES: usize = control::space(size_of::<libc::ucred>());

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
    ask_both(fd, libc::IP_RECVTOS, libc::IPV6_RECVTCLASS)
}

/// Asks the kernel to tell with every datagram from now on how many routers it could still have passed.
pub(crate) fn ask_for_reach(fd: BorrowedFd<'_>) -> io::Result<()> {
    ask_both(fd, libc::IP_RECVTTL, libc::IPV6_RECVHOPLIMIT)
}

/// Switches an option of an IP socket on, by its numbers in IPv4 and in IPv6.
pub(super) fn ask_both(fd: BorrowedFd<'_>, v4: i32, v6: i32) -> io::Result<()> {
    match call::int_option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? {
        libc::AF_INET => {}
        libc::AF_INET6 => call::set_int_option(fd, libc::IPPROTO_IPV6, v6, 1)?,
        _ => return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
    // On an IPv6 socket too: it may have IPv4 peers. A raw one has none, and takes no option of IPv4.
    match call::set_int_option(fd, libc::IPPROTO_IP, v4, 1) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
        set => set,
    }
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

/// Reads what the kernel has written beside one datagram.
pub(super) fn read(written: &[u8]) -> Ancillary {
    let mut told = Ancillary::default();
    for message in control::messages(written) {
        match message.known() {
            Some(ControlMessage::Arrival(arrival)) => told.arrival = Some(arrival),
            Some(ControlMessage::TrafficClass(class)) => told.is_answer = is_answer_class(class),
            Some(ControlMessage::Ttl(reach)) => told.reach = Some(reach),
            Some(ControlMessage::Lost(lost)) => told.lost = lost,
            Some(ControlMessage::Credentials(whose)) => told.user = Some(whose.uid),
            _ => {}
        }
    }
    told
}

/// Writes the control message that makes a datagram leave from `source`; how many bytes it has.
pub(super) fn write(control: &mut Control, source: IpAddr) -> usize {
    control::put_source(control, source, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_fit_into_the_room() {
        let others = 2 * control::space(size_of::<i32>()) + control::space(size_of::<u32>());
        assert!(control::LARGEST_SOURCE + others <= size_of::<Control>());
    }
}
