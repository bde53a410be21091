//! The way to a server of mail: which protocol is spoken there, and whether a clear conn may become TLS.

use crate::codec::upgrade::Upgrade;
use crate::endpoint::{Endpoint, Host, Target};
use crate::engine::{self, Dialer, LaterLayer, Route};
use crate::error::{Error, Kind, Result};
use crate::spec::Shape;

/// The layer that STARTTLS puts on.
const LATER: &str = "tls";
/// Ports that are known for one protocol: those of the services, of their twins with TLS, and of our own doors.
const PORTS: &[(u16, MailProtocol)] = &[
    (110, MailProtocol::Pop3),
    (995, MailProtocol::Pop3),
    (1110, MailProtocol::Pop3),
    (143, MailProtocol::Imap),
    (993, MailProtocol::Imap),
    (1143, MailProtocol::Imap),
];

/// What is spoken with a server of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailProtocol {
    /// Letters go there.
    Smtp,
    /// Letters come from there.
    Pop3,
    /// Letters come from there.
    Imap,
}

impl MailProtocol {
    /// The name, as an endpoint has it.
    pub fn name(self) -> &'static str {
        match self {
            MailProtocol::Smtp => "smtp",
            MailProtocol::Pop3 => "pop3",
            MailProtocol::Imap => "imap",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [MailProtocol::Smtp, MailProtocol::Pop3, MailProtocol::Imap]
            .into_iter()
            .find(|protocol| protocol.name() == name)
    }
}

/// What one wants there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailErrand {
    /// To send letters.
    Send,
    /// To fetch letters.
    Fetch,
}

/// The way to a server of mail, planned.
#[derive(Clone)]
pub struct MailRoute {
    pub(super) route: Route,
    pub(super) protocol: MailProtocol,
    pub(super) upgrade: Upgrade,
    /// None where the build has no TLS.
    pub(super) later: Option<LaterLayer>,
    pub(super) name: String,
    is_here: bool,
}

impl MailRoute {
    /// Plans it. The settings of an endpoint that are those of TLS are for TLS, also where that comes later:
    /// `smtp://:1025,ca=dev`.
    pub fn new(
        to: &Endpoint,
        errand: MailErrand,
        dialer: &Dialer,
        upgrade: Upgrade,
    ) -> Result<Self> {
        let protocol = protocol(to, errand)?;
        let dialer = dialer.clone().speaking(protocol.name());
        let (endpoint, later, upgrade) = match dialer.later(LATER, to) {
            Ok((endpoint, later)) => (endpoint, Some(later), upgrade),
            Err(error) if error.kind() == Kind::NotBuiltIn && upgrade != Upgrade::Need => {
                (to.clone(), None, Upgrade::Off)
            }
            Err(error) => return Err(error),
        };
        if engine::resolve(&endpoint)?.shape != Shape::Bytes {
            let text = format!("{} needs bytes, and {endpoint} gives packets", protocol.name());
            return Err(
                Error::new(Kind::DoesNotFit, text).hint_endpoint(":1025", "over tcp, for one")
            );
        }
        let route = dialer.route(&endpoint)?;
        Ok(MailRoute {
            route,
            protocol,
            upgrade,
            later,
            name: endpoint.to_string(),
            is_here: is_here(endpoint.target()),
        })
    }

    /// The same endpoint, where TLS that comes later does not check who the peer is.
    pub fn insecure(mut to: Endpoint) -> Result<Endpoint> {
        if !to.has_layer(LATER) {
            to.set(&format!("{LATER}.insecure"))?;
        }
        Ok(to)
    }

    /// What is spoken there.
    pub fn protocol(&self) -> MailProtocol {
        self.protocol
    }

    /// The endpoint, as errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a place of this machine, so that nobody sits on the path.
    pub fn is_here(&self) -> bool {
        self.is_here
    }

    /// Whether a clear conn to this place becomes TLS where nobody says otherwise: nobody reads what stays on this machine.
    pub fn usual_upgrade(to: &Endpoint) -> Upgrade {
        if is_here(to.target()) { Upgrade::Off } else { Upgrade::Try }
    }
}

fn is_here(target: &Target) -> bool {
    match target {
        Target::Net { host, .. } => match host {
            Host::Loopback => true,
            Host::V4(address) => address.is_loopback(),
            Host::V6 { address, .. } => address.is_loopback(),
            Host::Name(name) => name == "localhost",
        },
        _ => true,
    }
}

