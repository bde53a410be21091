//! What to do about an error, in the library's own words: endpoints, options, pages of the reference. Whoever shows an
//! error spells them: a program as command lines, another caller as settings of its own.

use crate::error::Error;

/// Something to try, and a word on when it is the right thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What to try.
    pub advice: Advice,
    /// When this is the right thing; may be empty.
    pub note: String,
}

/// What to try. Names of options and pages are those of the reference page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// The same with this endpoint in place of the one that failed.
    Endpoint(String),
    /// The same with this option of the endpoint added: `insecure`, `ca=dev`.
    Setting(String),
    /// The same with this option of a limit, a service or a request set: `timeout` to `60s`.
    Option {
        /// What the option is called.
        name: &'static str,
        /// Its new value; none for one that is on or off.
        value: Option<String>,
    },
    /// To dial this endpoint: one request where its protocol is one of requests, a conversation otherwise.
    Dial(String),
    /// To serve something there, or something else than what was asked for.
    Serve {
        /// The service.
        service: &'static str,
        /// Where; none for where it is served by default.
        at: Option<String>,
        /// An option of the service with its value.
        with: Option<(&'static str, String)>,
    },
    /// A page of the reference: of a service, a layer, [all services](SERVICES), [this machine](MACHINE), `addresses`.
    Topic(&'static str),
    /// To give the program that was started this right of the kernel, as capabilities(7) has it: `cap_net_raw`.
    Right(&'static str),
    /// To make a certificate for this host, where it listens.
    Certificate(String),
    /// A line for a shell, with commands of the system alone.
    Shell(String),
    /// Words of the caller's own, for errors that the library has not made: it never says any.
    Other(String),
}

/// The topic that lists all services.
pub const SERVICES: &str = "services";
/// The topic that is about what this machine allows.
pub const MACHINE: &str = "machine";

impl Error {
    /// Something to try; the first that is said is the first to be tried.
    pub fn hint(mut self, advice: Advice, note: impl Into<String>) -> Self {
        self.0.hints.push(Hint { advice, note: note.into() });
        self
    }

    /// Try the same with another endpoint.
    pub fn hint_endpoint(self, endpoint: impl Into<String>, note: impl Into<String>) -> Self {
        self.hint(Advice::Endpoint(endpoint.into()), note)
    }

    /// Try the same with an option of the endpoint added.
    pub fn hint_setting(self, setting: impl Into<String>, note: impl Into<String>) -> Self {
        self.hint(Advice::Setting(setting.into()), note)
    }

    /// Try the same with this value of an option.
    pub fn hint_option(
        self,
        name: &'static str,
        value: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        self.hint(Advice::Option { name, value: Some(value.into()) }, note)
    }

    /// Try the same with this option switched on.
    pub fn hint_switch(self, name: &'static str, note: impl Into<String>) -> Self {
        self.hint(Advice::Option { name, value: None }, note)
    }

    /// Try to dial that endpoint.
    pub fn hint_dial(self, endpoint: impl Into<String>, note: impl Into<String>) -> Self {
        self.hint(Advice::Dial(endpoint.into()), note)
    }

    /// Read this page of the reference.
    pub fn hint_topic(self, topic: &'static str, note: impl Into<String>) -> Self {
        self.hint(Advice::Topic(topic), note)
    }

    /// Try this line of a shell.
    pub fn hint_shell(self, line: impl Into<String>, note: impl Into<String>) -> Self {
        self.hint(Advice::Shell(line.into()), note)
    }

    /// Without what to try, where the caller knows that it does not help.
    pub fn without_hints(mut self) -> Self {
        self.0.hints.clear();
        self
    }

    /// What to try.
    pub fn hints(&self) -> &[Hint] {
        &self.0.hints
    }
}
