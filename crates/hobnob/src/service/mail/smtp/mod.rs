//! The door by which letters come in.

mod dialogue;
mod transaction;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use self::dialogue::{SmtpDialogue, SmtpStep};
use self::transaction::Transaction;
use super::finding;
use super::forward::letter::{FORWARD, PassedLetter};
use super::note::LetterNote;
use super::office::MailOffice;
use super::purpose::OnPurpose;
use super::trace::{self, LetterArrival};
use super::wire::{self, Hearing};
use crate::clock;
use crate::codec::mime::shown_subject;
use crate::codec::smtp::{RcptParameters, SmtpReply};
use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::event::{Exchanged, Fact, MailDeed, Mailed};
use crate::session::{Dress, Session};
use crate::store::{ALL, KeptIn, KeptLetter, LetterDraft, StoreFault};

/// How long a command may take to come (RFC 5321 section 4.5.3.2).
const PATIENCE: Duration = Duration::from_mins(5);
/// How many bytes a second of a letter come at least, beside that.
const SLOWEST: u64 = 100;
/// Replies that are gathered before they are sent, in bytes.
const GATHERED: usize = 16 * 1_024;

/// Holds a session.
pub(super) async fn hold(
    office: &MailOffice,
    session: &Arc<Session>,
    conn: &mut Conn,
) -> Result<()> {
    let is_secure = conn.facts().learnt().iter().any(|learnt| learnt.layer == "tls");
    let smtp = SmtpSession {
        office,
        session,
        dialogue: SmtpDialogue::new(
            &office.rules,
            is_secure,
            OnPurpose::of(&office.panel, session),
        ),
        draft: None,
        fault: None,
        trace: 0,
        last: 0,
        out: Vec::new(),
        deadline: Duration::ZERO,
        peer: session.facts.peer.to_string(),
    };
    smtp.run(conn).await
}

struct SmtpSession<'a> {
    office: &'a MailOffice,
    session: &'a Arc<Session>,
    dialogue: SmtpDialogue<'a>,
    /// The letter that is coming.
    draft: Option<LetterDraft>,
    /// Why it cannot be kept.
    fault: Option<StoreFault>,
    /// Bytes of our own lines at its beginning.
    trace: usize,
    /// The letter that was kept last; 0: none was.
    last: u64,
    /// Replies that are not sent yet.
    out: Vec<u8>,
    deadline: Duration,
    peer: String,
}

