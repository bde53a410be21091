//! A verb, and the job that it is given.

use clap::ArgMatches;
use hobnob::clock::Clock;
use hobnob::endpoint::Endpoint;
use hobnob::engine;
use hobnob::error::{Error, Kind, Result};
use hobnob::service::Door;
use hobnob::socket::Family;

use crate::advice::Propose as _;
use crate::args::{self, Usage, Usages, WORDS};
use crate::config::Settings;
use crate::env::Environment;
use crate::report::error::TypedCommand;
use crate::report::look::{ColorWish, Look, View};

/// Something that the program does.
pub(crate) struct Verb {
    /// How it is typed.
    pub(crate) usage: Usage,
    /// Does it; the exit code.
    pub(crate) run: fn(&Job) -> Result<u8>,
}

/// What a verb is to do, and with what.
pub(crate) struct Job {
    /// The flags and words of the verb.
    pub(crate) matches: ArgMatches,
    /// How every verb is typed.
    pub(crate) usages: Usages,
    /// The command as it was typed.
    pub(crate) typed: TypedCommand,
    /// The environment.
    pub(crate) environment: Environment,
    /// The files of settings.
    pub(crate) settings: Settings,
    /// What `t` counts from.
    pub(crate) clock: Clock,
    /// How stdout looks.
    pub(crate) out: Look,
    /// How stderr looks.
    pub(crate) err: Look,
    /// How bytes are shown.
    pub(crate) view: View,
}

impl Job {
    /// The job of a verb; without a verb, hobnob alone was typed. Notes in `typed` which words are endpoints.
    pub(crate) fn new(
        verb: Option<&Usage>,
        matches: ArgMatches,
        typed: &mut TypedCommand,
        environment: Environment,
        settings: Settings,
        clock: Clock,
    ) -> Result<Self> {
        let wish = args::choice(&matches, "color", &["auto", "always", "never"])?;
        let wish = wish.map_or(ColorWish::Auto, ColorWish::of);
        args::choice(&matches, "lang", &["en"])?;
        let [ascii, hex, raw] = ["ascii", "hex", "raw"].map(|flag| has(&matches, flag));
        let view = match (hex, raw) {
            (true, true) => return Err(Error::new(Kind::Usage, "-x and --raw exclude each other")),
            (true, false) => View::Hex,
            (false, true) => View::Raw,
            (false, false) => View::Text,
        };
        let out = Look::of(&std::io::stdout(), wish, ascii, &environment);
        let err = Look::of(&std::io::stderr(), wish, ascii, &environment);
        let usages = typed.usages;
        let before = typed.clone();
        let mut job =
            Job { matches, usages, typed: before, environment, settings, clock, out, err, view };
        // The words that are endpoints, for what to try.
        let which = verb.map_or(0..0, |verb| verb.endpoints.clone());
        let words = job.words().into_iter();
        job.typed.endpoints = words.take(which.end).skip(which.start).collect();
        typed.endpoints.clone_from(&job.typed.endpoints);
        Ok(job)
    }

