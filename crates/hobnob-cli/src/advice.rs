//! What to try, as command lines: the one place that knows how the hints of the library are typed, and how the program
//! adds its own.

use hobnob::engine;
use hobnob::error::{Advice, Error, Hint, MACHINE, SERVICES, quoted};

/// Options whose flag is called otherwise.
const FLAGS: &[(&str, &str)] = &[("header", "-H"), ("method", "-X")];
/// The option of an endpoint that has a flag of its own.
const INSECURE: (&str, &str) = ("insecure", "-k");
/// The flag of all its other options.
const SETTING: &str = "-O";
/// Flags that are an option of the endpoint where the verb has none.
const DOOR: &[&str] = &["retry"];
/// Topics that a verb tells about.
const TOPICS: &[(&str, &str)] = &[(SERVICES, "hobnob serve"), (MACHINE, "hobnob doctor")];

/// A hint as the command line says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Try {
    /// What is typed.
    pub(crate) way: Remedy,
    /// When this is the right one; may be empty.
    pub(crate) note: String,
}

/// How a hint is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// A whole command, to be pasted.
    Command(String),
    /// The same command with this flag added.
    Flag(Added),
    /// The same command with this endpoint in place of the one that failed.
    Endpoint(String),
}

/// A flag that is added to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    /// As it is typed: `--retry`, `-O`.
    pub(crate) flag: String,
    /// Its value, as one word that no shell has seen yet.
    pub(crate) value: Option<String>,
}

impl Added {
    fn new(flag: impl Into<String>, value: Option<&str>) -> Self {
        Added { flag: flag.into(), value: value.map(str::to_owned) }
    }

    /// A flag and its value with a space between.
    pub(crate) fn of(text: &str) -> Self {
        let (flag, value) = text.split_once(' ').map_or((text, None), |(f, v)| (f, Some(v)));
        Added::new(flag, value)
    }

    /// Whether it joins others of its name, and takes the place of none.
    pub(crate) fn joins(&self) -> bool {
        self.flag == SETTING
    }

    /// The same as an option of the endpoint before it, for a verb that has no such flag.
    pub(crate) fn of_an_endpoint(&self) -> Option<Self> {
        let name = self.flag.strip_prefix("--").filter(|name| DOOR.contains(name))?;
        Some(Added::new(SETTING, Some(name)))
    }

    /// The same, as one text again.
    pub(crate) fn text(&self) -> String {
        let value = self.value.as_ref().map(|value| format!(" {value}")).unwrap_or_default();
        format!("{}{value}", self.flag)
    }
}

/// An error's hints, each as it is typed here.
pub(crate) fn spelt(error: &Error) -> Vec<Try> {
    let spell = |hint: &Hint| Try { way: way(&hint.advice), note: hint.note.clone() };
    error.hints().iter().map(spell).collect()
}

fn way(advice: &Advice) -> Remedy {
    match advice {
        Advice::Endpoint(endpoint) => Remedy::Endpoint(endpoint.clone()),
        Advice::Setting(setting) if setting == INSECURE.0 => {
            Remedy::Flag(Added::new(INSECURE.1, None))
        }
        Advice::Setting(setting) => Remedy::Flag(Added::new(SETTING, Some(setting))),
        Advice::Option { name, value } => Remedy::Flag(Added::new(flag(name), value.as_deref())),
        Advice::Dial(endpoint) => Remedy::Command(dial(endpoint)),
        Advice::Serve { service, at, with } => {
            Remedy::Command(serve(service, at.as_deref(), with.as_ref()))
        }
        Advice::Topic(topic) => Remedy::Command(page(topic)),
        Advice::Right(right) => Remedy::Command(format!("sudo setcap {right}+ep $(which hobnob)")),
        Advice::Certificate(host) => Remedy::Command(format!("hobnob cert {}", quoted(host))),
        Advice::Shell(line) => Remedy::Command(line.clone()),
        Advice::Other(words) if words.starts_with('-') => Remedy::Flag(Added::of(words)),
        Advice::Other(words) => Remedy::Command(words.clone()),
    }
}

fn flag(name: &str) -> String {
    let own = FLAGS.iter().find(|(option, _)| *option == name);
    own.map_or_else(|| format!("--{name}"), |(_, flag)| (*flag).to_owned())
}

/// The endpoint of a protocol goes to the verb that speaks it; every other one is talked to.
fn dial(endpoint: &str) -> String {
    let spoken = engine::parse(endpoint).ok();
    let spoken = spoken.as_ref().and_then(|endpoint| endpoint.protocol());
    let (verb, rest) = match spoken {
        None => ("talk", ""),
        Some("http") => ("get", ""),
        Some("smtp") => ("mail send", " --from app@test --to li@test"),
        Some(_) => ("mail fetch", ""),
    };
    format!("hobnob {verb} {}{rest}", quoted(endpoint))
}

fn serve(service: &str, at: Option<&str>, with: Option<&(&str, String)>) -> String {
    let mut command = format!("hobnob serve {service}");
    if let Some(word) = at {
        command = format!("{command} {}", quoted(word));
    }
    if let Some((name, value)) = with {
        command = format!("{command} {} {}", flag(name), quoted(value));
    }
    command
}

fn page(topic: &str) -> String {
    let verb = TOPICS.iter().find(|(name, _)| *name == topic);
    verb.map_or_else(|| format!("hobnob help {topic}"), |(_, command)| (*command).to_owned())
}

/// What the program itself proposes, in its own words.
pub(crate) trait Propose: Sized {
    /// Try the same command with another endpoint.
    fn try_endpoint(self, endpoint: impl Into<String>, note: impl Into<String>) -> Self;
    /// Try the same command with a flag added; behind its first space, all is its value.
    fn try_flag(self, flag: impl Into<String>, note: impl Into<String>) -> Self;
    /// Try another command.
    fn try_command(self, command: impl Into<String>, note: impl Into<String>) -> Self;
}

impl Propose for Error {
    fn try_endpoint(self, endpoint: impl Into<String>, note: impl Into<String>) -> Self {
        self.hint_endpoint(endpoint, note)
    }

    fn try_flag(self, flag: impl Into<String>, note: impl Into<String>) -> Self {
        let flag = flag.into();
        debug_assert!(flag.starts_with('-'), "{flag} is no flag");
        self.hint(Advice::Other(flag), note)
    }

    fn try_command(self, command: impl Into<String>, note: impl Into<String>) -> Self {
        self.hint(Advice::Other(command.into()), note)
    }
}

/// What a build without the feature `nats` says.
#[cfg(not(feature = "nats"))]
pub(crate) fn no_rooms() -> Error {
    Error::new(hobnob::error::Kind::NotBuiltIn, "this build of hobnob has no rooms over many nodes")
        .hint_topic("addresses", "what is built in")
}
