//! What fits together: a service and its doors, an endpoint's protocol, shapes, and what passes the layers.

use crate::bus::Bus;
use crate::endpoint::{Endpoint, Given, Host, Target, protocol};
use crate::engine::model::Model;
use crate::engine::plan::{self, Ready, Resolved};
use crate::error::{Advice, Error, Kind, Result};
use crate::layer::Role;
use crate::service::{self, Door};
use crate::socket::Type;
use crate::spec::{OptionSpec, Options, Shape, ValueKind};

/// The door that an endpoint leads to: the one that was named, or the one whose protocol the endpoint names, or the
/// only one. The endpoint must give a shape that the door serves.
pub(super) fn door(
    row: Option<&'static service::ServiceRow>,
    doors: &[Door],
    named: Option<&str>,
    at: &Resolved,
) -> Result<Door> {
    let who = row.map_or("this service", |row| row.spec.name);
    let spoken = at.protocol.as_ref().map(|(spec, _)| spec.name);
    let door = match (named, doors) {
        (Some(name), _) => doors.iter().find(|door| door.name == name),
        (None, [only]) => Some(only),
        (None, _) => doors.iter().find(|door| spoken.is_some() && door.protocol == spoken),
    };
    let Some(door) = door else { return Err(which_door(who, doors, named, at)) };
    check_shape(who, door.shapes, at)?;
    check_protocol(door.protocol, who, at).map_err(|error| {
        let speaks = |row: &&&service::ServiceRow| {
            row.doors.iter().any(|door| door.protocol.is_some() && door.protocol == spoken)
        };
        match service::TABLE.iter().find(speaks) {
            Some(row) => {
                let at = Some(at.endpoint.to_string());
                let other = Advice::Serve { service: row.spec.name, at, with: None };
                error.hint(other, "a service that does")
            }
            None => error,
        }
    })?;
    let is_loud = row.is_some_and(|row| row.is_loud);
    if is_loud && at.shape == Shape::Packets && !is_loopback(&at.place.target) {
        let text = format!(
            "{who} serves packets on this machine only: from elsewhere they would be a weapon"
        );
        let why = "whoever forges a sender's address would turn it against that sender";
        return Err(Error::new(Kind::DoesNotFit, text)
            .why(why)
            .hint_endpoint("udp://:9000", "loopback"));
    }
    Ok(*door)
}

fn which_door(who: &str, doors: &[Door], named: Option<&str>, at: &Resolved) -> Error {
    let names: Vec<_> = doors.iter().map(|door| door.name).collect();
    let text = match (named, doors) {
        (Some(name), [_]) => format!("{who} has one door, and no door {name:?}"),
        (Some(name), _) => format!("{who} has no door {name:?}"),
        (None, _) => format!("{who} has {} doors, and {} names none", doors.len(), at.endpoint),
    };
    let error = Error::new(Kind::DoesNotFit, text);
    match doors {
        [first, _, ..] => error
            .why(format!("its doors are {}", names.join(", ")))
            .hint_endpoint(format!("{}={}", first.name, at.endpoint), "that door"),
        _ => error,
    }
}

/// Checks that an endpoint which names a protocol names the one that is spoken there.
pub(super) fn check_protocol(spoken: Option<&'static str>, who: &str, at: &Resolved) -> Result<()> {
    let Some((spec, options)) = at.protocol.as_ref().filter(|(spec, _)| Some(spec.name) != spoken)
    else {
        return Ok(());
    };
    let name = spec.name;
    let error = Error::new(Kind::DoesNotFit, format!("{who} does not speak {name}"))
        .why(format!("{name} is no layer: it is {}", spec.summary));
    let endpoint = at.endpoint.to_string();
    let below = endpoint.strip_prefix(name).and_then(|rest| rest.strip_prefix('+'));
    Err(match below.filter(|_| *options == Options::of(spec.options)) {
        Some(endpoint) => error.hint_endpoint(endpoint, "without it"),
        None => error,
    })
}

