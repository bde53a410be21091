//! Text messages, cut from a stream of bytes.
//!
//! One rule serves a peer that ends its lines (`Michael\n`, from nc) and one that does not (`Michael`, from
//! a first socket program) alike. A cutter owns no memory unless a message is unfinished.

use std::fmt;
use std::ops::ControlFlow;

/// The most that a line may hold, in bytes, where nobody says otherwise.
pub const LINE_CAP: usize = 65_536;

/// How messages are cut: `--framing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Until the first newline, what arrives together is one message; from it on, messages are lines.
    Auto,
    /// Messages are lines.
    Lines,
    /// What arrives together, in pieces of so many bytes: what a `recv(1024)` in a loop would have got.
    Chunks {
        /// Bytes of a piece, at least 1.
        recv: usize,
    },
}

/// How bytes are cut into messages: a rule, and the longest line.
#[derive(Debug, Clone, Copy)]
pub struct Cutting {
    /// The rule.
    pub rule: Rule,
    /// Bytes of the longest line.
    pub line: usize,
}

impl Default for Cutting {
    fn default() -> Self {
        Cutting { rule: Rule::Auto, line: LINE_CAP }
    }
}

/// One message, and what ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The message, in whatever encoding it came.
    pub body: &'a [u8],
    /// `"\n"`, `"\r\n"`, or empty where no newline ended it. The answer ends the same way.
    pub ending: &'static [u8],
}

/// A line was longer than its cap. The stream cannot be cut any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// The most that a line may hold, in bytes.
    pub cap: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line is at most {} bytes here", self.cap)
    }
}

impl std::error::Error for TooLong {}

/// Cuts one direction of one conn.
#[derive(Debug)]
pub struct Cutter {
    state: CutterState,
    /// Bytes of the longest line, or of a chunk.
    cap: usize,
    /// The beginning of a message that is not complete. Never empty with room: idle sessions are many.
    pending: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CutterState {
    /// Auto, and no newline has come yet.
    Bursts,
    Lines,
    Chunks,
}

impl Cutter {
    /// A cutter by this rule, with lines of at most `cap` bytes (their newline not counted).
    pub fn new(rule: Rule, cap: usize) -> Self {
        let (state, cap) = match rule {
            Rule::Auto => (CutterState::Bursts, cap),
            Rule::Lines => (CutterState::Lines, cap),
            Rule::Chunks { recv } => (CutterState::Chunks, recv.max(1)),
        };
        Cutter { state, cap, pending: Vec::new() }
    }

