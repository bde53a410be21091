//! Messages with what travels beside their bytes: descriptors, credentials, addresses, hops, times.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::poll::PollFlags;

use super::observe::{PythonAddress, PythonBytes, some};
use super::{Flags, Socket, explain};
use crate::address::{Address, canonical};
use crate::error::{Error, Kind, Result};
use crate::sys::control::{self, ControlMessage, OutgoingControl};
use crate::sys::message::{self, RawMessage};
use crate::sys::name::Name;
use crate::sys::reach::is_v6;

/// Descriptors that one message carries at most (unix(7), `SCM_MAX_FD`).
const MOST_DESCRIPTORS: usize = 253;

/// What [`Socket::recv_message`] has received.
#[derive(Debug)]
pub struct ReceivedMessage {
    /// Bytes that were received. With [`Flags::TRUE_LENGTH`], those that the datagram had, which may be more than there
    /// was room for.
    pub length: usize,
    /// Who sent it; [`Address::Unnamed`] where it has no name, as on a connected stream.
    pub peer: Address,
    /// What came along, in the kernel's order.
    pub control: Vec<ControlMessage>,
    /// The flags that came back.
    pub flags: MessageFlags,
}

/// What the kernel says of a received message (recvmsg(2)).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageFlags(i32);

impl MessageFlags {
    /// Whether it was larger than the buffers, so that its tail is lost (`MSG_TRUNC`).
    pub fn is_truncated(self) -> bool {
        self.0 & libc::MSG_TRUNC != 0
    }

    /// Whether more came along than there was room for, which is lost: descriptors are closed (`MSG_CTRUNC`).
    pub fn is_control_truncated(self) -> bool {
        self.0 & libc::MSG_CTRUNC != 0
    }

    /// Whether a record ends here (`MSG_EOR`).
    pub fn is_end_of_record(self) -> bool {
        self.0 & libc::MSG_EOR != 0
    }

    /// Whether it is the urgent byte (`MSG_OOB`).
    pub fn is_out_of_band(self) -> bool {
        self.0 & libc::MSG_OOB != 0
    }

    /// Whether it comes from the error queue (`MSG_ERRQUEUE`).
    pub fn is_error(self) -> bool {
        self.0 & libc::MSG_ERRQUEUE != 0
    }
}

impl fmt::Debug for MessageFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.is_truncated(), "MSG_TRUNC"),
            (self.is_control_truncated(), "MSG_CTRUNC"),
            (self.is_end_of_record(), "MSG_EOR"),
            (self.is_out_of_band(), "MSG_OOB"),
            (self.is_error(), "MSG_ERRQUEUE"),
        ];
        f.debug_set().entries(names.iter().filter(|(is_set, _)| *is_set).map(|at| at.1)).finish()
    }
}

/// The bytes that a control message with `data` bytes takes in the room of [`Socket::recv_message`].
///
/// Python `CMSG_SPACE`, C `CMSG_SPACE(3)`. It asks no kernel, and never fails.
///
/// ```
/// use hobnob::socket::{control_length, control_space};
/// assert_eq!((control_space(4), control_length(4)), (24, 20), "where a pointer has 64 bits");
/// ```
pub const fn control_space(data: usize) -> usize {
    control::space(data)
}

/// The same without the bytes that align what follows.
///
/// Python `CMSG_LEN`, C `CMSG_LEN(3)`. It asks no kernel, and never fails.
///
/// ```
/// use hobnob::socket::{control_length, control_space};
/// assert!(control_length(1) < control_space(1));
/// ```
pub const fn control_length(data: usize) -> usize {
    control::length(data)
}

