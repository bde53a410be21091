//! The parser, and its complaints in our own words.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::{OptionSpec, ValueKind, nearest};

use super::{COMMON, Flag, Usage, Usages, WORDS, habit, switch};
use crate::advice::Propose as _;

/// Parses the words after the program's name.
pub(crate) fn parse(words: &[String], usages: Usages) -> Result<ArgMatches> {
    let command = program(usages);
    let matches = command
        .clone()
        .try_get_matches_from(words)
        .map_err(|error| retell(&error, &command, words, usages))?;
    habit::check(words, usages, &matches)?;
    Ok(matches)
}

/// Whether a verb can do something with each of its words: one that it would not look at was meant somehow.
pub(crate) fn check_count(verb: &Usage, matches: &ArgMatches) -> Result<()> {
    if verb.words.contains("...") {
        return Ok(());
    }
    let mut words = matches.get_many::<String>(WORDS).into_iter().flatten();
    let Some(surplus) = words.nth(verb.words.split_whitespace().count()) else { return Ok(()) };
    let name = verb.name;
    let takes = if verb.words.is_empty() { "no words" } else { verb.words };
    let text = format!("hobnob {name} takes {takes}, and {surplus:?} is one word too many");
    Err(Error::new(Kind::Usage, text).try_command(format!("hobnob {name} -h"), ""))
}

fn program(usages: Usages) -> Command {
    let mut program = bare("hobnob")
        .no_binary_name(true)
        .args(COMMON.iter().map(argument))
        .arg(argument(&switch("version", Some('V'), "the version")));
    for usage in usages.all() {
        let mut command = bare(usage.name)
            .arg(Arg::new(WORDS).action(ArgAction::Append).num_args(0..).value_name(usage.words))
            .args(usage.own_flags().map(argument));
        for option in usage.lent_options() {
            command = command.args(lent_arguments(option));
        }
        program = program.subcommand(command);
    }
    program
}

/// A command that has nothing yet, not even the flags that clap brings.
pub(crate) fn bare(name: &'static str) -> Command {
    Command::new(name)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
}

/// A flag as clap knows it.
pub(crate) fn argument(flag: &Flag) -> Arg {
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
    if flag.may_stand_alone() {
        let name = flag.value.trim_matches(['[', '=', ']']);
        argument = argument.value_name(name).num_args(0..=1);
        argument = argument.require_equals(true).default_missing_value("");
    } else if !flag.value.is_empty() {
        argument = argument.value_name(flag.value).allow_hyphen_values(true);
    }
    argument
}

/// An option of a service as clap knows it; a switch with the flag that denies it behind it.
pub(crate) fn lent_arguments(option: &'static OptionSpec) -> Vec<Arg> {
    if option.kind != ValueKind::Flag {
        let action = if option.kind.repeats() { ArgAction::Append } else { ArgAction::Set };
        let argument = Arg::new(option.name).long(option.name).action(action);
        return vec![argument.value_name(option.kind.placeholder()).allow_hyphen_values(true)];
    }
    let denied = format!("no-{}", option.name);
    vec![
        Arg::new(option.name).long(option.name).action(ArgAction::SetTrue),
        Arg::new(denied.clone()).long(denied).action(ArgAction::SetTrue),
    ]
}

