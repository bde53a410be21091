//! `hobnob demo`: a playground on this machine, which is a `hobnob.toml` of our own.

use hobnob::error::Result;

use crate::command::Scene;
use crate::command::up::fleet::{Fleet, Taken};
use crate::config::Config;

/// What there is to play with.
const PLAYGROUND: &str = include_str!("../playground.toml");

/// Runs the verb.
pub(crate) fn run(scene: &Scene) -> Result<u8> {
    let config = Config::of("playground.toml", PLAYGROUND)?;
    let parts: Vec<_> = config.parts.iter().collect();
    let fleet = Fleet::plan(&config, &parts)?;
    fleet.run(scene, "demo", Taken::MovesOn, |started| {
        let hints = started.hints();
        format!("a playground on this machine only; Ctrl-C ends it\n{hints}")
    })
}
