//! `cargo xtask bench`: the release build, then the paired harness, which builds the C programs.

use std::process::{Command, ExitCode, Stdio};

use crate::steps::cargo;

/// `args` go to `bench/echo.py`; without any the result goes to `bench/results/echo.json`.
pub(crate) fn run(args: &[&str]) -> ExitCode {
    let args = if args.is_empty() { &["--name", "echo"] } else { args };
    let built = succeeds(Command::new(cargo()).args(["build", "--release", "-p", "hobnob-cli"]));
    if built && succeeds(Command::new("python3").arg("bench/echo.py").args(args)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
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
