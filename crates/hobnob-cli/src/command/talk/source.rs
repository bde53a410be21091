//! Where the input comes from: stdin, or the messages of the command line.

use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::spec::Shape;
use tokio::sync::mpsc::Receiver;

use crate::command::talk::input::{Input, InputCut, Script, stdin};
use crate::command::talk::wishes::{Connected, TalkFlags};
use crate::job::Job;

/// How long the next message waits for an answer to the one before, where `--wait` says nothing.
const ANSWER: Duration = Duration::from_secs(10);
/// The least time that a peer has to greet before the first of several messages.
const GREET: Duration = Duration::from_millis(200);

/// Where the input comes from.
pub(super) enum InputSource {
    Stdin(Receiver<Input>),
    Script(Script),
}

impl InputSource {
    /// Stdin, unless there are messages.
    pub(super) fn of(job: &Job, wishes: &TalkFlags, line: &Connected) -> Self {
        let shape = line.conn.shape();
        if wishes.messages.is_empty() {
            return InputSource::Stdin(stdin(match shape {
                Shape::Bytes => InputCut::Chunks,
                Shape::Packets => InputCut::Lines,
            }));
        }
        let eol = wishes.eol(shape).bytes();
        let messages: Vec<_> =
            wishes.messages.iter().map(|message| [message.as_bytes(), eol].concat()).collect();
        // An answer must not be mistaken for the greeting, so the greeting is given time to come.
        let greet = match (shape, messages.len()) {
            (Shape::Bytes, 2..) => GREET.max(3 * line.took),
            // Records have an opening too, and may begin with a greeting.
            (Shape::Packets, _) if has_opening(line.conn.facts().transport) => GREET,
            _ => Duration::ZERO,
        };
        let patience = wishes.patience(shape).unwrap_or(ANSWER);
        InputSource::Script(Script::new(messages, job.clock, greet, patience))
    }

    /// The next piece of input.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, heard: u64) -> Poll<Input> {
        match self {
            InputSource::Stdin(from) => from.poll_recv(cx).map(|input| input.unwrap_or(Input::End)),
            InputSource::Script(script) => script.poll_next(cx, heard),
        }
    }
}

fn has_opening(transport: &str) -> bool {
    let row = hobnob::engine::transports().iter().find(|row| row.spec.name == transport);
    row.is_some_and(|row| row.has_opening)
}
