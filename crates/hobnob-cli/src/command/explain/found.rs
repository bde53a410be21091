//! What a host stands for: its addresses, and where its name is known from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hobnob::endpoint::{Host, Target};
use hobnob::socket::{Family, look_up};
use serde_json::{Value, json};

use super::lines::line;
use super::number;
use super::sources::NameSources;
use crate::report::show::safe;

/// The addresses of a host.
pub(super) enum Found {
    /// There is no host.
    Nothing,
    /// These; with where they come from, if the host has a name.
    Addresses { all: Vec<IpAddr>, sources: Option<NameSources> },
    /// The resolver's words.
    Failed(String, NameSources),
}

impl Found {
    /// Looks a name up.
    pub(super) fn of(target: &Target, family: Option<Family>) -> Self {
        match target {
            Target::Net { host, .. } => Self::of_host(host, family),
            _ => Found::Nothing,
        }
    }

    pub(super) fn of_host(host: &Host, family: Option<Family>) -> Self {
        let fits = |ip: &IpAddr| match family {
            Some(Family::V4) => ip.is_ipv4(),
            Some(Family::V6) => ip.is_ipv6(),
            _ => true,
        };
        let (all, sources) = match host {
            Host::Loopback => {
                (vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)], None)
            }
            Host::V4(address) => (vec![IpAddr::V4(*address)], None),
            Host::V6 { address, .. } => (vec![IpAddr::V6(*address)], None),
            Host::Name(name) => {
                let sources = NameSources::of(name);
                match look_up(name, 0, family) {
                    Ok(found) => (found.into_iter().map(|at| at.ip()).collect(), Some(sources)),
                    Err(error) => return Found::Failed(said(&error), sources),
                }
            }
        };
        Found::Addresses { all: all.into_iter().filter(fits).collect(), sources }
    }

    pub(super) fn all(&self) -> &[IpAddr] {
        match self {
            Found::Addresses { all, .. } => all,
            Found::Nothing | Found::Failed(..) => &[],
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        let (sources, was_found) = match self {
            Found::Nothing => return,
            Found::Failed(text, sources) => {
                line(out, "addresses", &format!("none: {text}"));
                (Some(sources), false)
            }
            Found::Addresses { all, sources } => {
                for (at, ip) in all.iter().enumerate() {
                    let label = if at == 0 { "addresses" } else { "" };
                    line(out, label, &number::spelt(*ip));
                }
                (sources.as_ref(), true)
            }
        };
        for (label, text) in sources.map(|sources| sources.words(was_found)).into_iter().flatten() {
            line(out, label, &text);
        }
    }

    pub(super) fn numbers(&self) -> Vec<Value> {
        self.all().iter().copied().map(number::json_of).collect()
    }

    /// Null where there is no name.
    pub(super) fn names_json(&self) -> Value {
        match self {
            Found::Addresses { sources: Some(sources), .. } => sources.json(true),
            Found::Failed(_, sources) => sources.json(false),
            _ => json!(null),
        }
    }
}

/// An error in one line.
fn said(error: &hobnob::error::Error) -> String {
    let why = error.reasons().first().map(|why| format!(": {why}"));
    safe(&format!("{}{}", error.message(), why.unwrap_or_default()))
}
