//! The commands that ask for names and addresses, and open no socket.

use std::net::SocketAddr;

use hobnob::socket::{self, AddressHints, HostEntry};

use super::words::{
    FAMILIES, LOOK_UP_FLAGS, NAME_FLAGS, Outcome, TYPES, all, asked, find, known, number, say,
    words_of,
};

pub(super) fn of_names(command: &str, words: &[&str]) -> Option<Outcome> {
    Some(match (command, words) {
        ("pton", [family, word]) => {
            asked(socket::address_of_text(known(FAMILIES, family), &words_of(word)), |ip| {
                Ok(match ip {
                    std::net::IpAddr::V4(v4) => hex(&v4.octets()),
                    std::net::IpAddr::V6(v6) => hex(&v6.octets()),
                })
            })
        }
        ("ntop", [family, digits]) => {
            asked(socket::address_of_bytes(known(FAMILIES, family), &unhex(digits)), say)
        }
        ("aton", [word]) => asked(socket::loose_address(word), |ip| Ok(hex(&ip.octets()))),
        ("hostname", []) => asked(socket::host_name(), say),
        ("hostbyname", [host]) => asked(socket::host_by_name(&words_of(host)), say),
        ("hostentry", [host]) => {
            asked(socket::host_entry(&words_of(host)), |entry| host_entry(&entry))
        }
        ("hostof", [address]) => {
            asked(socket::host_of_address(number(address)), |entry| host_entry(&entry))
        }
        ("fullname", [host]) => asked(socket::full_host_name(&words_of(host)), say),
        ("addrinfo", [host, service, family, kind, flags]) => {
            let hints = AddressHints {
                family: find(FAMILIES, family),
                kind: find(TYPES, kind),
                protocol: 0,
                flags: all(LOOK_UP_FLAGS, &[flags]),
            };
            address_info(host, service, hints)
        }
        ("nameinfo", [host, port, flags]) => {
            let at = SocketAddr::new(number(host), number(port));
            asked(socket::name_info(at, all(NAME_FLAGS, &[flags])), |(host, service)| {
                Ok(format!("{host}/{service}"))
            })
        }
        ("servbyname", [name, protocol]) => {
            asked(socket::service_port(name, (*protocol != "-").then_some(*protocol)), say)
        }
        ("servbyport", [port, protocol]) => {
            asked(socket::service_name(number(port), Some(protocol)), say)
        }
        ("ifindex", [name]) => asked(socket::interface_index(name), say),
        ("ifname", [index]) => asked(socket::interface_name(number(index)), say),
        ("space", [size]) => say(socket::control_space(number(size))),
        ("length", [size]) => say(socket::control_length(number(size))),
        _ => return None,
    })
}

fn host_entry(entry: &HostEntry) -> Outcome {
    let addresses: Vec<_> = entry.addresses.iter().map(ToString::to_string).collect();
    Ok(format!("{} [{}] [{}]", entry.name, entry.aliases.join(" "), addresses.join(" ")))
}

fn address_info(host: &str, service: &str, hints: AddressHints) -> Outcome {
    let given = |word: &str| (word != "-").then(|| word.to_owned());
    let (host, service) = (given(host), given(service));
    let found = socket::address_info(host.as_deref(), service.as_deref(), hints)?;
    let each = found.iter().map(|info| {
        let kind = TYPES.iter().find(|(_, kind)| Some(*kind) == info.kind).map(|(name, _)| *name);
        let (kind, protocol) = (kind.unwrap_or("?"), info.protocol);
        let name = info.canonical_name.as_ref().map_or(String::new(), |name| format!("={name}"));
        format!("{kind}/{protocol}/{}/{}{name}", info.address.ip(), info.address.port())
    });
    Ok(each.collect::<Vec<_>>().join(" "))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect()
}
