//! `tcp`: bytes over IPv4 and IPv6 (RFC 9293; tcp(7)).

use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::address::Address;
use crate::conn::listener::{Accepted, Listener};
use crate::conn::watched::WatchedStream;
use crate::conn::wire::Wire;
use crate::conn::{Boxed, Channel, Conn, Facts};
use crate::endpoint::Form;
use crate::error::{Error, Kind, Result};
use crate::socket::option::{self, BACKLOG, SocketOption};
use crate::socket::{AsyncSocket, Shutdown, Socket, Type, host};
use crate::spec::{OptionSpec, Shape, Spec};
use crate::transport::{
    Place, SOURCE, Terms, Transport, TransportRow, over_ip, relays_behind, relays_of_dial,
    send_relays_along,
};

/// The row.
pub(crate) static ROW: TransportRow = TransportRow {
    spec: &Spec {
        name: "tcp",
        summary: "bytes to a host and port",
        options: OPTIONS,
        examples: &["hobnob serve echo :9000", "hobnob talk example.com:80"],
        is_built_in: true,
    },
    form: Form::HostPort,
    shape: Shape::Bytes,
    socket: Some(Type::Stream),
    has_opening: true,
    transport: Some(&Tcp),
    twins: |place| over_ip(place, Type::Stream),
};

const OPTIONS: &[OptionSpec] = &[
    BACKLOG,
    SOURCE,
    option::spec(SocketOption::NoDelay, "yes"),
    option::spec(SocketOption::KeepAlive, ""),
    option::spec(SocketOption::UserTimeout, "30s"),
    option::spec(SocketOption::ReuseAddress, "yes"),
    option::spec(SocketOption::ReusePort, ""),
    option::spec(SocketOption::Ttl, ""),
    option::spec(SocketOption::ReceiveBuffer, ""),
    option::spec(SocketOption::SendBuffer, ""),
    option::spec(SocketOption::Device, ""),
    option::spec(SocketOption::Linger, ""),
    option::spec(SocketOption::V6Only, ""),
    option::spec(SocketOption::FreeBind, ""),
];

/// The next address is tried after this long without an answer from the last (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

#[derive(Debug)]
struct Tcp;

impl Transport for Tcp {
    fn bind<'a>(&'a self, at: &'a Place, scene: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>> {
        Box::pin(async move {
            let sockets = at.bind_each(scene, |address| listen(address, at, scene)).await?;
            let listening = |socket| Ok(Box::new(Listening::new(socket, backlog_of(at))?) as _);
            sockets.into_iter().map(listening).collect()
        })
    }

    fn connect<'a>(
        &'a self,
        to: &'a Place,
        scene: &'a Terms,
        asker: Option<&'a Facts>,
    ) -> Boxed<'a, Conn> {
        Box::pin(async move {
            let hops = relays_of_dial(asker)?;
            let addresses = to.destinations(scene).await?;
            for address in &addresses {
                scene.own.check("tcp", &Address::Ip(*address))?;
            }
            let (socket, address) = race(interleave(addresses), to, scene, asker.zip(hops)).await?;
            let local = socket.local_address()?;
            // Where we went may be a wildcard, and where we came to is not. A peer that has torn it down by now has no
            // address any more; who receives is told.
            let peer = socket.peer_address().unwrap_or(Address::Ip(address));
            conn(socket, local, peer, 0)
        })
    }
}

/// Over a connected socket that does not block. Only one that is watched pays for being watched.
fn conn(socket: Socket, local: Address, peer: Address, hops: u8) -> Result<Conn> {
    let facts = Facts::new("tcp", local, peer).behind(hops);
    let channel: Box<dyn Channel> = if socket.is_watched() {
        Box::new(WatchedStream::new(AsyncSocket::new(socket)?, true))
    } else {
        let stream = TcpStream::from_std(OwnedFd::from(socket).into());
        Box::new(Wire::new(stream.map_err(|error| Error::from_io("epoll_ctl()", &error))?))
    };
    Ok(Conn::new(facts, Shape::Bytes, channel))
}

fn listen(address: SocketAddr, at: &Place, scene: &Terms) -> Result<Socket> {
    let socket = at.open(host::family_of(&address), Type::Stream, 0, scene)?;
    socket.bind(&Address::Ip(address))?;
    socket.listen(backlog_of(at))?;
    // Without it relays in a circle are not noticed, and all else is as ever.
    drop(socket.ask_for_reach());
    Ok(socket)
}

