//! A captured frame, and what stands before its network header.

use std::time::Duration;

/// One frame as an interface or a file had it. It borrows its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapturedFrame<'f> {
    /// When it was captured, since 1970-01-01 UTC.
    pub at: Duration,
    /// What its first byte belongs to.
    pub link: LinkType,
    /// The interface that it was captured on; empty where a file does not say.
    pub interface: &'f str,
    /// The bytes that were kept of it.
    pub bytes: &'f [u8],
    /// How many bytes it had on the wire: more than were kept where it was cut.
    pub length: usize,
}

impl CapturedFrame<'_> {
    /// Whether only its beginning was kept.
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.length
    }
}

/// The link layer of a frame, by its number in capture files (<https://www.tcpdump.org/linktypes.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// `LINKTYPE_ETHERNET`: Ethernet II (IEEE 802.3); Linux's loopback, too.
    Ethernet,
    /// `LINKTYPE_RAW`: an IPv4 or IPv6 header at once, as on a tunnel.
    Raw,
    /// `LINKTYPE_NULL`: four bytes of an address family in the writer's byte order, as BSD's loopback has it.
    Null,
    /// `LINKTYPE_LINUX_SLL`: 16 bytes in place of a link header.
    Cooked,
    /// `LINKTYPE_LINUX_SLL2`: 20 bytes in place of a link header.
    CookedToo,
    /// Any other, of which nothing is decoded.
    Other(u16),
}

/// `ARPHRD_*` of the interfaces whose frames have an Ethernet header (`linux/if_arp.h`): Ethernet and loopback.
pub(super) const ETHERNET_HARDWARE: [u16; 2] = [libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK];
/// The same of interfaces whose frames begin with an IP header: tunnels, PPP, raw IP.
const RAW_HARDWARE: [u16; 7] = [
    libc::ARPHRD_NONE,
    libc::ARPHRD_PPP,
    libc::ARPHRD_TUNNEL,
    libc::ARPHRD_TUNNEL6,
    libc::ARPHRD_SIT,
    libc::ARPHRD_IPGRE,
    519, // ARPHRD_RAWIP
];
/// The types of frames that carry a VLAN tag (IEEE 802.1Q, 802.1ad, and what came before it).
pub(super) const TAGGED: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// `ETH_P_IP`.
pub(super) const IPV4: u16 = 0x0800;
/// `ETH_P_IPV6`.
pub(super) const IPV6: u16 = 0x86dd;
/// `ETH_P_ARP`.
pub(super) const ARP: u16 = 0x0806;
/// `ETH_P_RARP`.
pub(super) const RARP: u16 = 0x8035;
/// Bytes of an Ethernet header, and of a VLAN tag.
pub(super) const ETHERNET_HEADER: usize = 14;
pub(super) const VLAN_TAG: usize = 4;
/// VLAN tags that are looked behind.
pub(super) const MOST_TAGS: usize = 2;

impl LinkType {
    /// Its number in a capture file.
    pub fn number(self) -> u16 {
        match self {
            LinkType::Ethernet => 1,
            LinkType::Raw => 101,
            LinkType::Null => 0,
            LinkType::Cooked => 113,
            LinkType::CookedToo => 276,
            LinkType::Other(number) => number,
        }
    }

    /// The link type of this number. Raw IP has several, by the system that wrote the file.
    pub fn of_number(number: u16) -> Self {
        match number {
            1 => LinkType::Ethernet,
            12 | 14 | 101 | 228 | 229 => LinkType::Raw,
            0 | 108 => LinkType::Null,
            113 => LinkType::Cooked,
            276 => LinkType::CookedToo,
            other => LinkType::Other(other),
        }
    }

    /// What frames of an interface with this hardware begin with, as `AF_PACKET` hands them over; none: something that is
    /// not known here.
    pub fn of_hardware(hardware: u16) -> Option<Self> {
        match hardware {
            _ if ETHERNET_HARDWARE.contains(&hardware) => Some(LinkType::Ethernet),
            _ if RAW_HARDWARE.contains(&hardware) => Some(LinkType::Raw),
            _ => None,
        }
    }
}

/// Where the network header is, and its type as Ethernet numbers it; none: the frame is too short, or of another kind.
pub(super) fn network_header(link: LinkType, bytes: &[u8]) -> Option<(u16, usize)> {
    match link {
        LinkType::Ethernet => {
            let (mut kind, mut at) = (word(bytes, 12)?, ETHERNET_HEADER);
            for _ in 0..MOST_TAGS {
                if TAGGED.contains(&kind) {
                    kind = word(bytes, at + 2)?;
                    at += VLAN_TAG;
                }
            }
            Some((kind, at))
        }
        LinkType::Raw => Some((ip_version(bytes, 0)?, 0)),
        LinkType::Null => Some((ip_version(bytes, 4)?, 4)),
        LinkType::Cooked => Some((word(bytes, 14)?, 16)),
        LinkType::CookedToo => (bytes.len() >= 20).then_some((word(bytes, 0)?, 20)),
        LinkType::Other(_) => None,
    }
}

/// The type of the IP header that begins there; 0 where it is none.
fn ip_version(bytes: &[u8], at: usize) -> Option<u16> {
    Some(match bytes.get(at)? >> 4 {
        4 => IPV4,
        6 => IPV6,
        _ => 0,
    })
}

/// Two bytes in network order.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(two.try_into().expect("two bytes were taken")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_header_is_found_behind_any_link_header() {
        let ethernet = |kinds: &[u16]| {
            let mut frame = vec![0; 12];
            for kind in kinds {
                frame.extend(kind.to_be_bytes());
                frame.extend([0, 5]);
            }
            frame
        };
        let found = |link, bytes: &[u8]| network_header(link, bytes);
        assert_eq!(found(LinkType::Ethernet, &ethernet(&[IPV4])), Some((IPV4, 14)));
        assert_eq!(found(LinkType::Ethernet, &ethernet(&[0x8100, ARP])), Some((ARP, 18)));
        assert_eq!(found(LinkType::Ethernet, &ethernet(&[0x88a8, 0x8100, IPV6])), Some((IPV6, 22)));
        assert_eq!(found(LinkType::Ethernet, &[0; 13]), None);
        assert_eq!(found(LinkType::Raw, &[0x60]), Some((IPV6, 0)));
        assert_eq!(found(LinkType::Null, &[2, 0, 0, 0, 0x45]), Some((IPV4, 4)));
        let mut cooked = [0; 20];
        cooked[14..16].copy_from_slice(&IPV4.to_be_bytes());
        assert_eq!(found(LinkType::Cooked, &cooked), Some((IPV4, 16)));
        cooked[..2].copy_from_slice(&IPV6.to_be_bytes());
        assert_eq!(found(LinkType::CookedToo, &cooked), Some((IPV6, 20)));
        assert_eq!(found(LinkType::Other(147), &cooked), None);
    }

    #[test]
    fn a_link_type_is_its_number() {
        for number in 0..=300 {
            let link = LinkType::of_number(number);
            assert_eq!(LinkType::of_number(link.number()), link, "{number}");
        }
        assert_eq!(LinkType::of_hardware(libc::ARPHRD_LOOPBACK), Some(LinkType::Ethernet));
        assert_eq!(LinkType::of_hardware(libc::ARPHRD_NONE), Some(LinkType::Raw));
        assert_eq!(LinkType::of_hardware(libc::ARPHRD_IEEE80211), None);
    }
}
