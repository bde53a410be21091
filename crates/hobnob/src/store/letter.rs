//! Letters that are kept, as a reader sees them.

use std::sync::Arc;

use super::name::{self, LetterFlags};

/// A letter in a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLetter {
    /// Its number in the box, which no other letter ever has.
    pub uid: u32,
    /// Bytes of its file.
    pub size: u64,
    /// When it was kept, in seconds since 1970.
    pub received: u64,
    /// Its flags.
    pub flags: LetterFlags,
    /// Whether nobody has looked at the box since it came.
    pub is_new: bool,
    /// The name of its file, flags and all.
    pub(super) file: String,
}

impl StoredLetter {
    /// Its name, which stays as long as the letter does.
    pub fn name(&self) -> &str {
        base(&self.file)
    }

    /// The number by which the store knows the letter, in whatever boxes it lies; none for one that somebody else put in.
    pub fn serial(&self) -> Option<u64> {
        name::serial(self.name())
    }

    /// Where its file lies, below the folder of its box.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", if self.is_new { "new" } else { "cur" }, self.file)
    }
}

/// The name of a file without its flags.
pub(super) fn base(file: &str) -> &str {
    file.split_once(':').map_or(file, |(base, _)| base)
}

/// A box at one moment.
#[derive(Debug, Clone, Default)]
pub struct BoxView {
    /// `UIDVALIDITY` (RFC 3501 section 2.3.1.1): where it is another one, all numbers are. 0: there is no such box yet.
    pub validity: u32,
    /// The number that the next letter gets, at least.
    pub next: u32,
    /// The letters, by rising number.
    pub letters: Vec<Arc<StoredLetter>>,
}

impl BoxView {
    /// The letter of this number.
    pub fn find(&self, uid: u32) -> Option<&Arc<StoredLetter>> {
        let at = self.letters.binary_search_by_key(&uid, |letter| letter.uid).ok()?;
        self.letters.get(at)
    }
}

/// Where a letter was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptIn {
    /// The box.
    pub name: String,
    /// Its number there.
    pub uid: u32,
    /// The number by which the store knows the letter; none for one that somebody else put in.
    pub serial: Option<u64>,
}

/// What became of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    /// The number by which the store knows it.
    pub serial: u64,
    /// Bytes of it.
    pub size: u64,
    /// The name of its file, below the folder of each box.
    pub file: String,
    /// The boxes that it lies in.
    pub boxes: Vec<KeptIn>,
    /// Older letters that had to go, as only the newest are kept.
    pub dropped: Vec<KeptIn>,
}
