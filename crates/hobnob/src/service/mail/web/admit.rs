//! Who may ask: pages of other sites may not, by whatever name they reach this one, and off this machine nobody may who
//! has not logged in.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::request::Parts;

use super::answer::WebRefusal;
use crate::codec::sasl::Login;
use crate::service::mail::rules::MailRules;

/// What a door is asked by.
pub(super) struct WebGate<'a> {
    pub(super) rules: &'a MailRules,
    /// Whether everybody who can reach it is on this machine.
    pub(super) is_local: bool,
    /// Whether it is an IP address and a port, which a browser can be led to.
    pub(super) has_host: bool,
}

impl WebGate<'_> {
    /// Whether somebody has to log in.
    pub(super) fn needs_login(&self) -> bool {
        !self.is_local || self.rules.users.is_some()
    }

    /// The name of who asks, in small letters, where a login is needed; or why there is no answer.
    pub(super) fn admit(&self, head: &Parts) -> Result<Option<String>, WebRefusal> {
        let host = text(&head.headers, &HOST).unwrap_or_default();
        if self.has_host && !self.knows(host) {
            let why = "this door does not go by that name: ask for it as localhost or by its address, or name it with --web-host";
            return Err(WebRefusal::new(StatusCode::MISDIRECTED_REQUEST, why));
        }
        if is_foreign(head, host) {
            let why = "a page of another site asks, and letters are not for it";
            return Err(WebRefusal::new(StatusCode::FORBIDDEN, why));
        }
        if !self.needs_login() {
            return Ok(None);
        }
        if self.rules.users.is_none() {
            let why = "off this machine letters are for those who log in: say who may with --user NAME:@FILE";
            return Err(WebRefusal::new(StatusCode::FORBIDDEN, why));
        }
        let login = text(&head.headers, &AUTHORIZATION).and_then(basic);
        let name = login.and_then(|login| self.rules.check(&login));
        name.map(Some).ok_or_else(WebRefusal::login)
    }

    /// Whether the door goes by this name. An address cannot be made to mean another machine, as a name can (DNS
    /// rebinding).
    fn knows(&self, host: &str) -> bool {
        let Some(name) = host_name(host) else { return false };
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let is_address = name.parse::<Ipv4Addr>().is_ok() || host.starts_with('[');
        is_address
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.rules.web_hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The name in a Host field, without the port. None where it is no host.
fn host_name(host: &str) -> Option<&str> {
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        let is_over = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_over.then_some(address);
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    (!name.is_empty() && is_port(port)).then_some(name)
}

/// Whether a browser says that a page of another site asks. A link to the page itself may be followed from anywhere: it
/// changes nothing, and nobody may frame it.
fn is_foreign(head: &Parts, host: &str) -> bool {
    let fetch = |name: &'static str| text(&head.headers, &HeaderName::from_static(name));
    let site = fetch("sec-fetch-site");
    let is_link = fetch("sec-fetch-mode") == Some("navigate")
        && fetch("sec-fetch-dest") == Some("document")
        && head.uri.path() == "/";
    if site.is_some_and(|site| site != "same-origin" && site != "none") && !is_link {
        return true;
    }
    let own = |origin: &str| {
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    };
    head.headers.contains_key(ORIGIN) && !text(&head.headers, &ORIGIN).is_some_and(own)
}

/// `Basic ...` (RFC 7617).
fn basic(value: &str) -> Option<Login> {
    let (scheme, rest) = value.split_once(' ')?;
    let bytes =
        STANDARD.decode(rest.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Login { name: name.to_owned(), password: password.to_owned() })
}

/// The value of a field that is there once.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let value = all.next().filter(|_| all.next().is_none())?;
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for (host, name) in [
            ("localhost", Some("localhost")),
            ("localhost:8025", Some("localhost")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", Some("::1")),
            ("[::1]", Some("::1")),
            ("[x]", None),
            ("[::1]x", None),
            ("a:b", None),
            (":80", None),
            ("", None),
        ] {
            assert_eq!(host_name(host), name, "{host}");
        }
    }
}
