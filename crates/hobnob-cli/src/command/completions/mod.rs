//! `hobnob completions`: a script with which a shell completes what is typed. That of bash, zsh and fish asks this
//! program at each Tab, so that it also knows what runs; the other shells have flags and verbs once and for all.

mod propose;
mod unfinished;

use clap_complete::{Shell, generate};
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::nearest;

use crate::advice::Propose as _;
use crate::args::{COMMON, FlagGroup, Usage};
use crate::help::outline;
use crate::job::{Job, Verb};
use crate::process::say;
use propose::{Completion, Proposal};

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "completions",
        words: "SHELL [WORD...]",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(COMMON)],
        heeds_settings: false,
        page: include_str!("../../help/completions.md"),
    },
    run,
};

/// The scripts that ask at each Tab.
const ASKING: [(Shell, &str); 3] = [
    (Shell::Bash, include_str!("hobnob.bash")),
    (Shell::Zsh, include_str!("hobnob.zsh")),
    (Shell::Fish, include_str!("hobnob.fish")),
];

fn run(job: &Job) -> Result<u8> {
    let words = job.words();
    let word = words.first().map(String::as_str);
    let shells: &[Shell] = clap::ValueEnum::value_variants();
    let Some(shell) = shells.iter().copied().find(|shell| Some(outline::name_of(*shell)) == word)
    else {
        return Err(unknown(word));
    };
    if words.len() > 1 {
        // Without the mark it is a mistake, and not a question.
        if !job.typed.words.iter().any(|word| word == "--") {
            let text = format!("{:?} is one word too many", words[words.len() - 1]);
            return Err(Error::new(Kind::Usage, text)
                .try_command(format!("hobnob completions {}", outline::name_of(shell)), ""));
        }
        return say(&proposals(job, shell, &words[1..]));
    }
    if let Some((_, script)) = ASKING.iter().find(|(asking, _)| *asking == shell) {
        return say(script);
    }
    let mut script = Vec::new();
    generate(shell, &mut outline::outline(job.usages), "hobnob", &mut script);
    say(&String::from_utf8_lossy(&script))
}

/// What could stand in place of the last word, as the shell's script reads it: for bash the word alone, for fish what it
/// is behind it, for zsh its group before it.
fn proposals(job: &Job, shell: Shell, words: &[String]) -> String {
    // bash cuts words at these marks, and wants the last piece alone.
    let words = if shell == Shell::Bash { unfinished::joined(words) } else { words.to_vec() };
    let cut = words.last().filter(|_| shell == Shell::Bash).and_then(|word| word.rfind([':', '=']));
    let all = match propose::answer(job, &words) {
        Completion::Files => return ":files\n".to_owned(),
        Completion::Folders => return ":folders\n".to_owned(),
        Completion::Words(all) => all,
    };
    let line = |Proposal { group, value, about }: &Proposal| match shell {
        Shell::Bash => format!("{}\n", &value[cut.map_or(0, |at| at + 1)..]),
        Shell::Fish if about.is_empty() => format!("{value}\t{group}\n"),
        Shell::Fish => format!("{value}\t{about}\n"),
        _ => format!("{group}\t{value}\t{about}\n"),
    };
    all.iter().map(line).collect()
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
