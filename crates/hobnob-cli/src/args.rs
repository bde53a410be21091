//! The command line: one table of flags, from which both the parser and the help pages are made.

pub(crate) mod outline;

use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use hobnob::engine;
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::{OptionSpec, ValueKind, nearest, parse_duration};

use crate::command::VERBS;

/// A flag as the parser and the help pages know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    /// `--LONG`.
    pub(crate) long: &'static str,
    /// `-S`.
    pub(crate) short: Option<char>,
    /// The placeholder of its value; empty for a switch.
    pub(crate) value: &'static str,
    /// Whether it may be given several times.
    pub(crate) repeats: bool,
    /// One line.
    pub(crate) help: &'static str,
}

/// A verb as the parser and the help pages know it.
pub(crate) struct Verb {
    /// The word.
    pub(crate) name: &'static str,
    /// Its words that are not flags, as one list.
    pub(crate) words: &'static str,
    /// Its flags, in groups.
    pub(crate) flags: &'static [&'static [Flag]],
    /// Whether it also takes every option of every service.
    pub(crate) takes_service_options: bool,
    /// Whether defaults and aliases of `hobnob.toml` hold for it.
    pub(crate) heeds_settings: bool,
}

/// The id under which a verb's words are found.
pub(crate) const WORDS: &str = "words";

const fn switch(long: &'static str, short: Option<char>, help: &'static str) -> Flag {
    Flag { long, short, value: "", repeats: false, help }
}

const fn value(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value, repeats: false, help }
}

/// Flags of every verb.
pub(crate) const COMMON: &[Flag] = &[
    switch("json", None, "one JSON object a line on stdout, in place of words"),
    value("color", "auto|always|never", "ANSI colours; auto: on a terminal"),
    switch("ascii", None, "only ASCII in gutters"),
    value("lang", "en", "the language of what is said"),
    switch("h", Some('h'), "one screen of help"),
    switch("help", None, "all of the help"),
];

/// Flags of verbs that show what passes.
pub(crate) const SHOWING: &[Flag] = &[
    switch("text", Some('t'), "bytes as text, control bytes escaped (the default)"),
    switch("hex", Some('x'), "bytes as a hex dump"),
    switch("raw", None, "bytes as they are, also on a terminal"),
    switch("quiet", Some('q'), "errors only"),
    switch("verbose", Some('v'), "newlines and every limit that was hit, too"),
];

/// Flags of verbs that open sockets.
pub(crate) const OPENING: &[Flag] = &[
    switch("ipv4", Some('4'), "IPv4 only"),
    switch("ipv6", Some('6'), "IPv6 only"),
    switch("insecure", Some('k'), "do NOT check who a TLS peer is (a red line says so)"),
    Flag {
        long: "option",
        short: Some('O'),
        value: "KEY=VALUE",
        repeats: true,
        help: "an option of the endpoint before it, as ,KEY=VALUE in it",
    },
];

/// Flags of a server.
pub(crate) const SERVING: &[Flag] = &[
    switch("lan", None, "listen on every interface, and say the addresses"),
    Flag {
        long: "allow",
        short: None,
        value: "CIDR",
        repeats: true,
        help: "only peers from there, as 10.0.0.0/8 (repeat)",
    },
    value("max-conns", "N", "most peers at once; at the limit accepting pauses"),
    value("idle", "DUR", "close a session after so much silence"),
    value("timeout", "DUR", "how long the layers of a session may take (10s)"),
    switch("once", None, "stop after one session"),
    value("max", "N", "stop after so many sessions"),
    value("for", "DUR", "stop after a time"),
    value("seed", "N", "where all chance comes from: the same seed, the same run"),
    value("name", "NAME", "what it is called in events and by fault; default: service or target"),
];

/// Flags of services that take text messages.
pub(crate) const CUTTING: &[Flag] = &[
    value("framing", "auto|lines|chunks", "how bytes become text messages"),
    value("recv", "N", "bytes of one receive"),
];

/// Flags of a relay.
pub(crate) const RELAYING: &[Flag] = &[
    switch("both-listen", None, "wait at both addresses, and join who comes"),
    switch("both-dial", None, "dial both addresses, and join them"),
    switch("retry", None, "while nobody is there yet, try again with growing pauses"),
    Flag {
        long: "fault",
        short: None,
        value: "SPEC",
        repeats: true,
        help: "bend what passes, as in down:latency=200ms (repeat); see help faults",
    },
    value("like", "NETWORK", "3g, edge, wifi-bad, satellite or offline: faults that go together"),
    value("decisions", "FILE", "a new file for each decision of a fault, to compare runs"),
];

/// Flags of what turns the knobs of a relay.
pub(crate) const BENDING: &[Flag] = &[value(
    "like",
    "NETWORK",
    "3g, edge, wifi-bad, satellite or offline: faults that go together",
)];

/// Flags of what starts several servers.
pub(crate) const STARTING: &[Flag] = &[value("for", "DUR", "stop after a time")];

