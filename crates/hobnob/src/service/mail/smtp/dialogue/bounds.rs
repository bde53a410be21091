//! Where a client says more than anybody wants to hear.

use super::{MAX_ERRORS, SmtpDialogue, SmtpStep, too_large};
use crate::codec::smtp::SmtpReply;

impl SmtpDialogue<'_> {
    /// Bytes of a letter. What a letter may not have is passed over until it ends, up to a bound.
    pub(super) fn text<'a>(&mut self, text: &'a [u8]) -> Option<SmtpStep<'a>> {
        let most = self.rules.size;
        let transaction = self.transaction.as_mut()?;
        if transaction.take(text, most) {
            return Some(SmtpStep::Text(text));
        }
        let is_endless = transaction.bytes() > at_all(most);
        is_endless.then(|| self.cut_letter())
    }

    /// A letter that is too large by far ends the conversation: there may be no end of it.
    fn cut_letter(&mut self) -> SmtpStep<'static> {
        self.limit = Some("mail-size");
        self.refused = self.transaction.take().map(Box::new);
        self.close(too_large(self.rules.size))
    }

    /// Answers a letter once bytes of it that nobody wants have come, or at once where they are too many.
    pub(super) fn waste(&mut self, size: u64, refusal: SmtpReply) -> Option<SmtpStep<'static>> {
        self.reset();
        if size > at_all(self.rules.size) {
            self.limit = Some("mail-size");
            return Some(self.close(too_large(self.rules.size)));
        }
        self.reader.expect_waste(size);
        self.behind_waste = Some(refusal);
        None
    }

    /// The limit that has ended the conversation, and why.
    pub(in crate::service::mail::smtp) fn limit(&self) -> Option<(&'static str, &'static str)> {
        let why = |limit| match limit {
            "mail-size" => "a letter that is too large by far",
            _ => "a line without an end",
        };
        let erred = (self.errors >= MAX_ERRORS).then_some(("mail-errors", "too many mistakes"));
        self.limit.map(|limit| (limit, why(limit))).or(erred)
    }
}

/// Bytes that come at all of a letter that may have so many: whoever sends more does not wait for an answer.
const fn at_all(most: u64) -> u64 {
    most.saturating_mul(2).saturating_add(1 << 20)
}
