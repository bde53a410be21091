//! What could stand in place of a word that is not finished.

use clap::{Arg, Command, ValueHint};
use hobnob::engine;
use hobnob::error::Kind;
use hobnob::fault::{self, FaultRow, PROFILES};
use hobnob::spec::Spec;

use crate::args::Usages;
use crate::command::completions::unfinished::{Unfinished, takes_value};
use crate::control::{Folder, Survey};
use crate::help::{outline, topics};
use crate::job::Job;

/// One word that could stand there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    /// What it is one of.
    pub(super) group: &'static str,
    /// The whole word. Where it ends with `=` more is to be typed.
    pub(super) value: String,
    /// What it means, or nothing.
    pub(super) about: String,
}

/// What could stand there.
pub(super) enum Completion {
    Words(Vec<Proposal>),
    Files,
    Folders,
}

/// What could stand in place of the last of these words, which follow the name of the program.
pub(super) fn answer(job: &Job, words: &[String]) -> Completion {
    let program = outline::outline(job.usages);
    let typed = Unfinished::of(&program, words);
    let mut all = match typed.flag {
        Some(flag) => match values(job, &typed, flag) {
            Completion::Words(all) => all,
            path => return path,
        },
        None if typed.last.starts_with('-') && !typed.is_plain => flags(job.usages, &typed),
        None if typed.verb.is_none() => verbs(&program),
        None => match word(job, &typed) {
            Completion::Words(all) if all.is_empty() && typed.last.is_empty() => {
                flags(job.usages, &typed)
            }
            Completion::Words(all) => all,
            path => return path,
        },
    };
    all.retain(|one| one.value.starts_with(typed.last));
    for one in &mut all {
        one.value.insert_str(0, typed.before);
    }
    Completion::Words(all)
}

fn proposal(group: &'static str, value: impl Into<String>, about: impl Into<String>) -> Proposal {
    Proposal { group, value: value.into(), about: about.into() }
}

fn verbs(program: &Command) -> Vec<Proposal> {
    let all = program.get_subcommands();
    all.map(|verb| proposal("verbs", verb.get_name(), about(verb.get_about()))).collect()
}

fn about(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// The flags of the verb, less those that only other services have.
fn flags(usages: Usages, typed: &Unfinished<'_>) -> Vec<Proposal> {
    let usage = typed.verb.and_then(|verb| usages.of(verb));
    let services = engine::services().iter().filter(|row| row.make.is_some());
    let service = services.clone().find(|row| typed.words.first() == Some(&row.spec.name));
    let is_here = |flag: &&Arg| {
        let long = flag.get_long().unwrap_or_default();
        let is_own = usage.is_none_or(|usage| usage.own_flags().any(|own| own.long == long));
        let mut options = service.iter().flat_map(|row| row.spec.options);
        is_own || service.is_none() || options.any(|option| option.name == long)
    };
    let all = typed.scope.get_arguments();
    let all = all.filter(|flag| !flag.is_positional() && !flag.is_hide_set()).filter(is_here);
    let spelt = |flag: &Arg| match (flag.get_long(), flag.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, short) => format!("-{}", short.unwrap_or_default()),
    };
    all.map(|flag| proposal("flags", spelt(flag), about(flag.get_help()))).collect()
}

/// What a flag may be given.
fn values(job: &Job, typed: &Unfinished<'_>, flag: &Arg) -> Completion {
    debug_assert!(takes_value(flag));
    // The two flags whose values are tables of the library.
    let spelt = flag.get_value_names().and_then(<[_]>::first).map(AsRef::as_ref);
    match (flag.get_long(), spelt) {
        (_, Some("SPEC")) => Completion::Words(faults(typed.last)),
        (_, Some("NETWORK")) => Completion::Words(networks()),
        _ => known(job.usages, flag),
    }
}

/// What the next word of the verb may be.
fn word(job: &Job, typed: &Unfinished<'_>) -> Completion {
    let mut all = typed.scope.get_positionals();
    let Some(next) = all.nth(typed.words.len()).or_else(|| last_that_repeats(typed.scope)) else {
        return Completion::Words(Vec::new());
    };
    match next.get_id().as_str() {
        "SERVER" if typed.scope.get_name() == "fault" => Completion::Words(bent_servers(job)),
        "FAULT" => {
            let mut all = faults(typed.last);
            all.push(proposal("faults", "clear", "all of them off"));
            Completion::Words(all)
        }
        _ => known(job.usages, next),
    }
}

fn last_that_repeats(verb: &Command) -> Option<&Arg> {
    verb.get_positionals().last().filter(|word| word.get_num_args().is_some())
}

