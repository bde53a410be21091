//! How much of a page is shown.

use crate::help::row::COLUMNS;
use crate::report::show::fold;

/// What stands in a page behind its first screen.
pub(super) const RULE: &str = "\n---\n";
/// Lines of two screens.
const LINES: usize = 48;

/// How much of a page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What stands before its rule.
    Screen,
    /// As many of its sections as fit two screens, and what the others are called.
    TwoScreens,
    /// All.
    All,
}

impl Extent {
    /// So much of a page that is Markdown.
    pub(super) fn of(self, topic: &str, text: &str) -> String {
        let whole = text.replacen(RULE, "\n\n", 1);
        match self {
            Extent::Screen => {
                let screen = text.split_once(RULE).map_or(text, |(screen, _)| screen);
                format!("{}\n", screen.trim_end())
            }
            Extent::TwoScreens if lines(&whole) > LINES => two_screens(topic, &whole),
            Extent::TwoScreens | Extent::All => whole,
        }
    }
}

/// The first sections, with a word on how the others are seen.
fn two_screens(topic: &str, text: &str) -> String {
    let sections = sections(text);
    // The first section is shown however long it is.
    for shown in (1..sections.len()).rev() {
        let titles: Vec<_> = sections[shown..].iter().map(|section| title(section)).collect();
        let shorter = format!(
            "{}\n\nall of it: hobnob help {topic} all\n{}\n",
            sections[..shown].concat().trim_end(),
            indented(&format!("also has: {}", titles.join("; "))),
        );
        if shown == 1 || lines(&shorter) <= LINES {
            return shorter;
        }
    }
    text.to_owned()
}

/// The text in pieces, each but the first with its heading.
fn sections(text: &str) -> Vec<&str> {
    let starts = text.match_indices("\n# ").map(|(at, _)| at + 1);
    let starts: Vec<_> = std::iter::once(0).chain(starts).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}

fn title(section: &str) -> &str {
    section.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
}

fn indented(text: &str) -> String {
    let lines = fold(text, COLUMNS - 2);
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Lines on a terminal, where a fence is none.
fn lines(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with("```")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long() -> String {
        let section = |name: &str| format!("\n# {name}\n\n{}", "  a line\n".repeat(20));
        format!(
            "# Title\n\nthe screen\n---{}{}{}",
            section("One"),
            section("Two"),
            section("Three")
        )
    }

    #[test]
    fn a_long_page_is_cut_between_sections_and_says_what_is_behind() {
        let shown = Extent::TwoScreens.of("x", &long());
        assert!(lines(&shown) <= LINES, "{shown}");
        assert!(shown.contains("# One") && !shown.contains("# Two"), "{shown}");
        assert!(
            shown.ends_with("all of it: hobnob help x all\n  also has: Two; Three\n"),
            "{shown}"
        );
    }

    #[test]
    fn a_page_that_fits_is_whole_and_nothing_is_missing_of_all() {
        let short = "# Title\n\nthe screen\n---\n# One\n\n  a line\n";
        assert_eq!(Extent::TwoScreens.of("x", short), Extent::All.of("x", short));
        assert_eq!(Extent::Screen.of("x", short), "# Title\n\nthe screen\n");
        assert_eq!(Extent::All.of("x", &long()), long().replace(RULE, "\n\n"));
    }
}
