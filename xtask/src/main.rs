//! hobnob's own chores, standard library only:
//!
//! ```text
//! cargo xtask test                 everything that checks hobnob; installs the peers it can
//! cargo xtask test --only tests    the tests alone
//! cargo xtask peers                the peers alone: what is missing of them is installed
//! cargo xtask lint                 formatting, clippy, documentation, floors
//! cargo xtask soak                 64 MiB through every pair of faults, mail killed 200 times, and 200 faults of the
//!                                  servers behind rooms, in release
//! cargo xtask bench                all of bench/, with its results and pictures
//! cargo xtask bench NAME ...       one of them, with arguments of its own
//! cargo xtask picture              docs/picture.svg, from a run of hobnob demo
//! ```

#![allow(clippy::disallowed_methods, reason = "chores read the environment and the clock")]

mod bench;
mod fetched;
mod hang;
mod peers;
mod picture;
mod steps;
mod tally;
mod tests;

use std::path::Path;
use std::process::ExitCode;

use steps::{Report, Step};

const USAGE: &str = "\
usage: cargo xtask test [--only tests]   peers, fmt, clippy, docs, all tests
       cargo xtask peers                 what the tests talk to, installed where it is missing
       cargo xtask lint                  fmt, clippy, docs, floors
       cargo xtask soak                  64 MiB through every pair of faults, mail killed 200 times, rooms
       cargo xtask bench                 builds all, measures all beside C loops
       cargo xtask bench NAME ...        the same with bench/NAME.py: echo, relay, http, ...
       cargo xtask picture               docs/picture.svg, from a run of hobnob demo";

fn main() -> ExitCode {
    if let Err(e) = std::env::set_current_dir(root()) {
        eprintln!("xtask: {}: {e}", root().display());
        return ExitCode::from(9);
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test"] => test(),
        ["test", "--only", "tests"] => only_tests(),
        ["peers"] => only_peers(),
        ["lint"] => lint(),
        ["soak"] => soak(),
        ["picture"] => picture::run(None),
        ["picture", program] => picture::run(Some(program)),
        ["bench", rest @ ..] => bench::run(rest).unwrap_or_else(misused),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => misused(),
    }
}

fn misused() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn test() -> ExitCode {
    let mut report = Report::default();
    add_peers(&mut report);
    for step in linters() {
        report.run(&step);
    }
    for step in selfchecks() {
        report.run(&step);
    }
    report.run(&build());
    tests::run(&mut report);
    // After the tests, which must not wait for it: a minute of every harness.
    report.run(&Step::program("bench, in short", "python3", &["bench/smoke.py"]));
    report.close()
}

fn only_peers() -> ExitCode {
    let mut report = Report::default();
    add_peers(&mut report);
    report.close()
}

fn add_peers(report: &mut Report) {
    report.add("peers", peers::ensure);
    report.add("peers, fetched", fetched::ensure);
}

fn only_tests() -> ExitCode {
    let mut report = Report::default();
    report.run(&build());
    tests::run(&mut report);
    report.close()
}

/// A step of its own, so that the time of the tests is theirs alone.
fn build() -> Step {
    Step::cargo("build", &["test", "--workspace", "--no-run", "--quiet"])
}

fn lint() -> ExitCode {
    let mut report = Report::default();
    for step in linters() {
        report.run(&step);
    }
    report.close()
}

/// What the tests do in small, in full.
fn soak() -> ExitCode {
    let mut report = Report::default();
    let all = [
        ("faults", "faults::bulk"),
        ("mail", "killed::case_32"),
        ("rooms", "cluster::real::no_line"),
    ];
    for (name, tests) in all {
        let args =
            ["test", "--release", "-p", "hobnob", "--test", "it", tests, "--", "--nocapture"];
        report.run(&Step::cargo(name, &args).env("HOBNOB_SOAK", "1"));
    }
    report.close()
}

fn linters() -> [Step; 7] {
    [
        Step::cargo("fmt", &["fmt", "--all", "--check"]).needs_component("rustfmt"),
        Step::cargo(
            "clippy",
            &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
        )
        .needs_component("clippy"),
        // What can be left out is missed nowhere, and each cryptography does alone.
        Step::cargo(
            "clippy, lean",
            &["clippy", "-p", "hobnob-cli", "--no-default-features", "-q", "--", "-D", "warnings"],
        )
        .needs_component("clippy"),
        Step::cargo(
            "clippy, ring",
            &[
                "clippy",
                "-p",
                "hobnob-cli",
                "--no-default-features",
                "--features=tls,crypto-ring",
                "-q",
                "--",
                "-D",
                "warnings",
            ],
        )
        .needs_component("clippy"),
        // The library and the program have one name, and so one folder of pages: not both at once.
        Step::cargo(
            "docs",
            &["doc", "--workspace", "--exclude", "hobnob-cli", "--no-deps", "--quiet"],
        )
        .env("RUSTDOCFLAGS", "-D warnings"),
        Step::cargo("docs, program", &["doc", "-p", "hobnob-cli", "--no-deps", "--quiet"])
            .env("RUSTDOCFLAGS", "-D warnings"),
        // Prints the parts of both crates, top floor first, and which of them still go round.
        Step::cargo(
            "floors",
            &[
                "test",
                "-p",
                "hobnob",
                "--test",
                "it",
                "--quiet",
                "the_parts_stand_on_floors",
                "--",
                "--nocapture",
            ],
        ),
    ]
}

/// The other side of the interop tests and of the bench must itself be right.
fn selfchecks() -> [Step; 3] {
    [
        Step::program("peers in Python", "python3", &["interop/python/selfcheck.py"]),
        Step::program("C references", "python3", &["bench/echo.py", "--only-build"]),
        Step::program("bench results", "python3", &["bench/check.py"]),
    ]
}

/// The workspace: xtask's own folder is one below it.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
