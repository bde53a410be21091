//! One direction of a conn, as a server reads it: commands with their literals, and letters as they come.

use super::command::{AppendHead, ImapRequest, append_head, tag_of};
use super::fault::ImapFault;
use super::{MAX_BEFORE_LOGIN, MAX_COMMAND, MAX_LITERAL_BEFORE_LOGIN, MAX_LITERALS};

/// Follows what a client sends. However the bytes are cut, it says the same.
#[derive(Debug)]
pub struct ImapReader {
    /// The command so far, its literals included.
    text: Vec<u8>,
    /// The line that is not whole yet.
    line: Vec<u8>,
    literals: usize,
    /// Bytes that a command may have.
    cap: usize,
    expects: ImapExpects,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ImapExpects {
    Line,
    /// So many more bytes of a literal.
    Literal(usize),
    /// A decision about a letter of so many bytes, which wait for one (true) or come anyhow.
    Decision(u64, bool),
    /// So many more bytes of a letter.
    Letter(u64),
    /// So many more bytes that nobody wants.
    Waste(u64),
    /// The end of the command behind its letter.
    LetterEnd,
    /// The same, behind bytes that nobody wanted.
    WasteEnd,
    /// A line that is no command.
    Bare,
    /// Nothing: what comes cannot be told from commands.
    Nothing,
}

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum ImapInput<'a> {
    /// A command, or what is wrong with it.
    Request(Result<ImapRequest, ImapFault>),
    /// The client waits for `+ ` before it sends a literal.
    Continue,
    /// A literal that is too large, and does not come: `NO [TOOBIG]` behind its tag.
    TooBig(Option<String>),
    /// An APPEND whose letter comes next: [`ImapReader::accept`] or [`ImapReader::refuse`] it.
    Append {
        /// The tag.
        tag: String,
        /// What is said of the letter.
        head: AppendHead,
        /// Bytes of the letter.
        size: u64,
        /// Whether the client waits for `+ ` before it sends the letter.
        waits: bool,
    },
    /// Bytes of the letter.
    Letter(&'a [u8]),
    /// The letter is whole, and its command too; or something stands behind the letter.
    LetterEnd(Result<(), ImapFault>),
    /// A line that is no command: a response, or `DONE`.
    Line(String),
    /// Behind this nothing can be read: `BYE`.
    Fatal(&'static str),
}

impl Default for ImapReader {
    fn default() -> Self {
        let (text, line) = (Vec::new(), Vec::new());
        ImapReader { text, line, literals: 0, cap: MAX_BEFORE_LOGIN, expects: ImapExpects::Line }
    }
}

impl ImapReader {
    /// Reads on in `bytes`, and takes from them what it has read. None: they are used up, or a decision is missing.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<ImapInput<'a>> {
        loop {
            match self.expects {
                ImapExpects::Nothing => {
                    *bytes = b"";
                    return None;
                }
                ImapExpects::Decision(..) => return None,
                ImapExpects::Letter(0) => self.expects = ImapExpects::LetterEnd,
                ImapExpects::Letter(left) => {
                    let letter = pass(left, bytes)?;
                    self.expects = ImapExpects::Letter(left - letter.len() as u64);
                    return Some(ImapInput::Letter(letter));
                }
                ImapExpects::Waste(0) => self.expects = ImapExpects::WasteEnd,
                ImapExpects::Waste(left) => {
                    self.expects = ImapExpects::Waste(left - pass(left, bytes)?.len() as u64);
                }
                ImapExpects::Literal(0) => self.expects = ImapExpects::Line,
                ImapExpects::Literal(left) => {
                    let literal = pass(left as u64, bytes)?;
                    self.text.extend_from_slice(literal);
                    self.expects = ImapExpects::Literal(left - literal.len());
                }
                ImapExpects::Line
                | ImapExpects::LetterEnd
                | ImapExpects::WasteEnd
                | ImapExpects::Bare => {
                    let Some(line) = self.take_line(bytes) else {
                        return (self.expects == ImapExpects::Nothing).then_some(TOO_LONG);
                    };
                    if let Some(input) = self.read_line(line) {
                        return Some(input);
                    }
                }
            }
        }
    }

    /// The letter of an APPEND is wanted. A client that waits is to be told so with `+ `.
    pub fn accept(&mut self) {
        if let ImapExpects::Decision(size, _) = self.expects {
            self.expects = ImapExpects::Letter(size);
        }
    }

    /// It is not. Where it comes anyhow it is passed over, with the end of its line, up to `most` bytes; false: it is larger,
    /// and nothing can be read any more.
    pub fn refuse(&mut self, most: u64) -> bool {
        if let ImapExpects::Decision(size, waits) = self.expects {
            self.expects = match waits {
                true => ImapExpects::Line,
                false if size <= most => ImapExpects::Waste(size),
                false => ImapExpects::Nothing,
            };
        }
        self.text = Vec::new();
        self.expects != ImapExpects::Nothing
    }

    /// A line comes next that is no command: a response, or `DONE`.
    pub fn expect_line(&mut self) {
        self.expects = ImapExpects::Bare;
    }

    /// Somebody has logged in: commands may be larger.
    pub fn log_in(&mut self) {
        self.cap = MAX_COMMAND;
    }

    /// Forgets what came of a next command: behind STARTTLS nothing counts that came before the handshake.
    pub fn forget(&mut self) {
        *self = ImapReader::default();
    }

    /// Bytes that it holds.
    pub fn held(&self) -> usize {
        self.text.capacity() + self.line.capacity()
    }

    /// A whole line, without its end. LF alone ends one too, as nobody hands on what was read.
    fn take_line(&mut self, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let end = memchr::memchr(b'\n', bytes);
        let length = end.unwrap_or(bytes.len());
        if self.text.len() + self.line.len() + length > self.cap {
            self.expects = ImapExpects::Nothing;
            (self.text, self.line) = (Vec::new(), Vec::new());
            return None;
        }
        self.line.extend_from_slice(&bytes[..length]);
        *bytes = &bytes[length + usize::from(end.is_some())..];
        end?;
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }

    fn read_line(&mut self, line: Vec<u8>) -> Option<ImapInput<'static>> {
        match self.expects {
            ImapExpects::Bare => {
                self.expects = ImapExpects::Line;
                return Some(ImapInput::Line(String::from_utf8_lossy(&line).into_owned()));
            }
            ImapExpects::LetterEnd | ImapExpects::WasteEnd if literal(&line).is_some() => {
                self.expects = ImapExpects::Nothing;
                return Some(ImapInput::Fatal("one letter at a time"));
            }
            ImapExpects::WasteEnd => {
                self.expects = ImapExpects::Line;
                return None;
            }
            ImapExpects::LetterEnd => {
                self.expects = ImapExpects::Line;
                let tag = tag_of(&std::mem::take(&mut self.text));
                let fault = || ImapFault::whole(tag, "nothing belongs behind the letter");
                return Some(ImapInput::LetterEnd(if line.is_empty() {
                    Ok(())
                } else {
                    Err(fault())
                }));
            }
            _ => {}
        }
        let Some(literal) = literal(&line) else {
            let text = std::mem::take(&mut self.text);
            let text = if text.is_empty() { line } else { [text, line].concat() };
            self.literals = 0;
            // Where a person types stand empty lines.
            return (!text.is_empty()).then(|| ImapInput::Request(ImapRequest::parse(&text)));
        };
        self.text.extend_from_slice(&line[..literal.at]);
        self.begin_literal(&literal)
    }