/// Checks that the endpoint of a server has no path. A path is what a client asks for, and a server answers any.
pub(super) fn check_no_path(endpoint: &Endpoint, who: &str) -> Result<()> {
    let Some(spoken) = endpoint.protocol().and_then(protocol::find) else { return Ok(()) };
    let is_path = |setting: &&Given| {
        let is_meant = setting.layer.as_deref().is_none_or(|layer| layer == spoken.name);
        is_meant && spoken.options.iter().any(|option| option.name == setting.key)
    };
    let Some(setting) = endpoint.settings().iter().find(is_path) else { return Ok(()) };
    let text = format!("{who} answers any path, so its address has none");
    let error = Error::new(Kind::DoesNotFit, text);
    let (typed, at) = (setting.typed.text(), setting.typed.range());
    let error = setting.typed.mark(error, "a path is for those who ask");
    if typed != endpoint.typed().text() {
        return Err(error); // the setting came by -O, so no endpoint can be proposed without it
    }
    let without = format!("{},{}", typed[..at.start].trim_end_matches(','), &typed[at.end..]);
    Err(error.hint_endpoint(without.trim_end_matches(',').replace(",,", ","), "every path"))
}

/// Checks that the endpoint gives one of these shapes.
pub(super) fn check_shape(name: &str, shapes: &[Shape], at: &Resolved) -> Result<()> {
    if shapes.contains(&at.shape) {
        return Ok(());
    }
    let text =
        format!("{name} does not serve {}, and {} gives {}", at.shape, at.endpoint, at.shape);
    let error = Error::new(Kind::DoesNotFit, text);
    Err(match at.shape {
        Shape::Packets => error.hint_endpoint(":9000", "bytes, over tcp"),
        Shape::Bytes => error.hint_endpoint("lines+tcp://:9000", "a packet a line, over tcp"),
    })
}

/// Checks that what a service says passes the layers of its endpoints. What it says depends on its options.
pub(super) fn check_lines<'a>(
    name: &str,
    made: &service::Made,
    at: impl Iterator<Item = &'a Resolved>,
) -> Result<()> {
    if made.says_lines() {
        return Ok(());
    }
    for endpoint in at {
        let Some((layer, options)) = endpoint.layers.iter().find(|(row, _)| row.is_one_line) else {
            continue;
        };
        let layer = layer.spec.name;
        let text = format!("{name} says more than a line at a time, and {layer} takes one");
        let typed = endpoint.endpoint.to_string();
        let below = typed.strip_prefix(layer);
        let below = below.and_then(|rest| rest.strip_prefix('+').or(rest.strip_prefix("://")));
        let below = below.filter(|_| options.given().next().is_none());
        let error = Error::new(Kind::DoesNotFit, text)
            .why("a message with a newline in it would be heard as several");
        return Err(error.hint_endpoint(below.unwrap_or(":9000"), "without it"));
    }
    Ok(())
}

/// Checks that threads which block can run the sessions: those of a service without I/O of its own, on sockets that
/// nothing stands before.
pub(super) fn check_model<'a>(
    model: Model,
    name: &'static str,
    made: &service::Made,
    at: impl Iterator<Item = &'a Resolved>,
) -> Result<()> {
    if model == Model::Async {
        return Ok(());
    }
    let model = model.name();
    let text = format!("{name} cannot be served by --model {model}");
    let error = Error::new(Kind::DoesNotFit, text);
    if !matches!(made, service::Made::Responder(_)) {
        let why = "it may wait for more than its one peer, and a thread that blocks waits for one";
        let error = error.why(why).hint_topic("models", "which services can");
        let is_known = service::TABLE.iter().any(|row| row.spec.name == name);
        let as_ever = Advice::Serve { service: name, at: None, with: None };
        return Err(if is_known { error.hint(as_ever, "as tasks") } else { error });
    }
    for endpoint in at {
        let why = if let Some((layer, _)) = endpoint.layers.first() {
            format!(
                "{} stands before the socket, and the thread is to call the socket itself",
                layer.spec.name
            )
        } else if endpoint.transport.socket != Some(Type::Stream) {
            format!(
                "{} is no stream socket, on which one recv after another could be made",
                endpoint.transport.spec.name
            )
        } else {
            continue;
        };
        let text = format!("{} cannot be served by --model {model}", endpoint.endpoint);
        return Err(Error::new(Kind::DoesNotFit, text)
            .why(why)
            .hint_endpoint(":9000", "a plain socket")
            .hint_topic("models", "what each model can"));
    }
    Ok(())
}

