//! What a sender of mail may do wrong: the table, which the server finds by and everybody tells from.

/// One row: what can be found.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name, in kebab-case.
    pub slug: &'static str,
    /// Where it is written down.
    pub source: &'static str,
    /// In plain words.
    pub text: &'static str,
    /// The enhanced status where it is refused (`--strict`); empty where a rule allows it, and it is only worth knowing.
    pub status: &'static str,
}

impl Finding {
    /// Whether it breaks a rule.
    pub fn is_wrong(&self) -> bool {
        !self.status.is_empty()
    }
}

const fn row(
    slug: &'static str,
    source: &'static str,
    status: &'static str,
    text: &'static str,
) -> Finding {
    Finding { slug, source, text, status }
}

pub(crate) static BARE_LF: Finding =
    row("bare-lf", "RFC 5321 2.3.8", "5.6.11", "a line of the letter ends in LF without CR");
pub(crate) static BARE_CR: Finding =
    row("bare-cr", "RFC 5321 2.3.8", "5.6.11", "a CR stands in the letter without its LF");
pub(crate) static NUL: Finding = row("nul", "RFC 5322 3.5", "5.6.11", "a NUL stands in the letter");
pub(crate) static LONG_LINE: Finding =
    row("long-line", "RFC 5321 4.5.3.1.6", "5.6.0", "a line of the letter has over 1,000 bytes");
pub(crate) static DOT_NOT_STUFFED: Finding = row(
    "dot-not-stuffed",
    "RFC 5321 4.5.2",
    "5.6.0",
    "a line began with one dot, which was taken away: the sender has to double it",
);
pub(crate) static NOT_ANNOUNCED_8BIT: Finding = row(
    "8bit-not-announced",
    "RFC 6152 3",
    "5.6.3",
    "the letter is not ASCII alone, and MAIL did not say BODY=8BITMIME",
);
pub(crate) static SIZE_DIFFERS: Finding =
    row("size-differs", "RFC 1870 6.1", "5.6.0", "the letter is longer than its SIZE= said");
pub(crate) static EARLY_TALKER: Finding =
    row("early-talker", "RFC 5321 4.3.1", "5.5.0", "the client spoke before it was greeted");
pub(crate) static TOO_EARLY: Finding = row(
    "pipelined-too-early",
    "RFC 2920 3.1",
    "5.5.0",
    "something was sent behind a command whose answer has to be waited for",
);
pub(crate) static WROTE_BEHIND_STARTTLS: Finding = row(
    "wrote-behind-starttls",
    "RFC 3207 4.2",
    "5.5.0",
    "something was sent in clear text behind STARTTLS, and was not read",
);

pub(crate) static UTF8_NOT_ANNOUNCED: Finding = row(
    "utf8-not-announced",
    "RFC 6531 3.6",
    "5.6.7",
    "a header is not ASCII alone, and MAIL did not say SMTPUTF8",
);
pub(crate) static NO_DATE: Finding =
    row("no-date", "RFC 5322 3.6", "5.6.0", "there is no Date header");
pub(crate) static NO_FROM: Finding =
    row("no-from", "RFC 5322 3.6", "5.6.0", "there is no From header");
pub(crate) static NO_MESSAGE_ID: Finding =
    row("no-message-id", "RFC 5322 3.6.4", "", "there is no Message-ID header");
pub(crate) static TWO_FROM: Finding =
    row("two-from", "RFC 5322 3.6", "5.6.0", "there are several From headers");
pub(crate) static TWICE: Finding = row(
    "header-twice",
    "RFC 5322 3.6",
    "5.6.0",
    "a header is there twice that may be there once: Date, Subject, To, Cc, Sender, Reply-To or Message-ID",
);
pub(crate) static BCC_IN_HEADER: Finding = row(
    "bcc-in-header",
    "RFC 5322 3.6.3",
    "",
    "a Bcc header was sent along: whoever gets the letter sees it",
);
pub(crate) static FROM_DIFFERS: Finding = row(
    "from-differs",
    "RFC 7489 3.1",
    "",
    "the From header has another domain than MAIL FROM, which DMARC looks at",
);
pub(crate) static BROKEN_BOUNDARY: Finding = row(
    "broken-boundary",
    "RFC 2046 5.1.1",
    "5.6.0",
    "a multipart names no boundary, or its boundary does not come, or does not end its parts",
);
pub(crate) static CHARSET_LIES: Finding = row(
    "charset-lies",
    "RFC 2046 4.1.2",
    "5.6.0",
    "a text is not in the charset that its Content-Type names",
);
pub(crate) static TEXT_PART_MISSING: Finding =
    row("text-part-missing", "RFC 2046 5.1.4", "", "it is HTML alone: who reads text sees nothing");
pub(crate) static QUIT_MISSING: Finding =
    row("quit-missing", "RFC 5321 4.1.1.10", "", "the client went without QUIT");

/// Every row.
static TABLE: &[&Finding] = &[
    &BARE_LF,
    &BARE_CR,
    &NUL,
    &LONG_LINE,
    &DOT_NOT_STUFFED,
    &NOT_ANNOUNCED_8BIT,
    &SIZE_DIFFERS,
    &EARLY_TALKER,
    &TOO_EARLY,
    &WROTE_BEHIND_STARTTLS,
    &UTF8_NOT_ANNOUNCED,
    &NO_DATE,
    &NO_FROM,
    &NO_MESSAGE_ID,
    &TWO_FROM,
    &TWICE,
    &BCC_IN_HEADER,
    &FROM_DIFFERS,
    &BROKEN_BOUNDARY,
    &CHARSET_LIES,
    &TEXT_PART_MISSING,
    &QUIT_MISSING,
];

/// The row of this slug, which stands beside a letter that was kept; none: there is no such finding.
///
/// ```
/// let found = hobnob::codec::findings::named("no-date").expect("there is such a finding");
/// assert_eq!((found.text, found.source), ("there is no Date header", "RFC 5322 3.6"));
/// ```
pub fn named(slug: &str) -> Option<&'static Finding> {
    TABLE.iter().find(|finding| finding.slug == slug).copied()
}
