//! What people see of a letter: texts decoded, links, codes (RFC 2047, RFC 2045).

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders as _};

/// The subject of a head, decoded and on one line; empty where there is none.
pub fn shown_subject(head: &[u8]) -> String {
    MessageParser::default().parse_headers(head).as_ref().map(subject).unwrap_or_default()
}

/// The value of a field, with its encoded words read.
pub fn shown_words(value: &[u8]) -> String {
    shown_subject(&[b"Subject: ", value, b"\r\n\r\n"].concat())
}

/// A letter, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownLetter {
    /// Its subject, on one line.
    pub subject: String,
    /// Its text; of one that is HTML alone, that without its tags.
    pub text: String,
    /// Its HTML, where it has some.
    pub html: Option<String>,
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
    /// Its bytes, decoded.
    pub bytes: Vec<u8>,
}

impl ShownLetter {
    /// Reads a whole letter. Whatever it is, something can be seen of it.
    pub fn read(letter: &[u8]) -> Self {
        let Some(message) = MessageParser::default().parse(letter) else {
            return ShownLetter::default();
        };
        let has_html = message
            .html_body
            .iter()
            .any(|part| message.parts.get(*part as usize).is_some_and(MessagePart::is_text_html));
        let html = has_html.then(|| message.body_html(0)).flatten();
        ShownLetter {
            subject: subject(&message),
            text: message.body_text(0).unwrap_or_default().into_owned(),
            html: html.map(std::borrow::Cow::into_owned),
            attachments: message.attachments().map(attachment).collect(),
        }
    }

    /// The addresses of web pages that it names, each once, in their order.
    pub fn links(&self) -> Vec<String> {
        let mut links: Vec<String> = Vec::new();
        let html = self.html.as_deref().unwrap_or_default();
        for text in [html, &self.text] {
            for link in links_in(text) {
                if !links.contains(&link) {
                    links.push(link);
                }
            }
        }
        links
    }

    /// The first number of exactly so many digits in its text that is part of no longer word: a code to be typed.
    pub fn code(&self, digits: usize) -> Option<&str> {
        let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let is_code =
            |word: &&str| word.len() == digits && word.bytes().all(|byte| byte.is_ascii_digit());
        self.text.split(|c| !is_of_word(c)).find(is_code)
    }
}

fn subject(message: &Message<'_>) -> String {
    let subject = message.subject().unwrap_or_default();
    subject.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn attachment(part: &MessagePart<'_>) -> Attachment {
    let kind = part.content_type().map_or_else(
        || "application/octet-stream".to_owned(),
        |kind| match kind.subtype() {
            Some(subtype) => format!("{}/{subtype}", kind.ctype()).to_lowercase(),
            None => kind.ctype().to_lowercase(),
        },
    );
    let name = part.attachment_name().map(str::to_owned);
    Attachment { name, kind, bytes: part.contents().to_vec() }
}

/// `https://...` up to what no address has, without what ends a sentence.
fn links_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = ["http://", "https://"].iter().filter_map(|begin| rest.find(begin)).min()?;
            rest = &rest[at..];
            let is_end =
                |c: char| c.is_whitespace() || c.is_control() || "<>\"'`{}|\\^".contains(c);
            let length = rest.find(is_end).unwrap_or(rest.len());
            let (link, after) = rest.split_at(length);
            rest = after;
            let link = link.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
            if link.ends_with("://") {
                continue;
            }
            return Some(link.replace("&amp;", "&"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let shown = ShownLetter::read(letter.as_bytes());
        assert_eq!(shown.text.trim_end(), "\u{4f60}\u{597d} 123456 http://a.test/x?a=1&b=2.");
        assert!(shown.html.as_ref().is_some_and(|html| html.contains("<a href")));
        assert_eq!(shown.links(), ["http://a.test/x?a=1&b=2", "https://b.test"]);
        assert_eq!((shown.code(6), shown.code(5)), (Some("123456"), None));
        let [map] = &shown.attachments[..] else { panic!("{:?}", shown.attachments) };
        assert_eq!(
            (map.name.as_deref(), &*map.kind, &*map.bytes),
            (Some("map.png"), "image/png", &[0, 1, 2][..])
        );
    }

    #[test]
    fn a_letter_of_html_alone_has_a_text_and_one_of_nothing_has_none() {
        let shown =
            ShownLetter::read(b"Content-Type: text/html\r\n\r\n<p>Your code: <b>4711</b></p>");
        assert_eq!(shown.code(4), Some("4711"), "{:?}", shown.text);
        assert_eq!(ShownLetter::read(b"").text, "");
    }
}
