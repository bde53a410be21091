//! A host without a port: an address, an address as one number, or a name. It is no endpoint, but says what it stands for.

use std::net::{IpAddr, Ipv6Addr};

use hobnob::endpoint::Host;
use hobnob::engine;
use hobnob::error::{Kind, Result};
use serde_json::{Value, json};

use super::found::Found;
use super::lines::{fitted, line};
use super::number;
use crate::job::Job;
use crate::report::look::{Look, Paint};
use crate::report::show::safe;

/// A host, and what it stands for.
pub(super) struct HostAlone {
    host: Host,
    found: Found,
    /// What may have been meant, where the end of an IPv6 address can be a port.
    split: Option<String>,
}

impl HostAlone {
    /// None where the word is something else, or a socket is asked about.
    pub(super) fn of(job: &Job) -> Result<Option<Self>> {
        let words = job.words();
        let [word] = words.as_slice() else { return Ok(None) };
        let is_about_sockets =
            job.is_on("options") || job.is_on("listen") || !job.texts("option").is_empty();
        let Some(host) = read(word).filter(|_| !is_about_sockets) else { return Ok(None) };
        let found = Found::of_host(&host, job.family()?);
        Ok(Some(HostAlone { host, found, split: split(word) }))
    }

    pub(super) fn words(&self, look: Look) -> String {
        let shown = safe(&self.shown());
        let mut out = format!("{}\n", look.paint(Paint::Bold, &shown));
        match self.literal() {
            Some(ip) => {
                let range = number::range(ip);
                line(&mut out, "range", &format!("{}: {}", range.name, range.meaning));
                match ip {
                    IpAddr::V4(v4) => {
                        let bits = v4.to_bits();
                        line(&mut out, "number", &format!("{bits}, 0x{bits:08x}"));
                        line(&mut out, "in IPv6", &v4.to_ipv6_mapped().to_string());
                    }
                    IpAddr::V6(v6) => {
                        line(&mut out, "short", &v6.to_string());
                        line(&mut out, "in full", &number::in_full(v6));
                        if let Some(v4) = v6.to_ipv4_mapped() {
                            line(&mut out, "in IPv4", &v4.to_string());
                        }
                    }
                }
            }
            None => self.found.write(&mut out),
        }
        line(&mut out, "with a port", &format!("hobnob explain {}", self.with_port()));
        if let Some(split) = &self.split {
            line(&mut out, "", &format!("hobnob explain '{split}', if its end is the port"));
        }
        fitted(out, look)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "v": 1,
            "type": "explain",
            "host": self.shown(),
            "addresses": self.found.numbers(),
            "names": self.found.names_json(),
        })
    }

    fn literal(&self) -> Option<IpAddr> {
        match &self.host {
            Host::V4(v4) => Some(IpAddr::V4(*v4)),
            Host::V6 { address, .. } => Some(IpAddr::V6(*address)),
            Host::Loopback | Host::Name(_) => None,
        }
    }

    /// As an endpoint has it, but without brackets.
    fn shown(&self) -> String {
        self.host.to_string().trim_matches(['[', ']']).to_owned()
    }

    fn with_port(&self) -> String {
        let endpoint = format!("{}:80", self.host);
        if endpoint.starts_with('[') { format!("'{}'", safe(&endpoint)) } else { safe(&endpoint) }
    }
}

/// `[::1]:80` for `::1:80`, which is an address, too.
fn split(word: &str) -> Option<String> {
    let (ip, port) = word.rsplit_once(':')?;
    let is_ip = ip.parse::<Ipv6Addr>().is_ok();
    (is_ip && port.parse::<u16>().is_ok()).then(|| format!("[{ip}]:{port}"))
}

fn read(word: &str) -> Option<Host> {
    if let Some(address) = number::address_of(word) {
        return Some(Host::V4(address));
    }
    // What lacks nothing but a port is a host; an IPv6 address also without its brackets.
    let is_v6 = word.split('%').next().is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
    let host = if is_v6 { format!("[{word}]") } else { word.to_owned() };
    // A transport, settings or layers are about more than a host.
    let is_more = host.contains(['/', ',', '@']) || !host.starts_with('[') && host.contains(':');
    let is_portless = engine::parse(&host).is_err_and(|error| error.kind() == Kind::MissingPort);
    let endpoint = engine::parse(&format!("{host}:1")).ok();
    endpoint.filter(|_| is_portless && !is_more)?.host().cloned()
}