/// The words of a table, or what kind of file it is.
fn known(usages: Usages, argument: &Arg) -> Completion {
    let words = argument.get_possible_values();
    let words = words.iter().map(clap::builder::PossibleValue::get_name);
    match (argument.get_id().as_str(), argument.get_value_hint()) {
        ("TOPIC", _) => {
            let mut all: Vec<_> = words
                .map(|word| {
                    let (group, about) = group(usages, word);
                    proposal(group, word, about)
                })
                .collect();
            all.sort_by_key(|one| GROUPS.iter().position(|group| *group == one.group));
            Completion::Words(all)
        }
        ("SERVICE", _) => Completion::Words(
            words
                .map(|word| {
                    proposal(GROUPS[2], word, summary(services(), word).unwrap_or_default())
                })
                .collect(),
        ),
        (_, ValueHint::DirPath) => Completion::Folders,
        (_, ValueHint::FilePath | ValueHint::AnyPath) => Completion::Files,
        _ if argument.get_possible_values().is_empty() && !argument.is_positional() => {
            Completion::Files
        }
        _ => Completion::Words(words.map(|word| proposal("values", word, "")).collect()),
    }
}

/// What pages of help are about, in the order in which they are shown.
const GROUPS: [&str; 7] =
    ["verbs", "topics", "services", "transports", "layers", "faults", "errors"];

fn services() -> impl Iterator<Item = &'static Spec> {
    engine::services().iter().map(|row| row.spec)
}

fn summary(mut all: impl Iterator<Item = &'static Spec>, name: &str) -> Option<&'static str> {
    all.find(|spec| spec.name == name).map(|spec| spec.summary)
}

/// What a page is about, and in a few words what it says.
fn group(usages: Usages, topic: &str) -> (&'static str, &'static str) {
    debug_assert!(topics(usages).contains(&topic));
    let [verbs, others, of_service, transports, layers, faults, errors] = GROUPS;
    if let Some(usage) = usages.of(topic) {
        return (verbs, usage.title());
    }
    let found = |group, all: Option<&'static str>| all.map(|summary| (group, summary));
    found(of_service, summary(services(), topic))
        .or_else(|| {
            found(transports, summary(engine::transports().iter().map(|row| row.spec), topic))
        })
        .or_else(|| found(layers, summary(engine::layers().iter().map(|row| &row.spec), topic)))
        .or_else(|| found(faults, summary(fault::TABLE.iter().map(|row| &row.spec), topic)))
        .or_else(|| Kind::ALL.iter().any(|kind| kind.slug() == topic).then_some((errors, "")))
        .unwrap_or((others, ""))
}

/// The profiles of networks.
fn networks() -> Vec<Proposal> {
    PROFILES.iter().map(|one| proposal("networks", one.name, one.summary)).collect()
}

/// The faults, and the options of those that stand before in the same word: `up:latency=200ms,`.
fn faults(last: &str) -> Vec<Proposal> {
    let start = last.rfind(',').map_or_else(|| way(last), |at| at + 1);
    let (before, rest) = last.split_at(start);
    let is_given = |row: &FaultRow| {
        before.split([',', ':']).any(|piece| piece.split('=').next() == Some(row.spec.name))
    };
    let rows = || fault::TABLE.iter();
    let of_given = rows()
        .filter(|row| is_given(row))
        .flat_map(|row| row.spec.options.iter().map(move |option| (row, option)));
    let options = of_given.filter(|(row, option)| option.name != row.spec.name);
    let options = options
        .map(|(_, option)| proposal("options", format!("{before}{}=", option.name), option.help));
    let words = rows().filter(|row| !is_given(row)).map(|row| {
        let takes_value = row.spec.options.iter().any(|option| option.name == row.spec.name);
        let equals = if takes_value { "=" } else { "" };
        proposal("faults", format!("{before}{}{equals}", row.spec.name), row.spec.summary)
    });
    if rest.contains('=') { Vec::new() } else { options.chain(words).collect() }
}

/// Bytes of the word for one direction, with its colon.
fn way(text: &str) -> usize {
    let ways = ["up:", "down:"];
    ways.iter().find(|way| text.starts_with(**way)).map_or(0, |way| way.len())
}

/// What runs and has something to turn: relays, and servers that answer on purpose.
fn bent_servers(job: &Job) -> Vec<Proposal> {
    let Ok(Some(folder)) = Folder::find(&job.environment) else { return Vec::new() };
    let survey = Survey::of(&folder, job.clock).unwrap_or_default();
    let items = |list: &serde_json::Value| list.as_array().cloned().unwrap_or_default();
    let servers = survey.heard.iter().flat_map(|(_, hello)| items(&hello["servers"]));
    let mut all = Vec::new();
    for server in servers.filter(|server| server["knobs"].is_string()) {
        let targets: Vec<_> = items(&server["targets"]);
        let targets = targets.iter().filter_map(|target| target.as_str());
        let to = targets.collect::<Vec<_>>().join(", ");
        let service = server["service"].as_str().unwrap_or_default();
        let what = if to.is_empty() { service.to_owned() } else { format!("to {to}") };
        if let Some(name) = server["name"].as_str() {
            all.push(proposal("servers", name, what));
        }
    }
    all
}