/// Flags of a conversation.
pub(crate) const TALKING: &[Flag] = &[
    switch("listen", None, "accept one peer there instead of dialling"),
    value("eol", "lf|crlf|none", "what Enter and each MESSAGE send at their end"),
    value("wait", "DUR", "silence allowed after our side has ended"),
    value("idle", "DUR", "give up after so much silence"),
    value("timeout", "DUR", "how long connecting may take (10s)"),
    switch("retry", None, "while nobody listens there yet, try again with growing pauses"),
    switch("half-close", None, "end our side when the input ends (the default)"),
    switch("no-half-close", None, "keep our side open when the input ends"),
];

/// Flags of a request.
pub(crate) const GETTING: &[Flag] = &[
    Flag {
        long: "output",
        short: Some('o'),
        value: "FILE",
        repeats: false,
        help: "where the body goes; FILE.part until it is whole",
    },
    switch("force", None, "overwrite the file of -o"),
    switch("head", None, "ask for the head alone"),
    Flag {
        long: "method",
        short: Some('X'),
        value: "METHOD",
        repeats: false,
        help: "the method; GET, or POST with -d",
    },
    Flag {
        long: "data",
        short: Some('d'),
        value: "DATA|@FILE",
        repeats: false,
        help: "a body: this text, the bytes of a file, or @- for standard input",
    },
    Flag {
        long: "header",
        short: Some('H'),
        value: "K:V",
        repeats: true,
        help: "a field of the request; without a value it is left out (repeat)",
    },
    value("http", "1.0|1.1", "the version that is spoken (1.1)"),
    switch("follow", None, "go where the answer leads, ten times at most"),
    switch("check", None, "exit 1 where the status is 400 or more"),
    value("idle", "DUR", "give up after so much silence"),
    value("timeout", "DUR", "how long connecting may take (10s)"),
    switch("retry", None, "while nobody listens there yet, try again with growing pauses"),
];

/// The flag of `doctor`.
pub(crate) const EXAMINING: &[Flag] =
    &[switch("config", None, "each setting, and where its value comes from")];

/// The flag `--listen` of `explain`.
pub(crate) const EXPLAINING: &[Flag] = &[switch("listen", None, "as for who listens there")];

/// Whether a flag, as it is typed, may be given several times.
pub(crate) fn may_repeat(typed: &str) -> bool {
    let is_it = |flag: &&Flag| match typed.strip_prefix("--") {
        Some(long) => flag.long == long,
        None => flag.short.is_some_and(|short| typed.strip_prefix('-') == Some(&short.to_string())),
    };
    let mut flags = VERBS.iter().flat_map(|verb| verb.flags).copied().flatten();
    flags.any(|flag| flag.repeats && is_it(&flag))
}

/// Parses the words after the program's name.
pub(crate) fn parse(words: &[String]) -> Result<ArgMatches> {
    let command = program();
    command.clone().try_get_matches_from(words).map_err(|error| retell(&error, &command, words))
}

/// Whether a verb can do something with each of its words: one that it would not look at was meant somehow.
pub(crate) fn check_count(name: &str, matches: &ArgMatches) -> Result<()> {
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else { return Ok(()) };
    if verb.words.contains("...") {
        return Ok(());
    }
    let mut words = matches.get_many::<String>(WORDS).into_iter().flatten();
    let Some(surplus) = words.nth(verb.words.split_whitespace().count()) else { return Ok(()) };
    let takes = if verb.words.is_empty() { "no words" } else { verb.words };
    let text = format!("hobnob {name} takes {takes}, and {surplus:?} is one word too many");
    Err(Error::new(Kind::Usage, text).try_command(format!("hobnob {name} -h"), ""))
}

fn program() -> Command {
    let mut program = bare("hobnob")
        .no_binary_name(true)
        .args(COMMON.iter().map(argument))
        .arg(argument(&switch("version", Some('V'), "the version")));
    for verb in VERBS {
        let mut command = bare(verb.name)
            .arg(Arg::new(WORDS).action(ArgAction::Append).num_args(0..).value_name(verb.words));
        for flag in verb.flags.iter().copied().flatten() {
            command = command.arg(argument(flag));
        }
        if verb.takes_service_options {
            for option in service_options(verb) {
                command = command.args(service_arguments(option));
            }
        }
        program = program.subcommand(command);
    }
    program
}

fn bare(name: &'static str) -> Command {
    Command::new(name)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
}

fn argument(flag: &Flag) -> Arg {
    let action = match (flag.value.is_empty(), flag.repeats) {
        (true, _) => ArgAction::SetTrue,
        (false, true) => ArgAction::Append,
        (false, false) => ArgAction::Set,
    };
    let mut argument = Arg::new(flag.long).action(action);
    if flag.long.len() > 1 {
        argument = argument.long(flag.long);
    }
    if let Some(short) = flag.short {
        argument = argument.short(short);
    }
    if !flag.value.is_empty() {
        argument = argument.value_name(flag.value).allow_hyphen_values(true);
    }
    argument
}

