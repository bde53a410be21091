//! `hobnob fault`: the knobs of a relay that runs, or of a server that answers on purpose, turned from elsewhere.

mod elsewhere;
mod show;

use std::io::Write as _;

use hobnob::chunk::Direction;
use hobnob::engine;
use hobnob::error::{Advice, Error, Hint, Kind, Result, quoted};
use hobnob::fault::{self, Setting};
use hobnob::spec::nearest;
use hobnob::streams;

use crate::advice::{Propose as _, Remedy, spelt};
use crate::args::{COMMON, Flag, FlagGroup, Usage, value};
use crate::control::{Folder, Survey};
use crate::job::{Job, Verb};
use crate::process::say;
use crate::report::brief::brief;
use crate::report::error::{TypedCommand, tell};
use crate::report::json::Json;
use elsewhere::{Change, Elsewhere, Knobs, RemoteServer};

/// The word that takes all faults away.
const CLEAR: &str = "clear";
/// Words that people type for it.
const NOTHING: &[&str] = &["off", "none", "reset_all"];

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "fault",
        words: "[SERVER] [FAULT...]",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(BENDING), FlagGroup::Own(COMMON)],
        heeds_settings: true,
        page: include_str!("../../help/fault.md"),
    },
    run,
};

/// Flags of what turns the knobs of a relay.
const BENDING: &[Flag] = &[value(
    "like",
    "NETWORK",
    "3g, edge, wifi-bad, satellite or offline: faults that go together",
)];

fn run(job: &Job) -> Result<u8> {
    let words = job.words();
    let survey = match Folder::find(&job.environment)? {
        Some(folder) => Survey::of(&folder, job.clock)?,
        None => Survey::default(),
    };
    let mut elsewhere = Elsewhere::of(survey);
    let like = job.text("like");
    if words.is_empty() && like.is_none() {
        return list(job, &mut elsewhere);
    }
    let (at, faults) = match words.split_first() {
        Some((name, faults)) if !says_what(name) || elsewhere.is_known(name) => {
            (elsewhere.meant(name)?, faults)
        }
        _ => (elsewhere.only(&words, like)?, words.as_slice()),
    };
    let change = asked(like, faults, &elsewhere.servers[at])?;
    let bent = elsewhere.bend(at, change.as_ref());
    let server = &elsewhere.servers[at];
    let knobs = bent.map_err(|error| in_words(&error, server))?;
    if job.is_on("json") {
        return events(job, &[(server, knobs)]);
    }
    say(&match change {
        None => show::whole(server, &knobs, job.out),
        Some(_) => show::change(server, &knobs),
    })
}

/// Whether a word says what is to be on, and not where: the library knows it as a fault, its own or that of others.
fn says_what(word: &str) -> bool {
    let ways = Direction::BOTH.map(Direction::between);
    let bare =
        word.split_once(':').filter(|(way, _)| ways.contains(way)).map_or(word, |(_, rest)| rest);
    let first = bare.split(['=', ',']).next().unwrap_or_default();
    let is_option = |hint: &Hint| matches!(hint.advice, Advice::Option { .. });
    word == CLEAR
        || NOTHING.contains(&word)
        || fault::TABLE.iter().chain(fault::REPLIES).any(|row| row.spec.name == first)
        || word.contains('=') && !word.contains("://")
        || Setting::parse(word).is_err_and(|error| error.hints().iter().any(is_option))
}

/// Which knobs a word turns, where that is plain.
fn knobs_of(word: &str) -> Option<&'static str> {
    let key = word.split([':', '=', ',']).next().unwrap_or_default();
    [&fault::LINKS, &fault::ANSWERS]
        .into_iter()
        .find(|words| words.faults.iter().any(|row| row.spec.name == key))
        .map(|words| words.topic)
}

