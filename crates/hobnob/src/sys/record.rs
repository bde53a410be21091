//! One record or datagram at a time, with its true length, and the end of a seqpacket conversation told from an
//! empty record (recvmsg(2), socket(7) `SO_TIMESTAMP`).
//!
//! `recv` answers 0 for both. With `SO_TIMESTAMP` set, the kernel hands a time out with every record, also an empty one,
//! and none at the end. `SO_PASSCRED` would tell the two apart as well, but gives a nameless socket an abstract name.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{call, check_length};

/// The words that a control message with a time takes: 16 bytes of head, 16 of seconds and microseconds.
const TIME: usize = 4;

/// One record or datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Bytes that are in the buffer.
    pub kept: usize,
    /// Bytes that it had.
    pub length: usize,
}

impl Record {
    /// Whether it was larger than the buffer, so that its tail is lost.
    pub fn is_truncated(&self) -> bool {
        self.length > self.kept
    }
}

/// Makes the kernel mark each record, so that [`receive`] can tell an empty one from the end.
pub(crate) fn mark_records(fd: BorrowedFd<'_>) -> io::Result<()> {
    call::set_int_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMP, 1)
}

/// Receives one record of a seqpacket socket on which [`mark_records`] was called; none at the end.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: i32,
) -> io::Result<Option<Record>> {
    let (record, is_marked) = receive_marked(fd, buf, flags)?;
    Ok((record.length > 0 || is_marked).then_some(record))
}

/// Receives one datagram, which may be empty: datagram sockets have no end.
pub(crate) fn receive_datagram(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: i32,
) -> io::Result<Record> {
    let length = call::recv(fd, buf, flags | libc::MSG_TRUNC)?;
    Ok(Record { kept: length.min(buf.len()), length })
}

fn receive_marked(fd: BorrowedFd<'_>, buf: &mut [u8], flags: i32) -> io::Result<(Record, bool)> {
    // Room for the time and for nothing else: it comes first, and descriptors that a peer sends along and that find no
    // room are closed by the kernel, not opened in this process.
    let mut control = [0_u64; TIME];
    let mut part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: a msghdr is integers and pointers, for which all-zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    let flags = flags | libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header leads to the buffer and to `control`, both ours for the call.
    let length = check_length(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) })?;
    Ok((Record { kept: length.min(buf.len()), length }, header.msg_controllen > 0))
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::{AsFd, OwnedFd};

    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

    use super::*;

    /// A pair whose second end marks records.
    fn pair() -> (OwnedFd, OwnedFd) {
        let (ours, theirs) = call::pair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0).expect("a pair");
        mark_records(theirs.as_fd()).expect("a Unix socket");
        (ours, theirs)
    }

    fn next(fd: &OwnedFd) -> Option<Record> {
        receive(fd.as_fd(), &mut [0; 8], libc::MSG_DONTWAIT).expect("something is there")
    }

    #[test]
    fn an_empty_record_is_not_the_end() {
        let (ours, theirs) = pair();
        for bytes in [&b""[..], b"abc", b""] {
            call::send(ours.as_fd(), bytes, 0).expect("sent");
        }
        assert_eq!(next(&theirs), Some(Record { kept: 0, length: 0 }));
        assert_eq!(next(&theirs), Some(Record { kept: 3, length: 3 }));
        assert_eq!(next(&theirs), Some(Record { kept: 0, length: 0 }));
        let error = receive(theirs.as_fd(), &mut [0; 8], libc::MSG_DONTWAIT);
        assert_eq!(error.expect_err("nothing is there").kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_shutdown_and_a_close_are_the_end_now_and_later() {
        let (ours, theirs) = pair();
        call::send(ours.as_fd(), b"", 0).expect("sent");
        call::shutdown(ours.as_fd(), libc::SHUT_WR).expect("shut down");
        assert_eq!(next(&theirs), Some(Record { kept: 0, length: 0 }));
        assert_eq!((next(&theirs), next(&theirs)), (None, None));
        let (ours, theirs) = pair();
        call::send(ours.as_fd(), b"", 0).expect("sent");
        drop(ours);
        assert_eq!(next(&theirs), Some(Record { kept: 0, length: 0 }));
        assert_eq!((next(&theirs), next(&theirs)), (None, None));
    }

    #[test]
    fn records_that_came_before_the_marking_count_too() {
        let (ours, theirs) = call::pair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0).expect("a pair");
        call::send(ours.as_fd(), b"", 0).expect("sent");
        drop(ours);
        mark_records(theirs.as_fd()).expect("a Unix socket");
        assert_eq!(next(&theirs), Some(Record { kept: 0, length: 0 }));
        assert_eq!(next(&theirs), None);
    }

    #[test]
    fn a_cut_record_tells_its_true_length_and_the_next_one_is_whole() {
        let (ours, theirs) = pair();
        call::send(ours.as_fd(), &[1; 9_000], 0).expect("sent");
        call::send(ours.as_fd(), b"next", 0).expect("sent");
        let cut = next(&theirs).expect("a record");
        assert_eq!((cut.kept, cut.length, cut.is_truncated()), (8, 9_000, true));
        assert_eq!(next(&theirs), Some(Record { kept: 4, length: 4 }));
    }

    #[test]
    fn descriptors_that_a_peer_sends_along_are_not_opened_here() {
        let (ours, theirs) = pair();
        let (gift, kept) = std::io::pipe().expect("a pipe");
        let rights = [kept.as_raw_fd()];
        sendmsg::<()>(
            ours.as_raw_fd(),
            &[IoSlice::new(b"x")],
            &[ControlMessage::ScmRights(&rights)],
            MsgFlags::empty(),
            None,
        )
        .expect("sent");
        assert_eq!(next(&theirs), Some(Record { kept: 1, length: 1 }));
        drop(kept);
        // With the last writer gone the pipe ends; a descriptor that had arrived would hold it open.
        let mut gift = gift;
        assert_eq!(std::io::Read::read(&mut gift, &mut [0; 1]).expect("the end"), 0);
    }

    #[test]
    fn a_nameless_socket_that_marks_records_stays_nameless() {
        use crate::address::Address;
        let (_ours, theirs) = pair();
        let name = || call::local_name(theirs.as_fd()).expect("a socket").address();
        assert_eq!(name(), Address::Unnamed);
        call::send(theirs.as_fd(), b"x", 0).expect("sent");
        assert_eq!(name(), Address::Unnamed);
    }
}
