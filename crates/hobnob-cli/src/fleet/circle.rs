//! Parts that pass everything on to each other: each session would open the next, for ever. Found in the file, before
//! anything opens; what other processes pass on nobody here knows.

use hobnob::endpoint::{Endpoint, Host, Target};
use hobnob::engine;
use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;
use crate::config::Config;
use crate::config::source::Placed;
use crate::fleet::overlap::Stake;
use crate::fleet::plan::PlannedServer;

/// The first circle, as an error under the target that closes it.
pub(super) fn check(config: &Config, all: &[PlannedServer<'_>]) -> Result<()> {
    let leads: Vec<Vec<(usize, &Placed)>> = all.iter().map(|part| leads(part, all)).collect();
    for first in 0..all.len() {
        let mut path = vec![first];
        if let Some(last) = closes(&leads, first, &mut path) {
            let names = path.iter().map(|at| all[*at].part.name.text.as_str());
            let names: Vec<_> = names.chain([all[first].part.name.text.as_str()]).collect();
            let text = format!("this goes round for ever: {}", names.join(" to "));
            let error = Error::new(Kind::Loop, text);
            let label = format!("{} listens there", names[names.len() - 1]);
            let error = config.source.mark(error, last.at.clone(), &label);
            let error = error.why("each session would open the next");
            return Err(error.try_command("hobnob help up", ""));
        }
    }
    Ok(())
}

/// Whether a way leads from the end of `path` back to `first`: the target that closes it, and `path` is all of it.
fn closes<'p>(
    leads: &[Vec<(usize, &'p Placed)>],
    first: usize,
    path: &mut Vec<usize>,
) -> Option<&'p Placed> {
    for (next, target) in &leads[path[path.len() - 1]] {
        if *next == first {
            return Some(target);
        }
        if !path.contains(next) {
            path.push(*next);
            if let Some(last) = closes(leads, first, path) {
                return Some(last);
            }
            path.pop();
        }
    }
    None
}

/// The parts that this one dials, each with the word that says so.
pub(super) fn leads<'p>(
    from: &'p PlannedServer<'_>,
    all: &[PlannedServer<'_>],
) -> Vec<(usize, &'p Placed)> {
    let mut found = Vec::new();
    for (to, target) in &from.targets {
        let Some(dialled) = place(to, "listen") else { continue };
        let is_there = |part: &PlannedServer<'_>| {
            let mut places = part.endpoints.iter().filter_map(|(at, _)| place(at, "dial"));
            places.any(|at| at.0 == dialled.0 && at.1.collides(&dialled.1))
        };
        found.extend((0..all.len()).filter(|at| is_there(&all[*at])).map(|at| (at, target)));
    }
    found
}

/// Transport, port and place of an endpoint, unless this flag turns it round.
fn place(
    endpoint: &Endpoint,
    turned: &str,
) -> Option<((&'static str, Option<u16>), Stake<'static>)> {
    let resolved = engine::resolve(endpoint).ok().filter(|found| !found.door.flag(turned))?;
    let name = resolved.transport.spec.name;
    let target = match resolved.place.target {
        Target::Net { host: Host::Name(name), port } if name == "localhost" => {
            Target::Net { host: Host::Loopback, port }
        }
        target => target,
    };
    Some(((name, endpoint.port()), Stake { target, owner: "" }))
}
