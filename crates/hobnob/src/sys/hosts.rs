//! `gethostbyname2_r(3)` and `gethostbyaddr_r(3)`: the forms that several threads may call. They alone tell a host's other
//! names.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

use super::resolve::LookUpError;

/// What a look-up may fill with names and addresses.
const MOST: usize = 1 << 20;

// libc's own, which the crate libc does not declare (glibc, musl).
unsafe extern "C" {
    fn gethostbyname2_r(
        name: *const c_char,
        family: c_int,
        entry: *mut libc::hostent,
        room: *mut c_char,
        length: libc::size_t,
        found: *mut *mut libc::hostent,
        reason: *mut c_int,
    ) -> c_int;
    fn gethostbyaddr_r(
        address: *const c_void,
        length: libc::socklen_t,
        family: c_int,
        entry: *mut libc::hostent,
        room: *mut c_char,
        length_of_room: libc::size_t,
        found: *mut *mut libc::hostent,
        reason: *mut c_int,
    ) -> c_int;
}

/// A host as the resolver's files and name servers have it.
#[derive(Debug)]
pub(crate) struct RawHost {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// The host of this name, with its addresses of `AF_INET` or `AF_INET6`. Blocks.
pub(crate) fn by_name(name: &str, family: i32) -> Result<RawHost, LookUpError> {
    // A NUL in a name is a name that does not exist.
    let name = CString::new(name).map_err(|_| failed(NOT_FOUND, 0))?;
    look(|entry, room, length, found, reason| {
        // SAFETY: the name ends with NUL, and `look` vouches for the rest.
        unsafe { gethostbyname2_r(name.as_ptr(), family, entry, room, length, found, reason) }
    })
}

/// The host that has this address. Blocks.
pub(crate) fn by_address(ip: IpAddr) -> Result<RawHost, LookUpError> {
    let (bytes, length, family) = match ip {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), 4, libc::AF_INET),
        IpAddr::V6(v6) => (v6.octets(), 16, libc::AF_INET6),
    };
    // Those of IPv4 are the last four of the mapped address.
    let bytes = &bytes[16 - length..];
    let length = libc::socklen_t::try_from(length).expect("4 or 16");
    look(|entry, room, size, found, reason| {
        let address = bytes.as_ptr().cast();
        // SAFETY: the address has `length` bytes, and `look` vouches for the rest.
        unsafe { gethostbyaddr_r(address, length, family, entry, room, size, found, reason) }
    })
}

type Found = *mut *mut libc::hostent;

fn look(
    find: impl Fn(*mut libc::hostent, *mut c_char, usize, Found, *mut c_int) -> c_int,
) -> Result<RawHost, LookUpError> {
    let mut room = vec![0_u8; 1_024];
    loop {
        let (mut found, mut reason) = (ptr::null_mut(), 0);
        // SAFETY: a hostent is integers and pointers, for which all-zero is a value.
        let mut entry: libc::hostent = unsafe { std::mem::zeroed() };
        let (at, length) = (room.as_mut_ptr().cast(), room.len());
        let errno = find(&raw mut entry, at, length, &raw mut found, &raw mut reason);
        if errno == libc::ERANGE && room.len() < MOST {
            room.resize(room.len() * 2, 0);
            continue;
        }
        // SAFETY: null, or the entry, whose lists and strings are in the room.
        return match unsafe { found.as_ref() } {
            // SAFETY: as above, and the room is still there.
            Some(entry) if errno == 0 => Ok(unsafe { read(entry) }),
            _ => Err(failed(reason, errno)),
        };
    }
}

/// # Safety
/// The entry was filled by the resolver, and what it leads to is still there.
unsafe fn read(entry: &libc::hostent) -> RawHost {
    // SAFETY: every entry of both lists, and the name, is a string.
    let text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    let address = |at: *const c_char| match entry.h_addrtype {
        // SAFETY: an address of this family has four bytes.
        libc::AF_INET => Ipv4Addr::from(unsafe { at.cast::<[u8; 4]>().read_unaligned() }).into(),
        // SAFETY: the other family's has sixteen.
        _ => Ipv6Addr::from(unsafe { at.cast::<[u8; 16]>().read_unaligned() }).into(),
    };
    // SAFETY: both lists end with null.
    let (aliases, addresses) = unsafe { (list(entry.h_aliases), list(entry.h_addr_list)) };
    RawHost {
        name: text(entry.h_name),
        aliases: aliases.into_iter().map(text).collect(),
        addresses: addresses.into_iter().map(address).collect(),
    }
}

/// # Safety
/// Null, or a list of pointers that ends with null.
unsafe fn list(mut at: *mut *mut c_char) -> Vec<*const c_char> {
    let mut all = Vec::new();
    // SAFETY: the caller vouches for it.
    while let Some(one) = unsafe { at.as_ref() }.filter(|one| !one.is_null()) {
        all.push(one.cast_const());
        // SAFETY: this one was not the last.
        at = unsafe { at.add(1) };
    }
    all
}

/// `h_errno` of netdb.h.
const NOT_FOUND: i32 = 1;
const TRY_AGAIN: i32 = 2;
const NO_RECOVERY: i32 = 3;
const NO_DATA: i32 = 4;

/// The same reason by the number that getaddrinfo(3) has for it.
fn failed(reason: i32, errno: i32) -> LookUpError {
    let number = match reason {
        NOT_FOUND => libc::EAI_NONAME,
        TRY_AGAIN => libc::EAI_AGAIN,
        NO_RECOVERY => libc::EAI_FAIL,
        NO_DATA => libc::EAI_NODATA,
        _ => libc::EAI_SYSTEM,
    };
    LookUpError { number, errno: (number == libc::EAI_SYSTEM && errno != 0).then_some(errno) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_host_of_its_own_name() {
        let host = by_name("127.0.0.1", libc::AF_INET).expect("a number");
        assert_eq!((host.name.as_str(), host.aliases.len()), ("127.0.0.1", 0));
        assert_eq!(host.addresses, [IpAddr::from([127, 0, 0, 1])]);
        let host = by_name("::1", libc::AF_INET6).expect("a number");
        assert_eq!(host.addresses, [IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    }

    #[test]
    fn loopback_has_the_name_that_leads_to_it() {
        let host = by_address(IpAddr::from([127, 0, 0, 1])).expect("in /etc/hosts");
        assert_eq!(host.addresses, [IpAddr::from([127, 0, 0, 1])]);
        let back = by_name(&host.name, libc::AF_INET).expect("the same file");
        assert!(back.addresses.iter().any(IpAddr::is_loopback), "{:?}", back.addresses);
    }

    #[test]
    fn what_cannot_be_a_name_is_none() {
        let error = by_name("a\0b", libc::AF_INET).expect_err("no such name");
        assert_eq!(error.number, libc::EAI_NONAME);
        assert!(by_name("", libc::AF_INET).is_err());
    }
}
