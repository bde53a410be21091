//! This machine's network interfaces (getifaddrs(3), netdevice(7)).

use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_indextoname, if_nametoindex};

use crate::error::{Error, Kind, Result};

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// As in `ip link`.
    pub name: String,
    /// Whether it is up.
    pub is_up: bool,
    /// Its IP addresses.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address; none where it has none, as loopback.
    pub mac: Option<[u8; 6]>,
}

/// All of them, in the kernel's order.
///
/// Python `if_nameindex`, which has names and indices alone; C `getifaddrs(3)`. It never waits.
///
/// # Errors
/// `Kind::System`, if the kernel refuses.
///
/// ```
/// let all = hobnob::socket::interfaces()?;
/// assert!(all.iter().any(|one| one.name == "lo"));
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn interfaces() -> Result<Vec<Interface>> {
    let each = getifaddrs().map_err(|errno| {
        Error::from_io("getifaddrs()", &std::io::Error::from_raw_os_error(errno as i32))
    })?;
    let mut found: Vec<Interface> = Vec::new();
    for entry in each {
        let at = found.iter().position(|known| known.name == entry.interface_name);
        let at = at.unwrap_or_else(|| {
            found.push(Interface {
                name: entry.interface_name.clone(),
                is_up: entry.flags.contains(InterfaceFlags::IFF_UP),
                addresses: Vec::new(),
                mac: None,
            });
            found.len() - 1
        });
        found[at].addresses.extend(ip(&entry));
        found[at].mac = found[at].mac.or(mac(&entry));
    }
    Ok(found)
}

/// The index of an interface, by which the kernel knows it.
///
/// Python `if_nametoindex`, C `if_nametoindex(3)`. It never waits.
///
/// # Errors
/// `Kind::NotFound` where there is none of that name.
///
/// ```
/// use hobnob::socket::{interface_index, interface_name};
/// assert_eq!(interface_name(interface_index("lo")?)?, "lo");
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn interface_index(name: &str) -> Result<u32> {
    if_nametoindex(name).map_err(|errno| {
        let message = format!("there is no interface {name:?}");
        let call = format!("if_nametoindex({name:?})");
        Error::new(Kind::NotFound, message).with_call(call, &errno.into())
    })
}

/// The name of the interface that has this index.
///
/// Python `if_indextoname`, C `if_indextoname(3)`. It never waits.
///
/// # Errors
/// `Kind::NotFound` where there is none of that index.
///
/// ```
/// use hobnob::{error::Kind, socket::interface_name};
/// assert_eq!(interface_name(0).unwrap_err().kind(), Kind::NotFound);
/// ```
pub fn interface_name(index: u32) -> Result<String> {
    // nix takes the null pointer of a failure for an answer: the name that it then gives is empty.
    let found = if_indextoname(index).ok().filter(|name| !name.is_empty());
    let name = found.ok_or_else(|| {
        let message = format!("no interface has the index {index}");
        let none = std::io::Error::from_raw_os_error(libc::ENXIO);
        Error::new(Kind::NotFound, message).with_call(format!("if_indextoname({index})"), &none)
    })?;
    Ok(name.to_string_lossy().into_owned())
}

fn ip(entry: &InterfaceAddress) -> Option<IpAddr> {
    let address = entry.address?;
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn mac(entry: &InterfaceAddress) -> Option<[u8; 6]> {
    let address = entry.address?;
    address.as_link_addr()?.addr().filter(|mac| *mac != [0; 6])
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn loopback_is_there_and_has_no_hardware() {
        let all = interfaces().expect("Linux has them");
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let loopback = all.iter().find(|one| one.addresses.contains(&here)).expect("loopback");
        assert!(loopback.is_up);
        assert_eq!(loopback.mac, None);
        for one in &all {
            let path = format!("/sys/class/net/{}/address", one.name);
            let Ok(kernel) = std::fs::read_to_string(path) else { continue };
            let own = one.mac.unwrap_or([0; 6]).map(|byte| format!("{byte:02x}")).join(":");
            let is_ethernet = kernel.trim().len() == own.len();
            assert!(!is_ethernet || kernel.trim() == own, "{} {kernel}", one.name);
        }
    }
}
