//! Hosts and ports.

use std::net::Ipv6Addr;

use super::host::{self, Host};
use super::piece::Piece;
use super::ports::port_of;
use super::target::Target;
use crate::error::{Error, Kind, Result};

/// What is to be said about the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// It has to be there; this one is proposed where it is missing.
    Needed(u16),
    /// This one unless another is named.
    Default(u16),
    /// The transport has no ports.
    None,
}

/// Reads `host:port`, `:port`, `port`, or a host alone where there are no ports.
pub(super) fn read(typed: Piece, rule: Port) -> Result<Target> {
    let (host, port) =
        if typed.str().starts_with('[') { bracketed(typed)? } else { plain(typed, rule)? };
    let host = if host.is_empty() { Host::Loopback } else { host::read(host)? };
    let port = match (rule, port) {
        (Port::None, Some(port)) => return Err(port_not_wanted(typed, port)),
        (Port::None, None) if host == Host::Loopback => return Err(no_host(typed)),
        (Port::None, None) => None,
        (Port::Default(default), None) => Some(default),
        (_, Some(port)) if !port.is_empty() => Some(read_port(port)?),
        (Port::Needed(proposed) | Port::Default(proposed), _) => {
            return Err(missing_port(typed, &host, proposed));
        }
    };
    Ok(Target::Net { host, port })
}

type HostAndPort<'a> = (Piece<'a>, Option<Piece<'a>>);

fn bracketed(typed: Piece) -> Result<HostAndPort> {
    let Some((inside, after)) = typed.split_once(']') else {
        return Err(typed.bad("the bracket is not closed").why("an IPv6 address stands in [ ]"));
    };
    let host = inside.through(after.until(0));
    if after.is_empty() {
        return Ok((host, None));
    }
    match after.str().strip_prefix(':') {
        Some(_) => Ok((host, Some(after.from(1)))),
        None => Err(after.bad("only :PORT follows the bracket").why("as in [::1]:9000")),
    }
}

fn plain(typed: Piece, rule: Port) -> Result<HostAndPort> {
    let is_v6 = |text: &str| host::split_zone(text).0.parse::<Ipv6Addr>().is_ok();
    match typed.split_once(':') {
        None if rule != Port::None && host::is_digits(typed.str()) => {
            Ok((typed.until(0), Some(typed)))
        }
        None => Ok((typed, None)),
        Some(_) if rule == Port::None && is_v6(typed.str()) => Ok((typed, None)),
        Some((_, port)) if port.str().contains(':') => {
            Err(too_many_colons(typed, rule, port, is_v6))
        }
        Some((host, port)) => Ok((host, Some(port))),
    }
}

fn too_many_colons(typed: Piece, rule: Port, tail: Piece, is_v6: impl Fn(&str) -> bool) -> Error {
    const BRACKETS: &str =
        "an IPv6 address stands in brackets, so that its colons end where the port begins";
    let text = typed.str();
    let parted = text.rsplit_once(':').filter(|(host, port)| is_v6(host) && host::is_digits(port));
    if let Some((host, port)) = parted {
        let error = typed.bad("an IPv6 address needs brackets").why(BRACKETS);
        return error.hint_endpoint(typed.replaced(&format!("[{host}]:{port}")), "");
    }
    if let (true, Port::Needed(port) | Port::Default(port)) = (is_v6(text), rule) {
        let error = typed.bad("an IPv6 address needs brackets, and a port").why(BRACKETS);
        return error.hint_endpoint(typed.replaced(&format!("[{text}]:{port}")), "");
    }
    let second = tail.cut(&[':']).1;
    second.bad("one colon parts host and port").why(BRACKETS)
}

fn read_port(port: Piece) -> Result<u16> {
    const RANGE: &str = "a port is 0 to 65535";
    let text = port.str();
    if host::is_digits(text) {
        return text.parse().map_err(|_| port.bad(RANGE));
    }
    if let Some(known) = port_of(&text.to_lowercase()) {
        return Ok(known);
    }
    let strange = port.find(|c| !c.is_ascii_digit()).unwrap_or(port);
    if let Some(error) = host::mistyped(port, strange) {
        return Err(error);
    }
    Err(port.bad("a port is a number, 0 to 65535"))
}

fn missing_port(typed: Piece, host: &Host, proposed: u16) -> Error {
    let (whose, proposed) = match host {
        Host::Loopback => (String::new(), 9000),
        _ => (format!(" on {host}"), proposed),
    };
    let error = typed.behind().wrong(Kind::MissingPort, format!("which port{whose}?"), "add :PORT");
    error.hint_endpoint(typed.replaced(&format!("{host}:{proposed}")), "")
}

fn port_not_wanted(typed: Piece, port: Piece) -> Error {
    let host = typed.str().strip_suffix(port.str()).and_then(|head| head.strip_suffix(':'));
    let error = port.bad("there are no ports here").why("this transport knows hosts alone");
    match host {
        Some(host) if !host.is_empty() => error.hint_endpoint(typed.replaced(host), ""),
        _ => error,
    }
}

