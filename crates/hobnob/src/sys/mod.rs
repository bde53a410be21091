//! The basement: what only the kernel's own interface can say. The one place with `unsafe`, and Linux only.
//!
//! It knows errors and addresses, and nothing else of ours. `socket` is its public face.
#![allow(unsafe_code, reason = "system calls; everywhere else the compiler forbids it")]

pub(crate) mod alarm;
pub(crate) mod bell;
pub(crate) mod call;
pub(crate) mod closed;
pub(crate) mod control;
pub(crate) mod group;
pub(crate) mod hangup;
pub(crate) mod hosts;
pub(crate) mod info;
pub(crate) mod message;
pub(crate) mod mmsg;
pub(crate) mod name;
pub(crate) mod objection;
pub(crate) mod packet_info;
pub(crate) mod packet_ring;
pub(crate) mod reach;
pub(crate) mod record;
pub(crate) mod resolve;
pub(crate) mod rights;
pub(crate) mod services;
pub(crate) mod splice;
pub(crate) mod terminal;
pub(crate) mod watch;
pub(crate) mod whole;

use std::io;

/// What a call that answers -1 on failure said.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for a call that answers a length.
fn check_length(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The size of a C structure, as the kernel wants to be told.
#[allow(
    clippy::cast_possible_truncation,
    reason = "no structure of the socket calls is over 4 GiB"
)]
const fn size_for_kernel<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}
