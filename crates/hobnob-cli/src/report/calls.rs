//! Calls to the kernel for people: a line each, in Python's notation or in C's, and a remark where one teaches something.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use hobnob::error::{Result, errno_name};
use hobnob::event::Called;

use crate::args;
use crate::report::lesson::{Lesson, lesson};
use crate::report::look::{Look, Paint};
use crate::report::show::{count, grouped, span, width};

/// Columns of the call itself, before its result.
const CALL: usize = 44;
/// Columns of its result, before how long that took.
const RESULT: usize = 13;
/// What stands before a line that has no number.
const INDENT: &str = "      ";
/// The option by which a connection's counts are asked for.
const COUNTS: &str = "IPPROTO_TCP, TCP_INFO";

/// How a call is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    Python,
    C,
}

/// Writes calls as lines.
pub(crate) struct CallLines {
    notation: Notation,
    look: Look,
    /// By descriptor, for as long as they are open.
    sockets: HashMap<i32, CalledSocket>,
    /// The number of the last call.
    number: u64,
    /// What was remarked on: each once a run.
    remarked: HashSet<Lesson>,
}

/// A socket as it is called in a script.
#[derive(Debug, Clone)]
struct CalledSocket {
    name: String,
    is_tcp: bool,
    is_stream: bool,
}

impl CallLines {
    /// Lines as the word of `--explain` asks for them; none where it was not given.
    pub(crate) fn of(word: Option<&str>, look: Look) -> Result<Option<Self>> {
        let Some(word) = word else { return Ok(None) };
        let is_python =
            word.is_empty() || args::read_choice("--explain", word, &["python", "c"])? != "c";
        let notation = if is_python { Notation::Python } else { Notation::C };
        Ok(Some(CallLines::new(notation, look)))
    }

    fn new(notation: Notation, look: Look) -> Self {
        let (sockets, remarked) = (HashMap::new(), HashSet::new());
        CallLines { notation, look, sockets, number: 0, remarked }
    }

    /// The lines of one call, each without its newline.
    pub(crate) fn lines(&mut self, call: &Called) -> Vec<String> {
        if call.name == "getsockopt" && call.arguments == COUNTS {
            return self.counts(call);
        }
        self.number += 1;
        if let Some(made) = call.made {
            self.open(made, call);
        }
        let socket = call.descriptor.and_then(|number| self.sockets.get(&number)).cloned();
        let mut lines = vec![self.call(call, socket.as_ref())];
        if call.name == "connect"
            && call.result.is_ok()
            && socket.as_ref().is_some_and(|s| s.is_tcp)
        {
            let handshake = "you  -- SYN -->  <-- SYN+ACK --  -- ACK -->  peer";
            lines.push(format!("{INDENT}{handshake}   {}", span(call.took)));
        }
        if let Some(remark) = self.remark(call, socket.as_ref()) {
            lines.push(format!("{INDENT}{remark}"));
        }
        if call.name == "close"
            && let Some(descriptor) = call.descriptor
        {
            self.sockets.remove(&descriptor);
        }
        lines.iter().map(|line| self.look.paint(Paint::Dim, line)).collect()
    }

    /// Calls that were too many to be shown.
    pub(crate) fn missed(&self, number: u64) -> String {
        let text = format!("{INDENT}{} not shown: too many at once", count(number, "call"));
        self.look.paint(Paint::Dim, &text)
    }

    /// What the kernel has counted, which is asked for at the close.
    fn counts(&self, call: &Called) -> Vec<String> {
        let counts = call.result.iter();
        let line = |counts| self.look.paint(Paint::Dim, &format!("{INDENT}{counts}   TCP_INFO"));
        counts.map(line).collect()
    }

