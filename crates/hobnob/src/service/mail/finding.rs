//! What a sender did wrong, while its bytes stay as they are.

#[cfg(feature = "http")]
pub(super) use crate::codec::findings::named;
pub(super) use crate::codec::findings::{
    BARE_CR, BARE_LF, BCC_IN_HEADER, BROKEN_BOUNDARY, CHARSET_LIES, DOT_NOT_STUFFED, EARLY_TALKER,
    FROM_DIFFERS, Finding, LONG_LINE, NO_DATE, NO_FROM, NO_MESSAGE_ID, NOT_ANNOUNCED_8BIT, NUL,
    QUIT_MISSING, SIZE_DIFFERS, TEXT_PART_MISSING, TOO_EARLY, TWICE, TWO_FROM, UTF8_NOT_ANNOUNCED,
    WROTE_BEHIND_STARTTLS,
};
use crate::codec::mime::{EnvelopeAddress, MimePart, PartBody, fields, unfold};
use crate::codec::smtp::TextNotes;
use crate::event::MailFinding;

impl Finding {
    /// The same, as it is told.
    pub(super) fn told(&self) -> MailFinding {
        let is_wrong = self.is_wrong();
        MailFinding { slug: self.slug, source: self.source, text: self.text, is_wrong }
    }
}

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

/// What a letter's headers and parts say. `from` is who sends, as MAIL said.
pub(super) fn of_letter(
    letter: &MimePart,
    is_utf8: bool,
    from: Option<&str>,
) -> impl Iterator<Item = &'static Finding> {
    let head = &*letter.text;
    let values = |name: &str| -> Vec<Vec<u8>> {
        let of_it = fields(head).filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        of_it.map(|field| unfold(field.value)).collect()
    };
    let count = |name: &str| values(name).len();
    let once = ["date", "subject", "to", "cc", "sender", "reply-to", "message-id"];
    let senders: Vec<_> =
        values("from").iter().flat_map(|value| EnvelopeAddress::list(value)).collect();
    let parts = letter.all();
    [
        (!head.is_ascii() && !is_utf8, &UTF8_NOT_ANNOUNCED),
        (count("date") == 0, &NO_DATE),
        (count("from") == 0, &NO_FROM),
        (count("message-id") == 0, &NO_MESSAGE_ID),
        (count("from") > 1, &TWO_FROM),
        (once.iter().any(|name| count(name) > 1), &TWICE),
        (values("bcc").iter().any(|value| !value.is_empty()), &BCC_IN_HEADER),
        (differs(from, &senders), &FROM_DIFFERS),
        (parts.iter().any(|part| is_broken(part)), &BROKEN_BOUNDARY),
        (parts.iter().any(|part| lies(part)), &CHARSET_LIES),
        (is_html_alone(letter), &TEXT_PART_MISSING),
    ]
    .into_iter()
    .filter_map(|(is_so, finding)| is_so.then_some(finding))
}

/// Whether nobody of those in From is of the domain of who sends. A letter of nobody's (`<>`) differs from none.
fn differs(from: Option<&str>, senders: &[EnvelopeAddress]) -> bool {
    let domain = from.and_then(|from| from.rsplit_once('@')).map(|(_, domain)| domain.as_bytes());
    let Some(domain) = domain else { return false };
    let hosts = senders.iter().filter_map(|sender| sender.host.as_deref());
    let mut hosts = hosts.filter(|host| !host.is_empty()).peekable();
    hosts.peek().is_some() && !hosts.any(|host| host.eq_ignore_ascii_case(domain))
}

/// Whether it says that it has parts, and they cannot be told apart or have no end.
fn is_broken(part: &MimePart) -> bool {
    let is_multipart =
        part.kind.as_ref().is_some_and(|kind| kind.kind.eq_ignore_ascii_case(b"multipart"));
    is_multipart && (part.inside == PartBody::Bytes || !part.is_closed)
}

/// Whether it is text that is not in its charset. What is encoded is not looked at.
fn lies(part: &MimePart) -> bool {
    let is_encoded = part.encoding.as_ref().is_some_and(|encoding| {
        let is = |word: &str| encoding.eq_ignore_ascii_case(word.as_bytes());
        is("base64") || is("quoted-printable")
    });
    let text = |kind: &str| kind.eq_ignore_ascii_case("text");
    let (is_text, charset) = match &part.kind {
        None => (true, None),
        Some(kind) => (text(&String::from_utf8_lossy(&kind.kind)), kind.parameter("charset")),
    };
    if !is_text || is_encoded || part.inside != PartBody::Bytes {
        return false;
    }
    match charset.map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"us-ascii" | b"ascii") => part.has_8bit,
        Some(b"utf-8" | b"utf8") => !part.is_utf8,
        Some(_) => false,
    }
}

/// Whether it is HTML, or a choice in which no plain text is.
fn is_html_alone(letter: &MimePart) -> bool {
    let is = |part: &MimePart, subtype: &str| {
        part.kind.as_ref().is_some_and(|kind| kind.is("text", subtype))
    };
    let is_choice = letter.kind.as_ref().is_some_and(|kind| kind.is("multipart", "alternative"));
    match &letter.inside {
        PartBody::Parts(parts) if is_choice => {
            parts.iter().any(|part| is(part, "html")) && !parts.iter().any(|part| is(part, "plain"))
        }
        PartBody::Parts(_) | PartBody::Letter(_) => false,
        PartBody::Bytes => is(letter, "html"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::mime::MimeReader;

    fn found(letter: &str, from: Option<&str>) -> Vec<&'static str> {
        let mut reader = MimeReader::default();
        reader.push(letter.as_bytes());
        of_letter(&reader.finish(), false, from).map(|finding| finding.slug).collect()
    }

    #[test]
    fn a_good_letter_has_no_findings_and_each_mistake_has_its_own() {
        let good = "Date: x\r\nFrom: a <app@test>\r\nMessage-ID: <1@x>\r\n";
        let with = |more: &str| format!("{good}{more}");
        for (letter, slugs) in [
            (with("\r\nhi\r\n"), &[][..]),
            ("\r\nhi\r\n".to_owned(), &["no-date", "no-from", "no-message-id"]),
            (with("Subject: \u{e9}\r\n\r\n"), &["utf8-not-announced"]),
            (with("From: b@test\r\n\r\n"), &["two-from"]),
            (with("DATE: y\r\n\r\n"), &["header-twice"]),
            (with("Bcc: x@y\r\n\r\n"), &["bcc-in-header"]),
            (with("Bcc:\r\n\r\n"), &[]),
            (with("Content-Type: multipart/mixed\r\n\r\nhi\r\n"), &["broken-boundary"]),
            (
                with("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n"),
                &["broken-boundary"],
            ),
            (
                with("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b--\r\n"),
                &[],
            ),
            (with("\r\n\u{e9}\r\n"), &["charset-lies"]),
            (with("Content-Type: text/plain; charset=UTF-8\r\n\r\n\u{e9}\r\n"), &[]),
            (with("Content-Type: image/png\r\n\r\n\u{e9}\r\n"), &[]),
            (with("Content-Type: text/html\r\n\r\n<p>\r\n"), &["text-part-missing"]),
            (
                with(
                    "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--\r\n",
                ),
                &["text-part-missing"],
            ),
        ] {
            assert_eq!(found(&letter, Some("app@TEST")), slugs, "{letter}");
        }
        assert_eq!(found(&with("\r\n"), Some("app@other.test")), ["from-differs"]);
        assert_eq!(found(&with("\r\n"), None), [""; 0]);
    }
}
