//! The verbs, one file each, and the table of them: parser, help, man pages, completions and what runs are made from it.

mod bench;
mod cert;
mod completions;
mod demo;
mod doctor;
mod explain;
mod fault;
mod get;
mod help;
mod mail;
mod man;
mod ping;
mod relay;
mod serve;
mod sniff;
mod talk;
mod up;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;

use hobnob::clock::Clock;
use hobnob::error::{Error, Kind, Result};
use hobnob::streams;

use crate::advice::Propose as _;
use crate::args::{self, Usage, Usages};
use crate::config::Settings;
use crate::env::Environment;
use crate::job::{Job, Verb, has};
use crate::process::say;
use crate::report::error::{TypedCommand, tell};
use crate::report::json::Json;
use crate::report::look::{ColorWish, Look};
use crate::report::show::safe;

/// Every verb, in the order of the help pages.
static VERBS: [&Verb; 17] = [
    &serve::VERB,
    &relay::VERB,
    &fault::VERB,
    &talk::VERB,
    &up::VERB,
    &demo::VERB,
    &get::VERB,
    &mail::VERB,
    &bench::VERB,
    &ping::VERB,
    &sniff::VERB,
    &explain::VERB,
    &doctor::VERB,
    &cert::VERB,
    &help::VERB,
    &completions::VERB,
    &man::VERB,
];

/// How each of them is typed.
pub(crate) fn usages() -> Usages {
    static USAGES: [&Usage; VERBS.len()] = of(&VERBS);
    Usages(&USAGES)
}

const fn of<const N: usize>(verbs: &[&'static Verb; N]) -> [&'static Usage; N] {
    let mut usages = [&verbs[0].usage; N];
    let mut at = 0;
    while at < N {
        usages[at] = &verbs[at].usage;
        at += 1;
    }
    usages
}

/// Runs the command line; answers the exit code.
pub(crate) fn run(words: &[OsString]) -> u8 {
    let clock = Clock::start();
    let garbled = words.iter().find(|word| word.to_str().is_none());
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let is_json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let mut typed = TypedCommand { words, endpoints: Vec::new(), usages: usages() };
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

fn start(typed: &mut TypedCommand, clock: Clock) -> Result<u8> {
    let mut matches = args::parse(&typed.words, typed.usages)?;
    let mut environment = Environment::read()?;
    let parsed = matches.remove_subcommand();
    let name = parsed.as_ref().map_or(String::new(), |(name, _)| name.clone());
    let verb = VERBS.iter().find(|verb| verb.usage.name == name);
    let matches = parsed.map_or(matches, |(_, matches)| matches);
    let asks_for_help = ["h", "help", "version"].into_iter().any(|flag| has(&matches, flag));
    // The catalogue of services is a page of help too.
    let asks_for_help = asks_for_help || name == "serve" && !matches.contains_id(args::WORDS);
    let is_settled = verb.is_some_and(|verb| verb.usage.heeds_settings);
    let settings = if is_settled && !asks_for_help {
        Settings::read(&environment)?
    } else {
        Settings::default()
    };
    settings.fill(&mut environment);
    if let Some(verb) = verb.filter(|_| !asks_for_help) {
        args::check_count(&verb.usage, &matches)?;
    }
    let usage = verb.map(|verb| &verb.usage);
    let job = Job::new(usage, matches, typed, environment, settings, clock)?;
    let is_on = |name| job.is_on(name);
    for note in job.environment.notes.iter().filter(|_| !is_on("quiet")) {
        let _ = writeln!(streams::stderr(), "{}", safe(note));
    }
    match verb {
        Some(verb) if is_on("h") || is_on("help") => {
            help::of_verb(&job, &verb.usage, is_on("help"))
        }
        None if is_on("h") || is_on("help") => help::first_screen(&job),
        _ if is_on("version") => say(&format!("hobnob {}\n", env!("CARGO_PKG_VERSION"))),
        Some(verb) => (verb.run)(&job),
        None => help::first_screen(&job),
    }
}

/// Tells an error, in words on stderr and, with `--json`, as an event on stdout.
fn fail(error: &Error, typed: &TypedCommand, clock: Clock, is_json: bool) -> u8 {
    let mut environment = Environment::looks();
    // The error may be about a file of settings itself.
    Settings::read(&environment).unwrap_or_default().fill(&mut environment);
    let look = Look::of(&std::io::stderr(), color_wish(&typed.words), false, &environment);
    let told = tell(error, typed, look);
    // Without a reader the exit code still tells of the error.
    let _ = streams::stderr().write_all(told.as_bytes());
    if is_json {
        let mut line = Vec::new();
        Json::new(clock).error(&mut line, error, typed);
        let mut out = streams::stdout();
        let _ = out.write_all(&line).and_then(|()| out.flush());
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
