//! What the kernel lets us do with sockets. Each is tried, and closed again at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hobnob::address::Address;
use hobnob::engine::{self, Dialer};
use hobnob::error::{Error, Kind, Result};
use hobnob::socket::{Family, Socket, Type};

use super::check::Check;

/// A port that needs a right, where ports below 1024 do.
const LOW_PORT: u16 = 1_023;
/// `IPPROTO_ICMP` (RFC 792).
const ICMP: i32 = 1;
/// The most bytes of a Unix socket's path (unix(7)).
const LONGEST_PATH: usize = 107;

pub(super) fn checks() -> Vec<Check> {
    let mut all = vec![
        loopback("IPv4 loopback", Family::V4, Ipv4Addr::LOCALHOST.into()),
        loopback("IPv6 loopback", Family::V6, Ipv6Addr::LOCALHOST.into()),
        low_ports(),
        ping(),
        raw(),
        capture(),
        unix(),
    ];
    all.extend(layers());
    all
}

fn bind(family: Family, ip: IpAddr, port: u16) -> Result<()> {
    let socket = Socket::new(family, Type::Stream, 0)?;
    socket.bind(&Address::Ip(SocketAddr::new(ip, port)))
}

fn loopback(name: &str, family: Family, ip: IpAddr) -> Check {
    match bind(family, ip, 0) {
        Ok(()) => Check::fine(name, ip.to_string()),
        Err(error) => Check::lacking(name, said(&error)),
    }
}

fn low_ports() -> Check {
    let name = "ports below 1024";
    let first = kernel_setting("ipv4/ip_unprivileged_port_start");
    match bind(Family::V4, Ipv4Addr::LOCALHOST.into(), LOW_PORT) {
        // The right to it is looked at before whether it is free.
        Ok(()) => Check::fine(name, ""),
        Err(error) if error.kind() == Kind::PortInUse => Check::fine(name, ""),
        Err(error) if error.kind() == Kind::PrivilegedPort => {
            let first = first.unwrap_or_else(|| "1024".to_owned());
            let text = format!("needs CAP_NET_BIND_SERVICE; ports from {first} up do not");
            Check::lacking(name, text).but(setcap("cap_net_bind_service"))
        }
        Err(error) => Check::lacking(name, said(&error)),
    }
}

/// Echo requests over a datagram socket need a group that the kernel is told of (icmp(7)), and no right; where that
/// group is empty not even root may, while a raw socket works.
fn ping() -> Check {
    let name = "ping without a right";
    let range = kernel_setting("ipv4/ping_group_range").unwrap_or_default();
    let range = range.split_whitespace().collect::<Vec<_>>().join(" ");
    match Socket::new(Family::V4, Type::Datagram, ICMP) {
        Ok(_) => Check::fine(name, format!("net.ipv4.ping_group_range is {range}")),
        Err(error) if is_denied(&error) => {
            let remedy = "sudo sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"";
            Check::lacking(name, format!("net.ipv4.ping_group_range is {range}")).but(remedy)
        }
        Err(error) => Check::lacking(name, said(&error)),
    }
}

fn raw() -> Check {
    let name = "raw sockets";
    match Socket::new(Family::V4, Type::Raw, ICMP) {
        Ok(_) => Check::fine(name, "ping works with them, too"),
        Err(error) => denied_raw(name, &error),
    }
}

fn capture() -> Check {
    let name = "packet capture";
    // Without a protocol it hears nothing: nothing of anybody's is read here.
    match Socket::new(Family::Packet, Type::Raw, 0) {
        Ok(_) => Check::fine(name, ""),
        Err(error) => denied_raw(name, &error),
    }
}

fn denied_raw(name: &str, error: &Error) -> Check {
    if is_denied(error) {
        return Check::lacking(name, "needs CAP_NET_RAW").but(setcap("cap_net_raw"));
    }
    Check::lacking(name, said(error))
}

fn unix() -> Check {
    match Socket::pair(Type::Seqpacket) {
        Ok(_) => Check::fine("Unix sockets", format!("paths of up to {LONGEST_PATH} bytes")),
        Err(error) => Check::lacking("Unix sockets", said(&error)),
    }
}

/// Whether each layer has what it needs to dial: TLS, for example, a list of certificates to trust.
fn layers() -> Vec<Check> {
    let built = engine::layers().iter().filter(|row| row.make.is_some());
    built
        .filter_map(|row| {
            let endpoint = engine::parse(&format!("{}://localhost:1", row.spec.name)).ok()?;
            let name = format!("dialling {}", row.spec.name);
            Some(match Dialer::default().route(&endpoint) {
                Ok(_) => Check::fine(name, row.spec.summary),
                Err(error) => Check::lacking(name, said(&error)),
            })
        })
        .collect()
}

fn is_denied(error: &Error) -> bool {
    matches!(error.kind(), Kind::PermissionDenied | Kind::RawSocketDenied)
}

/// The sentence, and the call with its errno.
fn said(error: &Error) -> String {
    let call = error.call().map(|call| format!(": {} -> {}", call.text, call.outcome));
    let why = error.reasons().first().map(|why| format!(": {why}"));
    format!("{}{}", error.message(), call.or(why).unwrap_or_default())
}

fn kernel_setting(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/sys/net/{path}")).ok()?;
    Some(text.trim().to_owned())
}

/// The command that gives this very program a right.
fn setcap(right: &str) -> String {
    let own = std::env::current_exe().map(|path| path.to_string_lossy().into_owned());
    let own = own.unwrap_or_else(|_| "$(which hobnob)".to_owned());
    format!("sudo setcap {right}+ep {own}")
}
