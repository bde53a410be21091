//! `getaddrinfo(3)`, with the resolver's own error numbers, which std does not tell.

use std::ffi::{CStr, CString};
use std::net::SocketAddr;
use std::ptr;

use super::name::Name;

/// Why a name was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LookUpError {
    /// `EAI_*`, negative.
    pub(crate) number: i32,
    /// The errno, where the number is `EAI_SYSTEM`.
    pub(crate) errno: Option<i32>,
}

/// Looks a name up: every address once, in the resolver's order (RFC 6724). Blocks.
pub(crate) fn look_up(
    host: &str,
    port: u16,
    family: Option<i32>,
) -> Result<Vec<SocketAddr>, LookUpError> {
    // A NUL in a name is a name that does not exist.
    let none = LookUpError { number: libc::EAI_NONAME, errno: None };
    let host = CString::new(host).map_err(|_| none)?;
    // SAFETY: an addrinfo is integers and pointers, for which all-zero is a value.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = family.unwrap_or(libc::AF_UNSPEC);
    hints.ai_socktype = libc::SOCK_STREAM; // one entry per address, instead of one per address and type
    let mut first = ptr::null_mut();
    // SAFETY: the host ends with NUL, the hints are whole, and `first` takes the list.
    let number =
        unsafe { libc::getaddrinfo(host.as_ptr(), ptr::null(), &raw const hints, &raw mut first) };
    if number != 0 {
        let errno = std::io::Error::last_os_error().raw_os_error();
        return Err(LookUpError { number, errno: errno.filter(|_| number == libc::EAI_SYSTEM) });
    }
    let list = List(first);
    Ok(list.addresses().map(|address| with_port(address, port)).collect())
}

/// What a name of this machine is called (gethostname(2)).
pub(crate) fn host_name() -> std::io::Result<std::ffi::OsString> {
    Ok(nix::unistd::gethostname()?)
}

/// `EAI_NONAME` for -2.
pub(crate) fn eai_name(number: i32) -> &'static str {
    match number {
        libc::EAI_BADFLAGS => "EAI_BADFLAGS",
        libc::EAI_NONAME => "EAI_NONAME",
        libc::EAI_AGAIN => "EAI_AGAIN",
        libc::EAI_FAIL => "EAI_FAIL",
        libc::EAI_NODATA => "EAI_NODATA",
        libc::EAI_FAMILY => "EAI_FAMILY",
        libc::EAI_SOCKTYPE => "EAI_SOCKTYPE",
        libc::EAI_SERVICE => "EAI_SERVICE",
        libc::EAI_MEMORY => "EAI_MEMORY",
        libc::EAI_SYSTEM => "EAI_SYSTEM",
        libc::EAI_OVERFLOW => "EAI_OVERFLOW",
        ADDRESS_FAMILY => "EAI_ADDRFAMILY",
        _ => "EAI",
    }
}

/// `EAI_ADDRFAMILY`, which libc does not name: the host has addresses, but none of the family asked for.
const ADDRESS_FAMILY: i32 = -9;

/// The resolver's own words.
pub(crate) fn eai_text(number: i32) -> String {
    // SAFETY: gai_strerror answers a string that lives as long as the program, for every number.
    let text = unsafe { CStr::from_ptr(libc::gai_strerror(number)) };
    text.to_string_lossy().into_owned()
}

/// The resolver's list, given back when dropped.
struct List(*mut libc::addrinfo);

impl List {
    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let mut at = self.0;
        std::iter::from_fn(move || {
            // SAFETY: null or an entry of the list, which outlives the iterator.
            let entry = unsafe { at.as_ref() }?;
            at = entry.ai_next;
            Some(entry)
        })
        .filter_map(|entry| {
            let mut name = Name::empty();
            let length = (entry.ai_addrlen as usize).min(name.length() as usize);
            // SAFETY: the entry's address has ai_addrlen bytes, and the name has room for `length`.
            unsafe {
                let to = name.as_mut_ptr().cast::<u8>();
                ptr::copy_nonoverlapping(entry.ai_addr.cast::<u8>(), to, length);
            }
            name.set_length(entry.ai_addrlen);
            name.address().ip()
        })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: getaddrinfo made it, and it is given back once.
        unsafe { libc::freeaddrinfo(self.0) };
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_local_names_need_no_name_server() {
        let v4 = look_up("127.0.0.1", 9_000, None).expect("a number");
        assert_eq!(v4, ["127.0.0.1:9000".parse().expect("an address")]);
        let v6 = look_up("::1", 1, Some(libc::AF_INET6)).expect("a number");
        assert_eq!(v6, ["[::1]:1".parse().expect("an address")]);
        let local = look_up("localhost", 80, Some(libc::AF_INET)).expect("in /etc/hosts");
        assert!(local.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
    }

    #[test]
    fn a_name_that_cannot_be_is_no_name() {
        let error = look_up("a\0b", 80, None).expect_err("no such name");
        assert_eq!(eai_name(error.number), "EAI_NONAME");
        let error = look_up("::1", 80, Some(libc::AF_INET)).expect_err("of the other family");
        assert!(["EAI_ADDRFAMILY", "EAI_NONAME"].contains(&eai_name(error.number)));
    }

    #[test]
    fn every_number_has_a_name_and_words() {
        assert_eq!((eai_name(-2), eai_name(-3)), ("EAI_NONAME", "EAI_AGAIN"));
        assert!(!eai_text(libc::EAI_AGAIN).is_empty());
    }
}
