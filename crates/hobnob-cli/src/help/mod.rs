//! The pages of help: texts as Markdown, and what the tables say of themselves. A page is Markdown until it is shown.

mod extent;
mod fault;
pub(crate) mod narrow;
pub(crate) mod outline;
mod row;

use std::fmt::Write as _;

use hobnob::engine;
use hobnob::error::Kind;

use crate::args::{Flag, FlagGroup, Usage, Usages};
use crate::report::look::{Look, Paint};
use crate::report::show::fold;
pub(crate) use extent::Extent;
pub(crate) use row::catalogue;
use row::{COLUMNS, described, entry, flag_of, part};

/// Topics that are no verbs: a name, and a page as Markdown.
const TOPICS: &[(&str, &str)] = &[
    ("addresses", include_str!("addresses.md")),
    ("sockets", include_str!("sockets.md")),
    ("ports", include_str!("ports.md")),
    ("handshake", include_str!("handshake.md")),
    ("models", include_str!("models.md")),
    ("coming-from", include_str!("coming-from.md")),
    ("faults", include_str!("faults.md")),
    ("replies", include_str!("replies.md")),
    ("eof", include_str!("eof.md")),
    ("keys", include_str!("keys.md")),
    ("calls", include_str!("calls.md")),
    ("json", include_str!("json.md")),
    ("exit-codes", include_str!("exit-codes.md")),
    ("control", include_str!("control.md")),
    ("environment", include_str!("environment.md")),
];
/// Every error, a heading each.
const ERRORS: &str = include_str!("errors.md");
/// What has a page: the screen of `hobnob help`.
const INDEX: &str = include_str!("help.md");
/// The screen of `hobnob` alone, as Markdown.
pub(crate) const FIRST_SCREEN: &str = include_str!("hobnob.md");

/// Everything that has a page and is built in. Also the rest has a page, which says that it is not there.
pub(crate) fn topics(usages: Usages) -> Vec<&'static str> {
    let services = engine::services().iter().map(|row| row.spec);
    let transports = engine::transports().iter().map(|row| row.spec);
    let layers = engine::layers().iter().map(|row| &row.spec);
    let parts = services.chain(transports).chain(layers).filter(|spec| spec.is_built_in);
    let verbs = usages.all().map(|usage| usage.name);
    verbs
        .chain(TOPICS.iter().map(|(name, _)| *name))
        .chain(parts.map(|spec| spec.name))
        .chain(hobnob::fault::TABLE.iter().map(|row| row.spec.name))
        .chain(Kind::ALL.iter().map(|kind| kind.slug()))
        .collect()
}

/// A page's Markdown below its title.
pub(crate) fn body(usages: Usages, topic: &str) -> String {
    let text = page(usages, topic).unwrap_or_default();
    text.split_once('\n').map_or("", |(_, body)| body).replace(extent::RULE, "\n")
}

/// The page of whatever is called so.
pub(crate) fn of(usages: Usages, topic: &str, extent: Extent, look: Look) -> Option<String> {
    let text = verb(usages, topic)
        .or_else(|| page(usages, topic))
        .or_else(|| row::service(topic))
        .or_else(|| part(topic))
        .or_else(|| fault::page(topic))
        .or_else(|| error_page(topic))?;
    Some(rendered(&extent.of(topic, &text), look))
}

/// The page of a service.
pub(crate) fn service(name: &str, look: Look) -> Option<String> {
    row::service(name).map(|text| rendered(&text, look))
}

/// The list of what has a page.
pub(crate) fn index(look: Look) -> String {
    rendered(INDEX, look)
}

/// The screen of `hobnob` alone.
pub(crate) fn first_screen(look: Look) -> String {
    rendered(&FIRST_SCREEN.replace("VERSION", env!("CARGO_PKG_VERSION")), look)
}

/// All that is known of a verb.
fn verb(usages: Usages, name: &str) -> Option<String> {
    let usage = usages.of(name)?;
    let mut out = page(usages, name)?;
    // They stand behind the one screen, also on a page that is no longer than that.
    let is_longer = out.contains(extent::RULE);
    out.push_str(if is_longer { "\n" } else { extent::RULE.trim_start() });
    out.push_str("# Every flag\n");
    for group in usage.flags {
        match group {
            FlagGroup::Own(flags) => {
                flags.iter().for_each(|flag| entry(&mut out, &spelled(flag), flag.help));
            }
            FlagGroup::OfNamesake => described(&mut out, usage.lent_by(*group), "--"),
            FlagGroup::OfEveryService => of_every_service(&mut out, usage, *group),
        }
    }
    // A verb that is also a service has both pages as one.
    if let Some(service) = row::service(name) {
        let _ = write!(out, "\n{service}");
    }
    Some(out)
}

