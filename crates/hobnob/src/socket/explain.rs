//! What an errno means here, said so that a person can act on it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::{Family, Type, holder};
use crate::address::Address;
use crate::error::{Advice, Error, Kind};
use crate::spec::show_duration;
use crate::sys::info;

/// A call that says no more than its errno.
pub(super) fn data(call: &str, error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => too_many_files(call, error),
        // Only an operation of ours that ran out of time comes without an errno.
        None if error.kind() == io::ErrorKind::TimedOut => Error::new(
            Kind::TimedOut,
            "it took too long",
        )
        .with_outcome(call, None, "nothing in time"),
        _ => Error::from_io(call, error),
    }
}

/// The same for a call that the socket's timeout may have ended.
pub(super) fn timed(call: &str, timeout: Option<Duration>, error: &io::Error) -> Error {
    let failed = data(call, error);
    match timeout {
        Some(limit) if failed.kind() == Kind::TimedOut && error.raw_os_error().is_none() => {
            failed.with_message(format!("{call} had no answer within {}", show_duration(limit)))
        }
        _ => failed,
    }
}

/// `socket(2)`.
pub(super) fn socket(family: Family, kind: Type, protocol: i32, error: &io::Error) -> Error {
    let call = match protocol {
        0 => format!("socket({}, {})", family.name(), kind.name()),
        _ => format!("socket({}, {}, {protocol})", family.name(), kind.name()),
    };
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if kind == Type::Raw => {
            Error::new(Kind::RawSocketDenied, "raw sockets need a right you do not have")
                .with_call(call, error)
                .hint(Advice::Right("cap_net_raw"), "once")
        }
        Some(libc::EAFNOSUPPORT) => data(&call, error)
            .with_message(format!("this machine's kernel has no {}", family.name())),
        _ => data(&call, error),
    }
}

/// `bind(2)`, and a `listen(2)` that finds the port taken.
pub(super) fn bind(kind: Option<Type>, to: &Address, error: &io::Error) -> Error {
    let call = format!("bind({to})");
    let failed = match (error.raw_os_error(), to) {
        (Some(libc::EADDRINUSE), Address::Ip(ip)) => port_in_use(*ip, kind),
        (Some(libc::EADDRINUSE), Address::Path(path)) => path_in_use(path),
        (Some(libc::EADDRINUSE), _) => {
            Error::new(Kind::SocketFileExists, format!("the abstract name {to} is in use"))
        }
        (Some(libc::EACCES), Address::Ip(ip)) if ip.port() < 1_024 => privileged(*ip),
        (Some(libc::EADDRNOTAVAIL), Address::Ip(ip)) => not_here(*ip),
        (Some(libc::ENOENT), Address::Path(path)) => {
            Error::new(Kind::NotFound, format!("there is no folder {}", folder(path)))
        }
        (Some(libc::EACCES | libc::EPERM | libc::EROFS), Address::Path(path)) => Error::new(
            Kind::PermissionDenied,
            format!("you may not make a socket in {}", folder(path)),
        ),
        (Some(libc::EINVAL), _) => data(&call, error)
            .with_message(format!("the socket cannot be bound to {to}"))
            .why("it is bound already, or is of another family"),
        _ => data(&call, error),
    };
    failed.with_call(call, error)
}

/// `connect(2)`.
pub(super) fn connect(
    kind: Option<Type>,
    to: &Address,
    timeout: Option<Duration>,
    error: &io::Error,
) -> Error {
    let call = format!("connect({to})");
    let silent = error.raw_os_error().is_none() && error.kind() == io::ErrorKind::TimedOut;
    if silent || error.raw_os_error() == Some(libc::ETIMEDOUT) {
        let failed = no_answer(to, timeout.filter(|_| silent));
        return if silent {
            failed.with_outcome(call, None, silence(to))
        } else {
            failed.with_call(call, error)
        };
    }
    let failed = match (error.raw_os_error(), to) {
        (Some(libc::ECONNREFUSED), _) => refused(kind, to),
        (Some(libc::EAGAIN), Address::Path(_) | Address::Abstract(_)) => Error::new(
            Kind::WouldBlock,
            format!("the queue of {to} is full, and the socket does not wait"),
        ),
        (Some(libc::EINPROGRESS), _) => {
            Error::new(Kind::WouldBlock, format!("the connect to {to} goes on"))
        }
        (Some(libc::EADDRNOTAVAIL), Address::Ip(_)) => {
            Error::new(Kind::AddressNotHere, format!("no local address or port to reach {to} from"))
                .why("every port of net.ipv4.ip_local_port_range may be taken by other connections")
        }
        _ => path_or_route(&call, to, error),
    };
    failed.with_call(call, error)
}

