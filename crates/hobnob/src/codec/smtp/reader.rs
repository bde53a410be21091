//! One direction of a conn, as a server reads it: commands, and in their turn letters and responses.

use super::command::{ENDLESS, SmtpCommand, TOO_LONG};
use super::fault::SmtpFault;
use super::text::{TextNotes, TextWitness};
use crate::codec::dots::{DotReader, Dotted};
use crate::codec::line::{LineFault, LineReader};
use crate::codec::sasl::MAX_RESPONSE;

/// Follows what a client sends. However the bytes are cut, it says the same. Whoever answers says what comes next: after
/// 354 a letter, after a challenge a response, after BDAT so many bytes.
#[derive(Debug)]
pub struct SmtpReader {
    lines: LineReader,
    expects: Expects,
    /// The last command, as it was sent.
    line: Vec<u8>,
}

#[derive(Debug)]
enum Expects {
    Command,
    Response,
    Text(DotReader, TextWitness),
    /// So many more bytes of a letter that comes in chunks, which was looked at so far.
    Chunk(u64, TextWitness),
    /// So many more bytes that belong to no letter.
    Waste(u64),
    /// Between the chunks of a letter.
    Chunks(TextWitness),
}

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum SmtpInput<'a> {
    /// A command, or what is wrong with it.
    Command(Result<SmtpCommand, SmtpFault>),
    /// A line of an exchange that logs in.
    Response(Result<String, SmtpFault>),
    /// Bytes of a letter, without the dots that were doubled.
    Text(&'a [u8]),
    /// The letter that DATA brought is whole.
    End(TextNotes),
    /// The bytes of a BDAT have come.
    ChunkEnd,
}

impl Default for SmtpReader {
    fn default() -> Self {
        SmtpReader {
            lines: LineReader::new(MAX_RESPONSE),
            expects: Expects::Command,
            line: Vec::new(),
        }
    }
}

impl SmtpReader {
    /// Reads on in `bytes`, and takes from them what it has read. None: they are used up.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<SmtpInput<'a>> {
        match &mut self.expects {
            Expects::Text(dots, witness) => loop {
                match dots.next(bytes)? {
                    Dotted::NotStuffed => witness.note_not_stuffed(),
                    Dotted::Text(text) => {
                        witness.look(text);
                        return Some(SmtpInput::Text(text));
                    }
                    Dotted::End => {
                        let notes = std::mem::take(witness).finish();
                        self.expects = Expects::Command;
                        return Some(SmtpInput::End(notes));
                    }
                }
            },
            Expects::Chunk(0, witness) => {
                self.expects = Expects::Chunks(std::mem::take(witness));
                Some(SmtpInput::ChunkEnd)
            }
            Expects::Chunk(left, witness) => {
                let text = pass(left, bytes)?;
                witness.look(text);
                Some(SmtpInput::Text(text))
            }
            Expects::Waste(left) => {
                while *left > 0 {
                    pass(left, bytes)?;
                }
                self.expects = Expects::Command;
                Some(SmtpInput::ChunkEnd)
            }
            Expects::Response => {
                let line = self.lines.next(bytes)?;
                self.expects = Expects::Command;
                let not_text = SmtpFault::new(501, "5.5.2", "a response is base64");
                Some(SmtpInput::Response(match line {
                    Ok(line) => String::from_utf8(line).map_err(|_| not_text),
                    Err(fault) => Err(told(fault)),
                }))
            }
            Expects::Command | Expects::Chunks(_) => {
                let line = self.lines.next(bytes)?.map_err(told);
                self.line = Vec::new();
                Some(SmtpInput::Command(line.and_then(|line| {
                    self.line = line;
                    SmtpCommand::parse(&self.line)
                })))
            }
        }
    }

    /// A letter comes next, up to its dot: DATA was answered with 354.
    pub fn expect_text(&mut self) {
        self.expects = Expects::Text(DotReader::default(), TextWitness::default());
    }

    /// So many bytes of a letter come next: BDAT. The notes of a letter are those of all its chunks.
    pub fn expect_chunk(&mut self, size: u64) {
        let witness = match &mut self.expects {
            Expects::Chunks(witness) => std::mem::take(witness),
            _ => TextWitness::default(),
        };
        self.expects = Expects::Chunk(size, witness);
    }

    /// So many bytes come next that nobody wants: a BDAT that is refused. The letter is over.
    pub fn expect_waste(&mut self, size: u64) {
        self.expects = Expects::Waste(size);
    }

    /// A line of an exchange that logs in comes next.
    pub fn expect_response(&mut self) {
        self.expects = Expects::Response;
    }

    /// The letter that came in chunks is whole, or given up: commands come next. Its notes.
    pub fn end_chunks(&mut self) -> TextNotes {
        match std::mem::replace(&mut self.expects, Expects::Command) {
            Expects::Chunks(witness) => witness.finish(),
            other => {
                self.expects = other;
                TextNotes::default()
            }
        }
    }

    /// Forgets what came of a next command: behind STARTTLS nothing counts that came before the handshake (RFC 3207
    /// section 4.2).
    pub fn forget(&mut self) {
        *self = SmtpReader::default();
    }

    /// Whether nothing of a next line has come.
    pub fn is_between(&self) -> bool {
        self.lines.is_between()
    }

    /// Whether a letter is coming.
    pub fn is_in_text(&self) -> bool {
        matches!(self.expects, Expects::Text(..) | Expects::Chunk(..) | Expects::Waste(_))
    }

    /// The last command as it was sent, without its end; empty where it was no line. It may hold a password.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Bytes that it holds of an unfinished line, and of the last command.
    pub fn held(&self) -> usize {
        self.lines.held() + self.line.capacity()
    }
}

/// Takes what belongs to a chunk. None where there is nothing to take.
fn pass<'a>(left: &mut u64, bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    *left -= length as u64;
    (length > 0).then_some(taken)
}

fn told(fault: LineFault) -> SmtpFault {
    match fault {
        LineFault::TooLong => TOO_LONG,
        LineFault::Endless => ENDLESS,
        LineFault::BareLf => SmtpFault::new(
            500,
            "5.5.2",
            "a line ends with CR LF, and this one had LF alone (nc -C sends both)",
        ),
        LineFault::BareCr => SmtpFault::new(500, "5.5.2", "a CR stands without its LF"),
    }
}

#[cfg(test)]
mod tests;
