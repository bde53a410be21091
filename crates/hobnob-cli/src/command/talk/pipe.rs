//! `talk` in a pipe, or with messages on the command line: stdout carries what is received, and nothing else.

use std::io::Write as _;
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::chunk::Direction;
use hobnob::error::{Error, Kind, Result};
use hobnob::event::{By, Event, Fact, Opened};
use hobnob::spec::Shape;
use hobnob::streams;

use crate::command::talk::converse::{Converse, Happening};
use crate::command::talk::event::{closed, data};
use crate::command::talk::input::Input;
use crate::command::talk::show::Show;
use crate::command::talk::source::InputSource;
use crate::command::talk::wishes::{Connected, TalkFlags};
use crate::command::talk::words::{broken_output, greeting, learnt, silence};
use crate::job::Job;
use crate::process::signals::Signals;
use crate::process::{HUNG_UP, INTERRUPTED, TERMINATED};
use crate::report::show::{count, size, span};
use crate::report::writer::Writer;

/// After the peer has ended: how long more input is waited for. What stdin still has is there at once.
const LEFTOVER: Duration = Duration::from_millis(200);
/// How long our end may take on its way to the peer.
pub(super) const PARTING: Duration = Duration::from_secs(1);
/// How long the last bytes may take into stdout once all is over.
const LAST_WORDS: Duration = Duration::from_hours(1);

struct PipedTalk<'a> {
    job: &'a Job,
    wishes: &'a TalkFlags,
    talk: Converse,
    source: InputSource,
    show: Show,
    writer: Writer,
    shape: Shape,
    began: Duration,
    input_is_over: bool,
}

/// Talks until both sides have said all.
pub(crate) async fn run(
    job: &Job,
    wishes: &TalkFlags,
    line: Connected,
    mut signals: Signals,
) -> Result<u8> {
    let shape = line.conn.shape();
    note(wishes, &greeting(&line, job.is_on("listen")));
    for fact in learnt(&line) {
        note(wishes, &fact);
    }
    let mut pipe = PipedTalk {
        source: InputSource::of(job, wishes, &line),
        show: Show::of(job, wishes),
        talk: Converse::new(line.conn, job.clock),
        writer: Writer::stdout(),
        began: job.clock.now(),
        input_is_over: false,
        job,
        wishes,
        shape,
    };
    pipe.opened();
    let result = pipe.run(&mut signals).await;
    pipe.close(result, &mut signals).await
}

/// A note on stderr, with `-v` only: the rest of the terminal is somebody else's.
fn note(wishes: &TalkFlags, text: &str) {
    if wishes.is_verbose && !wishes.is_quiet {
        tell(text);
    }
}

fn tell(text: &str) {
    let _ = writeln!(streams::stderr(), "{text}");
}