/// What is to be on; none: nothing is to be changed.
fn asked<'c>(
    like: Option<&'c str>,
    words: &'c [String],
    server: &RemoteServer,
) -> Result<Option<Change<'c>>> {
    if let Some(word) = words.iter().find(|word| NOTHING.contains(&word.as_str())) {
        let command = format!("hobnob fault {} {CLEAR}", quoted(&server.name));
        let text = format!("there is no fault {word:?}");
        return Err(Error::new(Kind::UnknownFault, text).try_command(command, "takes all away"));
    }
    let clears = words.iter().any(|word| word == CLEAR);
    match words {
        [] if like.is_none() => Ok(None),
        [_] if clears && like.is_none() => Ok(Some(Change { like, faults: &[] })),
        _ if clears => {
            let text = "clear takes all faults away, and stands alone";
            Err(Error::new(Kind::Usage, text).try_command("hobnob fault -h", ""))
        }
        faults => Ok(Some(Change { like, faults })),
    }
}

/// What a relay's flags could be are words here: `--fault stall` is `hobnob fault NAME stall`.
fn in_words(error: &Error, server: &RemoteServer) -> Error {
    let mut told = Error::new(error.kind(), error.message());
    if let Some(span) = error.span() {
        told = told.at(&span.text, span.at.clone(), span.label.as_str());
    }
    for why in error.reasons() {
        told = told.why(why);
    }
    spelt(error).into_iter().fold(told, |told, one| match one.way {
        Remedy::Flag(added) => {
            let name = quoted(&server.name);
            // A fault is a word here, and other flags are as they are elsewhere.
            let typed = match (added.flag.as_str(), added.value) {
                ("--fault" | "--reply", Some(fault)) => quoted(&fault),
                (flag, Some(value)) => format!("{flag} {}", quoted(&value)),
                (flag, None) => flag.to_owned(),
            };
            told.try_command(format!("hobnob fault {name} {typed}"), one.note)
        }
        Remedy::Command(command) => told.try_command(command, one.note),
        Remedy::Endpoint(endpoint) => told.try_endpoint(endpoint, one.note),
    })
}

fn list(job: &Job, elsewhere: &mut Elsewhere) -> Result<u8> {
    for (_, error) in &elsewhere.silent {
        // A remark beside the list: nobody may be there to read it.
        let told = tell(error, &TypedCommand::default(), job.err);
        let _ = streams::stderr().write_all(told.as_bytes());
    }
    let mut states = Vec::new();
    for at in 0..elsewhere.servers.len() {
        // One that has gone meanwhile is not there any more.
        if elsewhere.servers[at].has_knobs()
            && let Ok(state) = elsewhere.bend(at, None)
        {
            states.push((at, state));
        }
    }
    if job.is_on("json") {
        let all = states.into_iter().map(|(at, state)| (&elsewhere.servers[at], state));
        return events(job, &all.collect::<Vec<_>>());
    }
    let all =
        states.into_iter().map(|(at, state)| (&elsewhere.servers[at], state, elsewhere.names(at)));
    say(&show::list(&all.collect::<Vec<_>>(), job.out))
}

fn events(job: &Job, all: &[(&RemoteServer, Knobs)]) -> Result<u8> {
    let (mut json, mut out) = (Json::new(job.clock), Vec::new());
    for (server, knobs) in all {
        json.relay(&mut out, |line| show::fields(line, server, knobs));
    }
    say(&String::from_utf8_lossy(&out))
}

impl Elsewhere {
    /// Whether a server is called so.
    fn is_known(&self, typed: &str) -> bool {
        self.servers.iter().any(|one| one.name == typed || one.own_name() == typed)
    }

    /// The one relay that runs, where none was named.
    fn only(&self, words: &[String], like: Option<&str>) -> Result<usize> {
        let turned = words.first().and_then(|word| knobs_of(word));
        let turned = like.map(|_| fault::LINKS.topic).or(turned);
        let is_meant =
            |one: &RemoteServer| one.has_knobs() && turned.is_none_or(|topic| one.knobs == topic);
        let relays: Vec<usize> =
            (0..self.servers.len()).filter(|at| is_meant(&self.servers[*at])).collect();
        let like = like.map(|like| format!("--like {}", quoted(like)));
        let said = like.into_iter().chain(words.iter().map(|word| quoted(word)));
        let said = said.collect::<Vec<_>>().join(" ");
        match relays.as_slice() {
            [only] => Ok(*only),
            [] => Err(Error::new(Kind::NotRunning, "no relay runs")
                .try_command("hobnob relay :9001 :9000", "starts one")),
            several => {
                let are_relays =
                    several.iter().all(|at| self.servers[*at].knobs == fault::LINKS.topic);
                let noun = if are_relays { "relays" } else { "servers" };
                let text = format!("{} {noun} run, and none is named", several.len());
                Err(several.iter().fold(Error::new(Kind::AmbiguousName, text), |error, at| {
                    let one = &self.servers[*at];
                    let command =
                        format!("hobnob fault {} {said}", quoted(self.handle(*at).as_str()));
                    error.try_command(command, one.sides("\u{bb}"))
                }))
            }
        }
    }

