//! What is to be sent: the bytes of stdin, or the messages of the command line.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io::{BufRead, BufReader, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::streams;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::Sleep;

/// Bytes of one read of stdin.
const READ: usize = 64 * 1_024;
/// A line longer than any datagram: it is given on as it is, and the kernel's answer is told.
const LONGEST_LINE: u64 = 128 * 1_024;

/// How stdin is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputCut {
    /// As it comes.
    Chunks,
    /// A line at a time, without its newline.
    Lines,
}

/// Something to send, or why there is nothing more.
#[derive(Debug)]
pub(crate) enum Input {
    /// Send this.
    Send(Vec<u8>),
    /// Stdin is at its end.
    End,
    /// Stdin cannot be read.
    Broken(std::io::Error),
}

/// Stdin on a thread of its own, which never holds up the end of the program. The channel is short: a slow peer
/// stops the reading.
pub(crate) fn stdin(cut: InputCut) -> Receiver<Input> {
    let (to, from) = channel(2);
    let read = move || {
        let mut stdin = BufReader::with_capacity(READ, streams::stdin());
        loop {
            let input = match piece(&mut stdin, cut) {
                Ok(Some(bytes)) => Input::Send(bytes),
                Ok(None) => Input::End,
                Err(error) => Input::Broken(error),
            };
            let is_last = !matches!(input, Input::Send(_));
            if to.blocking_send(input).is_err() || is_last {
                return;
            }
        }
    };
    // Without a thread the channel is closed at once, which reads as an empty stdin.
    let _ = std::thread::Builder::new().name("stdin".to_owned()).spawn(read);
    from
}

fn piece(from: &mut impl BufRead, cut: InputCut) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    if cut == InputCut::Lines {
        from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        bytes.pop_if(|last| *last == b'\n');
        return Ok(Some(bytes));
    }
    let ready = from.fill_buf()?;
    bytes.extend_from_slice(ready);
    let used = bytes.len();
    from.consume(used);
    Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
}

/// The messages of the command line: each is sent once the answer to the one before has begun to come.
pub(crate) struct Script {
    messages: VecDeque<Vec<u8>>,
    clock: Clock,
    /// How long an answer is waited for before the next message is sent without it.
    patience: Duration,
    gate: Option<Pin<Box<Sleep>>>,
    /// Received so far when the gate was set.
    heard: u64,
    /// Messages that were sent without an answer to the one before.
    pub(crate) unanswered: u32,
    is_first: bool,
    /// Received before the first message went out: a greeting is no answer.
    heard_before: u64,
}

impl Script {
    /// `greet`: how long the peer may take to say something first; zero: nothing is waited for.
    pub(crate) fn new(
        messages: Vec<Vec<u8>>,
        clock: Clock,
        greet: Duration,
        patience: Duration,
    ) -> Self {
        let mut script = Script {
            messages: messages.into(),
            clock,
            patience,
            gate: None,
            heard: 0,
            unanswered: 0,
            is_first: true,
            heard_before: 0,
        };
        if !greet.is_zero() {
            script.close_gate(greet, 0);
        }
        script
    }

    fn close_gate(&mut self, time: Duration, heard: u64) {
        self.gate = Some(Box::pin(tokio::time::sleep_until(self.clock.instant_in(time))));
        self.heard = heard;
    }

    /// The next message, once its time has come. `heard`: how many times something was received.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>, heard: u64) -> Poll<Input> {
        if self.messages.is_empty() && self.is_first {
            return Poll::Ready(Input::End);
        }
        if let Some(gate) = &mut self.gate
            && heard == self.heard
        {
            std::task::ready!(gate.as_mut().poll(cx));
            self.unanswered += u32::from(!self.is_first && !self.messages.is_empty());
        }
        self.gate = None;
        let Some(message) = self.messages.pop_front() else { return Poll::Ready(Input::End) };
        if std::mem::take(&mut self.is_first) {
            self.heard_before = heard;
        }
        self.close_gate(self.patience, heard);
        Poll::Ready(Input::Send(message))
    }

    /// How many answers there are once the last message has been handed out.
    pub(crate) fn answers(&self, heard: u64) -> Option<u64> {
        self.messages.is_empty().then(|| heard.saturating_sub(self.heard_before))
    }
}
