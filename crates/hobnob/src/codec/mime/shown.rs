//! What a list says of a letter, and what programs ask of one: who writes to whom, its text, what it carries.

use std::fmt;

use mail_parser::DateTime;

use super::address::EnvelopeAddress;
use super::decode::decode_words;
use super::envelope::Envelope;
use super::field::without_brackets;
use super::letter_view::{LetterView, PartView, field_of};

/// The subject of a head, decoded and on one line; empty where there is none.
pub fn shown_subject(head: &[u8]) -> String {
    let subject = field_of(head, "subject").unwrap_or_default();
    subject.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Who writes to whom, and when: as headers say it, which may not be true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownHead {
    /// Who writes; the first where there are several.
    pub from: ShownAddress,
    /// `To`.
    pub to: Vec<ShownAddress>,
    /// `Cc`.
    pub cc: Vec<ShownAddress>,
    /// `Bcc`, which should not be there.
    pub bcc: Vec<ShownAddress>,
    /// `Reply-To`.
    pub reply_to: Vec<ShownAddress>,
    /// `Message-ID`, without its brackets.
    pub message_id: String,
    /// `Date`, in the words of RFC 3339; none where there is none that can be read.
    pub date: Option<String>,
}

/// A name and an address; either may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownAddress {
    /// The name, decoded.
    pub name: String,
    /// The address.
    pub address: String,
}

impl fmt::Display for ShownAddress {
    /// `Li Lei <li@test>`, or the address alone where it has no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return f.write_str(&self.address);
        }
        write!(f, "{} <{}>", self.name, self.address)
    }
}

/// A letter, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownLetter {
    /// What its headers say.
    pub head: ShownHead,
    /// Its subject, on one line.
    pub subject: String,
    /// Its text; of one that is HTML alone, that without its tags.
    pub text: String,
    /// Its HTML, where it has some.
    pub html: Option<String>,
    /// The addresses of web pages that it names, each once, in their order.
    pub links: Vec<String>,
    /// What it carries.
    pub attachments: Vec<Attachment>,
}

/// A part that a letter carries beside its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its file name, where it says one.
    pub name: Option<String>,
    /// Its type: `image/png`.
    pub kind: String,
    /// `Content-ID`, by which its HTML may name it, without brackets.
    pub id: Option<String>,
    /// Whether it is to be shown among the text.
    pub is_inline: bool,
    /// Its bytes, decoded.
    pub bytes: Vec<u8>,
}

impl ShownHead {
    /// Reads a head.
    pub fn of(head: &[u8]) -> Self {
        let envelope = Envelope::of(head);
        let has_reply_to = field_of(head, "reply-to").is_some_and(|list| !list.trim().is_empty());
        let reply_to = if has_reply_to { shown_addresses(&envelope.reply_to) } else { Vec::new() };
        let message_id = envelope.message_id.unwrap_or_default();
        let date = envelope.date.map(|date| String::from_utf8_lossy(&date).into_owned());
        let date = date.and_then(|date| DateTime::parse_rfc822(&date));
        ShownHead {
            from: shown_addresses(&envelope.from).into_iter().next().unwrap_or_default(),
            to: shown_addresses(&envelope.to),
            cc: shown_addresses(&envelope.cc),
            bcc: shown_addresses(&envelope.bcc),
            reply_to,
            message_id: without_brackets(&String::from_utf8_lossy(&message_id)),
            date: date.filter(DateTime::is_valid).map(|date| date.to_rfc3339()),
        }
    }
}

impl ShownLetter {
    /// What is seen of a letter. Whatever it is, something can be seen of it.
    pub fn of(view: &LetterView) -> Self {
        ShownLetter {
            head: ShownHead::of(view.head()),
            subject: shown_subject(view.head()),
            text: view.text().unwrap_or_default(),
            html: view.html(),
            links: view.links(),
            attachments: view.files().map(|part| attachment(view, part)).collect(),
        }
    }

    /// The first number of exactly so many digits in its text that is part of no longer word: a code to be typed.
    pub fn code(&self, digits: usize) -> Option<&str> {
        let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let is_code =
            |word: &&str| word.len() == digits && word.bytes().all(|byte| byte.is_ascii_digit());
        self.text.split(|c| !is_of_word(c)).find(is_code)
    }
}

