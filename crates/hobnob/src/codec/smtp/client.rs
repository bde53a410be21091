//! The side that sends letters: which command leaves when, and what its answer means. It does no I/O.
//!
//! ```text
//! greeting  EHLO  [STARTTLS, handshake, EHLO]  [AUTH]  then for each letter  MAIL  RCPT...  DATA  text  and QUIT
//! ```

mod failure;
mod letter;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt::Write as _;

use self::letter::SmtpPassage;
use super::answer::{SmtpAnswer, SmtpAnswerReader, SmtpOffers};
use super::breaking::SmtpBreak;
use crate::codec::sasl::{Login, login_responses, plain_response};
use crate::codec::upgrade::Upgrade;

pub use self::failure::SmtpFailure;
pub use self::letter::{SmtpEnvelope, SmtpOutcome};

/// How a client is to behave.
#[derive(Debug, Clone)]
pub struct SmtpManner {
    /// What it calls itself: a domain, or an address in brackets.
    pub name: String,
    /// Whether the conn is TLS from its beginning.
    pub is_secure: bool,
    /// Whether a clear conn becomes TLS.
    pub upgrade: Upgrade,
    /// Who logs in.
    pub login: Option<Login>,
    /// Whether a password may leave in the clear.
    pub may_tell_all: bool,
    /// What is done wrong on purpose.
    pub breaks: Option<SmtpBreak>,
}

/// A command that is to leave, or a line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpLine {
    /// As it goes over the wire.
    pub bytes: Vec<u8>,
    /// As it may be shown: without its end, and without a secret.
    pub shown: String,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpTurn {
    /// The server has answered. What follows from that is done by itself; this is for whoever shows the dialogue.
    Heard(SmtpAnswer),
    /// The conn is to become TLS now, and then [`SmtpClient::secured`] is to be called.
    Secure,
    /// Letters may be given, one after the other.
    Ready,
    /// The letter is to leave now, as [`super::SmtpText`] writes it, and then [`SmtpClient::text_is_sent`] is to be called.
    Text,
    /// What became of the letter.
    Done(SmtpOutcome),
    /// The server has said goodbye.
    Over,
}

/// An answer that is awaited, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Auth(AuthStep),
    Mail,
    Rcpt(usize),
    Data,
    Text,
    Reset,
    Quit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AuthStep {
    /// The response has left with the command.
    Plain,
    /// The response has left on its own, for a server that takes none with the command.
    PlainAlone,
    LoginName,
    LoginPassword,
    LoginDone,
}

/// The client. Send what [`leaves`](Self::leaves), receive, and give what came to [`next`](Self::next) until it wants more.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of the conversation")]
pub struct SmtpClient {
    manner: SmtpManner,
    reader: SmtpAnswerReader,
    offers: SmtpOffers,
    awaited: VecDeque<Awaited>,
    leaves: Vec<SmtpLine>,
    turns: VecDeque<SmtpTurn>,
    is_secure: bool,
    has_logged_in: bool,
    /// Whether a command stood behind STARTTLS on purpose.
    has_injected: bool,
    passage: Option<SmtpPassage>,
    /// What became of a letter whose remains the server is to forget first.
    outcome: Option<SmtpOutcome>,
    /// Why it is over, until whoever shows the dialogue has had the answer that says so.
    failure: Option<SmtpFailure>,
    /// Whether nothing can be said any more: the server has closed, or answers and commands are out of step.
    is_over: bool,
}

impl SmtpClient {
    /// A client that waits for its greeting.
    pub fn new(manner: SmtpManner) -> Self {
        let mut client = SmtpClient {
            is_secure: manner.is_secure,
            manner,
            reader: SmtpAnswerReader::default(),
            offers: SmtpOffers::default(),
            awaited: VecDeque::from([Awaited::Greeting]),
            leaves: Vec::new(),
            turns: VecDeque::new(),
            has_logged_in: false,
            has_injected: false,
            passage: None,
            outcome: None,
            failure: None,
            is_over: false,
        };
        if client.breaks(SmtpBreak::EarlyTalk) {
            client.hello();
        }
        client
    }

