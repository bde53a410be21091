//! An endpoint in another tool's words. Every command here is run by the tests.

use crate::endpoint::{Host, Target};
use crate::socket::Type;
use crate::socket::access::{GROUP, MODE, USER};
use crate::spec::OptionSpec;
use crate::transport::Place;

/// How another tool says what an endpoint means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The tool: `nc`, `socat`, `python`.
    pub tool: &'static str,
    /// The command that listens there, if the tool can listen. A shell takes it as it stands; Python's is a line after
    /// `import socket`.
    pub listens: Option<String>,
    /// The command that dials there, if the tool can dial.
    pub dials: Option<String>,
}

impl Twin {
    fn new(tool: &'static str, listens: String, dials: String) -> Self {
        Twin { tool, listens: Some(listens), dials: Some(dials) }
    }
}

/// The twins of an IP endpoint with streams or datagrams.
pub fn over_ip(place: &Place, kind: Type) -> Vec<Twin> {
    let Target::Net { host, port: Some(port) } = &place.target else { return Vec::new() };
    let name = match host {
        Host::Loopback => "127.0.0.1".to_owned(),
        host => host.to_string().trim_matches(['[', ']']).to_owned(),
    };
    let is_v6 = matches!(host, Host::V6 { .. });
    // socat takes an IPv6 address in brackets alone.
    let (family, v6, socat_name) =
        if is_v6 { ("AF_INET6", "6", format!("[{name}]")) } else { ("AF_INET", "", name.clone()) };
    let (nc, nc_listens, listening, reuse) = match kind {
        Type::Datagram => ("nc -u", "nc -lu", "RECVFROM", ""),
        _ => ("nc", "nc -l", "LISTEN", ",reuseaddr"),
    };
    let socat = if kind == Type::Datagram { "UDP" } else { "TCP" };
    let word = format!("{socat}{v6}-{listening}:{port},bind={socat_name}{reuse}");
    vec![
        Twin::new("nc", format!("{nc_listens} {name} {port}"), format!("{nc} {name} {port}")),
        Twin::new(
            "socat",
            format!("socat - {}", shell(&word)),
            format!("socat - {}", shell(&format!("{socat}{v6}:{socat_name}:{port}"))),
        ),
        python(family, kind, &format!("({name:?}, {port})")),
    ]
}

/// The twins of a Unix socket of this type, by path or by abstract name.
pub fn over_path(place: &Place, kind: Type) -> Vec<Twin> {
    let (name, socat, there) = match &place.target {
        Target::Path(path) => {
            let bytes = path.as_os_str().as_encoded_bytes();
            let text = path.display().to_string();
            (text.clone(), ("UNIX", text), python_text(bytes))
        }
        Target::Abstract(name) => {
            let text = String::from_utf8_lossy(name).into_owned();
            let there = format!("b'\\x00{}'", name.escape_ascii());
            (format!("@{text}"), ("ABSTRACT", text), there)
        }
        _ => return Vec::new(),
    };
    let (prefix, path) = (socat.0, escaped(&socat.1));
    let seqpacket = ",socktype=5"; // SOCK_SEQPACKET
    let access = access(place);
    let (listening, dialling) = match kind {
        // A sender without a name of its own cannot be answered.
        Type::Datagram => {
            (format!("RECVFROM:{path}{access}"), format!("SENDTO:{path},bind={path}.me"))
        }
        Type::Stream => (format!("LISTEN:{path}{access}"), format!("CONNECT:{path}")),
        _ => (format!("LISTEN:{path}{seqpacket}{access}"), format!("CONNECT:{path}{seqpacket}")),
    };
    let socat = Twin::new(
        "socat",
        format!("socat - {}", shell(&format!("{prefix}-{listening}"))),
        format!("socat - {}", shell(&format!("{prefix}-{dialling}"))),
    );
    let name = shell(&name);
    let nc = match kind {
        Type::Stream => Some(Twin::new("nc", format!("nc -lU {name}"), format!("nc -U {name}"))),
        Type::Datagram => {
            Some(Twin::new("nc", format!("nc -luU {name}"), format!("nc -uU {name}")))
        }
        _ => None,
    };
    nc.into_iter().chain([socat, python("AF_UNIX", kind, &there)]).collect()
}

/// Mode, owner and group of a path, which socat calls as we do.
fn access(place: &Place) -> String {
    let said = |option: &OptionSpec| {
        let value = place.options.text(option.name);
        value.map_or_else(String::new, |value| format!(",{}={}", option.name, escaped(value)))
    };
    [&MODE, &USER, &GROUP].map(said).concat()
}

fn python(family: &str, kind: Type, there: &str) -> Twin {
    let made = format!("s = socket.socket(socket.{family}, socket.{})", kind.name());
    // A datagram socket of the Unix kind has no name to be answered at before it is bound; b"" is any name.
    let named = if family == "AF_UNIX" { "s.bind(b''); " } else { "" };
    let (listens, dials) = match kind {
        Type::Datagram => (
            format!("s.bind({there}); print(s.recvfrom(65535))"),
            format!("{named}s.sendto(b'...', {there})"),
        ),
        _ => (format!("s.bind({there}); s.listen()"), format!("s.connect({there})")),
    };
    Twin::new("python", format!("{made}; {listens}"), format!("{made}; {dials}"))
}

/// A string of Python, or bytes where the path is not plain.
fn python_text(bytes: &[u8]) -> String {
    let prefix = if bytes.is_ascii() { "" } else { "b" };
    format!("{prefix}'{}'", bytes.escape_ascii())
}

/// The characters that mean something to socat, with a backslash before each (socat(1), "ADDRESS SPECIFICATIONS").
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if r#":,!"'\([{"#.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// One word of a shell: in quotes where it has to be.
fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/.-_:,=@%+".contains(c);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell_and_one_address_for_socat() {
        assert_eq!(shell("/tmp/x.sock"), "/tmp/x.sock");
        assert_eq!(shell("/tmp/a b"), "'/tmp/a b'");
        assert_eq!(shell("it's"), r"'it'\''s'");
        assert_eq!(escaped("/tmp/a:b,c"), r"/tmp/a\:b\,c");
        assert_eq!(python_text("/tmp/é".as_bytes()), r"b'/tmp/\xc3\xa9'");
    }
}
