//! Datagrams in batches: one call for many (recvmmsg(2), sendmmsg(2)).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::control::Arrival;
use super::name::Name;
use super::packet_info::{self, Ancillary, Control};
use super::size_for_kernel;
use crate::address::Address;
use crate::error::Result;

/// Room for a batch of received datagrams. Pages that no datagram has reached yet are not resident.
pub struct Batch {
    bytes: Vec<u8>,
    bytes_per_slot: usize,
    names: Vec<Name>,
    /// One per slot, or none: where there is room for control messages, a Unix peer can hand us descriptors.
    controls: Vec<Control>,
    /// The bytes of each that the kernel may write to.
    control_bytes: usize,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    received: usize,
    /// What the kernel has dropped in all, as was last told, and what of that nobody has asked for yet.
    lost: u32,
    news_of_lost: u64,
}

// SAFETY: the raw pointers in `parts` and `headers` lead into the batch's own vectors; no thread shares them.
unsafe impl Send for Batch {}

/// One datagram of a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<'a> {
    /// What was kept of it: all, unless it was larger than a slot.
    pub bytes: &'a [u8],
    /// Its true length in bytes.
    pub length: usize,
    /// Who sent it.
    pub peer: Address,
    /// Where it came to, on a socket that was asked to tell.
    pub arrival: Option<Arrival>,
    /// Whether a listening socket of ours has sent it, as far as can be seen, on a socket that was asked to tell.
    pub is_answer: bool,
    /// How many routers it could still have passed, as its sender set it, on a socket that was asked to tell.
    pub reach: Option<u8>,
    /// The user whose process has sent it, on a Unix socket that was asked to tell.
    pub user: Option<u32>,
}

impl Received<'_> {
    /// Whether it was larger than a slot, so that its tail is lost.
    pub fn is_truncated(&self) -> bool {
        self.length > self.bytes.len()
    }
}

impl Batch {
    /// Room for `slots` datagrams of `bytes_per_slot` bytes each.
    pub fn new(slots: usize, bytes_per_slot: usize) -> Self {
        Batch {
            bytes: vec![0; slots * bytes_per_slot],
            bytes_per_slot,
            names: vec![Name::empty(); slots],
            controls: Vec::new(),
            control_bytes: size_of::<Control>(),
            parts: Vec::with_capacity(slots),
            headers: Vec::with_capacity(slots),
            received: 0,
            lost: 0,
            news_of_lost: 0,
        }
    }

    /// Asks this IP socket to tell where each datagram came to from now on, and makes room for it.
    pub fn ask_for_arrival(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        packet_info::ask_for_arrival(fd)?;
        self.make_room_to_tell();
        Ok(())
    }

    /// Asks this IP socket to tell of each datagram whether it is an answer ([`Socket::mark_answers`]) from now on, and
    /// makes room for it.
    ///
    /// [`Socket::mark_answers`]: crate::socket::Socket::mark_answers
    pub fn ask_for_answers(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        packet_info::ask_for_class(fd)?;
        self.make_room_to_tell();
        Ok(())
    }

    /// Asks this IP socket to tell how many routers each datagram could still have passed from now on, and makes room for it.
    pub fn ask_for_reach(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        packet_info::ask_for_reach(fd)?;
        self.make_room_to_tell();
        Ok(())
    }

    /// Asks this IP socket to tell how many datagrams the kernel has dropped for want of room
    /// ([`take_lost`](Self::take_lost)), and makes room for it.
    pub fn ask_for_losses(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        packet_info::ask_for_losses(fd)?;
        self.make_room_to_tell();
        Ok(())
    }

    /// Asks this Unix socket to tell whose each datagram is from now on, and makes room for that and nothing else.
    pub fn ask_for_users(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        packet_info::ask_for_users(fd)?;
        self.make_room_to_tell();
        self.control_bytes = packet_info::USER_BYTES;
        Ok(())
    }

