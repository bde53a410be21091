//! `hobnob.toml`: what `up` starts, aliases of addresses, and defaults.

mod file;
pub(crate) mod secret;
mod section;
pub(crate) mod source;
mod table;

use std::path::{Path, PathBuf};

use hobnob::endpoint::Endpoint;
use hobnob::engine;
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::nearest;

use crate::advice::Propose as _;
use crate::env::Environment;
use section::Sections;
pub(crate) use section::{Defaults, KeyValue, Section};
use source::{ConfigText, Placed};

/// The file of a folder.
pub(crate) const FILE: &str = "hobnob.toml";

/// Keys of a part that are neither options of its service nor limits.
pub(crate) const OWN_KEYS: [&str; 5] = ["service", "on", "listen", "try", "note"];

/// A file that has been read: what it says, with the place of each word for errors. What it means is not known yet.
#[derive(Debug)]
pub(crate) struct Config {
    /// Its text.
    pub(crate) source: ConfigText,
    /// What is to be started, in the order of the file.
    pub(crate) parts: Vec<Section>,
    /// What a flag's default is here.
    pub(crate) defaults: Defaults,
    /// Names of addresses.
    aliases: Vec<(String, Placed)>,
}

impl Config {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Config::from(file::read(path)?)
    }

    /// Reads a text that is part of this program.
    pub(crate) fn of(name: &str, text: &str) -> Result<Self> {
        Config::from(ConfigText { name: name.to_owned(), text: text.to_owned() })
    }

    fn from(source: ConfigText) -> Result<Self> {
        let Sections { parts, defaults, aliases } = table::read(&source)?;
        Ok(Config { source, parts, defaults, aliases })
    }
}

/// The files whose aliases and defaults hold here; what the first says goes before what the second says.
#[derive(Debug, Default)]
pub(crate) struct Settings(pub(crate) Vec<Config>);

impl Settings {
    /// Reads the folder's file, or the one that `HOBNOB_CONFIG` names, and the person's own.
    pub(crate) fn read(environment: &Environment) -> Result<Self> {
        let mut files = Vec::new();
        let here = environment.config.clone();
        let is_named = here.is_some();
        let here = here.unwrap_or_else(|| PathBuf::from(FILE));
        if is_named || here.exists() {
            files.push(Config::read(&here)?);
        }
        if let Some(own) = environment.own_config.as_deref().filter(|own| own.exists()) {
            files.push(Config::read(own)?);
        }
        Ok(Settings(files))
    }

    /// Fills in what neither a flag nor a variable says.
    pub(crate) fn fill(&self, environment: &mut Environment) {
        for Config { defaults, .. } in &self.0 {
            environment.timeout = environment.timeout.or(defaults.timeout);
            environment.ascii = environment.ascii.or(defaults.ascii);
            let color = match defaults.color.as_deref() {
                Some("always") => Some(true),
                Some("never") => Some(false),
                _ => None,
            };
            environment.color = environment.color.or(color);
        }
    }

    /// Reads an address, which may be an alias: `@prod`, also with options behind it.
    pub(crate) fn endpoint(&self, word: &str) -> Result<Endpoint> {
        let Some(name) = word.strip_prefix('@') else { return engine::parse(word) };
        let (name, options) = name.split_at(name.find(',').unwrap_or(name.len()));
        let aliases = || self.0.iter().flat_map(|file| &file.aliases);
        let Some((_, meant)) = aliases().find(|(known, _)| known == name) else {
            return Err(self.unknown(word, name));
        };
        let file = self.0.iter().find(|file| file.aliases.iter().any(|(_, one)| one == meant));
        let endpoint = engine::parse(&meant.text);
        let mut endpoint = endpoint.map_err(|error| match file {
            Some(file) => file.source.relocate(&error, meant),
            None => error,
        })?;
        let options = options.trim_start_matches(',');
        for option in options.split(',').filter(|option| !option.is_empty()) {
            endpoint.set(option)?;
        }
        Ok(endpoint)
    }

    fn unknown(&self, word: &str, name: &str) -> Error {
        let known: Vec<&str> =
            self.0.iter().flat_map(|file| &file.aliases).map(|(name, _)| name.as_str()).collect();
        if known.is_empty() {
            // The grammar's own error tells what an alias is.
            let parsed = engine::parse(word).err();
            return parsed.unwrap_or_else(|| Error::new(Kind::BadAddress, "there is no alias"));
        }
        let error = Error::new(Kind::BadAddress, format!("there is no alias @{name}"));
        let near = nearest(name, known.iter().copied());
        let error = match near {
            Some(near) => error.try_endpoint(format!("@{near}"), "did you mean this?"),
            None => error,
        };
        error.why(format!("known are: @{}", known.join(", @")))
    }
}
