//! Control messages: what travels beside the bytes of recvmsg(2) and sendmsg(2) (cmsg(3)).
//!
//! A buffer of them is read as plain bytes, each length checked before it is believed, so that no buffer, however it was
//! cut or made up, leads outside of itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::info::PeerProcess;

/// What the kernel or the peer has sent along with received bytes.
#[derive(Debug)]
pub enum ControlMessage {
    /// Descriptors of the peer's, which are now open here too, close-on-exec (unix(7) `SCM_RIGHTS`); or a descriptor of the
    /// process that sent the bytes (`SCM_PIDFD`).
    Descriptors(Vec<OwnedFd>),
    /// The process that sent the bytes (unix(7) `SCM_CREDENTIALS`).
    Credentials(PeerProcess),
    /// To which address the datagram came (ip(7) `IP_PKTINFO`, RFC 3542 section 6).
    Arrival(Arrival),
    /// The hops that were left when the datagram came (ip(7) `IP_TTL`, ipv6(7) `IPV6_HOPLIMIT`).
    Ttl(u8),
    /// The traffic class of the datagram (ip(7) `IP_TOS`, ipv6(7) `IPV6_TCLASS`).
    TrafficClass(u8),
    /// When the kernel received the bytes (socket(7) `SO_TIMESTAMPNS`).
    Timestamp(SystemTime),
    /// Datagrams that the kernel has dropped since the socket was opened (socket(7) `SO_RXQ_OVFL`).
    Lost(u32),
    /// An error of the error queue, which a router or a peer reported (ip(7) `IP_RECVERR`).
    Report(ErrorReport),
    /// Any other, as it came.
    Other {
        /// The level, such as `SOL_SOCKET`.
        level: i32,
        /// The type within the level.
        kind: i32,
        /// The bytes.
        data: Vec<u8>,
    },
}

/// To which of our addresses a datagram came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The address it was sent to: one of ours, a group, or a broadcast address.
    pub to: IpAddr,
    /// The address of ours that an answer leaves from; none where the kernel has to pick (an IPv6 group).
    pub answer_from: Option<IpAddr>,
    /// The index of the interface it came in by.
    pub interface: u32,
}

/// What an ICMP error, or this kernel itself, said of a datagram that was sent (ip(7) `IP_RECVERR`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorReport {
    /// The errno that it means.
    pub errno: i32,
    /// Where it comes from: 1 this kernel, 2 ICMP, 3 that of IPv6.
    pub origin: u8,
    /// The ICMP type.
    pub icmp_type: u8,
    /// The ICMP code.
    pub icmp_code: u8,
    /// A figure that belongs to the errno: the largest packet that passes, with `EMSGSIZE`.
    pub info: u32,
    /// The machine that reported it; none where it was this kernel.
    pub reporter: Option<IpAddr>,
}

impl ErrorReport {
    /// Whether a router has dropped the packet because it had passed as many as it may (ICMP time exceeded; RFC 792, RFC
    /// 4443 section 3.3).
    pub fn is_out_of_reach(&self) -> bool {
        let exceeded = match self.reporter {
            Some(IpAddr::V4(_)) => 11,
            Some(IpAddr::V6(_)) => 3,
            None => return false,
        };
        self.icmp_type == exceeded && self.icmp_code == 0
    }
}

/// What is sent along with bytes.
#[derive(Debug, Clone, Copy)]
pub enum OutgoingControl<'a> {
    /// Descriptors, which the receiver gets copies of (unix(7) `SCM_RIGHTS`).
    Descriptors(&'a [BorrowedFd<'a>]),
    /// Whose the bytes are; only root may name another than this process (unix(7) `SCM_CREDENTIALS`).
    Credentials(PeerProcess),
    /// The address of ours that the datagram leaves from, and the index of the interface it leaves by, 0 for any (ip(7)
    /// `IP_PKTINFO`, RFC 3542 section 6).
    Source {
        /// The address; the unspecified one leaves it to the kernel.
        address: IpAddr,
        /// The interface's index.
        interface: u32,
    },
    /// The hops of this datagram alone (ip(7) `IP_TTL`, ipv6(7) `IPV6_HOPLIMIT`).
    Ttl(u8),
    /// The traffic class of this datagram alone (ip(7) `IP_TOS`, ipv6(7) `IPV6_TCLASS`).
    TrafficClass(u8),
}

/// A control message as it lies in its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lying<'a> {
    level: i32,
    kind: i32,
    data: &'a [u8],
}