impl Socket {
    /// Receives into several buffers, one filled after the other, with what came along.
    ///
    /// Python `recvmsg_into(buffers, ancbufsize, flags)`, and `recvmsg`, which makes the buffer; C `recvmsg(2)`. `room` is how
    /// many bytes of control messages are taken, [`control_space`] of each; what finds no room is lost, and said so. The
    /// kernel tells what it was asked to: [`SocketOption::PassCredentials`](super::SocketOption::PassCredentials) and those
    /// behind it. Descriptors come unasked wherever there is room, from any peer of a Unix socket. Modes are those of
    /// [`recv`](Self::recv); [`Flags::ERROR_QUEUE`] never waits.
    ///
    /// # Errors
    /// As of [`recv`](Self::recv); `Kind::MessageTooLong` (`EMSGSIZE`) for more than 1,024 buffers.
    ///
    /// ```
    /// use hobnob::socket::{ControlMessage, Flags, Socket, SocketOption, Type, control_space};
    /// use std::io::IoSliceMut;
    /// let (one, other) = Socket::pair(Type::Datagram)?;
    /// other.set_switch(SocketOption::PassCredentials, true)?;
    /// one.send(b"who am I?", Flags::NONE)?;
    /// let (mut head, mut tail) = ([0; 3], [0; 3]);
    /// let mut parts = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
    /// let message = other.recv_message(&mut parts, control_space(12), Flags::NONE)?;
    /// assert!(message.length == 6 && message.flags.is_truncated());
    /// assert_eq!((&head, &tail), (b"who", b" am"));
    /// let ControlMessage::Credentials(whose) = &message.control[0] else { panic!("{message:?}") };
    /// assert_eq!(whose.pid.cast_unsigned(), std::process::id());
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn recv_message(
        &self,
        parts: &mut [IoSliceMut<'_>],
        room: usize,
        flags: Flags,
    ) -> Result<ReceivedMessage> {
        self.recv_message_raw(parts, room, flags)
            .map_err(|error| explain::timed("recvmsg", self.timeout(), &error))
    }

    pub(super) fn recv_message_raw(
        &self,
        parts: &mut [IoSliceMut<'_>],
        room: usize,
        flags: Flags,
    ) -> io::Result<ReceivedMessage> {
        let began = self.begin();
        let result = self.in_time(PollFlags::POLLIN, || {
            message::receive(self.as_fd(), parts, room, flags.number())
        });
        let result = result.map(|RawMessage { length, name, control, flags }| ReceivedMessage {
            length,
            peer: name.address(),
            control,
            flags: MessageFlags(flags),
        });
        if self.is_watched() {
            let sizes: Vec<_> = parts.iter().map(|part| part.len()).collect();
            let shown = result.as_ref().map(|came| came.in_python(parts));
            self.end(began, "recvmsg", format_args!("{sizes:?}, {room}{flags}"), some(&shown));
        }
        result
    }

    /// Sends the bytes of several buffers as one message, with what is to go along: how many bytes were taken. On a stream
    /// that may be a part, and what goes along goes with the first byte; without a byte it does not go at all.
    ///
    /// Python `sendmsg(buffers, ancdata, flags, address)`, C `sendmsg(2)`. `to` is none on a connected socket. Modes are those
    /// of [`send`](Self::send).
    ///
    /// # Errors
    /// As of [`send`](Self::send) and [`send_to`](Self::send_to); `Kind::PermissionDenied` (`EPERM`) for credentials that are
    /// not ours to claim; `Kind::System` (`EINVAL`) for what the family does not send along, `ETOOMANYREFS` for too many
    /// descriptors on the way.
    ///
    /// ```
    /// use hobnob::socket::{Flags, OutgoingControl, Socket, Type};
    /// use std::{io::IoSlice, os::fd::AsFd};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// let parts = [IoSlice::new(b"in two "), IoSlice::new(b"parts")];
    /// let along = [one.as_fd()];
    /// let sent = one.send_message(&parts, &[OutgoingControl::Descriptors(&along)], Flags::NONE, None)?;
    /// assert_eq!((sent, other.recv(&mut [0; 64], Flags::NONE)?), (12, 12));
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn send_message(
        &self,
        parts: &[IoSlice<'_>],
        along: &[OutgoingControl<'_>],
        flags: Flags,
        to: Option<&Address>,
    ) -> Result<usize> {
        let message = MessageToSend::of(self, parts, along, flags, to)?;
        let result = self.send_message_raw(&message);
        result.map_err(|error| message.explain(self.timeout(), &error))
    }

    pub(super) fn send_message_raw(&self, message: &MessageToSend<'_>) -> io::Result<usize> {
        let MessageToSend { parts, along, control, flags, to, name } = message;
        let began = self.begin();
        let result = self.in_time(PollFlags::POLLOUT, || {
            message::send(self.as_fd(), parts, control, name.as_ref(), flags.number())
        });
        if self.is_watched() {
            let shown: Vec<_> = parts.iter().map(|part| PythonBytes(part).to_string()).collect();
            let (shown, along) = (shown.join(", "), InPython(along));
            let to = to.map_or(String::new(), |to| format!(", {}", PythonAddress(to)));
            let flags = format!("{flags}");
            let flags = if flags.is_empty() && !to.is_empty() { ", 0" } else { &flags };
            let arguments = format_args!("[{shown}], {along}{flags}{to}");
            self.end(began, "sendmsg", arguments, some(&result.as_ref()));
        }
        result
    }

    /// Whether what is sent there is IPv6: an IPv6 socket has IPv4 peers too.
    fn is_v6_to(&self, to: Option<&Address>) -> bool {
        let is_v4 = to.and_then(Address::ip).is_some_and(|to| canonical(to.ip()).is_ipv4());
        !is_v4 && is_v6(self.as_fd()).unwrap_or(false)
    }

    /// Hands descriptors over a Unix socket to the process at its other end, with some bytes, of which there must be at
    /// least one on a stream.
    ///
    /// Python `socket.send_fds`, C `sendmsg(2)` with `SCM_RIGHTS`. The peer gets copies; ours stay ours. Modes are those of
    /// [`send`](Self::send).
    ///
    /// # Errors
    /// As of [`send_message`](Self::send_message); `Kind::System` (`EINVAL`) for more than 253 at once.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// use std::{io::Read, os::fd::AsFd};
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// let (mut ours, theirs) = std::io::pipe().unwrap();
    /// one.send_descriptors(b"a pipe", &[theirs.as_fd()])?;
    /// let (length, gifts) = other.recv_descriptors(&mut [0; 64], 1)?;
    /// assert_eq!((length, gifts.len()), (6, 1));
    /// drop((theirs, gifts));
    /// assert_eq!(ours.read(&mut [0]).unwrap(), 0, "no writer is left");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn send_descriptors(&self, bytes: &[u8], along: &[BorrowedFd<'_>]) -> Result<usize> {
        let along = [OutgoingControl::Descriptors(along)];
        self.send_message(&[IoSlice::new(bytes)], &along, Flags::NONE, None)
    }

    /// Receives bytes and at most so many descriptors, which are ours from then on, close-on-exec.
    ///
    /// Python `socket.recv_fds`, C `recvmsg(2)` with `SCM_RIGHTS`. Modes are those of [`recv`](Self::recv).
    ///
    /// # Errors
    /// As of [`recv`](Self::recv); `Kind::MessageTooLong` where more than `most` came along: all of them are closed, and the
    /// bytes are lost.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// use std::os::fd::AsFd;
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// one.send_descriptors(b"x", &[one.as_fd(), other.as_fd()])?;
    /// assert_eq!(other.recv_descriptors(&mut [0; 8], 2)?.1.len(), 2);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn recv_descriptors(&self, buf: &mut [u8], most: usize) -> Result<(usize, Vec<OwnedFd>)> {
        let message =
            self.recv_message(&mut [IoSliceMut::new(buf)], room_for(most), Flags::NONE)?;
        message.into_descriptors(most)
    }
}

/// The room for so many descriptors, and for none more.
pub(super) const fn room_for(most: usize) -> usize {
    let most = if most < MOST_DESCRIPTORS { most } else { MOST_DESCRIPTORS };
    // `CMSG_LEN`, not `CMSG_SPACE`: the bytes that only align would be room for one more.
    control::length(most * size_of::<i32>())
}

/// A message that is sent, as often as it takes.
pub(super) struct MessageToSend<'a> {
    parts: &'a [IoSlice<'a>],
    along: &'a [OutgoingControl<'a>],
    control: Vec<u8>,
    flags: Flags,
    to: Option<&'a Address>,
    name: Option<Name>,
}