/// The addresses of a list, those of its groups among them, but not the names of the groups.
fn shown_addresses(list: &[EnvelopeAddress]) -> Vec<ShownAddress> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown = |one: &EnvelopeAddress| {
        let (mailbox, host) = (one.mailbox.as_deref()?, one.host.as_deref()?);
        let name = one.name.as_deref().map(decode_words).unwrap_or_default();
        let at = if host.is_empty() { "" } else { "@" };
        let address = format!("{}{at}{}", text(mailbox), text(host));
        Some(ShownAddress { name, address }).filter(|one| *one != ShownAddress::default())
    };
    list.iter().filter_map(shown).collect()
}

fn attachment(view: &LetterView, part: &PartView) -> Attachment {
    Attachment {
        name: part.name.clone(),
        kind: part.kind.clone(),
        id: part.id.clone(),
        is_inline: part.is_inline,
        bytes: view.part_bytes(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(letter: &[u8]) -> ShownLetter {
        ShownLetter::of(&LetterView::read(letter.to_vec()))
    }

    #[test]
    fn a_subject_is_decoded_whatever_it_is_written_in() {
        for (head, subject) in [
            ("Subject: hi\r\n\r\n", "hi"),
            (
                "From: a@b\r\nsubject: =?utf-8?B?5L2g5aW9?=\r\n =?utf-8?Q?_x=21?=\r\n\r\n",
                "\u{4f60}\u{597d} x!",
            ),
            ("Subject: =?gb2312?B?xOO6ww==?=\r\n\r\n", "\u{4f60}\u{597d}"),
            ("Subject: a\r\n\tb\r\n\r\n", "a b"),
            ("From: a@b\r\n\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(shown_subject(head.as_bytes()), subject, "{head:?}");
        }
    }

    #[test]
    fn text_html_and_what_a_letter_carries_are_decoded() {
        let letter = "Subject: all\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
            --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
            --a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            5L2g5aW9IDEyMzQ1NiBodHRwOi8vYS50ZXN0L3g/YT0xJmI9Mi4=\r\n\
            --a\r\nContent-Type: text/html\r\n\r\n<a href=\"http://a.test/x?a=1&amp;b=2\">x</a> (https://b.test)\r\n--a--\r\n\
            --m\r\nContent-Type: image/PNG\r\nContent-Disposition: attachment; filename=map.png\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--m--\r\n";
        let shown = read(letter.as_bytes());
        assert_eq!(shown.text.trim_end(), "\u{4f60}\u{597d} 123456 http://a.test/x?a=1&b=2.");
        assert!(shown.html.as_ref().is_some_and(|html| html.contains("<a href")));
        assert_eq!(shown.links, ["http://a.test/x?a=1&b=2", "https://b.test"]);
        assert_eq!((shown.code(6), shown.code(5)), (Some("123456"), None));
        let [map] = &shown.attachments[..] else { panic!("{:?}", shown.attachments) };
        assert_eq!(
            (map.name.as_deref(), &*map.kind, &*map.bytes),
            (Some("map.png"), "image/png", &[0, 1, 2][..])
        );
    }

    #[test]
    fn who_writes_to_whom_is_decoded() {
        let letter = "From: =?utf-8?B?5p2O6Zu3?= <li@test>, b@test\r\nTo: a@test, \"B, C\" <b@test>\r\n\
            Cc: team: x@test, y@test;\r\nDate: Thu, 26 Nov 2026 10:00:00 +0800\r\nMessage-ID: <1@test>\r\n\r\nhi";
        let head = read(letter.as_bytes()).head;
        let one = |name: &str, address: &str| ShownAddress {
            name: name.to_owned(),
            address: address.to_owned(),
        };
        assert_eq!(head.from, one("\u{674e}\u{96f7}", "li@test"));
        assert_eq!(head.to, [one("", "a@test"), one("B, C", "b@test")]);
        assert_eq!(head.cc, [one("", "x@test"), one("", "y@test")]);
        assert_eq!(head.date.as_deref(), Some("2026-11-26T10:00:00+08:00"));
        assert_eq!((&*head.message_id, head.bcc.len()), ("1@test", 0));
    }

    #[test]
    fn a_letter_of_html_alone_has_a_text_and_one_of_nothing_has_none() {
        let shown = read(b"Content-Type: text/html\r\n\r\n<p>Your code: <b>4711</b></p>");
        assert_eq!(shown.code(4), Some("4711"), "{:?}", shown.text);
        assert_eq!(read(b"").text, "");
    }
}
