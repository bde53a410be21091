//! What a sender did wrong, while its bytes stay as they are.

use crate::codec::smtp::TextNotes;

/// One row: what can be found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Its name, in kebab-case.
    pub(super) slug: &'static str,
    /// Where it is written down.
    pub(super) source: &'static str,
    /// In plain words.
    pub(super) text: &'static str,
    /// The enhanced status where it is refused (`--strict`).
    pub(super) status: &'static str,
}

const fn row(
    slug: &'static str,
    source: &'static str,
    status: &'static str,
    text: &'static str,
) -> Finding {
    Finding { slug, source, text, status }
}

pub(super) static BARE_LF: Finding =
    row("bare-lf", "RFC 5321 2.3.8", "5.6.11", "a line of the letter ends in LF without CR");
pub(super) static BARE_CR: Finding =
    row("bare-cr", "RFC 5321 2.3.8", "5.6.11", "a CR stands in the letter without its LF");
pub(super) static NUL: Finding = row("nul", "RFC 5322 3.5", "5.6.11", "a NUL stands in the letter");
pub(super) static LONG_LINE: Finding =
    row("long-line", "RFC 5321 4.5.3.1.6", "5.6.0", "a line of the letter has over 1,000 bytes");
pub(super) static DOT_NOT_STUFFED: Finding = row(
    "dot-not-stuffed",
    "RFC 5321 4.5.2",
    "5.6.0",
    "a line began with one dot, which was taken away: the sender has to double it",
);
pub(super) static NOT_ANNOUNCED_8BIT: Finding = row(
    "8bit-not-announced",
    "RFC 6152 3",
    "5.6.3",
    "the letter is not ASCII alone, and MAIL did not say BODY=8BITMIME",
);
pub(super) static SIZE_DIFFERS: Finding =
    row("size-differs", "RFC 1870 6.1", "5.6.0", "the letter is longer than its SIZE= said");
pub(super) static EARLY_TALKER: Finding =
    row("early-talker", "RFC 5321 4.3.1", "5.5.0", "the client spoke before it was greeted");
pub(super) static TOO_EARLY: Finding = row(
    "pipelined-too-early",
    "RFC 2920 3.1",
    "5.5.0",
    "something was sent behind a command whose answer has to be waited for",
);
pub(super) static WROTE_BEHIND_STARTTLS: Finding = row(
    "wrote-behind-starttls",
    "RFC 3207 4.2",
    "5.5.0",
    "something was sent in clear text behind STARTTLS, and was not read",
);

/// What a letter's bytes say, where its sender announced them so.
pub(super) fn of_text(
    notes: &TextNotes,
    is_8bit: bool,
    announced: Option<u64>,
) -> impl Iterator<Item = &'static Finding> {
    [
        (notes.bare_lf > 0, &BARE_LF),
        (notes.bare_cr > 0, &BARE_CR),
        (notes.has_nul, &NUL),
        (notes.long_lines > 0, &LONG_LINE),
        (notes.not_stuffed > 0, &DOT_NOT_STUFFED),
        (notes.has_8bit && !is_8bit, &NOT_ANNOUNCED_8BIT),
        (announced.is_some_and(|size| notes.bytes > size), &SIZE_DIFFERS),
    ]
    .into_iter()
    .filter_map(|(is_so, finding)| is_so.then_some(finding))
}
