//! What is bound: where peers and people find it.

use crate::address::Address;
use crate::endpoint::Endpoint;
use crate::socket;

/// A bound endpoint.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The transport's name.
    pub transport: &'static str,
    /// Where it is bound; with port 0, the port that the kernel gave.
    pub address: Address,
    /// The endpoint as it was planned.
    pub endpoint: Endpoint,
    /// The endpoint as who dials it says it: what its layers need there, in place of what they were told here.
    pub dialled: Endpoint,
    /// The door of the service that it leads to; empty for a service with one.
    pub door: &'static str,
}

/// Where we are bound; a wildcard stands for each address of this machine.
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
