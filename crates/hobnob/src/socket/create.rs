//! Connections and listeners in one step.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Family, Socket, SocketOption, Type, look_up};
use crate::address::Address;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};

/// A TCP connection to a host: its addresses are tried one after the other, as [`look_up`] orders them, until one answers.
///
/// Python `create_connection((host, port), timeout)`; in C a loop of `getaddrinfo(3)`, `socket(2)` and `connect(2)`. The
/// timeout bounds the whole, but for the look-up, which nothing bounds: each address has an equal share of what is left,
/// so that one that is silent does not take it all. (Python gives each address all of it.) It then is the socket's, as in
/// Python: none is blocking, and zero ends with `Kind::WouldBlock`.
///
/// # Errors
/// `Kind::HostNotFound`; or the error of the last address, with those of the others as reasons.
///
/// ```
/// use hobnob::socket::{ServerOptions, create_connection, create_server};
/// use std::time::Duration;
/// let server = create_server(([127, 0, 0, 1], 0).into(), ServerOptions::default())?;
/// let port = server.local_address()?.ip().unwrap().port();
/// let client = create_connection("127.0.0.1", port, Some(Duration::from_secs(5)))?;
/// assert_eq!(client.timeout(), Some(Duration::from_secs(5)));
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn create_connection(host: &str, port: u16, timeout: Option<Duration>) -> Result<Socket> {
    connect_to_any(&look_up(host, port, None)?, timeout, None)
}

/// The same from this address of ours; addresses of the host that are of the other family are passed over.
///
/// Python `create_connection((host, port), timeout, source_address)`.
///
/// # Errors
/// As of [`create_connection`]; `Kind::AddressNotHere` where it is not ours, `Kind::PortInUse` where its port is taken.
///
/// ```
/// use hobnob::socket::{ServerOptions, create_connection_from, create_server};
/// let server = create_server(([127, 0, 0, 1], 0).into(), ServerOptions::default())?;
/// let port = server.local_address()?.ip().unwrap().port();
/// let source = ([127, 0, 0, 9], 0).into();
/// create_connection_from("127.0.0.1", port, None, source)?;
/// let (_, peer) = server.accept()?;
/// assert_eq!(peer.ip().unwrap().ip().to_string(), "127.0.0.9");
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn create_connection_from(
    host: &str,
    port: u16,
    timeout: Option<Duration>,
    source: SocketAddr,
) -> Result<Socket> {
    let family = if source.is_ipv4() { Family::V4 } else { Family::V6 };
    connect_to_any(&look_up(host, port, Some(family))?, timeout, Some(source))
}

fn connect_to_any(
    addresses: &[SocketAddr],
    timeout: Option<Duration>,
    source: Option<SocketAddr>,
) -> Result<Socket> {
    let clock = Clock::start();
    let mut failed: Vec<Error> = Vec::new();
    for (at, address) in (1_u32..).zip(addresses) {
        let still_to_try = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(at) - at + 1;
        let share = timeout.map(|timeout| timeout.saturating_sub(clock.now()) / still_to_try);
        // No time left is no wish not to wait, which zero is.
        if timeout.is_some_and(|timeout| !timeout.is_zero()) && share == Some(Duration::ZERO) {
            break;
        }
        match connect_to(*address, share, source) {
            Ok(socket) => {
                socket.set_timeout(timeout)?;
                return Ok(socket);
            }
            Err(error) => failed.push(error),
        }
    }
    let last = failed.pop();
    let last = last.unwrap_or_else(|| Error::new(Kind::ConnectTimeout, "the time is over"));
    Err(failed.iter().fold(last, |last, error| last.why(error.message().to_owned())))
}

fn connect_to(
    address: SocketAddr,
    timeout: Option<Duration>,
    source: Option<SocketAddr>,
) -> Result<Socket> {
    let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
    let socket = Socket::new(family, Type::Stream, 0)?;
    socket.set_timeout(timeout)?;
    if let Some(source) = source {
        socket.bind(&Address::Ip(source))?;
    }
    socket.connect(&Address::Ip(address))?;
    Ok(socket)
}

/// How [`create_server`] listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerOptions {
    /// Connections that wait to be accepted at most; the kernel caps it at `net.core.somaxconn`. 128, unless set.
    pub backlog: u32,
    /// Whether others of the same user may listen on the port too (`SO_REUSEPORT`).
    pub shares_port: bool,
    /// Whether an IPv6 listener takes IPv4 too, whose addresses it shows as `::ffff:1.2.3.4` (ipv6(7) `IPV6_V6ONLY`).
    pub is_dual_stack: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions { backlog: 128, shares_port: false, is_dual_stack: false }
    }
}

