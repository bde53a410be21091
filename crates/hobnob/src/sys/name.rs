//! Socket names as the kernel writes them, and as we do.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::size_for_kernel;
use crate::address::Address;
use crate::error::{Error, Kind, Result};

/// The bytes that a Unix path or an abstract name may have; `sun_path` holds one more for its NUL (unix(7)).
pub(crate) const PATH_LIMIT: usize = 107;
/// The families as a name carries them, in 16 bits.
const INET: libc::sa_family_t = family(libc::AF_INET);
const INET6: libc::sa_family_t = family(libc::AF_INET6);
const UNIX: libc::sa_family_t = family(libc::AF_UNIX);
/// Where `sun_path` begins.
const PATH_AT: usize = std::mem::offset_of!(libc::sockaddr_un, sun_path);

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are 1, 2 and 10")]
const fn family(number: libc::c_int) -> libc::sa_family_t {
    number as libc::sa_family_t
}

/// A socket name: `sockaddr_storage` with the length that counts.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    storage: libc::sockaddr_storage,
    length: libc::socklen_t,
}

impl Name {
    /// Room for the kernel to write a name into.
    pub(crate) fn empty() -> Self {
        // SAFETY: sockaddr_storage is plain integers, for which all-zero is a value.
        let storage = unsafe { std::mem::zeroed() };
        Name { storage, length: size_for_kernel::<libc::sockaddr_storage>() }
    }

    /// The kernel's form of an address. [`Address::Unnamed`] becomes the bare family, which asks bind for a name.
    pub(crate) fn of(address: &Address) -> Result<Self> {
        match address {
            Address::Ip(SocketAddr::V4(v4)) => Ok(Self::v4(v4)),
            Address::Ip(SocketAddr::V6(v6)) => Ok(Self::v6(v6)),
            Address::Path(path) => Self::path(path),
            Address::Abstract(name) => Self::hidden(name),
            Address::Unnamed => Ok(Self::unix(&[])),
            Address::Name(name) => Err(Error::new(
                Kind::DoesNotFit,
                format!("{name} is a name inside this program, not an address of the kernel"),
            )),
        }
    }

    /// What the kernel wrote, in our form. No allocation for IP addresses.
    pub(crate) fn address(&self) -> Address {
        let length = self.length as usize;
        // recvfrom leaves the name empty where the peer has none.
        if length < size_of::<libc::sa_family_t>() {
            return Address::Unnamed;
        }
        match self.storage.ss_family {
            INET => Address::Ip(self.read_v4()),
            INET6 => Address::Ip(self.read_v6()),
            UNIX => self.read_unix(length),
            family => Address::name(&format!("family {family}")),
        }
    }

    /// Whether it is a Unix name.
    pub(crate) fn is_unix(&self) -> bool {
        self.storage.ss_family == UNIX
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }

