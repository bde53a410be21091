//! recvmsg(2) and sendmsg(2), whole: several buffers, the peer's name, control messages, and the flags that come back.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::control::{self, ControlMessage};
use super::name::Name;
use super::{check_length, size_for_kernel};

/// What a recvmsg(2) has brought.
pub(crate) struct RawMessage {
    /// Bytes; with `MSG_TRUNC` asked for, more than the buffers hold where the message was cut.
    pub(crate) length: usize,
    pub(crate) name: Name,
    pub(crate) control: Vec<ControlMessage>,
    /// `MSG_TRUNC`, `MSG_CTRUNC`, `MSG_EOR`, `MSG_OOB`, `MSG_ERRQUEUE`.
    pub(crate) flags: i32,
}

/// `recvmsg(2)`, with so many bytes of room for control messages. Descriptors that come along are close-on-exec; those
/// that find no room are closed by the kernel.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    parts: &mut [IoSliceMut<'_>],
    room: usize,
    flags: i32,
) -> io::Result<RawMessage> {
    let mut control = vec![0_u8; room];
    let mut name = Name::empty();
    // SAFETY: a msghdr is integers and pointers, for which all-zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = name.as_mut_ptr().cast();
    header.msg_namelen = name.length();
    // The standard library promises that an IoSliceMut is an iovec.
    header.msg_iov = parts.as_mut_ptr().cast();
    header.msg_iovlen = parts.len() as _;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = room as _;
    let flags = flags | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header leads to the name, the buffers and the room for control, all ours for the call and as long as
    // they say.
    let length = check_length(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) })?;
    name.set_length(header.msg_namelen);
    control.truncate(header.msg_controllen as _);
    // SAFETY: the kernel has just written this buffer, and nobody has read it before.
    let control = unsafe { adopt(&control) };
    Ok(RawMessage { length, name, control, flags: header.msg_flags })
}

/// The messages of a buffer, with the descriptors in it taken over.
///
/// # Safety
/// The kernel has written the buffer for a recvmsg of this process, and this is called once for it: the descriptors in
/// it are open and nobody else's.
unsafe fn adopt(buffer: &[u8]) -> Vec<ControlMessage> {
    let own = |number: RawFd| {
        // SAFETY: the caller vouches for it.
        unsafe { OwnedFd::from_raw_fd(number) }
    };
    control::messages(buffer)
        .map(|message| match message.descriptors() {
            Some(numbers) => ControlMessage::Descriptors(numbers.map(own).collect()),
            None => message.meaning(),
        })
        .collect()
}

/// `sendmsg(2)`. A broken pipe is an error and never a signal.
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    control: &[u8],
    to: Option<&Name>,
    flags: i32,
) -> io::Result<usize> {
    // SAFETY: a msghdr is integers and pointers, for which all-zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    if let Some(to) = to {
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.length();
    }
    // The standard library promises that an IoSlice is an iovec.
    header.msg_iov = parts.as_ptr().cast_mut().cast();
    header.msg_iovlen = parts.len() as _;
    if !control.is_empty() {
        header.msg_control = control.as_ptr().cast_mut().cast();
        header.msg_controllen = control.len() as _;
    }
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel only reads what the header leads to, which is as long as it says.
    check_length(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const header, flags) })
}

const _: () = assert!(size_for_kernel::<IoSlice<'_>>() == size_for_kernel::<libc::iovec>());