/// Every option of every service, each name once, less those that the verb has itself.
pub(crate) fn service_options(verb: &Verb) -> Vec<&'static OptionSpec> {
    let is_own = |name: &str| verb.flags.iter().copied().flatten().any(|flag| flag.long == name);
    let mut found: Vec<&'static OptionSpec> = Vec::new();
    for row in engine::services() {
        for option in row.spec.options {
            if !is_own(option.name) && !found.iter().any(|known| known.name == option.name) {
                found.push(option);
            }
        }
    }
    found
}

fn service_arguments(option: &'static OptionSpec) -> Vec<Arg> {
    if option.kind != ValueKind::Flag {
        let action = if option.kind.repeats() { ArgAction::Append } else { ArgAction::Set };
        let argument = Arg::new(option.name).long(option.name).action(action);
        return vec![argument.value_name("VALUE").allow_hyphen_values(true)];
    }
    let denied = format!("no-{}", option.name);
    vec![
        Arg::new(option.name).long(option.name).action(ArgAction::SetTrue),
        Arg::new(denied.clone()).long(denied).action(ArgAction::SetTrue),
    ]
}

/// A flag's value, read as a time.
pub(crate) fn duration(matches: &ArgMatches, name: &'static str) -> Result<Option<Duration>> {
    let Some(text) = matches.get_one::<String>(name) else { return Ok(None) };
    read_duration(&format!("--{name}"), text).map(Some)
}

/// A flag's value, which must be one of these words.
pub(crate) fn choice<'m>(
    matches: &'m ArgMatches,
    name: &'static str,
    words: &[&str],
) -> Result<Option<&'m str>> {
    let Some(text) = matches.get_one::<String>(name) else { return Ok(None) };
    read_choice(&format!("--{name}"), text, words).map(Some)
}

/// A time. Errors call it what was `said`.
pub(crate) fn read_duration(said: &str, text: &str) -> Result<Duration> {
    parse_duration(text).map_err(|expected| bad_value(said, text, expected))
}

/// A number from `least` up.
pub(crate) fn read_number(said: &str, text: &str, least: u64) -> Result<u64> {
    let number = text.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| bad_value(said, text, &format!("it takes a whole number from {least} up")))
}

/// One of these words.
pub(crate) fn read_choice<'t>(said: &str, text: &'t str, words: &[&str]) -> Result<&'t str> {
    if words.contains(&text) {
        return Ok(text);
    }
    Err(bad_value(said, text, &format!("it takes one of {}", words.join(", "))))
}

/// The error of a value that a flag or a line of a file does not take.
pub(crate) fn bad_value(said: &str, text: &str, expected: &str) -> Error {
    Error::new(Kind::BadOption, format!("{said} does not take {text:?}: {expected}"))
        .try_command("hobnob help bad-option", "")
}

/// The parser's complaint, in our words and shape.
fn retell(error: &clap::Error, program: &Command, words: &[String]) -> Error {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let argument = said(ContextKind::InvalidArg).unwrap_or_default();
    let verb = words.iter().find_map(|word| program.find_subcommand(word));
    let help = verb.map_or("hobnob".to_owned(), |verb| format!("hobnob {} -h", verb.get_name()));
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = said(ContextKind::InvalidSubcommand).unwrap_or_default();
            unknown_verb(&typed)
        }
        ErrorKind::UnknownArgument if !argument.starts_with('-') => unknown_verb(&argument),
        ErrorKind::UnknownArgument => {
            let name = verb.map_or("hobnob", |verb| verb.get_name());
            let scope = verb.unwrap_or(program);
            unknown_flag(&argument, name, scope).try_command(help, "lists them all")
        }
        ErrorKind::InvalidValue => {
            let (flag, value) = argument.split_once(' ').unwrap_or((&argument, "VALUE"));
            let value = value.trim_matches(['<', '>']);
            let text = format!("{flag} needs a value, as in {flag} {value}");
            Error::new(Kind::Usage, text).try_command(help, "")
        }
        ErrorKind::TooManyValues => {
            Error::new(Kind::Usage, format!("{argument} takes no value")).try_command(help, "")
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = line.strip_prefix("error: ").unwrap_or(line);
            Error::new(Kind::Usage, line).try_command(help, "")
        }
    }
}

fn unknown_verb(typed: &str) -> Error {
    let error = Error::new(Kind::Usage, format!("there is no verb {typed:?}"));
    let error = match nearest(typed, VERBS.iter().map(|verb| verb.name)) {
        Some(near) => error.try_command(format!("hobnob {near}"), "did you mean this?"),
        None => error,
    };
    error.try_command("hobnob", "lists them all")
}

fn unknown_flag(argument: &str, name: &str, scope: &Command) -> Error {
    let flag = argument.split('=').next().unwrap_or_default();
    let error = Error::new(Kind::UnknownOption, format!("hobnob {name} has no flag {flag}"));
    let known = scope.get_arguments().filter_map(|argument| argument.get_long());
    match nearest(flag.trim_start_matches('-'), known) {
        Some(near) => error.why(format!("did you mean --{near}?")),
        None => error,
    }
}
