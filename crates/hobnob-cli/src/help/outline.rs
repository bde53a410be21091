//! The command line as shells and man pages need it: every word with what may stand there. The parser itself is laxer,
//! because an address is read by the library, and a mistake is told in our own words.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::Shell;
use hobnob::engine;
use hobnob::spec::{OptionSpec, ValueKind};

use crate::args::{COMMON, Flag, FlagGroup, Usage, Usages, argument, bare, lent_arguments};
use crate::help::topics;

/// The whole program.
pub(crate) fn outline(usages: Usages) -> Command {
    bare("hobnob")
        .version(env!("CARGO_PKG_VERSION"))
        .about("a workbench for sockets")
        .args(COMMON.iter().map(described))
        .subcommands(usages.all().map(|usage| outline_of(usage, usages)))
}

fn outline_of(verb: &'static Usage, usages: Usages) -> Command {
    let usage = format!("hobnob {} {} [FLAGS]", verb.name, verb.words);
    let words = verb.words.split(' ').filter(|word| !word.is_empty());
    let mut command = bare(verb.name)
        .about(verb.title())
        .override_usage(usage)
        .args(words.map(|word| positional(word, usages)));
    for group in verb.flags {
        command = match group {
            FlagGroup::Own(flags) => command.args(flags.iter().map(described)),
            FlagGroup::OfEveryService | FlagGroup::OfNamesake => {
                let is_of_all = matches!(group, FlagGroup::OfEveryService);
                let options = verb.lent_by(*group).into_iter();
                command.args(options.flat_map(|option| described_option(option, is_of_all)))
            }
        };
    }
    command
}

/// `SERVICE`, `[ADDR...]`: whether it must be there, whether it repeats, and what it may be.
fn positional(word: &'static str, usages: Usages) -> Arg {
    let name = word.trim_matches(['[', ']']);
    let bare_name = name.trim_end_matches("...");
    let argument = Arg::new(bare_name).value_name(bare_name).required(!word.starts_with('['));
    let argument = match bare_name {
        "SERVICE" => one_of(argument, services()),
        "TOPIC" => one_of(argument, topics(usages)),
        "all" => one_of(argument, vec!["all"]),
        "SHELL" => one_of(argument, shells()),
        "ADDR" | "ADDR|FILE" => argument.value_hint(ValueHint::AnyPath),
        words if words.contains('|') => one_of(argument, words.split('|').collect()),
        "FILE" => argument.value_hint(ValueHint::FilePath),
        "DIR" => argument.value_hint(ValueHint::DirPath),
        _ => argument.value_hint(ValueHint::Other),
    };
    if name.ends_with("...") { argument.num_args(1..).action(ArgAction::Append) } else { argument }
}

fn one_of(argument: Arg, words: Vec<&'static str>) -> Arg {
    // In a man page the words stand in the value's name.
    argument.value_parser(PossibleValuesParser::new(words)).hide_possible_values(true)
}

/// The services of this build.
fn services() -> Vec<&'static str> {
    let built = engine::services().iter().filter(|row| row.make.is_some());
    built.map(|row| row.spec.name).collect()
}

/// The shells that a completion script can be written for.
pub(crate) fn shells() -> Vec<&'static str> {
    let all: &[Shell] = clap::ValueEnum::value_variants();
    all.iter().map(|shell| name_of(*shell)).collect()
}

/// A shell's name, as a person types it.
pub(crate) fn name_of(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => "bash",
        Shell::Elvish => "elvish",
        Shell::Fish => "fish",
        Shell::PowerShell => "powershell",
        Shell::Zsh => "zsh",
        _ => "",
    }
}

/// A flag with its explanation; `a|b|c` as its value is a choice.
fn described(flag: &Flag) -> Arg {
    let argument = argument(flag).help(flag.help);
    let words: Vec<_> = flag.value.split('|').collect();
    let is_choice = words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase()));
    if flag.value.is_empty() || !is_choice {
        return argument;
    }
    one_of(argument, words)
}

/// A lent option; of all services with what each of them means by it.
fn described_option(option: &'static OptionSpec, is_of_all: bool) -> Vec<Arg> {
    let mut arguments = lent_arguments(option).into_iter().map(|argument| match option.kind {
        ValueKind::Flag => argument,
        ValueKind::Choice(words) => one_of(argument, words.to_vec()),
        kind => argument.value_name(kind.placeholder()),
    });
    let meanings = if is_of_all { Usage::meanings(option.name) } else { Vec::new() };
    let first = arguments.next().map(|argument| match &*meanings {
        [] | [_] => argument.help(option.help),
        several => argument.help(told_apart(several)),
    });
    // The second denies the switch.
    let second = arguments.next().map(|argument| argument.hide(true));
    first.into_iter().chain(second).collect()
}

/// `temp: its answer; mail: RULE, what to answer`: the value is named where it is another than the first's.
fn told_apart(meanings: &[(&'static str, &'static OptionSpec)]) -> String {
    let first = meanings.first().map(|(_, option)| option.kind.placeholder());
    let told = meanings.iter().map(|(service, option)| {
        let value = option.kind.placeholder();
        let value =
            if first.as_ref() == Some(&value) { String::new() } else { format!("{value}, ") };
        format!("{service}: {value}{}", option.help)
    });
    told.collect::<Vec<_>>().join("; ")
}
