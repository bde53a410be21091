//! A box as one session of POP3 sees it: the letters that lay there at its login, by numbers that do not shift.

use std::sync::Arc;

use crate::service::mail::office::BoxClaim;
use crate::store::{BoxView, StoredLetter};

pub(super) struct Pop3Box<'a> {
    claim: BoxClaim<'a>,
    validity: u32,
    /// The letters, and whether each is to be deleted.
    letters: Vec<(Arc<StoredLetter>, bool)>,
}

type Said = Result<String, String>;

impl<'a> Pop3Box<'a> {
    pub(super) fn open(claim: BoxClaim<'a>, view: BoxView) -> Self {
        let letters = view.letters.into_iter().map(|letter| (letter, false)).collect();
        Pop3Box { claim, validity: view.validity, letters }
    }

    pub(super) fn name(&self) -> &str {
        &self.claim.name
    }

    /// How many letters there are, and how many bytes they have.
    pub(super) fn stat(&self) -> String {
        let left = self.letters.iter().filter(|(_, is_deleted)| !is_deleted);
        let (count, bytes) =
            left.fold((0_u64, 0), |(count, bytes), (letter, _)| (count + 1, bytes + letter.size));
        format!("{count} {bytes}")
    }

    /// The letter of this number, where it is not to be deleted.
    pub(super) fn letter(&self, number: usize) -> Result<&Arc<StoredLetter>, String> {
        match number.checked_sub(1).and_then(|at| self.letters.get(at)) {
            Some((letter, false)) => Ok(letter),
            Some(_) => Err("that letter is deleted".to_owned()),
            None => Err(format!("there are {} letters", self.letters.len())),
        }
    }

    pub(super) fn delete(&mut self, number: usize) -> Said {
        self.letter(number)?;
        self.letters[number - 1].1 = true;
        Ok(format!("letter {number} goes with QUIT"))
    }

    /// No letter is to be deleted any more.
    pub(super) fn reset(&mut self) -> String {
        self.letters.iter_mut().for_each(|(_, is_deleted)| *is_deleted = false);
        self.stat()
    }

    pub(super) fn list(&self, number: usize) -> Said {
        self.letter(number).map(|letter| format!("{number} {}", letter.size))
    }

    pub(super) fn uidl(&self, number: usize) -> Said {
        self.letter(number).map(|letter| format!("{number} {}", self.unique(letter)))
    }

    pub(super) fn lists(&self) -> String {
        self.lines(|letter| letter.size.to_string())
    }

    pub(super) fn uidls(&self) -> String {
        self.lines(|letter| self.unique(letter))
    }

    /// All that lay there at the login.
    pub(super) fn letters(&self) -> impl Iterator<Item = &StoredLetter> {
        self.letters.iter().map(|(letter, _)| &**letter)
    }

    /// The numbers in the store of the letters that are to be deleted.
    pub(super) fn deleted(&self) -> Vec<u32> {
        let deleted = self.letters.iter().filter(|(_, is_deleted)| *is_deleted);
        deleted.map(|(letter, _)| letter.uid).collect()
    }

    fn lines(&self, what: impl Fn(&StoredLetter) -> String) -> String {
        let numbered = (1..).zip(&self.letters).filter(|(_, (_, is_deleted))| !is_deleted);
        let lines: Vec<_> =
            numbered.map(|(number, (letter, _))| format!("{number} {}", what(letter))).collect();
        lines.join("\r\n")
    }

    /// A name that no other letter of the box ever has (RFC 1939 section 7).
    fn unique(&self, letter: &StoredLetter) -> String {
        format!("{:x}.{}", self.validity, letter.uid)
    }
}
