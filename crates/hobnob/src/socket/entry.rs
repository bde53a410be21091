//! A host with all of its names, as the resolver's older calls tell it.

use std::net::IpAddr;

use super::names::failed;
use super::{Family, host_name};
use crate::error::Result;
use crate::sys::hosts::{self, RawHost};
use crate::sys::resolve::LookUpError;

/// A host, as /etc/hosts or a name server has it (C `struct hostent`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// The name that it has first.
    pub name: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Its addresses, in the resolver's order.
    pub addresses: Vec<IpAddr>,
}

/// A host by its name, with its other names and its IPv4 addresses.
///
/// Python `gethostbyname_ex`, C `gethostbyname(3)`, here its form for several threads. It blocks for as long as the resolver
/// asks. A name that was found in the name servers has other names where it is one itself (RFC 1034, CNAME); one of
/// /etc/hosts where its line has more. [`look_up`](super::look_up) has the addresses of both families, in the order in which
/// they are worth trying.
///
/// # Errors
/// As of [`address_info`](super::address_info).
///
/// ```
/// let host = hobnob::socket::host_entry("127.0.0.1")?;
/// assert_eq!((host.name.as_str(), host.aliases.len()), ("127.0.0.1", 0));
/// assert_eq!(host.addresses, [std::net::IpAddr::from([127, 0, 0, 1])]);
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn host_entry(host: &str) -> Result<HostEntry> {
    let found = hosts::by_name(host, Family::V4.number());
    entry(found, "gethostbyname", host, Some(Family::V4))
}

/// The host that has this address, with all of its names.
///
/// Python `gethostbyaddr`, C `gethostbyaddr(3)`, here its form for several threads. It blocks for as long as the resolver
/// asks. Whoever owns the address says what it is called, and may lie. Python's takes a name, too; [`host_entry`] does that.
///
/// # Errors
/// `Kind::HostNotFound`: `EAI_NONAME` where nobody knows a name, `EAI_AGAIN` where no name server answers.
///
/// ```
/// let host = hobnob::socket::host_of_address([127, 0, 0, 1].into())?;
/// assert!(!host.name.is_empty());
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn host_of_address(ip: IpAddr) -> Result<HostEntry> {
    entry(hosts::by_address(ip), "gethostbyaddr", &ip.to_string(), None)
}

/// A host's name with its domain, as far as the resolver knows one; where it knows none, the name as it is. Empty is this
/// machine.
///
/// Python `getfqdn`; C has no such call. It is the first of the host's names that has a dot in it, and its first name where
/// none has. It blocks for as long as the resolver asks.
///
/// # Errors
/// `Kind::System`, if this machine has no name.
///
/// ```
/// use hobnob::socket::{full_host_name, host_name};
/// assert!(!full_host_name("")?.is_empty());
/// assert_eq!(full_host_name("no such name")?, "no such name");
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn full_host_name(host: &str) -> Result<String> {
    let host = match host.trim() {
        "" | "0.0.0.0" | "::" => host_name()?,
        host => host.to_owned(),
    };
    let address = match host.parse() {
        Ok(address) => Some(address),
        Err(_) => super::look_up(&host, 0, None).ok().and_then(|all| Some(all.first()?.ip())),
    };
    let Some(Ok(entry)) = address.map(host_of_address) else { return Ok(host) };
    let names = std::iter::once(&entry.name).chain(&entry.aliases);
    Ok(names.clone().find(|name| name.contains('.')).unwrap_or(&entry.name).clone())
}

fn entry(
    found: std::result::Result<RawHost, LookUpError>,
    call: &str,
    asked: &str,
    family: Option<Family>,
) -> Result<HostEntry> {
    let host =
        found.map_err(|error| failed(&format!("{call}({asked:?})"), asked, family, error))?;
    Ok(HostEntry { name: host.name, aliases: host.aliases, addresses: host.addresses })
}
