//! What the resolver knows: of a host and a service, of an address, of a port.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::BitOr;

use super::names::failed;
use super::{Family, Type};
use crate::error::{Error, Kind, Result};
use crate::sys::resolve::{self, Question};
use crate::sys::services;

/// What [`address_info`] is asked beside host and service. The default asks for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressHints {
    /// This family alone.
    pub family: Option<Family>,
    /// This type alone.
    pub kind: Option<Type>,
    /// This protocol alone; 0 is any.
    pub protocol: i32,
    /// How to look.
    pub flags: LookUpFlags,
}

/// How [`address_info`] looks (getaddrinfo(3)); combined with `|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LookUpFlags(i32);

impl LookUpFlags {
    /// None.
    pub const NONE: LookUpFlags = LookUpFlags(0);
    /// Without a host, the addresses to bind in place of those to connect to.
    pub const PASSIVE: LookUpFlags = LookUpFlags(libc::AI_PASSIVE);
    /// Tell the host's canonical name with the first answer.
    pub const CANONICAL_NAME: LookUpFlags = LookUpFlags(libc::AI_CANONNAME);
    /// The host is an address, and nobody is asked.
    pub const NUMERIC_HOST: LookUpFlags = LookUpFlags(libc::AI_NUMERICHOST);
    /// The service is a number.
    pub const NUMERIC_SERVICE: LookUpFlags = LookUpFlags(libc::AI_NUMERICSERV);
    /// Where the host has no IPv6 address, its IPv4 ones in IPv6's form.
    pub const V4_MAPPED: LookUpFlags = LookUpFlags(libc::AI_V4MAPPED);
    /// With [`V4_MAPPED`](Self::V4_MAPPED): those also where it has an IPv6 address.
    pub const ALL: LookUpFlags = LookUpFlags(libc::AI_ALL);
    /// A family only where this machine has an address of it beside loopback.
    pub const CONFIGURED: LookUpFlags = LookUpFlags(libc::AI_ADDRCONFIG);

    /// The resolver's number.
    pub fn number(self) -> i32 {
        self.0
    }
}

impl BitOr for LookUpFlags {
    type Output = LookUpFlags;

    fn bitor(self, other: LookUpFlags) -> LookUpFlags {
        LookUpFlags(self.0 | other.0)
    }
}

/// One answer of [`address_info`]: what to open a socket with, and where to connect or bind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressInfo {
    /// The type; none where it is one that this library has no name for.
    pub kind: Option<Type>,
    /// The protocol.
    pub protocol: i32,
    /// The host's canonical name, with the first answer where it was asked for.
    pub canonical_name: Option<String>,
    /// The address, and the service's port. Its family is the answer's.
    pub address: SocketAddr,
}

/// Everything that the resolver has for a host, a service or both, in the order in which it is worth trying (RFC 6724).
/// Without a host it is this machine; a service is a name or a number, and without one the port is 0.
///
/// Python `getaddrinfo(host, port, family, type, proto, flags)`, C `getaddrinfo(3)`. It blocks for as long as the resolver
/// asks (resolv.conf(5)).
///
/// # Errors
/// `Kind::HostNotFound`, with the resolver's `EAI_NONAME`, `EAI_SERVICE`, `EAI_BADFLAGS` ... as the outcome.
///
/// ```
/// use hobnob::socket::{AddressHints, LookUpFlags, Type, address_info};
/// let hints = AddressHints { kind: Some(Type::Stream), flags: LookUpFlags::PASSIVE, ..AddressHints::default() };
/// let to_bind = address_info(None, Some("8080"), hints)?;
/// assert!(to_bind.iter().all(|info| info.address.ip().is_unspecified() && info.protocol == 6));
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn address_info(
    host: Option<&str>,
    service: Option<&str>,
    hints: AddressHints,
) -> Result<Vec<AddressInfo>> {
    let question = Question {
        host,
        service,
        family: hints.family.map_or(libc::AF_UNSPEC, Family::number),
        kind: hints.kind.map_or(0, Type::number),
        protocol: hints.protocol,
        flags: hints.flags.number(),
    };
    let answers = resolve::ask(&question).map_err(|error| {
        let call = format!("getaddrinfo({}, {})", Quoted(host), Quoted(service));
        failed(&call, host.or(service).unwrap_or_default(), hints.family, error)
    })?;
    let info = |answer: resolve::ResolverAnswer| AddressInfo {
        kind: Type::of_number(answer.kind),
        protocol: answer.protocol,
        canonical_name: answer.canonical,
        address: answer.address,
    };
    Ok(answers.into_iter().map(info).collect())
}

