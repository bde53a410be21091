//! A packet as one line, as people know it from tcpdump; addresses are written so that they can be pasted.

mod control;
mod names;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use hobnob::capture::{
    CapturedFrame, Decoded, IpLayer, NetLayer, SegmentNumbers, SequenceOrigins, TcpChoice,
    TcpFlags, TcpSegment, TransportLayer,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::report::show::safe;
use names::mac;

pub(crate) use names::{end, protocol};

/// Writes packets as lines.
pub(crate) struct PacketWords {
    zone: TimeZone,
    origins: SequenceOrigins,
    /// Whether each line says the interface.
    pub(crate) names_interface: bool,
    /// Whether each line says what tcpdump says with `-v`.
    pub(crate) is_verbose: bool,
    /// The last second written, and how.
    second: (u64, String),
}

/// What a line of a TCP segment has, once its numbers are known.
pub(crate) type Numbers = Option<SegmentNumbers>;

impl PacketWords {
    /// In this machine's time zone.
    pub(crate) fn new() -> Self {
        PacketWords {
            zone: TimeZone::system(),
            origins: SequenceOrigins::default(),
            names_interface: false,
            is_verbose: false,
            second: (u64::MAX, String::new()),
        }
    }

    /// The numbers of a segment as they are shown; each packet is to be asked for once, in order.
    pub(crate) fn numbers(&mut self, decoded: &Decoded<'_>) -> Numbers {
        let (Some(NetLayer::Ip(ip)), Some(TransportLayer::Tcp(segment))) =
            (&decoded.net, &decoded.transport)
        else {
            return None;
        };
        let source = SocketAddr::new(ip.source, segment.source_port);
        let destination = SocketAddr::new(ip.destination, segment.destination_port);
        Some(self.origins.numbers(source, destination, segment))
    }

    /// `14:02:11.123456`, in local time.
    pub(crate) fn time(&mut self, at: Duration) -> String {
        if self.second.0 != at.as_secs() {
            let stamp = i64::try_from(at.as_secs()).ok();
            let stamp = stamp.and_then(|second| Timestamp::from_second(second).ok());
            let shown = stamp.map_or_else(
                || format!("{} s", at.as_secs()),
                |stamp| stamp.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string(),
            );
            self.second = (at.as_secs(), shown);
        }
        format!("{}.{:06}", self.second.1, at.subsec_micros())
    }

    /// One line, without its time and its newline. All of it is safe to print.
    pub(crate) fn line(
        &self,
        frame: &CapturedFrame<'_>,
        decoded: &Decoded<'_>,
        numbers: Numbers,
    ) -> String {
        let mut out = String::new();
        if self.names_interface && !frame.interface.is_empty() {
            let _ = write!(out, "{} ", safe(frame.interface));
        }
        for vlan in &decoded.vlans {
            let _ = write!(out, "vlan {vlan}, ");
        }
        match &decoded.net {
            Some(NetLayer::Ip(ip)) => self.ip(&mut out, ip, decoded, numbers),
            Some(NetLayer::Arp(message)) => {
                let before = 14 + 4 * decoded.vlans.len();
                control::arp(&mut out, message, frame.length.saturating_sub(before));
            }
            None => link(&mut out, frame, decoded),
        }
        if let Some(flaw) = &decoded.flaw {
            let _ = write!(out, " [{}]", safe(flaw));
        }
        let missing = match &decoded.net {
            Some(NetLayer::Ip(ip)) => ip.missing,
            _ => 0,
        };
        match (missing, frame.is_cut()) {
            (0, _) => {}
            (_, true) => {
                let _ = write!(out, " [{} B not captured]", frame.length - frame.bytes.len());
            }
            (missing, false) => {
                let _ = write!(out, " [says {missing} B more than there are]");
            }
        }
        out
    }

