//! `talk` in a pipe, or with messages on the command line: stdout carries what is received, and nothing else.

use std::future::poll_fn;
use std::io::{IsTerminal as _, Write as _};
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::chunk::Direction;
use hobnob::error::{Error, Kind, Result};
use hobnob::event::{By, Event, Fact, Opened};
use hobnob::spec::Shape;
use hobnob::streams::{self, StdoutWatch};

use crate::calling::Explainer;
use crate::command::talk::converse::{Converse, Happening};
use crate::command::talk::echoed::Echoed;
use crate::command::talk::event::{closed, data};
use crate::command::talk::input::{Input, told};
use crate::command::talk::show::Show;
use crate::command::talk::source::InputSource;
use crate::command::talk::wishes::{Connected, StdinFraming, TalkFlags};
use crate::command::talk::words::{
    NEWLINE_INSIDE, STILL_READING, broken_output, greeting, input_is_silent, learnt, no_answer,
    refused, silence,
};
use crate::job::Job;
use crate::process::signals::Signals;
use crate::process::{BROKEN_PIPE, HUNG_UP, INTERRUPTED, TERMINATED};
use crate::report::show::{size, span};
use crate::report::writer::Writer;

/// How long standard input may be silent after the peer has ended, where `--wait` says nothing.
const LEFTOVER: Duration = Duration::from_secs(2);
/// Silence after which a person is told what is waited for.
const PUZZLING: Duration = Duration::from_secs(2);
/// How long a peer that had ended has to drop what it was sent since.
const REFUSAL: Duration = Duration::from_millis(50);
/// How long our end may take on its way to the peer.
pub(super) const PARTING: Duration = Duration::from_secs(1);
/// How long the last bytes may take into stdout once all is over.
const LAST_WORDS: Duration = Duration::from_hours(1);

struct PipedTalk<'a> {
    job: &'a Job,
    calls: &'a mut Option<Explainer>,
    wishes: &'a TalkFlags,
    talk: Converse,
    source: InputSource,
    show: Show,
    writer: Writer,
    watch: StdoutWatch,
    shape: Shape,
    began: Duration,
    input_is_over: bool,
    /// Something was sent to a peer that had ended.
    has_sent_late: bool,
    /// Since when nothing has happened.
    quiet_since: Duration,
    /// What a person is to be told once after some silence.
    puzzle: Option<&'static str>,
    echoed: Echoed,
}

/// Talks until both sides have said all.
pub(crate) async fn run(
    job: &Job,
    wishes: &TalkFlags,
    line: Connected,
    calls: &mut Option<Explainer>,
    signals: &mut Signals,
) -> Result<u8> {
    let shape = line.conn.shape();
    let greeting = greeting(&line, job.is_on("listen"));
    // A person is here whose terminal moves no cursor.
    if wishes.is_personal() && !wishes.is_quiet {
        let end = match (wishes.framing, shape) {
            (Some(StdinFraming::Whole), _) => "Ctrl-D sends it all, ",
            (_, Shape::Bytes) => "Ctrl-D ends our side, ",
            (_, Shape::Packets) => "",
        };
        tell(job, &format!("{greeting}\n{end}Ctrl-C leaves"));
    } else {
        note(job, wishes, &greeting);
    }
    for fact in learnt(&line) {
        note(job, wishes, &fact);
    }
    let mut pipe = PipedTalk {
        source: InputSource::of(job, wishes, &line)?,
        show: Show::of(job, wishes, shape),
        talk: Converse::new(line.conn, job.clock),
        writer: Writer::stdout()?,
        watch: StdoutWatch::begin_beside_signals(),
        began: job.clock.now(),
        input_is_over: false,
        has_sent_late: false,
        quiet_since: job.clock.now(),
        puzzle: (std::io::stderr().is_terminal() && !wishes.is_quiet).then_some(STILL_READING),
        echoed: Echoed::default(),
        job,
        calls,
        wishes,
        shape,
    };
    pipe.tell_calls();
    pipe.opened();
    let result = pipe.run(signals).await;
    pipe.close(result, signals).await
}

