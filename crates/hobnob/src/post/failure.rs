//! What went wrong with a server of mail, for the person who wanted something there.

use std::time::Duration;

use crate::codec::imap::ImapAnswerFault;
use crate::codec::pop3::Pop3AnswerFault;
use crate::codec::smtp::{AnswerFault, SmtpAnswer, SmtpFailure};
use crate::error::{Error, Kind};
use crate::spec::show_duration;

/// Why a password is not told.
const READABLE: &str = "whoever sits on the path could read it, and take the offer of TLS away";

/// A conversation of SMTP that cannot go on.
pub(super) fn smtp(name: &str, failure: SmtpFailure) -> Error {
    match failure {
        SmtpFailure::Unreadable(fault) => match fault {
            AnswerFault::TooLong => too_long(name),
            AnswerFault::NotSmtp | AnswerFault::TwoCodes => unreadable(name, "SMTP"),
        },
        SmtpFailure::Refused("", answer) => {
            Error::new(Kind::Rejected, format!("{name} goes away: {}", said(&answer)))
        }
        SmtpFailure::Refused(what, answer) => refused(name, what, &said(&answer)),
        SmtpFailure::NoTls(None) => no_tls(name, "it does not offer STARTTLS"),
        SmtpFailure::NoTls(Some(answer)) => no_tls(name, &format!("it said {}", said(&answer))),
        SmtpFailure::SaidInTheClear => said_in_the_clear(name),
        SmtpFailure::InTheClear => in_the_clear(name),
        SmtpFailure::NoMechanism => no_mechanism(name),
        SmtpFailure::NoUtf8 => {
            let text =
                format!("{name} takes no addresses beyond ASCII: it does not offer SMTPUTF8");
            Error::new(Kind::Rejected, text).hint_topic("mail", "")
        }
        SmtpFailure::Injected(answer) => {
            let text = format!("{name} answered a command that stood behind STARTTLS in the clear");
            Error::new(Kind::BadFrame, text).why(format!("it said {}", said(&answer))).why(
                "whoever sits on the path could say something there, too (RFC 3207 section 4.2)",
            )
        }
        SmtpFailure::Unasked(answer) => {
            let text = format!("{name} answered what nobody had asked: {}", said(&answer));
            Error::new(Kind::BadFrame, text)
        }
        SmtpFailure::OutOfStep(answer) => {
            let text = format!("{name} answered QUIT with {}", said(&answer));
            Error::new(Kind::BadFrame, text).why(
                "that is an answer to something else: a part of a letter was heard as a command",
            )
        }
    }
}

/// An answer as a person reads it, on one line.
pub(super) fn said(answer: &SmtpAnswer) -> String {
    let lines: Vec<_> =
        answer.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    format!("{} {}", answer.code, lines.join(" / ")).trim_end().to_owned()
}

/// A server said no, in these words.
pub(super) fn refused(name: &str, what: &str, words: &str) -> Error {
    Error::new(Kind::Rejected, format!("{name} refuses {what}: {words}"))
}

pub(super) fn no_letter(name: &str, number: u32) -> Error {
    Error::new(Kind::Rejected, format!("{name} has no letter {number}"))
}

pub(super) fn no_tls(name: &str, why: &str) -> Error {
    Error::new(Kind::TlsFailed, format!("{name} has no TLS for a conn in the clear"))
        .why(why)
        .hint_option("starttls", "off", "for a server without it")
}

pub(super) fn no_layer() -> Error {
    Error::new(Kind::NotBuiltIn, "this build of hobnob has no TLS").hint_option(
        "starttls",
        "off",
        "without it",
    )
}

/// Bytes stood behind the yes to STARTTLS, where whoever sits on the path could put some.
pub(super) fn said_in_the_clear(name: &str) -> Error {
    let text = format!("{name} said more in the clear than its yes to TLS");
    Error::new(Kind::BadFrame, text)
        .why("somebody on the path may have said it, so nothing of it is believed")
}

pub(super) fn in_the_clear(name: &str) -> Error {
    Error::new(
        Kind::TlsFailed,
        format!("{name} offers no TLS, and I tell no password in the clear"),
    )
    .why(READABLE)
    .hint_option("starttls", "off", "where that does not matter")
}

pub(super) fn no_mechanism(name: &str) -> Error {
    let text = format!("{name} offers no way to log in that I know: PLAIN or LOGIN");
    Error::new(Kind::Rejected, text)
}

pub(super) fn pop3(name: &str, fault: Pop3AnswerFault) -> Error {
    match fault {
        Pop3AnswerFault::NotPop3 => unreadable(name, "POP3"),
        Pop3AnswerFault::TooLong => too_long(name),
    }
}

pub(super) fn imap(name: &str, fault: ImapAnswerFault) -> Error {
    match fault {
        ImapAnswerFault::NotImap => unreadable(name, "IMAP"),
        ImapAnswerFault::TooLong => too_long(name),
    }
}

/// What came is nothing that a server of this protocol says.
pub(super) fn unreadable(name: &str, protocol: &str) -> Error {
    Error::new(Kind::BadFrame, format!("{name} answered, but not in {protocol}"))
}

fn too_long(name: &str) -> Error {
    let text = format!("an answer of {name} is longer than I take");
    Error::limit("mail-answer", text).with_kind(Kind::MessageTooLong)
}

/// A letter, or a mailbox, that is larger than what is held.
pub(super) fn too_large(limit: &'static str, what: &str) -> Error {
    Error::limit(limit, what).with_kind(Kind::MessageTooLong)
}

pub(super) fn cut(name: &str, received: u64, untaken: Option<Error>) -> Error {
    let text = match received {
        0 => format!("{name} ended the connection and said nothing"),
        _ => format!("{name} ended the connection in the middle of the conversation"),
    };
    let error = Error::new(Kind::CutShort, text);
    match untaken {
        Some(untaken) => error.why(format!("it did not take all that was sent: {untaken}")),
        None => error,
    }
}

pub(super) fn silent(name: &str, patience: Duration) -> Error {
    let text =
        format!("{name} was silent for {}, so I closed the connection", show_duration(patience));
    Error::new(Kind::IdleTimeout, text).hint_option("idle", "10m", "to wait longer")
}
