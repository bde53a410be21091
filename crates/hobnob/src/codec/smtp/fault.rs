//! What is wrong with a command.

use super::reply::SmtpReply;

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmtpFault {
    /// The status of the reply: 501.
    pub code: u16,
    /// The enhanced status (RFC 3463): `5.5.4`.
    pub status: &'static str,
    /// In plain words.
    pub what: &'static str,
    /// Where in the command, in bytes from 1; 0: it is about all of it.
    pub at: usize,
    /// Whether what follows cannot be told from commands any more: the conn has to end.
    pub is_fatal: bool,
}

impl SmtpFault {
    /// A fault of the whole command.
    pub(super) const fn new(code: u16, status: &'static str, what: &'static str) -> Self {
        SmtpFault { code, status, what, at: 0, is_fatal: false }
    }

    /// The same, behind which nothing can be read.
    pub(super) const fn fatal(self) -> Self {
        SmtpFault { is_fatal: true, ..self }
    }

    /// The same, at this byte of the command, from 0.
    pub(super) const fn at(self, at: usize) -> Self {
        SmtpFault { at: at + 1, ..self }
    }

    /// What is answered.
    pub fn reply(&self) -> SmtpReply {
        let place = if self.at > 0 { format!(" (byte {})", self.at) } else { String::new() };
        SmtpReply::new(self.code, self.status, format!("{}{place}", self.what))
    }
}

/// The arguments of a command are not what they must be.
pub(super) const fn bad(what: &'static str) -> SmtpFault {
    SmtpFault::new(501, "5.5.4", what)
}
