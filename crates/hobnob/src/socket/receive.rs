//! The calls that receive.

use std::io;
use std::os::fd::AsFd;

use nix::poll::PollFlags;

use super::observe::{Began, Carried, DatagramList, PythonAddress, PythonBytes, none, some};
use super::timed::{Deadline, call_in_time};
use super::{Batch, Flags, Record, Socket, explain};
use crate::address::Address;
use crate::error::Result;
use crate::sys::{call, record};

impl Socket {
    /// Receives into `buf`: how many bytes. 0 is the end of a stream, but an empty datagram or record is 0 too.
    ///
    /// Python `recv_into(buf, 0, flags)`, and `recv(len, flags)`, which makes the buffer; C `recv(2)`. It answers as soon as
    /// something is there, and does not wait for a full buffer; [`Flags::WAIT_ALL`] does, on a blocking stream. What a
    /// datagram has beyond `buf` is lost; with [`Flags::TRUE_LENGTH`] the answer is its whole length. Blocking it waits for
    /// bytes or the end; with a timeout that long; non-blocking not at all.
    ///
    /// # Errors
    /// `Kind::TimedOut`; `Kind::WouldBlock` (`EAGAIN`); `Kind::ConnectionReset` (`ECONNRESET`); `Kind::ConnectionRefused`
    /// (`ECONNREFUSED`), which a connected datagram socket is told; `Kind::ConnectionBroken` (`ENOTCONN`).
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// one.send_all(b"hello")?;
    /// let mut buf = [0; 4];
    /// assert_eq!(other.recv(&mut buf, Flags::PEEK)?, 4, "it stays");
    /// assert_eq!(other.recv(&mut buf, Flags::NONE)?, 4);
    /// assert_eq!(other.recv(&mut buf, Flags::NONE)?, 1);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn recv(&self, buf: &mut [u8], flags: Flags) -> Result<usize> {
        self.recv_raw(buf, flags).map_err(|error| explain::timed("recv", self.timeout(), &error))
    }

    pub(super) fn recv_raw(&self, buf: &mut [u8], flags: Flags) -> io::Result<usize> {
        let began = self.begin();
        let result =
            self.in_time(PollFlags::POLLIN, || call::recv(self.as_fd(), buf, flags.number()));
        self.saw_received(began, "recv", buf, flags, &result, |count| *count);
        result
    }

    /// Receives at most `most` bytes, and puts them behind what is in `into`: how many, as [`recv`](Self::recv) counts.
    ///
    /// Python `recv(most)` and `recv_into(memoryview(buffer)[at:], most)`, C `recv(2)`. Modes and errors are those of
    /// [`recv`](Self::recv); after an error `into` is as it was.
    ///
    /// # Errors
    /// As of [`recv`](Self::recv).
    ///
    /// ```
    /// use hobnob::socket::{Flags, Shutdown, Socket, Type};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// one.send_all(b"in pieces")?;
    /// one.shutdown(Shutdown::Write)?;
    /// let mut all = Vec::new();
    /// while other.recv_append(&mut all, 4, Flags::NONE)? > 0 {}
    /// assert_eq!(all, b"in pieces");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn recv_append(&self, into: &mut Vec<u8>, most: usize, flags: Flags) -> Result<usize> {
        let before = into.len();
        into.resize(before + most, 0);
        let received = self.recv(&mut into[before..], flags);
        // The true length of a cut datagram is more than there is.
        into.truncate(before + received.as_ref().map_or(0, |count| (*count).min(most)));
        received
    }

    /// Receives with the sender's address; [`Address::Unnamed`] where it has none, as on a connected stream.
    ///
    /// Python `recvfrom_into(buf)`, and `recvfrom(len)`, which makes the buffer; C `recvfrom(2)`. Modes are those of
    /// [`recv`](Self::recv).
    ///
    /// # Errors
    /// As of [`recv`](Self::recv).
    ///
    /// ```
    /// use hobnob::{address::Address, socket::{Family, Flags, Socket, Type}};
    /// let socket = Socket::new(Family::V4, Type::Datagram, 0)?;
    /// socket.bind(&Address::Ip(([127, 0, 0, 1], 0).into()))?;
    /// let own = socket.local_address()?;
    /// socket.send_to(b"to myself", Flags::NONE, &own)?;
    /// assert_eq!(socket.recv_from(&mut [0; 64], Flags::NONE)?, (9, own));
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn recv_from(&self, buf: &mut [u8], flags: Flags) -> Result<(usize, Address)> {
        self.recv_from_raw(buf, flags)
            .map_err(|error| explain::timed("recvfrom", self.timeout(), &error))
    }

    pub(super) fn recv_from_raw(
        &self,
        buf: &mut [u8],
        flags: Flags,
    ) -> io::Result<(usize, Address)> {
        let began = self.begin();
        let result = self.in_time(PollFlags::POLLIN, || {
            let (count, name) = call::recv_from(self.as_fd(), buf, flags.number())?;
            Ok((count, name.address()))
        });
        if self.is_watched() {
            let bytes = |count: usize| &buf[..count.min(buf.len())];
            let shown = result.as_ref().map(|(count, from)| {
                format!("({}, {})", PythonBytes(bytes(*count)), PythonAddress(from))
            });
            let (came, address) = match &result {
                Ok((count, from)) => (Some(bytes(*count)), Some(from)),
                Err(_) => (None, None),
            };
            let carried = Carried { address, ..received(came, buf.len(), flags) };
            let arguments = format_args!("{}{flags}", buf.len());
            self.end_carrying(began, "recvfrom", arguments, some(&shown), carried);
        }
        result
    }

    /// Receives one record of a seqpacket socket after [`mark_records`](Self::mark_records): none at the end, which an
    /// empty record is not (recvmsg(2)).
    pub fn recv_record(&self, buf: &mut [u8], flags: Flags) -> Result<Option<Record>> {
        self.recv_record_raw(buf, flags)
            .map_err(|error| explain::timed("recvmsg", self.timeout(), &error))
    }

    pub(super) fn recv_record_raw(
        &self,
        buf: &mut [u8],
        flags: Flags,
    ) -> io::Result<Option<Record>> {
        let began = self.begin();
        let result =
            self.in_time(PollFlags::POLLIN, || record::receive(self.as_fd(), buf, flags.number()));
        self.saw_received(began, "recvmsg", buf, flags, &result, |r| r.map_or(0, |r| r.kept));
        result
    }

    /// Receives one datagram, which may be empty, with its true length.
    pub fn recv_datagram(&self, buf: &mut [u8], flags: Flags) -> Result<Record> {
        self.recv_datagram_raw(buf, flags)
            .map_err(|error| explain::timed("recv", self.timeout(), &error))
    }

    pub(super) fn recv_datagram_raw(&self, buf: &mut [u8], flags: Flags) -> io::Result<Record> {
        let began = self.begin();
        let result = self.in_time(PollFlags::POLLIN, || {
            record::receive_datagram(self.as_fd(), buf, flags.number())
        });
        self.saw_received(began, "recv", buf, flags, &result, |record| record.kept);
        result
    }

    /// Makes the kernel mark records, so that [`recv_record`](Self::recv_record) can tell an empty one from the end
    /// (socket(7) `SO_TIMESTAMP`).
    pub fn mark_records(&self) -> Result<()> {
        let began = self.begin();
        let result = record::mark_records(self.as_fd());
        let arguments = format_args!("SOL_SOCKET, SO_TIMESTAMP, 1");
        self.end(began, "setsockopt", arguments, none(&result));
        result.map_err(|error| explain::data("setsockopt(SO_TIMESTAMP)", &error))
    }

    /// Receives a batch of datagrams without waiting: how many, at least one (recvmmsg(2)).
    pub fn recv_batch(&self, batch: &mut Batch) -> Result<usize> {
        self.recv_batch_raw(batch).map_err(|error| explain::data("recvmmsg", &error))
    }

    pub(super) fn recv_batch_raw(&self, batch: &mut Batch) -> io::Result<usize> {
        let began = self.begin();
        let result = batch.recv(self.as_fd());
        if self.is_watched() {
            let came: Vec<_> =
                batch.iter().map(|datagram| (datagram.peer, datagram.bytes)).collect();
            let shown = result.as_ref().map(|_| DatagramList(&came));
            let (slots, room) = (format_args!("{}", batch.slots()), batch.slots());
            let carried = Carried { room, datagrams: &came, ..Carried::default() };
            self.end_carrying(began, "recvmmsg", slots, some(&shown), carried);
        }
        result
    }
}

/// The funnel, for calls that wait.
impl Socket {
    pub(super) fn in_time<T>(
        &self,
        ready: PollFlags,
        call: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        call_in_time(self.as_fd(), ready, Deadline::of(self.timeout()), call)
    }

    fn saw_received<T>(
        &self,
        began: Began,
        name: &'static str,
        buf: &[u8],
        flags: Flags,
        result: &io::Result<T>,
        count: impl FnOnce(&T) -> usize,
    ) {
        if !self.is_watched() {
            return;
        }
        let came = result.as_ref().map(|answer| &buf[..count(answer).min(buf.len())]);
        let carried = received(came.as_ref().ok().copied(), buf.len(), flags);
        let (shown, arguments) = (came.map(PythonBytes), format_args!("{}{flags}", buf.len()));
        self.end_carrying(began, name, arguments, some(&shown), carried);
    }
}

fn received(bytes: Option<&[u8]>, room: usize, flags: Flags) -> Carried<'_> {
    Carried { bytes, count: bytes.map_or(0, <[u8]>::len), room, flags, ..Carried::default() }
}
