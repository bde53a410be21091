//! `hobnob completions`: a script with which a shell completes what is typed.

use std::fmt::Write as _;

use clap::{Command, ValueEnum as _};
use clap_complete::{Shell, generate};
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::nearest;

use crate::advice::Propose as _;
use crate::args::{COMMON, FlagGroup, Usage};
use crate::help::outline;
use crate::job::{Job, Verb};
use crate::process::say;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "completions",
        words: "SHELL",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(COMMON)],
        heeds_settings: false,
        page: include_str!("../help/completions.md"),
    },
    run,
};

fn run(job: &Job) -> Result<u8> {
    let words = job.words();
    let word = words.first().map(String::as_str);
    let shells = Shell::value_variants().iter();
    let Some(shell) = shells.copied().find(|shell| Some(outline::name_of(*shell)) == word) else {
        return Err(unknown(word));
    };
    let mut program = outline::outline(job.usages);
    let mut script = Vec::new();
    generate(shell, &mut program, "hobnob", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Fish {
        script.push_str(&words_for_fish(&program));
    }
    say(&script)
}

/// What the words of each verb may be: `clap_complete` writes the flags alone for fish.
fn words_for_fish(program: &Command) -> String {
    let mut out = String::new();
    for verb in program.get_subcommands() {
        for word in verb.get_positionals() {
            let all: Vec<_> = word.get_possible_values();
            let all: Vec<_> = all.iter().map(clap::builder::PossibleValue::get_name).collect();
            if !all.is_empty() {
                let condition = format!("__fish_hobnob_using_subcommand {}", verb.get_name());
                let words = all.join(" ");
                let _ = writeln!(out, "complete -c hobnob -n \"{condition}\" -f -a \"{words}\"");
            }
        }
    }
    out
}

fn unknown(word: Option<&str>) -> Error {
    let shells = outline::shells();
    let text = match word {
        None => "completions for which shell?".to_owned(),
        Some(word) => format!("there is no script for a shell {word:?}"),
    };
    let near = word.and_then(|word| nearest(word, shells.iter().copied()));
    let proposed = near.unwrap_or("bash");
    Error::new(Kind::Usage, text)
        .why(format!("there are scripts for {}", shells.join(", ")))
        .try_command(format!("hobnob completions {proposed}"), "")
}
