//! Endpoints: what a person names. Inert text with a meaning, until a plan opens it.
//!
//! ```text
//! endpoint = "-" | URL | stack ( "://" target | ":" rest ) options | target options
//! stack    = layer *("+" layer)                  application first, wire last: ws+tls+tcp
//! target   = [host] [":" port] | port            a bare word without a port only where none makes sense
//! rest     = path | "@" name | command | number  for unix, unixgram, unixseq, exec, pty, fd, file
//! options  = *("," [layer "."] key ["=" value])
//! ```
//!
//! The parser knows no transport or layer by itself: it is given their [`Grammar`], which the tables print.

use crate::spec::Spec;

/// What follows a transport's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `host:port`, `:port` (loopback), `port`: tcp, udp, quic.
    HostPort,
    /// A host without a port: raw, icmp.
    Host,
    /// A path or `@abstract`: unix, unixgram, unixseq.
    SocketPath,
    /// A path: file.
    Path,
    /// A command line: exec, pty.
    Command,
    /// A number: fd.
    Number,
    /// A plain name: memory.
    Name,
    /// Nothing at all: stdio (`-`).
    Nothing,
}

/// The words that endpoints are made of, as the tables list them.
#[derive(Debug, Clone, Default)]
pub struct Grammar {
    /// Every layer, built in or not.
    pub layers: Vec<&'static Spec>,
    /// Every transport with the form of its target, built in or not.
    pub transports: Vec<(&'static Spec, Form)>,
}

/// What a transport is pointed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Host and port.
    Net {
        /// The host.
        host: Host,
        /// The port.
        port: Option<u16>,
    },
    /// A path of the file system.
    Path(std::path::PathBuf),
    /// A Linux abstract name, without its leading NUL.
    Abstract(Vec<u8>),
    /// A command line.
    Command(String),
    /// A number.
    Number(u32),
    /// A name.
    Name(String),
    /// Nothing: stdio.
    Nothing,
}

/// A host as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// None was typed: this machine.
    Loopback,
    /// A name to look up.
    Name(String),
    /// An IPv4 address.
    V4(std::net::Ipv4Addr),
    /// An IPv6 address.
    V6 {
        /// The address.
        address: std::net::Ipv6Addr,
        /// Its zone: `fe80::1%eth0`.
        zone: Option<String>,
    },
}