struct Quoted<'a>(Option<&'a str>);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => write!(f, "{text:?}"),
            None => f.write_str("None"),
        }
    }
}

/// The first IPv4 address of a host.
///
/// Python `gethostbyname`, C `gethostbyname(3)`, which knows no IPv6 and is not for several threads; here it is
/// `getaddrinfo(3)`. It blocks for as long as the resolver asks. [`look_up`](super::look_up) has all addresses.
///
/// # Errors
/// As of [`address_info`].
///
/// ```
/// assert_eq!(hobnob::socket::host_by_name("localhost")?, std::net::Ipv4Addr::LOCALHOST);
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn host_by_name(host: &str) -> Result<Ipv4Addr> {
    // As gethostbyname and Python have it, an empty name is this machine's unspecified address.
    if host.is_empty() {
        return Ok(Ipv4Addr::UNSPECIFIED);
    }
    let hints = AddressHints { family: Some(Family::V4), ..AddressHints::default() };
    let found = address_info(Some(host), None, hints)?;
    let first = found.iter().find_map(|info| match info.address {
        SocketAddr::V4(v4) => Some(*v4.ip()),
        SocketAddr::V6(_) => None,
    });
    first.ok_or_else(|| Error::new(Kind::HostNotFound, format!("{host:?} has no IPv4 address")))
}

/// How [`name_info`] answers (getnameinfo(3)); combined with `|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NameFlags(i32);

impl NameFlags {
    /// None.
    pub const NONE: NameFlags = NameFlags(0);
    /// The address as text, and nobody is asked.
    pub const NUMERIC_HOST: NameFlags = NameFlags(libc::NI_NUMERICHOST);
    /// The port as a number.
    pub const NUMERIC_SERVICE: NameFlags = NameFlags(libc::NI_NUMERICSERV);
    /// An error where the address has no name, in place of the address as text.
    pub const NAME_REQUIRED: NameFlags = NameFlags(libc::NI_NAMEREQD);
    /// Of hosts of this machine's own domain, the first word alone.
    pub const NO_DOMAIN: NameFlags = NameFlags(libc::NI_NOFQDN);
    /// The service of a datagram port, which may be another than that of the stream port.
    pub const DATAGRAM: NameFlags = NameFlags(libc::NI_DGRAM);
}

impl BitOr for NameFlags {
    type Output = NameFlags;

    fn bitor(self, other: NameFlags) -> NameFlags {
        NameFlags(self.0 | other.0)
    }
}

/// The names of an address and of its port; what has no name, as a number.
///
/// Python `getnameinfo`, C `getnameinfo(3)`. It blocks for as long as the resolver asks. Whoever owns the address says what
/// it is called, and may lie.
///
/// # Errors
/// `Kind::HostNotFound` (`EAI_NONAME`) with [`NameFlags::NAME_REQUIRED`], `EAI_AGAIN` where no name server answers.
///
/// ```
/// use hobnob::socket::{NameFlags, name_info};
/// let numbers = NameFlags::NUMERIC_HOST | NameFlags::NUMERIC_SERVICE;
/// let names = name_info(([127, 0, 0, 1], 80).into(), numbers)?;
/// assert_eq!(names, ("127.0.0.1".to_owned(), "80".to_owned()));
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn name_info(of: SocketAddr, flags: NameFlags) -> Result<(String, String)> {
    resolve::name_info(&of, flags.0)
        .map_err(|error| failed(&format!("getnameinfo({of})"), &of.to_string(), None, error))
}

/// The port that a service is known for, over this protocol (`tcp`, `udp`), or over any.
///
/// Python `getservbyname`, C `getservbyname(3)`, here its form for several threads. It reads /etc/services, or whatever
/// nsswitch.conf(5) says.
///
/// # Errors
/// `Kind::NotFound` where none is known; `Kind::System`, if the file cannot be read.
///
/// ```
/// use hobnob::{error::Kind, socket::service_port};
/// assert_eq!(service_port("no-such-service", Some("tcp")).unwrap_err().kind(), Kind::NotFound);
/// ```
pub fn service_port(name: &str, protocol: Option<&str>) -> Result<u16> {
    let found = services::port(name, protocol);
    let found = found.map_err(|error| Error::from_io("getservbyname_r", &error))?;
    found.ok_or_else(|| {
        let over = protocol.map_or(String::new(), |protocol| format!(" over {protocol:?}"));
        Error::new(Kind::NotFound, format!("no service is called {name:?}{over}"))
    })
}

