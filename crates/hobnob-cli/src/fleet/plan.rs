//! From a part of the file to a server: what is wrong with it is said before anything opens.

use std::borrow::Cow;

use hobnob::endpoint::Endpoint;
use hobnob::engine::{self, Server};
use hobnob::error::{Error, Kind, Result};
use hobnob::service::{Door, ServiceRow};
use hobnob::spec::{OptionSpec, nearest};

use crate::advice::Propose as _;
use crate::config::source::Placed;
use crate::config::{Config, KeyValue, OWN_KEYS, Section, secret};
use crate::job::split_door;
use crate::serving::limits::{self, LimitReader};
use crate::serving::usual_endpoint;

/// Limits that may have several values.
const REPEATED: &str = limits::NAMES[0];

/// A part that can be started, as far as can be known without opening anything.
#[derive(Clone)]
pub(super) struct PlannedServer<'c> {
    config: &'c Config,
    pub(super) part: &'c Section,
    row: &'static ServiceRow,
    /// Where it is to listen, and where that is said.
    pub(super) endpoints: Vec<(Endpoint, Placed)>,
    /// The door of each of them, where it is named.
    doors: Vec<Option<String>>,
    /// Where it passes on what comes, and where that is said.
    pub(super) targets: Vec<(Endpoint, Placed)>,
}

impl<'c> PlannedServer<'c> {
    pub(super) fn of(config: &'c Config, part: &'c Section) -> Result<Self> {
        let server = Server::new(&part.service.text);
        let server = server.map_err(|error| no_service(config, &part.service, &error))?;
        let row = server.row().expect("it is one of the table");
        let (mut doors, mut all) = (Vec::new(), Vec::new());
        for (door, endpoint, place) in endpoints(config, part, row)? {
            doors.push(door);
            all.push((endpoint, place));
        }
        let targets = targets(config, part, row)?;
        let planned = PlannedServer { config, part, row, endpoints: all, doors, targets };
        planned.server()?;
        Ok(planned)
    }

    /// The same, where what it passes on to at `place` is on another port than the file says.
    pub(super) fn following(mut self, place: &Placed, port: u16) -> Self {
        for (target, _) in self.targets.iter_mut().filter(|(_, at)| at == place) {
            *target = target.clone().with_port(port);
        }
        self
    }

    /// The server, on its endpoints.
    pub(super) fn server(&self) -> Result<Server> {
        let mut server = Server::new(self.row.spec.name)?;
        let mut limits = LimitReader::default();
        for setting in &self.part.settings {
            self.set(&mut server, &mut limits, setting)?;
        }
        limits.finish(&mut server).map_err(|error| self.located(&error, &self.part.name))?;
        for ((endpoint, place), door) in self.endpoints.iter().zip(&self.doors) {
            let added = match door {
                Some(door) => server.door(door, endpoint),
                None => server.on(endpoint),
            };
            added.map_err(|error| self.located(&error, place))?;
        }
        Ok(server)
    }

    fn set(&self, server: &mut Server, limits: &mut LimitReader, setting: &KeyValue) -> Result<()> {
        let key = setting.key.text.as_str();
        let is_limit = limits::NAMES.contains(&key);
        let option = self.row.spec.options.iter().find(|option| spelling(option) == key);
        if !is_limit && option.is_none() {
            return Err(self.unknown(&setting.key));
        }
        let is_repeated = key == REPEATED || option.is_some_and(|option| option.kind.repeats());
        if setting.values.len() != 1 && !is_repeated {
            let text = format!("{key} takes one value, and here are {}", setting.values.len());
            return Err(self.config.source.wrong(text, &setting.key.at, "one value"));
        }
        for value in &setting.values {
            if let Some((target, _)) = self.targets.iter().find(|(_, place)| place == value) {
                let set = server.target(key, target.clone());
                set.map_err(|error| self.located(&error, value))?;
                continue;
            }
            let meant = secret::reveal(&value.text).map_err(|error| self.located(&error, value))?;
            let set = match option.filter(|_| !is_limit) {
                None => limits.set(server, key, &meant.text, key),
                Some(option) => server.set(option.name, Some(&meant.text)).map(drop),
            };
            set.map_err(|error| self.located(&meant.hide(key, error), value))?;
        }
        Ok(())
    }

