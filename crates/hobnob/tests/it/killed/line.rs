//! A conn to a server that may be killed while it is spoken to: whatever is asked of it, there may be no answer.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::moment::{Counted, Moment};
use crate::stage::PATIENCE;

/// Bytes of a letter that are sent at once.
const PIECE: usize = 900;

pub(super) struct Line<'m> {
    stream: BufReader<TcpStream>,
    moment: &'m Moment,
}

impl<'m> Line<'m> {
    /// Dials, and hears the greeting.
    pub(super) fn dial(to: SocketAddr, moment: &'m Moment) -> Option<Self> {
        let stream = TcpStream::connect(to).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).ok()?;
        let mut line = Line { stream: BufReader::new(stream), moment };
        line.read().map(|_| line)
    }

    /// The next line, without its end.
    pub(super) fn read(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer came"),
            Err(_) | Ok(0) => None,
            Ok(_) => line.strip_suffix("\r\n").map(str::to_owned),
        }
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        match self.stream.read_exact(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer came"),
            read => read.ok().map(|()| bytes),
        }
    }

    pub(super) fn say(&mut self, text: &str) -> Option<()> {
        self.stream.get_mut().write_all(text.as_bytes()).ok()
    }

    /// Says a letter, which is counted.
    pub(super) fn say_letter(&mut self, text: &str) -> Option<()> {
        for piece in text.as_bytes().chunks(PIECE) {
            self.stream.get_mut().write_all(piece).ok()?;
            self.moment.count(Counted::Bytes, piece.len());
        }
        Some(())
    }

    /// Says something, and hears a line that begins so.
    pub(super) fn ask(&mut self, text: &str, beginning: &str) -> Option<String> {
        self.say(text)?;
        self.hear(beginning)
    }

    /// Hears a line that begins so; of several that SMTP says with a `-`, the last.
    pub(super) fn hear(&mut self, beginning: &str) -> Option<String> {
        let mut line = self.read()?;
        while line.as_bytes().get(3) == Some(&b'-') && line.as_bytes()[0].is_ascii_digit() {
            line = self.read()?;
        }
        assert!(line.starts_with(beginning), "{line:?} and not {beginning}");
        Some(line)
    }

    /// The lines up to one that is a dot (RFC 1939 section 3).
    pub(super) fn lines(&mut self) -> Option<String> {
        let mut all = String::new();
        loop {
            let line = self.read()?;
            if line == "." {
                return Some(all);
            }
            all += line.strip_prefix('.').unwrap_or(&line);
            all += "\r\n";
        }
    }

    /// Says a command of IMAP, and hears its end; what came before it.
    pub(super) fn command(&mut self, text: &str) -> Option<String> {
        self.say(&format!("t {text}\r\n"))?;
        let mut all = String::new();
        loop {
            let line = self.read()?;
            all += &line;
            all += "\n";
            if let Some(end) = line.strip_prefix("t ") {
                assert!(end.starts_with("OK"), "{text}: {line}");
                return Some(all);
            }
        }
    }

    /// Logs in to IMAP and opens a box; what it says of it.
    pub(super) fn open(&mut self, login: &str, mailbox: &str) -> Option<String> {
        self.command(&format!("LOGIN {login} x"))?;
        self.command(&format!("SELECT {mailbox}"))
    }
}

/// The number behind this word.
pub(super) fn number(text: &str, word: &str) -> u32 {
    let behind = text.split_once(word).unwrap_or_else(|| panic!("no {word} in {text:?}")).1;
    let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
    behind[..end].parse().unwrap_or_else(|_| panic!("no number behind {word} in {text:?}"))
}
