//! What routers and peers say of packets of ours that did not arrive (ip(7) `IP_RECVERR`, ipv6(7) `IPV6_RECVERR`).
//!
//! The kernel keeps it in a queue of the socket, beside the errno that the next call is given. Reading it needs no right.

use std::io::{self, IoSliceMut};
use std::os::fd::BorrowedFd;

use super::control::{ControlMessage, ErrorReport};
use super::{message, packet_info};

/// Bytes of a packet that came back which are kept. A router sends back at least 8 behind the IP header (RFC 792), most of
/// them more.
const KEPT: usize = 64;
/// Room for control messages: the report with its larger address takes 64 bytes, and what else the socket was asked to tell
/// comes before it.
const ROOM: usize = 256;

/// What was said of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// What, and by whom.
    pub report: ErrorReport,
    /// The packet's first bytes behind its IP header, and on UDP behind that of UDP, as far as they came back.
    pub packet: Vec<u8>,
}

/// Asks the kernel to keep what is said of this IP socket's packets from now on.
pub fn ask_for_objections(fd: BorrowedFd<'_>) -> io::Result<()> {
    packet_info::ask_both(fd, libc::IP_RECVERR, libc::IPV6_RECVERR)
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
    let mut packet = [0; KEPT];
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    let came = message::receive(fd, &mut [IoSliceMut::new(&mut packet)], ROOM, flags)?;
    let report = came.control.iter().find_map(|message| match message {
        ControlMessage::Report(report) => Some(*report),
        _ => None,
    });
    let packet = &packet[..came.length.min(KEPT)];
    Ok(report.map(|report| Objection { report, packet: packet.to_vec() }))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

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
            assert_eq!(
                said.iter().map(|said| said.report.reporter).collect::<Vec<_>>(),
                [Some(to.ip()); 2]
            );
            assert!(said.iter().all(|said| said.report.errno == libc::ECONNREFUSED));
            assert!(said.iter().all(|said| !said.report.is_out_of_reach()));
            assert_eq!(
                (said[0].packet.as_slice(), said[1].packet.as_slice()),
                (&b"one"[..], &b"two"[..])
            );
        }
    }
}
