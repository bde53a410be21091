//! What a file of settings says, with the place of each word for errors.

use std::time::Duration;

use crate::config::source::Placed;

/// All of it.
pub(super) struct Sections {
    /// What is to be started, in the order of the file.
    pub(super) parts: Vec<Section>,
    /// What a flag's default is here.
    pub(super) defaults: Defaults,
    /// Names of addresses.
    pub(super) aliases: Vec<(String, Placed)>,
}

/// One server.
#[derive(Debug)]
pub(crate) struct Section {
    /// What it is called.
    pub(crate) name: Placed,
    /// The service.
    pub(crate) service: Placed,
    /// Where; none: where the service is by default.
    pub(crate) on: Vec<Placed>,
    /// Options of the service, and limits.
    pub(crate) settings: Vec<KeyValue>,
    /// A command to try, with `PORT` for its port.
    pub(crate) hint: Option<String>,
    /// A word beside that.
    pub(crate) note: Option<String>,
}

/// A key with its values: one, or those of a list.
#[derive(Debug)]
pub(crate) struct KeyValue {
    /// The key.
    pub(crate) key: Placed,
    /// As text, whatever their type.
    pub(crate) values: Vec<Placed>,
}

/// `[defaults]`.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    /// How long a dial may take.
    pub(crate) timeout: Option<Duration>,
    /// ANSI colours, or as the terminal is.
    pub(crate) color: Option<String>,
    /// No glyph outside ASCII.
    pub(crate) ascii: Option<bool>,
    /// The language.
    pub(crate) lang: Option<String>,
}
