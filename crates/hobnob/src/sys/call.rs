//! The socket calls themselves, thin: a descriptor and plain values in, `io::Result` out.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::name::Name;
use super::{check, check_length};

/// `_exit(2)`: the process is over, and nothing is flushed.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: no pointers, and nothing comes after it.
    unsafe { libc::_exit(code) }
}

/// `socket(2)`, close-on-exec.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: just opened, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `socketpair(2)`, close-on-exec.
pub(crate) fn pair(family: i32, kind: i32, protocol: i32) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: the array holds the two that are written.
    check(unsafe { libc::socketpair(family, kind, protocol, fds.as_mut_ptr()) })?;
    // SAFETY: both were just opened, and nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// `bind(2)`.
pub(crate) fn bind(fd: BorrowedFd<'_>, name: &Name) -> io::Result<()> {
    // SAFETY: the name is as long as it says.
    check(unsafe { libc::bind(fd.as_raw_fd(), name.as_ptr(), name.length()) }).map(drop)
}

/// `connect(2)`, once.
pub(crate) fn connect(fd: BorrowedFd<'_>, name: &Name) -> io::Result<()> {
    // SAFETY: the name is as long as it says.
    check(unsafe { libc::connect(fd.as_raw_fd(), name.as_ptr(), name.length()) }).map(drop)
}

/// `listen(2)`.
pub(crate) fn listen(fd: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

/// `accept4(2)`: close-on-exec; non-blocking only where `is_blocking` is false, whatever the listener is.
pub(crate) fn accept(fd: BorrowedFd<'_>, is_blocking: bool) -> io::Result<(OwnedFd, Name)> {
    let flags = libc::SOCK_CLOEXEC | if is_blocking { 0 } else { libc::SOCK_NONBLOCK };
    let mut name = Name::empty();
    let mut length = name.length();
    let fd = fd.as_raw_fd();
    // SAFETY: the name has room for `length` bytes, which outlives the call.
    let fd = check(unsafe { libc::accept4(fd, name.as_mut_ptr(), &raw mut length, flags) })?;
    name.set_length(length);
    // SAFETY: just opened, and nobody else knows it.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, name))
}

/// `recv(2)`. With `MSG_TRUNC` the answer may be larger than the buffer.
pub(crate) fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], flags: i32) -> io::Result<usize> {
    // SAFETY: the buffer is ours for the call, and as long as it says.
    check_length(unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), flags) })
}

/// `recvfrom(2)`.
pub(crate) fn recv_from(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: i32,
) -> io::Result<(usize, Name)> {
    let mut name = Name::empty();
    let mut length = name.length();
    // SAFETY: the buffer and the name are ours for the call, and as long as they say.
    let count = check_length(unsafe {
        libc::recvfrom(
            fd.as_raw_fd(),
            buf.as_mut_ptr().cast(),
            buf.len(),
            flags,
            name.as_mut_ptr(),
            &raw mut length,
        )
    })?;
    name.set_length(length);
    Ok((count, name))
}

/// `send(2)`. A broken pipe is an error and never a signal.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8], flags: i32) -> io::Result<usize> {
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: the bytes are as long as they say.
    check_length(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) })
}

/// `sendto(2)`. A broken pipe is an error and never a signal.
pub(crate) fn send_to(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    flags: i32,
    to: &Name,
) -> io::Result<usize> {
    // SAFETY: the bytes and the name are as long as they say.
    check_length(unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            flags | libc::MSG_NOSIGNAL,
            to.as_ptr(),
            to.length(),
        )
    })
}

/// `shutdown(2)`.
pub(crate) fn shutdown(fd: BorrowedFd<'_>, how: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), how) }).map(drop)
}

/// `getsockname(2)`.
pub(crate) fn local_name(fd: BorrowedFd<'_>) -> io::Result<Name> {
    let mut name = Name::empty();
    let mut length = name.length();
    // SAFETY: the name has room for `length` bytes.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), name.as_mut_ptr(), &raw mut length) })?;
    name.set_length(length);
    Ok(name)
}

/// `getpeername(2)`.
pub(crate) fn peer_name(fd: BorrowedFd<'_>) -> io::Result<Name> {
    let mut name = Name::empty();
    let mut length = name.length();
    // SAFETY: the name has room for `length` bytes.
    check(unsafe { libc::getpeername(fd.as_raw_fd(), name.as_mut_ptr(), &raw mut length) })?;
    name.set_length(length);
    Ok(name)
}

/// `setsockopt(2)` with these bytes.
pub(crate) fn set_option(
    fd: BorrowedFd<'_>,
    level: i32,
    option: i32,
    bytes: &[u8],
) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).expect("an option's value is a few bytes");
    let value = bytes.as_ptr().cast();
    // SAFETY: the bytes are as long as they say.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value, length) }).map(drop)
}

/// `getsockopt(2)` into `room`; answers how many bytes the kernel has written.
pub(crate) fn option(
    fd: BorrowedFd<'_>,
    level: i32,
    option: i32,
    room: &mut [u8],
) -> io::Result<usize> {
    let mut length = u32::try_from(room.len()).expect("an option's value is a few bytes");
    let value = room.as_mut_ptr().cast();
    // SAFETY: the room is as long as it says.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, value, &raw mut length) })?;
    Ok((length as usize).min(room.len()))
}

/// A `c_int` option.
pub(crate) fn int_option(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let mut room = [0; size_of::<i32>()];
    option(fd, level, name, &mut room)?;
    Ok(i32::from_ne_bytes(room))
}

/// Sets a `c_int` option.
pub(crate) fn set_int_option(
    fd: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: i32,
) -> io::Result<()> {
    set_option(fd, level, name, &value.to_ne_bytes())
}
