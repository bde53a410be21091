//! A letter on its way: what its envelope says, and what was answered to each of its commands.

use crate::codec::smtp::stuffing::announced_size;
use crate::codec::smtp::{Mailbox, SmtpAnswer};

/// Who sends to whom, and what is to be said of the letter beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpEnvelope {
    /// Who sends; none: nobody, as with bounces.
    pub from: Option<Mailbox>,
    /// Whom it is for, at least one.
    pub to: Vec<Mailbox>,
    /// Bytes of the letter where each line ends with CR LF.
    pub size: u64,
    /// Whether a byte of it is not ASCII.
    pub has_8bit: bool,
    /// Whether a byte of its head is not.
    pub has_8bit_head: bool,
}

impl SmtpEnvelope {
    /// The envelope of a letter.
    pub fn of(from: Option<Mailbox>, to: Vec<Mailbox>, letter: &[u8]) -> Self {
        let head = head_of(letter);
        SmtpEnvelope {
            from,
            to,
            size: announced_size(letter),
            has_8bit: !letter.is_ascii(),
            has_8bit_head: !head.is_ascii(),
        }
    }

    pub(super) fn sender(&self) -> String {
        self.from.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Whether an address of it is not ASCII (RFC 6531).
    pub fn needs_utf8(&self) -> bool {
        !self.from.iter().chain(&self.to).all(Mailbox::is_ascii)
    }
}

/// The head of a letter, up to its empty line.
fn head_of(letter: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(letter, b"\n\r\n").or(memchr::memmem::find(letter, b"\n\n"));
    &letter[..end.unwrap_or(letter.len())]
}

/// What became of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpOutcome {
    /// How many will get it.
    pub taken: usize,
    /// Who will not, and what was answered.
    pub refused: Vec<(String, SmtpAnswer)>,
    /// The answer that counts: the server has the letter, or what was refused and how.
    pub answer: Result<SmtpAnswer, (&'static str, SmtpAnswer)>,
}

/// A letter that is under way.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of the letter")]
pub(super) struct SmtpPassage {
    pub(super) envelope: SmtpEnvelope,
    /// Whether all its commands leave at once.
    pub(super) is_piped: bool,
    /// Whether its text has left, or is leaving.
    pub(super) has_left: bool,
    pub(super) refusal: Option<(&'static str, SmtpAnswer)>,
    answers: Vec<Option<SmtpAnswer>>,
    /// Whether the server has taken MAIL.
    has_begun: bool,
    kept: Option<SmtpAnswer>,
    has_answered_text: bool,
}

impl SmtpPassage {
    pub(super) fn new(envelope: SmtpEnvelope, is_piped: bool) -> Self {
        SmtpPassage {
            answers: vec![None; envelope.to.len()],
            envelope,
            is_piped,
            has_left: false,
            refusal: None,
            has_begun: false,
            kept: None,
            has_answered_text: false,
        }
    }

    pub(super) fn rcpt(&self, at: usize) -> String {
        self.envelope.to.get(at).map(|to| format!("RCPT TO:<{to}>")).unwrap_or_default()
    }

    /// What was refused first is what counts.
    pub(super) fn refuse(&mut self, what: &'static str, answer: SmtpAnswer) {
        self.refusal.get_or_insert((what, answer));
    }

    pub(super) fn mail(&mut self, answer: SmtpAnswer) {
        if answer.is_ok() {
            self.has_begun = true;
        } else {
            self.refuse("the sender", answer);
        }
    }

    pub(super) fn recipient(&mut self, at: usize, answer: SmtpAnswer) {
        if let Some(place) = self.answers.get_mut(at) {
            *place = Some(answer.clone());
        }
        let is_last = at + 1 == self.answers.len();
        if is_last && self.taken() == 0 {
            self.refuse("everybody", answer);
        }
    }

    pub(super) fn text(&mut self, answer: SmtpAnswer) {
        self.has_answered_text = true;
        if answer.is_ok() && self.is_wanted() {
            self.kept = Some(answer);
        } else {
            self.refuse("the letter", answer);
        }
    }

    /// How many of the recipients were taken.
    pub(super) fn taken(&self) -> usize {
        self.answers.iter().flatten().filter(|answer| answer.is_ok()).count()
    }

    /// Whether the letter is to leave once the server asks for it.
    pub(super) fn is_wanted(&self) -> bool {
        self.refusal.is_none() && self.taken() > 0
    }

    /// Whether the server still has something of it that is not a letter.
    pub(super) fn is_open(&self) -> bool {
        self.has_begun && !self.has_answered_text
    }

    pub(super) fn outcome(self) -> SmtpOutcome {
        let answer = match (self.refusal, self.kept) {
            (None, Some(kept)) => Ok(kept),
            (Some(refusal), _) => Err(refusal),
            // The caller finishes a letter with one of the two.
            (None, None) => Err(("the letter", SmtpAnswer { code: 0, lines: Vec::new() })),
        };
        let to = self.envelope.to.iter().map(ToString::to_string);
        let refused = to
            .zip(&self.answers)
            .filter_map(|(to, answer)| Some((to, answer.clone()?)))
            .filter(|(_, answer)| !answer.is_ok());
        let refused = refused.collect();
        let taken = if answer.is_ok() {
            self.answers.iter().flatten().filter(|answer| answer.is_ok()).count()
        } else {
            0
        };
        SmtpOutcome { taken, refused, answer }
    }
}