impl PipedTalk<'_> {
    async fn run(&mut self, signals: &mut Signals) -> Result<u8> {
        self.rewind_timer();
        loop {
            let (source, is_over) = (&mut self.source, self.input_is_over);
            let ask = |cx: &mut Context<'_>, can_send: bool, heard: u64| {
                if is_over || !can_send { Poll::Pending } else { source.poll(cx, heard) }
            };
            match self.talk.next(signals, &mut self.writer, ask).await {
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
                    note(self.wishes, "the peer has ended its side");
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
                Happening::Failed(error) => return self.failed(error),
            }
            if self.is_done() {
                return Ok(0);
            }
        }
    }

    /// Everything is said: the peer has ended, and what we had is sent.
    fn is_done(&self) -> bool {
        self.talk.peer_ended && self.input_is_over && self.talk.unsent() == 0
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
        match input {
            Input::Send(mut bytes) => {
                if let (InputSource::Stdin(_), Shape::Packets, Some(eol)) =
                    (&self.source, self.shape, self.wishes.eol)
                {
                    bytes.extend_from_slice(eol.bytes());
                }
                self.sending(&bytes);
                self.talk.send(bytes);
            }
            Input::End => {
                self.input_is_over = true;
                if self.wishes.half_close && !self.talk.peer_ended {
                    self.talk.end();
                }
            }
            Input::Broken(error) => return Err(Error::from_io("read(stdin)", &error)),
        }
        Ok(())
    }

    /// The timer that counts now: what stdin still has, `--wait`, or `--idle`.
    fn rewind_timer(&mut self) {
        let time = if self.talk.peer_ended {
            Some(LEFTOVER)
        } else if self.input_is_over && self.talk.unsent() == 0 {
            let wait = self.wishes.patience(self.shape);
            wait.into_iter().chain(self.wishes.idle).min()
        } else {
            self.wishes.idle
        };
        // While something is being sent to a peer that has ended, the peer decides how long that takes.
        let is_busy = self.talk.peer_ended && self.talk.unsent() > 0;
        self.talk.set_timer(time.filter(|_| !is_busy));
    }

    /// The timer ran out: the exit code, if that is the end.
    fn silence(&mut self) -> Result<Option<u8>> {
        if self.talk.peer_ended {
            return Ok(Some(0));
        }
        let ((sent, _), (received, times)) = (self.talk.sent, self.talk.heard);
        let wait = self.wishes.patience(self.shape);
        match (wait, self.wishes.idle) {
            (Some(wait), _) if self.input_is_over && times == 0 => {
                Err(silence("wait", wait, sent, received))
            }
            (Some(_), _) if self.input_is_over => Ok(Some(0)),
            (_, Some(idle)) => Err(silence("idle", idle, sent, received)),
            _ => Ok(None),
        }
    }

    /// A conn that fails after the peer has ended in order was just not there for the rest any more.
    fn failed(&mut self, error: Error) -> Result<u8> {
        if self.talk.peer_ended && error.kind() != Kind::MessageTooLong {
            if !self.wishes.is_quiet {
                tell("the peer had ended, and did not take the rest of the input");
            }
            return Ok(0);
        }
        Err(error)
    }

    fn received(&mut self, length: usize) {
        let mut out = self.writer.take();
        let bytes = self.talk.received(length);
        if let Show::Json(json) = &mut self.show {
            let event =
                data(self.job.clock.now(), Direction::In, self.talk.heard.1, bytes, self.shape);
            json.event(&mut out, &event);
        } else {
            self.show.bytes(&mut out, bytes, self.shape);
        }
        self.writer.give(out);
    }

    /// Tells a program what is sent.
    fn sending(&mut self, bytes: &[u8]) {
        let event =
            data(self.job.clock.now(), Direction::Out, self.talk.sent.1 + 1, bytes, self.shape);
        self.tell_json(&event);
    }

    fn tell_json(&mut self, event: &Event) {
        if let Show::Json(json) = &mut self.show {
            let mut out = self.writer.take();
            json.event(&mut out, event);
            self.writer.give(out);
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
    async fn close(&mut self, result: Result<u8>, signals: &mut Signals) -> Result<u8> {
        if matches!(result, Ok(INTERRUPTED | TERMINATED | HUNG_UP)) {
            self.talk.part(Duration::ZERO).await;
            return result;
        }
        self.talk.part(PARTING).await;
        let lasted = self.job.clock.now().saturating_sub(self.began);
        let ((sent, messages), (received, times)) = (self.talk.sent, self.talk.heard);
        let event = self.event(Fact::Closed(Box::new(closed(&self.talk, &result, lasted))));
        self.tell_json(&event);
        let mut out = self.writer.take();
        self.show.end(&mut out);
        self.writer.give(out);
        let written = tokio::select! {
            written = self.writer.finish(LAST_WORDS) => written,
            asked = signals.next() => return Ok(asked.code()),
        };
        note(
            self.wishes,
            &format!(
                "closed after {}   sent {} in {messages}   received {} in {times}",
                span(lasted),
                size(sent),
                size(received)
            ),
        );
        if let InputSource::Script(script) = &self.source
            && script.unanswered > 0
            && !self.wishes.is_quiet
        {
            tell(&format!(
                "{} sent without an answer to the one before",
                count(script.unanswered.into(), "message")
            ));
        }
        match written {
            Err(error) if result.is_ok() => broken_output(&error),
            _ => result,
        }
    }
}
