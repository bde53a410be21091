//! The door by which letters are looked at where they lie (RFC 3501).

mod append;
mod changes;
mod dates;
mod fetch;
mod flags;
mod folders;
mod listing;
mod search;
mod seats;
mod session;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use self::append::ImapAppend;
use self::seats::ImapBox;
use self::session::{ImapSaid, ImapSession};
use super::office::MailOffice;
use super::purpose::OnPurpose;
use super::rules::Offer;
use super::wire::{self, Hearing};
use crate::codec::imap::{AppendHead, ImapCommand, ImapFault, ImapInput, ImapReader};
use crate::codec::sasl::{Login, SaslServer, SaslStep};
use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::fault::AnswerAct;
use crate::session::{Dress, Session};

/// How long a client may say nothing (RFC 3501 section 5.4 asks for half an hour at least).
const PATIENCE: Duration = Duration::from_mins(30);
/// How often an idle session looks whether other programs have put letters into its box.
const LOOK: Duration = Duration::from_secs(10);
/// Bytes of a letter that are passed over where nobody has logged in.
const STRANGER_LETTER: u64 = 4 * 1_024;
/// Mistakes of a client before it is shown the door.
const MAX_ERRORS: u32 = 20;

/// What is offered to whoever has logged in.
const CAPABILITIES: &str = "IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT MOVE CHILDREN \
    SPECIAL-USE ESEARCH LIST-EXTENDED LIST-STATUS STATUS=SIZE";

/// Holds a session.
pub(super) async fn hold(
    office: &MailOffice,
    session: &Arc<Session>,
    conn: &mut Conn,
) -> Result<()> {
    let is_secure = conn.facts().learnt().iter().any(|learnt| learnt.layer == "tls");
    let imap = ImapSession {
        office,
        session,
        inbox: None,
        login: String::new(),
        selected: None,
        out: Vec::new(),
    };
    let (changes, reader) = (office.store.changes(), ImapReader::default());
    let (sasl, append, idle) = (None, None, None);
    let (errors, dropped, purpose) = (0, None, OnPurpose::of(&office.panel, session));
    let deadline = session.clock().now() + PATIENCE;
    let door = ImapDoor {
        imap,
        reader,
        is_secure,
        sasl,
        append,
        idle,
        changes,
        errors,
        deadline,
        purpose,
        is_on_purpose: false,
        dropped,
    };
    door.run(conn).await
}

struct ImapDoor<'a> {
    imap: ImapSession<'a>,
    reader: ImapReader,
    is_secure: bool,
    /// A login that is going on, and its tag.
    sasl: Option<(String, SaslServer)>,
    append: Option<ImapAppend>,
    /// The tag of an IDLE that is going on.
    idle: Option<String>,
    changes: watch::Receiver<u64>,
    errors: u32,
    deadline: Duration,
    purpose: OnPurpose<'a>,
    /// Whether what is answered next is refused on purpose, and no mistake of the client's.
    is_on_purpose: bool,
    /// The answer that is not given, on purpose: the conn ends.
    dropped: Option<&'static str>,
}

