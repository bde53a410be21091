//! `hobnob help`, `-h`, `--help`, and the screen of `hobnob` alone.

mod fault;
mod pager;
mod row;

use std::fmt::Write as _;

use hobnob::engine;
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::nearest;

use crate::args::{self, Flag};
use crate::command::{Scene, VERBS, say};
use crate::report::advice::Propose as _;
use crate::report::look::{Look, Paint};
use crate::report::show::fold;
pub(crate) use row::catalogue;
use row::{entry, flag_of, part, service};

/// Pages as Markdown: a topic and its text. A verb's page has its one screen above a rule.
const PAGES: &[(&str, &str)] = &[
    ("serve", include_str!("../../help/serve.md")),
    ("relay", include_str!("../../help/relay.md")),
    ("fault", include_str!("../../help/fault.md")),
    ("talk", include_str!("../../help/talk.md")),
    ("get", include_str!("../../help/get.md")),
    ("up", include_str!("../../help/up.md")),
    ("demo", include_str!("../../help/demo.md")),
    ("explain", include_str!("../../help/explain.md")),
    ("doctor", include_str!("../../help/doctor.md")),
    ("help", include_str!("../../help/help.md")),
    ("completions", include_str!("../../help/completions.md")),
    ("man", include_str!("../../help/man.md")),
    ("addresses", include_str!("../../help/addresses.md")),
    ("faults", include_str!("../../help/faults.md")),
    ("eof", include_str!("../../help/eof.md")),
    ("keys", include_str!("../../help/keys.md")),
    ("json", include_str!("../../help/json.md")),
    ("exit-codes", include_str!("../../help/exit-codes.md")),
    ("control", include_str!("../../help/control.md")),
    ("environment", include_str!("../../help/environment.md")),
];
/// Every error, a heading each.
const ERRORS: &str = include_str!("../../help/errors.md");
/// The screen of `hobnob` alone.
pub(crate) const FIRST_SCREEN: &str = include_str!("../../help/hobnob.md");
/// Columns that a page has.
const COLUMNS: usize = 80;

/// Everything that has a page.
pub(crate) fn topics() -> Vec<&'static str> {
    let pages = PAGES.iter().map(|(name, _)| *name);
    pages
        .chain(engine::services().iter().map(|row| row.spec.name))
        .chain(engine::transports().iter().map(|row| row.spec.name))
        .chain(engine::layers().iter().map(|row| row.spec.name))
        .chain(hobnob::fault::TABLE.iter().map(|row| row.spec.name))
        .chain(Kind::ALL.iter().map(|kind| kind.slug()))
        .collect()
}

/// The one line of a verb, or of another page.
pub(crate) fn title(topic: &str) -> &'static str {
    let text = PAGES.iter().find(|(name, _)| *name == topic).map_or("", |(_, text)| text);
    text.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
}

/// A page's Markdown below its title.
pub(crate) fn body(topic: &str) -> String {
    let text = PAGES.iter().find(|(name, _)| *name == topic).map_or("", |(_, text)| text);
    let body = text.split_once('\n').map_or("", |(_, body)| body).replace("\n---\n", "\n");
    body + &appendix(topic)
}

/// Runs the verb.
pub(crate) fn run(scene: &Scene) -> Result<u8> {
    let words = scene.words();
    let Some(topic) = words.first() else {
        return pager::show(scene, &page("help", true, scene.out).unwrap_or_default());
    };
    let text = verb(topic, scene.out)
        .or_else(|| page(topic, true, scene.out))
        .or_else(|| service(topic, scene.out))
        .or_else(|| part(topic, scene.out))
        .or_else(|| fault::page(topic, scene.out))
        .or_else(|| error_page(topic, scene.out));
    text.map_or_else(|| Err(unknown(topic)), |text| pager::show(scene, &text))
}

/// `-h` and `--help` of a verb, or of hobnob itself.
pub(crate) fn of_verb(scene: &Scene, name: &str, is_full: bool) -> Result<u8> {
    if name.is_empty() {
        return first_screen(scene);
    }
    // `serve echo -h` is about echo.
    if let ("serve", Some(word)) = (name, scene.words().first())
        && let Some(text) = service(word, scene.out)
    {
        return say(&text);
    }
    let text = if is_full { verb(name, scene.out) } else { page(name, false, scene.out) };
    say(&text.unwrap_or_default())
}

/// The screen of `hobnob` alone.
pub(crate) fn first_screen(scene: &Scene) -> Result<u8> {
    let text = FIRST_SCREEN.replace("VERSION", env!("CARGO_PKG_VERSION"));
    say(&rendered(&text, scene.out))
}

fn verb(name: &str, look: Look) -> Option<String> {
    let verb = VERBS.iter().find(|verb| verb.name == name)?;
    let mut out = page(name, true, look)?;
    let _ = writeln!(out, "\n{}", look.paint(Paint::Bold, "Every flag"));
    for flag in verb.flags.iter().copied().flatten() {
        entry(&mut out, &spelled(flag), flag.help);
    }
    if verb.takes_service_options {
        let _ = writeln!(out, "\n{}", look.paint(Paint::Bold, "Flags of the services"));
        for option in args::service_options(verb) {
            let having: Vec<_> = engine::services()
                .iter()
                .filter(|row| row.spec.options.iter().any(|other| other.name == option.name))
                .map(|row| row.spec.name)
                .collect();
            entry(&mut out, &flag_of(option), &having.join(", "));
        }
        out.push_str("\nWhat each does: hobnob help SERVICE\n");
    }
    // A verb that is also a service has both pages as one.
    if let Some(service) = service(name, look) {
        let _ = write!(out, "\n{service}");
    }
    Some(out)
}