/// `send(2)` and `sendto(2)`.
pub(super) fn send(
    call: &str,
    length: usize,
    to: Option<&Address>,
    timeout: Option<Duration>,
    error: &io::Error,
) -> Error {
    let call = format!("{call}({length} bytes)");
    let failed = match (error.raw_os_error(), to) {
        (Some(libc::EMSGSIZE), _) => too_long(length),
        (Some(libc::ECONNREFUSED), Some(to)) => refused(Some(Type::Datagram), to),
        (Some(libc::ECONNREFUSED), None) => {
            Error::new(Kind::ConnectionRefused, "the other machine says nothing listens there")
                .why("ICMP port unreachable")
        }
        (Some(_), Some(to)) => path_or_route(&call, to, error),
        _ => return timed(&call, timeout, error),
    };
    failed.with_call(call, error)
}

/// What connect and sendto fail with alike.
fn path_or_route(call: &str, to: &Address, error: &io::Error) -> Error {
    match (error.raw_os_error(), to) {
        (Some(libc::ENETUNREACH | libc::EHOSTUNREACH), _) => {
            Error::new(Kind::Unreachable, format!("there is no way to {to}"))
                .why("no route of this machine leads there, or a router on the way said so")
        }
        (Some(libc::ENOENT), Address::Path(_)) => {
            Error::new(Kind::NotFound, format!("there is no socket at {to}"))
        }
        (Some(libc::EPROTOTYPE), _) => {
            Error::new(Kind::DoesNotFit, format!("{to} is a socket of another type"))
                .why("stream, datagram and seqpacket sockets do not talk to each other")
                .hint_endpoint(format!("unix:{to}"), "stream")
                .hint_endpoint(format!("unixgram:{to}"), "datagram")
                .hint_endpoint(format!("unixseq:{to}"), "seqpacket")
        }
        (Some(libc::EACCES), Address::Path(_)) => {
            Error::new(Kind::PermissionDenied, format!("you may not connect to {to}"))
                .why("it takes the right to write to the socket's file and to enter its folders")
        }
        (Some(libc::EACCES), Address::Ip(_)) => {
            Error::new(Kind::PermissionDenied, format!("{to} is a broadcast address, or forbidden"))
                .hint_endpoint(format!("udp://{to},broadcast"), "to send to all of that network")
        }
        (Some(libc::EPERM), Address::Ip(_)) => {
            Error::new(Kind::PermissionDenied, format!("this machine's firewall forbids {to}"))
        }
        _ => data(call, error),
    }
}

fn port_in_use(ip: SocketAddr, kind: Option<Type>) -> Error {
    let port = ip.port();
    if port == 0 {
        return Error::new(Kind::PortInUse, format!("no port is free on {}", ip.ip()))
            .why("all of net.ipv4.ip_local_port_range are taken");
    }
    let is_udp = kind == Some(Type::Datagram);
    let message = format!("port {port} is already in use on {}", ip.ip());
    let mut error = Error::new(Kind::PortInUse, message);
    let lingering = if is_udp { 0 } else { holder::lingering(ip) };
    match holder::of_port(ip, is_udp) {
        Some(holder) if holder.pid == std::process::id() => {
            error = error.why("this very process has it already: was the address given twice?");
        }
        Some(holder) if is_udp => error = error.why(format!("{holder} has bound it")),
        Some(holder) => error = error.why(format!("{holder} has been listening there")),
        None if lingering > 0 => error = still_lingering(error, lingering),
        None => {}
    }
    if let Some(next) = port.checked_add(1) {
        error = error.hint_endpoint(endpoint(ip, next, kind), "");
    }
    error.hint_endpoint(endpoint(ip, 0, kind), "any free port")
}

/// Nobody listens, but connections of a program that did are in the way. The sockets remember that the program had not
/// set `SO_REUSEADDR`, so that setting it now does not help (socket(7)).
fn still_lingering(error: Error, connections: usize) -> Error {
    let old = if connections == 1 { "old connection lingers" } else { "old connections linger" };
    error
        .why(format!(
            "nobody listens there, but {connections} {old}: the kernel frees the port within 60 s"
        ))
        .why("the program that listened before had not set SO_REUSEADDR; in Python, before bind():")
        .why("server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)")
}