/// Bytes before a message's data: its length, as a word of the kernel's, its level and its type.
const HEAD: usize = WORD + 2 * size_of::<i32>();
const WORD: usize = size_of::<usize>();
/// Which libc does not name: a descriptor of the sender's process (linux/socket.h).
const SCM_PIDFD: i32 = 4;

/// `CMSG_SPACE`: the bytes that a message with so much data takes in a buffer.
pub(crate) const fn space(data: usize) -> usize {
    HEAD + data.next_multiple_of(WORD)
}

/// `CMSG_LEN`: the same without the bytes that only align what follows.
pub(crate) const fn length(data: usize) -> usize {
    HEAD + data
}

/// The messages of a buffer, up to the first that is not whole or whose length is no length.
pub(crate) fn messages(mut rest: &[u8]) -> impl Iterator<Item = Lying<'_>> {
    std::iter::from_fn(move || {
        let length = usize::from_ne_bytes(array(rest, 0)?);
        let (level, kind) = (int(rest, WORD)?, int(rest, WORD + size_of::<i32>())?);
        let data = rest.get(HEAD..length)?;
        rest = rest.get(length.next_multiple_of(WORD)..).unwrap_or_default();
        Some(Lying { level, kind, data })
    })
}

impl Lying<'_> {
    /// The numbers of descriptors that it carries; none where it carries something else.
    pub(crate) fn descriptors(&self) -> Option<impl Iterator<Item = RawFd>> {
        let is_them =
            self.level == libc::SOL_SOCKET && [libc::SCM_RIGHTS, SCM_PIDFD].contains(&self.kind);
        let each = self.data.chunks_exact(size_of::<RawFd>());
        let numbers = each.map(|one| RawFd::from_ne_bytes(one.try_into().expect("four bytes")));
        // An SCM_PIDFD holds an errno below zero where the kernel had no descriptor left.
        is_them.then(|| numbers.filter(|number| *number >= 0))
    }

    /// What it says. Of descriptors that is only their bytes.
    pub(crate) fn meaning(&self) -> ControlMessage {
        self.known().unwrap_or_else(|| ControlMessage::Other {
            level: self.level,
            kind: self.kind,
            data: self.data.to_vec(),
        })
    }

    /// None where it is of another type, or too short for what its type says. It allocates nothing.
    pub(super) fn known(&self) -> Option<ControlMessage> {
        let data = self.data;
        let byte = |number: i32| u8::try_from(number).ok();
        Some(match (self.level, self.kind) {
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => ControlMessage::Credentials(PeerProcess {
                pid: int(data, 0)?,
                uid: int(data, 4)?.cast_unsigned(),
                gid: int(data, 8)?.cast_unsigned(),
            }),
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => ControlMessage::Timestamp(time(data)?),
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                ControlMessage::Lost(int(data, 0)?.cast_unsigned())
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => ControlMessage::Arrival(arrival_v4(data)?),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => ControlMessage::Arrival(arrival_v6(data)?),
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                ControlMessage::Ttl(byte(int(data, 0)?)?)
            }
            // The one message that is a single byte.
            (libc::IPPROTO_IP, libc::IP_TOS) => ControlMessage::TrafficClass(*data.first()?),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                ControlMessage::TrafficClass(byte(int(data, 0)?)?)
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                ControlMessage::Report(report(data)?)
            }
            _ => return None,
        })
    }
}