    /// How many datagrams the kernel has dropped since this was last asked. It tells with the next one that it does not
    /// drop.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.news_of_lost)
    }

    fn make_room_to_tell(&mut self) {
        self.controls.resize(self.names.len(), packet_info::EMPTY);
    }

    /// Receives what is there, without waiting: how many datagrams, at least one, or `WouldBlock`.
    pub fn recv(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        self.received = 0;
        self.point_headers();
        let slots = u32::try_from(self.headers.len()).expect("a batch is a few datagrams");
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC;
        let (fd, headers) = (fd.as_raw_fd(), self.headers.as_mut_ptr());
        // SAFETY: every header leads to a part, a name and a control buffer of its own, all alive in `self`.
        let count = unsafe { libc::recvmmsg(fd, headers, slots, flags as _, std::ptr::null_mut()) };
        self.received = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        self.note_lost();
        Ok(self.received)
    }

    /// The last datagram tells the largest number. Before the first loss none is told.
    fn note_lost(&mut self) {
        if self.controls.is_empty() || self.received == 0 {
            return;
        }
        let told = self.told(self.received - 1);
        if told.lost != 0 {
            // The kernel's number wraps around.
            self.news_of_lost += u64::from(told.lost.wrapping_sub(self.lost));
            self.lost = told.lost;
        }
    }

    /// What the kernel has told beside a datagram of the last call.
    fn told(&self, index: usize) -> Ancillary {
        let length = self.headers[index].msg_hdr.msg_controllen;
        let written = self.controls.get(index).and_then(|room| room.get(..length));
        packet_info::read(written.unwrap_or_default())
    }

    /// How many datagrams it has room for.
    pub fn slots(&self) -> usize {
        self.names.len()
    }

    /// How many datagrams the last call has received.
    pub fn len(&self) -> usize {
        self.received
    }

    /// Whether it has received none.
    pub fn is_empty(&self) -> bool {
        self.received == 0
    }

    /// One datagram of the last call. Panics where there is none of that index.
    pub fn datagram(&self, index: usize) -> Received<'_> {
        assert!(index < self.received, "datagram {index} of {}", self.received);
        let header = &self.headers[index];
        let (length, start) = (header.msg_len as usize, index * self.bytes_per_slot);
        let mut peer = self.names[index];
        peer.set_length(header.msg_hdr.msg_namelen);
        let told = self.told(index);
        Received {
            bytes: &self.bytes[start..start + length.min(self.bytes_per_slot)],
            length,
            peer: peer.address(),
            arrival: told.arrival,
            is_answer: told.is_answer,
            reach: told.reach,
            user: told.user,
        }
    }

    /// The datagrams of the last call.
    pub fn iter(&self) -> impl Iterator<Item = Received<'_>> {
        (0..self.received).map(|index| self.datagram(index))
    }

    /// Anew before every call: the kernel writes lengths into the headers, and pointers must not outlive a borrow.
    fn point_headers(&mut self) {
        let Batch { bytes, bytes_per_slot, names, controls, parts, headers, .. } = self;
        let (start, step, control_bytes) =
            (bytes.as_mut_ptr(), *bytes_per_slot, self.control_bytes);
        parts.clear();
        parts.extend((0..names.len()).map(|index| libc::iovec {
            // SAFETY: index < slots, and the vector has slots x step bytes.
            iov_base: unsafe { start.add(index * step) }.cast(),
            iov_len: step,
        }));
        headers.clear();
        let mut controls = controls.iter_mut();
        for (part, name) in parts.iter_mut().zip(names) {
            let mut header = blank_header();
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = size_for_kernel::<libc::sockaddr_storage>();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            if let Some(control) = controls.next() {
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = control_bytes;
            }
            headers.push(header);
        }
    }
}

