//! One server of this process, as consoles see it.

use hobnob::engine::{self, Bound, Control, Running};
use hobnob::error::{Error, Kind, Result};
use hobnob::fault::Panel;
use hobnob::spec::nearest;

use crate::advice::Propose as _;

/// A server that runs.
pub(crate) struct SteeredServer {
    /// What it is called.
    pub(super) name: String,
    /// What it serves.
    pub(super) service: String,
    pub(super) bound: Vec<Bound>,
    pub(super) control: Control,
}

impl SteeredServer {
    /// A server under its name.
    pub(crate) fn new(name: &str, service: &str, running: &Running) -> Self {
        SteeredServer {
            name: name.to_owned(),
            service: service.to_owned(),
            bound: running.bound().to_vec(),
            control: running.control(),
        }
    }

    /// The knobs of what bends it.
    pub(super) fn panel(&self) -> Result<Panel> {
        self.control.faults().ok_or_else(|| {
            let text = format!("{} has no faults that could be turned", self.name);
            Error::new(Kind::DoesNotFit, text)
                .why("a relay bends what passes through it, and mail answers on purpose")
                .try_command("hobnob help relay", "puts one before it")
        })
    }

    /// The folder of its letters, where it keeps some and the path is text.
    #[cfg(feature = "mail")]
    pub(super) fn letters(&self) -> Option<String> {
        let folder = std::path::absolute(self.control.letters()?).ok()?;
        folder.to_str().map(str::to_owned)
    }

    /// Whether it is a relay.
    pub(super) fn is_between(&self) -> bool {
        let rows = engine::services().iter().filter(|row| row.spec.name == self.service);
        rows.flat_map(|row| row.targets()).next().is_some()
    }
}

/// The one part that is meant: the one of that name, or the only one.
pub(super) fn one<'p>(parts: &'p [SteeredServer], name: Option<&str>) -> Result<&'p SteeredServer> {
    match (name, parts) {
        (Some(name), _) => named(parts, name),
        (None, [only]) => Ok(only),
        (None, _) => {
            let text =
                "which server is meant? this process has several, so that \"name\" is needed";
            Err(known(Error::new(Kind::Usage, text), parts))
        }
    }
}

/// The parts that are meant: the one of that name, or all of them.
pub(super) fn some<'p>(
    parts: &'p [SteeredServer],
    name: Option<&str>,
) -> Result<Vec<&'p SteeredServer>> {
    match name {
        Some(name) => named(parts, name).map(|part| vec![part]),
        None => Ok(parts.iter().collect()),
    }
}

fn named<'p>(parts: &'p [SteeredServer], name: &str) -> Result<&'p SteeredServer> {
    parts.iter().find(|part| part.name == name).ok_or_else(|| {
        let error = Error::new(Kind::NotRunning, format!("this process has no server {name:?}"));
        match nearest(name, parts.iter().map(|part| part.name.as_str())) {
            Some(near) => error.why(format!("did you mean {near:?}?")),
            None => known(error, parts),
        }
    })
}

fn known(error: Error, parts: &[SteeredServer]) -> Error {
    let names: Vec<_> = parts.iter().map(|part| format!("{:?}", part.name)).collect();
    error.why(format!("it has: {}", names.join(", ")))
}
