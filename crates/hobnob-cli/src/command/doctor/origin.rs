//! `hobnob doctor --config`: each setting with its value, and where that comes from.

use std::fmt::Write as _;
use std::path::Path;

use hobnob::error::Result;
use hobnob::spec::show_duration;
use serde_json::json;

use crate::config::{Defaults, FILE, Settings};
use crate::env;
use crate::process::say;
use crate::report::look::Paint;
use crate::report::show::{pad, safe, width};
use crate::scene::Scene;

/// Columns of a setting's name.
const NAMES: usize = 14;
/// Columns of a value, at least and at most.
const VALUES: (usize, usize) = (12, 40);

/// One setting that a file may have.
struct Setting {
    name: &'static str,
    /// Its variables; the first that is set decides.
    variables: &'static [&'static str],
    default: &'static str,
    in_file: fn(&Defaults) -> Option<String>,
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "timeout",
        variables: &["HOBNOB_TIMEOUT"],
        default: "10s",
        in_file: |defaults| defaults.timeout.map(show_duration),
    },
    Setting {
        name: "color",
        variables: &["FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR"],
        default: "auto",
        in_file: |defaults| defaults.color.clone(),
    },
    Setting {
        name: "ascii",
        variables: &["HOBNOB_ASCII"],
        default: "no",
        in_file: |defaults| defaults.ascii.map(|is_on| yes(is_on).to_owned()),
    },
    Setting {
        name: "lang",
        variables: &["HOBNOB_LANG"],
        default: "en",
        in_file: |defaults| defaults.lang.clone(),
    },
];

/// A setting, its value, and where that comes from.
struct Line(&'static str, String, String);

/// Runs the verb.
pub(super) fn run(scene: &Scene) -> Result<u8> {
    let settings = Settings::read(&scene.environment)?;
    let mut lines: Vec<_> = SETTINGS.iter().map(|one| one.line(scene, &settings)).collect();
    lines.push(place("config", scene.environment.config.as_deref(), "HOBNOB_CONFIG", FILE));
    lines.push(place("own config", scene.environment.own_config.as_deref(), "", "none"));
    lines.push(place("state", scene.environment.state.as_deref(), "", "none"));
    lines.push(match &scene.environment.pager {
        Some(pager) => Line("pager", pager.clone(), "PAGER".to_owned()),
        None => Line("pager", "less".to_owned(), "default".to_owned()),
    });
    if scene.is_on("json") {
        let all = lines.iter().map(
            |Line(name, value, origin)| json!({ "name": name, "value": value, "from": origin }),
        );
        let all = json!({ "v": 1, "type": "config", "settings": all.collect::<Vec<_>>() });
        return say(&format!("{all}\n"));
    }
    let longest = lines.iter().map(|Line(_, value, _)| width(&safe(value)) + 2).max();
    let column = longest.unwrap_or(0).clamp(VALUES.0, VALUES.1);
    let head = format!("  {}{}from", pad("setting", NAMES), pad("value", column));
    let mut out = format!("{}\n", scene.out.paint(Paint::Bold, &head));
    for Line(name, value, origin) in &lines {
        let value = pad(&format!("{}  ", safe(value)), column);
        let _ = writeln!(out, "  {}{value}{}", pad(name, NAMES), safe(origin));
    }
    say(&out)
}

impl Setting {
    /// A flag goes before a variable, a variable before the files, a file before the default.
    fn line(&self, scene: &Scene, settings: &Settings) -> Line {
        if let Some(value) = scene.text(self.name) {
            return Line(self.name, value.to_owned(), format!("--{}", self.name));
        }
        if scene.is_on(self.name) {
            return Line(self.name, yes(true).to_owned(), format!("--{}", self.name));
        }
        for variable in self.variables {
            if let Some(value) = env::variable(variable) {
                return Line(self.name, value, (*variable).to_owned());
            }
        }
        for file in &settings.0 {
            if let Some(value) = (self.in_file)(&file.defaults) {
                return Line(self.name, value, file.source.name.clone());
            }
        }
        Line(self.name, self.default.to_owned(), "default".to_owned())
    }
}

/// A path, and whether it is there.
fn place(name: &'static str, path: Option<&Path>, variable: &str, default: &str) -> Line {
    let path = path.map(|path| path.display().to_string());
    let origin = if path.is_some() && !variable.is_empty() { variable } else { "default" };
    let path = path.unwrap_or_else(|| default.to_owned());
    let missing = if Path::new(&path).exists() { "" } else { ", not there" };
    Line(name, path, format!("{origin}{missing}"))
}

fn yes(is_on: bool) -> &'static str {
    if is_on { "yes" } else { "no" }
}