/// The parser's complaint, in our words and shape.
fn retell(error: &clap::Error, program: &Command, words: &[String], usages: Usages) -> Error {
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
            unknown_verb(&typed, words, usages)
        }
        ErrorKind::UnknownArgument if !argument.starts_with('-') => {
            unknown_verb(&argument, words, usages)
        }
        ErrorKind::UnknownArgument => {
            let name = verb.map_or("hobnob", |verb| verb.get_name());
            let scope = verb.unwrap_or(program);
            let error = unknown_flag(&argument, name, scope);
            let proposals = habit::proposals(words, usages);
            let is_none = proposals.is_empty();
            let error = habit::proposing(error, proposals).try_command(help, "lists them all");
            if is_none {
                error
            } else {
                error.try_command(ELSEWHERE_PAGE, "other programs' words here")
            }
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

/// The page that has the words of other programs beside ours.
const ELSEWHERE_PAGE: &str = "hobnob help coming-from";

fn unknown_verb(typed: &str, words: &[String], usages: Usages) -> Error {
    let error = Error::new(Kind::Usage, format!("there is no verb {typed:?}"));
    let proposals = habit::proposals(words, usages);
    if !proposals.is_empty() {
        let error = habit::proposing(error, proposals).try_command("hobnob", "lists the verbs");
        return error.try_command(ELSEWHERE_PAGE, "other programs' words here");
    }
    let error = match nearest(typed, usages.all().map(|usage| usage.name)) {
        Some(near) => error.try_command(format!("hobnob {near}"), "did you mean this?"),
        None if habit::is_foreign(typed) => {
            error.try_command(ELSEWHERE_PAGE, "other programs' words here")
        }
        None => error,
    };
    error.try_command("hobnob", "lists them all")
}

/// A flag of another program that a person knows by heart, and what it is here.
struct ForeignFlag {
    verb: &'static str,
    whose: &'static str,
    theirs: &'static [&'static str],
    ours: &'static str,
}

const fn of_curl(theirs: &'static [&'static str], ours: &'static str) -> ForeignFlag {
    ForeignFlag { verb: "get", whose: "curl's", theirs, ours }
}

const fn of_tcpdump(theirs: &'static [&'static str], ours: &'static str) -> ForeignFlag {
    ForeignFlag { verb: "sniff", whose: "tcpdump's", theirs, ours }
}

const fn of_mail(
    whose: &'static str,
    theirs: &'static [&'static str],
    ours: &'static str,
) -> ForeignFlag {
    ForeignFlag { verb: "mail", whose, theirs, ours }
}

const FOREIGN: &[ForeignFlag] = &[
    of_mail(
        "other programs'",
        &["--password", "--pass"],
        "--user NAME:@FILE, with the file of it,",
    ),
    of_mail("swaks'", &["--auth-user", "--auth-password"], "--user NAME:@FILE"),
    of_mail("swaks'", &["--ehlo"], "--helo NAME"),
    of_mail("swaks'", &["--body"], "--text TEXT"),
    of_mail("swaks'", &["--data"], "--eml FILE"),
    of_mail("swaks'", &["--server"], "the address smtp://HOST"),
    of_tcpdump(&["-n"], "how it always is"),
    of_tcpdump(&["-l", "-U"], "how it always is"),
    of_tcpdump(&["-s"], "not needed"),
    of_tcpdump(&["-A"], "--follow"),
    of_tcpdump(&["-X"], "-x"),
    of_curl(&["--location"], "--follow"),
    of_curl(&["-f", "--fail"], "--check"),
    of_curl(&["--request"], "-X METHOD"),
    of_curl(&["-u", "--user"], "-H 'Authorization: ...'"),
    of_curl(&["-A", "--user-agent"], "-H 'User-Agent: ...'"),
    of_curl(&["-b", "--cookie"], "-H 'Cookie: ...'"),
    of_curl(&["-e", "--referer"], "-H 'Referer: ...'"),
    of_curl(&["--data-raw", "--data-binary"], "-d DATA"),
    of_curl(&["--connect-timeout"], "--timeout DUR"),
    of_curl(&["-m", "--max-time"], "--idle DUR"),
    of_curl(&["-0", "--http1.0"], "--http 1.0"),
    of_curl(&["--cacert"], "-O ca=FILE"),
    of_curl(&["--unix-socket"], "the address http+unix:PATH,path=/"),
];

fn unknown_flag(argument: &str, name: &str, scope: &Command) -> Error {
    let flag = argument.split('=').next().unwrap_or_default();
    let verb = if name == "hobnob" { String::new() } else { format!(" {name}") };
    let error = Error::new(Kind::UnknownOption, format!("hobnob{verb} has no flag {flag}"));
    let is_known = |other: &&ForeignFlag| other.verb == name && other.theirs.contains(&flag);
    if let Some(other) = FOREIGN.iter().find(is_known) {
        return error.why(format!("{} {flag} is {} here", other.whose, other.ours));
    }
    let known = scope.get_arguments().filter_map(|argument| argument.get_long());
    match nearest(flag.trim_start_matches('-'), known) {
        Some(near) => error.why(format!("did you mean --{near}?")),
        None => error,
    }
}
