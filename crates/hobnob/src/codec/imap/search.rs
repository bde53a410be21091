//! What SEARCH looks for.

use super::MAX_NESTING;
use super::scan::{ImapScan, Read, Wrong};
use super::set::SequenceSet;

/// Keys of a search at most, all its nested ones together.
const MAX_KEYS: usize = 1_000;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// `ALL`.
    All,
    /// All of these.
    And(Vec<SearchKey>),
    /// One of the two.
    Or(Box<(SearchKey, SearchKey)>),
    /// Not this.
    Not(Box<SearchKey>),
    /// Numbers in the box.
    Numbers(SequenceSet),
    /// Numbers that last.
    Uids(SequenceSet),
    /// This flag is set (true) or not: `\Seen`, a keyword, `\Recent`.
    Flag(String, bool),
    /// Came before that day.
    Before(SearchDate),
    /// Came on that day.
    On(SearchDate),
    /// Came on that day or later.
    Since(SearchDate),
    /// `Date` is before that day.
    SentBefore(SearchDate),
    /// `Date` is that day.
    SentOn(SearchDate),
    /// `Date` is that day or later.
    SentSince(SearchDate),
    /// Has more bytes.
    Larger(u32),
    /// Has fewer bytes.
    Smaller(u32),
    /// A field of this name holds this text; an empty one: there is such a field.
    Header(String, Vec<u8>),
    /// The body holds this text.
    Body(Vec<u8>),
    /// The head or the body does.
    Text(Vec<u8>),
}

/// A day, without time and zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SearchDate {
    /// The year, month from 1, and day from 1.
    pub day: (u16, u8, u8),
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

impl SearchDate {
    /// `5-Nov-2026`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_start().split('-');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        let is_number =
            |text: &str, most| text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
        let is_one =
            parts.next().is_none() && is_number(day, 2) && is_number(year, 4) && year.len() == 4;
        let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name))?;
        let day = day.parse().ok().filter(|day| (1..=31).contains(day) && is_one)?;
        Some(SearchDate { day: (year.parse().ok()?, u8::try_from(month).ok()? + 1, day) })
    }
}

/// The keys up to the end of the command, of which all have to hold.
pub(super) fn keys(scan: &mut ImapScan<'_>) -> Read<SearchKey> {
    let mut count = 0;
    let mut all = vec![key(scan, 0, &mut count)?];
    while scan.eat(b' ') {
        all.push(key(scan, 0, &mut count)?);
    }
    Ok(if all.len() == 1 { all.remove(0) } else { SearchKey::And(all) })
}

fn key(scan: &mut ImapScan<'_>, depth: usize, count: &mut usize) -> Read<SearchKey> {
    *count += 1;
    if depth >= MAX_NESTING || *count > MAX_KEYS {
        return scan.wrong("the search is too deep or too long");
    }
    match scan.peek() {
        Some(b'(') => {
            return scan.list(false, |scan| key(scan, depth + 1, count)).map(SearchKey::And);
        }
        Some(b'0'..=b'9' | b'*') => return scan.set().map(SearchKey::Numbers),
        _ => {}
    }
    let at = scan.at;
    let word = scan.atom()?.to_ascii_uppercase();
    if let Some(flag) = flag(&word) {
        return Ok(flag);
    }
    if !WITH_ARGUMENT.contains(&word.as_str()) {
        return Err(Wrong { what: "there is no such key of a search", at });
    }
    scan.space()?;
    let header = |name: &str, text| SearchKey::Header(name.to_owned(), text);
    Ok(match word.as_str() {
        "NOT" => SearchKey::Not(Box::new(key(scan, depth + 1, count)?)),
        "OR" => {
            let first = key(scan, depth + 1, count)?;
            scan.space()?;
            SearchKey::Or(Box::new((first, key(scan, depth + 1, count)?)))
        }
        "UID" => SearchKey::Uids(scan.set()?),
        "KEYWORD" => SearchKey::Flag(scan.atom()?, true),
        "UNKEYWORD" => SearchKey::Flag(scan.atom()?, false),
        "BEFORE" => SearchKey::Before(date(scan)?),
        "ON" => SearchKey::On(date(scan)?),
        "SINCE" => SearchKey::Since(date(scan)?),
        "SENTBEFORE" => SearchKey::SentBefore(date(scan)?),
        "SENTON" => SearchKey::SentOn(date(scan)?),
        "SENTSINCE" => SearchKey::SentSince(date(scan)?),
        "LARGER" => SearchKey::Larger(scan.number()?),
        "SMALLER" => SearchKey::Smaller(scan.number()?),
        "FROM" | "TO" | "CC" | "BCC" | "SUBJECT" => header(&word, scan.astring()?),
        "HEADER" => {
            let name = scan.text()?;
            scan.space()?;
            header(&name, scan.astring()?)
        }
        "BODY" => SearchKey::Body(scan.astring()?),
        _ => SearchKey::Text(scan.astring()?),
    })
}

/// The keys behind which something stands.
const WITH_ARGUMENT: [&str; 21] = [
    "NOT",
    "OR",
    "UID",
    "KEYWORD",
    "UNKEYWORD",
    "BEFORE",
    "ON",
    "SINCE",
    "SENTBEFORE",
    "SENTON",
    "SENTSINCE",
    "LARGER",
    "SMALLER",
    "FROM",
    "TO",
    "CC",
    "BCC",
    "SUBJECT",
    "HEADER",
    "BODY",
    "TEXT",
];

fn flag(word: &str) -> Option<SearchKey> {
    let flag = |name: &str, is_set| SearchKey::Flag(name.to_owned(), is_set);
    Some(match word {
        "ALL" => SearchKey::All,
        "ANSWERED" => flag("\\Answered", true),
        "DELETED" => flag("\\Deleted", true),
        "DRAFT" => flag("\\Draft", true),
        "FLAGGED" => flag("\\Flagged", true),
        "SEEN" => flag("\\Seen", true),
        "RECENT" => flag("\\Recent", true),
        "UNANSWERED" => flag("\\Answered", false),
        "UNDELETED" => flag("\\Deleted", false),
        "UNDRAFT" => flag("\\Draft", false),
        "UNFLAGGED" => flag("\\Flagged", false),
        "UNSEEN" => flag("\\Seen", false),
        "OLD" => flag("\\Recent", false),
        "NEW" => SearchKey::And(vec![flag("\\Recent", true), flag("\\Seen", false)]),
        _ => return None,
    })
}

fn date(scan: &mut ImapScan<'_>) -> Read<SearchDate> {
    let at = scan.at;
    let text = scan.text()?;
    SearchDate::parse(&text).ok_or(Wrong { what: "a day belongs here, as in 5-Nov-2026", at })
}