/// `struct timespec`; none where it is no time of day.
fn time(data: &[u8]) -> Option<SystemTime> {
    let seconds = u64::try_from(libc::time_t::from_ne_bytes(array(data, 0)?)).ok()?;
    let nanos = libc::c_long::from_ne_bytes(array(data, size_of::<libc::time_t>())?);
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

/// `struct in_pktinfo`: interface, the address that an answer leaves from, the address it came to.
fn arrival_v4(data: &[u8]) -> Option<Arrival> {
    let (ours, to): ([u8; 4], [u8; 4]) = (array(data, 4)?, array(data, 8)?);
    Some(Arrival {
        to: Ipv4Addr::from(to).into(),
        answer_from: Some(Ipv4Addr::from(ours).into()),
        interface: int(data, 0)?.cast_unsigned(),
    })
}

/// `struct in6_pktinfo`: the address it came to, interface.
fn arrival_v6(data: &[u8]) -> Option<Arrival> {
    let to = Ipv6Addr::from(array::<16>(data, 0)?);
    Some(Arrival {
        to: to.into(),
        answer_from: (!to.is_multicast()).then_some(to.into()),
        interface: int(data, 16)?.cast_unsigned(),
    })
}

/// `struct sock_extended_err`, and behind it the address of the machine that reported.
fn report(data: &[u8]) -> Option<ErrorReport> {
    const REPORTER: usize = size_of::<libc::sock_extended_err>();
    let family = array(data, REPORTER).map(|family| i32::from(u16::from_ne_bytes(family)));
    let reporter = match family {
        Some(libc::AF_INET) => {
            array::<4>(data, REPORTER + 4).map(|ip| IpAddr::V4(Ipv4Addr::from(ip)))
        }
        Some(libc::AF_INET6) => {
            array::<16>(data, REPORTER + 8).map(|ip| IpAddr::V6(Ipv6Addr::from(ip)))
        }
        _ => None,
    };
    Some(ErrorReport {
        errno: int(data, 0)?,
        origin: *data.get(4)?,
        icmp_type: *data.get(5)?,
        icmp_code: *data.get(6)?,
        info: int(data, 8)?.cast_unsigned(),
        reporter,
    })
}

/// The buffer for these, to a peer of IPv6 or not.
pub(crate) fn buffer(messages: &[OutgoingControl<'_>], is_v6: bool) -> Vec<u8> {
    let mut buffer = Vec::new();
    for message in messages {
        message.write(&mut buffer, is_v6);
    }
    buffer
}

impl OutgoingControl<'_> {
    fn write(&self, to: &mut Vec<u8>, is_v6: bool) {
        let ip = |v4, v6| if is_v6 { (libc::IPPROTO_IPV6, v6) } else { (libc::IPPROTO_IP, v4) };
        let number = |number: u8| i32::from(number).to_ne_bytes().to_vec();
        let ((level, kind), data) = match self {
            OutgoingControl::Descriptors(each) => (
                (libc::SOL_SOCKET, libc::SCM_RIGHTS),
                each.iter().flat_map(|one| one.as_raw_fd().to_ne_bytes()).collect(),
            ),
            OutgoingControl::Credentials(whose) => (
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS),
                [whose.pid.to_ne_bytes(), whose.uid.to_ne_bytes(), whose.gid.to_ne_bytes()]
                    .concat(),
            ),
            OutgoingControl::Source { address, interface } => {
                let mut room = [0; LARGEST_SOURCE];
                let length = put_source(&mut room, *address, *interface);
                return to.extend(&room[..length]);
            }
            OutgoingControl::Ttl(ttl) => (ip(libc::IP_TTL, libc::IPV6_HOPLIMIT), number(*ttl)),
            OutgoingControl::TrafficClass(class) => {
                (ip(libc::IP_TOS, libc::IPV6_TCLASS), number(*class))
            }
        };
        let at = to.len();
        to.resize(at + space(data.len()), 0);
        put(&mut to[at..], level, kind, &data);
    }
}

/// The bytes of the larger message that [`put_source`] writes.
pub(super) const LARGEST_SOURCE: usize = space(size_of::<libc::in6_pktinfo>());

/// Writes the message that makes a datagram leave from this address, by the interface of this index, 0 for any; how many
/// bytes it has. The room has [`LARGEST_SOURCE`].
pub(super) fn put_source(room: &mut [u8], address: IpAddr, interface: u32) -> usize {
    let interface = interface.to_ne_bytes();
    match address {
        // As `arrival_v4` reads it, without the address that it came to.
        IpAddr::V4(address) => {
            let mut data = [0; size_of::<libc::in_pktinfo>()];
            data[..4].copy_from_slice(&interface);
            data[4..8].copy_from_slice(&address.octets());
            put(room, libc::IPPROTO_IP, libc::IP_PKTINFO, &data)
        }
        IpAddr::V6(address) => {
            let mut data = [0; size_of::<libc::in6_pktinfo>()];
            data[..16].copy_from_slice(&address.octets());
            data[16..].copy_from_slice(&interface);
            put(room, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data)
        }
    }
}