fn of_every_service(out: &mut String, usage: &Usage, group: FlagGroup) {
    out.push_str("\n# Flags of the services\n");
    for option in usage.lent_by(group) {
        let having: Vec<_> = engine::services()
            .iter()
            .filter(|row| row.spec.options.iter().any(|other| other.name == option.name))
            .map(|row| row.spec.name)
            .collect();
        entry(out, &flag_of(option), &having.join(", "));
    }
    out.push_str("\nWhat each does: hobnob help SERVICE\n");
}

/// `-O, --option KEY=VALUE`.
fn spelled(flag: &Flag) -> String {
    let mut text = match (flag.short, flag.long.len()) {
        (Some(short), 1) => format!("-{short}"),
        (Some(short), _) => format!("-{short}, --{}", flag.long),
        (None, _) => format!("--{}", flag.long),
    };
    if !flag.value.is_empty() {
        let between = if flag.may_stand_alone() { "" } else { " " };
        let _ = write!(text, "{between}{}", flag.value);
    }
    text
}

/// A verb's or a topic's page, with what the tables add to it.
fn page(usages: Usages, topic: &str) -> Option<String> {
    let of_topic = || TOPICS.iter().find(|(name, _)| *name == topic).map(|(_, text)| *text);
    let text = usages.of(topic).map(|usage| usage.page).or_else(of_topic)?;
    Some(match topic {
        "exit-codes" => format!("{text}\n{}", codes()),
        "replies" => fault::replies(text),
        "faults" => format!("{}{}", text.replace("FAULTS\n", &fault::list()), fault::advice()),
        _ => text.to_owned(),
    })
}

/// Markdown as it reads on a terminal: headings stand out, fences and backticks go.
fn rendered(text: &str, look: Look) -> String {
    let narrow = look.is_narrow().then(|| narrow::narrowed(text, look.columns()));
    let text = narrow.as_deref().unwrap_or(text);
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
fn error_page(slug: &str) -> Option<String> {
    let kind = Kind::ALL.iter().find(|kind| kind.slug() == slug)?;
    let text = error_text(slug)?.trim();
    let tail = format!("exit code {}; all of them: hobnob help exit-codes", kind.exit_code());
    Some(format!("# error[{slug}]\n\n{text}\n\n{tail}\n"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::usages;
    use crate::report::show::width;

    #[test]
    fn no_page_is_wider_than_its_terminal() {
        let look = Look { cells: Some(40), ..Look::default() };
        for topic in topics(usages()) {
            let text = of(usages(), topic, Extent::All, look).expect(topic);
            // A word that is longer is a command or a name, to be copied whole.
            let is_cut = |line: &&str| width(line) > 40 && line.trim().contains(' ');
            let wide: Vec<_> = text.lines().filter(is_cut).collect();
            assert!(wide.is_empty(), "{topic}: {wide:?}");
        }
    }

    #[test]
    fn every_error_has_a_page() {
        for kind in Kind::ALL {
            assert!(error_text(kind.slug()).is_some_and(|text| text.trim().len() > 40), "{kind:?}");
        }
    }

    #[test]
    fn every_verb_has_a_page_and_is_on_the_first_screen() {
        for verb in usages().all() {
            assert!(verb.title().len() > 4, "{}", verb.name);
            assert!(body(usages(), "help").contains(verb.name), "{}", verb.name);
            let words = FIRST_SCREEN.split(|c: char| !c.is_ascii_alphanumeric());
            assert!(words.into_iter().any(|word| word == verb.name), "{}", verb.name);
        }
    }

    #[test]
    fn what_is_proposed_is_a_verb_of_this_build() {
        let pages = usages()
            .all()
            .map(|usage| usage.page)
            .chain(TOPICS.iter().map(|(_, text)| *text))
            .chain([FIRST_SCREEN, ERRORS]);
        for text in pages {
            for (at, _) in text.match_indices("hobnob ") {
                let rest = &text[at + 7..];
                let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
                // Where a command stands: at the start of a line's column, or in backticks.
                let before = text[..at].chars().next_back();
                let is_command = before == Some('`') || text[..at].ends_with("  ");
                let is_verb = usages().of(&rest[..end]).is_some();
                assert!(!is_command || end == 0 || is_verb, "{}", &rest[..end]);
            }
        }
    }

    #[test]
    fn no_page_is_wider_than_eighty_columns() {
        let look = Look::default();
        for topic in topics(usages()) {
            let text = of(usages(), topic, Extent::All, look);
            // The pager is given a page before it runs.
            assert!(text.as_ref().is_some_and(|text| text.len() < 32 * 1_024), "{topic}");
            for line in text.expect(topic).lines().chain(catalogue(look).lines()) {
                assert!(width(line) <= COLUMNS, "{topic}: {line}");
            }
        }
    }
}
