//! One direction of a conn, as a server reads it.

use super::command::Pop3Command;
use crate::codec::line::{LineFault, LineReader};
use crate::codec::sasl::MAX_RESPONSE;

/// Bytes of a command at most (RFC 2449 section 4); one that logs in may be longer.
const MAX_COMMAND: usize = 255;

/// Follows what a client sends. However the bytes are cut, it says the same.
#[derive(Debug)]
pub struct Pop3Reader {
    lines: LineReader,
    expects_response: bool,
}

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Pop3Input {
    /// A command, or what is wrong with it.
    Command(Result<Pop3Command, &'static str>),
    /// A line of an exchange that logs in; the error is that it is none.
    Response(Result<String, &'static str>),
}

impl Default for Pop3Reader {
    fn default() -> Self {
        Pop3Reader { lines: LineReader::lenient(MAX_RESPONSE), expects_response: false }
    }
}

impl Pop3Reader {
    /// Reads on in `bytes`, and takes from them what it has read. None: they are used up.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Pop3Input> {
        let line = self.lines.next(bytes)?.map_err(|fault| match fault {
            LineFault::TooLong => TOO_LONG,
            LineFault::Endless => ENDLESS,
            LineFault::BareCr | LineFault::BareLf => "a CR stands without its LF",
        });
        if std::mem::take(&mut self.expects_response) {
            let text = |line| String::from_utf8(line).map_err(|_| "a response is base64");
            return Some(Pop3Input::Response(line.and_then(text)));
        }
        Some(Pop3Input::Command(line.and_then(|line| {
            let logs_in = line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"));
            if line.len() > MAX_COMMAND && !logs_in {
                return Err(TOO_LONG);
            }
            Pop3Command::parse(&line)
        })))
    }

    /// A line of an exchange that logs in comes next.
    pub fn expect_response(&mut self) {
        self.expects_response = true;
    }

    /// Forgets what came of a next command: behind STLS nothing counts that came before the handshake (RFC 2595 section 4).
    pub fn forget(&mut self) {
        *self = Pop3Reader::default();
    }

    /// Bytes that it holds of an unfinished line.
    pub fn held(&self) -> usize {
        self.lines.held()
    }
}

const TOO_LONG: &str = "the line is too long";
/// What is wrong with a line behind which nothing is to be read any more.
pub const ENDLESS: &str = "the line has no end";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(all: &[u8], splits: &[usize]) -> Vec<Pop3Input> {
        let (mut reader, mut inputs, mut from) = (Pop3Reader::default(), Vec::new(), 0);
        for end in splits.iter().copied().chain([all.len()]) {
            let mut bytes = &all[from..end];
            while let Some(input) = reader.next(&mut bytes) {
                if matches!(&input, Pop3Input::Command(Ok(Pop3Command::Auth(Some(_))))) {
                    reader.expect_response();
                }
                inputs.push(input);
            }
            assert!(bytes.is_empty() && reader.held() <= 2 * MAX_RESPONSE);
            from = end;
        }
        inputs
    }

    #[test]
    fn commands_are_read_in_any_case_and_what_is_none_is_told() {
        use Pop3Command as C;
        let text = "user li\r\nPASS a  b \r\nSTAT\nlist\r\nLIST 2\r\nretr 1\r\nTOP 1 0\r\nUIDL \r\nAUTH\r\n\
                    AUTH PLAIN =\r\nabc=\r\nQUIT\r\nGET / HTTP/1.1\r\n";
        let commands: Vec<_> = read(text.as_bytes(), &[])
            .into_iter()
            .filter_map(|input| match input {
                Pop3Input::Command(command) => Some(command.expect("a command")),
                Pop3Input::Response(line) => {
                    assert_eq!(line.as_deref(), Ok("abc="));
                    None
                }
            })
            .collect();
        let plain = Some(("PLAIN".to_owned(), Some("=".to_owned())));
        assert!(
            commands
                == [
                    C::User("li".to_owned()),
                    C::Pass("a  b ".to_owned()),
                    C::Stat,
                    C::List(None),
                    C::List(Some(2)),
                    C::Retr(1),
                    C::Top(1, 0),
                    C::Uidl(None),
                    C::Auth(None),
                    C::Auth(plain),
                    C::Quit,
                    C::Http,
                ]
        );
        assert!(!format!("{:?}", C::Pass("secret".to_owned())).contains("secret"));
        for wrong in [
            "",
            "RETR",
            "RETR 0",
            "RETR -1",
            "RETR +1",
            "RETR x",
            "RETR 1 2",
            "TOP 1",
            "TOP 1 -1",
            "LIST 99999999999999999999",
            "USER",
            "STAT 1",
            "USER a b c",
            "NOPE",
            "DELE 1\x002",
        ] {
            assert!(Pop3Command::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert_eq!(read(&[b'x'; 300], &[]), []);
        let long = format!("{}\r\nNOOP\r\n", "x".repeat(300));
        assert_eq!(read(long.as_bytes(), &[])[0], Pop3Input::Command(Err(TOO_LONG)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn any_input_is_read_the_same_however_it_is_cut(
            pieces in proptest::collection::vec(prop_oneof![
                4 => proptest::sample::select(vec![
                    &b"\r\n"[..], b"\r", b"\n", b" ", b"RETR 1", b"TOP 1 2", b"AUTH PLAIN\r\n", b"*", b"PASS x",
                    b"LIST", b"\0", b"\xff", b"18446744073709551616",
                ]).prop_map(<[u8]>::to_vec),
                1 => proptest::collection::vec(any::<u8>(), 0..6),
            ], 0..24),
            split in any::<proptest::sample::Index>(),
        ) {
            let all = pieces.concat();
            prop_assert_eq!(read(&all, &[split.index(all.len() + 1)]), read(&all, &[]));
        }
    }
}
