//! `cargo xtask bench`: the release build, then the paired harnesses, which build the C programs, and the pictures.

use std::process::{Command, ExitCode, Stdio};

use crate::steps::cargo;

/// A run of all: what its result is called, its harness (`bench/HARNESS.py`), and what that is given.
type Run = (&'static str, &'static str, &'static [&'static str]);

/// Together they take less than 20 minutes.
const RUNS: [Run; 11] = [
    ("echo", "echo", &["--peers", "--all", "--cycles", "7", "--seconds", "1"]),
    ("relay", "relay", &["--seconds", "1"]),
    ("weights", "relay", &["--weights"]),
    ("http", "http", &["--cycles", "5", "--seconds", "1"]),
    ("bench", "bench", &["--cycles", "5"]),
    ("stream", "stream", &["--cycles", "5"]),
    ("tail", "tail", &[]),
    ("contest", "contest", &[]),
    ("latency", "latency", &[]),
    ("start", "start", &[]),
    ("mail", "mail", &["--cycles", "3"]),
];
/// Results that are ratios, to be drawn.
const DRAWN: [&str; 3] = ["echo", "relay", "http"];

/// All harnesses, each with its result in `bench/results/NAME.json` and some as a picture beside it; or one, with
/// arguments of its own. None: there is no such harness.
pub(crate) fn run(args: &[&str]) -> Option<ExitCode> {
    let runs: Vec<(&str, Vec<&str>)> = match args {
        [] => {
            let named = |(name, harness, own): &Run| (*harness, [&["--name", name], *own].concat());
            RUNS.iter().map(named).collect()
        }
        [name, own @ ..] if RUNS.iter().any(|(_, harness, _)| harness == name) => {
            vec![(*name, own.to_vec())]
        }
        _ => return None,
    };
    if !succeeds(Command::new(cargo()).args(["build", "--release", "-p", "hobnob-cli"])) {
        return Some(ExitCode::FAILURE);
    }
    // One that is not content keeps none of the others from being measured.
    let mut failed: Vec<&str> =
        runs.iter().filter(|(name, own)| !measures(name, own)).map(|(name, _)| *name).collect();
    if args.is_empty() && !measures("plot", &DRAWN) {
        failed.push("plot");
    }
    if failed.is_empty() {
        return Some(ExitCode::SUCCESS);
    }
    eprintln!("xtask: not content: {}", failed.join(", "));
    Some(ExitCode::FAILURE)
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