fn path_in_use(path: &Path) -> Error {
    let shown = Address::path(path);
    let message = match holder::of_path(path) {
        Some(holder) => format!("{shown} is in use by {holder}"),
        None => format!("{shown} is there already"),
    };
    Error::new(Kind::SocketFileExists, message)
        .hint_dial(shown.to_string(), "to talk to it")
        .hint_endpoint(other_path(path), "another path")
}

/// A live socket's path, without a bind that failed: `path::claim` saw it.
pub(super) fn live_path(path: &Path) -> Error {
    let error = io::Error::from_raw_os_error(libc::EADDRINUSE);
    path_in_use(path).with_call(format!("bind({})", Address::path(path)), &error)
}

/// Something at a socket's path that is not ours to replace.
pub(super) fn kept_path(path: &Path, what: &str) -> Error {
    let shown = Address::path(path);
    Error::new(Kind::SocketFileExists, format!("{shown} is {what}, and I will not replace it"))
        .hint_endpoint(other_path(path), "another path")
}

fn privileged(ip: SocketAddr) -> Error {
    let port = ip.port();
    let message = format!("ports below 1024 are reserved, and you asked for {port}");
    Error::new(Kind::PrivilegedPort, message)
        .hint_endpoint(endpoint(ip, port + 8_000, None), "")
        .hint(Advice::Right("cap_net_bind_service"), "")
}

fn not_here(ip: SocketAddr) -> Error {
    let message = format!("{} is not an address of this machine", ip.ip());
    let mut error = Error::new(Kind::AddressNotHere, message);
    let ours = addresses();
    if !ours.is_empty() {
        error = error.why(format!("this machine has {}", ours.join(", ")));
    }
    let every = if ip.is_ipv4() { "0.0.0.0" } else { "[::]" };
    error.hint_endpoint(format!("{every}:{}", ip.port()), "every interface")
}

fn refused(kind: Option<Type>, to: &Address) -> Error {
    let error = |message: String| Error::new(Kind::ConnectionRefused, message);
    match to {
        Address::Ip(ip) if kind == Some(Type::Datagram) => error(format!(
            "the other machine says nothing listens on udp port {} (ICMP port unreachable)",
            ip.port()
        )),
        Address::Path(path) if is_no_socket(path) => error(format!("{to} is not a socket")),
        Address::Path(_) => error(format!("nothing is listening on {to}"))
            .why("the socket's file is there, but the program that made it does not listen")
            .hint_switch("retry", "to wait for it"),
        _ => error(format!("nothing is listening on {to}"))
            .why("the machine answered, so the address is right; the port is closed")
            .hint_switch("retry", "to wait for it"),
    }
}

fn no_answer(to: &Address, timeout: Option<Duration>) -> Error {
    let within = timeout.map_or(String::new(), |limit| format!(" within {}", show_duration(limit)));
    let error = Error::new(Kind::ConnectTimeout, format!("{to} did not answer{within}"));
    if to.ip().is_none() {
        return error;
    }
    error
        .why("a firewall that drops, a wrong address, or a machine that is off; a closed port would have refused at once")
        .hint_option("timeout", "60s", "")
}

fn silence(to: &Address) -> &'static str {
    if to.ip().is_some() { "no reply to SYN" } else { "no reply" }
}

fn too_long(length: usize) -> Error {
    Error::new(
        Kind::MessageTooLong,
        format!("{} bytes do not fit into one datagram", grouped(length)),
    )
    .why(
        "the most is 65,507 over IPv4 (65,527 over IPv6); above 1,472 it is cut into fragments on most networks",
    )
}

fn too_many_files(call: &str, error: &io::Error) -> Error {
    let message = match (error.raw_os_error(), info::open_files_limit()) {
        (Some(libc::EMFILE), Ok(limit)) => format!("the limit of {limit} open files is reached"),
        _ => "the whole machine's limit of open files is reached".to_owned(),
    };
    Error::new(Kind::TooManyFiles, message)
        .with_call(call, error)
        .hint_shell("ulimit -n $(ulimit -Hn)", "")
}

/// `:9001`, `192.168.1.20:9001`, `udp://:9001`: the loopback address needs no typing.
fn endpoint(ip: SocketAddr, port: u16, kind: Option<Type>) -> String {
    let scheme = if kind == Some(Type::Datagram) { "udp://" } else { "" };
    if ip.ip().is_loopback() {
        return format!("{scheme}:{port}");
    }
    format!("{scheme}{}", SocketAddr::new(ip.ip(), port))
}

