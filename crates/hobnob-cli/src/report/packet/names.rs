//! How addresses and protocols are written in the line of a packet.

use std::net::{IpAddr, SocketAddr};

/// The protocols of IP that people know by name.
const KNOWN: [(u8, &str); 6] =
    [(1, "ICMP"), (2, "IGMP"), (6, "TCP"), (17, "UDP"), (58, "ICMP6"), (132, "SCTP")];

/// The name of a protocol that IP carries.
pub(crate) fn protocol(number: u8) -> String {
    let known = KNOWN.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("protocol {number}"), |(_, name)| (*name).to_owned())
}

/// An address with its port, as it can be dialled.
pub(crate) fn end(ip: IpAddr, port: Option<u16>) -> String {
    port.map_or_else(|| ip.to_string(), |port| SocketAddr::new(ip, port).to_string())
}

/// `02:00:00:00:00:01`.
pub(super) fn mac(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}