    fn begin_literal(&mut self, literal: &Literal) -> Option<ImapInput<'static>> {
        let waits = !literal.comes_anyhow;
        if let Some((tag, head)) = append_head(&self.text) {
            // One that is too long to count is larger than any letter.
            let size = literal.size.unwrap_or(u64::MAX);
            self.expects = ImapExpects::Decision(size, waits);
            self.literals = 0;
            return Some(ImapInput::Append { tag, head, size, waits });
        }
        self.literals += 1;
        let largest = if self.cap == MAX_COMMAND { MAX_COMMAND } else { MAX_LITERAL_BEFORE_LOGIN };
        let room = self.cap.saturating_sub(self.text.len() + 32).min(largest);
        let size = literal.size.and_then(|size| usize::try_from(size).ok());
        let size = size.filter(|size| *size <= room && self.literals <= MAX_LITERALS);
        let Some(size) = size else {
            let tag = tag_of(&std::mem::take(&mut self.text));
            self.literals = 0;
            if waits {
                return Some(ImapInput::TooBig(tag));
            }
            self.expects = ImapExpects::Nothing;
            return Some(ImapInput::Fatal("the literal is too large, or one too many"));
        };
        self.text.extend_from_slice(format!("{{{size}}}\r\n").as_bytes());
        self.expects = ImapExpects::Literal(size);
        waits.then_some(ImapInput::Continue)
    }
}

const TOO_LONG: ImapInput<'static> = ImapInput::Fatal("the command is too long");

/// The literal that a line announces at its end.
struct Literal {
    /// Where its bracket stands.
    at: usize,
    /// Bytes of it; none: more than can be counted.
    size: Option<u64>,
    /// Whether it comes without being waited for (RFC 7888).
    comes_anyhow: bool,
}

fn literal(line: &[u8]) -> Option<Literal> {
    let inner = line.strip_suffix(b"}")?;
    let (comes_anyhow, inner) =
        inner.strip_suffix(b"+").map_or((false, inner), |inner| (true, inner));
    let at = memchr::memrchr(b'{', inner)?;
    let digits = &inner[at + 1..];
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let size = std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok();
    Some(Literal { at, size, comes_anyhow })
}

/// Takes what belongs to a stretch of so many bytes. None where nothing has come.
fn pass<'a>(left: u64, bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    (length > 0).then_some(taken)
}

#[cfg(test)]
mod tests;
