//! The verbs, one file each, and what they share.

mod completions;
mod demo;
mod doctor;
mod explain;
mod fault;
mod get;
pub(crate) mod help;
mod man;
mod relay;
mod serve;
mod signals;
mod talk;
mod up;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::net::UnixStream;

use clap::ArgMatches;
use hobnob::clock::Clock;
use hobnob::endpoint::Endpoint;
use hobnob::engine;
use hobnob::error::{Error, Kind, Result};
use hobnob::socket::Family;
use tokio::runtime::Runtime;

use crate::args::{
    self, BENDING, COMMON, CUTTING, EXAMINING, EXPLAINING, GETTING, OPENING, RELAYING, SERVING,
    SHOWING, STARTING, TALKING, Verb,
};
use crate::config::Settings;
use crate::env::Environment;
use crate::report::advice::Propose as _;
use crate::report::error::{Typed, tell};
use crate::report::json::Json;
use crate::report::look::{ColorWish, Look, View};

/// A program that the reader of our stdout has left ends like one that SIGPIPE killed.
pub(crate) const BROKEN_PIPE: u8 = 141;
/// Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;
/// SIGTERM.
pub(crate) const TERMINATED: u8 = 143;

/// SIGHUP.
pub(crate) const HUNG_UP: u8 = 129;

/// Every verb, in the order of the help pages.
pub(crate) const VERBS: &[Verb] = &[
    Verb {
        name: "serve",
        words: "SERVICE [ADDR...]",
        flags: &[SERVING, CUTTING, SHOWING, OPENING, COMMON],
        takes_service_options: true,
        heeds_settings: true,
    },
    Verb {
        name: "relay",
        words: "LISTEN TARGET",
        flags: &[RELAYING, SERVING, SHOWING, OPENING, COMMON],
        takes_service_options: false,
        heeds_settings: true,
    },
    Verb {
        name: "fault",
        words: "[NAME] [FAULT...]",
        flags: &[BENDING, COMMON],
        takes_service_options: false,
        heeds_settings: true,
    },
    Verb {
        name: "talk",
        words: "ADDR [MESSAGE...]",
        flags: &[TALKING, SHOWING, OPENING, COMMON],
        takes_service_options: false,
        heeds_settings: true,
    },
    Verb {
        name: "up",
        words: "[FILE] [NAME...]",
        flags: &[STARTING, SHOWING, COMMON],
        takes_service_options: false,
        heeds_settings: true,
    },
    Verb {
        name: "demo",
        words: "",
        flags: &[STARTING, SHOWING, COMMON],
        takes_service_options: false,
        heeds_settings: true,
    },
    Verb {
        name: "get",
        words: "URL",
        flags: &[GETTING, SHOWING, OPENING, COMMON],
        takes_service_options: false,
        heeds_settings: true,
    },
    Verb {
        name: "explain",
        words: "ADDR",
        flags: &[EXPLAINING, OPENING, COMMON],
        takes_service_options: false,
        heeds_settings: true,
    },
    Verb {
        name: "doctor",
        words: "",
        flags: &[EXAMINING, COMMON],
        takes_service_options: false,
        heeds_settings: false,
    },
    Verb {
        name: "help",
        words: "[TOPIC]",
        flags: &[COMMON],
        takes_service_options: false,
        heeds_settings: false,
    },
    Verb {
        name: "completions",
        words: "SHELL",
        flags: &[COMMON],
        takes_service_options: false,
        heeds_settings: false,
    },
    Verb {
        name: "man",
        words: "[DIR]",
        flags: &[COMMON],
        takes_service_options: false,
        heeds_settings: false,
    },
];

