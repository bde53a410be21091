//! The calls that send, and the one that ends sending.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use nix::poll::PollFlags;

use super::observe::{Carried, DatagramList, PythonAddress, PythonBytes, none, some};
use super::timed::{Deadline, call_in_time};
use super::{Flags, Outgoing, Sent, Shutdown, Socket, explain};
use crate::address::Address;
use crate::error::Result;
use crate::sys::name::Name;
use crate::sys::{call, mmsg};

impl Socket {
    /// Sends: how many bytes the kernel has taken, which on a stream may be a part. An empty datagram is sent.
    ///
    /// Python `send`, C `send(2)`. Taken is not arrived: the bytes lie in the kernel's buffer. Blocking it waits until all
    /// of it is taken; with a timeout until a part is, that long; non-blocking it takes what there is room for at once. A
    /// broken pipe raises no signal.
    ///
    /// # Errors
    /// `Kind::TimedOut`; `Kind::WouldBlock` (`EAGAIN`); `Kind::ConnectionBroken` (`EPIPE`) and `Kind::ConnectionReset`
    /// (`ECONNRESET`) where the peer is gone; `Kind::MessageTooLong` (`EMSGSIZE`); `Kind::ConnectionRefused`, which a connected
    /// datagram socket is told of what it sent before.
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// let (one, _other) = Socket::pair(Type::Stream)?;
    /// assert_eq!(one.send(b"hello", Flags::NONE)?, 5);
    /// one.set_blocking(false)?;
    /// assert!(one.send(&vec![0; 1 << 24], Flags::NONE)? < 1 << 24, "there is not so much room");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn send(&self, bytes: &[u8], flags: Flags) -> Result<usize> {
        self.send_raw(bytes, flags)
            .map_err(|error| explain::send("send", bytes.len(), None, self.timeout(), &error))
    }

    pub(super) fn send_raw(&self, bytes: &[u8], flags: Flags) -> io::Result<usize> {
        self.send_until(bytes, flags, Deadline::of(self.timeout()))
    }

    /// Sends all of it.
    ///
    /// Python `sendall`, C `send(2)` as often as it takes. A timeout bounds the whole, not each part; a non-blocking socket
    /// fails where there is no room for all. After an error nobody knows how much went.
    ///
    /// # Errors
    /// As of [`send`](Self::send).
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// one.send_all(b"all of it")?;
    /// assert_eq!(other.recv(&mut [0; 64], Flags::NONE)?, 9);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn send_all(&self, bytes: &[u8]) -> Result<()> {
        let deadline = Deadline::of(self.timeout());
        let mut sent = 0;
        loop {
            sent += self.send_until(&bytes[sent..], Flags::NONE, deadline).map_err(|error| {
                explain::send("sendall", bytes.len(), None, self.timeout(), &error)
            })?;
            // After the call, not before it: an empty datagram is sent too.
            if sent >= bytes.len() {
                return Ok(());
            }
        }
    }

    /// Sends one datagram there.
    ///
    /// Python `sendto`, C `sendto(2)`. Modes are those of [`send`](Self::send). Nobody tells an unconnected socket that
    /// nothing listens there.
    ///
    /// # Errors
    /// As of [`send`](Self::send), and `Kind::Unreachable` (`ENETUNREACH`, `EHOSTUNREACH`, or the address is
    /// [`Address::Unnamed`]), `Kind::PermissionDenied` (`EACCES`: a broadcast address without
    /// [`SocketOption::Broadcast`](super::SocketOption::Broadcast); `EPERM`: a firewall), `Kind::NotFound` (`ENOENT`) for a path.
    ///
    /// ```
    /// use hobnob::{address::Address, socket::{Family, Flags, Socket, Type}};
    /// let receiver = Socket::new(Family::V4, Type::Datagram, 0)?;
    /// receiver.bind(&Address::Ip(([127, 0, 0, 1], 0).into()))?;
    /// let sender = Socket::new(Family::V4, Type::Datagram, 0)?;
    /// assert_eq!(sender.send_to(b"hi", Flags::NONE, &receiver.local_address()?)?, 2);
    /// assert_eq!(receiver.recv(&mut [0; 64], Flags::NONE)?, 2);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn send_to(&self, bytes: &[u8], flags: Flags, to: &Address) -> Result<usize> {
        let name = Self::reachable(to)?;
        self.send_to_raw(bytes, flags, to, &name)
            .map_err(|error| explain::send("sendto", bytes.len(), Some(to), self.timeout(), &error))
    }

    pub(super) fn send_to_raw(
        &self,
        bytes: &[u8],
        flags: Flags,
        to: &Address,
        name: &Name,
    ) -> io::Result<usize> {
        let began = self.begin();
        let result = self.in_time(PollFlags::POLLOUT, || {
            call::send_to(self.as_fd(), bytes, flags.number(), name)
        });
        let carried = Carried { flags, address: Some(to), ..sent(bytes, &result) };
        let (shown, to) = (PythonBytes(bytes), PythonAddress(to));
        let arguments = format_args!("{shown}{flags}, {to}");
        self.end_carrying(began, "sendto", arguments, some(&result.as_ref()), carried);
        result
    }

    /// Without waiting.
    pub(super) fn send_from_raw(
        &self,
        bytes: &[u8],
        from: IpAddr,
        to: &Address,
        name: &Name,
    ) -> io::Result<usize> {
        let began = self.begin();
        let result = mmsg::send_from(self.as_fd(), bytes, from, name);
        let (shown, to) = (PythonBytes(bytes), PythonAddress(to));
        let arguments = format_args!("[{shown}], [IP_PKTINFO {from}], 0, {to}");
        self.end(began, "sendmsg", arguments, some(&result.as_ref()));
        result
    }

    fn send_until(
        &self,
        bytes: &[u8],
        flags: Flags,
        deadline: Option<Deadline>,
    ) -> io::Result<usize> {
        let began = self.begin();
        let result = call_in_time(self.as_fd(), PollFlags::POLLOUT, deadline, || {
            call::send(self.as_fd(), bytes, flags.number())
        });
        let arguments = format_args!("{}{flags}", PythonBytes(bytes));
        let carried = Carried { flags, ..sent(bytes, &result) };
        self.end_carrying(began, "send", arguments, some(&result.as_ref()), carried);
        result
    }

    /// Sends a batch of datagrams without waiting, and empties it, as [`Outgoing::send`] (sendmmsg(2)).
    pub fn send_batch(
        &self,
        batch: &mut Outgoing,
        refused: &mut dyn FnMut(Address, io::Error),
    ) -> Sent {
        let began = self.begin();
        if !self.is_watched() {
            return batch.send(self.as_fd(), refused);
        }
        // Sending empties the batch.
        let copies: Vec<_> =
            batch.iter().map(|(address, bytes)| (address, bytes.to_vec())).collect();
        let sent = batch.send(self.as_fd(), refused);
        let all: Vec<_> = copies.iter().map(|(to, bytes)| (to.clone(), &bytes[..])).collect();
        let arguments = DatagramList(&all);
        let carried = Carried { datagrams: &all, ..Carried::default() };
        self.end_carrying(began, "sendmmsg", format_args!("{arguments}"), Ok(&sent.sent), carried);
        sent
    }

    /// Ends directions. Bytes that wait to be sent still go; on a datagram socket nothing is told to the peer.
    ///
    /// Python `shutdown`, C `shutdown(2)`. It never waits. After [`Shutdown::Write`], the half-close, the peer reads the end
    /// and may go on sending; after [`Shutdown::Read`] a receive answers 0, once what has come is read.
    ///
    /// # Errors
    /// `Kind::ConnectionBroken` (`ENOTCONN`) where nothing is connected, or the peer has reset it.
    ///
    /// ```
    /// use hobnob::socket::{Flags, Shutdown, Socket, Type};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// one.shutdown(Shutdown::Write)?;
    /// assert_eq!(other.recv(&mut [0; 8], Flags::NONE)?, 0, "the end");
    /// other.send_all(b"the other way is open")?;
    /// assert_eq!(one.recv(&mut [0; 64], Flags::NONE)?, 21);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        let began = self.begin();
        let result = call::shutdown(self.as_fd(), how.number());
        self.end(began, "shutdown", format_args!("{}", how.name()), none(&result));
        result.map_err(|error| explain::data(&format!("shutdown({})", how.name()), &error))
    }
}

fn sent<'a>(bytes: &'a [u8], result: &io::Result<usize>) -> Carried<'a> {
    let count = result.as_ref().copied().unwrap_or(0);
    Carried { bytes: Some(bytes), count, ..Carried::default() }
}
