//! Where the input comes from: stdin, or the messages of the command line.

use std::io::IsTerminal as _;
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::error::Result;
use hobnob::spec::Shape;
use tokio::sync::mpsc::Receiver;

use crate::command::talk::input::{Input, InputCut, LARGEST_INPUT, LARGEST_PACKET, Script, stdin};
use crate::command::talk::pacing::Pacing;
use crate::command::talk::wishes::{Connected, Eol, StdinFraming, TalkFlags};
use crate::job::Job;

/// How long the next message waits for an answer to the one before, where `--wait` says nothing.
const ANSWER: Duration = Duration::from_secs(1);
/// The least time that a peer has to greet before the first of several messages.
const GREET: Duration = Duration::from_millis(200);

/// Where the input comes from.
pub(super) enum InputSource {
    Stdin(Receiver<Input>),
    /// Lines that nothing parts on their way: each waits for the answer to the one before, as messages do.
    Paced(Receiver<Input>, Pacing),
    Script(Script),
}

impl InputSource {
    /// Stdin, unless there are messages.
    pub(super) fn of(job: &Job, wishes: &TalkFlags, line: &Connected) -> Result<Self> {
        let shape = line.conn.shape();
        // An answer must not be mistaken for the greeting, so the greeting is given time to come.
        let greet = GREET.max(3 * line.took);
        let patience = wishes.patience(shape).unwrap_or(ANSWER);
        if wishes.messages.is_empty() {
            if let Some(framing) = wishes.framing {
                return Ok(InputSource::Stdin(stdin(framed(framing, shape))?));
            }
            // A person at a terminal without a line editor has what that would send.
            let typed = line.wants_crlf.filter(|_| wishes.is_personal()).map(|_| Eol::Crlf);
            return Ok(match (shape, wishes.eol.or(typed)) {
                (Shape::Packets, _) => InputSource::Stdin(stdin(InputCut::Packets)?),
                (Shape::Bytes, Some(Eol::Crlf)) => InputSource::Stdin(stdin(InputCut::Crlf)?),
                (Shape::Bytes, Some(Eol::None)) => {
                    let pacing = Pacing::new(job.clock, greet, patience);
                    InputSource::Paced(stdin(InputCut::Parts)?, pacing)
                }
                (Shape::Bytes, Some(Eol::Lf) | None) => {
                    InputSource::Stdin(stdin(InputCut::Chunks)?)
                }
            });
        }
        let eol = wishes.eol(shape).bytes();
        let messages: Vec<_> =
            wishes.messages.iter().map(|message| [message.as_bytes(), eol].concat()).collect();
        let greet = match (shape, messages.len()) {
            (Shape::Bytes, 2..) => greet,
            // Records have an opening too, and may begin with a greeting.
            (Shape::Packets, _) if has_opening(line.conn.facts().transport) => GREET,
            _ => Duration::ZERO,
        };
        let pacing = Pacing::new(job.clock, greet, patience);
        Ok(InputSource::Script(Script::new(messages, pacing)))
    }

    /// The next piece of input. `heard`: how many times something was received; `has_ended`: whether the peer has said
    /// all.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        heard: u64,
        has_ended: bool,
    ) -> Poll<Input> {
        match self {
            InputSource::Stdin(from) => from.poll_recv(cx).map(|input| input.unwrap_or(Input::End)),
            InputSource::Paced(from, pacing) => {
                std::task::ready!(pacing.poll_open(cx, heard, has_ended));
                let input = std::task::ready!(from.poll_recv(cx)).unwrap_or(Input::End);
                if let Input::Send(line) = &input {
                    pacing.sends(line, heard);
                    // Whoever does not answer would make each of many lines wait.
                    if pacing.has_unanswered() {
                        pacing.stop();
                    }
                }
                Poll::Ready(input)
            }
            InputSource::Script(script) => script.poll_next(cx, heard, has_ended),
        }
    }

    /// The first message that had no answer within its time, told once, and that time.
    pub(super) fn unanswered(&mut self) -> Option<(Vec<u8>, Duration)> {
        match self {
            InputSource::Stdin(_) => None,
            InputSource::Paced(_, pacing) => pacing.unanswered(),
            InputSource::Script(script) => script.pacing.unanswered(),
        }
    }

    /// Whether a person types here: at the peer's end there is nothing more to wait for.
    pub(super) fn is_typed(&self) -> bool {
        !matches!(self, InputSource::Script(_)) && std::io::stdin().is_terminal()
    }
}

/// How standard input is cut where `--framing` says it.
fn framed(framing: StdinFraming, shape: Shape) -> InputCut {
    match (framing, shape) {
        (StdinFraming::None, Shape::Bytes) => InputCut::Chunks,
        (StdinFraming::None, Shape::Packets) => InputCut::Reads,
        (StdinFraming::Whole, Shape::Bytes) => InputCut::Whole { most: LARGEST_INPUT },
        (StdinFraming::Whole, Shape::Packets) => InputCut::Whole { most: LARGEST_PACKET },
    }
}

fn has_opening(transport: &str) -> bool {
    let row = hobnob::engine::transports().iter().find(|row| row.spec.name == transport);
    row.is_some_and(|row| row.has_opening)
}
