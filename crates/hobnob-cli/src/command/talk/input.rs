//! What is to be sent: the bytes of stdin, or the messages of the command line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::task::{Context, Poll};

use hobnob::error::{Error, Kind, Result};
use hobnob::{streams, thread};
use tokio::sync::mpsc::{Receiver, channel};

use crate::advice::Propose as _;
use crate::command::talk::pacing::Pacing;
use crate::report::show::grouped;

/// Bytes of one read of stdin.
const READ: usize = 64 * 1_024;
/// Bytes of one read that is to be a packet: the most that a datagram over IPv4 carries.
const DATAGRAM: usize = 65_507;
/// The most that may be a packet: what a receive of ours holds, and more than any datagram over IP.
pub(super) const LARGEST_PACKET: usize = 128 * 1_024;
/// The most that is kept until all of it goes out at once.
pub(super) const LARGEST_INPUT: usize = 256 << 20;

/// How stdin is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputCut {
    /// As it comes.
    Chunks,
    /// As it comes, with `\r\n` in place of each `\n` that has no `\r` before it.
    Crlf,
    /// A line at a time, without its newline; of a long line, a part.
    Parts,
    /// A line at a time, without its newline, as a packet. One that is too long is an error.
    Packets,
    /// What one read gives, as a packet.
    Reads,
    /// All of it, to its end. More than `most` bytes are an error.
    Whole { most: usize },
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
    /// A message has more bytes than these; nothing of it is sent.
    TooLong(InputCut),
}

impl InputCut {
    /// The error of a message that is longer than it may be.
    pub(super) fn too_long(self) -> Error {
        let (what, most, why) = match self {
            InputCut::Whole { most } => ("standard input", most, "all of it is one message"),
            _ => ("a line of standard input", LARGEST_PACKET, "each line is one packet"),
        };
        let text = format!("{what} has more than {} bytes", grouped(most as u64));
        let error = Error::new(Kind::MessageTooLong, text);
        told(error.why(format!("{why}, and is sent whole or not at all")))
    }
}

/// An error about the length of a message, with where it is said how standard input becomes messages.
pub(super) fn told(error: Error) -> Error {
    error.try_command("hobnob help talk", "how standard input is cut")
}

/// Stdin on a thread of its own, which never holds up the end of the program. The channel is short: a slow peer
/// stops the reading. The error is that there is no thread.
pub(crate) fn stdin(cut: InputCut) -> Result<Receiver<Input>> {
    let (to, from) = channel(2);
    let read = move || {
        let size = if cut == InputCut::Reads { DATAGRAM } else { READ };
        let mut stdin = BufReader::with_capacity(size, streams::stdin());
        let mut is_behind_cr = false;
        loop {
            let input = match piece(&mut stdin, cut, &mut is_behind_cr) {
                Ok(input) => input,
                Err(error) => Input::Broken(error),
            };
            let is_last = !matches!(input, Input::Send(_));
            if to.blocking_send(input).is_err() || is_last {
                return;
            }
            // On a terminal another read would wait for a second end.
            if matches!(cut, InputCut::Whole { .. }) {
                let _ = to.blocking_send(Input::End);
                return;
            }
        }
    };
    thread::start("stdin", read)?;
    Ok(from)
}

/// The next piece. `is_behind_cr`: whether the piece before ended with `\r`.
fn piece(
    from: &mut impl BufRead,
    cut: InputCut,
    is_behind_cr: &mut bool,
) -> std::io::Result<Input> {
    match cut {
        InputCut::Chunks | InputCut::Crlf | InputCut::Reads => {
            let ready = from.fill_buf()?;
            let used = ready.len();
            let bytes = match cut {
                InputCut::Crlf => with_crlf(ready, is_behind_cr),
                _ => ready.to_vec(),
            };
            from.consume(used);
            Ok(if bytes.is_empty() { Input::End } else { Input::Send(bytes) })
        }
        InputCut::Parts => loop {
            let mut line = Vec::new();
            from.by_ref().take(READ as u64).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(Input::End);
            }
            line.pop_if(|last| *last == b'\n');
            if !line.is_empty() {
                return Ok(Input::Send(line));
            }
        },
        InputCut::Packets => {
            let mut line = Vec::new();
            from.by_ref().take(LARGEST_PACKET as u64 + 1).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(Input::End);
            }
            line.pop_if(|last| *last == b'\n');
            Ok(if line.len() > LARGEST_PACKET { Input::TooLong(cut) } else { Input::Send(line) })
        }
        InputCut::Whole { most } => {
            let mut all = Vec::new();
            from.by_ref().take(most as u64 + 1).read_to_end(&mut all)?;
            Ok(match all.len() {
                0 => Input::End,
                length if length > most => Input::TooLong(cut),
                _ => Input::Send(all),
            })
        }
    }
}

