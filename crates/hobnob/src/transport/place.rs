//! Where a transport binds or connects.

use std::net::SocketAddr;

use crate::address::Address;
use crate::endpoint::{Host, Target};
use crate::error::{Error, Kind, Result};
use crate::socket::option::{self, SocketOption};
use crate::socket::{Family, Socket, Type, host};
use crate::spec::{self, OptionSpec, Options, ValueKind};
use crate::transport::Terms;

/// Where a conn that is dialled comes from.
pub const SOURCE: OptionSpec = OptionSpec {
    name: "source",
    kind: ValueKind::IpAddress,
    default: "",
    help: "the address of this machine that dials, with its port if that matters (bind(2))",
};

/// What is to be bound or connected: a target and the options, checked against the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Host and port, path, name.
    pub target: Target,
    /// The transport's own options.
    pub options: Options,
}

impl Place {
    /// Host and port; port 0 where the transport has no ports. A plan gives a transport of the forms `host:port` and `host`
    /// nothing else.
    pub fn host_and_port(&self) -> Result<(&Host, u16)> {
        match &self.target {
            Target::Net { host, port } => Ok((host, port.unwrap_or(0))),
            _ => Err(Error::new(Kind::Bug, "planned without a host")),
        }
    }

    /// What the host and port stand for, in the family that the terms ask for.
    pub async fn addresses(&self, terms: &Terms) -> Result<Vec<SocketAddr>> {
        let (host, port) = self.host_and_port()?;
        host::addresses(host, port, terms.family, terms.resolver_watcher()).await
    }

    /// Opens a socket, with the options set that are its own. `protocol` 0 is the usual one of the family and type. An
    /// option of IPv6 is refused where the host is an address of IPv4.
    pub fn open(&self, family: Family, kind: Type, protocol: i32, terms: &Terms) -> Result<Socket> {
        self.check_family()?;
        let socket = Socket::open(family, kind, protocol, terms.watcher())?;
        option::apply(&socket, &self.options)?;
        Ok(socket)
    }

    /// Of a name, or of no host at all, sockets of both families may come, and the option is for one of them.
    fn check_family(&self) -> Result<()> {
        let option = SocketOption::V6Only.row().spec.name;
        match &self.target {
            Target::Net { host: Host::V4(ip), .. } if self.options.is_given(option) => {
                let text = format!("{option} is for IPv6, and {ip} is an address of IPv4");
                let error = Error::new(Kind::BadOption, text);
                Err(error.hint_topic("sockets", "which families there are"))
            }
            _ => Ok(()),
        }
    }

    /// What the host and port stand for, where somebody is to be dialled: only addresses that the source can reach.
    pub async fn destinations(&self, terms: &Terms) -> Result<Vec<SocketAddr>> {
        let mut all = self.addresses(terms).await?;
        let Some(source) = self.source() else { return Ok(all) };
        all.retain(|address| address.is_ipv4() == source.is_ipv4());
        if all.is_empty() {
            let family = host::family_of(&source).name();
            let text = format!("the source {} is of the family {family}", source.ip());
            let error = Error::new(Kind::BadAddress, text);
            return Err(error.why("no address that was to be dialled is of that family"));
        }
        Ok(all)
    }

    /// Opens a socket that is to dial this address, bound to the source if there is one. `protocol` as in
    /// [`open`](Self::open).
    pub fn open_towards(
        &self,
        to: &SocketAddr,
        kind: Type,
        protocol: i32,
        terms: &Terms,
    ) -> Result<Socket> {
        let socket = self.open(host::family_of(to), kind, protocol, terms)?;
        if let Some(source) = self.source() {
            // What helps somebody who listens helps nobody here.
            socket.bind(&Address::Ip(source)).map_err(Error::without_hints)?;
        }
        Ok(socket)
    }

    fn source(&self) -> Option<SocketAddr> {
        self.options.text(SOURCE.name).and_then(spec::parse_ip)
    }

    /// Binds each of the addresses, and tells which of them this machine does not have.
    pub async fn bind_each(
        &self,
        terms: &Terms,
        bind: impl Fn(SocketAddr) -> Result<Socket>,
    ) -> Result<Vec<Socket>> {
        let (sockets, missing) = host::bind_all(&self.addresses(terms).await?, bind)?;
        terms.leave_out(&missing);
        Ok(sockets)
    }

    /// The address family, where the target alone says it.
    pub fn family(&self) -> Option<Family> {
        match &self.target {
            Target::Net { host: Host::V4(_), .. } => Some(Family::V4),
            Target::Net { host: Host::V6 { .. }, .. } => Some(Family::V6),
            Target::Path(_) | Target::Abstract(_) => Some(Family::Unix),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bus::Bus;
    use crate::clock::Clock;
    use crate::conn::demux::PeerLimits;
    use crate::transport::Own;

    fn terms() -> Terms {
        Terms {
            family: None,
            timeout: Duration::from_secs(1),
            observer: None,
            bus: Bus::new(Clock::start(), 1),
            peers: PeerLimits::default(),
            own: Own::default(),
        }
    }

    const OPTIONS: &[OptionSpec] = &[option::spec(SocketOption::V6Only, "")];

    #[test]
    fn an_option_of_ipv6_is_refused_where_only_ipv4_can_come() {
        let mut options = Options::of(OPTIONS);
        options.set(OPTIONS, "v6only", None).expect("a switch");
        let opened = |host| {
            let target = Target::Net { host, port: Some(0) };
            let place = Place { target, options: options.clone() };
            place.open(Family::V4, Type::Stream, 0, &terms()).map(drop)
        };
        let error = opened(Host::V4(std::net::Ipv4Addr::LOCALHOST)).expect_err("it has none");
        assert_eq!((error.kind(), error.hints().len()), (Kind::BadOption, 1));
        assert_eq!(opened(Host::Name("localhost".to_owned())), Ok(()), "it may be of both");
    }

    #[test]
    fn a_socket_is_opened_with_the_protocol_that_is_asked_for() {
        let place = Place { target: Target::Nothing, options: Options::default() };
        let open = |protocol| place.open(Family::V4, Type::Datagram, protocol, &terms());
        for protocol in [0, libc::IPPROTO_UDP] {
            open(protocol).expect("datagrams are UDP");
        }
        let error = open(libc::IPPROTO_TCP).expect_err("TCP has no datagrams");
        assert_eq!(error.errno(), Some(libc::EPROTONOSUPPORT));
    }
}
