//! The door by which letters are fetched, and deleted with the last word (RFC 1939).

mod mailbox;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use self::mailbox::Pop3Box;
use super::office::MailOffice;
use super::purpose::OnPurpose;
use super::reading::LetterPieces;
use super::rules::Offer;
use super::step::MailReader;
use super::wire::{self, Hearing};
use crate::codec::pop3::{ENDLESS, Pop3Command, Pop3Input, Pop3Reader, Top};
use crate::codec::sasl::{Login, MECHANISMS, SaslServer, SaslStep};
use crate::codec::smtp::Stuffer;
use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::event::MailDeed;
use crate::fault::AnswerAct;
use crate::session::{Dress, Session};
use crate::store::StoredLetter;

/// How long a client may say nothing (RFC 1939 section 3 asks for ten minutes at least). Nothing is deleted then.
const PATIENCE: Duration = Duration::from_mins(10);
/// Mistakes of a client before it is shown the door.
const MAX_ERRORS: u32 = 20;
/// Answers that are gathered before they are sent, in bytes.
const GATHERED: usize = 16 * 1_024;

/// Holds a session.
pub(super) async fn hold(
    office: &MailOffice,
    session: &Arc<Session>,
    conn: &mut Conn,
) -> Result<()> {
    let is_secure = conn.facts().learnt().iter().any(|learnt| learnt.layer == "tls");
    let reader = Pop3Reader::default();
    let (sasl, name, login, mailbox, out) = (None, None, String::new(), None, Vec::new());
    let errors = 0;
    let pop3 = Pop3Session {
        office,
        session,
        reader,
        is_secure,
        sasl,
        name,
        login,
        mailbox,
        out,
        errors,
        deadline: session.clock().now() + PATIENCE,
        purpose: OnPurpose::of(&office.panel, session),
        is_on_purpose: false,
        dropped: None,
    };
    pop3.run(conn).await
}

struct Pop3Session<'a> {
    office: &'a MailOffice,
    session: &'a Arc<Session>,
    reader: Pop3Reader,
    is_secure: bool,
    sasl: Option<SaslServer>,
    /// What USER said.
    name: Option<String>,
    /// Who has logged in.
    login: String,
    /// The box, once somebody has logged in.
    mailbox: Option<Pop3Box<'a>>,
    /// Answers that are not sent yet.
    out: Vec<u8>,
    errors: u32,
    deadline: Duration,
    purpose: OnPurpose<'a>,
    /// Whether what is answered next is refused on purpose, and no mistake of the client's.
    is_on_purpose: bool,
    /// The answer that is not given, on purpose: the conn ends.
    dropped: Option<&'static str>,
}

/// An answer of one line, without its end: `Ok` goes behind `+OK`, `Err` behind `-ERR`.
type Said = std::result::Result<String, String>;

