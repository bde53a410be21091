//! What the headers of a frame say, as plain values.

use std::fmt;
use std::net::IpAddr;

use etherparse::{TcpOptionElement, TcpOptionsIterator};

/// The sender and the receiver of a frame on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EthernetAddresses {
    /// The sender's.
    pub source: [u8; 6],
    /// The receiver's.
    pub destination: [u8; 6],
}

/// The network layer of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetLayer {
    /// IPv4 (RFC 791) or IPv6 (RFC 8200).
    Ip(IpLayer),
    /// ARP (RFC 826).
    Arp(ArpMessage),
}

/// What an IP header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpLayer {
    /// The sender.
    pub source: IpAddr,
    /// The receiver.
    pub destination: IpAddr,
    /// The protocol that is carried, behind the extension headers of IPv6.
    pub protocol: u8,
    /// Routers that it may still pass: TTL, or hop limit.
    pub ttl: u8,
    /// Bytes that it carries, by its own word.
    pub length: usize,
    /// How many of these bytes are not here: the frame was cut, or the header lies.
    pub missing: usize,
    /// Which part of a packet it is, where it is one.
    pub fragment: Option<Fragment>,
}

/// Which part of a packet one fragment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// What all parts of the packet have in common.
    pub id: u32,
    /// Where its bytes belong.
    pub offset: usize,
    /// Whether others follow.
    pub has_more: bool,
}

/// What an ARP message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArpMessage {
    /// What it is: 1 asks, 2 answers.
    pub operation: u16,
    /// The hardware address of its sender.
    pub sender_hardware: Vec<u8>,
    /// The IP address of its sender, where it is one.
    pub sender: Option<IpAddr>,
    /// The hardware address that it is about.
    pub target_hardware: Vec<u8>,
    /// The IP address that it is about, where it is one.
    pub target: Option<IpAddr>,
}

/// The transport layer of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportLayer<'f> {
    /// TCP (RFC 9293).
    Tcp(TcpSegment<'f>),
    /// UDP (RFC 768).
    Udp(UdpPacket<'f>),
    /// ICMP (RFC 792) or `ICMPv6` (RFC 4443).
    Icmp(IcmpMessage<'f>),
    /// IGMP (RFC 3376).
    Igmp(IgmpMessage<'f>),
}

/// What a TCP header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpSegment<'f> {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// The number of its first byte.
    pub sequence: u32,
    /// The number of the byte that is expected next; counts where the flag ACK is set.
    pub acknowledgment: u32,
    /// Its flags.
    pub flags: TcpFlags,
    /// How many bytes its sender takes, before scaling.
    pub window: u16,
    /// Its options, as they are.
    pub options: &'f [u8],
    /// The bytes that it carries, as far as they are here.
    pub payload: &'f [u8],
    /// How many it carries by the word of its headers.
    pub length: usize,
}

/// Flags of a TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// `FIN`: no more bytes follow.
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// `SYN`: a direction begins.
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// `RST`: the connection is torn down.
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// `ACK`: the acknowledgment counts.
    pub const ACK: TcpFlags = TcpFlags(0x10);

    /// Whether all of these are set.
    pub fn has(self, flags: TcpFlags) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// As tcpdump shows them: `S`, `F.`, `P.`; a dot is ACK.
impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (TcpFlags::FIN.0, "F"),
            (TcpFlags::SYN.0, "S"),
            (TcpFlags::RST.0, "R"),
            (0x08, "P"),
            (TcpFlags::ACK.0, "."),
            (0x20, "U"),
            (0x40, "E"),
            (0x80, "W"),
        ];
        if self.0 == 0 {
            return f.write_str("none");
        }
        letters.iter().filter(|(bit, _)| self.0 & bit != 0).try_for_each(|(_, l)| f.write_str(l))
    }
}

/// An option of a TCP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpChoice {
    /// Padding.
    Nop,
    /// The most bytes of a segment.
    MaximumSegment(u16),
    /// By how many bits windows are shifted.
    WindowScale(u8),
    /// Selective acknowledgments are understood.
    SackPermitted,
    /// What arrived beyond the acknowledgment: from, to.
    Sack(Vec<(u32, u32)>),
    /// A time stamp, and the one that it answers.
    Timestamps(u32, u32),
}

impl TcpSegment<'_> {
    /// Its options, up to the first that cannot be read.
    pub fn choices(&self) -> Vec<TcpChoice> {
        let options = TcpOptionsIterator::from_slice(self.options);
        options.map_while(Result::ok).map(|option| choice(&option)).collect()
    }

    /// How many sequence numbers it takes: its bytes, and one each for SYN and FIN.
    pub fn span(&self) -> u32 {
        let flags =
            u32::from(self.flags.has(TcpFlags::SYN)) + u32::from(self.flags.has(TcpFlags::FIN));
        u32::try_from(self.length).unwrap_or(u32::MAX).saturating_add(flags)
    }
}

fn choice(option: &TcpOptionElement) -> TcpChoice {
    match option {
        TcpOptionElement::Noop => TcpChoice::Nop,
        TcpOptionElement::MaximumSegmentSize(size) => TcpChoice::MaximumSegment(*size),
        TcpOptionElement::WindowScale(bits) => TcpChoice::WindowScale(*bits),
        TcpOptionElement::SelectiveAcknowledgementPermitted => TcpChoice::SackPermitted,
        TcpOptionElement::SelectiveAcknowledgement(first, more) => {
            let all = std::iter::once(*first).chain(more.iter().flatten().copied());
            TcpChoice::Sack(all.collect())
        }
        TcpOptionElement::Timestamp(own, echoed) => TcpChoice::Timestamps(*own, *echoed),
    }
}

/// What a UDP header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpPacket<'f> {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// How many bytes it carries by its own word.
    pub length: usize,
    /// The bytes that it carries, as far as they are here.
    pub payload: &'f [u8],
}

/// An ICMP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcmpMessage<'f> {
    /// Whether it is one of `ICMPv6`.
    pub is_v6: bool,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The four bytes behind its checksum.
    pub rest: [u8; 4],
    /// What follows: of an error, the packet that it is about.
    pub payload: &'f [u8],
    /// How many bytes it has in all, by the word of the IP header.
    pub length: usize,
}

/// An IGMP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgmpMessage<'f> {
    /// Its type.
    pub kind: u8,
    /// The four bytes behind its checksum: a group, or counts.
    pub rest: [u8; 4],
    /// What follows: records of groups, sources.
    pub payload: &'f [u8],
}

impl<'f> TransportLayer<'f> {
    /// What it carries, as far as it is here.
    pub fn payload(&self) -> &'f [u8] {
        match self {
            TransportLayer::Tcp(segment) => segment.payload,
            TransportLayer::Udp(packet) => packet.payload,
            TransportLayer::Icmp(message) => message.payload,
            TransportLayer::Igmp(message) => message.payload,
        }
    }

    /// The ports of the sender and the receiver, where it has ports.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self {
            TransportLayer::Tcp(segment) => Some((segment.source_port, segment.destination_port)),
            TransportLayer::Udp(packet) => Some((packet.source_port, packet.destination_port)),
            TransportLayer::Icmp(_) | TransportLayer::Igmp(_) => None,
        }
    }
}
