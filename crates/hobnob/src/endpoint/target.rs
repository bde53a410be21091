//! What a transport is to open.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// What a transport is to open, in the form that its row in the table asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A host, with a port where the transport has ports.
    Net {
        /// Where.
        host: Host,
        /// 0 to 65535; 0 asks the kernel. None for a transport without ports.
        port: Option<u16>,
    },
    /// A path, of a socket or of a file; never empty, without NUL; of a socket at most 107 bytes.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without its leading NUL: 1 to 107 bytes of any kind (unix(7)).
    Abstract(Vec<u8>),
    /// A program to run.
    Command(Command),
    /// A descriptor: 0 to 2147483647.
    Number(u32),
    /// A plain name.
    Name(String),
    /// The transport needs no more than its name.
    Nothing,
}

/// A host as it was named; nothing is resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// None was named: this machine alone, 127.0.0.1 and `::1`.
    Loopback,
    /// A name to look up: at most 253 bytes; may hold letters beyond ASCII.
    Name(String),
    /// An IPv4 address, `0.0.0.0` for every interface.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6 {
        /// The address; `::` for every interface.
        address: Ipv6Addr,
        /// The interface after `%`, by name or number (RFC 4007).
        zone: Option<String>,
    },
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A line for the shell.
    Line(String),
    /// The program and its arguments as they stand; at least one word.
    Argv(Vec<String>),
}

/// As it stands before `:port`: IPv6 in brackets, loopback as nothing at all.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Loopback => Ok(()),
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => write!(f, "{address}"),
            Host::V6 { address, zone: None } => write!(f, "[{address}]"),
            Host::V6 { address, zone: Some(zone) } => {
                // `%25eth0` is how RFC 6874 spells `%eth0`, so a zone that looks like it says its 25 twice.
                let mark = if super::host::is_escaped_zone(zone) { "%25" } else { "%" };
                write!(f, "[{address}{mark}{zone}]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_print_as_they_stand_before_a_port() {
        let address = "fe80::1".parse().expect("an IPv6 address");
        let zoned = |zone: &str| Host::V6 { address, zone: Some(zone.to_owned()) }.to_string();
        assert_eq!(zoned("eth0"), "[fe80::1%eth0]");
        assert_eq!(zoned("25eth0"), "[fe80::1%2525eth0]");
        assert_eq!(zoned("25"), "[fe80::1%25]");
        assert_eq!(Host::Loopback.to_string(), "");
    }
}
