//! Sends letters over one conn, one after the other.

use std::time::Duration;

use super::failure;
use super::route::MailRoute;
use super::talk::{MailSaid, MailWitness};
use super::wire::MailWire;
use crate::codec::sasl::Login;
use crate::codec::smtp::{
    SmtpBreak, SmtpClient, SmtpEnvelope, SmtpFailure, SmtpManner, SmtpOffers, SmtpOutcome,
    SmtpText, SmtpTurn,
};
use crate::codec::upgrade::Upgrade;
use crate::error::{Error, Kind, Result};

/// Bytes of a piece of a letter.
const PIECE: usize = 64 * 1_024;
/// Silence that is borne where nobody says otherwise: servers look at a letter before they keep it.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How letters are sent.
#[derive(Debug, Clone)]
pub struct PostManner {
    /// What we call ourselves; none: as this machine is called.
    pub name: Option<String>,
    /// Who logs in.
    pub login: Option<Login>,
    /// What is done wrong on purpose.
    pub breaks: Option<SmtpBreak>,
    /// How long the server may say nothing.
    pub patience: Duration,
    /// Who is told what is said.
    pub witness: MailWitness,
}

impl Default for PostManner {
    fn default() -> Self {
        let witness = MailWitness::default();
        PostManner { name: None, login: None, breaks: None, patience: PATIENCE, witness }
    }
}

/// A conversation with a server that takes letters.
pub struct Posting {
    wire: MailWire,
    client: SmtpClient,
    witness: MailWitness,
}

impl Posting {
    /// Dials, and does what comes before letters: TLS where it is to be had, and to log in.
    pub async fn open(to: &MailRoute, manner: PostManner) -> Result<Self> {
        let wire = MailWire::dial(to, manner.patience).await?;
        let is_secure = wire.is_secure();
        let client = SmtpClient::new(SmtpManner {
            name: manner.name.unwrap_or_else(own_name),
            is_secure,
            upgrade: to.upgrade,
            login: manner.login,
            may_tell_all: to.is_here() || to.upgrade == Upgrade::Off,
            breaks: manner.breaks,
        });
        let mut posting = Posting { wire, client, witness: manner.witness };
        loop {
            if posting.turn().await? == SmtpTurn::Ready {
                return Ok(posting);
            }
        }
    }

    /// What the server offers.
    pub fn offers(&self) -> &SmtpOffers {
        self.client.offers()
    }

    /// Whether the conversation is over, so that a next letter needs another one.
    pub fn is_over(&self) -> bool {
        self.client.is_over()
    }

    /// Sends a letter. That it is refused is no error: the outcome says so.
    pub async fn send(&mut self, envelope: SmtpEnvelope, letter: &[u8]) -> Result<SmtpOutcome> {
        let begun = self.client.begin(envelope);
        begun.map_err(|failure| failure::smtp(self.wire.name(), failure))?;
        loop {
            match self.turn().await? {
                SmtpTurn::Text => self.text(letter).await?,
                SmtpTurn::Done(outcome) => return Ok(outcome),
                SmtpTurn::Over => return Err(failure::cut(self.wire.name(), 1, None)),
                SmtpTurn::Heard(_) | SmtpTurn::Secure | SmtpTurn::Ready => {}
            }
        }
    }

    async fn text(&mut self, letter: &[u8]) -> Result<()> {
        let (mut text, mut out) = (SmtpText::new(self.client.what_breaks()), Vec::new());
        for piece in letter.chunks(PIECE) {
            text.push(piece, &mut out);
            self.wire.send(&out).await?;
            out.clear();
        }
        text.finish(&mut out);
        self.wire.send(&out).await?;
        self.witness.tell(MailSaid::Letter(letter.len() as u64));
        self.client.text_is_sent();
        Ok(())
    }

    /// Says goodbye. The error is that the server has not understood what was sent as it was meant.
    pub async fn close(mut self) -> Result<()> {
        let goodbye = tokio::time::timeout(GOODBYE, self.part()).await;
        // The letters are there: a server that does not care for a goodbye changes nothing.
        goodbye.unwrap_or(Ok(()))?;
        self.wire.close().await;
        Ok(())
    }

    async fn part(&mut self) -> Result<()> {
        self.client.quit();
        while self.client.awaits() {
            match self.turn().await {
                Ok(SmtpTurn::Over) => break,
                Ok(_) => {}
                Err(error) if error.kind() == Kind::BadFrame => return Err(error),
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// What comes next, once all that is to leave has left.
    async fn turn(&mut self) -> Result<SmtpTurn> {
        loop {
            let lines = self.client.leaves();
            if !lines.is_empty() {
                for line in &lines {
                    self.witness.tell(MailSaid::Us(&line.shown));
                }
                let bytes: Vec<u8> = lines.into_iter().flat_map(|line| line.bytes).collect();
                self.wire.send(&bytes).await?;
            }
            let mut rest = self.wire.unread();
            let turn = self.client.next(&mut rest);
            let left = rest.len();
            self.wire.left(left);
            match turn {
                Ok(Some(SmtpTurn::Heard(answer))) => {
                    let last = answer.lines.len().saturating_sub(1);
                    for (at, line) in answer.lines.iter().enumerate() {
                        let mark = if at < last { '-' } else { ' ' };
                        let line = format!("{}{mark}{line}", answer.code);
                        self.witness.tell(MailSaid::Server(line.trim_end()));
                    }
                }
                Ok(Some(SmtpTurn::Secure)) => {
                    self.wire.secure().await?;
                    self.client.secured();
                    self.witness.tell(MailSaid::Secured(self.wire.learnt()));
                }
                Ok(Some(turn)) => return Ok(turn),
                Ok(None) => self.wire.receive().await?,
                Err(failure) => return Err(self.failed(failure)),
            }
        }
    }

    fn failed(&self, failure: SmtpFailure) -> Error {
        failure::smtp(self.wire.name(), failure)
    }
}

/// What this machine is called, where that is a name that may be said; its address otherwise.
pub(super) fn own_name() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
    let is_of_one = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let host = host.filter(|host| !host.is_empty() && host.chars().all(is_of_one));
    host.unwrap_or_else(|| "[127.0.0.1]".to_owned())
}