/// What every verb is given.
pub(crate) struct Scene {
    /// The flags and words of the verb.
    pub(crate) matches: ArgMatches,
    /// The command as it was typed.
    pub(crate) typed: Typed,
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

impl Scene {
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
        let words = self.matches.try_get_many::<String>(args::WORDS).ok().flatten();
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
        let indices = |id| self.matches.indices_of(id).into_iter().flatten();
        let words = indices(args::WORDS).zip(self.words());
        let mut found: Vec<(usize, Endpoint)> = Vec::new();
        for (at, word) in words.take(last).skip(first) {
            let endpoint = self.settings.endpoint(&word)?;
            let is_insecure = self.is_on("insecure");
            let endpoint = if is_insecure { engine::insecure(endpoint)? } else { endpoint };
            found.push((at, endpoint));
        }
        let mut loose = Vec::new();
        let options = self.matches.try_get_many::<String>("option").ok().flatten();
        let options: Vec<String> = options.map(|many| many.cloned().collect()).unwrap_or_default();
        for (at, option) in indices("option").zip(options) {
            match found.iter_mut().rev().find(|(word, _)| *word < at) {
                Some((_, endpoint)) => endpoint.set(&option)?,
                None => loose.push(option),
            }
        }
        Ok((found.into_iter().map(|(_, endpoint)| endpoint).collect(), loose))
    }

    /// Refuses events on a stdout that is a peer's: they would stand between its bytes.
    pub(crate) fn check_stdout(&self, endpoints: &[Endpoint]) -> Result<()> {
        let own = endpoints.iter().find(|endpoint| endpoint.is_stdio());
        let Some(endpoint) = own.filter(|_| self.is_on("json")) else { return Ok(()) };
        let text = "--json writes events to stdout, and with - that is the peer's";
        let error = endpoint.typed().mark(Error::new(Kind::Usage, text), "stdin and stdout");
        Err(error.try_command(self.typed.without("--json"), "what happens is told on stderr"))
    }

    /// The one endpoint of a verb that takes one; `missing` says what is missing.
    pub(crate) fn endpoint(&self, missing: &str) -> Result<Endpoint> {
        let (mut endpoints, loose) = self.endpoints(0, 1)?;
        let Some(mut endpoint) = endpoints.pop() else {
            let help = "every spelling";
            return Err(Error::new(Kind::Usage, missing).try_command("hobnob help addresses", help));
        };
        loose.iter().try_for_each(|option| endpoint.set(option))?;
        Ok(endpoint)
    }
}

/// Runs the command line; answers the exit code.
pub(crate) fn run(words: &[OsString]) -> u8 {
    let clock = Clock::start();
    let garbled = words.iter().find(|word| word.to_str().is_none());
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let is_json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let mut typed = Typed { words, endpoints: Vec::new() };
    let result = match garbled {
        None => start(&mut typed, clock),
        Some(word) => Err(not_text(word)),
    };
    result.unwrap_or_else(|error| fail(&error, &typed, clock, is_json))
}

/// It would be the name of another file, or another message, than was typed.
fn not_text(word: &OsStr) -> Error {
    let word = word.as_encoded_bytes().escape_ascii();
    Error::new(Kind::Usage, format!("a word of the command is not UTF-8: \"{word}\""))
        .why("in the path of an address such a byte is typed as %FF")
        .try_command("hobnob help addresses", "")
}

fn start(typed: &mut Typed, clock: Clock) -> Result<u8> {
    let mut matches = args::parse(&typed.words)?;
    let mut environment = Environment::read()?;
    let verb = matches.remove_subcommand();
    let name = verb.as_ref().map_or("", |(name, _)| name.as_str()).to_owned();
    let matches = verb.map_or(matches, |(_, matches)| matches);
    let asks_for_help = ["h", "help", "version"].into_iter().any(|flag| has(&matches, flag));
    // The catalogue of services is a page of help too.
    let asks_for_help = asks_for_help || name == "serve" && !matches.contains_id(args::WORDS);
    let is_settled = VERBS.iter().any(|verb| verb.name == name && verb.heeds_settings);
    let settings = if is_settled && !asks_for_help {
        Settings::read(&environment)?
    } else {
        Settings::default()
    };
    settings.fill(&mut environment);
    if !asks_for_help {
        args::check_count(&name, &matches)?;
    }
    let scene = scene(&name, matches, typed, environment, settings, clock)?;
    let is_on = |name| scene.is_on(name);
    if let Some(topic) = (is_on("h") || is_on("help")).then_some(name.as_str()) {
        return help::of_verb(&scene, topic, is_on("help"));
    }
    if is_on("version") {
        return say(&format!("hobnob {}\n", env!("CARGO_PKG_VERSION")));
    }
    match name.as_str() {
        "serve" => serve::run(&scene),
        "relay" => relay::run(&scene, &name),
        "fault" => fault::run(&scene),
        "talk" => talk::run(&scene),
        "get" => get::run(&scene),
        "explain" => explain::run(&scene),
        "up" => up::run(&scene),
        "demo" => demo::run(&scene),
        "doctor" => doctor::run(&scene),
        "help" => help::run(&scene),
        "completions" => completions::run(&scene),
        "man" => man::run(&scene),
        _ => help::first_screen(&scene),
    }
}

