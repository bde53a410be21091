//! Ports that people know by name. A short list of our own, and not /etc/services: the same everywhere.

/// Names of the IANA registry, or the name by which the program is known where the registry has none.
const PORTS: [(u16, &str); 46] = [
    (7, "echo"),
    (9, "discard"),
    (13, "daytime"),
    (19, "chargen"),
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (37, "time"),
    (43, "whois"),
    (53, "dns"),
    (67, "dhcp"),
    (69, "tftp"),
    (70, "gopher"),
    (79, "finger"),
    (80, "http"),
    (88, "kerberos"),
    (110, "pop3"),
    (111, "rpcbind"),
    (119, "nntp"),
    (123, "ntp"),
    (143, "imap"),
    (161, "snmp"),
    (179, "bgp"),
    (389, "ldap"),
    (443, "https"),
    (445, "smb"),
    (465, "submissions"),
    (514, "syslog"),
    (587, "submission"),
    (631, "ipp"),
    (636, "ldaps"),
    (853, "dns-over-tls"),
    (993, "imaps"),
    (995, "pop3s"),
    (1080, "socks"),
    (1883, "mqtt"),
    (3306, "mysql"),
    (3389, "rdp"),
    (5432, "postgres"),
    (5672, "amqp"),
    (6379, "redis"),
    (6667, "irc"),
    (11211, "memcached"),
    (27017, "mongodb"),
];

/// Other names that people type, as /etc/services has them.
const ALIASES: [(u16, &str); 5] =
    [(53, "domain"), (80, "www"), (465, "smtps"), (5432, "postgresql"), (6667, "ircd")];

/// The name by which people know this port.
pub fn well_known_port(port: u16) -> Option<&'static str> {
    let at = PORTS.binary_search_by_key(&port, |(port, _)| *port).ok()?;
    Some(PORTS[at].1)
}

/// The port that people know by this name, for whoever types `host:ssh`.
pub(super) fn port_of(name: &str) -> Option<u16> {
    PORTS.iter().chain(&ALIASES).find(|(_, known)| *known == name).map(|(port, _)| *port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_as_the_search_needs_it() {
        assert!(PORTS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(well_known_port(22), Some("ssh"));
        assert_eq!(well_known_port(24), None);
        assert_eq!((port_of("imaps"), port_of("domain")), (Some(993), Some(53)));
    }
}
