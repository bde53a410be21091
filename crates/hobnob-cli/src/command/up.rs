//! `hobnob up`: everything in `hobnob.toml`, in one process.

use std::path::PathBuf;

use hobnob::error::{Error, Kind, Result};
use hobnob::spec::nearest;

use crate::advice::Propose as _;
use crate::args::{COMMON, FlagGroup, SHOWING, Usage};
use crate::config::{Config, FILE, Section};
use crate::fleet::{Fleet, PortTaken, STARTING, StartedFleet};
use crate::job::{Job, Verb};
use crate::report::show::safe;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "up",
        words: "[FILE] [NAME...]",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(STARTING), FlagGroup::Own(SHOWING), FlagGroup::Own(COMMON)],
        heeds_settings: true,
        page: include_str!("../help/up.md"),
    },
    run,
};

fn run(job: &Job) -> Result<u8> {
    let (path, names) = words(job);
    let is_default = path.is_none();
    let path = path.or_else(|| job.environment.config.clone());
    let path = path.unwrap_or_else(|| PathBuf::from(FILE));
    let config = Config::read(&path).map_err(|error| match error.kind() {
        Kind::NotFound if is_default => error.try_command("hobnob demo", "needs no file"),
        _ => error,
    })?;
    let chosen = choose(&config, &names)?;
    let head = format!(
        "{}: {} of {} started",
        safe(&config.source.name),
        chosen.len(),
        config.parts.len()
    );
    let fleet = Fleet::plan(&config, &chosen)?;
    let page = |started: &StartedFleet<'_>| format!("{head}\n{}", started.addresses());
    fleet.run(job, "up", PortTaken::Fails, async |_, _, _| None, page)
}

/// The file, where one is named, and the names. A file has a `/` or ends in `.toml`; no name does.
fn words(job: &Job) -> (Option<PathBuf>, Vec<String>) {
    let mut words = job.words();
    let is_file = |word: &String| {
        let path = std::path::Path::new(word);
        word.contains('/') || path.extension().is_some_and(|end| end == "toml")
    };
    let file = words.first().filter(|word| is_file(word)).map(PathBuf::from);
    if file.is_some() {
        words.remove(0);
    }
    (file, words)
}

/// The parts with these names, or all of them.
fn choose<'c>(config: &'c Config, names: &[String]) -> Result<Vec<&'c Section>> {
    if config.parts.is_empty() {
        let text = format!("{} has nothing to start", config.source.name);
        return Err(Error::new(Kind::BadConfig, text)
            .why("what is to be started stands in a section [serve.NAME]")
            .try_command("hobnob help up", "has one to copy")
            .try_command("hobnob demo", "needs no file"));
    }
    if names.is_empty() {
        return Ok(config.parts.iter().collect());
    }
    let known = || config.parts.iter().map(|part| part.name.text.as_str());
    if let Some(stranger) = names.iter().find(|name| !known().any(|known| known == **name)) {
        let text = format!("{} has no part {stranger:?}", config.source.name);
        let error = Error::new(Kind::Usage, text);
        let error = match nearest(stranger, known()) {
            Some(near) => error.try_command(format!("hobnob up {near}"), "did you mean this?"),
            None => error,
        };
        let all = known().collect::<Vec<_>>().join(" ");
        return Err(error
            .why(format!("it has: {all}"))
            .why("a file is named with a slash or .toml: ./FILE"));
    }
    let is_named = |part: &&Section| names.contains(&part.name.text);
    Ok(config.parts.iter().filter(is_named).collect())
}