    /// Whether a switch was given; false also where the verb has none of that name.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        has(&self.matches, name)
    }

    /// A flag's text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.matches.try_get_one::<String>(name).ok().flatten().map(String::as_str)
    }

    /// All that a flag was given.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.matches.try_get_many::<String>(name).ok().flatten();
        texts.into_iter().flatten().cloned().collect()
    }

    /// The words that are not flags.
    pub(crate) fn words(&self) -> Vec<String> {
        let words = self.matches.try_get_many::<String>(WORDS).ok().flatten();
        words.map(|words| words.cloned().collect()).unwrap_or_default()
    }

    /// `-4`, `-6`.
    pub(crate) fn family(&self) -> Result<Option<Family>> {
        match (self.is_on("ipv4"), self.is_on("ipv6")) {
            (true, true) => Err(Error::new(Kind::Usage, "-4 and -6 exclude each other")),
            (true, false) => Ok(Some(Family::V4)),
            (false, true) => Ok(Some(Family::V6)),
            (false, false) => Ok(None),
        }
    }

    /// The words from `first` to before `last` as endpoints, each with the `-O` options that follow it; and the
    /// options that stand before any of them.
    pub(crate) fn endpoints(
        &self,
        first: usize,
        last: usize,
    ) -> Result<(Vec<Endpoint>, Vec<String>)> {
        let (endpoints, loose) = self.endpoints_of_doors(first, last, &[])?;
        Ok((endpoints.into_iter().map(|(_, endpoint)| endpoint).collect(), loose))
    }

    /// The same where each may begin with the name of a door: `smtp=:1025`.
    pub(crate) fn endpoints_of_doors(
        &self,
        first: usize,
        last: usize,
        doors: &[Door],
    ) -> Result<(Vec<(Option<String>, Endpoint)>, Vec<String>)> {
        self.found(first, last, doors, &|_| None)
    }

    fn found(
        &self,
        first: usize,
        last: usize,
        doors: &[Door],
        spell: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Vec<(Option<String>, Endpoint)>, Vec<String>)> {
        let indices = |id| self.matches.indices_of(id).into_iter().flatten();
        let words = indices(WORDS).zip(self.words());
        let mut found: Vec<(usize, Option<String>, Endpoint)> = Vec::new();
        for (at, word) in words.take(last).skip(first) {
            let (door, word) = split_door(&word, doors);
            let spelt = spell(word);
            let endpoint = self.settings.endpoint(spelt.as_deref().unwrap_or(word))?;
            let is_insecure = self.is_on("insecure");
            let endpoint = if is_insecure { engine::insecure(endpoint)? } else { endpoint };
            found.push((at, door.map(str::to_owned), endpoint));
        }
        let mut loose = Vec::new();
        let options = self.matches.try_get_many::<String>("option").ok().flatten();
        let options: Vec<String> = options.map(|many| many.cloned().collect()).unwrap_or_default();
        for (at, option) in indices("option").zip(options) {
            match found.iter_mut().rev().find(|(word, ..)| *word < at) {
                Some((_, _, endpoint)) => endpoint.set(&option)?,
                None => loose.push(option),
            }
        }
        Ok((found.into_iter().map(|(_, door, endpoint)| (door, endpoint)).collect(), loose))
    }

    /// Refuses events on a stdout that is a peer's: they would stand between its bytes.
    pub(crate) fn check_stdout<'a>(
        &self,
        endpoints: impl IntoIterator<Item = &'a Endpoint>,
    ) -> Result<()> {
        let own = endpoints.into_iter().find(|endpoint| endpoint.is_stdio());
        let Some(endpoint) = own.filter(|_| self.is_on("json")) else { return Ok(()) };
        let text = "--json writes events to stdout, and with - that is the peer's";
        let error = endpoint.typed().mark(Error::new(Kind::Usage, text), "stdin and stdout");
        Err(error.try_command(self.typed.without("--json"), "what happens is told on stderr"))
    }

    /// The one endpoint of a verb that takes one; `missing` says what is missing, and the example how it could be typed.
    pub(crate) fn endpoint(&self, missing: &str, example: &str) -> Result<Endpoint> {
        self.endpoint_spelt(missing, example, |_| None)
    }

    /// The same, where the verb has a reading of its own for some words.
    pub(crate) fn endpoint_spelt(
        &self,
        missing: &str,
        example: &str,
        spell: impl Fn(&str) -> Option<String>,
    ) -> Result<Endpoint> {
        let (mut endpoints, loose) = self.found(0, 1, &[], &spell)?;
        let Some((_, mut endpoint)) = endpoints.pop() else {
            let error = Error::new(Kind::Usage, missing).try_endpoint(example, "");
            return Err(error.try_command("hobnob help addresses", "every spelling"));
        };
        loose.iter().try_for_each(|option| endpoint.set(option))?;
        Ok(endpoint)
    }
}

/// The door that a word begins with, as `smtp=:1025` does, and the rest.
pub(crate) fn split_door<'a>(word: &'a str, doors: &[Door]) -> (Option<&'a str>, &'a str) {
    let is_door = |name: &str| !name.is_empty() && doors.iter().any(|door| door.name == name);
    match word.split_once('=') {
        Some((name, rest)) if is_door(name) => (Some(name), rest),
        _ => (None, word),
    }
}

/// Whether a switch was given.
pub(crate) fn has(matches: &ArgMatches, name: &str) -> bool {
    matches!(matches.try_get_one::<bool>(name), Ok(Some(true)))
}