/// Datagrams on their way out, each with its own address. Their buffers are kept from batch to batch.
#[derive(Default)]
pub struct Outgoing {
    /// Those before `letters.len()` are committed; the next one is the draft.
    drafts: Vec<Vec<u8>>,
    letters: Vec<Letter>,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: as for `Batch`; the pointers are made anew for every call.
unsafe impl Send for Outgoing {}

struct Letter {
    to: Name,
    from: Option<IpAddr>,
    control: Control,
}

/// What became of an outgoing batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams that the kernel took.
    pub sent: usize,
    /// Datagrams that it refused one by one; each was reported.
    pub failed: usize,
    /// Datagrams that were not tried, because the socket takes no more at present.
    pub left: usize,
}

impl Outgoing {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer to write the next datagram into; [`commit`](Self::commit) puts it into the batch.
    pub fn draft(&mut self) -> &mut Vec<u8> {
        let next = self.letters.len();
        if self.drafts.len() == next {
            self.drafts.push(Vec::new());
        }
        self.drafts[next].clear();
        &mut self.drafts[next]
    }

    /// Puts what was written into the last draft into the batch. `from` is the address of ours that it leaves
    /// from ([`Arrival::answer_from`]); the kernel picks where it is none.
    pub fn commit(&mut self, to: &Address, from: Option<IpAddr>) -> Result<()> {
        let to = Name::of(to)?;
        self.letters.push(Letter { to, from, control: packet_info::EMPTY });
        Ok(())
    }

    /// Adds a datagram.
    pub fn push(&mut self, to: &Address, from: Option<IpAddr>, bytes: &[u8]) -> Result<()> {
        self.draft().extend_from_slice(bytes);
        self.commit(to, from)
    }

    /// How many datagrams are in the batch.
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Where each of them goes, and its bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Address, &[u8])> {
        let letters = self.letters.iter().zip(&self.drafts);
        letters.map(|(letter, bytes)| (letter.to.address(), bytes.as_slice()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Sends the batch without waiting, and empties it.
    ///
    /// A full socket stops it: the rest is dropped and counted as `left`. Where one datagram is refused (too long,
    /// a refusal that came back from an earlier one, no route, a full Unix peer) `refused` is told its address and
    /// why, and the others go on.
    pub fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        refused: &mut dyn FnMut(Address, io::Error),
    ) -> Sent {
        self.point_headers();
        let (mut at, mut result) = (0, Sent::default());
        while at < self.headers.len() {
            match send_some(fd, &mut self.headers[at..]) {
                Ok(count) => {
                    result.sent += count;
                    at += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.is_full(at, &error) => break,
                Err(error) => {
                    refused(self.letters[at].to.address(), error);
                    result.failed += 1;
                    at += 1;
                }
            }
        }
        result.left = self.letters.len() - at;
        self.letters.clear();
        result
    }

    /// On a Unix socket `EAGAIN` speaks of one peer's queue (10 datagrams by default): the others may have room.
    fn is_full(&self, at: usize, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::WouldBlock && !self.letters[at].to.is_unix()
    }

    fn point_headers(&mut self) {
        let Outgoing { drafts, letters, parts, headers } = self;
        parts.clear();
        parts.extend(drafts.iter_mut().zip(&*letters).map(|(bytes, _)| libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        }));
        headers.clear();
        for (part, letter) in parts.iter_mut().zip(letters) {
            let mut header = blank_header();
            header.msg_hdr.msg_name = letter.to.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = letter.to.length();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            if let Some(from) = letter.from {
                header.msg_hdr.msg_controllen = packet_info::write(&mut letter.control, from) as _;
                header.msg_hdr.msg_control = letter.control.as_mut_ptr().cast();
            }
            headers.push(header);
        }
    }
}

/// Sends one datagram without waiting, from this address of ours (sendmsg(2)).
pub(crate) fn send_from(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    from: IpAddr,
    to: &Name,
) -> io::Result<usize> {
    let (mut to, mut control) = (*to, packet_info::EMPTY);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut header = blank_header().msg_hdr;
    header.msg_name = to.as_mut_ptr().cast();
    header.msg_namelen = to.length();
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_controllen = packet_info::write(&mut control, from) as _;
    header.msg_control = control.as_mut_ptr().cast();
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel only reads what the header leads to, which is ours for the call.
    let sent = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const header, flags) };
    super::check_length(sent)
}