/// `/tmp/x-2.sock` for `/tmp/x.sock`.
fn other_path(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let end = path.extension().map_or(String::new(), |end| format!(".{}", end.to_string_lossy()));
    path.with_file_name(format!("{stem}-2{end}")).display().to_string()
}

fn folder(path: &Path) -> String {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Address::path(parent.unwrap_or(Path::new("."))).to_string()
}

fn is_no_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|is| !is.file_type().is_socket())
}

/// The IP addresses of this machine's interfaces, once each.
fn addresses() -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for entry in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        let Some(address) = entry.address else { continue };
        let v4 = address.as_sockaddr_in().map(|v4| v4.ip().to_string());
        let ip = v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().to_string()));
        shown.extend(ip.filter(|ip| !shown.contains(ip)));
    }
    shown
}

/// `70,000`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::{Flags, Socket};
    use super::*;

    fn open(family: Family, kind: Type) -> Socket {
        Socket::new(family, kind, 0).expect("a socket")
    }

    fn at(text: &str) -> Address {
        Address::Ip(text.parse().expect("an address"))
    }

    fn tries(error: &Error) -> Vec<String> {
        error.hints().iter().map(|hint| format!("{:?} {}", hint.advice, hint.note)).collect()
    }

    #[test]
    fn a_taken_port_names_its_holder_and_two_ways_out() {
        for kind in [Type::Stream, Type::Datagram] {
            let (holder, late) = (open(Family::V4, kind), open(Family::V4, kind));
            holder.bind(&at("127.0.0.1:0")).expect("a free port");
            if kind == Type::Stream {
                holder.listen(1).expect("bound");
            }
            let taken = holder.local_address().expect("bound");
            let port = taken.ip().expect("an IP address").port();
            let error = late.bind(&taken).expect_err("taken");
            assert_eq!(error.kind(), Kind::PortInUse);
            assert_eq!(error.message(), format!("port {port} is already in use on 127.0.0.1"));
            let call = error.call().expect("a call failed");
            assert_eq!(call.text, format!("bind(127.0.0.1:{port})"));
            assert_eq!((call.outcome.as_str(), call.errno), ("EADDRINUSE", Some(98)));
            let us = "this very process has it already: was the address given twice?";
            assert_eq!(error.reasons(), [us]);
            let scheme = if kind == Type::Stream { "" } else { "udp://" };
            let any = format!("Endpoint(\"{scheme}:0\") any free port");
            assert_eq!(tries(&error).last(), Some(&any));
        }
    }

    #[test]
    fn a_port_whose_old_connections_linger_is_told_from_one_that_is_listened_on() {
        let server = open(Family::V4, Type::Stream);
        server.bind(&at("127.0.0.1:0")).expect("a free port");
        server.listen(2).expect("bound");
        let address = server.local_address().expect("bound");
        for _ in 0..2 {
            let client = open(Family::V4, Type::Stream);
            client.connect(&address).expect("somebody listens");
            let (accepted, _) = server.accept().expect("a client came");
            // Whoever closes first keeps the memory of the connection: the client reads our end before it closes.
            drop(accepted);
            assert_eq!(client.recv(&mut [0; 1], Flags::NONE).expect("the end"), 0);
        }
        drop(server);
        let late = open(Family::V4, Type::Stream);
        let error = late.bind(&address).expect_err("the port is remembered");
        assert_eq!(error.kind(), Kind::PortInUse);
        let reasons = error.reasons();
        assert!(reasons[0].starts_with("nobody listens there, but 2 old"), "{reasons:?}");
        assert!(reasons[2].contains("SO_REUSEADDR, 1)"), "{reasons:?}");
    }

    #[test]
    fn a_port_that_is_only_taken_at_listen_is_said_the_same_way() {
        use super::super::SocketOption;
        let (one, other) = (open(Family::V4, Type::Stream), open(Family::V4, Type::Stream));
        one.set_switch(SocketOption::ReuseAddress, true).expect("set");
        other.set_switch(SocketOption::ReuseAddress, true).expect("set");
        one.bind(&at("127.0.0.1:0")).expect("a free port");
        other.bind(&one.local_address().expect("bound")).expect("shared until one listens");
        one.listen(1).expect("the first");
        assert_eq!(other.listen(1).expect_err("taken").kind(), Kind::PortInUse);
    }

    #[test]
    fn a_reserved_port_offers_one_that_is_not() {
        // Root may, and so may a container: the errno is made, the words are what counts.
        let error = io::Error::from_raw_os_error(libc::EACCES);
        let error = bind(Some(Type::Stream), &at("127.0.0.1:80"), &error);
        assert_eq!(error.kind(), Kind::PrivilegedPort);
        assert_eq!(error.message(), "ports below 1024 are reserved, and you asked for 80");
        let offered = tries(&error);
        assert_eq!(offered[0], "Endpoint(\":8080\") ");
        assert_eq!(offered[1], "Right(\"cap_net_bind_service\") ");
    }

    #[test]
    fn an_address_of_somebody_else_is_answered_with_ours() {
        let socket = open(Family::V4, Type::Stream);
        let error = socket.bind(&at("203.0.113.9:9000")).expect_err("not ours");
        assert_eq!(error.kind(), Kind::AddressNotHere);
        assert_eq!(error.message(), "203.0.113.9 is not an address of this machine");
        assert!(error.reasons()[0].starts_with("this machine has "));
        assert!(error.reasons()[0].contains("127.0.0.1"));
        assert_eq!(tries(&error), ["Endpoint(\"0.0.0.0:9000\") every interface"]);
    }

    #[test]
    fn a_refusal_says_who_refused() {
        let gone = open(Family::V4, Type::Stream);
        gone.bind(&at("127.0.0.1:0")).expect("a free port");
        let to = gone.local_address().expect("bound");
        let error = open(Family::V4, Type::Stream).connect(&to).expect_err("nobody listens");
        assert_eq!(error.kind(), Kind::ConnectionRefused);
        assert_eq!(error.message(), format!("nothing is listening on {to}"));
        let (asks, gone) = (open(Family::V4, Type::Datagram), open(Family::V4, Type::Datagram));
        gone.bind(&at("127.0.0.1:0")).expect("a free port");
        let to = gone.local_address().expect("bound");
        drop(gone);
        asks.connect(&to).expect("no packet");
        asks.send_all(b"?").expect("sent");
        let error = asks.send_to(b"?", super::super::Flags::NONE, &to).expect_err("ICMP came back");
        assert_eq!(error.kind(), Kind::ConnectionRefused);
        assert!(error.message().ends_with("(ICMP port unreachable)"), "{}", error.message());
        asks.send_all(b"?").expect("the socket goes on");
    }

    #[test]
    fn unix_paths_fail_in_their_own_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| Address::path(folder.path().join(name));
        let connect = |to: &Address| {
            open(Family::Unix, Type::Stream).connect(to).expect_err("nobody listens")
        };
        std::fs::write(folder.path().join("file"), b"").expect("written");
        let error = connect(&path("file"));
        assert!(error.message().ends_with("is not a socket"), "{}", error.message());
        assert_eq!(connect(&path("none")).kind(), Kind::NotFound);
        let stale = open(Family::Unix, Type::Stream);
        stale.bind(&path("early")).expect("free");
        assert_eq!(connect(&path("early")).kind(), Kind::ConnectionRefused);
        let datagram = open(Family::Unix, Type::Datagram);
        datagram.bind(&path("datagram")).expect("free");
        assert_eq!(connect(&path("datagram")).kind(), Kind::DoesNotFit);
        let error = stale.bind(&path("x")).expect_err("bound already");
        assert_eq!(error.errno(), Some(libc::EINVAL));
        let late = open(Family::Unix, Type::Stream);
        assert_eq!(late.bind(&path("no/x")).expect_err("no folder").kind(), Kind::NotFound);
        assert_eq!(late.bind(&path("file")).expect_err("taken").kind(), Kind::SocketFileExists);
        let long = Address::path("x".repeat(121));
        let error = late.bind(&long).expect_err("too long");
        assert_eq!(error.kind(), Kind::PathTooLong);
        assert_eq!(error.message(), "a unix socket path holds 107 bytes, this one has 121");
        assert_eq!(tries(&error), ["Endpoint(\"unix:@name\") or a shorter path"]);
    }

    #[test]
    fn another_path_keeps_its_ending_and_numbers_their_groups() {
        assert_eq!(other_path(Path::new("/tmp/x.sock")), "/tmp/x-2.sock");
        assert_eq!(other_path(Path::new("x")), "x-2");
        assert_eq!((grouped(7), grouped(70_000)), ("7".to_owned(), "70,000".to_owned()));
    }
}