    /// Gives a new socket a name that none has: `s`, `s2`; and `conn` where it was accepted.
    fn open(&mut self, made: i32, call: &Called) {
        let listener = call.descriptor.and_then(|number| self.sockets.get(&number));
        let (word, is_tcp, is_stream) = match listener {
            Some(listener) if call.name == "accept" => {
                ("conn", listener.is_tcp, listener.is_stream)
            }
            Some(copied) => ("s", copied.is_tcp, copied.is_stream),
            None => {
                let is_stream = call.arguments.contains("SOCK_STREAM");
                ("s", is_stream && call.arguments.contains("AF_INET"), is_stream)
            }
        };
        let names = (1..).map(|number| match number {
            1 => word.to_owned(),
            _ => format!("{word}{number}"),
        });
        let is_free = |name: &String| !self.sockets.values().any(|socket| socket.name == *name);
        let name = names.into_iter().find(is_free).unwrap_or_default();
        self.sockets.insert(made, CalledSocket { name, is_tcp, is_stream });
    }

    fn call(&self, call: &Called, socket: Option<&CalledSocket>) -> String {
        let mut line = format!("{:>2}  ", self.number);
        let (code, result) = match self.notation {
            Notation::Python => (self.python(call, socket), answer(call)),
            Notation::C => (call.in_c.clone(), String::new()),
        };
        line.push_str(&code);
        let mut waited =
            if may_wait(call.name) { format!("  {}", span(call.took)) } else { String::new() };
        if let Some(meaning) = meaning(call, socket) {
            let _ = write!(waited, "  {meaning}");
        }
        let column = if self.notation == Notation::C { CALL + RESULT } else { CALL };
        if !result.is_empty() || !waited.is_empty() {
            let _ = write!(
                line,
                "{:gap$}  {result}",
                "",
                gap = (4 + column).saturating_sub(width(&line))
            );
        }
        if !waited.is_empty() {
            let _ =
                write!(line, "{:gap$}{waited}", "", gap = RESULT.saturating_sub(width(&result)));
        }
        line.trim_end().to_owned()
    }

    fn python(&self, call: &Called, socket: Option<&CalledSocket>) -> String {
        let Called { name, arguments, .. } = call;
        // The usual protocol is left out, as a person would.
        let arguments = match *name {
            "socket" => arguments.strip_suffix(", 0").unwrap_or(arguments),
            _ => arguments,
        };
        let receiver = socket.map(|socket| format!("{}.", socket.name)).unwrap_or_default();
        let made = call.made.and_then(|made| self.sockets.get(&made));
        let made = made.map(|made| made.name.as_str());
        match (*name, made) {
            ("accept", Some(made)) => format!("{made}, address = {receiver}accept()"),
            ("accept", None) => format!("conn, address = {receiver}accept()"),
            (_, Some(made)) => format!("{made} = {receiver}{name}({arguments})"),
            (_, None) => format!("{receiver}{name}({arguments})"),
        }
    }

    /// What a call shows that a person may not have expected, the first time that it does.
    fn remark(&mut self, call: &Called, socket: Option<&CalledSocket>) -> Option<String> {
        let stream = socket.filter(|socket| socket.is_stream);
        let stream = stream.map(|socket| if socket.is_tcp { "TCP" } else { "a stream" });
        let (lesson, text) = lesson(call, stream)?;
        self.remarked.insert(lesson).then_some(text)
    }
}

/// Whether a call can wait, so that it is of interest how long it did.
fn may_wait(name: &str) -> bool {
    let waits = ["accept", "connect", "getaddrinfo"];
    waits.contains(&name) || name.starts_with("recv") || name.starts_with("send")
}

/// What came back, as a person reads it.
fn answer(call: &Called) -> String {
    match (&call.result, call.made) {
        (Err(errno), _) if *errno < 0 => format!("gaierror {errno}"),
        (Err(errno), _) => format!("[Errno {errno}] {}", errno_name(*errno)),
        (Ok(answer), Some(made)) => match answer.split_once(", ") {
            // An accept answers with the peer's address, too.
            Some((_, address)) => {
                format!("fd {made}, {}", address.strip_suffix(')').unwrap_or(address))
            }
            None => format!("fd {made}"),
        },
        (Ok(answer), None) if answer == "None" => "ok".to_owned(),
        (Ok(answer), None) => answer.clone(),
    }
}

