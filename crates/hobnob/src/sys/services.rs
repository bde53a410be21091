//! `getservbyname_r(3)` and `getservbyport_r(3)`: the forms that several threads may call.

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::ptr;

/// What a look-up may fill with names and aliases; glibc's own tools begin with 1,024 bytes.
const MOST: usize = 1 << 16;

// libc's own, which the crate libc does not declare (glibc, musl).
unsafe extern "C" {
    fn getservbyname_r(
        name: *const c_char,
        protocol: *const c_char,
        entry: *mut libc::servent,
        room: *mut c_char,
        length: libc::size_t,
        found: *mut *mut libc::servent,
    ) -> c_int;
    fn getservbyport_r(
        port: c_int,
        protocol: *const c_char,
        entry: *mut libc::servent,
        room: *mut c_char,
        length: libc::size_t,
        found: *mut *mut libc::servent,
    ) -> c_int;
}

/// The port of a service; none where there is no such service.
pub(crate) fn port(name: &str, protocol: Option<&str>) -> io::Result<Option<u16>> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    let find = |protocol: *const c_char, entry, room, length, found| {
        // SAFETY: the name ends with NUL, and `find` vouches for the rest.
        unsafe { getservbyname_r(name.as_ptr(), protocol, entry, room, length, found) }
    };
    // The number is the port in the network's order.
    look(protocol, find, |entry| u16::try_from(entry.s_port).map_or(0, u16::from_be))
}

/// The service of a port; none where none is known.
pub(crate) fn name(port: u16, protocol: Option<&str>) -> io::Result<Option<String>> {
    let find = |protocol: *const c_char, entry, room, length, found| {
        // SAFETY: `find` vouches for all of it.
        unsafe { getservbyport_r(port.to_be().into(), protocol, entry, room, length, found) }
    };
    look(protocol, find, |entry| {
        // SAFETY: a found entry's name is a string in the room, which is still there.
        unsafe { CStr::from_ptr(entry.s_name) }.to_string_lossy().into_owned()
    })
}

type Found = *mut *mut libc::servent;

fn look<T>(
    protocol: Option<&str>,
    find: impl Fn(*const c_char, *mut libc::servent, *mut c_char, usize, Found) -> c_int,
    read: impl Fn(&libc::servent) -> T,
) -> io::Result<Option<T>> {
    let Ok(protocol) = protocol.map(CString::new).transpose() else { return Ok(None) };
    let protocol = protocol.as_ref().map_or(ptr::null(), |protocol| protocol.as_ptr());
    let mut room = vec![0_u8; 1_024];
    loop {
        let mut found = ptr::null_mut();
        // SAFETY: a servent is integers and pointers, for which all-zero is a value.
        let mut entry: libc::servent = unsafe { std::mem::zeroed() };
        let (at, length) = (room.as_mut_ptr().cast(), room.len());
        match find(protocol, &raw mut entry, at, length, &raw mut found) {
            libc::ERANGE if room.len() < MOST => room.resize(room.len() * 2, 0),
            // SAFETY: null, or the entry, whose strings are in the room.
            0 => return Ok(unsafe { found.as_ref() }.map(read)),
            libc::ENOENT => return Ok(None), // musl's way to say it
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_found_both_ways_and_what_is_not_is_none() {
        // From /etc/services, which a bare machine does not have.
        if let Some(http) = port("http", Some("tcp")).expect("readable") {
            assert_eq!(http, 80);
            assert_eq!(name(80, Some("tcp")).expect("readable").as_deref(), Some("http"));
        }
        assert_eq!(port("no-such-service", None).expect("readable"), None);
        assert_eq!(port("a\0b", None).expect("readable"), None);
        assert_eq!(name(9, Some("no-such-protocol")).expect("readable"), None);
    }
}
