//! What routers and peers say of packets of ours that did not arrive (ip(7) `IP_RECVERR`, ipv6(7) `IPV6_RECVERR`).
//!
//! The kernel keeps it in a queue of the socket, beside the errno that the next call is given. Reading it needs no right.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{call, check_length};

/// Bytes of a packet that came back which are kept. A router sends back at least 8 behind the IP header (RFC 792), most of
/// them more.
const KEPT: usize = 64;
/// Room for the control message: its head, the error of 16 bytes, and the larger address of 28.
const CONTROL: usize = 8;
/// Bytes of a `sock_extended_err`.
const ERROR: usize = 16;
/// Who has said it: this machine itself (`SO_EE_ORIGIN_LOCAL`).
const LOCAL: u8 = 1;

/// What was said of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Who has said it; none where it was this machine.
    pub by: Option<IpAddr>,
    /// The errno that it comes to.
    pub errno: i32,
    /// The ICMP type; 0 where this machine has said it.
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
    /// The packet's first bytes behind its IP header, and on UDP behind that of UDP, as far as they came back.
    pub packet: Vec<u8>,
}

impl Objection {
    /// Whether a router has it dropped because it had passed as many as it may (ICMP time exceeded).
    pub fn is_out_of_reach(&self) -> bool {
        let kind = match self.by {
            Some(IpAddr::V4(_)) => 11,
            Some(IpAddr::V6(_)) => 3,
            None => return false,
        };
        self.kind == kind && self.code == 0
    }
}

/// Asks the kernel to keep what is said of this IP socket's packets from now on.
pub fn ask_for_objections(fd: BorrowedFd<'_>) -> io::Result<()> {
    match call::int_option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? {
        libc::AF_INET => {}
        libc::AF_INET6 => call::set_int_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?,
        _ => return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
    }
    // On an IPv6 socket too: it may have an IPv4 peer.
    let both = call::set_int_option(fd, libc::IPPROTO_IP, libc::IP_RECVERR, 1);
    // A raw one has none, and takes no option of IPv4.
    match both {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
        set => set,
    }
}

/// What was said since this was last asked, in order; waits for nothing.
pub fn objections(fd: BorrowedFd<'_>) -> impl Iterator<Item = Objection> + '_ {
    std::iter::from_fn(move || {
        loop {
            match next(fd) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What the kernel says of other things, such as timestamps, is skipped.
                Ok(None) => {}
                said => return said.ok().flatten(),
            }
        }
    })
}

fn next(fd: BorrowedFd<'_>) -> io::Result<Option<Objection>> {
    let (mut packet, mut control) = ([0; KEPT], [0_u64; CONTROL]);
    let mut part = libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() };
    // SAFETY: a msghdr is integers and pointers, for which all-zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header leads to the packet and to `control`, both ours for the call.
    let length = check_length(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) })?;
    // SAFETY: the kernel has written the header, and its control buffer is still here.
    let told = unsafe { control_message(&header) };
    let packet = &packet[..length.min(KEPT)];
    Ok(told.and_then(|told| read(told, packet)))
}

/// The error's control message.
///
/// # Safety
/// `header.msg_control` points at `msg_controllen` bytes that the kernel has written, which outlive the answer.
unsafe fn control_message(header: &libc::msghdr) -> Option<&[u8]> {
    // SAFETY: the caller vouches for the control buffer; the macros stay within its length.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(header);
        while !at.is_null() {
            if let (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) =
                ((*at).cmsg_level, (*at).cmsg_type)
            {
                let length = (*at).cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
                let room = header.msg_controllen.saturating_sub(libc::CMSG_LEN(0) as usize);
                return Some(std::slice::from_raw_parts(libc::CMSG_DATA(at), length.min(room)));
            }
            at = libc::CMSG_NXTHDR(header, at);
        }
    }
    None
}

/// A `sock_extended_err`, and behind it the address of who has said it. None where it is cut.
fn read(told: &[u8], packet: &[u8]) -> Option<Objection> {
    let (error, offender) = told.split_first_chunk::<ERROR>()?;
    let [e0, e1, e2, e3, origin, kind, code, ..] = *error;
    let errno = u32::from_ne_bytes([e0, e1, e2, e3]).cast_signed();
    let is_local = origin == LOCAL;
    Some(Objection {
        by: if is_local { None } else { address(offender) },
        errno,
        kind: if is_local { 0 } else { kind },
        code: if is_local { 0 } else { code },
        packet: packet.to_vec(),
    })
}

/// The IP address of a `sockaddr`: behind the family and the port, and on IPv6 the flow.
fn address(name: &[u8]) -> Option<IpAddr> {
    let (family, rest) = name.split_first_chunk::<2>()?;
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => rest.get(2..)?.first_chunk::<4>().map(|ip| Ipv4Addr::from(*ip).into()),
        libc::AF_INET6 => rest.get(6..)?.first_chunk::<16>().map(|ip| Ipv6Addr::from(*ip).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_closed_port_objects_and_what_was_sent_comes_back() {
        for (at, gone) in [("127.0.0.1:0", "127.0.0.1:0"), ("[::1]:0", "[::1]:0")] {
            let to = UdpSocket::bind(gone).and_then(|gone| gone.local_addr()).expect("a free port");
            let socket = UdpSocket::bind(at).expect("a free port");
            ask_for_objections(socket.as_fd()).expect("an IP socket");
            socket.connect(to).expect("no packet");
            assert_eq!(objections(socket.as_fd()).next(), None);
            for packet in [b"one", b"two"] {
                // The second one is told of the first.
                while socket.send(packet).is_err() {}
            }
            let said: Vec<_> = std::iter::from_fn(|| {
                socket.recv(&mut [0; 8]).expect_err("nobody answers");
                objections(socket.as_fd()).next()
            })
            .take(2)
            .collect();
            assert_eq!(said.iter().map(|said| said.by).collect::<Vec<_>>(), [Some(to.ip()); 2]);
            assert!(said.iter().all(|said| said.errno == libc::ECONNREFUSED));
            assert!(said.iter().all(|said| !said.is_out_of_reach()));
            assert_eq!(
                (said[0].packet.as_slice(), said[1].packet.as_slice()),
                (&b"one"[..], &b"two"[..])
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn crafted_control_messages_are_read_or_refused(mut told in prop::collection::vec(any::<u8>(), 0..64), family in 0..12_u8) {
            if told.len() > ERROR + 1 {
                told[ERROR..ERROR + 2].copy_from_slice(&u16::from(family).to_ne_bytes());
            }
            prop_assert_eq!(read(&told, b"x").is_some(), told.len() >= ERROR);
        }
    }
}
