//! Whose machine is loaded: another one only where the person says that it may be.

use std::net::{IpAddr, ToSocketAddrs as _, UdpSocket};

use hobnob::endpoint::{Endpoint, Host};
use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;
use crate::job::Job;

/// Refuses a server on another machine, unless `--yes-remote` is given.
pub(super) fn check(job: &Job, endpoints: &[Endpoint]) -> Result<()> {
    if job.is_on("yes-remote") {
        return Ok(());
    }
    match endpoints.iter().find(|endpoint| !is_here(endpoint)) {
        None => Ok(()),
        Some(endpoint) => {
            let text = "this address is not on this machine, and a load may be an attack on it";
            let error = endpoint.typed().mark(Error::new(Kind::Usage, text), "whose is it?");
            Err(error.try_flag("--yes-remote", "it is yours, or its owner agrees"))
        }
    }
}

/// Whether the server is on this machine. What has no host is.
pub(super) fn is_here(endpoint: &Endpoint) -> bool {
    match endpoint.host() {
        None | Some(Host::Loopback) => true,
        Some(Host::V4(address)) => is_ours(IpAddr::V4(*address)),
        Some(Host::V6 { address, .. }) => is_ours(IpAddr::V6(*address)),
        Some(Host::Name(name)) => {
            let found = (name.as_str(), 0).to_socket_addrs();
            // One that has no address is loaded by nobody, and the dial says what is wrong with it.
            found.map_or(true, |mut all| all.all(|address| is_ours(address.ip())))
        }
    }
}

/// Whether an address is one of this machine's: those alone can be bound.
fn is_ours(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_here_may_be_loaded_without_a_word() {
        let is_here = |text: &str| is_here(&hobnob::engine::parse(text).expect(text));
        for text in [
            ":9000",
            "127.0.0.1:9000",
            "127.3.2.1:9",
            "[::1]:9000",
            "localhost:9",
            "/tmp/x",
            "0.0.0.0:9",
        ] {
            assert!(is_here(text), "{text}");
        }
        for text in ["192.0.2.1:9000", "udp://198.51.100.7:9", "http://203.0.113.9/"] {
            assert!(!is_here(text), "{text}");
        }
    }
}
