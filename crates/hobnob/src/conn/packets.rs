//! A kernel socket that keeps borders, connected to its one peer: seqpacket, and datagram sockets that dialled.

use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;

use crate::conn::{Channel, too_long_to_receive};
use crate::error::{Error, Kind, Result};
use crate::socket::{Flags, How, Socket};

/// What the medium does about ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// It has them: seqpacket. An empty record and the end are told apart.
    Has,
    /// It has none: datagrams. An empty one is a message like any other.
    HasNone,
}

/// A connected packet socket. Empty once it was aborted.
pub struct Packets {
    socket: Option<AsyncFd<Socket>>,
    ends: Ends,
    is_over: bool,
    /// Removes what the socket left behind: the path of a dialling datagram socket.
    _claim: Option<Box<dyn Send>>,
}

impl Packets {
    /// Around a connected, non-blocking socket; inside a runtime. `claim` is dropped with it.
    pub fn new(socket: Socket, ends: Ends, claim: Option<Box<dyn Send>>) -> Result<Self> {
        socket.set_blocking(false)?;
        let socket = AsyncFd::new(socket).map_err(|error| Error::from_io("epoll_ctl()", &error))?;
        Ok(Packets { socket: Some(socket), ends, is_over: false, _claim: claim })
    }

    fn socket(&self) -> Result<&AsyncFd<Socket>> {
        self.socket.as_ref().ok_or_else(|| Error::new(Kind::ConnectionBroken, "the conn was aborted"))
    }
}

impl Channel for Packets {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<Option<usize>>> {
        if self.is_over {
            return Poll::Ready(Ok(None));
        }
        let socket = self.socket()?;
        loop {
            let mut guard = ready!(socket.poll_read_ready(cx)).map_err(|error| Error::from_io("epoll_wait()", &error))?;
            let record = match self.ends {
                Ends::Has => socket.get_ref().recv_record(buf, Flags::NONE),
                Ends::HasNone => socket.get_ref().recv_datagram(buf, Flags::NONE).map(Some),
            };
            return Poll::Ready(match record {
                Err(error) if error.kind() == Kind::WouldBlock => {
                    guard.clear_ready();
                    continue;
                }
                Err(error) => Err(error),
                Ok(Some(record)) if record.is_truncated() => Err(too_long_to_receive(record.length, buf.len())),
                Ok(Some(record)) => Ok(Some(record.kept)),
                Ok(None) => {
                    self.is_over = true;
                    Ok(None)
                }
            });
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let socket = self.socket()?;
        loop {
            let mut guard = ready!(socket.poll_write_ready(cx)).map_err(|error| Error::from_io("epoll_wait()", &error))?;
            match socket.get_ref().send(buf, Flags::NONE) {
                Err(error) if error.kind() == Kind::WouldBlock => guard.clear_ready(),
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        if self.ends == Ends::HasNone {
            return Poll::Ready(Ok(()));
        }
        match self.socket()?.get_ref().shutdown(How::Write) {
            Err(error) if error.errno() != Some(libc::ENOTCONN) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn abort(&mut self) {
        self.socket = None;
    }
}