/// The service that a port is known for, over this protocol (`tcp`, `udp`), or over any.
///
/// Python `getservbyport`, C `getservbyport(3)`, here its form for several threads. It reads /etc/services, or whatever
/// nsswitch.conf(5) says.
///
/// # Errors
/// `Kind::NotFound` where none is known; `Kind::System`, if the file cannot be read.
///
/// ```
/// use hobnob::socket::{service_name, service_port};
/// // Of a bare machine nothing is known.
/// if let Ok(port) = service_port("http", Some("tcp")) {
///     assert_eq!(service_name(port, Some("tcp"))?, "http");
/// }
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn service_name(port: u16, protocol: Option<&str>) -> Result<String> {
    let found = services::name(port, protocol);
    let found = found.map_err(|error| Error::from_io("getservbyport_r", &error))?;
    found.ok_or_else(|| {
        let over = protocol.map_or(String::new(), |protocol| format!(" over {protocol:?}"));
        Error::new(Kind::NotFound, format!("no service is known for port {port}{over}"))
    })
}

/// The services that a port is known for on this machine, each with the protocol that it goes over: `("domain", "tcp")`.
/// None where nothing is known, or nothing can be read.
///
/// It is [`service_name`] over TCP and UDP.
///
/// ```
/// use hobnob::socket::{known_services, service_name};
/// let over_tcp = service_name(80, Some("tcp")).ok().map(|name| (name, "tcp"));
/// let first = known_services(80).into_iter().find(|(_, protocol)| *protocol == "tcp");
/// assert_eq!(first, over_tcp);
/// ```
pub fn known_services(port: u16) -> Vec<(String, &'static str)> {
    let over = |protocol| Some((service_name(port, Some(protocol)).ok()?, protocol));
    ["tcp", "udp"].into_iter().filter_map(over).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(family: Family, flags: LookUpFlags) -> AddressHints {
        AddressHints {
            family: Some(family),
            kind: Some(Type::Stream),
            flags,
            ..AddressHints::default()
        }
    }

    fn ask(host: Option<&str>, service: Option<&str>, hints: AddressHints) -> Vec<AddressInfo> {
        address_info(host, service, hints).expect("it needs no name server")
    }

    #[test]
    fn each_type_is_an_answer_of_its_own() {
        let any = AddressHints { family: Some(Family::V4), ..AddressHints::default() };
        let found = ask(Some("127.0.0.1"), Some("53"), any);
        let kinds: Vec<_> = found.iter().map(|info| (info.kind, info.protocol)).collect();
        let all = [(Type::Stream, 6), (Type::Datagram, 17), (Type::Raw, 0)];
        assert_eq!(kinds, all.map(|(kind, protocol)| (Some(kind), protocol)));
        assert!(found.iter().all(|info| info.address.port() == 53));
    }

    #[test]
    fn flags_say_how_to_look() {
        let address = |host, family, flags| ask(host, Some("1"), hints(family, flags))[0].address;
        let passive = address(None, Family::V4, LookUpFlags::PASSIVE);
        assert_eq!(passive, "0.0.0.0:1".parse().expect("an address"));
        let active = address(None, Family::V4, LookUpFlags::NONE);
        assert_eq!(active, "127.0.0.1:1".parse().expect("an address"));
        let numeric = LookUpFlags::NUMERIC_HOST;
        let mapped = address(Some("1.2.3.4"), Family::V6, numeric | LookUpFlags::V4_MAPPED);
        assert_eq!(mapped, "[::ffff:1.2.3.4]:1".parse().expect("an address"));
        let named = LookUpFlags::CANONICAL_NAME | numeric;
        let found = ask(Some("127.0.0.1"), None, hints(Family::V4, named));
        assert_eq!(found[0].canonical_name.as_deref(), Some("127.0.0.1"));
    }

    #[test]
    fn what_is_not_to_be_looked_up_is_not() {
        let outcome = |host, service, flags| {
            let error = address_info(host, service, hints(Family::V4, flags)).expect_err("refused");
            (error.kind(), error.call().expect("a call failed").outcome.clone())
        };
        let no_name = (Kind::HostNotFound, "EAI_NONAME".to_owned());
        assert_eq!(outcome(Some("localhost"), None, LookUpFlags::NUMERIC_HOST), no_name);
        assert_eq!(outcome(None, Some("http"), LookUpFlags::NUMERIC_SERVICE), no_name);
        assert_eq!(outcome(None, None, LookUpFlags::NONE), no_name);
        let bad = (Kind::HostNotFound, "EAI_BADFLAGS".to_owned());
        assert_eq!(outcome(None, Some("1"), LookUpFlags::CANONICAL_NAME), bad);
    }
}
