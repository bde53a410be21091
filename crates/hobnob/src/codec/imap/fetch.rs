//! What FETCH asks for.

use super::MAX_NESTING;
use super::scan::{ImapScan, Read, Wrong};
use crate::codec::mime::PartPlace;

/// Items of a FETCH at most.
const MAX_ITEMS: usize = 100;

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// `UID`.
    Uid,
    /// `FLAGS`.
    Flags,
    /// `INTERNALDATE`.
    InternalDate,
    /// `RFC822.SIZE`.
    Size,
    /// `ENVELOPE`.
    Envelope,
    /// `BODYSTRUCTURE`, or `BODY` without what is in it beside (false).
    Structure {
        /// Whether extension data belong to it.
        is_extended: bool,
    },
    /// `BODY[...]`, and the older words for parts of it.
    Section {
        /// The name that is answered, up to the partial range: `BODY[1.2.TEXT]`, `RFC822.HEADER`.
        name: String,
        /// Which part, by numbers from 1; empty: the letter.
        path: Vec<u32>,
        /// What of it.
        text: SectionText,
        /// From which byte on, and how many at most: `<0.100>`.
        partial: Option<(u32, u32)>,
        /// Whether the letter stays unseen.
        is_peek: bool,
    },
}

/// What of a part is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText {
    /// A stretch of it.
    Place(PartPlace),
    /// Of its head the fields of these names (true), or all others.
    Fields(Vec<String>, bool),
}

/// The items: one, a list of them, or a word for several.
pub(super) fn items(scan: &mut ImapScan<'_>) -> Read<Vec<FetchItem>> {
    let structure = FetchItem::Structure { is_extended: false };
    let fast = || vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
    for (word, more) in [("ALL", 1), ("FAST", 0), ("FULL", 2)] {
        let is_whole = scan.rest().len() == word.len();
        if is_whole && scan.eat_word(word) {
            let with = [FetchItem::Envelope, structure];
            return Ok(fast().into_iter().chain(with.into_iter().take(more)).collect());
        }
    }
    if scan.peek() != Some(b'(') {
        return item(scan).map(|item| vec![item]);
    }
    let mut count = 0;
    scan.list(false, |scan| {
        count += 1;
        if count > MAX_ITEMS { scan.wrong("that is too much at once") } else { item(scan) }
    })
}

fn item(scan: &mut ImapScan<'_>) -> Read<FetchItem> {
    let at = scan.at;
    for (word, is_peek) in [("BODY.PEEK[", true), ("BODY[", false)] {
        if scan.eat_word(word) {
            return section(scan, is_peek);
        }
    }
    let word = scan.atom()?.to_ascii_uppercase();
    let older = |text, is_peek| FetchItem::Section {
        name: word.clone(),
        path: Vec::new(),
        text: SectionText::Place(text),
        partial: None,
        is_peek,
    };
    Ok(match word.as_str() {
        "UID" => FetchItem::Uid,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822.SIZE" => FetchItem::Size,
        "ENVELOPE" => FetchItem::Envelope,
        "BODYSTRUCTURE" => FetchItem::Structure { is_extended: true },
        "BODY" => FetchItem::Structure { is_extended: false },
        "RFC822" => older(PartPlace::All, false),
        "RFC822.HEADER" => older(PartPlace::Header, true),
        "RFC822.TEXT" => older(PartPlace::Text, false),
        _ => return Err(Wrong { what: "there is nothing of that name to fetch", at }),
    })
}

/// What stands behind `BODY[`.
fn section(scan: &mut ImapScan<'_>, is_peek: bool) -> Read<FetchItem> {
    let from = scan.at;
    let mut path = Vec::new();
    while scan.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        let number = scan.number()?;
        if number == 0 || path.len() >= 4 * MAX_NESTING {
            return scan.wrong("parts have numbers from 1");
        }
        path.push(number);
        if !scan.eat(b'.') {
            break;
        }
        if scan.peek() == Some(b']') {
            return scan.wrong("a number, HEADER, TEXT or MIME belongs here");
        }
    }
    let text = if scan.peek() == Some(b']') {
        SectionText::Place(PartPlace::All)
    } else {
        word(scan, &path)?
    };
    let name = String::from_utf8_lossy(&scan.text[from..scan.at]).to_ascii_uppercase();
    scan.expect(b']', "] belongs here")?;
    let partial = if scan.eat(b'<') { Some(partial(scan)?) } else { None };
    Ok(FetchItem::Section { name: format!("BODY[{name}]"), path, text, partial, is_peek })
}

fn word(scan: &mut ImapScan<'_>, path: &[u32]) -> Read<SectionText> {
    if scan.eat_word("HEADER.FIELDS") {
        let is_these = !scan.eat_word(".NOT");
        scan.space()?;
        let names = scan.list(false, ImapScan::text)?;
        return Ok(SectionText::Fields(names, is_these));
    }
    let words =
        [("HEADER", PartPlace::Header), ("TEXT", PartPlace::Text), ("MIME", PartPlace::Mime)];
    let known = words.into_iter().find(|(word, _)| scan.eat_word(word));
    match known {
        Some((_, place)) if place != PartPlace::Mime || !path.is_empty() => {
            Ok(SectionText::Place(place))
        }
        _ => scan.wrong("HEADER, TEXT or MIME belongs here"),
    }
}

fn partial(scan: &mut ImapScan<'_>) -> Read<(u32, u32)> {
    let from = scan.number()?;
    scan.expect(b'.', "a dot belongs here, as in <0.100>")?;
    let count = scan.number()?;
    if count == 0 {
        return scan.wrong("at least one byte is to be fetched");
    }
    scan.expect(b'>', "> belongs here")?;
    Ok((from, count))
}