impl ImapDoor<'_> {
    async fn run(mut self, conn: &mut Conn) -> Result<()> {
        let (host, capabilities) = (&self.imap.office.rules.host, self.capabilities());
        self.imap.tell(&format!("OK [CAPABILITY {capabilities}] {host} IMAP4rev1 hobnob"));
        self.imap.flush(conn).await?;
        loop {
            let draft = self.append.as_ref().map_or(0, ImapAppend::held);
            self.imap.session.note_held(self.reader.held() + draft);
            // Before the login every line may be a password, or a part of one.
            self.imap.session.hush(self.imap.inbox.is_none());
            let Some(heard) = self.hear(conn, self.deadline).await? else { continue };
            match heard {
                Hearing::Bytes(bytes) => {
                    if self.take(conn, &bytes).await?.is_break() {
                        return self.imap.flush(conn).await;
                    }
                }
                Hearing::End => return Ok(()),
                Hearing::Draining => {
                    self.imap.tell("BYE the server goes away");
                    return self.imap.flush(conn).await;
                }
                Hearing::Late => {
                    let limit = Some("mail-command");
                    self.imap.session.conclude(limit, "it said nothing for too long");
                    self.imap.tell("BYE you said nothing for too long");
                    return self.imap.flush(conn).await;
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.imap.session.clock().now()
    }

    /// Waits for what comes; an idle session is told meanwhile what changes. None: it was told something.
    async fn hear(&mut self, conn: &mut Conn, deadline: Duration) -> Result<Option<Hearing>> {
        let session = self.imap.session;
        if self.idle.is_none() {
            let is_busy = self.append.is_some();
            return wire::hear(session, conn, deadline, is_busy).await.map(Some);
        }
        let next = deadline.min(self.now() + LOOK);
        tokio::select! {
            heard = wire::hear(session, conn, next, false) => match heard? {
                Hearing::Late if next < deadline => self.look().await,
                heard => return Ok(Some(heard)),
            },
            _ = self.changes.changed() => {}
        }
        self.imap.update(true).await;
        self.imap.flush(conn).await?;
        Ok(None)
    }

    /// Looks whether other programs have changed the box. What cannot be read now was read before.
    async fn look(&self) {
        if let Some(open) = &self.imap.selected {
            let _ = self.imap.office.store.look(&open.name).await;
        }
    }

    /// Does what the bytes say. Break: the conversation is over.
    async fn take(&mut self, conn: &mut Conn, bytes: &[u8]) -> Result<ControlFlow<()>> {
        let mut rest = bytes;
        let mut has_come = false;
        while let Some(input) = self.reader.next(&mut rest) {
            has_come = true;
            self.deadline = self.now() + PATIENCE;
            match input {
                ImapInput::Request(Ok(request)) => {
                    let flow = self.obey(conn, &request.tag, request.command).await?;
                    match flow {
                        ImapFlow::On => {}
                        ImapFlow::Over => return Ok(ControlFlow::Break(())),
                        // What came behind STARTTLS in clear text is not read.
                        ImapFlow::Dressed => return Ok(ControlFlow::Continue(())),
                    }
                }
                ImapInput::Request(Err(fault)) => self.refuse(&fault),
                ImapInput::Continue => self.imap.out.extend_from_slice(b"+ go on\r\n"),
                ImapInput::TooBig(tag) => {
                    let said = ImapSaid::no("[TOOBIG] the literal is too large, or one too many");
                    self.imap.say(tag.as_deref().unwrap_or("*"), &said);
                }
                ImapInput::Append { tag, head, size, waits } => {
                    self.begin_append(tag, head, size, waits).await?;
                }
                ImapInput::Letter(text) => {
                    if let Some(append) = &mut self.append {
                        append.write(text).await;
                    }
                }
                ImapInput::LetterEnd(end) => self.end_append(end).await,
                ImapInput::Line(line) => self.respond(&line).await?,
                ImapInput::Fatal(what) => {
                    self.imap.session.conclude(Some("mail-errors"), what);
                    self.imap.tell(&format!("BYE {what}"));
                    return Ok(ControlFlow::Break(()));
                }
            }
            if self.dropped.is_some() {
                return Ok(ControlFlow::Break(()));
            }
            if self.errors >= MAX_ERRORS {
                self.imap.session.conclude(Some("mail-errors"), "too many mistakes");
                self.imap.tell("BYE too many mistakes");
                return Ok(ControlFlow::Break(()));
            }
            self.imap.flush_much(conn).await?;
        }
        self.imap.flush(conn).await?;
        if has_come {
            // The next command has so long to come, and not each byte of it.
            self.deadline = self.now() + PATIENCE;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn refuse(&mut self, fault: &ImapFault) {
        self.errors += 1;
        let place = if fault.at > 0 { format!(" (byte {})", fault.at) } else { String::new() };
        let said = ImapSaid::Bad(format!("{}{place}", fault.what));
        self.imap.say(fault.tag.as_deref().unwrap_or("*"), &said);
    }

    /// Says the last word on a command, and before it what has changed meanwhile.
    async fn conclude(&mut self, tag: &str, said: ImapSaid, may_shrink: bool) {
        // Of a login it is known only now that its answer is held, or never comes.
        let hold = self.purpose.take_hold();
        if !hold.is_zero() {
            tokio::time::sleep(hold).await;
        }
        if self.dropped.is_some() {
            return;
        }
        let is_on_purpose = std::mem::take(&mut self.is_on_purpose);
        self.errors += u32::from(matches!(said, ImapSaid::Bad(_)) && !is_on_purpose);
        self.imap.update(may_shrink).await;
        self.imap.say(tag, &said);
    }

    async fn obey(&mut self, conn: &mut Conn, tag: &str, command: ImapCommand) -> Result<ImapFlow> {
        // RFC 3501 section 7.4.1: numbers must not shift under a client that uses them.
        let may_shrink = !matches!(
            command,
            ImapCommand::Fetch { is_uid: false, .. }
                | ImapCommand::Store { is_uid: false, .. }
                | ImapCommand::Search { is_uid: false, .. }
        );
        if self.is_refused(conn, tag, &command).await? {
            return Ok(ImapFlow::On);
        }
        let said = match command {
            ImapCommand::Capability => {
                let capabilities = self.capabilities();
                self.imap.tell(&format!("CAPABILITY {capabilities}"));
                ImapSaid::ok("that is all")
            }
            ImapCommand::Logout => {
                self.imap.tell("BYE");
                self.imap.say(tag, &ImapSaid::ok("bye"));
                return Ok(ImapFlow::Over);
            }
            ImapCommand::Http => {
                let why = "it opened with an HTTP request, and this is for letters";
                return Err(Error::limit("http-request", why));
            }
            ImapCommand::StartTls => return self.start_tls(conn, tag).await,
            ImapCommand::Login { name, password } => match self.refusal_of_login() {
                Some(said) => said,
                None => self.log_in(&Login { name, password }),
            },
            ImapCommand::Authenticate { mechanism, initial } => {
                match (self.refusal_of_login(), SaslServer::of(&mechanism)) {
                    (Some(said), _) => said,
                    (None, None) => ImapSaid::no("it is PLAIN or LOGIN"),
                    (None, Some(mut sasl)) => {
                        let step = sasl.begin(initial.as_deref());
                        self.sasl = Some((tag.to_owned(), sasl));
                        self.sasl_step(step).await;
                        return Ok(ImapFlow::On);
                    }
                }
            }
            ImapCommand::Id => {
                self.imap.tell("ID (\"name\" \"hobnob\")");
                ImapSaid::ok("and who are you")
            }
            ImapCommand::Noop => {
                self.look().await;
                ImapSaid::ok("here")
            }
            _ if self.imap.inbox.is_none() => ImapSaid::bad("first log in"),
            ImapCommand::Idle => {
                self.imap.update(true).await;
                self.imap.out.extend_from_slice(b"+ idling\r\n");
                self.reader.expect_line();
                self.idle = Some(tag.to_owned());
                return Ok(ImapFlow::On);
            }
            command => self.obey_about_boxes(conn, tag, command).await?,
        };
        self.conclude(tag, said, may_shrink).await;
        Ok(ImapFlow::On)
    }

    async fn obey_about_boxes(
        &mut self,
        conn: &mut Conn,
        tag: &str,
        command: ImapCommand,
    ) -> Result<ImapSaid> {
        let imap = &mut self.imap;
        let done = match command {
            ImapCommand::Enable(_) => {
                imap.tell("ENABLED");
                Ok(ImapSaid::ok("there is nothing of that"))
            }
            ImapCommand::Namespace => {
                imap.tell("NAMESPACE ((\"\" \"/\")) NIL NIL");
                Ok(ImapSaid::ok("that is all"))
            }
            ImapCommand::Select { mailbox, is_read_only } => {
                return Ok(self.select(&mailbox, is_read_only).await);
            }
            ImapCommand::Create { mailbox, special } if special.is_empty() => {
                imap.create(&mailbox).await
            }
            ImapCommand::Create { .. } => {
                Err(ImapSaid::no("[USEATTR] what a box is for is said by its name here"))
            }
            ImapCommand::Delete(mailbox) => imap.delete(&mailbox).await,
            ImapCommand::Rename { from, to } if from == "INBOX" => {
                return imap.empty_inbox(&to).await;
            }
            ImapCommand::Rename { from, to } => imap.rename(&from, &to).await,
            ImapCommand::Subscribe { mailbox, is_subscribed } => {
                imap.subscribe(&mailbox, is_subscribed).await?
            }
            ImapCommand::List { selection, reference, patterns, results } => {
                imap.list(&selection, &reference, &patterns, &results)
            }
            ImapCommand::Lsub { reference, pattern } => imap.lsub(&reference, &pattern),
            ImapCommand::Status { mailbox, items } => imap.status(&mailbox, &items).await,
            ImapCommand::Check if imap.selected.is_some() => {
                self.look().await;
                Ok(ImapSaid::ok("all is written"))
            }
            ImapCommand::Close { is_expunging } if imap.selected.is_some() => {
                if is_expunging {
                    // One that is only looked at loses nothing, and CLOSE says nothing of that.
                    let _ = imap.expunge(None).await;
                }
                imap.selected = None;
                Ok(ImapSaid::ok("it is closed"))
            }
            ImapCommand::Expunge { uids } => imap.expunge(uids.as_ref()).await,
            ImapCommand::Search { is_uid, results, charset, keys } => {
                return imap.search(tag, is_uid, results, charset, keys).await;
            }
            ImapCommand::Fetch { is_uid, set, items } => {
                return imap.fetch(conn, &set, is_uid, items).await;
            }
            ImapCommand::Store { is_uid, set, mode, is_silent, flags } => {
                return imap.store(&set, is_uid, mode, is_silent, &flags).await;
            }
            ImapCommand::Copy { is_uid, is_move, set, mailbox } => {
                return imap.copy(&set, is_uid, is_move, &mailbox).await;
            }
            _ => Err(ImapSaid::bad("no box is open")),
        };
        Ok(done.unwrap_or_else(|said| said))
    }

    async fn select(&mut self, mailbox: &str, is_read_only: bool) -> ImapSaid {
        // Whatever comes of it, the box that was open no longer is.
        self.imap.selected = None;
        let missing = "[NONEXISTENT] there is no such box";
        let name = match self.imap.known_name(mailbox, missing).await {
            Ok(name) => name,
            Err(said) => return said,
        };
        let office = self.imap.office;
        let _ = office.store.look(&name).await; // what cannot be read now was read before
        let view = office.store.view(&name);
        let mut open = ImapBox::new(name, view.validity, is_read_only);
        open.tell_flags(&office.keywords.names(), true, &mut self.imap.out);
        let is_empty = view.letters.is_empty();
        self.imap.selected = Some(open);
        if is_empty {
            self.imap.tell("0 EXISTS");
            self.imap.tell("0 RECENT");
        }
        self.imap.update(true).await;
        let unseen = self.imap.selected.as_ref().and_then(ImapBox::first_unseen);
        if let Some(number) = unseen {
            self.imap.tell(&format!("OK [UNSEEN {number}] the first that nobody has seen"));
        }
        self.imap.tell(&format!("OK [UIDVALIDITY {}] as long as it is this", view.validity));
        self.imap.tell(&format!("OK [UIDNEXT {}] at least", view.next.max(1)));
        let word = if is_read_only { "READ-ONLY" } else { "READ-WRITE" };
        ImapSaid::Ok(format!("[{word}] it is open"))
    }

    async fn start_tls(&mut self, conn: &mut Conn, tag: &str) -> Result<ImapFlow> {
        if self.imap.inbox.is_some() || !self.offers_tls() {
            self.conclude(tag, ImapSaid::bad("TLS does not begin here"), true).await;
            return Ok(ImapFlow::On);
        }
        self.imap.say(tag, &ImapSaid::ok("go on with TLS"));
        self.imap.flush(conn).await?;
        self.imap.session.dress(Dress::server(&self.imap.office.tls), conn).await?;
        self.reader.forget();
        self.is_secure = true;
        Ok(ImapFlow::Dressed)
    }

    fn offers_tls(&self) -> bool {
        self.imap.office.rules.starttls != Offer::Off && !self.is_secure
    }

    fn has_to_wait(&self) -> bool {
        self.imap.office.rules.starttls == Offer::Need && !self.is_secure
    }

    fn capabilities(&self) -> String {
        let mut all = CAPABILITIES.to_owned();
        if self.imap.inbox.is_none() {
            all += if self.has_to_wait() {
                " LOGINDISABLED"
            } else {
                " SASL-IR AUTH=PLAIN AUTH=LOGIN"
            };
            if self.offers_tls() {
                all += " STARTTLS";
            }
        }
        all
    }

    fn refusal_of_login(&self) -> Option<ImapSaid> {
        if self.imap.inbox.is_some() {
            return Some(ImapSaid::bad("you have logged in already"));
        }
        self.has_to_wait().then(|| ImapSaid::no("[PRIVACYREQUIRED] first comes STARTTLS"))
    }

    /// Whether a command is answered on purpose, and not done. Its answer comes as late as the panel wants.
    async fn is_refused(
        &mut self,
        conn: &mut Conn,
        tag: &str,
        command: &ImapCommand,
    ) -> Result<bool> {
        if !self.purpose.is_asked() || self.imap.inbox.is_none() {
            return Ok(false);
        }
        let open = self.imap.selected.as_ref().map(|open| open.name.clone());
        let (kind, about) = match command {
            ImapCommand::Select { mailbox, .. } => ("imap.select", mailbox.clone()),
            ImapCommand::Fetch { .. } => ("imap.fetch", open.unwrap_or_default()),
            _ => return Ok(false),
        };
        let said = self.on_purpose(kind, about.as_bytes());
        self.is_on_purpose = false; // it is said here, where nothing is counted
        let hold = self.purpose.take_hold();
        if !hold.is_zero() {
            self.imap.flush(conn).await?;
            tokio::time::sleep(hold).await;
        }
        if let Some(said) = said.as_ref().filter(|_| self.dropped.is_none()) {
            self.imap.say(tag, said);
        }
        Ok(said.is_some())
    }

    /// What is answered on purpose instead of the usual, which is what would be done next.
    fn on_purpose(&mut self, kind: &'static str, about: &[u8]) -> Option<ImapSaid> {
        match self.purpose.judge(kind, about)? {
            AnswerAct::Refuse { word, text } => {
                self.is_on_purpose = true;
                Some(if word == "BAD" { ImapSaid::Bad(text) } else { ImapSaid::No(text) })
            }
            AnswerAct::Drop => {
                self.dropped = Some(kind);
                self.imap.session.conclude_between(None, Some(kind));
                Some(ImapSaid::no(""))
            }
            AnswerAct::Say { .. } | AnswerAct::Hide(_) => None,
        }
    }

    fn log_in(&mut self, login: &Login) -> ImapSaid {
        let Some(name) = self.imap.office.rules.check(login) else {
            self.errors += 1;
            return ImapSaid::no("[AUTHENTICATIONFAILED] no such name and password");
        };
        if let Some(refusal) = self.on_purpose("imap.login", name.as_bytes()) {
            return refusal;
        }
        self.imap.inbox = Some(self.imap.office.box_of(&name));
        self.imap.login = name;
        self.reader.log_in();
        ImapSaid::Ok(format!("[CAPABILITY {}] welcome", self.capabilities()))
    }

    /// A line that is no command: of a login, or the end of IDLE.
    async fn respond(&mut self, line: &str) -> Result<()> {
        if let Some(tag) = self.idle.take() {
            let said = if line.eq_ignore_ascii_case("done") {
                ImapSaid::ok("you are not idle any more")
            } else {
                ImapSaid::bad("IDLE ends with DONE")
            };
            self.conclude(&tag, said, true).await;
        } else if let Some((_, sasl)) = &mut self.sasl {
            let step = sasl.respond(line);
            self.sasl_step(step).await;
        }
        Ok(())
    }

    async fn sasl_step(&mut self, step: SaslStep) {
        if let SaslStep::Challenge(challenge) = step {
            self.reader.expect_line();
            self.imap.out.extend_from_slice(format!("+ {challenge}\r\n").as_bytes());
            return;
        }
        let Some((tag, _)) = self.sasl.take() else { return };
        let said = match step {
            SaslStep::Done(login) => self.log_in(&login),
            SaslStep::Malformed(what) => ImapSaid::bad(what),
            SaslStep::Cancelled | SaslStep::Challenge(_) => ImapSaid::bad("as you like"),
        };
        self.conclude(&tag, said, true).await;
    }

    /// Takes the letter that comes next, or says why not.
    async fn begin_append(
        &mut self,
        tag: String,
        head: AppendHead,
        size: u64,
        waits: bool,
    ) -> Result<()> {
        let most = self.imap.office.rules.size;
        match self.imap.appendable(&tag, head, size, most).await? {
            Ok(append) => {
                self.append = Some(append);
                self.reader.accept();
                if waits {
                    self.imap.out.extend_from_slice(b"+ go on\r\n");
                }
            }
            Err(said) => {
                // Where nothing can be read any more, the reader says so next. From a stranger little is read in vain.
                let is_stranger = self.imap.inbox.is_none();
                let passed_over = if is_stranger { STRANGER_LETTER.min(most) } else { most };
                let goes_on = self.reader.refuse(passed_over);
                self.conclude(&tag, said, true).await;
                if !goes_on {
                    self.errors = MAX_ERRORS;
                }
            }
        }
        Ok(())
    }

    async fn end_append(&mut self, end: std::result::Result<(), ImapFault>) {
        let Some(append) = self.append.take() else { return };
        if let Err(fault) = end {
            return self.refuse(&fault);
        }
        let tag = append.tag.clone();
        let said = self.imap.keep(append).await.unwrap_or_else(|fault| ImapSaid::of(&fault));
        self.conclude(&tag, said, true).await;
    }
}

/// How a conversation goes on.
enum ImapFlow {
    On,
    Over,
    /// In TLS.
    Dressed,
}
