//! What IMAP calls the envelope of a letter (RFC 3501 section 7.4.2): fields of its head, as they are.

use super::address::EnvelopeAddress;
use super::field::{fields, unfold};

/// The fields, each as the first of its name has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `Date`.
    pub date: Option<Vec<u8>>,
    /// `Subject`, not decoded.
    pub subject: Option<Vec<u8>>,
    /// `From`.
    pub from: Vec<EnvelopeAddress>,
    /// `Sender`; who is in `From` where there is none.
    pub sender: Vec<EnvelopeAddress>,
    /// `Reply-To`; who is in `From` where there is none.
    pub reply_to: Vec<EnvelopeAddress>,
    /// `To`, and so on.
    pub to: Vec<EnvelopeAddress>,
    /// `Cc`.
    pub cc: Vec<EnvelopeAddress>,
    /// `Bcc`.
    pub bcc: Vec<EnvelopeAddress>,
    /// `In-Reply-To`.
    pub in_reply_to: Option<Vec<u8>>,
    /// `Message-ID`.
    pub message_id: Option<Vec<u8>>,
}

impl Envelope {
    /// Reads a head.
    pub fn of(head: &[u8]) -> Self {
        let text = |name: &str| {
            let is_it = |found: &[u8]| found.eq_ignore_ascii_case(name.as_bytes());
            fields(head).find(|field| is_it(field.name)).map(|field| unfold(field.value))
        };
        let list = |name| text(name).map(|value| EnvelopeAddress::list(&value)).unwrap_or_default();
        let from = list("from");
        let or_from =
            |list: Vec<EnvelopeAddress>| if list.is_empty() { from.clone() } else { list };
        Envelope {
            date: text("date"),
            subject: text("subject"),
            sender: or_from(list("sender")),
            reply_to: or_from(list("reply-to")),
            to: list("to"),
            cc: list("cc"),
            bcc: list("bcc"),
            in_reply_to: text("in-reply-to"),
            message_id: text("message-id"),
            from,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_is_who_it_is_from_where_nobody_else_is_named() {
        let head =
            b"Subject: =?x?=\r\n a\r\nFROM: a@b\r\nsubject: other\r\nReply-To:\r\nBcc: c@d\r\n\r\n";
        let envelope = Envelope::of(head);
        assert_eq!(envelope.subject.as_deref(), Some(&b"=?x?= a"[..]));
        assert_eq!((&envelope.sender, &envelope.reply_to), (&envelope.from, &envelope.from));
        assert_eq!((envelope.from.len(), envelope.bcc.len(), envelope.to.len()), (1, 1, 0));
        assert_eq!((envelope.date, envelope.message_id), (None, None));
    }
}
