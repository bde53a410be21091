//! Flags by their names.

use crate::store::LetterFlags;

/// The flags that every box has (RFC 3501 section 2.3.2).
pub(super) const SYSTEM: [(&str, LetterFlags); 5] = [
    ("\\Answered", LetterFlags::ANSWERED),
    ("\\Flagged", LetterFlags::FLAGGED),
    ("\\Deleted", LetterFlags::DELETED),
    ("\\Seen", LetterFlags::SEEN),
    ("\\Draft", LetterFlags::DRAFT),
];

/// The flag of a name. `keywords` are the names of the others, each by its place.
pub(super) fn find(name: &str, keywords: &[String]) -> Option<LetterFlags> {
    let is_it = |known: &str| known.eq_ignore_ascii_case(name);
    let system = SYSTEM.iter().find(|(known, _)| is_it(known)).map(|(_, flag)| *flag);
    system.or_else(|| {
        let at = keywords.iter().position(|known| is_it(known))?;
        u8::try_from(at).ok().filter(|at| *at < 26).map(LetterFlags::keyword)
    })
}

/// The names of flags, in brackets. A keyword that has no name here is passed over.
pub(super) fn words(flags: LetterFlags, is_recent: bool, keywords: &[String]) -> String {
    let mut names: Vec<&str> = Vec::new();
    names.extend(SYSTEM.iter().filter(|(_, flag)| flags.has(*flag)).map(|(name, _)| *name));
    names.extend(is_recent.then_some("\\Recent"));
    let keyword = |(at, name)| flags.has(LetterFlags::keyword(at)).then_some(name);
    names.extend((0..26).zip(keywords.iter().map(String::as_str)).filter_map(keyword));
    format!("({})", names.join(" "))
}