/// A TCP listener at this address, blocking. It binds although old connections of the port linger (`SO_REUSEADDR`), and an
/// IPv6 one takes IPv6 alone unless it is asked to take both.
///
/// Python `create_server(address, family, backlog, reuse_port, dualstack_ipv6)`; in C `socket(2)`, `setsockopt(2)`, `bind(2)`
/// and `listen(2)`. It never waits.
///
/// # Errors
/// As of [`Socket::bind`]; `Kind::BadOption` for a dual stack at an IPv4 address.
///
/// ```
/// use hobnob::socket::{ServerOptions, create_connection, create_server, has_dual_stack};
/// if has_dual_stack() {
///     let both = ServerOptions { is_dual_stack: true, ..ServerOptions::default() };
///     let server = create_server("[::]:0".parse().unwrap(), both)?;
///     let port = server.local_address()?.ip().unwrap().port();
///     for host in ["127.0.0.1", "::1"] {
///         create_connection(host, port, None)?;
///     }
/// }
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn create_server(at: SocketAddr, options: ServerOptions) -> Result<Socket> {
    let is_v6 = at.is_ipv6();
    if options.is_dual_stack && !is_v6 {
        let message = format!("{at} is IPv4: a listener for both is IPv6, such as [::]");
        return Err(Error::new(Kind::BadOption, message));
    }
    let family = if is_v6 { Family::V6 } else { Family::V4 };
    let socket = Socket::new(family, Type::Stream, 0)?;
    socket.set_switch(SocketOption::ReuseAddress, true)?;
    if options.shares_port {
        socket.set_switch(SocketOption::ReusePort, true)?;
    }
    if is_v6 {
        socket.set_switch(SocketOption::V6Only, !options.is_dual_stack)?;
    }
    socket.bind(&Address::Ip(at))?;
    socket.listen(options.backlog)?;
    Ok(socket)
}

/// Whether this machine's kernel lets an IPv6 listener take IPv4 too.
///
/// Python `has_dualstack_ipv6`, C `setsockopt(IPV6_V6ONLY, 0)`. It never waits and never fails: no IPv6 is no.
///
/// ```
/// use hobnob::socket::{Family, Socket, Type, has_dual_stack};
/// let has_v6 = Socket::new(Family::V6, Type::Stream, 0).is_ok();
/// assert!(has_v6 || !has_dual_stack());
/// ```
pub fn has_dual_stack() -> bool {
    Socket::new(Family::V6, Type::Stream, 0)
        .and_then(|socket| socket.set_switch(SocketOption::V6Only, false))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> (Socket, SocketAddr) {
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = create_server(at, ServerOptions::default()).expect("a free port");
        let at = server.local_address().expect("bound").ip().expect("an IP address");
        (server, at)
    }

    /// A listener whose queue is full: it answers no connect any more.
    fn silent() -> (Socket, Vec<Socket>, SocketAddr) {
        let none = ServerOptions { backlog: 0, ..ServerOptions::default() };
        let server = create_server(SocketAddr::from(([127, 0, 0, 1], 0)), none).expect("a port");
        let at = server.local_address().expect("bound").ip().expect("an IP address");
        let mut inside = Vec::new();
        while let Ok(socket) = connect_to(at, Some(Duration::from_millis(100)), None) {
            inside.push(socket);
        }
        (server, inside, at)
    }

    /// A port that is taken and not listened on, so that it refuses for as long as this is kept.
    fn refusing() -> (Socket, SocketAddr) {
        let socket = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
        socket.bind(&Address::Ip(([127, 0, 0, 1], 0).into())).expect("a free port");
        let at = socket.local_address().expect("bound").ip().expect("an IP address");
        (socket, at)
    }

    #[test]
    fn one_that_refuses_and_one_that_is_silent_are_passed_over() {
        let ((_closed, refuses), (_kept, _inside, silent), (_open, answers)) =
            (refusing(), silent(), server());
        let time = Some(Duration::from_millis(600));
        let socket = connect_to_any(&[refuses, silent, answers], time, None).expect("the third");
        assert_eq!(socket.peer_address(), Ok(Address::Ip(answers)));
        assert_eq!(socket.timeout(), time, "the whole time, not what was left of it");
    }

    #[test]
    fn where_none_answers_the_last_ones_error_has_the_others_as_reasons() {
        let ((_closed, refuses), (_also_closed, too)) = (refusing(), refusing());
        let error = connect_to_any(&[refuses, too], None, None).expect_err("none answers");
        assert_eq!(error.kind(), Kind::ConnectionRefused);
        assert_eq!(error.message(), format!("nothing is listening on {too}"));
        let first = format!("nothing is listening on {refuses}");
        assert!(error.reasons().contains(&first), "{:?}", error.reasons());
    }

    #[test]
    fn an_ipv6_listener_takes_ipv4_only_where_it_is_asked_to() {
        if !has_dual_stack() {
            println!("left out: no IPv6 here");
            return;
        }
        for is_dual_stack in [false, true] {
            let options = ServerOptions { is_dual_stack, ..ServerOptions::default() };
            let any = "[::]:0".parse().expect("an address");
            let server = create_server(any, options).expect("a free port");
            let port = server.local_address().expect("bound").ip().expect("an address").port();
            assert!(create_connection("::1", port, None).is_ok());
            assert_eq!(create_connection("127.0.0.1", port, None).is_ok(), is_dual_stack);
        }
    }

    #[test]
    fn a_dual_stack_at_an_ipv4_address_is_a_bad_option() {
        let both = ServerOptions { is_dual_stack: true, ..ServerOptions::default() };
        let error = create_server(SocketAddr::from(([127, 0, 0, 1], 0)), both).expect_err("IPv4");
        assert_eq!(error.kind(), Kind::BadOption);
    }
}
