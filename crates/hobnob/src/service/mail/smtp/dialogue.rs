//! What is answered to what, without I/O: the server's side of a session (RFC 5321 section 4).

use std::time::Duration;

use super::transaction::{Arriving, Transaction};
use crate::codec::mime::fields;
use crate::codec::sasl::{Login, MECHANISMS, SaslServer};
use crate::codec::smtp::{
    MailParameters, Mailbox, RcptParameters, SmtpCommand, SmtpFault, SmtpInput, SmtpReader,
    SmtpReply, TextNotes,
};
use crate::fault::AnswerAct;
use crate::service::mail::finding::{self, Finding};
use crate::service::mail::forward::letter::MAX_RECEIVED;
use crate::service::mail::purpose::OnPurpose;
use crate::service::mail::rules::{MailRules, Offer};
use crate::service::mail::script::MailScript;

/// Mistakes of a client before it is shown the door.
const MAX_ERRORS: u32 = 20;
/// Recipients of a letter (RFC 5321 section 4.5.3.1.8).
const MAX_RECIPIENTS: usize = 100;

/// One session's side of the conversation. It says what is to be done; who does it says how that went.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(super) struct SmtpDialogue<'r> {
    rules: &'r MailRules,
    reader: SmtpReader,
    /// What the client calls itself, and whether it said EHLO.
    client: Option<(String, bool)>,
    is_secure: bool,
    login: Option<String>,
    sasl: Option<SaslServer>,
    transaction: Option<Transaction>,
    /// What is answered once bytes that nobody wants are over.
    behind_waste: Option<SmtpReply>,
    /// Whether the chunk that comes is the last of its letter.
    is_last_chunk: bool,
    errors: u32,
    /// What the client did wrong outside of letters.
    findings: Vec<&'static Finding>,
    script: MailScript,
    purpose: OnPurpose<'r>,
    /// The answer that follows was asked for: it is no mistake of the client's.
    is_on_purpose: bool,
    /// The kind of the answer that is not given: the conn ends instead.
    dropped: Option<&'static str>,
    /// The letter that was just refused.
    refused: Option<Box<Transaction>>,
    has_quit: bool,
    /// The limit that ends the conversation.
    limit: Option<&'static str>,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum SmtpStep<'a> {
    /// This is to be sent.
    Reply(SmtpReply),
    /// This is to be sent, and the conn ends.
    Close(SmtpReply),
    /// These bytes belong to the letter that [`SmtpDialogue::transaction`] is about.
    Text(&'a [u8]),
    /// The letter is whole, and is to be kept: [`SmtpDialogue::take_letter`], [`SmtpDialogue::kept`].
    Keep,
    /// Somebody wants to log in: [`SmtpDialogue::logged_in`].
    Login(Login),
    /// This is to be sent, and TLS begins: [`SmtpDialogue::secured`]. What has come behind it is not to be read.
    StartTls(SmtpReply),
    /// It is a web client, which gets no answer.
    Http,
    /// The conn ends without an answer of this kind, on purpose.
    Drop(&'static str),
}

impl<'r> SmtpDialogue<'r> {
    pub(super) fn new(rules: &'r MailRules, is_secure: bool, purpose: OnPurpose<'r>) -> Self {
        SmtpDialogue {
            rules,
            reader: SmtpReader::default(),
            client: None,
            is_secure,
            login: None,
            sasl: None,
            transaction: None,
            behind_waste: None,
            is_last_chunk: false,
            errors: 0,
            findings: Vec::new(),
            script: MailScript::default(),
            purpose,
            is_on_purpose: false,
            dropped: None,
            refused: None,
            has_quit: false,
            limit: None,
        }
    }

    /// What is said first.
    pub(super) fn greeting(&mut self, is_early: bool) -> SmtpStep<'static> {
        if is_early {
            self.find(&finding::EARLY_TALKER);
        }
        let refusal = self.on_purpose("conn", b"");
        if let Some(kind) = self.dropped {
            return SmtpStep::Drop(kind);
        }
        // Behind a greeting that refuses the client has nothing to say but QUIT (RFC 5321 section 3.1).
        if let Some(refusal) = refusal {
            return self.close(refusal);
        }
        let greeting = SmtpReply::plain(220, format!("{} ESMTP hobnob", self.rules.host));
        self.note(&greeting);
        SmtpStep::Reply(greeting)
    }

    /// What is answered on purpose instead of the usual, which is what would be done next.
    fn on_purpose(&mut self, kind: &'static str, about: &[u8]) -> Option<SmtpReply> {
        match self.purpose.judge(kind, about)? {
            AnswerAct::Say { code, text } => {
                self.is_on_purpose = true;
                Some(SmtpReply::plain(code, text))
            }
            AnswerAct::Drop => {
                self.dropped = Some(kind);
                Some(SmtpReply::plain(421, ""))
            }
            AnswerAct::Hide(_) | AnswerAct::Refuse { .. } => None,
        }
    }

    /// For how long the answer that comes is held.
    pub(super) fn take_hold(&mut self) -> Duration {
        self.purpose.take_hold()
    }

    /// Reads on in `bytes`, and takes from them what it has read. None: they are used up.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<SmtpStep<'a>> {
        loop {
            let input = self.reader.next(bytes)?;
            let step = match input {
                SmtpInput::Text(text) => self.text(text),
                SmtpInput::End(notes) => Some(self.end(&notes)),
                SmtpInput::ChunkEnd => Some(self.end_chunk()),
                SmtpInput::Response(line) => Some(self.respond(line)),
                SmtpInput::Command(Ok(command)) => self.obey(command, !bytes.is_empty()),
                SmtpInput::Command(Err(fault)) => Some(self.mistake(&fault)),
            };
            if step.is_some() {
                return step;
            }
        }
    }

    fn obey(&mut self, command: SmtpCommand, has_more: bool) -> Option<SmtpStep<'static>> {
        let is_auth = matches!(command, SmtpCommand::Auth { .. });
        let masked = |line: &[u8]| {
            let words = line.split(|byte| *byte == b' ').take(2).collect::<Vec<_>>();
            [&words.join(&b' '), &b" ***"[..]].concat()
        };
        let line = self.reader.line();
        let line = if is_auth { masked(line) } else { line.to_vec() };
        if matches!(command, SmtpCommand::Mail { .. }) && self.transaction.is_none() {
            self.script.begin_letter();
        }
        self.script.heard(&line);
        if has_more && has_to_wait(&command) {
            self.find(&finding::TOO_EARLY);
        }
        if let Some(refusal) = self.needs_first(&command) {
            return self.refuse(&command, refusal);
        }
        let reply = match command {
            SmtpCommand::Http => return Some(SmtpStep::Http),
            SmtpCommand::Helo(name) => self.hello(name, false),
            SmtpCommand::Ehlo(name) => self.hello(name, true),
            SmtpCommand::Mail { from, parameters } => self.mail(from, parameters),
            SmtpCommand::Rcpt { to, parameters } => self.rcpt(to, parameters),
            SmtpCommand::Data => self.data(),
            SmtpCommand::Bdat { size, is_last } => return self.bdat(size, is_last),
            SmtpCommand::Rset => {
                self.reset();
                SmtpReply::new(250, "2.0.0", "forgotten")
            }
            SmtpCommand::Vrfy => SmtpReply::new(252, "2.5.0", "send it, and you will see"),
            SmtpCommand::Expn => SmtpReply::new(502, "5.5.1", "there are no lists here"),
            SmtpCommand::Help => {
                SmtpReply::new(214, "2.0.0", "RFC 5321; hobnob help mail says what is here")
            }
            SmtpCommand::Noop => SmtpReply::new(250, "2.0.0", "ok"),
            SmtpCommand::Quit => {
                self.has_quit = true;
                return Some(self.close(SmtpReply::new(221, "2.0.0", "bye")));
            }
            SmtpCommand::StartTls => return Some(self.start_tls()),
            SmtpCommand::Auth { mechanism, initial } => {
                return Some(self.auth(&mechanism, initial.as_deref()));
            }
        };
        Some(self.say(reply))
    }

    /// What has to come before this command, where it has not come.
    fn needs_first(&self, command: &SmtpCommand) -> Option<SmtpReply> {
        use SmtpCommand as C;
        let is_free = matches!(
            command,
            C::Helo(_) | C::Ehlo(_) | C::Noop | C::Quit | C::StartTls | C::Rset | C::Help | C::Http
        );
        if is_free {
            return None;
        }
        let is_for_letters =
            matches!(command, C::Mail { .. } | C::Rcpt { .. } | C::Data | C::Bdat { .. });
        if self.client.is_none() && (is_for_letters || matches!(command, C::Auth { .. })) {
            return Some(SmtpReply::new(503, "5.5.1", "first say who you are: EHLO me.test"));
        }
        if self.rules.starttls == Offer::Need && !self.is_secure {
            return Some(SmtpReply::new(530, "5.7.0", "first comes STARTTLS"));
        }
        if self.rules.auth == Offer::Need && self.login.is_none() && is_for_letters {
            return Some(SmtpReply::new(530, "5.7.0", "first log in: AUTH PLAIN or AUTH LOGIN"));
        }
        None
    }

    /// Refuses a command. The bytes of a BDAT come all the same, and are answered when they have.
    fn refuse(&mut self, command: &SmtpCommand, refusal: SmtpReply) -> Option<SmtpStep<'static>> {
        if let SmtpCommand::Bdat { size, .. } = command {
            return self.waste(*size, refusal);
        }
        Some(self.say(refusal))
    }

    fn hello(&mut self, name: String, is_extended: bool) -> SmtpReply {
        self.reset();
        if let Some(refusal) =
            is_extended.then(|| self.on_purpose("ehlo", name.as_bytes())).flatten()
        {
            return refusal;
        }
        let hidden = match is_extended.then(|| self.purpose.judge("hide", name.as_bytes())) {
            Some(Some(AnswerAct::Hide(words))) => words,
            _ => Vec::new(),
        };
        let first = format!("{} greets {name}", self.rules.host);
        self.client = Some((name, is_extended));
        let mut reply = SmtpReply::plain(250, first);
        if !is_extended {
            return reply;
        }
        for offer in
            ["PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES"]
        {
            reply = reply.line(offer);
        }
        reply = reply.line(format!("SIZE {}", self.rules.size));
        if self.rules.starttls != Offer::Off && !self.is_secure {
            reply = reply.line("STARTTLS");
        }
        if self.offers_auth() {
            reply = reply.line(format!("AUTH {}", MECHANISMS.join(" ")));
        }
        let is_told = |line: &String| {
            let word = line.split(' ').next().unwrap_or_default();
            !hidden.iter().any(|hidden| hidden == word)
        };
        let offers = reply.lines.split_off(1);
        reply.lines.extend(offers.into_iter().filter(is_told));
        reply
    }

    /// Whether a client may log in now: not in clear text where TLS has to come first.
    fn offers_auth(&self) -> bool {
        let is_late = self.rules.starttls == Offer::Need && !self.is_secure;
        self.rules.auth != Offer::Off && !is_late
    }

    fn mail(&mut self, from: Option<Mailbox>, parameters: MailParameters) -> SmtpReply {
        if self.transaction.is_some() {
            return SmtpReply::new(503, "5.5.1", "a letter is begun already; RSET forgets it");
        }
        let is_extended = self.client.as_ref().is_some_and(|(_, is_extended)| *is_extended);
        if !is_extended && !parameters.is_empty() {
            return SmtpReply::new(555, "5.5.4", "behind HELO nothing stands behind the address");
        }
        if parameters.size.is_some_and(|size| size > self.rules.size) {
            return too_large(self.rules.size);
        }
        if !parameters.is_utf8 && from.as_ref().is_some_and(|from| !from.is_ascii()) {
            return NO_UTF8.reply();
        }
        let shown = from.as_ref().map_or_else(|| "<>".to_owned(), Mailbox::to_string);
        if let Some(reply) = self.on_purpose("mail", shown.trim_matches(['<', '>']).as_bytes()) {
            return reply;
        }
        self.transaction = Some(Transaction::new(from, parameters));
        SmtpReply::new(250, "2.1.0", format!("from {shown}"))
    }

    fn rcpt(&mut self, to: Mailbox, parameters: RcptParameters) -> SmtpReply {
        let is_extended = self.client.as_ref().is_some_and(|(_, is_extended)| *is_extended);
        let Some(transaction) = &self.transaction else {
            return SmtpReply::new(503, "5.5.1", "first comes MAIL FROM");
        };
        if transaction.arriving() != Arriving::Nothing {
            return SmtpReply::new(503, "5.5.1", "the letter is coming already");
        }
        if !is_extended && !parameters.is_empty() {
            return SmtpReply::new(555, "5.5.4", "behind HELO nothing stands behind the address");
        }
        if !transaction.parameters.is_utf8 && !to.is_ascii() {
            return NO_UTF8.reply();
        }
        if transaction.to.len() >= MAX_RECIPIENTS {
            return SmtpReply::new(452, "4.5.3", "a letter has at most 100 recipients here");
        }
        if let Some(reply) = self.on_purpose("rcpt", to.to_string().as_bytes()) {
            return reply;
        }
        let reply = SmtpReply::new(250, "2.1.5", format!("to {to}"));
        if let Some(transaction) = &mut self.transaction {
            transaction.to.push((to, parameters));
        }
        reply
    }

    fn data(&mut self) -> SmtpReply {
        match &self.transaction {
            None => SmtpReply::new(503, "5.5.1", "first come MAIL FROM and RCPT TO"),
            Some(transaction) if transaction.arriving() == Arriving::Chunks => {
                SmtpReply::new(503, "5.5.1", "the letter comes in chunks; BDAT goes on with it")
            }
            Some(transaction) if transaction.to.is_empty() => {
                SmtpReply::new(554, "5.5.1", "the letter is for nobody; first comes RCPT TO")
            }
            Some(_) => {
                if let Some(reply) = self.refused_data() {
                    return reply;
                }
                self.begin(Arriving::Text);
                self.reader.expect_text();
                SmtpReply::plain(354, "go on; a line that is a dot ends it")
            }
        }
    }

    fn bdat(&mut self, size: u64, is_last: bool) -> Option<SmtpStep<'static>> {
        let Some(transaction) = &self.transaction else {
            let refusal = SmtpReply::new(503, "5.5.1", "first come MAIL FROM and RCPT TO");
            return self.waste(size, refusal);
        };
        if transaction.to.is_empty() {
            let refusal = SmtpReply::new(554, "5.5.1", "the letter is for nobody");
            return self.waste(size, refusal);
        }
        let bytes = transaction.bytes().saturating_add(size);
        if bytes > self.rules.size {
            self.refused = self.transaction.take().map(Box::new);
            return self.waste(size, too_large(self.rules.size));
        }
        if transaction.arriving() == Arriving::Nothing
            && let Some(refusal) = self.refused_data()
        {
            return self.waste(size, refusal);
        }
        self.begin(Arriving::Chunks);
        self.is_last_chunk = is_last;
        self.reader.expect_chunk(size);
        None
    }

    /// What is said on purpose of a letter that is about to come.
    fn refused_data(&mut self) -> Option<SmtpReply> {
        let from = self.transaction.as_ref().map(Transaction::reverse_path).unwrap_or_default();
        self.on_purpose("data", from.trim_matches(['<', '>']).as_bytes())
    }

    fn begin(&mut self, arriving: Arriving) {
        if let Some(transaction) = &mut self.transaction {
            transaction.begin(arriving);
        }
    }

    fn end_chunk(&mut self) -> SmtpStep<'static> {
        if let Some(refusal) = self.behind_waste.take() {
            return self.say(refusal);
        }
        if self.is_last_chunk {
            let notes = self.reader.end_chunks();
            return self.end(&notes);
        }
        let so_far = self.transaction.as_ref().map_or(0, Transaction::bytes);
        self.say(SmtpReply::new(250, "2.0.0", format!("{so_far} bytes so far")))
    }

    /// A letter is whole.
    fn end(&mut self, notes: &TextNotes) -> SmtpStep<'static> {
        let Some(transaction) = &mut self.transaction else {
            return self.say(SmtpReply::new(503, "5.5.1", "there is no letter"));
        };
        if transaction.is_too_large() {
            self.refused = self.transaction.take().map(Box::new);
            return self.say(too_large(self.rules.size));
        }
        transaction.note(notes, &self.findings);
        let received = fields(transaction.head())
            .filter(|field| field.name.eq_ignore_ascii_case(b"received"))
            .count();
        if self.rules.forwards && received > MAX_RECEIVED {
            self.refused = self.transaction.take().map(Box::new);
            let text = "it goes in circles: over 30 servers have had it";
            return self.say(SmtpReply::new(554, "5.4.6", text));
        }
        let is_strict = self.rules.is_strict;
        let wrong =
            transaction.findings.iter().copied().find(|found| is_strict && found.is_wrong());
        if let Some(wrong) = wrong {
            self.refused = self.transaction.take().map(Box::new);
            let text = format!("{}: {} ({})", wrong.slug, wrong.text, wrong.source);
            return self.say(SmtpReply::new(550, wrong.status, text));
        }
        let head = transaction.head().to_vec();
        // One that is dropped is kept, and its sender does not learn of it.
        if let Some(refusal) = self.on_purpose("dot", &head).filter(|_| self.dropped.is_none()) {
            self.refused = self.transaction.take().map(Box::new);
            return self.say(refusal);
        }
        SmtpStep::Keep
    }

    /// Whether the bytes of a letter are coming that may be kept.
    pub(super) fn is_writing(&self) -> bool {
        let writes =
            |letter: &Transaction| letter.arriving() != Arriving::Nothing && !letter.is_too_large();
        self.transaction.as_ref().is_some_and(writes)
    }

    /// The letter in the making.
    pub(super) fn transaction(&self) -> Option<&Transaction> {
        self.transaction.as_ref()
    }

    /// The letter that is to be kept.
    pub(super) fn take_letter(&mut self) -> Option<Transaction> {
        self.transaction.take()
    }

    /// The letter that was refused with the last answer, once.
    pub(super) fn take_refused(&mut self) -> Option<Box<Transaction>> {
        self.refused.take()
    }

    /// Whether the client has said goodbye.
    pub(super) fn has_quit(&self) -> bool {
        self.has_quit
    }

    /// What became of the letter, as it is to be answered.
    pub(super) fn kept(&mut self, reply: SmtpReply) -> SmtpStep<'static> {
        self.say(reply)
    }

    /// What the client calls itself, and whether it said EHLO.
    pub(super) fn client(&self) -> Option<(&str, bool)> {
        self.client.as_ref().map(|(name, is_extended)| (&**name, *is_extended))
    }

    /// Who has logged in.
    pub(super) fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// What both sides said for this letter.
    pub(super) fn script(&self) -> &MailScript {
        &self.script
    }

    /// The last command, as it was sent.
    pub(super) fn line(&self) -> &[u8] {
        self.reader.line()
    }

    /// Whether what comes next may be a password.
    pub(super) fn expects_secret(&self) -> bool {
        let may_log_in = self.offers_auth() && self.login.is_none() && self.client.is_some();
        self.sasl.is_some() || may_log_in && self.transaction.is_none()
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.reader.held() + self.transaction.as_ref().map_or(0, Transaction::held)
    }

    fn mistake(&mut self, fault: &SmtpFault) -> SmtpStep<'static> {
        let line = self.reader.line().to_vec();
        let is_secret = line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"));
        self.script.heard(if is_secret { b"AUTH ***" } else { &line });
        if !fault.is_fatal {
            return self.say(fault.reply());
        }
        self.limit = (fault.code == 421).then_some("mail-line");
        self.close(fault.reply())
    }

    /// A letter that was begun is forgotten.
    fn reset(&mut self) {
        self.reader.end_chunks();
        self.transaction = None;
    }

    /// Says something, and goodbye with it where it was one mistake too many.
    fn say(&mut self, reply: SmtpReply) -> SmtpStep<'static> {
        if let Some(kind) = self.dropped {
            return SmtpStep::Drop(kind);
        }
        let is_mistake = !std::mem::take(&mut self.is_on_purpose) && reply.code >= 500;
        self.errors += u32::from(is_mistake);
        if reply.code == 421 {
            return self.close(reply);
        }
        if self.errors >= MAX_ERRORS {
            return self.close(SmtpReply::new(421, "4.7.0", "too many mistakes; come again"));
        }
        self.note(&reply);
        SmtpStep::Reply(reply)
    }

    fn close(&mut self, reply: SmtpReply) -> SmtpStep<'static> {
        self.note(&reply);
        SmtpStep::Close(reply)
    }

    fn note(&mut self, reply: &SmtpReply) {
        let mut written = Vec::new();
        reply.write(&mut written);
        self.script.said(&written);
    }

    fn find(&mut self, finding: &'static Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// A letter of this size is too large.
fn too_large(most: u64) -> SmtpReply {
    SmtpReply::new(552, "5.3.4", format!("a letter has at most {most} bytes here"))
}

const NO_UTF8: SmtpFault = SmtpFault {
    code: 553,
    status: "5.6.7",
    what: "an address that is not ASCII needs MAIL FROM:<...> SMTPUTF8",
    at: 0,
    is_fatal: false,
};

/// Whether the client has to wait for the answer before it says more (RFC 2920 section 3.1, RFC 4954 section 4).
fn has_to_wait(command: &SmtpCommand) -> bool {
    matches!(
        command,
        SmtpCommand::Ehlo(_) | SmtpCommand::Helo(_) | SmtpCommand::Data | SmtpCommand::Auth { .. }
    )
}

mod bounds;
mod login;
#[cfg(test)]
mod tests;
