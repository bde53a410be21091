//! Steps, each timed, and the report that closes a run.

use std::fmt::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::tally::Tally;

/// One command to run.
pub(crate) struct Step {
    name: &'static str,
    program: String,
    args: Vec<&'static str>,
    env: Option<(&'static str, &'static str)>,
    component: Option<&'static str>,
}

impl Step {
    pub(crate) fn cargo(name: &'static str, args: &[&'static str]) -> Self {
        Self::new(name, cargo(), args)
    }

    pub(crate) fn program(name: &'static str, program: &str, args: &[&'static str]) -> Self {
        Self::new(name, program.to_owned(), args)
    }

    fn new(name: &'static str, program: String, args: &[&'static str]) -> Self {
        Self { name, program, args: args.to_vec(), env: None, component: None }
    }

    pub(crate) fn env(mut self, key: &'static str, value: &'static str) -> Self {
        self.env = Some((key, value));
        self
    }

    /// The step is a subcommand of cargo that a rustup component brings.
    pub(crate) fn needs_component(mut self, component: &'static str) -> Self {
        self.component = Some(component);
        self
    }

    fn try_run(&self) -> Result<String, String> {
        if let Some(component) = self.component
            && !answers(&self.program, &[self.args[0], "--version"])
        {
            return Err(format!("{component} is missing: rustup component add {component}"));
        }
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env).stdin(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => Ok(String::new()),
            Ok(status) => Err(format!("`{}` ended with {status}", self.shown())),
            Err(e) => Err(format!("`{}` did not start: {e}", self.shown())),
        }
    }

    fn shown(&self) -> String {
        let program = self.program.rsplit('/').next().unwrap_or(&self.program);
        let mut text = self.env.map_or_else(String::new, |(k, v)| format!("{k}='{v}' "));
        text.push_str(program);
        for arg in &self.args {
            let _ = write!(text, " {arg}");
        }
        text
    }
}

/// The cargo that runs us, so that a `cargo +toolchain` stays with its toolchain.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

fn answers(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a whole run found out.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    tests: Tally,
}

struct Row {
    name: &'static str,
    took: Duration,
    outcome: Result<String, String>,
    failed_tests: usize,
}

impl Row {
    fn is_well(&self) -> bool {
        self.outcome.is_ok() && self.failed_tests == 0
    }
}

impl Report {
    pub(crate) fn run(&mut self, step: &Step) {
        self.add(step.name, || step.try_run());
    }

    /// Do one step; `Ok` and `Err` both carry a remark for the table.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<String, String>,
    ) {
        println!("== {name}");
        let started = Instant::now();
        let outcome = work();
        if let Err(why) = &outcome {
            println!("== {name} failed: {why}");
        }
        self.rows.push(Row { name, took: started.elapsed(), outcome, failed_tests: 0 });
    }

    /// The last step ran these tests.
    pub(crate) fn count(&mut self, tests: Tally) {
        self.tests = tests;
        if let Some(row) = self.rows.last_mut() {
            row.failed_tests = tests.failed;
        }
    }

    /// Print the table and the closing line; the exit code says whether all was well.
    pub(crate) fn close(self) -> ExitCode {
        println!();
        for row in &self.rows {
            let word = if row.is_well() { "ok" } else { "FAILED" };
            let (Ok(remark) | Err(remark)) = &row.outcome;
            let seconds = row.took.as_secs_f64();
            let line = format!("{:<16} {word:<6} {seconds:>7.1} s  {remark}", row.name);
            println!("{}", line.trim_end());
        }
        let failed_steps = self.rows.iter().filter(|row| row.outcome.is_err()).count();
        let total = self.tests.with_failed_steps(failed_steps);
        println!("\n{total}");
        if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