    /// Cuts what arrived together and hands each message to `sink`; says how many bytes were used up.
    ///
    /// All are, unless `sink` breaks: then what follows that message is the caller's to keep, and to feed
    /// before anything newer, in a feed of its own, which cuts as though there had been no break. The cutter
    /// keeps at most `cap` bytes and one feed.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<usize, TooLong> {
        match self.state {
            CutterState::Chunks => return Ok(chunks(bytes, self.cap, sink)),
            CutterState::Bursts if memchr::memchr(b'\n', bytes).is_none() => {
                self.burst(bytes, sink);
                return Ok(bytes.len());
            }
            CutterState::Bursts | CutterState::Lines => self.state = CutterState::Lines,
        }
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', bytes) {
            let line = &bytes[start..=newline];
            start = newline + 1;
            if self.line(line, &mut sink)?.is_break() {
                return Ok(start);
            }
        }
        self.keep(&bytes[start..])?;
        Ok(bytes.len())
    }

    /// Whether a message waits for the rest of its last character or newline, which may never come. The
    /// driver gives it a moment (20 ms from when the waiting began) and then calls [`flush`](Self::flush).
    pub fn is_waiting(&self) -> bool {
        self.state == CutterState::Bursts && !self.pending.is_empty()
    }

    /// The moment is over: what waits goes as it is. An unfinished line goes on waiting.
    pub fn flush(&mut self, sink: impl FnOnce(Message<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.is_waiting() { self.finish(sink) } else { ControlFlow::Continue(()) }
    }

    /// The peer has ended: what is left is a message too.
    pub fn finish(&mut self, sink: impl FnOnce(Message<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let body = std::mem::take(&mut self.pending);
        if body.is_empty() {
            return ControlFlow::Continue(());
        }
        sink(Message { body: &body, ending: b"" })
    }

    /// Bytes kept of an unfinished message.
    pub fn held(&self) -> usize {
        self.pending.len()
    }

    /// Bytes without a newline, before the first newline: one message, unless its end is unfinished.
    fn burst(&mut self, bytes: &[u8], mut sink: impl FnMut(Message<'_>) -> ControlFlow<()>) {
        let mut held = std::mem::take(&mut self.pending);
        if !held.is_empty() {
            held.extend_from_slice(bytes);
        }
        let burst = if held.is_empty() { bytes } else { &held };
        let tail = unfinished(burst);
        if tail > 0 && burst.len() <= self.cap {
            self.pending = if held.is_empty() { bytes.to_vec() } else { held };
            return;
        }
        // Past the cap the message goes without its last character, so that a flood stays bounded.
        let (body, tail) = burst.split_at(burst.len() - tail);
        if !body.is_empty() {
            let _ = sink(Message { body, ending: b"" }); // all is used up, whatever it says
        }
        self.pending = tail.to_vec();
    }

    /// One line's end, with its newline.
    fn line(
        &mut self,
        end: &[u8],
        sink: &mut impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TooLong> {
        let mut begun = std::mem::take(&mut self.pending);
        if begun.len() + end.len() > self.cap + b"\r\n".len() {
            return Err(TooLong { cap: self.cap });
        }
        let line = if begun.is_empty() {
            end
        } else {
            begun.extend_from_slice(end);
            &begun
        };
        let (body, ending) = split_newline(line);
        if body.len() > self.cap {
            return Err(TooLong { cap: self.cap });
        }
        Ok(sink(Message { body, ending }))
    }

    /// Keeps the beginning of a line.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let Some(last) = bytes.last() else { return Ok(()) };
        // A last `\r` may be half of a newline, which does not count.
        let length = self.pending.len() + bytes.len() - usize::from(*last == b'\r');
        if length > self.cap {
            self.pending = Vec::new();
            return Err(TooLong { cap: self.cap });
        }
        if self.pending.capacity() < self.pending.len() + bytes.len() {
            // Doubled, as a Vec would, but never past what a line may need.
            let room = (self.pending.len() * 2).max(self.pending.len() + bytes.len());
            let room = room.min(self.cap + b"\r\n".len());
            self.pending.reserve_exact(room - self.pending.len());
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }
}

fn chunks(
    bytes: &[u8],
    recv: usize,
    mut sink: impl FnMut(Message<'_>) -> ControlFlow<()>,
) -> usize {
    let mut used = 0;
    for body in bytes.chunks(recv) {
        used += body.len();
        if sink(Message { body, ending: b"" }).is_break() {
            break;
        }
    }
    used
}

/// A line without its newline, and the newline.
fn split_newline(line: &[u8]) -> (&[u8], &'static [u8]) {
    match line {
        [body @ .., b'\r', b'\n'] => (body, b"\r\n"),
        [body @ .., b'\n'] => (body, b"\n"),
        _ => (line, b""),
    }
}

/// How many bytes at the end are the beginning of something: of a UTF-8 character or of `\r\n`.
fn unfinished(bytes: &[u8]) -> usize {
    match bytes.last() {
        None => return 0,
        Some(b'\r') => return 1,
        Some(last) if last.is_ascii() => return 0,
        Some(_) => {}
    }
    let last = &bytes[bytes.len().saturating_sub(3)..];
    let Some(lead) = last.iter().rposition(|byte| byte & 0xC0 != 0x80) else { return 0 };
    match std::str::from_utf8(&last[lead..]) {
        Err(error) if error.error_len().is_none() => last.len() - lead,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