fn no_host(typed: Piece) -> Error {
    let label = "a host is missing here";
    typed.bad(label).hint_endpoint(typed.replaced("127.0.0.1"), "")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::tests::{caret, parsed, proposals, refused};
    use super::*;
    use crate::error::{Advice, Hint};

    fn v6(text: &str) -> Host {
        let (address, zone) = host::split_zone(text);
        let address = address.parse().expect("an IPv6 address");
        Host::V6 { address, zone: zone.map(str::to_owned) }
    }

    #[test]
    fn hosts_of_every_kind() {
        let name = |name: &str| Host::Name(name.to_owned());
        for (text, host, port) in [
            (":9000", Host::Loopback, 9000),
            ("9000", Host::Loopback, 9000),
            ("0", Host::Loopback, 0),
            ("localhost:65535", name("localhost"), 65_535),
            ("example.com.:80", name("example.com."), 80),
            ("my_db-1:80", name("my_db-1"), 80),
            ("bücher.example:80", name("bücher.example"), 80),
            ("例子.中国:80", name("例子.中国"), 80),
            ("0.0.0.0:9000", Host::V4(Ipv4Addr::UNSPECIFIED), 9000),
            ("h:https", name("h"), 443),
            (":SSH", Host::Loopback, 22),
            ("[::1]:imaps", v6("::1"), 993),
            ("[::1]:9000", v6("::1"), 9000),
            ("[fe80::1%eth0]:80", v6("fe80::1%eth0"), 80),
            ("[fe80::1%25eth0]:80", v6("fe80::1%eth0"), 80),
            ("[2001:db8::7%253]:80", v6("2001:db8::7%253"), 80),
        ] {
            let endpoint = parsed(text);
            assert_eq!((endpoint.host(), endpoint.port()), (Some(&host), Some(port)), "{text}");
        }
    }

    #[test]
    fn a_transport_without_ports_takes_a_host_alone() {
        assert_eq!(parsed("icmp://::1").host(), Some(&v6("::1")));
        assert_eq!(parsed("icmp://[::1]").to_string(), "icmp://[::1]");
        assert_eq!(parsed("raw://example.com,proto=253").port(), None);
        assert_eq!(proposals(&refused("icmp://h:80")), ["icmp://h"]);
        assert_eq!(caret(&refused("icmp://")), ("", "a host is missing here"));
        assert_eq!(caret(&refused("icmp://:80")), ("80", "there are no ports here"));
    }

    #[test]
    fn a_missing_port_is_asked_for_at_the_end() {
        let error = refused("example.com");
        assert_eq!(
            (error.kind(), error.message()),
            (Kind::MissingPort, "which port on example.com?")
        );
        assert_eq!(error.span().map(|span| span.at.clone()), Some(11..11));
        assert_eq!(caret(&error).1, "add :PORT");
        assert_eq!(proposals(&error), ["example.com:80"]);
        let url = Advice::Dial("http://example.com".to_owned());
        assert!(error.hints().contains(&Hint { advice: url, note: String::new() }));
        assert_eq!(proposals(&refused("tls://h,name=x")), ["tls://h:443,name=x"]);
        assert_eq!(proposals(&refused("h:")), ["h:80"]);
        assert_eq!(proposals(&refused("udp://")), ["udp://:9000"]);
        assert_eq!(proposals(&refused("[::1]")), ["[::1]:80"]);
    }

    #[test]
    fn each_mistake_is_pointed_at() {
        for (text, at, label, proposal) in [
            ("tcp://127.0.0.1:90000", "90000", "a port is 0 to 65535", None),
            (":65536,a=b", "65536", "a port is 0 to 65535", None),
            ("h:nosuch", "nosuch", "a port is a number, 0 to 65535", None),
            ("h:+80", "+80", "a port is a number, 0 to 65535", None),
            ("h: 80", " ", "a space", Some("h:80")),
            ("my host:80", " ", "a space", Some("myhost:80")),
            ("h：80", "：", "a full-width character", Some("h:80")),
            ("h:８０", "８", "a full-width character", Some("h:80")),
            ("127.1:80", "127.1", "not an IPv4 address", None),
            ("1.2.3:80", "1.2.3", "not an IPv4 address", None),
            ("0177.0.0.1:80", "0177.0.0.1", "not an IPv4 address", None),
            ("0x7f000001:80", "0x7f000001", "not an IPv4 address", None),
            ("256.0.0.1:80", "256.0.0.1", "not an IPv4 address", None),
            ("::1:9000", "::1:9000", "an IPv6 address needs brackets", Some("[::1]:9000")),
            (
                "fe80::1%eth0:80",
                "fe80::1%eth0:80",
                "an IPv6 address needs brackets",
                Some("[fe80::1%eth0]:80"),
            ),
            (
                "::ffff:1.2.3.4",
                "::ffff:1.2.3.4",
                "an IPv6 address needs brackets, and a port",
                Some("[::ffff:1.2.3.4]:80"),
            ),
            ("a:80:90", ":90", "one colon parts host and port", None),
            ("[::1:80", "[::1:80", "the bracket is not closed", None),
            ("[::1]80", "80", "only :PORT follows the bracket", None),
            ("[1.2.3.4]:80", "1.2.3.4", "not an IPv6 address", None),
            ("[fe80::1%]:80", "%", "not an interface", None),
            ("*:80", "*", "every interface is 0.0.0.0", Some("0.0.0.0:80")),
            ("a..b:80", "a..b", "nothing between two dots", None),
            ("ex!ample:80", "!", "\"!\" cannot be in a host name", None),
            ("a\u{202e}b:80", "\u{202e}", "\"\\u{202e}\" cannot be in a host name", None),
            ("me@h:22", "@", "\"@\" cannot be in a host name", Some("h:22")),
            (
                "tls://::1",
                "::1",
                "an IPv6 address needs brackets, and a port",
                Some("tls://[::1]:443"),
            ),
            ("-h:80", "-h", "a host name does not begin with a hyphen", None),
        ] {
            let error = refused(text);
            assert_eq!(caret(&error), (at, label), "{text}");
            assert_eq!(proposals(&error), Vec::from_iter(proposal), "{text}");
        }
    }
}