/// A note on stderr, with `-v` only: the rest of the terminal is somebody else's.
fn note(job: &Job, wishes: &TalkFlags, text: &str) {
    if wishes.is_verbose && !wishes.is_quiet {
        tell(job, text);
    }
}

fn tell(job: &Job, text: &str) {
    let _ = writeln!(streams::stderr(), "{}", job.err.broken(text));
}

/// Tells calls where the conversation is told: between its lines or its events, and else on stderr.
fn tell_calls(calls: &mut Explainer, show: &mut Show, writer: &mut Writer) {
    if matches!(show, Show::Told(_) | Show::Json(_)) {
        let mut out = writer.take();
        match show {
            Show::Json(json) => calls.write(json, &mut out),
            _ => out.extend_from_slice(calls.text().as_bytes()),
        }
        writer.give(out);
    } else {
        calls.pump();
    }
}

impl PipedTalk<'_> {
    async fn run(&mut self, signals: &mut Signals) -> Result<u8> {
        self.rewind_timer();
        loop {
            let (source, is_over) = (&mut self.source, self.input_is_over);
            let has_ended = self.talk.peer_ended;
            let ask = |cx: &mut Context<'_>, can_send: bool, heard: u64| {
                if is_over || !can_send { Poll::Pending } else { source.poll(cx, heard, has_ended) }
            };
            let watch = &mut self.watch;
            let happened = tokio::select! {
                biased;
                happened = self.talk.next(signals, &mut self.writer, ask) => happened,
                () = poll_fn(|cx| watch.poll_deserted(cx)) => return Ok(BROKEN_PIPE),
            };
            self.tell_calls();
            match happened {
                Happening::Received(length) => {
                    self.received(length);
                    self.rewind_timer();
                    if self.has_every_answer() {
                        return Ok(0);
                    }
                }
                Happening::Input(input) => {
                    self.input(input)?;
                    self.rewind_timer();
                }
                Happening::Sent | Happening::Ended => self.rewind_timer(),
                Happening::PeerEnded => {
                    note(self.job, self.wishes, "the peer has ended its side");
                    // Where a person types there is nobody left to talk to.
                    self.input_is_over |= self.source.is_typed();
                    self.rewind_timer();
                }
                Happening::Written(Ok(())) => {}
                Happening::Written(Err(error)) => return broken_output(&error),
                Happening::Silence => {
                    if let Some(code) = self.silence()? {
                        return Ok(code);
                    }
                }
                Happening::Asked(asked) => return Ok(asked.code()),
                Happening::Failed(error) => return Err(self.failed(error)),
            }
            if self.is_done() {
                return self.taken().await;
            }
        }
    }

    /// Everything is said: the peer has ended, and what we had is sent.
    fn is_done(&self) -> bool {
        self.talk.peer_ended && self.input_is_over && self.talk.is_sent()
    }

    /// Whether a peer that had ended has taken what it was sent since, as far as its machine tells.
    async fn taken(&mut self) -> Result<u8> {
        if self.has_sent_late {
            let round_trip = self.talk.conn.vitals().map(|vitals| vitals.round_trip * 2);
            let within = REFUSAL.max(round_trip.unwrap_or_default()).min(PARTING);
            if let Some(error) = self.talk.refusal(within).await {
                return Err(self.failed(error));
            }
        }
        Ok(0)
    }

    /// On packets a script is over when each message has its answer.
    fn has_every_answer(&self) -> bool {
        let InputSource::Script(script) = &self.source else { return false };
        self.shape == Shape::Packets
            && self.talk.unsent() == 0
            && script
                .answers(self.talk.heard.1)
                .is_some_and(|answers| answers >= self.wishes.messages.len() as u64)
    }

    fn input(&mut self, input: Input) -> Result<()> {
        if let Some((message, time)) = self.source.unanswered() {
            self.remark(&no_answer(&message, time));
        }
        match input {
            Input::Send(mut bytes) => {
                if let (InputSource::Stdin(_), Shape::Packets, Some(eol)) =
                    (&self.source, self.shape, self.wishes.eol)
                {
                    bytes.extend_from_slice(eol.bytes());
                }
                self.sending(&bytes);
                self.echoed.sent(&bytes);
                self.has_sent_late |= self.talk.peer_ended;
                self.talk.send(bytes);
            }
            Input::End => {
                self.input_is_over = true;
                if self.wishes.half_close && !self.talk.peer_ended {
                    self.talk.end();
                }
            }
            Input::Broken(error) => return Err(Error::from_io("read(stdin)", &error)),
            Input::TooLong(cut) => return Err(cut.too_long()),
        }
        Ok(())
    }

    /// Something has happened: all silence is counted from now.
    fn rewind_timer(&mut self) {
        self.quiet_since = self.job.clock.now();
        self.set_timer();
    }

    fn set_timer(&mut self) {
        let puzzling = self.puzzle.filter(|_| self.is_puzzling()).map(|_| PUZZLING);
        let times = [self.border(), self.wishes.idle, puzzling];
        let quiet = self.quiet();
        let first = times.into_iter().flatten().min();
        self.talk.set_timer(first.map(|time| time.saturating_sub(quiet)));
    }

    fn quiet(&self) -> Duration {
        self.job.clock.now().saturating_sub(self.quiet_since)
    }

    /// The silence that ends it now that one side has ended: of standard input, or of the peer. While something is
    /// being sent, the peer decides how long that takes.
    fn border(&self) -> Option<Duration> {
        match (self.talk.peer_ended, self.input_is_over) {
            _ if self.talk.unsent() > 0 => None,
            (true, false) => Some(self.wishes.wait.unwrap_or(LEFTOVER)),
            (false, true) => self.wishes.patience(self.shape),
            _ => None,
        }
    }

    /// Whether a person may wonder why it goes on: all is said on our side, and nothing but the peer's end ends it.
    fn is_puzzling(&self) -> bool {
        self.input_is_over && !self.talk.peer_ended && self.border().is_none()
    }

    /// The timer ran out: the exit code, if that is the end.
    fn silence(&mut self) -> Result<Option<u8>> {
        let ((sent, _), (received, times)) = (self.talk.sent, self.talk.heard);
        let quiet = self.quiet();
        if let Some(wait) = self.border().filter(|wait| *wait <= quiet) {
            return match (self.talk.peer_ended, times) {
                (true, _) => Err(input_is_silent(wait, sent, received)),
                (false, 0) => Err(silence("wait", wait, sent, received)),
                (false, _) => Ok(Some(0)),
            };
        }
        if let Some(idle) = self.wishes.idle.filter(|idle| *idle <= quiet) {
            return Err(silence("idle", idle, sent, received));
        }
        if self.is_puzzling()
            && quiet >= PUZZLING
            && let Some(text) = self.puzzle.take()
        {
            self.remark(text);
        }
        self.set_timer();
        Ok(None)
    }

    /// A conn that fails after the peer has ended in order was not there for the rest any more.
    fn failed(&self, error: Error) -> Error {
        if error.kind() == Kind::MessageTooLong {
            return told(error);
        }
        if self.talk.peer_ended { refused(error) } else { error }
    }

    /// A line for people: within the conversation where one is shown, and else on stderr.
    fn remark(&mut self, text: &str) {
        if self.wishes.is_quiet {
            return;
        }
        let mut out = self.writer.take();
        let is_shown = self.show.remark(&mut out, text);
        self.writer.give(out);
        if !is_shown {
            tell(self.job, text);
        }
    }

    fn received(&mut self, length: usize) {
        let mut out = self.writer.take();
        let (now, bytes) = (self.job.clock.now(), self.talk.received(length));
        if let Show::Json(json) = &mut self.show {
            json.event(&mut out, &data(now, Direction::In, self.talk.heard.1, bytes, self.shape));
        } else {
            self.show.bytes(&mut out, bytes, self.shape, now);
        }
        let is_newline_inside = self.shape == Shape::Bytes && self.echoed.is_in(bytes);
        self.writer.give(out);
        if is_newline_inside && self.may_remark() {
            self.remark(NEWLINE_INSIDE);
        }
    }

    /// Whether somebody reads what is said beside the bytes. In a pipe the rest of the terminal is somebody else's.
    fn may_remark(&self) -> bool {
        let is_ours = !self.wishes.messages.is_empty() || std::io::stderr().is_terminal();
        is_ours || self.wishes.is_verbose
    }

    /// Tells what is sent, to programs and to a person who sees both sides.
    fn sending(&mut self, bytes: &[u8]) {
        let now = self.job.clock.now();
        let event = data(now, Direction::Out, self.talk.sent.1 + 1, bytes, self.shape);
        self.tell_json(&event);
        let mut out = self.writer.take();
        self.show.sent(&mut out, bytes, now);
        self.writer.give(out);
    }

    fn tell_json(&mut self, event: &Event) {
        if let Show::Json(json) = &mut self.show {
            let mut out = self.writer.take();
            json.event(&mut out, event);
            self.writer.give(out);
        }
    }

    /// Tells the calls since the last time, where they are asked for.
    fn tell_calls(&mut self) {
        if let Some(calls) = self.calls {
            tell_calls(calls, &mut self.show, &mut self.writer);
        }
    }

    fn opened(&mut self) {
        let facts = self.talk.conn.facts();
        let (transport, local, peer) = (facts.transport, facts.local.clone(), facts.peer.clone());
        let opened = Opened { parent: 0, transport, local, peer, door: "" };
        let learnt = facts.learnt().to_vec();
        let event = self.event(Fact::Opened(Box::new(opened)));
        self.tell_json(&event);
        if !learnt.is_empty() {
            let event = self.event(Fact::Dressed { with: By::Peer, learnt });
            self.tell_json(&event);
        }
    }

    fn event(&self, fact: Fact) -> Event {
        Event { at: self.job.clock.now(), session: 1, fact }
    }

    /// The last bytes into stdout, then the totals.
    async fn close(mut self, result: Result<u8>, signals: &mut Signals) -> Result<u8> {
        if matches!(result, Ok(INTERRUPTED | TERMINATED | HUNG_UP)) {
            self.talk.part(Duration::ZERO).await;
            return result;
        }
        self.talk.part(PARTING).await;
        let lasted = self.job.clock.now().saturating_sub(self.began);
        let ((sent, messages), (received, times)) = (self.talk.sent, self.talk.heard);
        let event = self.event(Fact::Closed(Box::new(closed(&self.talk, &result, lasted))));
        let PipedTalk { job, wishes, calls, talk, mut show, mut writer, .. } = self;
        drop(talk);
        if let Some(calls) = calls {
            tell_calls(calls, &mut show, &mut writer);
        }
        let mut out = writer.take();
        if let Show::Json(json) = &mut show {
            json.event(&mut out, &event);
        }
        show.end(&mut out);
        writer.give(out);
        let written = tokio::select! {
            written = writer.finish(LAST_WORDS) => written,
            asked = signals.next() => return Ok(asked.code()),
        };
        note(
            job,
            wishes,
            &format!(
                "closed after {}   sent {} in {messages}   received {} in {times}",
                span(lasted),
                size(sent),
                size(received)
            ),
        );
        match written {
            Err(error) if result.is_ok() => broken_output(&error),
            _ => result,
        }
    }
}