/// The endpoints that a service is to dial, each planned once, with the option that names it. The service passes on
/// what it gets, so all endpoints have one shape.
pub(super) fn targets<'a>(
    row: &'static service::ServiceRow,
    named: &[(&'static OptionSpec, Endpoint)],
    doors: &(impl Iterator<Item = &'a Resolved> + Clone),
    bus: &Bus,
) -> Result<Vec<(&'static str, Ready)>> {
    let mut targets = Vec::new();
    for option in row.dialled() {
        let found = named.iter().rev().find(|(of, _)| of.name == option.name);
        let Some((_, endpoint)) = found else {
            if option.kind == ValueKind::NextEndpoint {
                continue;
            }
            let text = format!("{} needs to know where to: --{} ADDR", row.spec.name, option.name);
            return Err(Error::new(Kind::Usage, text).hint_topic(row.spec.name, ""));
        };
        let resolved = plan::resolve(endpoint)?;
        let named = resolved.protocol.as_ref().map(|(spec, _)| spec.name);
        let spoken =
            row.doors.iter().find_map(|door| door.protocol.filter(|own| named == Some(*own)));
        check_protocol(spoken, row.spec.name, &resolved)?;
        for door in doors.clone() {
            check_same_shape(row, option, door, &resolved)?;
        }
        if resolved.door.flag("listen") && !resolved.transport.has_opening {
            let name = resolved.transport.spec.name;
            let text = format!("nobody arrives at {name}: there is no conn to wait for");
            return Err(
                Error::new(Kind::DoesNotFit, text).hint_topic(row.spec.name, "who can wait")
            );
        }
        targets.push((option.name, resolved.ready(Role::Client, bus)?));
    }
    Ok(targets)
}

/// Checks that what comes in at the door can go out at the target.
pub(super) fn check_same_shape(
    row: &service::ServiceRow,
    option: &OptionSpec,
    door: &Resolved,
    target: &Resolved,
) -> Result<()> {
    if door.shape == target.shape {
        return Ok(());
    }
    let (here, there) = (&door.endpoint, &target.endpoint);
    let text = format!("{here} gives {}, and {there} gives {}", door.shape, target.shape);
    let why = "bytes have no borders, and packets are nothing but: a framing layer makes one of the other";
    let (here, there) = match door.shape {
        Shape::Bytes => (in_lines(door), there.to_string()),
        Shape::Packets => (here.to_string(), in_lines(target)),
    };
    let (service, with) = (row.spec.name, Some((option.name, there)));
    let framed = Advice::Serve { service, at: Some(here), with };
    Err(Error::new(Kind::DoesNotFit, text).why(why).hint(framed, "a packet a line"))
}

/// The same endpoint with a packet a line. A target without a place is spelt by the name of its transport, as no layer
/// can stand before `-`.
fn in_lines(at: &Resolved) -> String {
    match at.place.target {
        Target::Nothing if at.layers.is_empty() => format!("lines+{}:", at.transport.spec.name),
        _ => format!("lines+{}", at.endpoint),
    }
}

fn is_loopback(target: &Target) -> bool {
    match target {
        Target::Net { host: Host::V4(address), .. } => address.is_loopback(),
        Target::Net { host: Host::V6 { address, .. }, .. } => address.is_loopback(),
        Target::Net { host: Host::Name(name), .. } => name == "localhost",
        _ => true,
    }
}
