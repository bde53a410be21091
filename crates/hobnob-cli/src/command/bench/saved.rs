//! `--save` and `--against`: what was measured, as the same lines that `--json` has.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use hobnob::error::{Error, Kind, Result};
use hobnob::files;
use hobnob::load::{Contest, Stretch};
use serde_json::Value;

use crate::advice::Propose as _;
use crate::job::Job;
use crate::report::benched::{BenchMode, Benched};
use crate::report::json::Json;

/// Bytes of a file of results.
const LARGEST: u64 = 256 << 20;
/// Tenths of a second that are one mark: what follows close on each other is alike.
const MARK: usize = 10;
/// The flags that write a file.
const WRITING: [&str; 2] = ["save", "plot"];

/// Refuses to overwrite a file, before anything is measured.
pub(super) fn check_room(job: &Job) -> Result<()> {
    for flag in WRITING {
        let Some(path) = job.text(flag) else { continue };
        if Path::new(path).exists() && !job.is_on("force") {
            let error = Error::new(Kind::FileExists, format!("{path} is there already"));
            return Err(error.try_flag("--force", "to overwrite it"));
        }
    }
    Ok(())
}

/// Writes a file that was asked for.
pub(super) fn write(job: &Job, path: &str, bytes: &[u8]) -> Result<()> {
    let is_forced = job.is_on("force");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!is_forced);
    let failed = |error: &std::io::Error| {
        Error::from_io(&format!("open({path})"), error)
            .try_flag("--save /tmp/bench.jsonl", "somewhere else")
    };
    let mut file = options.open(path).map_err(|error| failed(&error))?;
    file.write_all(bytes).map_err(|error| {
        Error::from_io(&format!("write({path})"), &error).with_kind(Kind::OutputFailed)
    })
}

/// Writes the file of `--save`, if it is asked for.
pub(super) fn save(job: &Job, results: &[Benched]) -> Result<()> {
    let Some(path) = job.text("save") else { return Ok(()) };
    let mut json = Json::new(job.clock);
    let mut out = Vec::new();
    for result in results {
        json.benched(&mut out, result);
    }
    write(job, path, &out)
}

/// What an earlier run has saved.
pub(super) struct SavedRun {
    path: String,
    lines: Vec<Value>,
}

impl SavedRun {
    /// Reads a file of `--save`.
    pub(super) fn read(path: &str) -> Result<Self> {
        let bytes = files::read(Path::new(path), LARGEST)?;
        let parse = |line: &[u8]| serde_json::from_slice::<Value>(line).ok();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines: Option<Vec<_>> = lines.map(parse).collect();
        let is_bench = |line: &Value| line["type"] == "bench";
        let lines: Vec<_> = lines.unwrap_or_default().into_iter().filter(is_bench).collect();
        if lines.is_empty() {
            let error = Error::new(Kind::BadConfig, format!("{path} is no file of bench --save"));
            return Err(error.try_command(format!("hobnob bench :9000 --save {path}"), "makes one"));
        }
        Ok(SavedRun { path: path.to_owned(), lines })
    }

    /// Where it was read from.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// When it was measured.
    pub(super) fn when(&self) -> &str {
        self.lines[0]["at"].as_str().unwrap_or("some time ago")
    }

    /// A result against what was saved of the same: seconds of it, each against one of the other. None: nothing was saved
    /// that is like it.
    pub(super) fn contest(&self, result: &Benched) -> Option<Contest> {
        let terms = &result.terms;
        let is_like = |line: &&Value| line["mode"] == terms.mode.word();
        let by_name = |line: &&Value| line["endpoint"] == terms.address.as_str();
        let like: Vec<_> = self.lines.iter().filter(is_like).collect();
        let same = like.iter().copied().find(by_name);
        let saved = same.or_else(|| like.first().copied().filter(|_| self.lines.len() == 1))?;
        let figure = super::rival::figure(terms);
        let is_stream = matches!(terms.mode, BenchMode::Stream(_));
        let of_saved = |slot: &Value| {
            let number = |name: &str| slot[name].as_f64().unwrap_or(0.0);
            match figure {
                "p50" => number("p50_us"),
                _ if is_stream => number("bytes"),
                _ => number("done"),
            }
        };
        let slots = saved["course"].as_array()?.iter().filter(|slot| slot["warm"].is_null());
        let then = marks(&slots.map(of_saved).collect::<Vec<_>>());
        let slots = result.course.slots().iter();
        #[allow(clippy::cast_precision_loss, reason = "a figure is compared to some digits")]
        let now = slots.filter(|slot| slot.stretch == Stretch::Measured).map(|slot| match figure {
            "p50" => slot.p50.as_secs_f64() * 1e6,
            _ if is_stream => slot.bytes as f64,
            _ => slot.done as f64,
        });
        let now = marks(&now.collect::<Vec<_>>());
        let mut contest = Contest::default();
        now.iter().zip(&then).for_each(|(now, then)| contest.add(*now, *then));
        Some(contest)
    }
}

/// Means of a second each; of less than two seconds, of its tenths.
fn marks(tenths: &[f64]) -> Vec<f64> {
    let each = if tenths.len() >= 2 * MARK { MARK } else { 1 };
    #[allow(clippy::cast_precision_loss, reason = "ten tenths")]
    let mean = |tenths: &[f64]| tenths.iter().sum::<f64>() / tenths.len() as f64;
    tenths.chunks_exact(each).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_seconds_or_what_there_is() {
        assert_eq!(marks(&[1.0, 3.0]), [1.0, 3.0]);
        let tenths: Vec<f64> = (0..25).map(f64::from).collect();
        assert_eq!(marks(&tenths), [4.5, 14.5]);
    }
}