    /// An error of a server that did not start. One that is not about listening may tell of a secret, in words of its
    /// own, and is not repeated where the part has one.
    pub(super) fn redacted(&self, error: Error) -> Error {
        let is_about_listening = error.kind().exit_code() == Kind::PortInUse.exit_code();
        let mut values = self.part.settings.iter().flat_map(|setting| &setting.values);
        if is_about_listening || !values.any(|value| secret::is_named(&value.text)) {
            return error;
        }
        Error::new(error.kind(), "what it was given does not do")
            .why("it has a secret, and the error might tell it")
    }

    fn unknown(&self, key: &Placed) -> Error {
        let name = self.row.spec.name;
        let text = format!("{name} has no option {:?}", key.text);
        let own: Vec<_> = self.row.spec.options.iter().map(spelling).collect();
        let own = own.iter().map(AsRef::as_ref);
        let known: Vec<_> = own.chain(limits::NAMES.iter().copied()).chain(OWN_KEYS).collect();
        let label = match nearest(&key.text, known) {
            Some(near) => format!("did you mean {near}?"),
            None => String::new(),
        };
        let error = Error::new(Kind::UnknownOption, text);
        let error = self.config.source.mark(error, key.at.clone(), &label);
        error.try_command(format!("hobnob help {name}"), "its options")
    }

    fn located(&self, error: &Error, place: &Placed) -> Error {
        self.config.source.relocate(error, place)
    }
}

/// How an option is spelt here: a flag that is repeated on the command line is a list, and so in the plural.
fn spelling(option: &OptionSpec) -> Cow<'static, str> {
    if option.kind.repeats() { format!("{}s", option.name).into() } else { option.name.into() }
}

fn no_service(config: &Config, service: &Placed, error: &Error) -> Error {
    let services = engine::services().iter().map(|row| row.spec.name);
    match nearest(&service.text, services) {
        Some(near) if error.kind() == Kind::UnknownService => {
            let error = Error::new(error.kind(), error.message());
            let label = format!("did you mean {near}?");
            let error = config.source.mark(error, service.at.clone(), &label);
            error.try_command("hobnob serve", "lists them all")
        }
        _ => config.source.relocate(error, service),
    }
}

/// Where it passes on what comes, and where that is said.
fn targets(config: &Config, part: &Section, row: &ServiceRow) -> Result<Vec<(Endpoint, Placed)>> {
    let is_target =
        |setting: &&KeyValue| row.targets().any(|option| option.name == setting.key.text);
    let read = |key: &str, value: &Placed| {
        let located = |error: Error| config.source.relocate(&error, value);
        let meant = secret::reveal(&value.text).map_err(located)?;
        let parsed = engine::parse(&meant.text);
        let endpoint = parsed.map_err(|error| located(meant.hide(key, error)))?;
        Ok((endpoint, value.clone()))
    };
    let settings = part.settings.iter().filter(is_target);
    let values = settings.flat_map(|one| one.values.iter().map(|value| (&one.key.text, value)));
    values.map(|(key, value)| read(key, value)).collect()
}

/// Where it is to listen, with the door and where that is said; every door where nothing is said.
fn endpoints(
    config: &Config,
    part: &Section,
    row: &ServiceRow,
) -> Result<Vec<(Option<String>, Endpoint, Placed)>> {
    if part.on.is_empty() {
        let default = |door: &Door| {
            let endpoint = usual_endpoint(door)?;
            Ok((Some(door.name.to_owned()), endpoint, part.name.clone()))
        };
        return row.doors.iter().map(default).collect();
    }
    let read = |place: &Placed| {
        let (door, text) = split_door(&place.text, row.doors);
        let parsed = engine::parse(text);
        let endpoint = parsed.map_err(|error| config.source.relocate(&error, place))?;
        Ok((door.map(str::to_owned), endpoint, place.clone()))
    };
    part.on.iter().map(read).collect()
}
