//! Kernel-level locations: always somebody's `local` or `peer`.

mod network;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use network::Network;

/// Where one end of a conn is. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// IPv4 or IPv6 with a port.
    Ip(SocketAddr),
    /// A Unix socket bound to a path.
    Path(Arc<Path>),
    /// A Unix socket with a Linux abstract name (without its leading NUL).
    Abstract(Arc<[u8]>),
    /// A Unix socket that was never bound: an answer cannot be sent to it.
    Unnamed,
    /// A name inside this process or of no kernel: `memory:x`, `-`.
    Name(Arc<str>),
}

impl Address {
    /// A Unix path.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Address::Path(Arc::from(path.into()))
    }

    /// A plain name.
    pub fn name(name: &str) -> Self {
        Address::Name(Arc::from(name))
    }

    /// The IP address and port, where there is one.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            _ => None,
        }
    }

    /// The same without its port, where it has one.
    pub fn without_port(mut self) -> Self {
        if let Address::Ip(address) = &mut self {
            address.set_port(0);
        }
        self
    }

    /// Whether everybody who can reach it is on this machine.
    pub fn is_local_only(&self) -> bool {
        match self {
            Address::Ip(address) => canonical(address.ip()).is_loopback(),
            _ => true,
        }
    }

    /// Whether an answer can be sent to it.
    pub fn is_reachable(&self) -> bool {
        !matches!(self, Address::Unnamed)
    }
}

/// An IPv4 address mapped into IPv6 is the IPv4 address: rules are written for that one.
pub fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Where there are no ports, or none is known.
            Address::Ip(address) if address.port() == 0 => fmt_host(address, f),
            Address::Ip(address) => address.fmt(f),
            Address::Path(path) => {
                write!(f, "{}", path.as_os_str().as_encoded_bytes().escape_ascii())
            }
            Address::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
            Address::Unnamed => f.write_str("unnamed"),
            Address::Name(name) => f.write_str(name),
        }
    }
}

/// The host alone, with its scope.
fn fmt_host(address: &SocketAddr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => write!(f, "{}%{}", v6.ip(), v6.scope_id()),
        address => fmt::Display::fmt(&address.ip(), f),
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Ip(address)
    }
}
