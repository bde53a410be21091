//! A regular expression that is looked for byte by byte, so that it is found at the same byte wherever the stream was
//! cut, and nothing needs to be kept but a number.

use std::fmt;
use std::sync::Arc;

use regex_automata::Anchored;
use regex_automata::dfa::{Automaton, StartError, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::util::syntax;

/// Bytes of the tables of one pattern, at most.
const LARGEST: usize = 1 << 20;

/// A pattern over bytes.
#[derive(Clone)]
pub(crate) struct Pattern {
    table: Arc<dense::DFA<Vec<u32>>>,
    start: StateID,
}

/// How far a search has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search(StateID);

impl Pattern {
    /// Reads one; the error says what is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let table = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .dfa_size_limit(Some(LARGEST))
                    .determinize_size_limit(Some(4 * LARGEST)),
            )
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(regex_automata::nfa::thompson::Config::new().utf8(false))
            .build(text)
            .map_err(|error| reason(&error))?;
        let config = start::Config::new().anchored(Anchored::No);
        let start = table.start_state(&config).map_err(|error: StartError| error.to_string())?;
        Ok(Pattern { table: Arc::new(table), start })
    }

    /// A search from the beginning.
    pub(crate) fn search(&self) -> Search {
        Search(self.start)
    }

    /// Whether it matches before anything has come.
    pub(crate) fn matches_nothing(&self) -> bool {
        self.is_match_here(self.start)
    }

    /// Goes on with a search; answers after how many of the bytes it has matched. What has come may be all that comes:
    /// an end of the pattern's is where the bytes end.
    pub(crate) fn find(&self, search: &mut Search, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            search.0 = self.table.next_state(search.0, *byte);
            if self.is_match_here(search.0) {
                return Some(at + 1);
            }
        }
        None
    }

    /// Whether it matches anywhere in what is whole.
    pub(crate) fn matches(&self, bytes: &[u8]) -> bool {
        let mut state = self.start;
        for byte in bytes {
            state = self.table.next_state(state, *byte);
            // A match is seen one step late.
            if self.table.is_match_state(state) {
                return true;
            }
        }
        self.is_match_here(state)
    }

    fn is_match_here(&self, state: StateID) -> bool {
        // A match is seen one step late; the step that stands for the end shows it now.
        self.table.is_match_state(self.table.next_eoi_state(state))
    }
}

/// The last line of the builder's explanation: the ones above repeat the pattern.
fn reason(error: &dense::BuildError) -> String {
    if error.is_size_limit_exceeded() {
        return "it is too large".to_owned();
    }
    let text = std::error::Error::source(error).map_or_else(|| error.to_string(), chained);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().trim_start_matches("error: ").to_owned()
}

fn chained(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), chained)
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pattern")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_is_found_at_its_last_byte_wherever_it_is_cut() {
        let pattern = Pattern::read(r"QU?IT [0-9]{3}").expect("a pattern");
        let text = b"..QUI QIT 12 QUIT 123456";
        for cut in 0..text.len() {
            let mut search = pattern.search();
            let (front, back) = text.split_at(cut);
            let found = pattern
                .find(&mut search, front)
                .or_else(|| pattern.find(&mut search, back).map(|at| cut + at));
            assert_eq!(found, Some(21), "cut at {cut}");
        }
    }

    #[test]
    fn an_end_is_the_end_of_what_is_whole() {
        let pattern = Pattern::read("^a@|@b$").expect("a pattern");
        for (text, matches) in
            [("a@x", true), ("x@b", true), ("ba@x", false), ("x@bb", false), ("", false)]
        {
            assert_eq!(pattern.matches(text.as_bytes()), matches, "{text}");
        }
    }

    #[test]
    fn any_byte_is_a_byte_and_nonsense_is_told() {
        let pattern = Pattern::read(r"(?s)\xff.\x00").expect("a pattern");
        assert_eq!(pattern.find(&mut pattern.search(), b"a\xff\n\x00b"), Some(4));
        assert!(Pattern::read("(").is_err_and(|why| why.contains("unclosed")));
        assert!(Pattern::read("(?:a{1000}){1000}").is_err_and(|why| why == "it is too large"));
        assert!(Pattern::read("x*").expect("a pattern").matches_nothing());
    }
}