/// How many connections may wait to be accepted.
fn backlog_of(at: &Place) -> u32 {
    at.options.count(BACKLOG.name).map_or(1_024, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

/// A bound address.
struct Listening {
    listener: ListenerState,
    address: Address,
    backlog: u32,
}

enum ListenerState {
    Open(AsyncSocket),
    /// It keeps its address, and listens no more: the kernel refuses who comes.
    Shut(Socket),
    /// In between, and where the runtime has not taken it.
    Gone,
}

impl Listening {
    fn new(socket: Socket, backlog: u32) -> Result<Self> {
        let address = socket.local_address()?;
        let listener = ListenerState::Open(AsyncSocket::new(socket)?);
        Ok(Listening { listener, address, backlog })
    }

    /// Options need not be set again: an accepted socket has its listener's.
    fn accepted(&self, socket: Socket, peer: Address) -> Result<Conn> {
        // Only a wildcard has to ask where the peer came to.
        let is_wildcard = self.address.ip().is_some_and(|bound| bound.ip().is_unspecified());
        let asked = is_wildcard.then(|| socket.local_address().ok()).flatten();
        let local = asked.unwrap_or_else(|| self.address.clone());
        let hops = match (local.ip(), peer.ip()) {
            (Some(local), Some(peer)) => relays_behind(&socket, local.ip(), peer.ip()),
            _ => 0,
        };
        conn(socket, local, peer, hops)
    }
}

impl Listener for Listening {
    fn address(&self) -> Address {
        self.address.clone()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        let ListenerState::Open(listener) = &self.listener else { return Poll::Pending };
        let came = ready!(listener.poll_accept(cx));
        let conn = came.and_then(|(socket, peer)| self.accepted(socket, peer));
        Poll::Ready(conn.map_or_else(Accepted::Failed, Accepted::Conn))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.listener {
            ListenerState::Open(listener) => Some(listener.as_fd()),
            ListenerState::Shut(_) | ListenerState::Gone => None,
        }
    }

    /// A listener that is shut down for reading listens no more (tcp(7) does not say so; Linux does, `inet_shutdown`). It
    /// keeps a port that it was bound to, and not one that the kernel has chosen: that one is bound again.
    fn shut(&mut self) -> bool {
        self.listener = match std::mem::replace(&mut self.listener, ListenerState::Gone) {
            ListenerState::Open(listener) => {
                let socket = listener.into_socket();
                let is_shut = socket.shutdown(Shutdown::Read).is_ok();
                // It has its port still, as a rule, and cannot be bound a second time.
                drop(socket.bind(&self.address));
                if is_shut { ListenerState::Shut(socket) } else { opened(socket) }
            }
            door => door,
        };
        !matches!(self.listener, ListenerState::Open(_))
    }

    fn reopen(&mut self) -> Result<()> {
        if let ListenerState::Shut(socket) = &self.listener {
            socket.listen(self.backlog)?;
        }
        self.listener = match std::mem::replace(&mut self.listener, ListenerState::Gone) {
            ListenerState::Shut(socket) => opened(socket),
            door => door,
        };
        match self.listener {
            ListenerState::Open(_) => Ok(()),
            _ => Err(Error::new(Kind::System, "the listener could not be watched again")),
        }
    }
}

/// It fails only if the runtime is gone.
fn opened(socket: Socket) -> ListenerState {
    AsyncSocket::new(socket).map_or(ListenerState::Gone, ListenerState::Open)
}

/// One address of each family in turn, as the resolver ordered them (RFC 8305 section 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = [same.next(), other.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

/// Connects to whichever address answers first. A failure starts the next at once, silence after a while.
async fn race(
    addresses: Vec<SocketAddr>,
    to: &Place,
    scene: &Terms,
    behind: Option<(&Facts, u8)>,
) -> Result<(Socket, SocketAddr)> {
    let mut waiting = addresses.into_iter();
    let mut attempts = Attempts::default();
    let mut first_error: Option<Error> = None;
    loop {
        let started = waiting.next().map(|address| {
            let socket = to.open_towards(&address, Type::Stream, 0, scene);
            if let (Ok(socket), Some((asker, hops))) = (&socket, behind)
                && !to.options.is_given(SocketOption::Ttl.row().spec.name)
            {
                send_relays_along(socket, hops, asker, address.ip());
            }
            attempts.0.push(Box::pin(async move { connect(socket?, address).await }));
        });
        if started.is_none() && attempts.0.is_empty() {
            let none = || Error::new(Kind::HostNotFound, "there is no address to connect to");
            return Err(first_error.unwrap_or_else(none));
        }
        let next = poll_fn(|cx| attempts.poll_next(cx));
        let ended = match started {
            Some(()) if waiting.len() > 0 => tokio::time::timeout(STAGGER, next).await.ok(),
            _ => Some(next.await),
        };
        match ended {
            Some(Ok(connected)) => return Ok(connected),
            Some(Err(error)) => drop(first_error.get_or_insert(error)),
            None => {}
        }
    }
}

/// Attempts to connect, in one task. The task sees an attempt that has succeeded before it sees that the time is up:
/// otherwise a busy machine dials twice, and the server has a session too many.
#[derive(Default)]
struct Attempts(Vec<Boxed<'static, (Socket, SocketAddr)>>);

impl Attempts {
    /// The first that is over. Pending where all are still under way.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Socket, SocketAddr)>> {
        for at in 0..self.0.len() {
            if let Poll::Ready(ended) = self.0[at].as_mut().poll(cx) {
                drop(self.0.swap_remove(at));
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    }
}

async fn connect(socket: Socket, address: SocketAddr) -> Result<(Socket, SocketAddr)> {
    let socket = AsyncSocket::connect(socket, &Address::Ip(address)).await?;
    Ok((socket.into_socket(), address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let all: Vec<SocketAddr> = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"]
            .iter()
            .map(|a| a.parse().expect("an address"))
            .collect();
        let mixed: Vec<_> = interleave(all).iter().map(ToString::to_string).collect();
        assert_eq!(mixed, ["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"]);
    }
}
