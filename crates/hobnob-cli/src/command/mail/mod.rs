//! `hobnob mail`: letters sent, fetched, and shown.

#[cfg(feature = "mail")]
mod compose;
#[cfg(feature = "mail")]
mod fetch;
mod flags;
#[cfg(feature = "mail")]
mod journey;
#[cfg(feature = "mail")]
mod kept;
#[cfg(feature = "mail")]
mod letter;
#[cfg(feature = "mail")]
mod load;
#[cfg(feature = "mail")]
mod login;
#[cfg(feature = "mail")]
mod notes;
#[cfg(feature = "mail")]
mod outcome;
#[cfg(feature = "mail")]
mod place;
#[cfg(feature = "mail")]
mod send;
#[cfg(feature = "mail")]
mod show;

use hobnob::error::{Error, Kind, Result};
use hobnob::spec::nearest;

use crate::advice::Propose as _;
use crate::args::{COMMON, FlagGroup, OPENING, Usage};
use crate::job::{Job, Verb};

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "mail",
        words: "send|fetch|show ADDR|FILE|N [N|SERVER]",
        endpoints: 1..2,
        flags: &[
            FlagGroup::Own(flags::SENDING),
            FlagGroup::Own(flags::FETCHING),
            FlagGroup::Own(flags::SHOWING),
            FlagGroup::Own(flags::LYING),
            FlagGroup::Own(flags::TALKING),
            FlagGroup::Own(OPENING),
            FlagGroup::Own(COMMON),
        ],
        heeds_settings: true,
        page: include_str!("../../help/mail.md"),
    },
    run,
};

/// What it does, by its first word.
const WORDS: [&str; 3] = ["send", "fetch", "show"];

fn run(job: &Job) -> Result<u8> {
    let words = job.words();
    let Some(first) = words.first() else {
        let error = Error::new(Kind::Usage, "to do what with mail? it is send, fetch or show");
        return Err(error.try_command("hobnob mail -h", ""));
    };
    flags::check(job, first)?;
    if !WORDS.contains(&first.as_str()) {
        let text = format!("mail does not {first:?}: it is send, fetch or show");
        let error = Error::new(Kind::Usage, text);
        return Err(match nearest(first, WORDS) {
            Some(near) => error.try_command(format!("hobnob mail {near} -h"), "did you mean this?"),
            None => error.try_command("hobnob mail -h", ""),
        });
    }
    does(job, first)
}

#[cfg(not(feature = "mail"))]
fn does(_: &Job, _: &str) -> Result<u8> {
    Err(Error::new(Kind::NotBuiltIn, "this build of hobnob has no mail")
        .hint_topic("addresses", "what is built in"))
}

#[cfg(feature = "mail")]
fn does(job: &Job, word: &str) -> Result<u8> {
    match word {
        "send" => send::run(job),
        "fetch" => fetch::run(job),
        _ => show::run(job),
    }
}
