//! The parts of a letter, and where each lies.

use std::ops::Range;

use super::field::ContentType;

/// A letter, or a part of one. Places are in bytes of the whole letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MimePart {
    /// Its head, with the empty line behind it.
    pub head: Range<u64>,
    /// Its body.
    pub body: Range<u64>,
    /// Line ends in its body.
    pub lines: u64,
    /// `Content-Type`; none where there is none that can be read.
    pub kind: Option<ContentType>,
    /// `Content-Disposition`.
    pub disposition: Option<ContentType>,
    /// `Content-Transfer-Encoding`.
    pub encoding: Option<Vec<u8>>,
    /// `Content-ID`.
    pub id: Option<Vec<u8>>,
    /// `Content-Description`.
    pub description: Option<Vec<u8>>,
    /// `Content-MD5`.
    pub md5: Option<Vec<u8>>,
    /// `Content-Language`.
    pub language: Option<Vec<u8>>,
    /// `Content-Location`.
    pub location: Option<Vec<u8>>,
    /// The bytes of its head, where it is a letter and not a part of one; cut where they are too many.
    pub text: Vec<u8>,
    /// Whether a byte of its body is not ASCII.
    pub has_8bit: bool,
    /// Whether its body is UTF-8 as it stands.
    pub is_utf8: bool,
    /// Whether the line came that ends its parts, where it has some.
    pub is_closed: bool,
    /// What is in its body.
    pub inside: PartBody,
}

/// What is in the body of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartBody {
    /// Bytes.
    Bytes,
    /// Parts: `multipart/...`, at least one.
    Parts(Vec<MimePart>),
    /// A letter: `message/rfc822`.
    Letter(Box<MimePart>),
}

/// What is wanted of a part, as IMAP has it (RFC 3501 section 6.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartPlace {
    /// The body of the part; of the whole letter, all of it.
    All,
    /// `HEADER`: the head of the letter that it is or holds.
    Header,
    /// `TEXT`: the body of that letter.
    Text,
    /// `MIME`: the head of the part itself.
    Mime,
}

impl MimePart {
    /// It and all parts within it, letters that it holds among them.
    pub fn all(&self) -> Vec<&MimePart> {
        let (mut all, mut next) = (vec![self], 0);
        while let Some(part) = all.get(next).copied() {
            next += 1;
            match &part.inside {
                PartBody::Bytes => {}
                PartBody::Parts(parts) => all.extend(parts),
                PartBody::Letter(letter) => all.push(letter),
            }
        }
        all
    }

    /// Where something of a part lies; none where there is no such part. `path` numbers parts from 1; an empty one is the
    /// letter itself.
    pub fn place(&self, path: &[u32], what: PartPlace) -> Option<Range<u64>> {
        if path.is_empty() {
            return match what {
                PartPlace::All => Some(self.head.start..self.body.end),
                PartPlace::Header | PartPlace::Mime => Some(self.head.clone()),
                PartPlace::Text => Some(self.body.clone()),
            };
        }
        let part = self.find(path)?;
        match what {
            PartPlace::All => Some(part.body.clone()),
            PartPlace::Mime => Some(part.head.clone()),
            PartPlace::Header | PartPlace::Text => {
                let PartBody::Letter(letter) = &part.inside else { return None };
                let is_head = what == PartPlace::Header;
                Some(if is_head { letter.head.clone() } else { letter.body.clone() })
            }
        }
    }

    /// The letter whose head is asked for: this one, or the one that the part holds.
    pub fn letter(&self, path: &[u32]) -> Option<&MimePart> {
        if path.is_empty() {
            return Some(self);
        }
        match &self.find(path)?.inside {
            PartBody::Letter(letter) => Some(letter),
            _ => None,
        }
    }

    /// The part of this path, which is not empty. A letter that has no parts is its own part 1, whatever it is.
    fn find(&self, path: &[u32]) -> Option<&MimePart> {
        let (first, rest) = path.split_first()?;
        let at = usize::try_from(*first).ok()?.checked_sub(1)?;
        let part = match &self.inside {
            PartBody::Parts(parts) => parts.get(at)?,
            _ if at == 0 => self,
            _ => return None,
        };
        part.beneath(rest)
    }

    /// The part of this path below this part.
    fn beneath(&self, path: &[u32]) -> Option<&MimePart> {
        if path.is_empty() {
            return Some(self);
        }
        match &self.inside {
            PartBody::Parts(_) => self.find(path),
            PartBody::Letter(letter) => letter.find(path),
            PartBody::Bytes => None,
        }
    }
}
