//! `hobnob demo`: a playground on this machine, which is a `hobnob.toml` of our own.

use hobnob::engine;
use hobnob::error::Result;

use crate::args::{COMMON, FlagGroup, SHOWING, Usage};
use crate::config::{Config, Section};
use crate::fleet::{Fleet, PortTaken, STARTING};
use crate::job::{Job, Verb};

/// What there is to play with.
const PLAYGROUND: &str = include_str!("../playground.toml");

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "demo",
        words: "",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(STARTING), FlagGroup::Own(SHOWING), FlagGroup::Own(COMMON)],
        heeds_settings: true,
        page: include_str!("../help/demo.md"),
    },
    run,
};

fn run(job: &Job) -> Result<u8> {
    let config = Config::of("playground.toml", PLAYGROUND)?;
    // A lean build plays with what it has.
    let rows = || engine::services().iter().filter(|row| row.make.is_some());
    let is_here = |part: &&Section| rows().any(|row| row.spec.name == part.service.text);
    let parts: Vec<_> = config.parts.iter().filter(is_here).collect();
    let fleet = Fleet::plan(&config, &parts)?;
    fleet.run(job, "demo", PortTaken::MovesOn, |started| {
        let hints = started.hints();
        format!("a playground on this machine only; Ctrl-C ends it\n{hints}")
    })
}
