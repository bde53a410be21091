//! A bound datagram socket: its packets answered in batches, or handed to a demux, which deals them out to a conn per
//! peer.

use std::task::{Context, Poll, ready};

use crate::address::Address;
use crate::bus::{Bus, Seldom};
use crate::conn::demux::{DatagramRules, Demux};
use crate::conn::incoming::{answer_from, asked, incoming, message, refusal, tell_lost};
use crate::conn::listener::{Accepted, Answer, BatchAnswered, Datagram, Datagrams, Listener, Many};
use crate::conn::users::Users;
use crate::error::{Error, Kind, Result};
use crate::socket::{AsyncSocket, Batch, Outgoing, Socket};

pub use crate::conn::incoming::prepare;

/// A bound datagram socket. It joins the runtime that is entered when it is first polled.
pub struct DatagramListener {
    address: Address,
    /// The socket until it has joined a runtime.
    socket: Option<Socket>,
    rules: Option<DatagramRules>,
    batch: Option<Batching>,
    /// What removes the path of a Unix socket.
    claim: Option<Box<dyn Send>>,
}

impl DatagramListener {
    /// Around a bound socket. `claim` is dropped with it: what removes the path of a Unix socket.
    pub fn new(socket: Socket, rules: DatagramRules, claim: Option<Box<dyn Send>>) -> Result<Self> {
        let bound = socket.local_address()?;
        let address = if rules.is_raw { bound.without_port() } else { bound };
        Ok(DatagramListener {
            address,
            socket: Some(socket),
            rules: Some(rules),
            batch: None,
            claim,
        })
    }
}

impl Listener for DatagramListener {
    fn address(&self) -> Address {
        self.address.clone()
    }

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Accepted> {
        let (Some(socket), Some(rules)) = (self.socket.take(), self.rules.take()) else {
            return Poll::Ready(Accepted::NoMore);
        };
        Poll::Ready(match Demux::new(socket, self.address.clone(), rules, self.claim.take()) {
            Ok(demux) => Accepted::Many(Many { peer: None, listener: Box::new(demux) }),
            Err(error) => Accepted::Failed(error),
        })
    }

    fn datagrams(&mut self) -> Option<&mut dyn Datagrams> {
        Some(self)
    }
}

/// What answering in batches needs; made when it begins.
struct Batching {
    socket: AsyncSocket,
    incoming: Batch,
    outgoing: Outgoing,
    users: Option<Users>,
    are_trusted: bool,
    is_raw: bool,
    bus: Bus,
    seldom: Seldom,
}

impl DatagramListener {
    fn batching(&mut self) -> Result<&mut Batching> {
        if self.batch.is_none() {
            let gone = || Error::new(Kind::ConnectionBroken, "the socket was handed to a demux");
            let (socket, rules) =
                (self.socket.take().ok_or_else(gone)?, self.rules.take().ok_or_else(gone)?);
            let socket = AsyncSocket::new(socket)?;
            let incoming = incoming(&socket, &self.address, rules.users.as_ref())?;
            self.batch = Some(Batching {
                socket,
                incoming,
                outgoing: Outgoing::new(),
                users: rules.users,
                are_trusted: rules.peers.are_trusted,
                is_raw: rules.is_raw,
                bus: rules.bus,
                seldom: Seldom::default(),
            });
        }
        self.batch.as_mut().ok_or_else(|| Error::new(Kind::Bug, "the batch was just made"))
    }
}

impl Datagrams for DatagramListener {
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        answer: &mut dyn FnMut(&Datagram<'_>, &mut Vec<u8>) -> Answer,
    ) -> Poll<Result<BatchAnswered>> {
        let bound = self.address.clone();
        let Batching { socket, incoming, outgoing, users, is_raw, bus, seldom, .. } =
            self.batching()?;
        let received = ready!(socket.poll_recv_batch(cx, incoming))?;
        tell_lost(bus, seldom, &bound, incoming.take_lost());
        let mut answered = BatchAnswered { received, dropped: 0 };
        for packet in incoming.iter() {
            if packet.is_truncated() {
                bus.drop_by("packet-size", 1);
                continue;
            }
            let Some(bytes) = message(&packet, *is_raw) else {
                bus.drop_by("packet-header", 1);
                continue;
            };
            let local = asked(&packet, &bound);
            let refused = refusal(&packet, users.as_ref());
            let peer = &packet.peer;
            let datagram = Datagram { peer, local: &local, bytes, refused };
            if answer(&datagram, outgoing.draft()) == Answer::Send
                && outgoing.commit(&packet.peer, answer_from(&local, &bound)).is_err()
            {
                answered.dropped += 1;
            }
        }
        if !outgoing.is_empty() {
            let sent = socket.try_send_batch(outgoing, &mut |_, error| {
                if !is_the_peers_own(&error) {
                    seldom.failed(bus, 0, &bound, Error::from_io("sendto()", &error));
                }
            });
            answered.dropped += sent.failed + sent.left;
        }
        Poll::Ready(Ok(answered))
    }

    fn try_send(&mut self, local: &Address, to: &Address, bytes: &[u8]) -> Result<()> {
        let from = answer_from(local, &self.address);
        self.batching()?.socket.try_send_from(bytes, from, to).map(drop)
    }

    fn trusts_sources(&self) -> bool {
        let before = self.rules.as_ref().map(|rules| rules.peers.are_trusted);
        before.or(self.batch.as_ref().map(|batch| batch.are_trusted)).unwrap_or(false)
    }
}

/// A Unix peer whose queue is full, that is gone, or whose path is: its answer counts as dropped, which is all that
/// there is to tell. It could ask a thousand times a second.
fn is_the_peers_own(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, WouldBlock};
    matches!(error.kind(), WouldBlock | ConnectionRefused | NotFound)
}
