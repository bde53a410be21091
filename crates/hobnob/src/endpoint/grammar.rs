//! The words that endpoints are made of.

use super::protocol;
use crate::spec::Spec;

/// The transport of an endpoint that names none.
pub(super) const DEFAULT_TRANSPORT: &str = "tcp";
/// The transport of a bare path.
pub(super) const PATH_TRANSPORT: &str = "unix";
/// The transport of `-`.
pub(super) const DASH_TRANSPORT: &str = "stdio";

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

impl Grammar {
    /// What follows this transport's name; none if there is no such transport.
    pub fn form(&self, transport: &str) -> Option<Form> {
        self.transports.iter().find(|(spec, _)| spec.name == transport).map(|(_, form)| *form)
    }

    /// Whether there is such a layer.
    pub fn has_layer(&self, name: &str) -> bool {
        self.layers.iter().any(|spec| spec.name == name)
    }

    /// Every word that a stack may hold: layers, transports and the schemes of URLs.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        let layers = self.layers.iter().map(|spec| spec.name);
        let transports = self.transports.iter().map(|(spec, _)| spec.name);
        let schemes = protocol::SCHEMES.iter().map(|scheme| scheme.word);
        let schemes = schemes.filter(|word| !self.has_layer(word));
        layers.chain(transports).chain(schemes)
    }

    /// Those of the words that mean something in this build.
    pub fn built_in(&self) -> impl Iterator<Item = &'static str> {
        let has_layer =
            |name: &str| self.layers.iter().any(|spec| spec.name == name && spec.is_built_in);
        let has_transport = |name: &str| {
            self.transports.iter().any(|(spec, _)| spec.name == name && spec.is_built_in)
        };
        self.words().filter(move |word| match protocol::Scheme::of(word) {
            Some(scheme) => scheme.layers.iter().all(|layer| has_layer(layer)),
            None => has_layer(word) || has_transport(word),
        })
    }
}
