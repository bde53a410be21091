//! Where a transport binds or connects.

use std::net::SocketAddr;

use crate::endpoint::{Host, Target};
use crate::error::{Error, Kind, Result};
use crate::socket::{Family, Socket, Type, host, option};
use crate::spec::Options;
use crate::transport::Terms;

/// What is to be bound or connected: a target and the options, checked against the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Host and port, path, name.
    pub target: Target,
    /// The transport's own options.
    pub options: Options,
}

impl Place {
    /// Host and port. A plan gives a transport of the form `host:port` nothing else.
    pub fn host_and_port(&self) -> Result<(&Host, u16)> {
        match &self.target {
            Target::Net { host, port: Some(port) } => Ok((host, *port)),
            _ => Err(Error::new(Kind::Bug, "planned without a host and port")),
        }
    }

    /// What the host and port stand for, in the family that the terms ask for.
    pub async fn addresses(&self, terms: &Terms) -> Result<Vec<SocketAddr>> {
        let (host, port) = self.host_and_port()?;
        host::addresses(host, port, terms.family, terms.observer.clone()).await
    }

    /// Opens a socket, with the options set that are its own.
    pub fn open(&self, family: Family, kind: Type, terms: &Terms) -> Result<Socket> {
        let socket = Socket::open(family, kind, 0, terms.observer.clone())?;
        option::apply(&socket, &self.options)?;
        Ok(socket)
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
