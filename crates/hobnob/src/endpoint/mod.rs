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

mod ports;

use crate::spec::Spec;

pub use ports::well_known_port;

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