fn protocol(to: &Endpoint, errand: MailErrand) -> Result<MailProtocol> {
    let named = to.protocol().map(|name| (name, MailProtocol::of(name)));
    let fits =
        |protocol: &MailProtocol| (*protocol == MailProtocol::Smtp) == (errand == MailErrand::Send);
    match (named, errand) {
        (Some((_, Some(protocol))), _) if fits(&protocol) => return Ok(protocol),
        (Some((name, _)), errand) => {
            let (does, speaks) = match errand {
                MailErrand::Send => ("sent", "smtp"),
                MailErrand::Fetch => ("fetched", "pop3 or imap"),
            };
            let text = format!("letters are {does} by {speaks}, and {to} names {name}");
            let error = Error::new(Kind::DoesNotFit, text);
            let other = if errand == MailErrand::Send { "smtp://:1025" } else { "imap://:1143" };
            return Err(error.hint_endpoint(other, "for one"));
        }
        (None, MailErrand::Send) => return Ok(MailProtocol::Smtp),
        (None, MailErrand::Fetch) => {}
    }
    let known = to.port().and_then(|port| PORTS.iter().find(|(known, _)| *known == port));
    if let Some((_, protocol)) = known {
        return Ok(*protocol);
    }
    let error = Error::new(Kind::DoesNotFit, format!("is {to} a server of pop3 or of imap?"))
        .why("nothing says so: neither the address nor a port that is known for one of them");
    let spelt = to.to_string();
    let spelt = spelt.strip_prefix("tcp://").unwrap_or(&spelt);
    let stack = |word: &str| match to.transport().name() {
        "tcp" if to.layers().is_empty() => format!("{word}://{spelt}"),
        _ => format!("{word}+{spelt}"),
    };
    Err(error.hint_endpoint(stack("pop3"), "").hint_endpoint(stack("imap"), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(endpoint: &str, errand: MailErrand) -> Result<MailRoute> {
        let endpoint = engine::parse(endpoint)?;
        MailRoute::new(&endpoint, errand, &Dialer::default(), Upgrade::Off)
    }

    #[test]
    fn an_endpoint_says_what_is_spoken_by_its_word_or_by_its_port() {
        use MailErrand::{Fetch, Send};
        for (endpoint, errand, protocol) in [
            (":1025", Send, "smtp"),
            ("smtp://mail.test", Send, "smtp"),
            ("smtp+unix:/run/s.sock", Send, "smtp"),
            ("/run/s.sock", Send, "smtp"),
            (":1110", Fetch, "pop3"),
            ("mail.test:143", Fetch, "imap"),
            ("imap+unix:/run/i.sock", Fetch, "imap"),
            ("pop3://:9", Fetch, "pop3"),
        ] {
            let route =
                planned(endpoint, errand).unwrap_or_else(|error| panic!("{endpoint}: {error:?}"));
            assert_eq!(route.protocol.name(), protocol, "{endpoint}");
        }
        for (endpoint, errand) in [
            (":9", Fetch),
            ("/run/x", Fetch),
            ("smtp://:9", Fetch),
            ("imap://:9", Send),
            ("http://h", Send),
            ("udp://:9", Send),
        ] {
            let error = planned(endpoint, errand).map(drop).expect_err(endpoint);
            assert_eq!(error.kind(), Kind::DoesNotFit, "{endpoint}");
            for hint in error.hints() {
                if let crate::error::Advice::Endpoint(endpoint) = &hint.advice {
                    engine::parse(endpoint).unwrap_or_else(|error| panic!("{endpoint}: {error:?}"));
                }
            }
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn settings_of_tls_are_for_tls_also_where_it_comes_later() {
        for endpoint in [
            "smtp+tcp://mail.test:25,insecure",
            "smtp://:1025,tls.insecure,nodelay",
            "smtps+tcp://h:465,insecure",
        ] {
            planned(endpoint, MailErrand::Send)
                .unwrap_or_else(|error| panic!("{endpoint}: {error:?}"));
        }
        let error = planned("smtp://:1025,nothing=x", MailErrand::Send)
            .map(drop)
            .expect_err("no such setting");
        assert_eq!(error.kind(), Kind::UnknownOption);
    }
}
