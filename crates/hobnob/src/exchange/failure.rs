//! What went wrong with an answer, for the person who wanted it.

use std::time::Duration;

use crate::codec::http::{Missing, Unreadable};
use crate::conn::Facts;
use crate::endpoint::Endpoint;
use crate::error::{Error, Kind};
use crate::spec::show_duration;

/// Bytes of what is no answer that are shown.
const SHOWN: usize = 32;

/// Whom the errors are about.
pub(super) struct Counterpart {
    name: String,
    /// How to see what it says by itself.
    talk: Option<String>,
    is_lenient: bool,
}

impl Counterpart {
    pub(super) fn of(endpoint: &Endpoint, facts: &Facts, is_lenient: bool) -> Self {
        let is_bare = endpoint.layers().is_empty();
        let talk = endpoint.host().zip(endpoint.port()).filter(|_| is_bare);
        Counterpart {
            name: facts.peer.to_string(),
            talk: talk.map(|(host, port)| format!("{host}:{port}")),
            is_lenient,
        }
    }

    pub(super) fn unreadable(&self, why: Unreadable, bytes: &[u8], received: u64) -> Error {
        match why {
            Unreadable::NotHttp => {
                let text = format!("{} answered, but not in HTTP", self.name);
                let mut error = Error::new(Kind::BadFrame, text);
                // What is here is the beginning only where nothing went before.
                if received == bytes.len() as u64 {
                    let first = &bytes[..bytes.len().min(SHOWN)];
                    error = error.why(format!("its first bytes were \"{}\"", first.escape_ascii()));
                }
                match &self.talk {
                    Some(talk) => error.hint_dial(talk, "to see what it says"),
                    None => error,
                }
            }
            Unreadable::TooLarge(what) => {
                let text = format!("the answer was refused: {what}");
                Error::limit("http-answer", text).with_kind(Kind::MessageTooLong)
            }
            Unreadable::Bad(what) => {
                let error = Error::new(Kind::BadFrame, format!("the answer was refused: {what}"))
                    .why("where an answer ends must be beyond doubt");
                if self.is_lenient {
                    return error;
                }
                error.hint_switch("lenient", "to read it as it was most likely meant")
            }
        }
    }

    pub(super) fn cut(&self, cut: Missing, received: u64, untaken: Option<&Error>) -> Error {
        let name = &self.name;
        let text = match cut {
            Missing::Everything => format!("{name} ended the connection without an answer"),
            Missing::Head => "the answer was cut short in its head".to_owned(),
            Missing::Body(Some(1)) => "the answer was cut short: 1 byte is missing".to_owned(),
            Missing::Body(Some(left)) => {
                format!("the answer was cut short: {left} bytes are missing")
            }
            Missing::Body(None) => "the answer was cut short: its last chunk is missing".to_owned(),
        };
        let error = Error::new(Kind::CutShort, text);
        match untaken {
            Some(untaken) => error.why(format!("it did not take all of the request: {untaken}")),
            None if cut == Missing::Everything => match &self.talk {
                Some(talk) => error.hint_dial(talk, "to see what it says by itself"),
                None => error,
            },
            None => error.why(format!("{received} bytes came, and then the end")),
        }
    }

    pub(super) fn silent(&self, idle: Duration, sent: usize, received: u64) -> Error {
        let time = show_duration(idle);
        let text = format!("silence for {time}, so I closed the connection to {}", self.name);
        Error::new(Kind::IdleTimeout, text)
            .why(format!("sent {sent} B, received {received} B"))
            .hint_option("idle", "60s", "to wait longer")
    }
}
