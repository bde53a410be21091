//! A kernel socket that keeps borders, connected to its one peer: seqpacket, and datagram sockets that dialled.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use crate::conn::lookout::Lookout;
use crate::conn::wire::{aborted, failed};
use crate::conn::{Channel, too_long_to_receive};
use crate::error::{Advice, Error, Kind, Result};
use crate::socket::{AsyncSocket, Shutdown, SocketState, interface_addresses};

/// What the medium does about ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketEnds {
    /// It has them: seqpacket. An empty record and the end are told apart.
    Has,
    /// It has none: datagrams. An empty one is a message like any other.
    HasNone,
}

/// A connected packet socket. Empty once it was aborted.
pub struct Packets {
    socket: Option<AsyncSocket>,
    ends: PacketEnds,
    is_over: bool,
    /// The kernel has said that the peer tore it down; it says so once.
    was_reset: bool,
    lookout: Lookout,
}

impl Packets {
    /// Around a connected socket.
    pub fn new(socket: AsyncSocket, ends: PacketEnds) -> Self {
        let lookout = Lookout::default();
        Packets { socket: Some(socket), ends, is_over: false, was_reset: false, lookout }
    }

    fn socket(&self) -> Result<&AsyncSocket> {
        self.socket.as_ref().ok_or_else(aborted)
    }
}

impl Channel for Packets {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        if self.is_over {
            return Poll::Ready(Ok(None));
        }
        let socket = self.socket()?;
        let record = match self.ends {
            PacketEnds::Has => ready!(socket.poll_recv_record(cx, buf)),
            PacketEnds::HasNone => ready!(socket.poll_recv_datagram(cx, buf)).map(Some),
        };
        let record = record.map_err(|error| refused(socket, error))?;
        self.is_over = record.is_none();
        Poll::Ready(match record {
            Some(record) if record.is_truncated() => {
                Err(too_long_to_receive(record.length, buf.len()))
            }
            record => Ok(record.map(|record| record.kept)),
        })
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let socket = self.socket()?;
        Poll::Ready(ready!(socket.poll_send(cx, buf)).map_err(|error| refused(socket, error)))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        if self.ends == PacketEnds::HasNone {
            return Poll::Ready(Ok(()));
        }
        match self.socket()?.shutdown(Shutdown::Write) {
            Err(error) if error.errno() != Some(libc::ENOTCONN) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn abort(&mut self) {
        self.socket = None;
    }

    /// Of datagrams nothing can be told: an error of theirs is about one packet.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.ends == PacketEnds::HasNone {
            return Poll::Pending;
        }
        let Some(socket) = &self.socket else { return Poll::Ready(Err(aborted())) };
        if !self.was_reset {
            let gone = |state: SocketState| {
                (state.has_failed || state.is_hung_up).then_some(state.has_failed)
            };
            self.was_reset = ready!(self.lookout.poll(cx, socket.socket().as_fd(), gone));
        }
        let reset = std::io::Error::from_raw_os_error(libc::ECONNRESET);
        Poll::Ready(if self.was_reset { Err(failed("poll", &reset)) } else { Ok(()) })
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }
}

/// A refusal of a datagram comes later than the datagram, from the other machine, and can name the port.
fn refused(socket: &AsyncSocket, error: Error) -> Error {
    let peer = socket.socket().peer_address().ok().and_then(|peer| peer.ip());
    match peer {
        Some(peer) if error.kind() == Kind::ConnectionRefused => explained(error, peer),
        _ => error,
    }
}

fn explained(error: Error, peer: SocketAddr) -> Error {
    let text = format!("nothing listens on udp port {} of {}", peer.port(), peer.ip());
    let why = "the machine answered with ICMP port unreachable, so the address is right; the port is closed";
    let error = error.with_message(text).why(why);
    // On another machine nothing can be served from here.
    if !peer.ip().is_loopback() && !interface_addresses().contains(&peer.ip()) {
        return error;
    }
    let echo = Advice::Serve { service: "echo", at: Some(format!("udp://{peer}")), with: None };
    error.hint(echo, "to have something there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_to_be_served_on_another_machine() {
        let refused = |at: &str| {
            let error = Error::new(Kind::ConnectionRefused, "refused");
            explained(error, at.parse().expect("an address"))
        };
        assert_eq!(refused("127.0.0.1:9").hints().len(), 1);
        assert!(refused("203.0.113.9:9").hints().is_empty());
    }
}