    /// What a relay can be called by, shortest first as people think of it; each means it alone.
    pub(super) fn names(&self, at: usize) -> Vec<String> {
        let one = &self.servers[at];
        let mut names: Vec<String> = Vec::new();
        for name in std::iter::once(one.name.clone()).chain(one.doors()).chain(one.aims()) {
            if !names.contains(&name) && self.meant(&name).is_ok_and(|meant| meant == at) {
                names.push(name);
            }
        }
        names
    }

    fn handle(&self, at: usize) -> String {
        self.names(at).into_iter().next().unwrap_or_else(|| self.servers[at].own_name())
    }

    /// The relay that is meant: by its name, its name and process (`redis@4711`), where it listens (`:6380`), or where to
    /// it passes on.
    fn meant(&self, typed: &str) -> Result<usize> {
        let all = |is_it: &dyn Fn(&RemoteServer) -> bool| -> Vec<usize> {
            (0..self.servers.len()).filter(|at| is_it(&self.servers[*at])).collect()
        };
        // A target may be typed in any of its spellings.
        let short = engine::parse(typed).map(|endpoint| brief(&endpoint));
        let short = short.as_deref().unwrap_or(typed);
        let ways: [&dyn Fn(&RemoteServer) -> bool; 4] = [
            &|one| one.name == typed || one.name == short,
            &|one| one.own_name() == typed,
            &|one| one.has_knobs() && one.listens_at(typed),
            &|one| one.has_knobs() && one.leads_to(typed),
        ];
        let fits = ways.iter().map(|is_it| all(*is_it)).find(|fits| !fits.is_empty());
        let fits = fits.unwrap_or_default();
        match fits.as_slice() {
            [] => Err(self.unknown(typed)),
            [only] if self.servers[*only].has_knobs() => Ok(*only),
            [only] => Err(no_relay(&self.servers[*only])),
            several => Err(self.ambiguous(several, typed)),
        }
    }

    fn unknown(&self, typed: &str) -> Error {
        let mut error = Error::new(Kind::NotRunning, format!("no relay {typed:?} runs"));
        for (_, silent) in &self.silent {
            error = error.why(silent.message());
        }
        let mut names =
            self.servers.iter().filter(|one| one.has_knobs()).map(|one| one.name.as_str());
        if let Some(near) = nearest(typed, names.clone()) {
            error =
                error.try_command(format!("hobnob fault {}", quoted(near)), "did you mean this?");
        }
        if names.next().is_none() {
            return error.try_command("hobnob relay :9001 :9000 --name NAME", "starts one");
        }
        error.try_command("hobnob fault", "lists those that run")
    }

    fn ambiguous(&self, several: &[usize], typed: &str) -> Error {
        let text = format!("{} servers are called {typed:?}", several.len());
        several.iter().fold(Error::new(Kind::AmbiguousName, text), |error, at| {
            let one = &self.servers[*at];
            let command = format!("hobnob fault {}", quoted(&one.own_name()));
            error
                .why(format!("process {}: {}", one.pid, one.sides("\u{bb}")))
                .try_command(command, "")
        })
    }
}

fn no_relay(server: &RemoteServer) -> Error {
    let text = format!("{} has no faults that could be turned", server.name);
    Error::new(Kind::DoesNotFit, text)
        .why(format!("process {} serves {} there", server.pid, server.service))
        .try_command("hobnob help relay", "puts one before it")
        .try_command("hobnob fault", "lists what can be turned")
}