fn scene(
    verb: &str,
    matches: ArgMatches,
    typed: &mut Typed,
    environment: Environment,
    settings: Settings,
    clock: Clock,
) -> Result<Scene> {
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
    let typed_before = typed.clone();
    let mut scene =
        Scene { matches, typed: typed_before, environment, settings, clock, out, err, view };
    // The words that are endpoints, for what to try.
    scene.typed.endpoints = match verb {
        "serve" => scene.words().split_off(scene.words().len().min(1)),
        "up" | "fault" => Vec::new(),
        _ => scene.words().into_iter().take(1).collect(),
    };
    typed.endpoints.clone_from(&scene.typed.endpoints);
    Ok(scene)
}

/// Whether a switch was given.
fn has(matches: &ArgMatches, name: &str) -> bool {
    matches!(matches.try_get_one::<bool>(name), Ok(Some(true)))
}

/// A runtime on this thread.
pub(crate) fn runtime() -> Result<Runtime> {
    // It panics where it has no descriptors for its signals, so that whether there are any is asked before.
    let pairs = [(); 3].map(|()| UnixStream::pair());
    for pair in pairs {
        pair.map_err(|error| Error::from_io("socketpair", &error))?;
    }
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Error::from_io("epoll_create", &error))
}

/// Tells an error, in words on stderr and, with `--json`, as an event on stdout.
fn fail(error: &Error, typed: &Typed, clock: Clock, is_json: bool) -> u8 {
    let mut environment = Environment::looks();
    // That file may itself be what the error is about.
    Settings::read(&environment).unwrap_or_default().fill(&mut environment);
    let look = Look::of(&std::io::stderr(), color_wish(&typed.words), false, &environment);
    let told = tell(error, typed, look);
    // Nobody may be there to read it; the exit code still says it.
    let _ = std::io::stderr().lock().write_all(told.as_bytes());
    if is_json {
        let mut line = Vec::new();
        Json::new(clock, "", "").error(&mut line, error, typed);
        let _ = std::io::stdout().lock().write_all(&line);
    }
    error.kind().exit_code()
}

/// `--color` as it was typed: an error may be about the command line itself, so no parser has read it.
fn color_wish(words: &[String]) -> ColorWish {
    let mut words = words.iter().take_while(|word| *word != "--");
    let mut wish = ColorWish::Auto;
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next().map(String::as_str),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        wish = value.map_or(wish, ColorWish::of);
    }
    wish
}

/// An endpoint as a person would type it: without the words that go without saying.
pub(crate) fn brief(endpoint: &str) -> String {
    let means_the_same =
        |text: &&str| engine::parse(text).is_ok_and(|short| short.to_string() == endpoint);
    let bare = endpoint.split_once("://").or_else(|| endpoint.split_once(':'));
    bare.map(|(_, rest)| rest).filter(means_the_same).unwrap_or(endpoint).to_owned()
}

/// Writes to stdout, all of it or an error; a reader that has left is an exit code.
pub(crate) fn say(text: &str) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(0),
        Err(error) => output_failed(&error),
    }
}

/// What a failed write to stdout means: the reader has left (141), or an error.
pub(crate) fn output_failed(error: &std::io::Error) -> Result<u8> {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Ok(BROKEN_PIPE);
    }
    Err(Error::from_io("write(stdout)", error).with_kind(Kind::OutputFailed))
}
