//! Why a conversation cannot go on.

use crate::codec::smtp::{AnswerFault, SmtpAnswer};

/// Why a conversation is over before its letters are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpFailure {
    /// What came is no answer.
    Unreadable(AnswerFault),
    /// The server said no: to what, and in its own words.
    Refused(&'static str, SmtpAnswer),
    /// TLS is needed, and not offered, or refused in these words.
    NoTls(Option<SmtpAnswer>),
    /// Bytes came in the clear behind the answer to STARTTLS.
    SaidInTheClear,
    /// The password would leave in the clear.
    InTheClear,
    /// No way to log in is offered that we know.
    NoMechanism,
    /// An address needs SMTPUTF8, and that is not offered.
    NoUtf8,
    /// The server answered what stood behind STARTTLS in the clear.
    Injected(SmtpAnswer),
    /// An answer came that nothing had asked for.
    Unasked(SmtpAnswer),
    /// The answer to QUIT is that to something else: a part of a letter was heard as a command.
    OutOfStep(SmtpAnswer),
}

impl SmtpFailure {
    pub(super) fn refused(what: &'static str, answer: SmtpAnswer) -> Self {
        SmtpFailure::Refused(what, answer)
    }
}
