//! What stands behind the question mark, and the words of a search.

use std::fmt::Write as _;

use super::summary::LetterSummary;

/// Words of a search at most; what is beyond is not looked for.
const MAX_TERMS: usize = 32;

/// The value of a key in a query, decoded; the first where there are several.
pub(super) fn value(query: Option<&str>, key: &str) -> Option<String> {
    let pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.into_iter().find(|(own, _)| decode(own) == key)?;
    Some(decode(value))
}

/// A number in a query; the default where there is none that can be read.
pub(super) fn number(query: Option<&str>, key: &str, default: usize) -> usize {
    value(query, key).and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        let hex = |digit: &u8| char::from(*digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match (byte, after) {
            (b'%', [high, low, after @ ..]) => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text as a URL or an extended parameter (RFC 8187) has it.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}"); // a String takes all
        }
    }
    out
}

/// A search, as mailpit has them: words that all have to be there, some of them in a place: `from:a to:"b c" -is:read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebSearch {
    terms: Vec<SearchTerm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SearchTerm {
    place: SearchPlace,
    /// What is looked for, in small letters.
    text: String,
    is_negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SearchPlace {
    Anywhere,
    From,
    To,
    Cc,
    Bcc,
    ReplyTo,
    Addressed,
    Subject,
    MessageId,
    Is,
    Has,
    /// Letters have no tags here, as they have none in mailpit before somebody tags them.
    Tag,
    Before,
    After,
}

const PLACES: [(&str, SearchPlace); 13] = [
    ("from:", SearchPlace::From),
    ("to:", SearchPlace::To),
    ("cc:", SearchPlace::Cc),
    ("bcc:", SearchPlace::Bcc),
    ("reply-to:", SearchPlace::ReplyTo),
    ("addressed:", SearchPlace::Addressed),
    ("subject:", SearchPlace::Subject),
    ("message-id:", SearchPlace::MessageId),
    ("is:", SearchPlace::Is),
    ("has:", SearchPlace::Has),
    ("tag:", SearchPlace::Tag),
    ("before:", SearchPlace::Before),
    ("after:", SearchPlace::After),
];

impl WebSearch {
    /// Reads a search. One without words finds everything.
    pub(super) fn read(text: &str) -> Self {
        let mut terms = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() && terms.len() < MAX_TERMS {
            let (word, after) = first_word(rest);
            rest = after.trim_start();
            let word = word.to_lowercase();
            let bare = word.strip_prefix(['-', '!']).filter(|bare| !bare.is_empty());
            let (word, is_negated) = (bare.unwrap_or(&word), bare.is_some());
            let placed =
                PLACES.iter().find_map(|(name, place)| Some((word.strip_prefix(name)?, *place)));
            let (text, place) = placed.unwrap_or((word, SearchPlace::Anywhere));
            let text = text.replace('"', "");
            if !text.is_empty() {
                terms.push(SearchTerm { place, text, is_negated });
            }
        }
        WebSearch { terms }
    }

    /// Whether a letter's whole text has to be known.
    pub(super) fn wants_text(&self) -> bool {
        self.terms.iter().any(|term| term.place == SearchPlace::Anywhere)
    }

    /// Whether a letter is found. `text` is its text in small letters.
    pub(super) fn finds(&self, letter: &Searched<'_>) -> bool {
        self.terms.iter().all(|term| term.is_in(letter) != term.is_negated)
    }
}

/// What a search looks at.
#[derive(Clone, Copy)]
pub(super) struct Searched<'l> {
    pub(super) summary: &'l LetterSummary,
    pub(super) is_read: bool,
    /// When it came, in seconds since 1970.
    pub(super) received: u64,
    /// Its text in small letters.
    pub(super) text: &'l str,
}

