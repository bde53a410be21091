//! The packets that control the others: ARP, ICMP, IGMP.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use hobnob::capture::{
    ArpMessage, CapturedFrame, IcmpMessage, IgmpMessage, LinkType, NetLayer, TransportLayer, decode,
};

use super::names::{mac, protocol};

/// Records of one IGMP report that are shown.
const RECORDS: usize = 8;

/// `ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28`.
pub(super) fn arp(out: &mut String, message: &ArpMessage, length: usize) {
    let known = |ip: Option<IpAddr>| ip.map_or_else(|| "?".to_owned(), |ip| ip.to_string());
    let (sender, target) = (known(message.sender), known(message.target));
    let _ = match message.operation {
        1 => write!(out, "ARP, Request who-has {target} tell {sender}"),
        2 => write!(out, "ARP, Reply {sender} is-at {}", mac(&message.sender_hardware)),
        other => write!(out, "ARP, operation {other} of {sender}"),
    };
    let _ = write!(out, ", length {length}");
}

/// `ICMP echo request, id 9, seq 1, length 64`.
pub(super) fn icmp(out: &mut String, message: &IcmpMessage<'_>) {
    out.push_str(if message.is_v6 { "ICMP6, " } else { "ICMP " });
    let [a, b, c, d] = message.rest;
    let (id, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let name = match (message.is_v6, message.kind) {
        (false, 8) | (true, 128) => "echo request",
        (false, 0) | (true, 129) => "echo reply",
        (false, 3) | (true, 1) => return unreachable(out, message),
        (false, 11) | (true, 3) => return about(out, "time exceeded in-transit", message),
        (true, 2) => return about(out, "packet too big", message),
        (false, 5) => "redirect",
        (true, 133) => "router solicitation",
        (true, 134) => "router advertisement",
        (true, 135) => return neighbour(out, "neighbor solicitation, who has", message),
        (true, 136) => return neighbour(out, "neighbor advertisement, tgt is", message),
        (true, 143) => "multicast listener report v2",
        (_, kind) => {
            let _ = write!(out, "type {kind} code {}, length {}", message.code, message.length);
            return;
        }
    };
    out.push_str(name);
    if name.starts_with("echo re") {
        let _ = write!(out, ", id {id}, seq {sequence}");
    }
    let _ = write!(out, ", length {}", message.length);
}

/// The packet that an error is about, as it is in the error.
fn inner<'f>(message: &IcmpMessage<'f>) -> CapturedFrame<'f> {
    CapturedFrame {
        at: std::time::Duration::ZERO,
        link: LinkType::Raw,
        interface: "",
        bytes: message.payload,
        length: message.payload.len(),
    }
}

/// `10.0.0.2 udp port 9 unreachable`, or what it is that cannot be reached.
fn unreachable(out: &mut String, message: &IcmpMessage<'_>) {
    let frame = inner(message);
    let decoded = decode(&frame);
    let Some(NetLayer::Ip(ip)) = &decoded.net else {
        let _ = write!(out, "unreachable (code {}), length {}", message.code, message.length);
        return;
    };
    let to = ip.destination;
    let ports = decoded.transport.as_ref().and_then(TransportLayer::ports);
    let carried = protocol(ip.protocol).to_lowercase();
    let _ = match (message.is_v6, message.code, ports) {
        (false, 3, Some((_, port))) | (true, 4, Some((_, port))) => {
            write!(out, "{to} {carried} port {port} unreachable")
        }
        (false, 0, _) => write!(out, "net {to} unreachable"),
        (false, 1, _) | (true, 3, _) => write!(out, "host {to} unreachable"),
        (false, 2, _) => write!(out, "{to} protocol {} unreachable", ip.protocol),
        (false, 4, _) => write!(out, "{to} unreachable - need to frag"),
        (false, 9 | 10 | 13, _) | (true, 1, _) => {
            write!(out, "host {to} unreachable - admin prohibited")
        }
        (_, code, _) => write!(out, "{to} unreachable (code {code})"),
    };
    let _ = write!(out, ", length {}", message.length);
}

/// What happened, and to which packet.
fn about(out: &mut String, what: &str, message: &IcmpMessage<'_>) {
    out.push_str(what);
    let frame = inner(message);
    if let Some(NetLayer::Ip(ip)) = &decode(&frame).net {
        let _ = write!(out, ", of {} to {}", protocol(ip.protocol), ip.destination);
    }
    let _ = write!(out, ", length {}", message.length);
}

/// The address that is asked for, or that answers (RFC 4861, 4.3 and 4.4).
fn neighbour(out: &mut String, what: &str, message: &IcmpMessage<'_>) {
    let target: Option<[u8; 16]> = message.payload.get(..16).and_then(|ip| ip.try_into().ok());
    let target = target.map_or_else(|| "?".to_owned(), |ip| IpAddr::from(ip).to_string());
    let _ = write!(out, "{what} {target}, length {}", message.length);
}

/// `igmp v2 report 239.1.2.3`.
pub(super) fn igmp(out: &mut String, message: &IgmpMessage<'_>) {
    let group = Ipv4Addr::from(message.rest);
    let _ = match message.kind {
        0x11 if group.is_unspecified() => write!(out, "igmp query"),
        0x11 => write!(out, "igmp query for {group}"),
        0x12 => write!(out, "igmp v1 report {group}"),
        0x16 => write!(out, "igmp v2 report {group}"),
        0x17 => write!(out, "igmp leave {group}"),
        0x22 => return report(out, message),
        other => write!(out, "igmp type {other:#04x}"),
    };
}

/// The records of a report (RFC 3376, 4.2).
fn report(out: &mut String, message: &IgmpMessage<'_>) {
    let [_, _, high, low] = message.rest;
    let count = u16::from_be_bytes([high, low]);
    let _ = write!(out, "igmp v3 report, {count} group record(s)");
    let mut rest = message.payload;
    for _ in 0..usize::from(count).min(RECORDS) {
        let Some((head, behind)) = rest.split_at_checked(8) else { return };
        let sources = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let what = match head[0] {
            1 => "is_in",
            2 => "is_ex",
            3 => "to_in",
            4 => "to_ex",
            5 => "allow",
            6 => "block",
            _ => "?",
        };
        let group = Ipv4Addr::new(head[4], head[5], head[6], head[7]);
        let _ = write!(out, " [gaddr {group} {what}, {sources} source(s)]");
        rest = behind.get(4 * (sources + usize::from(head[1]))..).unwrap_or_default();
    }
}
