//! Messages with what travels beside their bytes, over a socket that a runtime watches.

use std::future::poll_fn;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use super::message::{MessageToSend, room_for};
use super::{AsyncSocket, Flags, OutgoingControl, ReceivedMessage, explain};
use crate::address::Address;
use crate::error::Result;

impl AsyncSocket {
    /// Receives as [`Socket::recv_message`](super::Socket::recv_message). With [`Flags::ERROR_QUEUE`] it waits for nothing:
    /// an empty queue is `Kind::WouldBlock`.
    ///
    /// ```
    /// use hobnob::socket::{AsyncSocket, ControlMessage, Flags, Socket, Type, control_space};
    /// use std::io::{IoSlice, IoSliceMut};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// let (one, other) = (AsyncSocket::new(one)?, AsyncSocket::new(other)?);
    /// let whose = hobnob::socket::SocketOption::PassCredentials;
    /// other.socket().set_switch(whose, true)?;
    /// one.send_message(&[IoSlice::new(b"who am I?")], &[], Flags::NONE, None).await?;
    /// let mut room = [0; 16];
    /// let mut parts = [IoSliceMut::new(&mut room)];
    /// let message = other.recv_message(&mut parts, control_space(12), Flags::NONE).await?;
    /// let ControlMessage::Credentials(whose) = &message.control[0] else { panic!("{message:?}") };
    /// assert_eq!((message.length, whose.pid.cast_unsigned()), (9, std::process::id()));
    /// # Ok::<(), hobnob::Error>(())
    /// # })?;
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub async fn recv_message(
        &self,
        parts: &mut [IoSliceMut<'_>],
        room: usize,
        flags: Flags,
    ) -> Result<ReceivedMessage> {
        poll_fn(|cx| self.poll_recv_message(cx, parts, room, flags)).await
    }

    /// The same, for a future that polls other things, too.
    pub fn poll_recv_message(
        &self,
        cx: &mut Context<'_>,
        parts: &mut [IoSliceMut<'_>],
        room: usize,
        flags: Flags,
    ) -> Poll<Result<ReceivedMessage>> {
        // The runtime wakes of what can be received, and not of that queue.
        let received = if flags.has(Flags::ERROR_QUEUE) {
            Poll::Ready(self.socket().recv_message_raw(parts, room, flags))
        } else {
            self.poll_read_with(cx, |socket| socket.recv_message_raw(parts, room, flags))
        };
        received.map_err(|error| explain::data("recvmsg", &error))
    }

    /// Sends as [`Socket::send_message`](super::Socket::send_message), when there is room. A Unix socket's room is that of
    /// whom it is connected to.
    ///
    /// ```
    /// use hobnob::socket::{AsyncSocket, Flags, OutgoingControl, Socket, Type};
    /// use std::{io::IoSlice, os::fd::AsFd};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// let (one, other) = (AsyncSocket::new(one)?, AsyncSocket::new(other)?);
    /// let parts = [IoSlice::new(b"in two "), IoSlice::new(b"parts")];
    /// let along = [one.as_fd()];
    /// let along = [OutgoingControl::Descriptors(&along)];
    /// assert_eq!(one.send_message(&parts, &along, Flags::NONE, None).await?, 12);
    /// assert_eq!(other.recv_descriptors(&mut [0; 64], 1).await?.1.len(), 1);
    /// # Ok::<(), hobnob::Error>(())
    /// # })?;
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub async fn send_message(
        &self,
        parts: &[IoSlice<'_>],
        along: &[OutgoingControl<'_>],
        flags: Flags,
        to: Option<&Address>,
    ) -> Result<usize> {
        poll_fn(|cx| self.poll_send_message(cx, parts, along, flags, to)).await
    }

    /// The same, for a future that polls other things, too.
    pub fn poll_send_message(
        &self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
        along: &[OutgoingControl<'_>],
        flags: Flags,
        to: Option<&Address>,
    ) -> Poll<Result<usize>> {
        let message = MessageToSend::of(self.socket(), parts, along, flags, to)?;
        let sent = self.poll_write_with(cx, |socket| socket.send_message_raw(&message));
        sent.map_err(|error| message.explain(None, &error))
    }

    /// Hands descriptors over as [`Socket::send_descriptors`](super::Socket::send_descriptors).
    ///
    /// ```
    /// use hobnob::socket::{AsyncSocket, Socket, Type};
    /// use std::os::fd::AsFd;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let (one, other) = Socket::pair(Type::Seqpacket)?;
    /// let (one, other) = (AsyncSocket::new(one)?, AsyncSocket::new(other)?);
    /// one.send_descriptors(b"both", &[one.as_fd(), other.as_fd()]).await?;
    /// let (length, gifts) = other.recv_descriptors(&mut [0; 8], 2).await?;
    /// assert_eq!((length, gifts.len()), (4, 2));
    /// # Ok::<(), hobnob::Error>(())
    /// # })?;
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub async fn send_descriptors(&self, bytes: &[u8], along: &[BorrowedFd<'_>]) -> Result<usize> {
        let along = [OutgoingControl::Descriptors(along)];
        self.send_message(&[IoSlice::new(bytes)], &along, Flags::NONE, None).await
    }

    /// Receives bytes and descriptors as [`Socket::recv_descriptors`](super::Socket::recv_descriptors).
    pub async fn recv_descriptors(
        &self,
        buf: &mut [u8],
        most: usize,
    ) -> Result<(usize, Vec<OwnedFd>)> {
        let mut parts = [IoSliceMut::new(buf)];
        let message = self.recv_message(&mut parts, room_for(most), Flags::NONE).await?;
        message.into_descriptors(most)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::task::Waker;

    use super::super::{ControlMessage, Family, Socket, SocketOption, Type, control_space};
    use super::*;
    use crate::error::Kind;

    fn pair(kind: Type) -> (AsyncSocket, AsyncSocket) {
        let (one, other) = Socket::pair(kind).expect("a pair");
        (AsyncSocket::new(one).expect("a runtime"), AsyncSocket::new(other).expect("a runtime"))
    }

    #[tokio::test]
    async fn a_message_is_waited_for_and_so_is_room_for_one() {
        let (one, other) = pair(Type::Seqpacket);
        let (mut cx, mut room) = (Context::from_waker(Waker::noop()), [0; 8]);
        let mut parts = [IoSliceMut::new(&mut room)];
        assert!(other.poll_recv_message(&mut cx, &mut parts, 0, Flags::NONE).is_pending());
        let record = [IoSlice::new(b"record")];
        let mut sent = 0;
        while one.socket().send(b"record", Flags::NONE).is_ok() {
            sent += 1;
        }
        assert!(one.poll_send_message(&mut cx, &record, &[], Flags::NONE, None).is_pending());
        let receive_all = async {
            let mut room = [0; 8];
            for _ in 0..=sent {
                let mut parts = [IoSliceMut::new(&mut room)];
                let message = other.recv_message(&mut parts, 0, Flags::NONE).await;
                assert_eq!(message.expect("came").length, 6);
            }
        };
        let waits = one.send_message(&record, &[], Flags::NONE, None);
        let (last, ()) = tokio::join!(waits, receive_all);
        assert!(sent > 0 && last == Ok(6));
    }

    #[tokio::test]
    async fn more_descriptors_than_were_asked_for_are_an_error_and_none_is_kept() {
        let (one, other) = pair(Type::Seqpacket);
        one.send_descriptors(b"three", &[one.as_fd(); 3]).await.expect("sent");
        let error = other.recv_descriptors(&mut [0; 8], 2).await.expect_err("one too many");
        assert_eq!(error.kind(), Kind::MessageTooLong);
        one.send_descriptors(b"two", &[one.as_fd(); 2]).await.expect("sent");
        assert_eq!(other.recv_descriptors(&mut [0; 8], 2).await.expect("came").1.len(), 2);
    }

    #[tokio::test]
    async fn the_error_queue_is_asked_and_not_waited_for() {
        let udp = || {
            let socket = Socket::new(Family::V4, Type::Datagram, 0).expect("a socket");
            socket.bind(&Address::Ip("127.0.0.1:0".parse().expect("one"))).expect("a free port");
            let address = socket.local_address().expect("bound");
            (socket, address)
        };
        let ((asks, _), (gone, to)) = (udp(), udp());
        drop(gone);
        asks.set_switch(SocketOption::ReceiveErrors, true).expect("an IP socket");
        let asks = AsyncSocket::connect(asks, &to).await.expect("no packet");
        let queue = async || {
            let mut room = [0; 8];
            let mut parts = [IoSliceMut::new(&mut room)];
            asks.recv_message(&mut parts, control_space(44), Flags::ERROR_QUEUE).await
        };
        assert_eq!(queue().await.expect_err("nothing was said").kind(), Kind::WouldBlock);
        asks.send(b"?").await.expect("sent");
        asks.recv(&mut [0; 8]).await.expect_err("nobody is there");
        let message = queue().await.expect("what ICMP said");
        let reports = message.control.iter().any(|one| {
            matches!(one, ControlMessage::Report(report) if report.errno == libc::ECONNREFUSED)
        });
        assert!(reports && message.flags.is_error(), "{message:?}");
    }
}
