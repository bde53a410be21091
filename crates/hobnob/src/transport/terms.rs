//! The terms on which a transport works: what the engine knows and a place does not say.

mod calls;

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::address::{Address, canonical};
use crate::bus::Bus;
use crate::conn::demux::PeerLimits;
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::socket::{Family, Observer, together};

/// What the engine hands to a transport beside the place.
#[derive(Clone)]
pub struct Terms {
    /// `-4`, `-6`.
    pub family: Option<Family>,
    /// How long a dial may take in all.
    pub timeout: Duration,
    /// The observer that is to see each call to the kernel.
    pub observer: Option<Arc<dyn Observer>>,
    /// The bus that notes go to.
    pub bus: Bus,
    /// How many peers a datagram socket has, and for how long.
    pub peers: PeerLimits,
    /// The addresses at which the server listens on whose behalf this is.
    pub own: Own,
}

impl Terms {
    /// Who is to see the calls on a socket that is about to be opened.
    pub fn watcher(&self) -> Option<Arc<dyn Observer>> {
        let own = self.observer.clone().filter(|observer| observer.sees_sockets());
        together(own, calls::teller(&self.bus))
    }

    /// Who is to see the resolver's calls.
    pub(super) fn resolver_watcher(&self) -> Option<Arc<dyn Observer>> {
        together(self.observer.clone(), calls::teller(&self.bus))
    }

    /// Tells that addresses are left out because this machine does not have them: no IPv6 here.
    pub(super) fn leave_out(&self, missing: &[SocketAddr]) {
        for address in missing {
            let note = format!("{} is left out: this machine does not have it", address.ip());
            self.bus.emit(0, 0, Fact::Note(note));
        }
    }
}

/// Where a server listens, each address with its transport's name: known once all is bound. A wildcard stands there as
/// each address of this machine.
#[derive(Debug, Clone, Default)]
pub struct Own(Arc<OnceLock<Vec<(&'static str, Address)>>>);

impl Own {
    /// Notes where the server listens. Only the first call counts.
    pub(crate) fn are(&self, own: Vec<(&'static str, Address)>) {
        self.0.get_or_init(|| own);
    }

    /// The addresses at which the server listens.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.0.get().into_iter().flatten().map(|(_, address)| address.clone()).collect()
    }

    /// Whether a dial to this address would come back to the server that makes it, and so go on for ever.
    pub fn check(&self, transport: &'static str, address: &Address) -> Result<()> {
        let is_own = |own: &(&str, Address)| own.0 == transport && leads_to(address, &own.1);
        if !self.0.get().into_iter().flatten().any(is_own) {
            return Ok(());
        }
        let text = format!("{transport} {address} is where this very server listens");
        Err(Error::new(Kind::Loop, text).why("each session would open the next, for ever"))
    }
}

/// Whether who dials `asked` arrives at `own`. A wildcard hears all of loopback, and dialled it is loopback; a path may
/// have many names.
fn leads_to(asked: &Address, own: &Address) -> bool {
    if let (Address::Path(asked), Address::Path(own)) = (asked, own) {
        return asked == own || is_same_file(asked, own);
    }
    let (Some(to), Some(at)) = (asked.ip(), own.ip()) else { return asked == own };
    let (there, here) = (canonical(to.ip()), canonical(at.ip()));
    let is_local = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let is_wide = there.is_unspecified() || here.is_unspecified();
    to.port() == at.port() && (there == here || is_wide && is_local(there) && is_local(here))
}

/// Whether both paths are there and are one file. The look-up of a socket's path waits for nobody.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    identity(one).is_some_and(|file| Some(file) == identity(other))
}
