//! A bound endpoint, as peers and people find it.

use std::path::PathBuf;

use crate::address::Address;
use crate::endpoint::Endpoint;
use crate::socket;

/// A bound endpoint.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The transport's name.
    pub transport: &'static str,
    /// The address that was bound; for port 0, with the port that the kernel gave.
    pub address: Address,
    /// The endpoint as it was planned.
    pub endpoint: Endpoint,
    /// The endpoint as a client names it: with the settings that the layers need on the client's side.
    pub dialled: Endpoint,
    /// The certificate that other programs must trust to reach it, where we made the CA ourselves: a PEM file.
    pub vouched_by: Option<PathBuf>,
    /// The door of the service that the endpoint leads to; empty for a service with one door.
    pub door: &'static str,
}

/// The addresses that we are bound to, each with its transport. A wildcard stands for each address of this machine.
pub(super) fn own_addresses(bounds: &[Bound]) -> Vec<(&'static str, Address)> {
    let mut own = Vec::new();
    for Bound { transport, address, .. } in bounds {
        if let Some(ip) = address.ip().filter(|address| address.ip().is_unspecified()) {
            let here = socket::interface_addresses().into_iter();
            let here = here.map(|here| std::net::SocketAddr::new(here, ip.port()).into());
            own.extend(here.map(|here| (*transport, here)));
        }
        own.push((*transport, address.clone()));
    }
    own
}
