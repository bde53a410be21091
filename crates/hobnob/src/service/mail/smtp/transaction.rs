//! A letter in the making.

use crate::codec::mime::{MimePart, MimeReader};
use crate::codec::smtp::{MailParameters, Mailbox, RcptParameters, TextKind, TextNotes};
use crate::service::mail::finding::{self, Finding};

/// A letter from MAIL to its end.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Who sends; none: `<>`.
    pub(super) from: Option<Mailbox>,
    pub(super) parameters: MailParameters,
    pub(super) to: Vec<(Mailbox, RcptParameters)>,
    pub(super) findings: Vec<&'static Finding>,
    arriving: Arriving,
    bytes: u64,
    reader: MimeReader,
    /// Its parts, once it is whole.
    parts: Option<MimePart>,
    is_too_large: bool,
}

/// How the bytes of a letter come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arriving {
    /// None has come.
    Nothing,
    /// By DATA.
    Text,
    /// By BDAT.
    Chunks,
}

impl Transaction {
    pub(super) fn new(from: Option<Mailbox>, parameters: MailParameters) -> Self {
        let (to, findings) = (Vec::new(), Vec::new());
        Transaction {
            from,
            parameters,
            to,
            findings,
            arriving: Arriving::Nothing,
            bytes: 0,
            reader: MimeReader::default(),
            parts: None,
            is_too_large: false,
        }
    }

    pub(super) fn begin(&mut self, arriving: Arriving) {
        self.arriving = arriving;
    }

    pub(super) fn arriving(&self) -> Arriving {
        self.arriving
    }

    /// Bytes that have come.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts bytes, and says whether the letter may still have them.
    pub(super) fn take(&mut self, text: &[u8], most: u64) -> bool {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        self.is_too_large |= self.bytes > most;
        if !self.is_too_large {
            self.reader.push(text);
        }
        !self.is_too_large
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.reader.held()
    }

    /// Its headers, once it is whole; of very long ones the first 256 KiB.
    pub(super) fn head(&self) -> &[u8] {
        self.parts.as_ref().map_or(&[][..], |letter| &letter.text)
    }

    /// How many parts it has, itself among them; 0 while it is not whole.
    pub(super) fn parts(&self) -> u64 {
        self.parts.as_ref().map_or(0, |letter| letter.all().len() as u64)
    }

    /// Whether it has more bytes than a letter may have.
    pub(super) fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// It is whole: notes what its sender did wrong, with what it did wrong outside of the letter.
    pub(super) fn note(&mut self, notes: &TextNotes, outside: &[&'static Finding]) {
        let is_8bit = self.parameters.body == Some(TextKind::EightBit) || self.parameters.is_utf8;
        self.findings.extend(finding::of_text(notes, is_8bit, self.parameters.size));
        self.findings.extend(outside);
        let parts = std::mem::take(&mut self.reader).finish();
        let from = self.from.as_ref().map(ToString::to_string);
        self.findings.extend(finding::of_letter(&parts, self.parameters.is_utf8, from.as_deref()));
        self.parts = Some(parts);
    }

    /// Who sends, as it goes into commands: `app@test` in brackets.
    pub(super) fn reverse_path(&self) -> String {
        self.from.as_ref().map_or_else(|| "<>".to_owned(), |from| format!("<{from}>"))
    }
}
