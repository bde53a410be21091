//! The commands after Ctrl-].

use std::fs::{File, OpenOptions};
use std::path::Path;

use hobnob::error::{Error, Kind, Result};
use hobnob::files;
use hobnob::spec::nearest;

use crate::command::talk::wishes::Eol;
use crate::report::look::View;

/// Bytes of a file that `send` takes.
const LARGEST_FILE: u64 = 256 << 20;

/// A command.
#[derive(Debug)]
pub(crate) enum Order {
    /// Shows what comes as text or as hex.
    View(View),
    /// What Enter sends at the end of a line.
    Eol(Eol),
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends the bytes of this file.
    SendFile(String),
    /// Ends our side.
    HalfClose,
    /// Says what is known about the conn.
    Info,
    /// Keeps what comes in a file.
    Save(File, String),
    /// Leaves.
    Quit,
    /// Lists the commands.
    Help,
}

/// What Ctrl-] and Enter list.
pub(crate) const LIST: &str = "text   hex   eol lf|crlf|none   send FILE   hex 0d0a   half-close   \
                               info\nsave FILE   quit";

const WORDS: [&str; 8] = ["text", "hex", "eol", "send", "half-close", "info", "save", "quit"];

impl Order {
    /// Reads one.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match (word, rest) {
            ("" | "help", _) => Ok(Order::Help),
            ("text", "") => Ok(Order::View(View::Text)),
            ("hex", "") => Ok(Order::View(View::Hex)),
            ("hex", digits) => bytes_of(digits).map(Order::Send),
            ("eol", _) => Eol::parse(rest)
                .map(Order::Eol)
                .ok_or_else(|| Error::new(Kind::BadOption, "eol takes lf, crlf or none")),
            ("send" | "save", "") => {
                Err(Error::new(Kind::Usage, format!("{word} needs the name of a file")))
            }
            ("send", path) => Ok(Order::SendFile(path.to_owned())),
            ("save", path) => create(path).map(|file| Order::Save(file, path.to_owned())),
            ("half-close", _) => Ok(Order::HalfClose),
            ("info", _) => Ok(Order::Info),
            ("quit", _) => Ok(Order::Quit),
            _ => {
                let error = Error::new(Kind::Usage, format!("there is no command {word:?}"));
                Err(match nearest(word, WORDS) {
                    Some(near) => error.why(format!("did you mean {near}?")),
                    None => error.why(format!("known are: {}", WORDS.join(", "))),
                })
            }
        }
    }
}

fn bytes_of(digits: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        text.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(text, 16).ok())?
    };
    digits.chunks(2).map(byte).collect::<Option<_>>().ok_or_else(|| {
        Error::new(Kind::BadOption, "hex takes pairs of hexadecimal digits, as in 0d0a")
    })
}

/// Reads the file that is to be sent. It may be a FIFO, which is read once somebody has written it.
pub(crate) fn read(path: &str) -> Result<Vec<u8>> {
    files::read(Path::new(path), LARGEST_FILE)
}

fn create(path: &str) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        let failed = Error::from_io(&format!("open({path})"), &error);
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                failed.with_message(format!("{path} is already there, and I will not overwrite it"))
            }
            _ => failed,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        assert!(matches!(Order::parse("hex 0d 0A"), Ok(Order::Send(bytes)) if bytes == b"\r\n"));
        assert!(matches!(Order::parse("hex"), Ok(Order::View(View::Hex))));
        assert!(matches!(Order::parse("eol crlf"), Ok(Order::Eol(Eol::Crlf))));
        for wrong in ["hex 0", "hex +1", "eol", "send", "sned x", "hex zz"] {
            assert!(Order::parse(wrong).is_err(), "{wrong}");
        }
        let error = Order::parse("qiut").expect_err("no such command");
        assert_eq!(error.reasons(), ["did you mean quit?"]);
    }
}
