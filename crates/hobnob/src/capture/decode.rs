//! What the headers of a frame say. The crate `etherparse` reads them, leniently: a frame may be cut anywhere, and any
//! length in it may be a lie.

use std::net::IpAddr;

use etherparse::err::packet::SliceError;
use etherparse::{
    EtherType, IpNumber, Ipv6ExtensionSlice, LaxIpPayloadSlice, LaxIpv4Slice, LaxIpv6Slice,
    LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice, TcpSlice, TransportSlice, UdpSlice,
};

use super::frame::{CapturedFrame, LinkType, network_header};
use super::headers::{
    ArpMessage, EthernetAddresses, Fragment, IcmpMessage, IgmpMessage, IpLayer, NetLayer, TcpFlags,
    TcpSegment, TransportLayer, UdpPacket,
};

/// What the headers of a frame say, as far as they can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'f> {
    /// The Ethernet addresses, where the link has them.
    pub ethernet: Option<EthernetAddresses>,
    /// VLAN identifiers, the outermost first (IEEE 802.1Q).
    pub vlans: Vec<u16>,
    /// What stands behind the link header, as Ethernet numbers it; none: the frame ends before, or it is no such link.
    pub ether_type: Option<u16>,
    /// The network layer.
    pub net: Option<NetLayer>,
    /// The transport layer.
    pub transport: Option<TransportLayer<'f>>,
    /// What follows the last header that was understood.
    pub payload: &'f [u8],
    /// Why nothing more is decoded: a frame that is cut, or a header that contradicts itself.
    pub flaw: Option<String>,
}

/// Decodes a frame. It never fails: what cannot be read is left out, and [`Decoded::flaw`] says why.
pub fn decode<'f>(frame: &CapturedFrame<'f>) -> Decoded<'f> {
    let bytes = frame.bytes;
    let header = network_header(frame.link, bytes);
    let sliced = match (frame.link, header) {
        (LinkType::Ethernet, _) => LaxSlicedPacket::from_ethernet(bytes).ok(),
        (_, Some((kind, at))) => {
            Some(LaxSlicedPacket::from_ether_type(EtherType(kind), &bytes[at..]))
        }
        (_, None) => None,
    };
    let at = header.map_or(bytes.len(), |(_, at)| at.min(bytes.len()));
    let mut decoded = Decoded {
        ethernet: None,
        vlans: Vec::new(),
        ether_type: header.map(|(kind, _)| kind),
        net: None,
        transport: None,
        payload: if header.is_some() { &bytes[at..] } else { bytes },
        flaw: None,
    };
    match sliced {
        Some(sliced) => decoded.fill(&sliced, bytes),
        None if matches!(frame.link, LinkType::Other(_)) => {}
        None => decoded.flaw = Some("the link header is cut short".to_owned()),
    }
    decoded
}

impl<'f> Decoded<'f> {
    fn fill(&mut self, sliced: &LaxSlicedPacket<'f>, frame: &'f [u8]) {
        if let Some(LinkSlice::Ethernet2(link)) = &sliced.link {
            let (source, destination) = (link.source(), link.destination());
            self.ethernet = Some(EthernetAddresses { source, destination });
        }
        self.vlans.extend(sliced.link_exts.iter().filter_map(|ext| match ext {
            LaxLinkExtSlice::Vlan(vlan) => Some(vlan.vlan_identifier().value()),
            LaxLinkExtSlice::Macsec(_) => None,
        }));
        match &sliced.net {
            Some(LaxNetSlice::Ipv4(ip)) => self.ip(ipv4(ip, frame), ip.payload()),
            Some(LaxNetSlice::Ipv6(ip)) => self.ip(ipv6(ip, frame), ip.payload()),
            Some(LaxNetSlice::Arp(arp)) => {
                self.net = Some(NetLayer::Arp(ArpMessage {
                    operation: arp.operation().0,
                    sender_hardware: arp.sender_hw_addr().to_vec(),
                    sender: ip_of(arp.sender_protocol_addr()),
                    target_hardware: arp.target_hw_addr().to_vec(),
                    target: ip_of(arp.target_protocol_addr()),
                }));
                self.payload = &[];
            }
            None => {}
        }
        if let Some(NetLayer::Ip(ip)) = &self.net {
            let whole = sliced.transport.as_ref().map(|transport| transport_layer(transport, ip));
            self.transport = whole.or_else(|| first_of_many(ip, self.payload));
            self.payload = self.transport.as_ref().map_or(self.payload, TransportLayer::payload);
        }
        self.flaw = sliced.stop_err.as_ref().map(|(error, layer)| match error {
            SliceError::Len(_) => format!("cut short in the {layer}"),
            other => other.to_string(),
        });
    }