/// `-O, --option KEY=VALUE`.
fn spelled(flag: &Flag) -> String {
    let mut text = match (flag.short, flag.long.len()) {
        (Some(short), 1) => format!("-{short}"),
        (Some(short), _) => format!("-{short}, --{}", flag.long),
        (None, _) => format!("--{}", flag.long),
    };
    if !flag.value.is_empty() {
        let _ = write!(text, " {}", flag.value);
    }
    text
}

fn page(topic: &str, is_full: bool, look: Look) -> Option<String> {
    let (_, text) = PAGES.iter().find(|(name, _)| *name == topic)?;
    let (short, rest) = text.split_once("\n---\n").unwrap_or((text, ""));
    let mut text = format!("{}\n", short.trim_end());
    if is_full && !rest.is_empty() {
        text.push('\n');
        text.push_str(rest.trim_start());
    }
    text.push_str(&appendix(topic));
    Some(rendered(&text, look))
}

/// What the tables add to a page.
fn appendix(topic: &str) -> String {
    match topic {
        "exit-codes" => format!("\n{}", codes()),
        "faults" => fault::list(),
        _ => String::new(),
    }
}

/// Markdown as it reads on a terminal: headings stand out, fences and backticks go.
fn rendered(text: &str, look: Look) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            continue;
        }
        let heading = line.trim_start_matches('#');
        if heading.len() < line.len() && heading.starts_with(' ') {
            out.push_str(&look.paint(Paint::Bold, heading.trim()));
        } else {
            out.push_str(&line.replace('`', ""));
        }
        out.push('\n');
    }
    out
}

/// The page of an error: what it means and what to do.
fn error_page(slug: &str, look: Look) -> Option<String> {
    let kind = Kind::ALL.iter().find(|kind| kind.slug() == slug)?;
    let text = error_text(slug)?;
    let head = look.paint(Paint::Bold, &format!("error[{slug}]"));
    let tail = format!("exit code {}; all of them: hobnob help exit-codes", kind.exit_code());
    Some(format!("{head}\n\n{}\n\n{tail}\n", rendered(text, look).trim()))
}

fn error_text(slug: &str) -> Option<&'static str> {
    let start = ERRORS.find(&format!("\n## {slug}\n"))? + slug.len() + 5;
    let rest = &ERRORS[start..];
    Some(rest.split("\n## ").next().unwrap_or(rest))
}

/// The exit codes with their slugs, from the table of errors.
fn codes() -> String {
    let mut by_code: std::collections::BTreeMap<u8, Vec<&str>> = std::collections::BTreeMap::new();
    for kind in Kind::ALL {
        by_code.entry(kind.exit_code()).or_default().push(kind.slug());
    }
    let mut out = String::new();
    for (code, slugs) in by_code {
        for (at, line) in fold(&slugs.join(" "), COLUMNS - 8).iter().enumerate() {
            let label = if at == 0 { code.to_string() } else { String::new() };
            let _ = writeln!(out, "  {label:<5} {line}");
        }
    }
    out
}

fn unknown(topic: &str) -> Error {
    let error = Error::new(Kind::Usage, format!("there is no page {topic:?}"));
    let error = match nearest(topic, topics()) {
        Some(near) => error.try_command(format!("hobnob help {near}"), "did you mean this?"),
        None => error,
    };
    error.try_command("hobnob help", "lists them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::show::width;

    #[test]
    fn every_error_has_a_page() {
        for kind in Kind::ALL {
            assert!(error_text(kind.slug()).is_some_and(|text| text.trim().len() > 40), "{kind:?}");
        }
    }

    #[test]
    fn every_verb_has_a_page_and_is_on_the_first_screen() {
        for verb in VERBS {
            assert!(title(verb.name).len() > 4, "{}", verb.name);
            assert!(body("help").contains(verb.name), "{}", verb.name);
            let words = FIRST_SCREEN.split(|c: char| !c.is_ascii_alphanumeric());
            assert!(words.into_iter().any(|word| word == verb.name), "{}", verb.name);
        }
    }

    #[test]
    fn what_is_proposed_is_a_verb_of_this_build() {
        let pages = PAGES.iter().map(|(_, text)| *text).chain([FIRST_SCREEN, ERRORS]);
        for text in pages {
            for (at, _) in text.match_indices("hobnob ") {
                let rest = &text[at + 7..];
                let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
                // Where a command stands: at the start of a line's column, or in backticks.
                let before = text[..at].chars().next_back();
                let is_command = before == Some('`') || text[..at].ends_with("  ");
                let is_verb = VERBS.iter().any(|verb| verb.name == &rest[..end]);
                assert!(!is_command || end == 0 || is_verb, "{}", &rest[..end]);
            }
        }
    }

    #[test]
    fn no_page_is_wider_than_eighty_columns() {
        let pages = PAGES.iter().map(|(name, _)| *name);
        let services = engine::services().iter().map(|row| row.spec.name);
        let faults = hobnob::fault::TABLE.iter().map(|row| row.spec.name);
        let slugs = Kind::ALL.iter().map(|kind| kind.slug());
        let look = Look::default();
        for topic in pages.chain(services).chain(faults).chain(slugs) {
            let text = verb(topic, look)
                .or_else(|| page(topic, true, look))
                .or_else(|| service(topic, look))
                .or_else(|| fault::page(topic, look))
                .or_else(|| error_page(topic, look));
            // The pager is given a page before it runs.
            assert!(text.as_ref().is_some_and(|text| text.len() < 32 * 1_024), "{topic}");
            for line in text.expect(topic).lines().chain(catalogue(look).lines()) {
                assert!(width(line) <= COLUMNS, "{topic}: {line}");
            }
        }
    }
}