impl<'a> MessageToSend<'a> {
    pub(super) fn of(
        socket: &Socket,
        parts: &'a [IoSlice<'a>],
        along: &'a [OutgoingControl<'a>],
        flags: Flags,
        to: Option<&'a Address>,
    ) -> Result<Self> {
        let name = to.map(Socket::reachable).transpose()?;
        let control = control::buffer(along, socket.is_v6_to(to));
        Ok(MessageToSend { parts, along, control, flags, to, name })
    }

    pub(super) fn explain(&self, timeout: Option<Duration>, error: &io::Error) -> Error {
        let length = self.parts.iter().map(|part| part.len()).sum();
        explain::send("sendmsg", length, self.to, timeout, error)
    }
}

impl ReceivedMessage {
    /// The descriptors that came along, with how many bytes; an error where there were more.
    pub(super) fn into_descriptors(self, most: usize) -> Result<(usize, Vec<OwnedFd>)> {
        let mut received = Vec::new();
        for along in self.control {
            if let ControlMessage::Descriptors(descriptors) = along {
                received.extend(descriptors);
            }
        }
        if self.flags.is_control_truncated() {
            let message = format!("more than {most} descriptors came along");
            return Err(Error::new(Kind::MessageTooLong, message));
        }
        Ok((self.length, received))
    }