    /// Takes the lines that are to leave now.
    pub fn leaves(&mut self) -> Vec<SmtpLine> {
        std::mem::take(&mut self.leaves)
    }

    /// What the server offers.
    pub fn offers(&self) -> &SmtpOffers {
        &self.offers
    }

    /// Whether an answer is awaited.
    pub fn awaits(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Whether nothing can be said any more.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether what nobody sees may pass: the conn is TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// What is done wrong on purpose.
    pub fn what_breaks(&self) -> Option<SmtpBreak> {
        self.manner.breaks
    }

    /// Reads on in `bytes`, and takes from them what it has read. None: more must come, or a letter must be given.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<SmtpTurn>, SmtpFailure> {
        loop {
            if let Some(turn) = self.turns.pop_front() {
                return Ok(Some(turn));
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let answer = match self.reader.next(bytes) {
                Ok(Some(answer)) => answer,
                Ok(None) => return Ok(None),
                Err(fault) => return Err(SmtpFailure::Unreadable(fault)),
            };
            let Some(awaited) = self.awaited.pop_front() else {
                // A server that goes away says so unasked (RFC 5321 section 3.8).
                self.is_over = true;
                let unasked = if answer.code == 421 {
                    SmtpFailure::refused("", answer)
                } else {
                    SmtpFailure::Unasked(answer)
                };
                return Err(unasked);
            };
            self.turns.push_back(SmtpTurn::Heard(answer.clone()));
            self.is_over |= answer.code == 421;
            if let Err(failure) = self.hear(awaited, answer, bytes) {
                self.is_over = true;
                self.awaited.clear();
                self.failure = Some(failure);
            }
        }
    }

    /// The handshake is done.
    pub fn secured(&mut self) {
        self.is_secure = true;
        self.offers = SmtpOffers::default(); // RFC 3207 section 4.2
        self.reader = SmtpAnswerReader::default();
        self.hello();
    }

    /// Begins a letter. There must be none that is under way.
    pub fn begin(&mut self, envelope: SmtpEnvelope) -> Result<(), SmtpFailure> {
        let has_utf8 = self.offers.has("SMTPUTF8");
        if envelope.needs_utf8() && !has_utf8 {
            return Err(SmtpFailure::NoUtf8);
        }
        let mut mail = format!("MAIL FROM:<{}>", envelope.sender());
        if self.offers.has("SIZE") {
            let _ = write!(mail, " SIZE={}", envelope.size); // a String takes all
        }
        if self.offers.has("8BITMIME") && envelope.has_8bit {
            mail.push_str(" BODY=8BITMIME");
        }
        if has_utf8 && (envelope.needs_utf8() || envelope.has_8bit_head) {
            mail.push_str(" SMTPUTF8");
        }
        self.say(&mail, Awaited::Mail);
        let is_early = self.breaks(SmtpBreak::EarlyData);
        let is_piped = self.offers.has("PIPELINING") || is_early;
        let mut passage = SmtpPassage::new(envelope, is_piped);
        if is_piped {
            for at in 0..passage.envelope.to.len() {
                self.say(&passage.rcpt(at), Awaited::Rcpt(at));
            }
            self.say("DATA", Awaited::Data);
        }
        if is_early {
            passage.has_left = true;
            self.turns.push_back(SmtpTurn::Text);
        }
        self.passage = Some(passage);
        Ok(())
    }

    /// The letter has left, with its dot.
    pub fn text_is_sent(&mut self) {
        self.awaited.push_back(Awaited::Text);
    }

    /// Says goodbye.
    pub fn quit(&mut self) {
        if !self.is_over {
            self.say("QUIT", Awaited::Quit);
        }
    }

    fn breaks(&self, how: SmtpBreak) -> bool {
        self.manner.breaks == Some(how)
    }

    fn say(&mut self, line: &str, awaited: Awaited) {
        self.whisper(line, line, awaited);
    }

    fn whisper(&mut self, line: &str, shown: &str, awaited: Awaited) {
        let bytes = format!("{line}\r\n").into_bytes();
        self.leaves.push(SmtpLine { bytes, shown: shown.to_owned() });
        self.awaited.push_back(awaited);
    }

    fn hello(&mut self) {
        let hello = format!("EHLO {}", self.manner.name);
        self.say(&hello, Awaited::Ehlo);
    }

    fn hear(
        &mut self,
        awaited: Awaited,
        answer: SmtpAnswer,
        rest: &[u8],
    ) -> Result<(), SmtpFailure> {
        match awaited {
            Awaited::Greeting if answer.code == 220 => {
                if !self.breaks(SmtpBreak::EarlyTalk) {
                    self.hello();
                }
                Ok(())
            }
            Awaited::Greeting => Err(SmtpFailure::refused("the connection", answer)),
            Awaited::Ehlo if answer.is_ok() => {
                self.offers = SmtpOffers::of(&answer);
                self.settle()
            }
            Awaited::Ehlo if self.has_injected && self.is_secure => {
                Err(SmtpFailure::Injected(answer))
            }
            // Servers from before 1995 know HELO alone (RFC 5321 section 3.2).
            Awaited::Ehlo if answer.code / 100 == 5 => {
                let hello = format!("HELO {}", self.manner.name);
                self.say(&hello, Awaited::Helo);
                Ok(())
            }
            Awaited::Ehlo | Awaited::Helo if !answer.is_ok() => {
                Err(SmtpFailure::refused("EHLO", answer))
            }
            Awaited::Ehlo | Awaited::Helo => self.settle(),
            Awaited::StartTls => self.hear_start_tls(answer, rest),
            Awaited::Auth(step) => self.hear_auth(step, answer),
            Awaited::Reset => {
                self.turns.extend(self.outcome.take().map(SmtpTurn::Done));
                Ok(())
            }
            Awaited::Quit => {
                self.is_over = true;
                if answer.code != 221 && answer.code != 421 {
                    return Err(SmtpFailure::OutOfStep(answer));
                }
                self.turns.push_back(SmtpTurn::Over);
                Ok(())
            }
            of_letter => {
                self.hear_of_letter(of_letter, answer);
                Ok(())
            }
        }
    }

    /// What is to be done before letters: TLS, and to log in.
    fn settle(&mut self) -> Result<(), SmtpFailure> {
        let is_wanted = !self.is_secure && self.manner.upgrade != Upgrade::Off;
        if is_wanted && self.offers.has("STARTTLS") {
            self.say("STARTTLS", Awaited::StartTls);
            if self.breaks(SmtpBreak::PipelineStartTls) {
                self.has_injected = true;
                let bytes = b"XINJECTED\r\n".to_vec();
                self.leaves.push(SmtpLine { bytes, shown: "XINJECTED".to_owned() });
            }
            return Ok(());
        }
        if is_wanted && self.manner.upgrade == Upgrade::Need {
            return Err(SmtpFailure::NoTls(None));
        }
        self.log_in()
    }

    fn hear_start_tls(&mut self, answer: SmtpAnswer, rest: &[u8]) -> Result<(), SmtpFailure> {
        if answer.code == 220 {
            // What stands behind it in the clear was said by whoever sits on the path.
            if !rest.is_empty() || !self.reader.is_between() {
                return Err(SmtpFailure::SaidInTheClear);
            }
            self.turns.push_back(SmtpTurn::Secure);
            return Ok(());
        }
        if self.manner.upgrade == Upgrade::Need {
            return Err(SmtpFailure::NoTls(Some(answer)));
        }
        self.log_in()
    }

    fn log_in(&mut self) -> Result<(), SmtpFailure> {
        let Some(login) = self.manner.login.clone().filter(|_| !self.has_logged_in) else {
            self.turns.push_back(SmtpTurn::Ready);
            return Ok(());
        };
        if !self.is_secure && !self.manner.may_tell_all {
            return Err(SmtpFailure::InTheClear);
        }
        if self.offers.has_mechanism("PLAIN") {
            let command = format!("AUTH PLAIN {}", plain_response(&login));
            self.whisper(&command, "AUTH PLAIN ***", Awaited::Auth(AuthStep::Plain));
        } else if self.offers.has_mechanism("LOGIN") {
            self.say("AUTH LOGIN", Awaited::Auth(AuthStep::LoginName));
        } else {
            return Err(SmtpFailure::NoMechanism);
        }
        Ok(())
    }

    fn hear_auth(&mut self, step: AuthStep, answer: SmtpAnswer) -> Result<(), SmtpFailure> {
        let login = self.manner.login.clone();
        match (step, answer.code, login) {
            (AuthStep::Plain, 334, Some(login)) => {
                let response = plain_response(&login);
                self.whisper(&response, "***", Awaited::Auth(AuthStep::PlainAlone));
                Ok(())
            }
            (AuthStep::LoginName, 334, Some(login)) => {
                let [name, _] = login_responses(&login);
                self.whisper(&name, "***", Awaited::Auth(AuthStep::LoginPassword));
                Ok(())
            }
            (AuthStep::LoginPassword, 334, Some(login)) => {
                let [_, password] = login_responses(&login);
                self.whisper(&password, "***", Awaited::Auth(AuthStep::LoginDone));
                Ok(())
            }
            (AuthStep::Plain | AuthStep::PlainAlone | AuthStep::LoginDone, 235, _) => {
                self.has_logged_in = true;
                self.turns.push_back(SmtpTurn::Ready);
                Ok(())
            }
            _ => Err(SmtpFailure::refused("the login", answer)),
        }
    }

    fn hear_of_letter(&mut self, awaited: Awaited, answer: SmtpAnswer) {
        let Some(mut passage) = self.passage.take() else { return };
        if self.is_over {
            // It goes away in the middle of the letter, and answers nothing more of it.
            passage.refuse(what(awaited), answer);
            return self.finish(passage);
        }
        let done = match awaited {
            Awaited::Mail => {
                passage.mail(answer);
                if passage.is_piped {
                    None
                } else if passage.refusal.is_some() {
                    Some(())
                } else {
                    self.say(&passage.rcpt(0), Awaited::Rcpt(0));
                    None
                }
            }
            Awaited::Rcpt(at) => {
                passage.recipient(at, answer);
                match passage.envelope.to.len().checked_sub(at + 1) {
                    _ if passage.is_piped => None,
                    Some(left) if left > 0 => {
                        self.say(&passage.rcpt(at + 1), Awaited::Rcpt(at + 1));
                        None
                    }
                    _ if passage.taken() == 0 => Some(()),
                    _ => {
                        self.say("DATA", Awaited::Data);
                        None
                    }
                }
            }
            Awaited::Data if answer.code == 354 => {
                if passage.has_left {
                    None // its answer is awaited already
                } else if passage.is_wanted() {
                    self.turns.push_back(SmtpTurn::Text);
                    None
                } else {
                    // It expects a letter although nobody is to get one: an empty one is the way out (RFC 2920 section 3.1).
                    let bytes = b".\r\n".to_vec();
                    self.leaves.push(SmtpLine { bytes, shown: ".".to_owned() });
                    self.awaited.push_back(Awaited::Text);
                    None
                }
            }
            Awaited::Data => {
                // The letter is on its way, and will be heard as commands.
                self.is_over |= passage.has_left;
                passage.refuse("DATA", answer);
                Some(())
            }
            _ => {
                passage.text(answer);
                Some(())
            }
        };
        match done {
            Some(()) => self.finish(passage),
            None => self.passage = Some(passage),
        }
    }

    fn finish(&mut self, passage: SmtpPassage) {
        if self.is_over {
            self.awaited.clear();
        } else if passage.is_open() {
            // What comes next leaves once this is answered: not every server takes two commands at once.
            self.say("RSET", Awaited::Reset);
            self.outcome = Some(passage.outcome());
            return;
        }
        self.turns.push_back(SmtpTurn::Done(passage.outcome()));
    }
}

/// What the answer to this is about.
fn what(awaited: Awaited) -> &'static str {
    match awaited {
        Awaited::Mail => "the sender",
        Awaited::Rcpt(_) => "a recipient",
        Awaited::Data => "DATA",
        _ => "the letter",
    }
}
