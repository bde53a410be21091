//! One conversation with the next server.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use super::letter::{FORWARD, PassedLetter, Passing, shown};
use crate::codec::smtp::{
    SmtpClient, SmtpEnvelope, SmtpFailure, SmtpManner, SmtpOutcome, SmtpText, SmtpTurn,
};
use crate::codec::upgrade::Upgrade;
use crate::conn::Conn;
use crate::service::mail::office::MailOffice;
use crate::session::{Destination, Dress, Keeper};
use crate::store::{ALL, MailStore};

/// Bytes that are read at once.
const PIECE: usize = 16 * 1_024;

/// A conn to the next server that is ready for letters.
pub(super) struct ForwardTalk<'k> {
    keeper: &'k Keeper,
    store: Arc<MailStore>,
    conn: Option<Conn>,
    client: SmtpClient,
    came: Vec<u8>,
}

/// Why there is none.
pub(super) struct TalkFailure {
    pub(super) text: String,
    /// Whether it was the handshake of TLS, without which it may go well.
    pub(super) is_of_tls: bool,
}

impl From<String> for TalkFailure {
    fn from(text: String) -> Self {
        TalkFailure { text, is_of_tls: false }
    }
}

impl<'k> ForwardTalk<'k> {
    pub(super) async fn open(
        keeper: &'k Keeper,
        office: &MailOffice,
        is_clear: bool,
    ) -> Result<Self, TalkFailure> {
        let conn = keeper.dial(Destination::Target(FORWARD)).await;
        let conn = conn.map_err(|error| error.message().to_owned())?;
        let is_secure = conn.facts().learnt().iter().any(|learnt| learnt.layer == "tls");
        let client = SmtpClient::new(SmtpManner {
            name: office.rules.host.clone(),
            is_secure,
            upgrade: if is_clear { Upgrade::Off } else { Upgrade::Try },
            login: None,
            may_tell_all: false,
            breaks: None,
        });
        let (store, came) = (office.store.clone(), Vec::new());
        let mut talk = ForwardTalk { keeper, store, conn: Some(conn), client, came };
        loop {
            match talk.turn().await? {
                SmtpTurn::Ready => return Ok(talk),
                SmtpTurn::Secure => talk.secure().await?,
                SmtpTurn::Over => return Err("it has said goodbye".to_owned().into()),
                _ => {}
            }
        }
    }

    /// Nobody vouches for the next server of a test: its TLS is against who listens, and not against who stands between.
    async fn secure(&mut self) -> Result<(), TalkFailure> {
        let Some(conn) = self.conn.take() else { return Err(gone().into()) };
        let dressed = self.keeper.dress(Dress::client("tls,insecure", "localhost"), conn).await;
        let failed = |text: &str| TalkFailure { text: text.to_owned(), is_of_tls: true };
        self.conn = Some(dressed.map_err(|error| failed(error.message()))?);
        self.client.secured();
        Ok(())
    }

    /// Passes a letter on.
    pub(super) async fn pass(&mut self, letter: &PassedLetter) -> Result<Passing, String> {
        let (store, uid, skip) = (self.store.clone(), letter.uid, letter.skip);
        let read = self.keeper.work(move || read(&store, uid, skip)).await;
        let bytes = read.map_err(|error| error.message().to_owned())?;
        // One that cannot be read now is tried again.
        let bytes = bytes.map_err(|error| format!("the letter cannot be read now: {error}"))?;
        let Some(bytes) = bytes else {
            // Somebody has deleted it, who did not want it any more.
            return Ok(Passing { is_gone: true, ..Passing::default() });
        };
        let bytes = [letter.trace.as_bytes(), &whole_lines(&bytes)].concat();
        let to: Vec<_> = letter.to.iter().map(|(to, _)| to.clone()).collect();
        let envelope = SmtpEnvelope::of(letter.from.clone(), to, &bytes);
        if let Err(failure) = self.client.begin(envelope) {
            let why = said(&failure);
            let never = letter.to.iter().cloned().map(|(to, wants)| (to, wants, why.clone()));
            return Ok(Passing { never: never.collect(), ..Passing::default() });
        }
        loop {
            match self.turn().await? {
                SmtpTurn::Text => self.send_text(&bytes).await?,
                SmtpTurn::Done(outcome) => return Ok(passing(letter, &outcome)),
                SmtpTurn::Over => return Err("it has said goodbye".to_owned()),
                _ => {}
            }
        }
    }

    /// Whether nothing can be said any more.
    pub(super) fn is_over(&self) -> bool {
        self.client.is_over() || self.conn.is_none()
    }

