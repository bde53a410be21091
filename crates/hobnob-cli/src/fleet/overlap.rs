//! Two parts that want one address: found in the file, before anything opens.

use std::collections::HashMap;

use hobnob::endpoint::{Host, Target};
use hobnob::engine;
use hobnob::error::Result;

use crate::config::Config;
use crate::fleet::plan::PlannedServer;

/// What one endpoint takes for itself.
pub(super) struct Stake<'p> {
    pub(super) target: Target,
    pub(super) owner: &'p str,
}

/// The first address that is wanted twice, as an error.
pub(super) fn check(config: &Config, all: &[PlannedServer<'_>]) -> Result<()> {
    // Those that could collide at all: on one port of one transport, or on none.
    let mut claims: HashMap<_, Vec<Stake<'_>>> = HashMap::new();
    for planned in all {
        let owner = planned.part.name.text.as_str();
        for (endpoint, place) in &planned.endpoints {
            let resolved = engine::resolve(endpoint)?;
            let (transport, target) = (resolved.transport.spec.name, resolved.place.target);
            let claims = claims.entry((transport, endpoint.port(), named(&target))).or_default();
            let claim = Stake { target, owner };
            if let Some(first) = claims.iter().find(|first| first.collides(&claim)) {
                let other = if first.owner == owner { "twice" } else { "too" };
                let text = format!("{owner} wants {}, {other}", place.text);
                let label = format!("{} has it already", first.owner);
                return Err(config.source.wrong(text, &place.at, &label));
            }
            claims.push(claim);
        }
    }
    Ok(())
}

impl Stake<'_> {
    /// Whether both cannot be bound at once.
    pub(super) fn collides(&self, other: &Stake<'_>) -> bool {
        match (&self.target, &other.target) {
            // The kernel gives each its own.
            (Target::Net { port: Some(0), .. }, _) => false,
            (Target::Net { host: one, .. }, Target::Net { host: two, .. }) => {
                covers(one, two) || covers(two, one)
            }
            (one, two) => one == two,
        }
    }
}

/// What two endpoints without a port must have in common.
fn named(target: &Target) -> String {
    match target {
        Target::Net { .. } => String::new(),
        other => format!("{other:?}"),
    }
}

/// Whether listening on the first takes the second, too.
fn covers(one: &Host, two: &Host) -> bool {
    match (one, two) {
        (Host::V4(all), Host::V4(_) | Host::Loopback) if all.is_unspecified() => true,
        // The one of IPv6 takes IPv4 as well, unless it is told not to.
        (Host::V6 { address, .. }, _) if address.is_unspecified() => true,
        (Host::Loopback, Host::V4(one)) => *one == std::net::Ipv4Addr::LOCALHOST,
        (Host::Loopback, Host::V6 { address, .. }) => *address == std::net::Ipv6Addr::LOCALHOST,
        (Host::Loopback, Host::Name(name)) => name == "localhost",
        (one, two) => one == two,
    }
}