/// What an answer means, where it is not plain.
fn meaning(call: &Called, socket: Option<&CalledSocket>) -> Option<String> {
    let socket = socket?;
    let is_end = call.result.is_ok() && call.bytes.is_empty() && socket.is_stream;
    match call.name {
        "recv" if is_end && socket.is_tcp => Some("the peer's FIN: the end".to_owned()),
        "recv" if is_end => Some("the peer has ended".to_owned()),
        "recv" | "recvfrom" if call.result.is_ok() => {
            Some(format!("{} B", grouped(call.count as u64)))
        }
        "shutdown" if socket.is_tcp && call.arguments == "SHUT_WR" => {
            Some("our FIN goes out".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn called(
        name: &'static str,
        arguments: &str,
        result: std::result::Result<&str, i32>,
    ) -> Called {
        Called {
            descriptor: Some(9),
            made: None,
            name,
            arguments: arguments.to_owned(),
            result: result.map(str::to_owned),
            in_c: format!("{name}(9)"),
            took: Duration::from_micros(200),
            bytes: Box::default(),
            count: 0,
            address: None,
        }
    }

    fn recv(bytes: &[u8]) -> Called {
        Called { bytes: bytes.into(), count: bytes.len(), ..called("recv", "65536", Ok("b'...'")) }
    }

    fn python() -> CallLines {
        let mut lines = CallLines::new(Notation::Python, Look::default());
        let socket = called("socket", "AF_INET, SOCK_STREAM, 0", Ok("9"));
        let first = lines.lines(&Called { descriptor: None, made: Some(9), ..socket });
        assert_eq!(first, [" 1  s = socket(AF_INET, SOCK_STREAM)              fd 9"]);
        lines
    }

    #[test]
    fn a_failed_call_is_told_as_python_tells_it_and_makes_no_handshake() {
        let mut lines = python();
        let refused = lines.lines(&called("connect", "('127.0.0.1', 9)", Err(111)));
        let wanted =
            " 2  s.connect(('127.0.0.1', 9))                   [Errno 111] ECONNREFUSED  0.2 ms";
        assert_eq!(refused, [wanted]);
    }

    #[test]
    fn a_lesson_is_told_when_it_happens_and_once_a_run() {
        let mut lines = python();
        let mut remarks = |call: &Called| lines.lines(call).split_off(1);
        assert!(remarks(&recv(b"one line\n")).is_empty());
        let two = remarks(&recv(b"two\nlines"));
        assert_eq!(two, ["      one recv returned 2 lines: TCP keeps bytes, not messages"]);
        assert!(remarks(&recv(b"two\nlines\n")).is_empty());
        assert!(remarks(&recv("\u{4f60}".as_bytes())).is_empty());
        assert_eq!(remarks(&recv(&"\u{4f60}".as_bytes()[..2])).len(), 1);
        assert!(remarks(&recv(b"\xff\xfe")).is_empty(), "no UTF-8 is cut");
        let send =
            Called { count: 1_000, bytes: vec![0; 5_000].into(), ..called("send", "", Ok("1000")) };
        assert!(remarks(&send)[0].contains("1,000 of 5,000 bytes"));
    }

    #[test]
    fn names_are_given_anew_once_they_are_free() {
        let mut lines = python();
        let listener = |made: i32| Called {
            made: Some(made),
            ..called("accept", "", Ok("(11, ('127.0.0.1', 5))"))
        };
        for (made, name) in [(11, "conn"), (12, "conn2")] {
            let line = &lines.lines(&listener(made))[0];
            assert!(line.contains(&format!("{name}, address = s.accept()")), "{line}");
            assert!(line.contains(&format!("fd {made}, ('127.0.0.1', 5)")), "{line}");
        }
        lines.lines(&Called { descriptor: Some(11), ..called("close", "", Ok("None")) });
        assert!(lines.lines(&listener(13))[0].contains(" conn, address"));
    }
}
