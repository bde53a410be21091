//! `hobnob fault`: the knobs of a relay that runs, turned from elsewhere.

mod elsewhere;
mod show;

use std::io::Write as _;

use hobnob::engine;
use hobnob::error::{Error, Kind, Result, quoted};
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

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "fault",
        words: "[NAME] [FAULT...]",
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
    let Some((name, faults)) = words.split_first() else { return list(job, &mut elsewhere) };
    let at = elsewhere.meant(name)?;
    let change = asked(job.text("like"), faults)?;
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

/// What is to be on; none: nothing is to be changed.
fn asked<'c>(like: Option<&'c str>, words: &'c [String]) -> Result<Option<Change<'c>>> {
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
            let fault = added.value.unwrap_or(added.flag);
            let (name, fault) = (quoted(&server.name), quoted(&fault));
            told.try_command(format!("hobnob fault {name} {fault}"), one.note)
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
        if elsewhere.servers[at].is_between()
            && let Ok(state) = elsewhere.bend(at, None)
        {
            states.push((at, state));
        }
    }
    let all = states.into_iter().map(|(at, state)| (&elsewhere.servers[at], state));
    let all: Vec<_> = all.collect();
    if job.is_on("json") { events(job, &all) } else { say(&show::list(&all, job.out)) }
}

fn events(job: &Job, all: &[(&RemoteServer, Knobs)]) -> Result<u8> {
    let (mut json, mut out) = (Json::new(job.clock), Vec::new());
    for (server, knobs) in all {
        json.relay(&mut out, |line| show::fields(line, server, knobs));
    }
    say(&String::from_utf8_lossy(&out))
}

impl Elsewhere {
    /// The relay of that name, or of that name and process: `redis`, `redis@4711`.
    fn meant(&self, typed: &str) -> Result<usize> {
        let all = |is_it: &dyn Fn(&RemoteServer) -> bool| -> Vec<usize> {
            (0..self.servers.len()).filter(|at| is_it(&self.servers[*at])).collect()
        };
        // A target may be typed in any of its spellings.
        let short = engine::parse(typed).map(|endpoint| brief(&endpoint));
        let short = short.as_deref().unwrap_or(typed);
        let mut fits = all(&|one| one.name == typed || one.name == short);
        if fits.is_empty() {
            fits = all(&|one| one.own_name() == typed);
        }
        match fits.as_slice() {
            [] => Err(self.unknown(typed)),
            [only] if self.servers[*only].is_between() => Ok(*only),
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
            self.servers.iter().filter(|one| one.is_between()).map(|one| one.name.as_str());
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
    let text = format!("{} is no relay, and only what passes through a relay is bent", server.name);
    Error::new(Kind::DoesNotFit, text)
        .why(format!("process {} serves {} there", server.pid, server.service))
        .try_command("hobnob help relay", "puts one before it")
        .try_command("hobnob fault", "lists the relays that run")
}