    fn ip(&self, out: &mut String, ip: &IpLayer, decoded: &Decoded<'_>, numbers: Numbers) {
        out.push_str(if ip.source.is_ipv4() { "IP " } else { "IP6 " });
        if self.is_verbose {
            let _ = write!(out, "(ttl {}) ", ip.ttl);
        }
        let ports = decoded.transport.as_ref().and_then(TransportLayer::ports);
        let (source, destination) = ports.map_or((None, None), |(a, b)| (Some(a), Some(b)));
        let _ = write!(out, "{} > {}: ", end(ip.source, source), end(ip.destination, destination));
        match &decoded.transport {
            Some(TransportLayer::Tcp(segment)) => tcp(out, segment, numbers),
            Some(TransportLayer::Udp(packet)) => {
                let _ = write!(out, "UDP, length {}", packet.length);
            }
            Some(TransportLayer::Icmp(message)) => control::icmp(out, message),
            Some(TransportLayer::Igmp(message)) => control::igmp(out, message),
            None => {
                out.push_str(&protocol(ip.protocol));
                let _ = write!(out, ", length {}", ip.length);
            }
        }
        if let Some(part) = ip.fragment {
            let more = if part.has_more { ", more follow" } else { "" };
            let _ = write!(out, " (fragment of {} at {}{more})", part.id, part.offset);
        }
    }
}

fn tcp(out: &mut String, segment: &TcpSegment<'_>, numbers: Numbers) {
    let own = SegmentNumbers { sequence: segment.sequence, acknowledgment: segment.acknowledgment };
    let numbers = numbers.unwrap_or(own);
    let _ = write!(out, "Flags [{}]", segment.flags);
    let takes_numbers = segment.length > 0 || segment.flags.0 & !TcpFlags::ACK.0 != 0;
    if takes_numbers {
        let _ = write!(out, ", seq {}", numbers.sequence);
    }
    if segment.length > 0 {
        let length = u32::try_from(segment.length).unwrap_or(u32::MAX);
        let _ = write!(out, ":{}", numbers.sequence.wrapping_add(length));
    }
    if segment.flags.has(TcpFlags::ACK) {
        let _ = write!(out, ", ack {}", numbers.acknowledgment);
    }
    let _ = write!(out, ", win {}", segment.window);
    let choices = segment.choices();
    if !choices.is_empty() {
        let shown: Vec<_> = choices.iter().map(choice).collect();
        let _ = write!(out, ", options [{}]", shown.join(","));
    }
    let _ = write!(out, ", length {}", segment.length);
}

fn choice(option: &TcpChoice) -> String {
    match option {
        TcpChoice::Nop => "nop".to_owned(),
        TcpChoice::MaximumSegment(size) => format!("mss {size}"),
        TcpChoice::WindowScale(bits) => format!("wscale {bits}"),
        TcpChoice::SackPermitted => "sackOK".to_owned(),
        TcpChoice::Sack(ranges) => {
            let ranges = ranges.iter().map(|(from, to)| format!("{{{from}:{to}}}"));
            format!("sack {}", ranges.collect::<String>())
        }
        TcpChoice::Timestamps(own, echoed) => format!("TS val {own} ecr {echoed}"),
    }
}

/// A frame of which no more than the link is known.
fn link(out: &mut String, frame: &CapturedFrame<'_>, decoded: &Decoded<'_>) {
    if let Some(ends) = decoded.ethernet {
        let (source, destination) = (mac(&ends.source), mac(&ends.destination));
        let _ = write!(out, "{source} > {destination}: ");
    }
    match decoded.ether_type {
        // What is no type is a length (IEEE 802.3).
        Some(kind) if kind >= 0x600 => {
            let _ = write!(out, "ethertype {kind:#06x}, ");
        }
        Some(_) => out.push_str("802.3, "),
        None => {
            let _ = write!(out, "link type {}, ", frame.link.number());
        }
    }
    let _ = write!(out, "length {}", frame.length);
}

#[cfg(test)]
mod tests;
