//! `cargo xtask bench`: the release build, then the paired harnesses, which build the C programs.

use std::process::{Command, ExitCode, Stdio};

use crate::steps::cargo;

/// Each is `bench/NAME.py`.
const HARNESSES: [&str; 4] = ["echo", "relay", "latency", "start"];

/// All harnesses, each with its result in `bench/results/NAME.json`; or one, with arguments of its own. None: there is
/// no such harness.
pub(crate) fn run(args: &[&str]) -> Option<ExitCode> {
    let runs: Vec<(&str, Vec<&str>)> = match args {
        [] => HARNESSES.iter().map(|name| (*name, vec!["--name", name])).collect(),
        [name, own @ ..] if HARNESSES.contains(name) => vec![(*name, own.to_vec())],
        _ => return None,
    };
    let built = succeeds(Command::new(cargo()).args(["build", "--release", "-p", "hobnob-cli"]));
    let is_well = built && runs.iter().all(|(name, own)| measures(name, own));
    Some(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measures(name: &str, args: &[&str]) -> bool {
    succeeds(Command::new("python3").arg(format!("bench/{name}.py")).args(args))
}

fn succeeds(command: &mut Command) -> bool {
    match command.stdin(Stdio::null()).status() {
        Ok(status) => status.success(),
        Err(e) => {
            eprintln!("xtask: {}: {e}", command.get_program().display());
            false
        }
    }
}
