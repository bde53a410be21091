//! From a host as a person names it to addresses, and sockets bound on all of them with one port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use super::{Family, Observer, Socket, look_up_async};
use crate::address::Address;
use crate::endpoint::Host;
use crate::error::{Error, Kind, Result};

/// How often another free port is tried, until one is free on every address.
const PORT_TRIES: usize = 32;

/// The addresses of a host, of one family if one is asked for. The order is that of the resolver; this machine is
/// 127.0.0.1 and `::1`.
pub async fn addresses(
    host: &Host,
    port: u16,
    family: Option<Family>,
    observer: Option<Arc<dyn Observer>>,
) -> Result<Vec<SocketAddr>> {
    let all = match host {
        Host::Loopback => vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect(),
        Host::V4(address) => vec![SocketAddr::new(IpAddr::V4(*address), port)],
        Host::V6 { address, zone } => {
            let scope = match zone.as_deref() {
                Some(zone) => scope_of(zone)?,
                None if address.is_unicast_link_local() => {
                    return Err(without_scope(*address, port));
                }
                None => 0,
            };
            vec![SocketAddr::V6(SocketAddrV6::new(*address, port, 0, scope))]
        }
        Host::Name(name) => look_up_async(name, port, family, observer).await?,
    };
    let wanted = |address: &SocketAddr| match family {
        Some(Family::V4) => address.is_ipv4(),
        Some(Family::V6) => address.is_ipv6(),
        _ => true,
    };
    let found: Vec<_> = all.into_iter().filter(wanted).collect();
    if found.is_empty() {
        let family = family.map_or("", Family::name);
        let text = format!("{host} has no address of the family {family}");
        return Err(Error::new(Kind::BadAddress, text).why("-4 and -6 ask for one family only"));
    }
    Ok(found)
}

/// A link-local address is one of every link, so that without the interface it names nobody (RFC 4007, 6).
fn without_scope(address: Ipv6Addr, port: u16) -> Error {
    let text = format!("{address} does not say of which interface it is");
    let error = Error::new(Kind::BadAddress, text);
    let all = super::interfaces().unwrap_or_default();
    let is_of_a_link =
        |one: &&super::Interface| one.is_up && !one.addresses.iter().any(IpAddr::is_loopback);
    let names: Vec<_> = all.iter().filter(is_of_a_link).map(|one| one.name.as_str()).collect();
    let first = names.first().copied().unwrap_or("eth0");
    error
        .why(format!(
            "every link has addresses like it; say the interface, as in [{address}%{first}]:{port}"
        ))
        .why(match names.as_slice() {
            [] => "no interface of this machine is up but loopback".to_owned(),
            names => format!("the interfaces here are: {}", names.join(", ")),
        })
}

/// The number of an interface, given by name or number (RFC 4007).
fn scope_of(zone: &str) -> Result<u32> {
    if let Ok(number) = zone.parse() {
        return Ok(number);
    }
    nix::net::if_::if_nametoindex(zone).map_err(|errno| {
        let error = std::io::Error::from_raw_os_error(errno as i32);
        let text = format!("there is no interface {zone:?} here");
        let all = super::interfaces().unwrap_or_default();
        let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
        let error = Error::new(Kind::BadAddress, text)
            .with_call(format!("if_nametoindex({zone:?})"), &error);
        error.why(format!("the interfaces here are: {}", names.join(", ")))
    })
}

/// Opens a socket on each address, all with one port; with port 0 until one is free on all of them. If one of them
/// is taken, none stays open. An address family that this machine does not have is left out, and its addresses are
/// the second value; an error only where none is left.
pub fn bind_all(
    addresses: &[SocketAddr],
    open: impl Fn(SocketAddr) -> Result<Socket>,
) -> Result<(Vec<Socket>, Vec<SocketAddr>)> {
    let mut tries = PORT_TRIES;
    loop {
        match bind_once(addresses, &open) {
            Err(error)
                if error.kind() == Kind::PortInUse && addresses[0].port() == 0 && tries > 0 =>
            {
                tries -= 1;
            }
            done => return done,
        }
    }
}

fn bind_once(
    addresses: &[SocketAddr],
    open: &impl Fn(SocketAddr) -> Result<Socket>,
) -> Result<(Vec<Socket>, Vec<SocketAddr>)> {
    let (mut sockets, mut missing) = (Vec::new(), Vec::new());
    let mut port = addresses[0].port();
    let mut last = None;
    for address in addresses {
        // The scope of a link-local address is part of it.
        let mut at = *address;
        at.set_port(port);
        match open(at) {
            Ok(socket) => {
                port = socket.local_address()?.ip().map_or(port, |bound| bound.port());
                sockets.push(socket);
            }
            Err(error) if addresses.len() > 1 && is_missing_family(&error) => {
                missing.push(*address);
                last = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match (sockets.is_empty(), last) {
        (true, Some(error)) => Err(error),
        _ => Ok((sockets, missing)),
    }
}

/// What a machine without IPv6 says of `::1`.
fn is_missing_family(error: &Error) -> bool {
    matches!(error.errno(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT))
}

/// The addresses of this machine's interfaces.
pub fn interface_addresses() -> Vec<IpAddr> {
    let all = super::interfaces().unwrap_or_default();
    all.into_iter().flat_map(|interface| interface.addresses).collect()
}

/// The family of an address.
pub fn family_of(address: &SocketAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// As [`Address`], for calls.
pub fn as_address(address: SocketAddr) -> Address {
    Address::Ip(address)
}
