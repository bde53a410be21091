//! A fault as it was typed, in pieces that know where they stand, for the caret.

use std::ops::Range;

use crate::error::{Error, Kind};
use crate::spec::nearest;

/// One piece between two commas: `latency=200ms`, `when=10%`, `refuse`.
#[derive(Debug, Clone)]
pub(super) struct TypedPiece<'t> {
    whole: &'t str,
    pub(super) key: &'t str,
    pub(super) value: Option<&'t str>,
    at: usize,
    topic: &'static str,
}

impl<'t> TypedPiece<'t> {
    /// The pieces of `text` from `start` on. A comma between two slashes is part of a pattern.
    pub(super) fn all(whole: &'t str, start: usize, topic: &'static str) -> Vec<TypedPiece<'t>> {
        let mut pieces = Vec::new();
        let mut at = start;
        loop {
            let length = length(&whole[at..]);
            let text = &whole[at..at + length];
            let (key, value) = text.split_once('=').map_or((text, None), |(k, v)| (k, Some(v)));
            pieces.push(TypedPiece { whole, key, value, at, topic });
            at += length + 1;
            if at > whole.len() {
                return pieces;
            }
        }
    }

    /// All that was typed, with this key in place of its own.
    pub(super) fn renamed(&self, key: &str) -> String {
        let (before, rest) = self.whole.split_at(self.at);
        format!("{before}{key}{}", &rest[self.key.len()..])
    }

    /// The error, with a caret under the key.
    pub(super) fn key_error(&self, kind: Kind, text: impl Into<String>, label: &str) -> Error {
        self.error(kind, text, self.at..self.at + self.key.len(), label)
    }

    /// The error, with a caret under the value, or behind the key where there is none.
    pub(super) fn value_error(&self, kind: Kind, text: impl Into<String>, label: &str) -> Error {
        let end = self.at + self.key.len();
        let at = self.value.map_or(end..end, |value| end + 1..end + 1 + value.len());
        self.error(kind, text, at, label)
    }

    /// The same error as an option's, with its caret. What was expected stands under the value.
    pub(super) fn mark(&self, error: &Error) -> Error {
        let (text, label) = error.parts();
        self.value_error(error.kind(), text, label)
    }

    /// No such key; the nearest that there is.
    pub(super) fn unknown<'k>(
        &self,
        kind: Kind,
        text: String,
        known: impl Iterator<Item = &'k str> + Clone,
    ) -> Error {
        let label = match nearest(self.key, known.clone()) {
            Some(near) => format!("did you mean {near}?"),
            None => String::new(),
        };
        let error = self.key_error(kind, text, &label);
        error.why(format!("known are: {}", known.collect::<Vec<_>>().join(", ")))
    }

    fn error(&self, kind: Kind, text: impl Into<String>, at: Range<usize>, label: &str) -> Error {
        Error::new(kind, text).at(self.whole, at, label).hint_topic(self.topic, "")
    }
}

/// Bytes up to the comma that ends the first piece.
fn length(text: &str) -> usize {
    let mut is_escaped = false;
    let mut is_pattern = false;
    let pattern = text.find("=/").map(|at| at + 1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_pattern => is_escaped = true,
            b'/' if is_pattern => is_pattern = false,
            b'/' if pattern == Some(at) => is_pattern = true,
            b',' if !is_pattern => return at,
            _ => {}
        }
    }
    text.len()
}