/// The bytes with `\r\n` at the end of each line, which lines that have it keep.
fn with_crlf(bytes: &[u8], is_behind_cr: &mut bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for byte in bytes {
        if *byte == b'\n' && !*is_behind_cr {
            out.push(b'\r');
        }
        out.push(*byte);
        *is_behind_cr = *byte == b'\r';
    }
    out
}

/// The messages of the command line: each is sent once the answer to the one before has begun to come.
pub(crate) struct Script {
    messages: VecDeque<Vec<u8>>,
    pub(super) pacing: Pacing,
    /// Received before the first message went out: a greeting is no answer.
    heard_before: u64,
}

impl Script {
    /// These messages, each in its time.
    pub(super) fn new(messages: Vec<Vec<u8>>, pacing: Pacing) -> Self {
        Script { messages: messages.into(), pacing, heard_before: 0 }
    }

    /// The next message, once its time has come. `heard`: how many times something was received.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        heard: u64,
        has_ended: bool,
    ) -> Poll<Input> {
        if self.messages.is_empty() && self.pacing.is_first() {
            return Poll::Ready(Input::End);
        }
        std::task::ready!(self.pacing.poll_open(cx, heard, has_ended));
        let Some(message) = self.messages.pop_front() else { return Poll::Ready(Input::End) };
        if self.pacing.is_first() {
            self.heard_before = heard;
        }
        self.pacing.sends(&message, heard);
        Poll::Ready(Input::Send(message))
    }

    /// How many answers there are once the last message has been handed out.
    pub(crate) fn answers(&self, heard: u64) -> Option<u64> {
        self.messages.is_empty().then(|| heard.saturating_sub(self.heard_before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(cut: InputCut, said: &[&[u8]]) -> (Vec<Vec<u8>>, Input) {
        let (mut all, mut is_behind_cr) = (Vec::new(), false);
        // Each part is a read of its own.
        let whole = said.concat();
        let mut from: Box<dyn BufRead> = match cut {
            InputCut::Crlf | InputCut::Chunks => {
                let size = said.first().map_or(1, |first| first.len().max(1));
                Box::new(BufReader::with_capacity(size, whole.as_slice()))
            }
            _ => Box::new(whole.as_slice()),
        };
        loop {
            match piece(&mut from, cut, &mut is_behind_cr).expect("memory can be read") {
                Input::Send(bytes) => all.push(bytes),
                last => return (all, last),
            }
        }
    }

    #[test]
    fn a_newline_becomes_two_bytes_where_it_is_not_already() {
        let (all, _) = pieces(InputCut::Crlf, &[b"a\r", b"\nb\n", b"\r\rc"]);
        assert_eq!(all.concat(), b"a\r\nb\r\n\r\rc");
        let bytes: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
        assert_eq!(pieces(InputCut::Crlf, &[&bytes]).0.concat(), bytes);
    }

    #[test]
    fn lines_without_their_newline_are_sent_each_by_itself() {
        let (all, last) = pieces(InputCut::Parts, &[b"a\n\nb c\nrest"]);
        assert_eq!(all, [&b"a"[..], b"b c", b"rest"]);
        assert!(matches!(last, Input::End));
        let long = vec![b'x'; 3 * READ + 7];
        assert_eq!(pieces(InputCut::Parts, &[&long]).0.concat(), long);
    }

    #[test]
    fn a_line_is_one_packet_or_an_error() {
        let line = |length: usize| [&vec![b'x'; length][..], b"\nafter"].concat();
        let (all, last) = pieces(InputCut::Packets, &[&line(LARGEST_PACKET)]);
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [LARGEST_PACKET, 5]);
        assert!(matches!(last, Input::End));
        let (all, last) = pieces(InputCut::Packets, &[b"\n", &line(LARGEST_PACKET + 1)]);
        assert_eq!(all, [b""]);
        assert!(matches!(last, Input::TooLong(_)), "{last:?}");
        let unended = vec![b'x'; LARGEST_PACKET + 1];
        assert!(matches!(pieces(InputCut::Packets, &[&unended]).1, Input::TooLong(_)));
    }

    #[test]
    fn all_of_it_is_one_message_or_an_error() {
        let whole = InputCut::Whole { most: 9 };
        let (all, last) = pieces(whole, &[b"a\nb", b"\n\r\n"]);
        assert_eq!(all, [b"a\nb\n\r\n"]);
        assert!(matches!(last, Input::End));
        assert!(pieces(whole, &[]).0.is_empty(), "nothing is no message");
        assert_eq!(pieces(whole, &[b"123456789"]).0.len(), 1);
        let (all, last) = pieces(whole, &[b"1234567890"]);
        assert!(all.is_empty() && matches!(last, Input::TooLong(_)), "{last:?}");
    }
}