    /// Nothing more is said.
    pub(super) fn end(&mut self) {
        if let Some(mut conn) = self.conn.take() {
            conn.abort();
        }
    }

    pub(super) async fn quit(&mut self) -> Result<(), String> {
        self.client.quit();
        while self.turn().await? != SmtpTurn::Over {}
        if let Some(conn) = &mut self.conn {
            conn.end().await.map_err(|error| error.message().to_owned())?;
        }
        Ok(())
    }

    async fn send_text(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut text = SmtpText::new(None);
        let mut out = Vec::new();
        for piece in bytes.chunks(PIECE) {
            text.push(piece, &mut out);
            self.send(&out).await?;
            out.clear();
        }
        text.finish(&mut out);
        self.send(&out).await?;
        self.client.text_is_sent();
        Ok(())
    }

    async fn turn(&mut self) -> Result<SmtpTurn, String> {
        loop {
            for line in self.client.leaves() {
                self.send(&line.bytes).await?;
            }
            let mut rest = &*self.came;
            let turn = self.client.next(&mut rest);
            let read = self.came.len() - rest.len();
            self.came.drain(..read);
            match turn {
                Ok(Some(turn)) => return Ok(turn),
                Ok(None) if self.client.is_over() => return Err(gone()),
                Ok(None) => self.receive().await?,
                Err(failure) => return Err(said(&failure)),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let conn = self.conn.as_mut().ok_or_else(gone)?;
        conn.send(bytes).await.map_err(|error| error.message().to_owned())
    }

    async fn receive(&mut self) -> Result<(), String> {
        let conn = self.conn.as_mut().ok_or_else(gone)?;
        let mut room = vec![0; PIECE];
        let came = conn.recv(&mut room).await.map_err(|error| error.message().to_owned())?;
        let came = came.ok_or_else(gone)?;
        self.came.extend_from_slice(&room[..came]);
        Ok(())
    }
}

fn gone() -> String {
    "it has closed the connection".to_owned()
}

/// What the next server said.
fn said(failure: &SmtpFailure) -> String {
    match failure {
        SmtpFailure::Refused(what, answer) => format!("{what} was answered {}", shown(answer)),
        SmtpFailure::Unasked(answer) => shown(answer),
        SmtpFailure::NoUtf8 => "it takes no addresses beyond ASCII".to_owned(),
        SmtpFailure::Unreadable(_) => "it does not speak SMTP".to_owned(),
        other => format!("the conversation went wrong: {other:?}"),
    }
}

/// Who has the letter now, who may have it later, and who never will.
fn passing(letter: &PassedLetter, outcome: &SmtpOutcome) -> Passing {
    let mut passing = Passing::default();
    for (to, wants) in letter.to.iter().cloned() {
        let own = outcome.refused.iter().find(|(refused, _)| *refused == to.to_string());
        let refusal = match (own, &outcome.answer) {
            (Some((_, answer)), _) | (None, Err((_, answer))) => answer,
            (None, Ok(answer)) => {
                passing.taken.push(to.to_string());
                passing.answer = shown(answer);
                continue;
            }
        };
        if refusal.code / 100 == 5 {
            passing.never.push((to, wants, shown(refusal)));
        } else {
            passing.why = shown(refusal);
            passing.later.push((to, wants));
        }
    }
    passing
}

/// A letter without what we have put before it; none where it is gone. This blocks.
pub(super) fn read(store: &MailStore, uid: u32, skip: u64) -> std::io::Result<Option<Vec<u8>>> {
    let Some(mut file) = store.read(ALL, uid)? else { return Ok(None) };
    file.seek(SeekFrom::Start(skip))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The same text with CR LF at the end of each line and nowhere a CR or LF alone: what we kept as it was we do not hand on
/// so (RFC 5321 section 2.3.8).
fn whole_lines(letter: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(letter.len());
    let mut before = 0;
    for (at, byte) in letter.iter().enumerate() {
        match byte {
            b'\n' if before != b'\r' => out.extend_from_slice(b"\r\n"),
            b'\r' if letter.get(at + 1) != Some(&b'\n') => out.extend_from_slice(b"\r\n"),
            other => out.push(*other),
        }
        before = *byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_end_of_a_line_that_is_none_is_handed_on() {
        for (letter, whole) in [
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\nb", "a\r\nb"),
            ("a\rb", "a\r\nb"),
            ("a\r\r\nb\r", "a\r\n\r\nb\r\n"),
            ("\n.\n", "\r\n.\r\n"),
        ] {
            assert_eq!(whole_lines(letter.as_bytes()), whole.as_bytes(), "{letter:?}");
        }
    }
}