fn send_some(fd: BorrowedFd<'_>, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    let count = u32::try_from(headers.len()).expect("a batch is a few datagrams");
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the headers lead to buffers of the batch, which is borrowed for the call.
    let sent = unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count, flags as _) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn blank_header() -> libc::mmsghdr {
    // SAFETY: an mmsghdr is integers and pointers, for which all-zero is a value.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    use super::super::call;
    use super::*;

    fn udp(at: &str) -> (UdpSocket, Address) {
        let socket = UdpSocket::bind(at).expect("a free port");
        let address = socket.local_addr().expect("bound");
        (socket, address.into())
    }

    fn wait_readable(fd: BorrowedFd<'_>) {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::NONE).expect("poll");
    }

    #[test]
    fn a_batch_keeps_borders_order_and_empty_datagrams() {
        let ((client, from), (server, to)) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
        let mut out = Outgoing::new();
        for bytes in [&b"one"[..], b"", b"three"] {
            out.push(&to, None, bytes).expect("an address");
        }
        let sent = out.send(client.as_fd(), &mut |_, error| panic!("{error}"));
        assert_eq!(sent, Sent { sent: 3, failed: 0, left: 0 });
        let mut batch = Batch::new(8, 2_048);
        assert_eq!(batch.recv(server.as_fd()).expect("three came"), 3);
        let seen: Vec<_> = batch.iter().map(|one| one.bytes.to_vec()).collect();
        assert_eq!(seen, [&b"one"[..], b"", b"three"]);
        assert!(batch.iter().all(|one| one.peer == from && !one.is_truncated()));
        let error = batch.recv(server.as_fd()).expect_err("nothing is left");
        assert_eq!((error.kind(), batch.len()), (io::ErrorKind::WouldBlock, 0));
    }

    #[test]
    fn a_cut_datagram_tells_its_true_length() {
        let ((client, _), (server, to)) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
        client.send_to(&[7; 9_000], to.ip().expect("an IP address")).expect("sent");
        let mut batch = Batch::new(2, 1_000);
        batch.recv(server.as_fd()).expect("one came");
        let one = batch.datagram(0);
        assert_eq!((one.bytes.len(), one.length, one.is_truncated()), (1_000, 9_000, true));
    }

    #[test]
    fn one_that_is_refused_does_not_hold_up_the_others() {
        let ((client, _), (server, to)) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
        let mut out = Outgoing::new();
        out.push(&to, None, b"before").expect("an address");
        out.push(&to, None, &vec![0; 65_508]).expect("an address");
        out.push(&to, None, b"after").expect("an address");
        let mut errors = Vec::new();
        let sent = out.send(client.as_fd(), &mut |to, error| errors.push((to, error)));
        assert_eq!(sent, Sent { sent: 2, failed: 1, left: 0 });
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].0, to);
        assert_eq!(errors[0].1.raw_os_error(), Some(libc::EMSGSIZE));
        let mut batch = Batch::new(4, 100);
        assert_eq!(batch.recv(server.as_fd()).expect("two came"), 2);
        assert_eq!(batch.datagram(1).bytes, b"after");
    }

    #[test]
    fn a_full_unix_peer_does_not_hold_up_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let (full, free) = (folder.path().join("full"), folder.path().join("free"));
        let _keeps_silent = UnixDatagram::bind(&full).expect("bound");
        let reads = UnixDatagram::bind(&free).expect("bound");
        let sender = UnixDatagram::unbound().expect("made");
        let mut out = Outgoing::new();
        for _ in 0..600 {
            out.push(&Address::path(full.clone()), None, b"x").expect("an address");
        }
        out.push(&Address::path(free), None, b"through").expect("an address");
        let mut kinds = Vec::new();
        let sent = out.send(sender.as_fd(), &mut |_, error| kinds.push(error.kind()));
        assert!(sent.failed > 0 && sent.left == 0, "{sent:?}");
        assert!(kinds.iter().all(|kind| *kind == io::ErrorKind::WouldBlock));
        let mut batch = Batch::new(1, 100);
        batch.recv(reads.as_fd()).expect("one came");
        assert_eq!(batch.datagram(0).bytes, b"through");
        assert_eq!(batch.datagram(0).peer, Address::Unnamed);
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        for (server_at, asked) in
            [("0.0.0.0:0", "127.0.0.9"), ("[::]:0", "::1"), ("[::]:0", "127.0.0.9")]
        {
            let (server, bound) = udp(server_at);
            let mut batch = Batch::new(1, 100);
            batch.ask_for_arrival(server.as_fd()).expect("it is a UDP socket");
            let asked: IpAddr = asked.parse().expect("an address");
            let local = if asked.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
            let (client, _) = udp(local);
            let port = bound.ip().expect("an IP address").port();
            client.send_to(b"?", (asked, port)).expect("sent");
            wait_readable(server.as_fd());
            batch.recv(server.as_fd()).expect("one came");
            let one = batch.datagram(0);
            let arrival = one.arrival.expect("it was asked for");
            assert_eq!(crate::address::canonical(arrival.to), asked);
            let mut out = Outgoing::new();
            out.push(&one.peer, arrival.answer_from, b"!").expect("an address");
            out.send(server.as_fd(), &mut |_, error| panic!("{error}"));
            let (_, answered_from) = client.recv_from(&mut [0; 8]).expect("an answer");
            assert_eq!(answered_from.ip(), asked);
        }
    }

    /// Sends one with this traffic class, and sees whether it counts as an answer.
    fn is_answer(class: u8, server_at: &str, asked: &str) -> bool {
        let (server, bound) = udp(server_at);
        let mut batch = Batch::new(1, 100);
        batch.ask_for_arrival(server.as_fd()).expect("it is a UDP socket");
        batch.ask_for_answers(server.as_fd()).expect("it is a UDP socket");
        let asked: IpAddr = asked.parse().expect("an address");
        let (client, _) = udp(if asked.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" });
        let (level, option) = if asked.is_ipv4() {
            (libc::IPPROTO_IP, libc::IP_TOS)
        } else {
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS)
        };
        call::set_int_option(client.as_fd(), level, option, class.into()).expect("an IP socket");
        let port = bound.ip().expect("an IP address").port();
        client.send_to(b"?", (asked, port)).expect("sent");
        wait_readable(server.as_fd());
        batch.recv(server.as_fd()).expect("one came");
        assert!(batch.datagram(0).arrival.is_some(), "both are told");
        batch.datagram(0).is_answer
    }

    #[test]
    fn an_answer_is_told_by_its_codepoint_alone() {
        for (server_at, asked) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
            ("[::]:0", "::1"),
            ("[::]:0", "127.0.0.1"),
        ] {
            // The last two bits are changed on the way. A stranger's neighbouring codepoint is nothing to us.
            for (class, expected) in
                [(0, false), (1, false), (0x1c, true), (0x1f, true), (0x3c, false)]
            {
                let seen = is_answer(class, server_at, asked);
                assert_eq!(seen, expected, "{class:#x} to {asked} at {server_at}");
            }
        }
    }

    #[test]
    fn untouched_slots_are_not_resident() {
        let resident = || -> usize {
            let statm = std::fs::read_to_string("/proc/self/statm").expect("procfs");
            statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number")
        };
        let before = resident();
        let batch = Batch::new(1_024, 65_536);
        // 64 MiB were asked for; other tests of this process may take some meanwhile.
        assert!(resident() < before + 8 * 1_024, "{} slots", batch.names.len());
    }
}
