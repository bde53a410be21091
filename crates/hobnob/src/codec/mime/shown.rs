//! What people see of a letter: texts decoded (RFC 2047).

use mail_parser::MessageParser;

/// The subject of a head, decoded and on one line; empty where there is none.
pub fn shown_subject(head: &[u8]) -> String {
    let letter = MessageParser::default().parse_headers(head);
    let subject = letter.as_ref().and_then(|letter| letter.subject()).unwrap_or_default();
    subject.split_whitespace().collect::<Vec<_>>().join(" ")
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
}
