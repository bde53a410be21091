//! The text of a file, and where in it something stands.

use std::ops::Range;

use hobnob::error::{Error, Kind};

use crate::advice::Propose as _;
use crate::report::show::{safe, width};

/// Cells of a line that are shown around a mistake.
const SHOWN: usize = 66;
/// Cells of a line before the mistake, where it is too long to be shown whole.
const BEFORE: usize = 20;
/// Characters of a line that are looked at: some take no cell at all.
const LOOKED_AT: usize = 4 * SHOWN;
/// Columns that a page has, less the indent of a caret and the space before its label.
const ROOM: usize = 74;

/// A text with its name.
#[derive(Debug)]
pub(crate) struct ConfigText {
    /// The file, as it was named.
    pub(crate) name: String,
    /// All of it.
    pub(crate) text: String,
}

/// A word of the file with its place, which for a string has the quotes too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// What it says.
    pub(crate) text: String,
    /// Where it stands.
    pub(crate) at: Range<usize>,
}

impl ConfigText {
    /// The error with its line and column, and a caret under the place.
    pub(crate) fn mark(&self, error: Error, at: Range<usize>, label: &str) -> Error {
        let line = self.line_of(at.start);
        let text = &self.text[line.clone()];
        let (number, column) = self.position(at.start);
        let message = format!("{}:{number}:{column}: {}", self.name, error.message());
        let (shown, caret) = window(text, at.start - line.start..at.end.min(line.end) - line.start);
        let width_to = |end: usize| width(&safe(&shown[..end]));
        let (error, label) = if width_to(caret.end) + width(&safe(label)) > ROOM {
            (error.why(label), "")
        } else {
            (error, label)
        };
        error.with_message(message).at(&shown, caret, label)
    }

    /// An error about a value of the file, told where the value stands.
    pub(crate) fn relocate(&self, error: &Error, value: &Placed) -> Error {
        self.place(error, value).try_command("hobnob help up", "")
    }

    /// The same with nothing to try: what the error proposes is for a command line, and goes.
    pub(crate) fn place(&self, error: &Error, value: &Placed) -> Error {
        let mut told = Error::new(error.kind(), error.message());
        if let Some(call) = error.call() {
            told = told.with_outcome(call.text.clone(), call.errno, call.outcome.clone());
        }
        told = error.reasons().iter().fold(told, Error::why);
        let (at, label) = match error.span() {
            Some(span) => (self.within(value, &span.text, &span.at), span.label.as_str()),
            None => (value.at.clone(), ""),
        };
        self.mark(told, at, label)
    }

    /// The place of a part of a value; all of the value, where escapes in it moved the part.
    fn within(&self, value: &Placed, text: &str, part: &Range<usize>) -> Range<usize> {
        let raw = &self.text[value.at.clone()];
        match raw.find(text) {
            Some(inner) if text == value.text => {
                let start = value.at.start + inner;
                start + part.start..start + part.end
            }
            _ => value.at.clone(),
        }
    }

    /// Something that a file of this kind does not say.
    pub(crate) fn wrong(&self, text: impl Into<String>, at: &Range<usize>, label: &str) -> Error {
        let error = Error::new(Kind::BadConfig, text);
        self.mark(error, at.clone(), label).try_command("hobnob help up", "")
    }

    /// The line that a byte stands in, without its end.
    fn line_of(&self, at: usize) -> Range<usize> {
        let at = at.min(self.text.len());
        let start = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |end| at + end);
        let end = start + self.text[start..end].trim_end_matches('\r').len();
        start..end.max(start)
    }

    /// Line and column as an editor counts them, from 1.
    fn position(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at.min(self.text.len())];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }
}

/// What of a line is shown, and where in that the mistake is.
fn window(line: &str, at: Range<usize>) -> (String, Range<usize>) {
    let at = at.start.min(line.len())..at.end.clamp(at.start, line.len().max(at.start));
    let at = at.start..at.end.min(line.len());
    if line.len() <= LOOKED_AT && width(&safe(line)) <= SHOWN {
        return (line.to_owned(), at);
    }
    let from = line[..at.start].char_indices().rev().nth(BEFORE).map_or(0, |(from, _)| from);
    let mut end = from;
    for (place, c) in line[from..].char_indices().take(LOOKED_AT) {
        if width(&safe(&line[from..from + place + c.len_utf8()])) > SHOWN {
            break;
        }
        end = from + place + c.len_utf8();
    }
    let clip = |place: usize| place.clamp(from, end) - from;
    (line[from..end].to_owned(), clip(at.start)..clip(at.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, part: &str) -> (String, String, String) {
        let source = ConfigText { name: "x.toml".to_owned(), text: text.to_owned() };
        let at = text.find(part).expect("it is there");
        let error = source.wrong("no", &(at..at + part.len()), "here");
        let span = error.span().expect("it was marked");
        let under = span.text[span.at.clone()].to_owned();
        (error.message().to_owned(), span.text.clone(), under)
    }

    #[test]
    fn a_mistake_has_its_line_and_column() {
        let (message, line, under) = marked("a = 1\r\n  b = é x\r\nc = 3", "x");
        assert_eq!(message, "x.toml:2:9: no");
        assert_eq!((line.as_str(), under.as_str()), ("  b = é x", "x"));
    }

    #[test]
    fn of_a_long_line_the_part_around_it_is_shown() {
        let long = format!("on = [{}\"wrong\"{}]", "\"x\", ".repeat(100), ", \"y\"".repeat(100));
        let (message, line, under) = marked(&long, "\"wrong\"");
        assert_eq!(message, "x.toml:1:507: no");
        assert_eq!(under, "\"wrong\"");
        assert!(width(&line) <= SHOWN, "{line}");
        let (_, _, under) = marked(&format!("a = \"{}\"", "é".repeat(500)), &"é".repeat(500));
        assert!(!under.is_empty());
        let (_, line, _) = marked(&format!("a = \"{}\" x", "\u{301}".repeat(400_000)), "a");
        assert!(line.chars().count() <= LOOKED_AT, "what takes no cell is bounded, too");
    }

    #[test]
    fn a_part_of_a_value_is_found_in_its_quotes() {
        let text = "on = [ \":90000\" ]";
        let source = ConfigText { name: "x.toml".to_owned(), text: text.to_owned() };
        let value = Placed { text: ":90000".to_owned(), at: 7..15 };
        let error = hobnob::engine::parse(":90000").expect_err("too large a port");
        let error = source.relocate(&error, &value);
        let span = error.span().expect("it was marked");
        assert_eq!(&span.text[span.at.clone()], "90000");
    }
}