/// A word, up to a space outside quotation marks, and what is behind it.
fn first_word(text: &str) -> (&str, &str) {
    let mut is_quoted = false;
    let is_end = |c: char| {
        is_quoted ^= c == '"';
        c.is_whitespace() && !is_quoted
    };
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

impl SearchTerm {
    fn is_in(&self, searched: &Searched<'_>) -> bool {
        let Searched { summary: letter, is_read, received, text } = *searched;
        let head = &letter.head;
        let has = |text: &str| text.to_lowercase().contains(&self.text);
        let names = |list: &[crate::codec::mime::ShownAddress]| {
            list.iter().any(|one| has(&one.name) || has(&one.address))
        };
        let from = || names(std::slice::from_ref(&head.from));
        let to_anybody = || names(&head.to) || names(&head.cc) || names(&letter.bcc);
        match self.place {
            SearchPlace::From => from(),
            SearchPlace::To => names(&head.to),
            SearchPlace::Cc => names(&head.cc),
            SearchPlace::Bcc => names(&letter.bcc),
            SearchPlace::ReplyTo => names(&head.reply_to),
            SearchPlace::Addressed => from() || to_anybody() || names(&head.reply_to),
            SearchPlace::Subject => has(&letter.subject),
            SearchPlace::MessageId => has(&head.message_id),
            SearchPlace::Is => match &*self.text {
                "read" => is_read,
                "unread" => !is_read,
                _ => false,
            },
            SearchPlace::Has => {
                matches!(&*self.text, "attachment" | "attachments") && letter.attachments > 0
            }
            SearchPlace::Tag => false,
            SearchPlace::Before => moment(&self.text).is_some_and(|moment| received < moment),
            SearchPlace::After => moment(&self.text).is_some_and(|moment| received > moment),
            SearchPlace::Anywhere => {
                has(&letter.subject) || from() || to_anybody() || text.contains(&self.text)
            }
        }
    }
}

/// The moment that a date says, in seconds since 1970: `2026-11-26`, its midnight in UTC; `2026-11-26T10:00:00Z`, with the
/// `t` and `z` in small letters too, and `2026/11/26`. None where it says none.
fn moment(text: &str) -> Option<u64> {
    let date = text.replace('/', "-").replace(' ', "t").to_uppercase();
    let has_zone =
        date.get(10..).is_some_and(|time| time.ends_with('Z') || time.contains(['+', '-']));
    let whole = match date.len() {
        10 => format!("{date}T00:00:00Z"),
        16 => format!("{date}:00Z"),
        _ if has_zone => date,
        _ => format!("{date}Z"),
    };
    let read =
        mail_parser::DateTime::parse_rfc3339(&whole).filter(mail_parser::DateTime::is_valid)?;
    u64::try_from(read.to_timestamp()).ok()
}

/// The text of a letter, as a search looks at it.
pub(super) fn searched(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::mime::{ShownAddress, ShownHead};

    #[test]
    fn a_query_is_decoded() {
        let query = Some("a=1&q=%E4%BD%A0+b%&q=2&c");
        assert_eq!(value(query, "q").as_deref(), Some("\u{4f60} b%"));
        assert_eq!(value(query, "c").as_deref(), Some(""));
        assert_eq!((value(query, "d"), value(None, "a")), (None, None));
        assert_eq!((number(query, "a", 7), number(query, "q", 7)), (1, 7));
        assert_eq!(encode("a \u{4f60}\"/"), "a%20%E4%BD%A0%22%2F");
    }

    #[test]
    fn a_search_finds_what_all_its_words_are_in() {
        let one = |name: &str, address: &str| ShownAddress {
            name: name.to_owned(),
            address: address.to_owned(),
        };
        let letter = LetterSummary {
            head: ShownHead {
                from: one("App", "app@test"),
                to: vec![one("\u{674e}\u{96f7}", "li@test")],
                message_id: "1@x".to_owned(),
                ..ShownHead::default()
            },
            bcc: vec![one("", "boss@test")],
            subject: "Reset your password".to_owned(),
            attachments: 1,
            ..LetterSummary::default()
        };
        for (search, is_found) in [
            ("", true),
            ("reset", true),
            ("RESET password", true),
            ("reset nothing", false),
            ("from:app", true),
            ("from:li", false),
            ("to:\u{674e}\u{96f7}", true),
            ("to:li@test subject:\"your password\"", true),
            ("subject:\"password your\"", false),
            ("\"your password\"", true),
            ("-from:app", false),
            ("!from:li", true),
            ("bcc:boss addressed:boss", true),
            ("message-id:1@x", true),
            ("is:read", false),
            ("is:unread has:attachment", true),
            ("has:nothing", false),
            ("tag:reset", false),
            ("-tag:reset", true),
            ("before:2026-11-27 after:2026-11-26", true),
            ("before:2026-11-26", false),
            ("after:2026-11-26T09:59:59Z", true),
            ("after:2026/11/27", false),
            ("before:\"2026-11-26 10:00:01\"", true),
            ("before:\"2026-11-26 10:00\"", false),
            ("after:2026-11-26T10:30:00+01:00", true),
            ("before:soon", false),
            ("after:\u{4f60}\u{4f60}\u{4f60}\u{4f60}x", false),
            ("hello world", true),
            ("\"world hello\"", false),
        ] {
            let search_read = WebSearch::read(search);
            let searched = Searched {
                summary: &letter,
                is_read: false,
                received: 1_795_687_200, // 2026-11-26T10:00:00Z
                text: "hello world",
            };
            assert_eq!(search_read.finds(&searched), is_found, "{search}");
        }
    }
}