    /// All of its storage, for structures that have a name within.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the storage is plain integers, all of which were set.
        unsafe {
            let all = (&raw const self.storage).cast::<u8>();
            std::slice::from_raw_parts(all, size_of::<libc::sockaddr_storage>())
        }
    }

    pub(crate) fn length(&self) -> libc::socklen_t {
        self.length
    }

    /// For calls that write name and length: a length beyond the storage (a cut name) counts as the storage's.
    pub(crate) fn set_length(&mut self, length: libc::socklen_t) {
        self.length = length.min(size_for_kernel::<libc::sockaddr_storage>());
    }

    fn v4(address: &SocketAddrV4) -> Self {
        let mut name = Self::empty();
        let raw = libc::sockaddr_in {
            sin_family: INET,
            sin_port: address.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
            sin_zero: [0; 8],
        };
        // SAFETY: sockaddr_storage is larger than, and aligned for, every sockaddr (RFC 3493, 3.10).
        unsafe { (&raw mut name.storage).cast::<libc::sockaddr_in>().write(raw) };
        name.length = size_for_kernel::<libc::sockaddr_in>();
        name
    }

    fn v6(address: &SocketAddrV6) -> Self {
        let mut name = Self::empty();
        let raw = libc::sockaddr_in6 {
            sin6_family: INET6,
            sin6_port: address.port().to_be(),
            sin6_flowinfo: address.flowinfo(),
            sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
            sin6_scope_id: address.scope_id(),
        };
        // SAFETY: as in `v4`.
        unsafe { (&raw mut name.storage).cast::<libc::sockaddr_in6>().write(raw) };
        name.length = size_for_kernel::<libc::sockaddr_in6>();
        name
    }

    fn path(path: &Path) -> Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.is_empty() || bytes.contains(&0) {
            return Err(Error::new(
                Kind::BadAddress,
                "a Unix socket path is not empty and has no NUL",
            ));
        }
        if bytes.len() > PATH_LIMIT {
            return Err(too_long("a unix socket path", bytes.len())
                .hint_endpoint("unix:@name", "or a shorter path"));
        }
        // With its NUL: without one, getsockname of old kernels runs into what lies behind (unix(7), BUGS).
        let mut with_nul = [0; PATH_LIMIT + 1];
        with_nul[..bytes.len()].copy_from_slice(bytes);
        Ok(Self::unix(&with_nul[..=bytes.len()]))
    }

    fn hidden(name: &[u8]) -> Result<Self> {
        if name.len() > PATH_LIMIT {
            return Err(too_long("an abstract socket name", name.len()));
        }
        let mut with_nul = [0; PATH_LIMIT + 1];
        with_nul[1..=name.len()].copy_from_slice(name);
        Ok(Self::unix(&with_nul[..=name.len()]))
    }

    fn unix(sun_path: &[u8]) -> Self {
        let mut name = Self::empty();
        name.storage.ss_family = UNIX;
        // SAFETY: callers pass at most 108 bytes, and the storage has 126 behind the family.
        unsafe {
            let to = name.as_mut_ptr().cast::<u8>().add(PATH_AT);
            std::ptr::copy_nonoverlapping(sun_path.as_ptr(), to, sun_path.len());
        }
        name.length = u32::try_from(PATH_AT + sun_path.len()).expect("at most 110");
        name
    }

    fn read_v4(&self) -> SocketAddr {
        // SAFETY: the family says sockaddr_in; the storage is larger and aligned for it, and all of it was set.
        let raw = unsafe { (&raw const self.storage).cast::<libc::sockaddr_in>().read() };
        let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
        SocketAddrV4::new(ip, u16::from_be(raw.sin_port)).into()
    }

    fn read_v6(&self) -> SocketAddr {
        // SAFETY: as in `read_v4`, for sockaddr_in6.
        let raw = unsafe { (&raw const self.storage).cast::<libc::sockaddr_in6>().read() };
        let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
        let port = u16::from_be(raw.sin6_port);
        SocketAddrV6::new(ip, port, raw.sin6_flowinfo, raw.sin6_scope_id).into()
    }

    fn read_unix(&self, length: usize) -> Address {
        let count = length.saturating_sub(PATH_AT);
        // SAFETY: `length` is within the storage (`set_length`), and all of the storage was set.
        let bytes =
            unsafe { std::slice::from_raw_parts(self.as_ptr().cast::<u8>().add(PATH_AT), count) };
        match bytes {
            [] => Address::Unnamed,
            [0, name @ ..] => Address::Abstract(Arc::from(name)),
            path => {
                let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
                Address::path(Path::new(OsStr::from_bytes(&path[..end])))
            }
        }
    }
}

fn too_long(what: &str, length: usize) -> Error {
    let message = format!("{what} holds {PATH_LIMIT} bytes, this one has {length}");
    Error::new(Kind::PathTooLong, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_survives_the_way_through_the_kernels_form() {
        let long = "/".repeat(PATH_LIMIT);
        for address in [
            Address::Ip("127.0.0.1:9000".parse().expect("an address")),
            Address::Ip("[fe80::1%7]:9000".parse().expect("an address")),
            Address::path("/tmp/x.sock"),
            Address::path(long),
            Address::Abstract(Arc::from(&b"a\0b"[..])),
            Address::Unnamed,
        ] {
            assert_eq!(Name::of(&address).expect("it fits").address(), address);
        }
    }

    #[test]
    fn what_does_not_fit_is_said_so() {
        let kind = |address: Address| Name::of(&address).err().map(|error| error.kind());
        assert_eq!(kind(Address::path("x".repeat(108))), Some(Kind::PathTooLong));
        assert_eq!(kind(Address::Abstract(Arc::from(&[1; 108][..]))), Some(Kind::PathTooLong));
        assert_eq!(kind(Address::path("a\0b")), Some(Kind::BadAddress));
        assert_eq!(kind(Address::path("")), Some(Kind::BadAddress));
        assert_eq!(kind(Address::name("memory:x")), Some(Kind::DoesNotFit));
    }

    #[test]
    fn a_name_that_the_kernel_left_empty_is_unnamed() {
        let mut name = Name::empty();
        name.set_length(0);
        assert_eq!(name.address(), Address::Unnamed);
    }
}
