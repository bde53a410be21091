//! An endpoint in another tool's words.

use crate::endpoint::{Host, Target};
use crate::socket::Type;
use crate::transport::Place;

/// How another tool says what an endpoint means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The tool: `nc`, `socat`, `python`.
    pub tool: &'static str,
    /// The command that listens there, if the tool can listen.
    pub listens: Option<String>,
    /// The command that dials there, if the tool can dial.
    pub dials: Option<String>,
}

/// The twins of an IP endpoint with streams or datagrams.
pub fn over_ip(place: &Place, kind: Type) -> Vec<Twin> {
    let Target::Net { host, port: Some(port) } = &place.target else { return Vec::new() };
    let name = match host {
        Host::Loopback => "127.0.0.1".to_owned(),
        host => host.to_string().trim_matches(['[', ']']).to_owned(),
    };
    let is_v6 = matches!(host, Host::V6 { .. });
    let (family, v6) = if is_v6 { ("AF_INET6", "6") } else { ("AF_INET", "") };
    let here = format!("({name:?}, {port})");
    let (flag, socat, listening, python_listens, python_dials) = match kind {
        Type::Datagram => {
            let python =
                (format!("s.bind({here}); s.recvfrom(65535)"), format!("s.sendto(b'...', {here})"));
            ("u", "UDP", "RECVFROM", python.0, python.1)
        }
        _ => (
            "",
            "TCP",
            "LISTEN",
            format!("s.bind({here}); s.listen()"),
            format!("s.connect({here})"),
        ),
    };
    let reuse = if kind == Type::Stream { ",reuseaddr" } else { "" };
    let dash = if flag.is_empty() { String::new() } else { format!("-{flag} ") };
    let python = |rest: String| {
        Some(format!("s = socket.socket(socket.{family}, socket.{}); {rest}", kind.name()))
    };
    vec![
        Twin {
            tool: "nc",
            listens: Some(format!("nc -{flag}l {name} {port}")),
            dials: Some(format!("nc {dash}{name} {port}")),
        },
        Twin {
            tool: "socat",
            listens: Some(format!("socat - {socat}{v6}-{listening}:{port},bind={name}{reuse}")),
            dials: Some(format!("socat - {socat}{v6}:{name}:{port}")),
        },
        Twin { tool: "python", listens: python(python_listens), dials: python(python_dials) },
    ]
}
