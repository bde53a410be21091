//! A letter that was caught.

use std::fmt;
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use crate::codec::mime::{Attachment, LetterView, ShownLetter, fields, unfold};
use crate::error::{Error, Kind, Result};
use crate::event::{MailFinding, Mailed};
use crate::store::MailStore;

/// A letter. It is read when something of it is asked for.
#[derive(Clone)]
pub struct CaughtLetter {
    told: Arc<Mailed>,
    envelope: MailEnvelope,
    store: Arc<MailStore>,
    read: Arc<OnceLock<(LetterView, ShownLetter)>>,
}

/// Who sends, and whom it is for, as MAIL and RCPT said. What stands in the headers may be something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailEnvelope {
    /// Who sends; empty: nobody (`<>`).
    pub from: String,
    /// Whom it is for, those in no header among them.
    pub to: Vec<String>,
}

impl CaughtLetter {
    pub(super) fn of(told: Mailed, store: Arc<MailStore>) -> Self {
        let envelope = MailEnvelope { from: told.from.clone(), to: told.to.clone() };
        CaughtLetter { told: Arc::new(told), envelope, store, read: Arc::default() }
    }

    /// The number by which it is known, from 1.
    pub fn number(&self) -> u64 {
        self.told.letter
    }

    /// Who sends, and whom it is for.
    pub fn envelope(&self) -> &MailEnvelope {
        &self.envelope
    }

    /// Whether it was sent to this address, in any case, whatever its headers say.
    pub fn is_to(&self, address: &str) -> bool {
        self.envelope.to.iter().any(|to| to.eq_ignore_ascii_case(address))
    }

    /// Its subject, decoded.
    pub fn subject(&self) -> &str {
        &self.told.subject
    }

    /// The value of its first header of this name, as it was sent, on one line.
    pub fn header(&self, name: &str) -> Option<String> {
        let is_it = |found: &[u8]| found.eq_ignore_ascii_case(name.as_bytes());
        let value = fields(self.read().0.head()).find(|field| is_it(field.name))?.value;
        Some(String::from_utf8_lossy(&unfold(value)).into_owned())
    }

    /// Its text, decoded; of one that is HTML alone, that without its tags.
    pub fn text(&self) -> &str {
        &self.shown().text
    }

    /// Its HTML, where it has some.
    pub fn html(&self) -> Option<&str> {
        self.shown().html.as_deref()
    }

    /// What it carries beside its text.
    pub fn attachments(&self) -> &[Attachment] {
        &self.shown().attachments
    }

    /// The addresses of web pages that it names.
    pub fn links(&self) -> &[String] {
        &self.shown().links
    }

    /// The first of its links that fits.
    ///
    /// # Errors
    ///
    /// None does; the error says which there are.
    pub fn link(&self, fits: impl Fn(&str) -> bool) -> Result<String> {
        let links = self.links();
        if let Some(link) = links.iter().find(|link| fits(link)) {
            return Ok(link.clone());
        }
        let error = Error::new(Kind::NotFound, format!("{self} has no such link"));
        let error = if links.is_empty() { error.why("it has none at all") } else { error };
        Err(links.iter().fold(error, |error, link| error.why(link.as_str())))
    }

    /// The first number of exactly so many digits in its text.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn code(&self, digits: usize) -> Result<String> {
        let none = || {
            let text = format!("{self} has no code of {digits} digits");
            Error::new(Kind::NotFound, text).why(self.text().trim())
        };
        self.shown().code(digits).map(str::to_owned).ok_or_else(none)
    }

    /// Its bytes, as they were sent. Empty where somebody has deleted it before they were first asked for.
    pub fn sent_bytes(&self) -> &[u8] {
        self.read().0.raw()
    }

    /// What both sides said, without secrets: lines behind `> ` of the client, and `< ` of the server.
    pub fn dialogue(&self) -> &[String] {
        &self.told.dialogue
    }

    /// What its sender did wrong, or what is worth knowing.
    pub fn findings(&self) -> &[MailFinding] {
        &self.told.findings
    }

    /// The boxes that it was put in, each with its number there.
    pub fn boxes(&self) -> &[(String, u32)] {
        &self.told.boxes
    }

    fn shown(&self) -> &ShownLetter {
        &self.read().1
    }

    fn read(&self) -> &(LetterView, ShownLetter) {
        self.read.get_or_init(|| {
            let open = |(name, uid): &(String, u32)| self.store.read(name, *uid).ok().flatten();
            let file = self.told.boxes.iter().find_map(open);
            let mut bytes = Vec::new();
            let read = file.map(|mut file| file.read_to_end(&mut bytes));
            if !matches!(read, Some(Ok(_))) {
                bytes.clear();
            }
            let trace = usize::try_from(self.told.trace).unwrap_or(usize::MAX);
            bytes.drain(..trace.min(bytes.len()));
            let view = LetterView::read(bytes);
            let shown = ShownLetter::of(&view);
            (view, shown)
        })
    }
}

impl fmt::Display for CaughtLetter {
    /// `letter 2 from app@test to li@test: Reset`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = if self.envelope.from.is_empty() { "<>" } else { &self.envelope.from };
        let to = self.envelope.to.join(", ");
        write!(f, "letter {} from {from} to {to}: {}", self.number(), self.subject())
    }
}

impl fmt::Debug for CaughtLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaughtLetter({self})")
    }
}
