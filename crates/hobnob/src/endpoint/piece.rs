//! A part of the typed text that knows where it stands, so that any error can point at it.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Kind};

/// Where something stands in the text that a person typed. It never takes part in a comparison: two things
/// that mean the same are equal wherever they stand.
#[derive(Debug, Clone)]
pub struct Typed {
    text: Arc<str>,
    at: Range<usize>,
}

impl Typed {
    /// The whole text: of the endpoint, or of the `-O` that brought it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place in that text, in bytes.
    pub fn range(&self) -> Range<usize> {
        self.at.clone()
    }

    /// The same error with a caret under this place.
    pub fn mark(&self, error: Error, label: impl Into<String>) -> Error {
        error.at(&self.text, self.range(), label)
    }
}

impl PartialEq for Typed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Typed {}

/// A part of the text while it is read. Its borders are always character boundaries, because they come
/// from searches in the text alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    whole: &'a Arc<str>,
    start: usize,
    end: usize,
}

impl<'a> Piece<'a> {
    pub(super) fn of(whole: &'a Arc<str>) -> Self {
        Piece { whole, start: 0, end: whole.len() }
    }

    pub(super) fn str(self) -> &'a str {
        &self.whole[self.start..self.end]
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// From this byte of the piece on.
    pub(super) fn from(self, offset: usize) -> Self {
        Piece { start: self.start + offset, ..self }
    }

    /// Up to this byte of the piece.
    pub(super) fn until(self, offset: usize) -> Self {
        Piece { end: self.start + offset, ..self }
    }

    /// The place behind the piece, where something is missing.
    pub(super) fn behind(self) -> Self {
        Piece { start: self.end, ..self }
    }

    /// Before the first of these characters, and from it on; all and nothing if there is none.
    pub(super) fn cut(self, at: &[char]) -> (Self, Self) {
        let offset = self.str().find(at).unwrap_or(self.str().len());
        (self.until(offset), self.from(offset))
    }

    /// Before and after the first such character.
    pub(super) fn split_once(self, at: char) -> Option<(Self, Self)> {
        let offset = self.str().find(at)?;
        Some((self.until(offset), self.from(offset + at.len_utf8())))
    }

    pub(super) fn split(self, at: char) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let piece = rest?;
            let (head, tail) = piece.split_once(at).map_or((piece, None), |(h, t)| (h, Some(t)));
            rest = tail;
            Some(head)
        })
    }

    pub(super) fn trim_start(self) -> Self {
        Piece { start: self.end - self.str().trim_start().len(), ..self }
    }

    pub(super) fn trim(self) -> Self {
        let kept = self.trim_start();
        kept.until(kept.str().trim_end().len())
    }

    /// The first character for which this holds.
    pub(super) fn find(self, is_wanted: impl Fn(char) -> bool) -> Option<Self> {
        let (offset, found) = self.str().char_indices().find(|(_, c)| is_wanted(*c))?;
        Some(self.from(offset).until(found.len_utf8()))
    }

    /// The whole text with something else in the place of this piece.
    pub(super) fn replaced(self, with: &str) -> String {
        format!("{}{with}{}", &self.whole[..self.start], &self.whole[self.end..])
    }

    /// From the beginning of this piece to the end of that one.
    pub(super) fn through(self, last: Self) -> Self {
        Piece { end: last.end, ..self }
    }

    pub(super) fn typed(self) -> Typed {
        Typed { text: Arc::clone(self.whole), at: self.start..self.end }
    }

    /// The error of an address that cannot be read; the label says what is wrong with this piece.
    pub(super) fn bad(self, label: impl Into<String>) -> Error {
        self.wrong(Kind::BadAddress, "I do not understand this address", label)
    }

    /// An error of any kind that points at this piece.
    pub(super) fn wrong(
        self,
        kind: Kind,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Error {
        self.typed().mark(Error::new(kind, message), label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_place() {
        let text = Arc::from("a+bc, d ");
        let all = Piece::of(&text);
        let (stack, rest) = all.cut(&[',']);
        let words: Vec<_> = stack.split('+').map(|word| word.typed().range()).collect();
        assert_eq!(words, [0..1, 2..4]);
        assert_eq!(rest.from(1).trim().typed().range(), 6..7);
        assert_eq!(stack.replaced("x"), "x, d ");
        assert!(stack.behind().is_empty());
    }

    #[test]
    fn places_do_not_make_a_difference() {
        let (a, b) = (Arc::from("a"), Arc::from("bbb"));
        assert_eq!(Piece::of(&a).typed(), Piece::of(&b).typed());
    }
}
