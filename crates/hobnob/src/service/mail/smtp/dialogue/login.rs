//! How a client logs in (RFC 4954), and how its conn becomes TLS (RFC 3207).

use super::{SmtpDialogue, SmtpStep};
use crate::codec::sasl::{SaslServer, SaslStep};
use crate::codec::smtp::{SmtpFault, SmtpReply};
use crate::service::mail::finding;
use crate::service::mail::rules::Offer;

impl SmtpDialogue<'_> {
    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> SmtpStep<'static> {
        let refusal = if self.rules.auth == Offer::Off {
            Some(SmtpReply::new(502, "5.5.1", "nobody logs in here"))
        } else if self.transaction.is_some() {
            Some(SmtpReply::new(503, "5.5.1", "not in the middle of a letter"))
        } else if self.login.is_some() {
            Some(SmtpReply::new(503, "5.5.1", "you have logged in already"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.say(refusal);
        }
        let Some(mut sasl) = SaslServer::of(mechanism) else {
            return self.say(SmtpReply::new(504, "5.5.4", "it is PLAIN or LOGIN"));
        };
        let step = sasl.begin(initial);
        self.sasl = Some(sasl);
        self.sasl_step(step)
    }

    pub(super) fn respond(&mut self, line: Result<String, SmtpFault>) -> SmtpStep<'static> {
        self.script.heard(b"***");
        match (line, &mut self.sasl) {
            (Ok(line), Some(sasl)) => {
                let step = sasl.respond(&line);
                self.sasl_step(step)
            }
            (Err(fault), _) => {
                self.sasl = None;
                self.mistake(&fault)
            }
            (Ok(_), None) => self.say(SmtpReply::new(503, "5.5.1", "nobody asked for that")),
        }
    }

    fn sasl_step(&mut self, step: SaslStep) -> SmtpStep<'static> {
        let reply = match step {
            SaslStep::Challenge(challenge) => {
                self.reader.expect_response();
                SmtpReply::plain(334, challenge)
            }
            SaslStep::Done(login) => {
                self.sasl = None;
                return SmtpStep::Login(login);
            }
            SaslStep::Cancelled => {
                self.sasl = None;
                SmtpReply::new(501, "5.7.0", "as you like")
            }
            SaslStep::Malformed(what) => {
                self.sasl = None;
                SmtpReply::new(501, "5.5.2", what)
            }
        };
        self.say(reply)
    }

    /// Whether the login was right; the name is what it is known by.
    pub(crate) fn logged_in(&mut self, name: Option<String>) -> SmtpStep<'static> {
        let refusal = name.as_ref().and_then(|name| self.on_purpose("auth", name.as_bytes()));
        if let Some(refusal) = refusal {
            return self.say(refusal);
        }
        let reply = if name.is_some() {
            SmtpReply::new(235, "2.7.0", "welcome")
        } else {
            SmtpReply::new(535, "5.7.8", "no such name and password")
        };
        self.login = name;
        self.say(reply)
    }

    pub(super) fn start_tls(&mut self) -> SmtpStep<'static> {
        if self.rules.starttls == Offer::Off || self.is_secure {
            return self.say(SmtpReply::new(503, "5.5.1", "TLS does not begin here"));
        }
        if self.transaction.is_some() {
            return self.say(SmtpReply::new(503, "5.5.1", "not in the middle of a letter"));
        }
        if let Some(refusal) = self.on_purpose("starttls", b"") {
            return self.say(refusal);
        }
        let reply = SmtpReply::new(220, "2.0.0", "go on with TLS");
        self.note(&reply);
        SmtpStep::StartTls(reply)
    }

    /// TLS has begun: what the client said before counts no more (RFC 3207 section 4.2).
    pub(crate) fn secured(&mut self, wrote_behind: bool) {
        self.reset();
        let wrote_behind = wrote_behind || !self.reader.is_between();
        self.reader.forget();
        (self.client, self.login, self.is_secure) = (None, None, true);
        if wrote_behind {
            self.find(&finding::WROTE_BEHIND_STARTTLS);
        }
    }
}