/// Writes a message; how many bytes it takes with those that align what follows, which stay as they are. Panics where the
/// room is too small.
fn put(room: &mut [u8], level: i32, kind: i32, data: &[u8]) -> usize {
    room[..WORD].copy_from_slice(&length(data.len()).to_ne_bytes());
    room[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
    room[WORD + 4..HEAD].copy_from_slice(&kind.to_ne_bytes());
    room[HEAD..length(data.len())].copy_from_slice(data);
    space(data.len())
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    array(bytes, at).map(i32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Levels and types that mean something, so that made-up messages reach every reader.
    const MEANT: &[(i32, i32)] = &[
        (libc::SOL_SOCKET, libc::SCM_RIGHTS),
        (libc::SOL_SOCKET, libc::SCM_CREDENTIALS),
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS),
        (libc::SOL_SOCKET, libc::SO_RXQ_OVFL),
        (libc::IPPROTO_IP, libc::IP_PKTINFO),
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
        (libc::IPPROTO_IP, libc::IP_TTL),
        (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT),
        (libc::IPPROTO_IP, libc::IP_TOS),
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
        (libc::IPPROTO_IP, libc::IP_RECVERR),
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        (-1, -1),
    ];

    /// Reads a buffer to its end, as `recv_message` does; how many messages there were.
    fn read(buffer: &[u8]) -> usize {
        messages(buffer)
            .map(|message| {
                let numbers = message.descriptors().into_iter().flatten().count();
                assert!(numbers * 4 <= message.data.len());
                drop(message.meaning());
            })
            .count()
    }

    fn made_up() -> impl Strategy<Value = Vec<u8>> {
        let message =
            (prop::sample::select(MEANT), prop::collection::vec(any::<u8>(), 0..48), any::<i8>());
        let each = prop::collection::vec(message, 0..5);
        let cut = any::<prop::sample::Index>();
        (each, prop::option::of(cut)).prop_map(|(each, cut)| {
            let mut buffer = Vec::new();
            for ((level, kind), data, lie) in each {
                let at = buffer.len();
                buffer.resize(at + space(data.len()), 0);
                put(&mut buffer[at..], level, kind, &data);
                // One in eight lies about its length; some lengths wrap around.
                if lie % 8 == 0 {
                    let length = length(data.len()).wrapping_add_signed(lie.into());
                    buffer[at..at + WORD].copy_from_slice(&length.to_ne_bytes());
                }
            }
            if let Some(cut) = cut {
                buffer.truncate(cut.index(buffer.len() + 1));
            }
            buffer
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

        #[test]
        fn no_buffer_leads_outside_of_itself(buffer in made_up()) {
            prop_assert!(read(&buffer) * HEAD <= buffer.len());
        }

        #[test]
        fn nor_do_any_bytes(buffer in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&buffer) * HEAD <= buffer.len());
        }
    }

    #[test]
    fn a_message_says_what_was_written() {
        let whose = PeerProcess { pid: 7, uid: 8, gid: 9 };
        let source = "fe80::1".parse().expect("an address");
        let written = [
            OutgoingControl::Credentials(whose),
            OutgoingControl::Source { address: source, interface: 3 },
            OutgoingControl::Ttl(64),
            OutgoingControl::TrafficClass(4),
        ];
        let buffer = buffer(&written, true);
        let mut read = messages(&buffer).map(|message| message.meaning());
        assert!(matches!(read.next(), Some(ControlMessage::Credentials(read)) if read == whose));
        let arrival = Arrival { to: source, answer_from: Some(source), interface: 3 };
        assert!(matches!(read.next(), Some(ControlMessage::Arrival(read)) if read == arrival));
        assert!(matches!(read.next(), Some(ControlMessage::Ttl(64))));
        assert!(matches!(read.next(), Some(ControlMessage::TrafficClass(4))));
        assert!(read.next().is_none());
    }

    #[test]
    fn an_errno_is_no_descriptor() {
        let mut buffer = vec![0; space(4)];
        for (number, expected) in [(7, vec![7]), (-libc::EMFILE, vec![])] {
            put(&mut buffer, libc::SOL_SOCKET, SCM_PIDFD, &number.to_ne_bytes());
            let message = messages(&buffer).next().expect("one");
            let numbers = message.descriptors().map(Iterator::collect::<Vec<_>>);
            assert_eq!(numbers, Some(expected));
        }
    }

    #[test]
    fn a_length_that_is_none_ends_the_reading() {
        for length in [0, HEAD - 1, HEAD + 5, usize::MAX, usize::MAX - 7] {
            let mut buffer = vec![0; space(4)];
            put(&mut buffer, 1, 1, &[0; 4]);
            buffer[..WORD].copy_from_slice(&length.to_ne_bytes());
            buffer.truncate(HEAD + 4);
            assert_eq!(messages(&buffer).count(), 0, "{length}");
        }
    }

    #[test]
    fn lengths_are_the_systems_own() {
        for data in 0..64_u32 {
            // SAFETY: both only compute.
            let theirs = unsafe { (libc::CMSG_SPACE(data), libc::CMSG_LEN(data)) };
            let ours = (space(data as usize), length(data as usize));
            assert_eq!(ours, (theirs.0 as usize, theirs.1 as usize));
        }
    }
}