impl Pop3Session<'_> {
    async fn run(mut self, conn: &mut Conn) -> Result<()> {
        self.say(Ok(format!("{} POP3 hobnob", self.office.rules.host)));
        self.flush(conn).await?;
        loop {
            self.session.note_held(self.reader.held());
            // Before the login every line may be a password, or a part of one.
            self.session.hush(self.mailbox.is_none());
            match wire::hear(self.session, conn, self.deadline, false).await? {
                Hearing::Bytes(bytes) => {
                    if self.take(conn, &bytes).await?.is_break() {
                        return self.flush(conn).await;
                    }
                }
                Hearing::End => return Ok(()),
                Hearing::Draining => {
                    self.say(Err("[SYS/TEMP] the server goes away".to_owned()));
                    return self.flush(conn).await;
                }
                Hearing::Late => {
                    self.session.conclude(Some("mail-command"), "it said nothing for too long");
                    self.say(Err("you took too long; nothing is deleted".to_owned()));
                    return self.flush(conn).await;
                }
            }
        }
    }

    /// Does what the bytes say. Break: the conversation is over.
    async fn take(&mut self, conn: &mut Conn, bytes: &[u8]) -> Result<ControlFlow<()>> {
        let mut rest = bytes;
        let mut has_come = false;
        while let Some(input) = self.reader.next(&mut rest) {
            has_come = true;
            self.deadline = self.session.clock().now() + PATIENCE;
            let said = match input {
                Pop3Input::Command(Err(ENDLESS)) | Pop3Input::Response(Err(ENDLESS)) => {
                    self.session.conclude(Some("mail-line"), "a line without an end");
                    self.say(Err(ENDLESS.to_owned()));
                    return Ok(ControlFlow::Break(()));
                }
                Pop3Input::Response(line) => self.respond(line).await?,
                Pop3Input::Command(Err(what)) => Some(Err(what.to_owned())),
                Pop3Input::Command(Ok(Pop3Command::Stls)) => {
                    if let Some(refusal) = self.refusal_of_tls() {
                        self.say(Err(refusal.to_owned()));
                        continue;
                    }
                    self.say(Ok("go on with TLS".to_owned()));
                    self.flush(conn).await?;
                    self.session.dress(Dress::server(&self.office.tls), conn).await?;
                    self.reader.forget();
                    (self.is_secure, self.name) = (true, None);
                    // What came behind STLS in clear text is not read.
                    return Ok(ControlFlow::Continue(()));
                }
                Pop3Input::Command(Ok(Pop3Command::Quit)) => {
                    let said = match self.on_purpose("pop3.quit", b"") {
                        Some(said) => said,
                        None => self.quit().await,
                    };
                    self.hold(conn).await?;
                    if self.dropped.is_none() {
                        self.say(said);
                    }
                    return Ok(ControlFlow::Break(()));
                }
                Pop3Input::Command(Ok(Pop3Command::Http)) => {
                    let why = "it opened with an HTTP request, and this is for letters";
                    return Err(Error::limit("http-request", why));
                }
                Pop3Input::Command(Ok(command)) => self.obey(conn, command).await?,
            };
            self.hold(conn).await?;
            if self.dropped.is_some() {
                return Ok(ControlFlow::Break(()));
            }
            if let Some(said) = said {
                self.say(said);
            }
            if self.errors >= MAX_ERRORS {
                self.session.conclude(Some("mail-errors"), "too many mistakes");
                return Ok(ControlFlow::Break(()));
            }
            if self.out.len() > GATHERED {
                self.flush(conn).await?;
            }
        }
        self.flush(conn).await?;
        if has_come {
            // The next command has so long to come, and not each byte of it.
            self.deadline = self.session.clock().now() + PATIENCE;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Does what a command says. None: the answer was more than a line, and is written already.
    async fn obey(&mut self, conn: &mut Conn, command: Pop3Command) -> Result<Option<Said>> {
        let has_to_wait = self.office.rules.starttls == Offer::Need && !self.is_secure;
        let said = match command {
            Pop3Command::Capa => {
                self.lines(&self.capabilities());
                return Ok(None);
            }
            Pop3Command::Auth(None) => {
                self.lines(&MECHANISMS.join("\r\n"));
                return Ok(None);
            }
            Pop3Command::User(_) | Pop3Command::Pass(_) | Pop3Command::Auth(_)
                if self.mailbox.is_some() =>
            {
                Err("you have logged in already".to_owned())
            }
            Pop3Command::User(_) | Pop3Command::Pass(_) | Pop3Command::Auth(_) if has_to_wait => {
                Err("first comes STLS".to_owned())
            }
            Pop3Command::User(name) => {
                self.name = Some(name);
                Ok("and the password?".to_owned())
            }
            Pop3Command::Pass(password) => match self.name.take() {
                None => Err("first comes USER".to_owned()),
                Some(name) => self.log_in(&Login { name, password }).await,
            },
            Pop3Command::Auth(Some((mechanism, initial))) => match SaslServer::of(&mechanism) {
                None => Err("it is PLAIN or LOGIN".to_owned()),
                Some(mut sasl) => {
                    let step = sasl.begin(initial.as_deref());
                    self.sasl = Some(sasl);
                    return self.sasl_step(step).await;
                }
            },
            command => return self.obey_about_letters(conn, command).await,
        };
        Ok(Some(said))
    }

    async fn obey_about_letters(
        &mut self,
        conn: &mut Conn,
        command: Pop3Command,
    ) -> Result<Option<Said>> {
        let Some(mailbox) = &mut self.mailbox else {
            return Ok(Some(Err("first log in: USER and PASS, or AUTH".to_owned())));
        };
        let said = match command {
            Pop3Command::Stat => Ok(mailbox.stat()),
            Pop3Command::Noop => Ok("here".to_owned()),
            Pop3Command::Rset => Ok(mailbox.reset()),
            Pop3Command::Dele(number) => mailbox.delete(number),
            Pop3Command::List(Some(number)) => mailbox.list(number),
            Pop3Command::Uidl(Some(number)) => mailbox.uidl(number),
            Pop3Command::List(None) => {
                let lines = mailbox.lists();
                self.lines(&lines);
                return Ok(None);
            }
            Pop3Command::Uidl(None) => {
                let lines = mailbox.uidls();
                self.lines(&lines);
                return Ok(None);
            }
            Pop3Command::Retr(number) => {
                let refusal = self.on_purpose("pop3.retr", number.to_string().as_bytes());
                self.hold(conn).await?;
                if refusal.is_some() {
                    return Ok(refusal);
                }
                return self.send_letter(conn, number, None).await;
            }
            Pop3Command::Top(number, lines) => {
                return self.send_letter(conn, number, Some(lines)).await;
            }
            _ => Err("not now".to_owned()),
        };
        Ok(Some(said))
    }

    /// Sends a letter, or the beginning of one, as it is read.
    async fn send_letter(
        &mut self,
        conn: &mut Conn,
        number: usize,
        lines: Option<u64>,
    ) -> Result<Option<Said>> {
        let Some(mailbox) = &self.mailbox else { return Ok(None) };
        let letter = match mailbox.letter(number) {
            Ok(letter) => letter.clone(),
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        let name = mailbox.name().to_owned();
        let open = LetterPieces::open(self.session, &self.office.store, &name, letter.uid).await;
        let mut pieces = match open? {
            Ok(Some(pieces)) => pieces,
            Ok(None) => {
                return Ok(Some(Err("[SYS/TEMP] somebody has taken that letter away".to_owned())));
            }
            Err(error) => {
                return Ok(Some(Err(format!(
                    "[SYS/TEMP] it cannot be read now: {}",
                    error.message()
                ))));
            }
        };
        self.say(Ok(format!("{} octets", letter.size)));
        let (mut top, mut stuffer) = (Top::new(lines), Stuffer::default());
        while !top.is_over() {
            let piece = pieces.next(self.session).await?;
            if piece.is_empty() {
                break;
            }
            let taken = top.take(&piece);
            stuffer.push(&piece[..taken], &mut self.out);
            self.session.note_held(self.out.capacity() + piece.len());
            if self.out.len() > GATHERED {
                self.flush(conn).await?;
            }
        }
        stuffer.finish(&mut self.out);
        if lines.is_none() {
            let fetched = std::iter::once(&*letter);
            self.did(MailDeed::Fetched, &name, fetched);
        }
        Ok(None)
    }

    async fn respond(
        &mut self,
        line: std::result::Result<String, &'static str>,
    ) -> Result<Option<Said>> {
        let Some(sasl) = &mut self.sasl else { return Ok(None) };
        match line {
            Ok(line) => {
                let step = sasl.respond(&line);
                self.sasl_step(step).await
            }
            Err(what) => {
                self.sasl = None;
                Ok(Some(Err(what.to_owned())))
            }
        }
    }

    async fn sasl_step(&mut self, step: SaslStep) -> Result<Option<Said>> {
        if let SaslStep::Challenge(challenge) = step {
            self.reader.expect_response();
            self.out.extend_from_slice(format!("+ {challenge}\r\n").as_bytes());
            return Ok(None);
        }
        self.sasl = None;
        Ok(Some(match step {
            SaslStep::Done(login) => self.log_in(&login).await,
            SaslStep::Malformed(what) => Err(what.to_owned()),
            SaslStep::Cancelled | SaslStep::Challenge(_) => Err("as you like".to_owned()),
        }))
    }

    async fn log_in(&mut self, login: &Login) -> Said {
        let name = self.office.rules.check(login);
        let name = name.ok_or_else(|| "[AUTH] no such name and password".to_owned())?;
        if let Some(refusal) = self.on_purpose("pop3.pass", name.as_bytes()) {
            return refusal;
        }
        let (login, name) = (name.clone(), self.office.box_of(&name));
        let claim = self.office.claim(&name).await;
        let claim = claim.ok_or_else(|| "[IN-USE] another session has the box".to_owned())?;
        // Other programs may have put letters in. What cannot be read now was read before.
        let _ = self.office.store.look(&name).await;
        let mailbox = Pop3Box::open(claim, self.office.store.view(&name));
        let said = mailbox.stat();
        (self.mailbox, self.login) = (Some(mailbox), login);
        Ok(format!("welcome: {said}"))
    }

    /// What is answered on purpose instead of the usual, which is what would be done next.
    fn on_purpose(&mut self, kind: &'static str, about: &[u8]) -> Option<Said> {
        match self.purpose.judge(kind, about)? {
            AnswerAct::Refuse { text, .. } => {
                self.is_on_purpose = true;
                Some(Err(text))
            }
            AnswerAct::Drop => {
                self.dropped = Some(kind);
                self.session.conclude_between(None, Some(kind));
                Some(Err(String::new()))
            }
            AnswerAct::Say { .. } | AnswerAct::Hide(_) => None,
        }
    }

    /// Says nothing for as long as the panel wants, behind what was to be said before.
    async fn hold(&mut self, conn: &mut Conn) -> Result<()> {
        let hold = self.purpose.take_hold();
        if !hold.is_zero() {
            self.flush(conn).await?;
            tokio::time::sleep(hold).await;
        }
        Ok(())
    }

    /// Tells and notes what was done with letters.
    fn did<'l>(&self, did: MailDeed, name: &str, letters: impl Iterator<Item = &'l StoredLetter>) {
        let (store, session, login) = (&self.office.store, self.session, &self.login);
        MailReader { store, session, login }.did(did, name, letters);
    }

    /// Deletes what was marked, and says goodbye.
    async fn quit(&mut self) -> Said {
        let Some(mailbox) = self.mailbox.take() else { return Ok("bye".to_owned()) };
        let deleted = mailbox.deleted();
        if deleted.is_empty() {
            return Ok("bye".to_owned());
        }
        let gone = self.office.store.expunge(mailbox.name(), &deleted).await;
        if let Ok(gone) = &gone {
            let letters = mailbox.letters().filter(|letter| gone.contains(&letter.uid));
            self.did(MailDeed::Deleted, mailbox.name(), letters);
        }
        gone.map(|gone| format!("bye; {} deleted", gone.len()))
            .map_err(|_| "[SYS/TEMP] not all of them could be deleted".to_owned())
    }

    fn refusal_of_tls(&self) -> Option<&'static str> {
        if self.mailbox.is_some() {
            return Some("not after the login");
        }
        let is_off = self.office.rules.starttls == Offer::Off || self.is_secure;
        is_off.then_some("TLS does not begin here")
    }

    fn capabilities(&self) -> String {
        let mut lines = vec!["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"];
        if self.office.rules.starttls != Offer::Need || self.is_secure {
            lines.extend(["USER", "SASL PLAIN LOGIN"]);
        }
        if self.refusal_of_tls().is_none() {
            lines.push("STLS");
        }
        lines.push("IMPLEMENTATION hobnob");
        lines.join("\r\n")
    }

    fn say(&mut self, said: Said) {
        let is_on_purpose = std::mem::take(&mut self.is_on_purpose);
        self.errors += u32::from(said.is_err() && !is_on_purpose);
        let line = match said {
            Ok(text) => format!("+OK {text}\r\n"),
            Err(text) => format!("-ERR {text}\r\n"),
        };
        self.out.extend_from_slice(line.as_bytes());
    }

    /// An answer of several lines, none of which begins with a dot.
    fn lines(&mut self, lines: &str) {
        self.say(Ok(String::new()));
        self.out.extend_from_slice(lines.as_bytes());
        self.out.extend_from_slice(if lines.is_empty() { b".\r\n" } else { b"\r\n.\r\n" });
    }

    async fn flush(&mut self, conn: &mut Conn) -> Result<()> {
        if !self.out.is_empty() {
            conn.send(&self.out).await?;
            self.out = Vec::new();
        }
        Ok(())
    }
}
