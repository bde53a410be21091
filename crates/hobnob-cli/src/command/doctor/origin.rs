//! `hobnob doctor --config`: each setting with its value, and where that comes from.

use std::fmt::Write as _;
use std::path::Path;

use hobnob::error::Result;
use hobnob::spec::show_duration;
use serde_json::json;

use crate::config::{Defaults, FILE, Settings};
use crate::env;
use crate::help::narrow;
use crate::job::Job;
use crate::process::say;
use crate::report::look::Paint;
use crate::report::show::{pad, safe, width};

/// Columns of a setting's name.
const NAMES: usize = 14;
/// Columns of a value, at least and at most.
const VALUES: (usize, usize) = (12, 40);

/// One setting that a file may have.
struct Configurable {
    name: &'static str,
    /// Its variables; the first that is set decides.
    variables: &'static [&'static str],
    default: &'static str,
    in_file: fn(&Defaults) -> Option<String>,
}

const SETTINGS: &[Configurable] = &[
    Configurable {
        name: "timeout",
        variables: &["HOBNOB_TIMEOUT"],
        default: "10s",
        in_file: |defaults| defaults.timeout.map(show_duration),
    },
    Configurable {
        name: "color",
        variables: &["FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR"],
        default: "auto",
        in_file: |defaults| defaults.color.clone(),
    },
    Configurable {
        name: "ascii",
        variables: &["HOBNOB_ASCII"],
        default: "no",
        in_file: |defaults| defaults.ascii.map(|is_on| yes(is_on).to_owned()),
    },
    Configurable {
        name: "lang",
        variables: &["HOBNOB_LANG"],
        default: "en",
        in_file: |defaults| defaults.lang.clone(),
    },
];

/// A setting, its value, and where that comes from.
struct ConfigRow(&'static str, String, String);

/// Runs the verb.
pub(super) fn run(job: &Job) -> Result<u8> {
    let settings = Settings::read(&job.environment)?;
    let mut lines: Vec<_> = SETTINGS.iter().map(|one| one.line(job, &settings)).collect();
    lines.push(place("config", job.environment.config.as_deref(), "HOBNOB_CONFIG", FILE));
    lines.push(place("own config", job.environment.own_config.as_deref(), "", "none"));
    lines.push(place("state", job.environment.state.as_deref(), "", "none"));
    lines.push(match &job.environment.pager {
        Some(pager) => ConfigRow("pager", pager.clone(), "PAGER".to_owned()),
        None => ConfigRow("pager", "less".to_owned(), "default".to_owned()),
    });
    if job.is_on("json") {
        let all = lines.iter().map(
            |ConfigRow(name, value, origin)| json!({ "name": name, "value": value, "from": origin }),
        );
        let all = json!({ "v": 1, "type": "config", "settings": all.collect::<Vec<_>>() });
        return say(&format!("{all}\n"));
    }
    let longest = lines.iter().map(|ConfigRow(_, value, _)| width(&safe(value)) + 2).max();
    let column = longest.unwrap_or(0).clamp(VALUES.0, VALUES.1);
    let head = format!("  {}{}from", pad("setting", NAMES), pad("value", column));
    let mut out = String::new();
    for ConfigRow(name, value, origin) in &lines {
        let value = pad(&format!("{}  ", safe(value)), column);
        let _ = writeln!(out, "  {}{value}{}", pad(name, NAMES), safe(origin));
    }
    if job.out.is_narrow() {
        return say(&narrow::listed(&out, job.out.columns()));
    }
    say(&format!("{}\n{out}", job.out.paint(Paint::Bold, &head)))
}

impl Configurable {
    /// A flag goes before a variable, a variable before the files, a file before the default.
    fn line(&self, job: &Job, settings: &Settings) -> ConfigRow {
        if let Some(value) = job.text(self.name) {
            return ConfigRow(self.name, value.to_owned(), format!("--{}", self.name));
        }
        if job.is_on(self.name) {
            return ConfigRow(self.name, yes(true).to_owned(), format!("--{}", self.name));
        }
        for variable in self.variables {
            if let Some(value) = env::variable(variable) {
                return ConfigRow(self.name, value, (*variable).to_owned());
            }
        }
        for file in &settings.0 {
            if let Some(value) = (self.in_file)(&file.defaults) {
                return ConfigRow(self.name, value, file.source.name.clone());
            }
        }
        ConfigRow(self.name, self.default.to_owned(), "default".to_owned())
    }
}

/// A path, and whether it is there.
fn place(name: &'static str, path: Option<&Path>, variable: &str, default: &str) -> ConfigRow {
    let path = path.map(|path| path.display().to_string());
    let origin = if path.is_some() && !variable.is_empty() { variable } else { "default" };
    let path = path.unwrap_or_else(|| default.to_owned());
    let missing = if Path::new(&path).exists() { "" } else { ", not there" };
    ConfigRow(name, path, format!("{origin}{missing}"))
}

fn yes(is_on: bool) -> &'static str {
    if is_on { "yes" } else { "no" }
}
