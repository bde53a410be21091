//! The five facts by which a machine tells one connection from all others (RFC 9293, section 3.1): the protocol, and an
//! address and a port on each side.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::lines::line;
use crate::report::show::safe;

/// What an address says of them.
pub(super) struct ConnectionFacts<'a> {
    /// The transport.
    pub(super) protocol: &'static str,
    /// The addresses of whoever listens; a connection has one of them.
    pub(super) addresses: &'a [IpAddr],
    /// The port of whoever listens.
    pub(super) port: u16,
    /// The address that is dialled from, where one was asked for.
    pub(super) source: Option<String>,
    /// Whether it is we who listen.
    pub(super) is_listening: bool,
}

impl ConnectionFacts<'_> {
    pub(super) fn write(&self, out: &mut String) {
        let all: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let named = if all.is_empty() { "their address".to_owned() } else { all.join(" or ") };
        let (protocol, port) = (self.protocol, self.port);
        let other = match (&self.source, self.is_listening) {
            (Some(source), _) => format!("{} and a port of yours", safe(source)),
            (None, true) => "the peer's address and port".to_owned(),
            (None, false) => "an address and a port of yours".to_owned(),
        };
        line(out, "connection", "five facts tell one from all others:");
        line(out, "", &format!("{protocol}; {named}, port {port}; {other}"));
    }

    /// What is null is known when there is a connection.
    pub(super) fn json(&self) -> Value {
        let named = json!({ "addresses": self.addresses, "port": self.port });
        let source = self.source.as_ref().map(|source| vec![source.clone()]);
        let other = json!({ "addresses": source, "port": null });
        let (here, there) = if self.is_listening { (named, other) } else { (other, named) };
        json!({ "protocol": self.protocol, "here": here, "there": there })
    }
}