impl SmtpSession<'_> {
    async fn run(mut self, conn: &mut Conn) -> Result<()> {
        let mut early = wire::overhear(conn).await?;
        let greeting = self.dialogue.greeting(matches!(early, Some(Hearing::Bytes(_))));
        self.hold(conn).await?;
        match greeting {
            SmtpStep::Reply(greeting) => greeting.write(&mut self.out),
            SmtpStep::Close(greeting) => {
                greeting.write(&mut self.out);
                return self.flush(conn).await;
            }
            SmtpStep::Drop(kind) => {
                self.session.conclude_between(None, Some(kind));
                return Ok(());
            }
            _ => {}
        }
        self.flush(conn).await?;
        self.deadline = self.session.clock().now() + PATIENCE;
        loop {
            self.note_held(0);
            self.session.hush(self.dialogue.expects_secret());
            let is_busy = self.dialogue.is_writing();
            let heard = match early.take() {
                Some(heard) => heard,
                None => wire::hear(self.session, conn, self.deadline, is_busy).await?,
            };
            let farewell = match heard {
                Hearing::Bytes(bytes) => match self.take(conn, &bytes).await? {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(()) => return Ok(()),
                },
                Hearing::End => {
                    self.tell_of_no_quit();
                    return Ok(());
                }
                Hearing::Draining => SmtpReply::new(421, "4.3.2", "the server goes away"),
                Hearing::Late => {
                    self.session.conclude(Some("mail-command"), "it said nothing for too long");
                    SmtpReply::new(421, "4.4.2", "you took too long")
                }
            };
            farewell.write(&mut self.out);
            return self.flush(conn).await;
        }
    }

    /// Does what the bytes say. Break: the conversation is over.
    async fn take(&mut self, conn: &mut Conn, bytes: &[u8]) -> Result<ControlFlow<()>> {
        let mut rest = bytes;
        while let Some(step) = self.dialogue.next(&mut rest) {
            self.hold(conn).await?;
            let step = match step {
                SmtpStep::Text(text) => {
                    self.write(text).await;
                    self.note_held(bytes.len());
                    let slack = Duration::from_secs(text.len() as u64 / SLOWEST);
                    self.deadline =
                        (self.deadline + slack).min(self.session.clock().now() + PATIENCE);
                    continue;
                }
                SmtpStep::Keep => self.keep().await,
                SmtpStep::Login(login) => {
                    let name = self.office.rules.check(&login);
                    let step = self.dialogue.logged_in(name);
                    self.hold(conn).await?;
                    step
                }
                step => step,
            };
            self.deadline = self.session.clock().now() + PATIENCE;
            if !self.dialogue.is_writing() {
                (self.draft, self.fault) = (None, None);
            }
            match step {
                SmtpStep::Reply(reply) => {
                    if let Some(letter) = self.dialogue.take_refused() {
                        self.tell_refused(&letter, &reply);
                    }
                    self.tell(&reply);
                    reply.write(&mut self.out);
                }
                SmtpStep::Close(reply) => {
                    if let Some((limit, why)) = self.dialogue.limit() {
                        self.session.conclude(Some(limit), why);
                    }
                    if let Some(letter) = self.dialogue.take_refused() {
                        self.tell_refused(&letter, &reply);
                    }
                    reply.write(&mut self.out);
                    self.flush(conn).await?;
                    return Ok(ControlFlow::Break(()));
                }
                SmtpStep::StartTls(reply) => {
                    reply.write(&mut self.out);
                    self.flush(conn).await?;
                    self.session.dress(Dress::server(&self.office.tls), conn).await?;
                    self.dialogue.secured(!rest.is_empty());
                    return Ok(ControlFlow::Continue(()));
                }
                SmtpStep::Drop(kind) => {
                    self.session.conclude_between(None, Some(kind));
                    self.flush(conn).await?;
                    return Ok(ControlFlow::Break(()));
                }
                SmtpStep::Http => {
                    let why = "it opened with an HTTP request, and this is for letters";
                    return Err(Error::limit("http-request", why));
                }
                SmtpStep::Text(_) | SmtpStep::Keep | SmtpStep::Login(_) => {}
            }
            if self.out.len() > GATHERED {
                self.flush(conn).await?;
            }
        }
        self.flush(conn).await?;
        Ok(ControlFlow::Continue(()))
    }

    /// Says nothing for as long as the panel wants, behind what was to be said before.
    async fn hold(&mut self, conn: &mut Conn) -> Result<()> {
        let hold = self.dialogue.take_hold();
        if !hold.is_zero() {
            self.flush(conn).await?;
            tokio::time::sleep(hold).await;
        }
        Ok(())
    }

    /// Adds to the letter. What cannot be written is answered once the letter is whole.
    async fn write(&mut self, text: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        if self.draft.is_none() {
            self.begin();
        }
        let Some(draft) = &mut self.draft else { return };
        draft.push(text);
        if draft.is_full()
            && let Err(fault) = draft.flush().await
        {
            (self.draft, self.fault) = (None, Some(fault));
        }
    }

    /// Begins a letter with the lines that say where it came from.
    fn begin(&mut self) {
        let Some(letter) = self.dialogue.transaction() else { return };
        let mut draft = self.office.store.draft();
        if self.office.rules.has_trace {
            let lines = self.arrival(letter, draft.serial());
            self.trace = lines.len();
            draft.push(lines.as_bytes());
        }
        self.draft = Some(draft);
    }

    fn with(&self, letter: &Transaction) -> String {
        let is_extended = self.dialogue.client().is_some_and(|(_, is_extended)| is_extended);
        if !is_extended {
            return "SMTP".to_owned();
        }
        let (is_secure, has_login) = (self.dialogue.is_secure(), self.dialogue.login().is_some());
        trace::extended(letter.parameters.is_utf8, is_secure, has_login)
    }

    /// Keeps the letter that is whole, and says what became of it.
    async fn keep(&mut self) -> SmtpStep<'static> {
        let began = self.session.clock().now();
        if self.draft.is_none() && self.fault.is_none() {
            self.begin(); // it has no byte of its own
        }
        // Whatever becomes of it, the letter is over.
        let letter = self.dialogue.take_letter();
        let outcome = match (self.fault.take(), self.draft.take(), letter) {
            (None, Some(draft), Some(letter)) => {
                let kept = self.hand_over(draft, &letter).await;
                if let Err(fault) = &kept {
                    self.tell_refused(&letter, &refusal(fault));
                }
                kept
            }
            (fault, _, letter) => {
                let fault = fault.unwrap_or(StoreFault::Closed);
                if let Some(letter) = letter {
                    self.tell_refused(&letter, &refusal(&fault));
                }
                Err(fault)
            }
        };
        let (reply, target, bytes) = match outcome {
            Ok((serial, size)) => {
                self.last = serial;
                let reply = SmtpReply::new(250, "2.0.0", format!("kept as {serial}"));
                (reply, format!("letter {serial}"), size)
            }
            Err(fault) => (refusal(&fault), String::new(), 0),
        };
        let took = self.session.clock().now().saturating_sub(began);
        self.exchange("DATA", target, reply.code, bytes, took);
        self.dialogue.kept(reply)
    }

    async fn hand_over(
        &self,
        mut draft: LetterDraft,
        letter: &Transaction,
    ) -> Result<(u64, u64), StoreFault> {
        let to: Vec<String> = letter.to.iter().map(|(to, _)| to.to_string()).collect();
        let boxes = self.office.rules.boxes(&to, self.dialogue.login());
        let boxes: Vec<_> = boxes.iter().map(String::as_str).collect();
        let note = LetterNote {
            serial: draft.serial(),
            at: clock::rfc3339(self.session.clock().wall()),
            peer: &self.peer,
            client: self.dialogue.client().map_or("", |(name, _)| name),
            with: &self.with(letter),
            login: self.dialogue.login(),
            from: letter.from.as_ref().map(ToString::to_string).unwrap_or_default(),
            to: &to,
            trace: self.trace,
            findings: &letter.findings,
            script: self.dialogue.script(),
        };
        let note = note.json();
        let passed = self.office.rules.forwards.then(|| self.passed(letter, draft.serial()));
        if let Some(passed) = passed.as_ref().filter(|_| self.office.store.is_lasting()) {
            let clock = self.session.clock();
            draft.set_errand(passed.errand(clock.now(), clock.wall()));
        }
        let kept = self.office.store.keep(draft, &boxes, note.as_bytes()).await?;
        if let Some(passed) = passed {
            self.pass_on(passed, &kept);
        }
        self.tell_kept(letter, &kept);
        Ok((kept.serial, kept.size))
    }

    /// The letter as it is passed on: with a Received line, and without a Return-Path, which is for the last server alone
    /// (RFC 5321 section 4.4).
    fn passed(&self, letter: &Transaction, serial: u64) -> PassedLetter {
        let now = self.session.clock().now();
        let mut passed = PassedLetter::new(serial, 0, letter.from.clone(), now);
        let lines = self.arrival(letter, serial);
        passed.trace = lines.split_once("\r\n").map_or(String::new(), |(_, rest)| rest.to_owned());
        passed.skip = self.trace as u64;
        let wants =
            |parameters: &RcptParameters| parameters.notify.is_none_or(|notify| notify.failure);
        passed.to = letter.to.iter().map(|(to, own)| (to.clone(), wants(own))).collect();
        passed
    }

    /// Gives a letter that is kept to who passes it on.
    fn pass_on(&self, mut passed: PassedLetter, kept: &KeptLetter) {
        let Some(lies) = kept.boxes.iter().find(|lies| lies.name == ALL) else { return };
        passed.uid = lies.uid;
        if !self.office.queue.push(passed) {
            let text = format!("letter {} is kept, and not passed on: too many wait", kept.serial);
            self.session.emit(Fact::Warning(text));
            self.session.bus().drop_by(FORWARD, 1);
        }
    }

    /// The lines that say where a letter came from.
    fn arrival(&self, letter: &Transaction, serial: u64) -> String {
        let only_to = match &letter.to[..] {
            [(to, _)] => Some(to.to_string()),
            _ => None,
        };
        LetterArrival {
            reverse_path: &letter.reverse_path(),
            client: self.dialogue.client().map_or("", |(name, _)| name),
            peer: &self.peer,
            host: &self.office.rules.host,
            with: &self.with(letter),
            serial,
            only_to: only_to.as_deref(),
            at: self.session.clock().wall(),
        }
        .lines()
    }

    /// Tells that a letter was kept, and which had to go for it.
    fn tell_kept(&self, letter: &Transaction, kept: &KeptLetter) {
        self.session.bus().drop_by("keep", kept.dropped.len());
        if !self.session.bus().is_watched() {
            return;
        }
        let place = |one: &KeptIn| (one.name.clone(), one.uid);
        // The box for all comes first.
        let mut boxes: Vec<_> = kept.boxes.iter().map(place).collect();
        boxes.sort_by_key(|(name, _)| name != ALL);
        self.mailed(Mailed {
            letter: kept.serial,
            boxes,
            file: kept.file.clone(),
            trace: self.trace as u64,
            ..self.told(letter)
        });
        for gone in &kept.dropped {
            self.mailed(Mailed {
                did: MailDeed::Dropped,
                letter: gone.serial.unwrap_or(0),
                boxes: vec![place(gone)],
                detail: "only the newest are kept".to_owned(),
                ..Mailed::default()
            });
        }
    }

    fn tell_refused(&self, letter: &Transaction, reply: &SmtpReply) {
        if self.session.bus().is_watched() {
            let text = reply.lines.join(" ");
            let detail = format!("{} {} {text}", reply.code, reply.status);
            let detail = detail.split_whitespace().collect::<Vec<_>>().join(" ");
            self.mailed(Mailed { did: MailDeed::Refused, detail, ..self.told(letter) });
        }
    }

    /// Tells that a client that has sent letters went without QUIT.
    fn tell_of_no_quit(&self) {
        if self.last > 0 && !self.dialogue.has_quit() && self.session.bus().is_watched() {
            let findings = vec![finding::QUIT_MISSING.told()];
            let (did, letter) = (MailDeed::Noted, self.last);
            self.mailed(Mailed { did, letter, findings, ..Mailed::default() });
        }
    }

    /// What is known of a letter before it has a number.
    fn told(&self, letter: &Transaction) -> Mailed {
        Mailed {
            from: letter.from.as_ref().map(ToString::to_string).unwrap_or_default(),
            to: letter.to.iter().map(|(to, _)| to.to_string()).collect(),
            subject: shown_subject(letter.head()),
            size: letter.bytes(),
            parts: letter.parts(),
            client: self.dialogue.client().map_or("", |(name, _)| name).to_owned(),
            with: self.with(letter),
            login: self.dialogue.login().unwrap_or_default().to_owned(),
            findings: letter.findings.iter().map(|finding| finding.told()).collect(),
            dialogue: self.dialogue.script().lines().to_vec(),
            ..Mailed::default()
        }
    }

    fn mailed(&self, mailed: Mailed) {
        self.session.emit(Fact::Mailed(Box::new(mailed)));
    }

    /// Tells of a command that is about a letter.
    fn tell(&self, reply: &SmtpReply) {
        if !self.session.bus().is_watched() {
            return;
        }
        let line = String::from_utf8_lossy(self.dialogue.line()).into_owned();
        let (verb, rest) = line.split_once(':').unwrap_or_default();
        let is_about_one =
            ["MAIL FROM", "RCPT TO"].iter().any(|one| verb.eq_ignore_ascii_case(one));
        if is_about_one {
            let method = verb.split(' ').next().unwrap_or_default();
            self.exchange(method, rest.trim().to_owned(), reply.code, 0, Duration::ZERO);
        }
    }

    fn exchange(&self, method: &str, target: String, status: u16, bytes: u64, took: Duration) {
        if self.session.bus().is_watched() {
            let method = method.to_ascii_uppercase();
            let exchanged = Exchanged { method, target, status, bytes, took };
            self.session.emit(Fact::Exchanged(Box::new(exchanged)));
        }
    }

    async fn flush(&mut self, conn: &mut Conn) -> Result<()> {
        if !self.out.is_empty() {
            conn.send(&self.out).await?;
            self.out = Vec::new();
        }
        Ok(())
    }

    fn note_held(&self, more: usize) {
        let draft = self.draft.as_ref().map_or(0, LetterDraft::held);
        self.session.note_held(self.dialogue.held() + draft + self.out.capacity() + more);
    }
}

/// What is said of a letter that could not be kept.
fn refusal(fault: &StoreFault) -> SmtpReply {
    match fault {
        StoreFault::Full(what) => {
            SmtpReply::new(452, "4.3.1", format!("there is no room: {what}; try again later"))
        }
        StoreFault::BadName => SmtpReply::new(553, "5.1.3", "there can be no box of that name"),
        StoreFault::Disk(error) => {
            SmtpReply::new(452, "4.3.0", format!("it could not be written: {error}"))
        }
        StoreFault::Closed => SmtpReply::new(451, "4.3.2", "nothing is kept any more"),
    }
}