    fn ip(&mut self, header: IpLayer, payload: &LaxIpPayloadSlice<'f>) {
        self.net = Some(NetLayer::Ip(header));
        self.payload = payload.payload;
    }
}

/// How many bytes of the frame stand from this header on.
fn behind(header: &[u8], frame: &[u8]) -> usize {
    let at = (header.as_ptr() as usize).saturating_sub(frame.as_ptr() as usize);
    frame.len().saturating_sub(at)
}

fn ipv4(ip: &LaxIpv4Slice<'_>, frame: &[u8]) -> IpLayer {
    let (header, payload) = (ip.header(), ip.payload());
    let missing = usize::from(header.total_len()).saturating_sub(behind(header.slice(), frame));
    let offset = usize::from(header.fragments_offset().byte_offset());
    let is_fragment = header.more_fragments() || offset > 0;
    IpLayer {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: payload.ip_number.0,
        ttl: header.ttl(),
        length: payload.payload.len() + missing,
        missing,
        fragment: is_fragment.then(|| Fragment {
            id: u32::from(header.identification()),
            offset,
            has_more: header.more_fragments(),
        }),
    }
}

fn ipv6(ip: &LaxIpv6Slice<'_>, frame: &[u8]) -> IpLayer {
    let (header, payload) = (ip.header(), ip.payload());
    let announced = usize::from(header.payload_length()) + header.slice().len();
    let missing = announced.saturating_sub(behind(header.slice(), frame));
    let fragment = ip.extensions().clone().into_iter().find_map(|part| match part {
        Ipv6ExtensionSlice::Fragment(part) if part.is_fragmenting_payload() => Some(Fragment {
            id: part.identification(),
            offset: usize::from(part.fragment_offset().byte_offset()),
            has_more: part.more_fragments(),
        }),
        _ => None,
    });
    IpLayer {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: payload.ip_number.0,
        ttl: header.hop_limit(),
        length: payload.payload.len() + missing,
        missing,
        fragment,
    }
}

fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from)
}

fn transport_layer<'f>(slice: &TransportSlice<'f>, ip: &IpLayer) -> TransportLayer<'f> {
    match slice {
        TransportSlice::Tcp(tcp) => TransportLayer::Tcp(segment(tcp, ip)),
        TransportSlice::Udp(udp) => TransportLayer::Udp(UdpPacket {
            source_port: udp.source_port(),
            destination_port: udp.destination_port(),
            length: usize::from(udp.length()).saturating_sub(udp.header_slice().len()),
            payload: udp.payload(),
        }),
        TransportSlice::Icmpv4(icmp) => TransportLayer::Icmp(IcmpMessage {
            is_v6: false,
            kind: icmp.type_u8(),
            code: icmp.code_u8(),
            rest: icmp.bytes5to8(),
            payload: icmp.payload(),
            length: ip.length,
        }),
        TransportSlice::Icmpv6(icmp) => TransportLayer::Icmp(IcmpMessage {
            is_v6: true,
            kind: icmp.type_u8(),
            code: icmp.code_u8(),
            rest: icmp.bytes5to8(),
            payload: icmp.payload(),
            length: ip.length,
        }),
        TransportSlice::Igmp(igmp) => TransportLayer::Igmp(IgmpMessage {
            kind: igmp.type_u8(),
            rest: igmp.bytes4to7(),
            payload: igmp.payload(),
        }),
    }
}

/// The ports of a packet stand in the first of its fragments.
fn first_of_many<'f>(ip: &IpLayer, payload: &'f [u8]) -> Option<TransportLayer<'f>> {
    ip.fragment.filter(|part| part.offset == 0)?;
    let slice = match IpNumber(ip.protocol) {
        IpNumber::TCP => TransportSlice::Tcp(TcpSlice::from_slice(payload).ok()?),
        IpNumber::UDP => TransportSlice::Udp(UdpSlice::from_slice_lax(payload).ok()?),
        _ => return None,
    };
    Some(transport_layer(&slice, ip))
}

fn segment<'f>(tcp: &TcpSlice<'f>, ip: &IpLayer) -> TcpSegment<'f> {
    let header = tcp.header_slice();
    // The options lie in the frame as long as the header does.
    let options = tcp.slice().get(20..header.len()).unwrap_or_default();
    TcpSegment {
        source_port: tcp.source_port(),
        destination_port: tcp.destination_port(),
        sequence: tcp.sequence_number(),
        acknowledgment: tcp.acknowledgment_number(),
        flags: TcpFlags(header.get(13).copied().unwrap_or_default()),
        window: tcp.window_size(),
        options,
        payload: tcp.payload(),
        length: ip.length.saturating_sub(header.len()),
    }
}

#[cfg(test)]
mod tests;
