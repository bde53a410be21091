//! `cargo test` with its output passed through and added up.
//!
//! A test that leaves something out must not be silent: it appends one line
//! `hobnob-skip: NAME: REASON` to the file that `HOBNOB_SKIPS` names. NAME is the full name of the
//! test (`interop::telnet`) when all of it was left out, else the name of the part; REASON begins
//! with `missing` when a program is not there, which fails the run when `CI=true`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::{fs, io, thread};

use crate::hang::{self, SILENCE};
use crate::peers;
use crate::steps::{Report, cargo};
use crate::tally::{Reader, Skip, Tally};

pub(crate) fn run(report: &mut Report) {
    let mut sum = Tally::default();
    report.add("tests", || {
        let (tally, outcome) = run_tests();
        sum = tally;
        outcome
    });
    report.count(sum);
}

fn run_tests() -> (Tally, Result<String, String>) {
    let mut reader = Reader::default();
    let skips_file = skips_file();
    if let Err(e) = fresh(&skips_file) {
        return (Tally::default(), Err(format!("{}: {e}", skips_file.display())));
    }
    let ended = pass_through(&skips_file, &mut reader);
    let skips = read_skips(&skips_file);
    for skip in &skips {
        println!("skipped: {}: {}", skip.name, skip.reason);
    }
    let tally = reader.sum(&skips);
    let mut outcome = judge(ended, &reader, tally);
    let missing = skips.iter().filter(|s| s.is_missing_peer(peers::NAMES)).count();
    if outcome.is_ok() && peers::in_ci() && missing > 0 {
        outcome = Err(format!("{missing} left out for want of a peer, and this is CI"));
    }
    (tally, outcome)
}

/// Failed tests are counted one by one; the step itself fails only for what no count shows.
fn judge(ended: io::Result<ExitStatus>, reader: &Reader, tally: Tally) -> Result<String, String> {
    match ended {
        Err(e) => Err(format!("cargo test did not start: {e}")),
        Ok(_) if reader.crashed() > 0 => {
            Err(format!("test binaries that crashed: {}", reader.crashed()))
        }
        Ok(status) if status.success() || tally.failed > 0 => Ok(tally.to_string()),
        Ok(status) => Err(format!("cargo test ended with {status}")),
    }
}

fn skips_file() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    std::path::absolute(target.join("hobnob-skips.txt")).unwrap_or_default()
}

fn fresh(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(file, "")
}

fn pass_through(skips_file: &Path, reader: &mut Reader) -> io::Result<ExitStatus> {
    let mut child = test_command(skips_file).spawn()?;
    let (to, lines) = channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || send_lines(BufReader::new(stdout), &to));
    }
    let reader = RefCell::new(reader);
    let line = |line: &[u8]| {
        let _ = io::stdout().write_all(line);
        reader.borrow_mut().line(String::from_utf8_lossy(line).trim_end());
    };
    hang::watch(child.id(), &lines, SILENCE, line, || {
        println!("nothing was said for {SILENCE:?}: the test binary is ended");
        reader.borrow().running().for_each(|name| println!("it was at {name}"));
    });
    child.wait()
}

/// Under `nohup` SIGHUP is ignored, and in the background of a script SIGINT and SIGQUIT are: so they would be in every
/// program that a test starts.
fn test_command(skips_file: &Path) -> Command {
    let mut command = Command::new("env");
    command.args([
        "--default-signal=HUP,INT,QUIT",
        &cargo(),
        "test",
        "--workspace",
        "--no-fail-fast",
    ]);
    command.env("HOBNOB_SKIPS", skips_file).stdin(Stdio::null()).stdout(Stdio::piped());
    if std::env::var_os(THREADS).is_none() {
        command.env(THREADS, at_once().to_string());
    }
    command
}

/// How many tests run at once, for libtest.
const THREADS: &str = "RUST_TEST_THREADS";

/// Most tests wait for a timer or another program for most of their time: three for each core.
fn at_once() -> usize {
    3 * thread::available_parallelism().map_or(1, usize::from)
}

fn send_lines(mut from: impl BufRead, to: &Sender<Vec<u8>>) {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        if to.send(std::mem::take(&mut line)).is_err() {
            return;
        }
    }
}

fn read_skips(file: &Path) -> BTreeSet<Skip> {
    let text = fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(Skip::parse).collect()
}