    /// `(b'abc', [...], 0, address)`.
    fn in_python(&self, parts: &[IoSliceMut<'_>]) -> String {
        let mut bytes = Vec::new();
        for part in parts {
            let left = self.length.saturating_sub(bytes.len()).min(part.len());
            bytes.extend_from_slice(&part[..left]);
        }
        let (bytes, peer) = (PythonBytes(&bytes), PythonAddress(&self.peer));
        let along: Vec<_> = self.control.iter().map(name_of).collect();
        format!("({bytes}, [{}], {:#x}, {peer})", along.join(", "), self.flags.0)
    }
}

fn name_of(message: &ControlMessage) -> String {
    match message {
        ControlMessage::Descriptors(each) => {
            let numbers: Vec<_> = each.iter().map(AsRawFd::as_raw_fd).collect();
            format!("(SOL_SOCKET, SCM_RIGHTS, {numbers:?})")
        }
        ControlMessage::Credentials(whose) => {
            let numbers = [i64::from(whose.pid), whose.uid.into(), whose.gid.into()];
            format!("(SOL_SOCKET, SCM_CREDENTIALS, {numbers:?})")
        }
        ControlMessage::Arrival(at) => format!("(IP_PKTINFO, '{}', {})", at.to, at.interface),
        ControlMessage::Ttl(ttl) => format!("(IP_TTL, {ttl})"),
        ControlMessage::TrafficClass(class) => format!("(IP_TOS, {class})"),
        ControlMessage::Timestamp(_) => "(SOL_SOCKET, SCM_TIMESTAMPNS)".to_owned(),
        ControlMessage::Lost(count) => format!("(SOL_SOCKET, SO_RXQ_OVFL, {count})"),
        ControlMessage::Report(report) => {
            let errno = crate::error::errno_name(report.errno);
            format!("(IP_RECVERR, {errno})")
        }
        ControlMessage::Other { level, kind, data } => {
            format!("({level}, {kind}, {})", PythonBytes(data))
        }
    }
}

/// What is sent along, as Python would have it, the data as values.
struct InPython<'a>(&'a [OutgoingControl<'a>]);

impl fmt::Display for InPython<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, along) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            match along {
                OutgoingControl::Descriptors(each) => {
                    let numbers: Vec<_> = each.iter().map(AsRawFd::as_raw_fd).collect();
                    write!(f, "(SOL_SOCKET, SCM_RIGHTS, {numbers:?})")?;
                }
                OutgoingControl::Credentials(whose) => {
                    let numbers = [i64::from(whose.pid), whose.uid.into(), whose.gid.into()];
                    write!(f, "(SOL_SOCKET, SCM_CREDENTIALS, {numbers:?})")?;
                }
                OutgoingControl::Source { address, interface } => {
                    write!(f, "(IP_PKTINFO, '{address}', {interface})")?;
                }
                OutgoingControl::Ttl(ttl) => write!(f, "(IP_TTL, {ttl})")?,
                OutgoingControl::TrafficClass(class) => write!(f, "(IP_TOS, {class})")?,
            }
        }
        f.write_str("]")
    }
}
