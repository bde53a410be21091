//! `hobnob help`, `-h`, `--help`, and the screen of `hobnob` alone.

mod pager;

use hobnob::error::{Error, Kind, Result, quoted};
use hobnob::spec::nearest;

use crate::advice::Propose as _;
use crate::args::{COMMON, FlagGroup, Usage};
use crate::help::{self, Extent};
use crate::job::{Job, Verb};
use crate::process::say;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "help",
        words: "[TOPIC] [all]",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(COMMON)],
        heeds_settings: false,
        page: include_str!("../../help/help.md"),
    },
    run,
};

fn run(job: &Job) -> Result<u8> {
    let words = job.words();
    let Some(topic) = words.first() else { return pager::show(job, &help::index(job.out)) };
    let extent = match words.get(1).map(String::as_str) {
        None => Extent::TwoScreens,
        Some("all") => Extent::All,
        Some(other) => return Err(no_part(topic, other)),
    };
    let text = help::of(job.usages, topic, extent, job.out);
    text.map_or_else(|| Err(unknown(job, topic)), |text| pager::show(job, &text))
}

/// `-h` and `--help` of a verb.
pub(crate) fn of_verb(job: &Job, verb: &Usage, is_full: bool) -> Result<u8> {
    // `serve echo -h` is about echo.
    let serves = verb.flags.iter().any(|group| matches!(group, FlagGroup::OfEveryService));
    if let Some(word) = job.words().first().filter(|_| serves)
        && let Some(text) = help::service(word, job.out)
    {
        return say(&text);
    }
    let extent = if is_full { Extent::All } else { Extent::Screen };
    say(&help::of(job.usages, verb.name, extent, job.out).unwrap_or_default())
}

/// The screen of `hobnob` alone.
pub(crate) fn first_screen(job: &Job) -> Result<u8> {
    say(&help::first_screen(job.out))
}

fn no_part(topic: &str, other: &str) -> Error {
    let Usage { name, words, .. } = VERB.usage;
    let text = format!("hobnob {name} takes {words}, and {other:?} is one word too many");
    let all = format!("hobnob help {} all", quoted(topic));
    Error::new(Kind::Usage, text).try_command(all, "all of its page")
}

fn unknown(job: &Job, topic: &str) -> Error {
    let error = Error::new(Kind::Usage, format!("there is no page {topic:?}"));
    let error = match nearest(topic, help::topics(job.usages)) {
        Some(near) => error.try_command(format!("hobnob help {near}"), "did you mean this?"),
        None => error,
    };
    error.try_command("hobnob help", "lists them")
}
