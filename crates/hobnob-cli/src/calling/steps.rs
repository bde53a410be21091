//! The calls that a script is made of, as they were made, and the Python that makes them again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hobnob::endpoint::Endpoint;
use hobnob::error::{Error, Kind, Result};
use hobnob::socket::observe::PythonAddress;
use hobnob::socket::option::TABLE;
use hobnob::socket::{KernelCall, Observer};

/// Bytes of calls that are held until the script is written.
const MOST: usize = 64 << 20;

/// The beginning of a script, up to what it imports.
const HEAD: &str = "\
#!/usr/bin/env python3
# The calls of a run of hobnob, made again. What comes goes to standard output.
import socket
";

/// What stands between the imports and the calls.
const HELPERS: &str = "\
import sys


def show(data):
    sys.stdout.buffer.write(data)
    return data


def receive(s, count):
    # A stream has no messages: one recv may bring less, and the next one the rest.
    while count > 0 and (data := show(s.recv(min(count, 65536)))):
        count -= len(data)


";

/// Options that Python's `socket` has no name for: the script has their numbers.
const NAMELESS: &[&str] = &["IP_FREEBIND", "IPV6_FREEBIND"];
/// What `keepalive` sets beside its own option.
const KEEPING_ALIVE: &[&str] = &["IPPROTO_TCP, TCP_KEEPIDLE", "IPPROTO_TCP, TCP_KEEPINTVL"];

/// The calls that a script is made of.
pub(super) struct ScriptedCalls {
    /// The options that a person asked for. What hobnob sets by itself is no part of what was done.
    options: Vec<ScriptedOption>,
    steps: Mutex<ScriptSteps>,
}

/// An option as calls are told with it, `SOL_SOCKET, SO_BROADCAST`, and as a script has it.
struct ScriptedOption {
    told: &'static str,
    python: String,
}

#[derive(Default)]
struct ScriptSteps {
    /// Each with the number of its socket, counted from 0.
    steps: Vec<(usize, ScriptStep)>,
    sockets: Vec<ScriptedSocket>,
    /// The number of the socket that has a descriptor.
    open: HashMap<i32, usize>,
    /// Bytes that the steps hold.
    held: usize,
    is_too_long: bool,
}

struct ScriptedSocket {
    is_stream: bool,
    /// Whether something came of it: an address that did not answer is no part of what was done.
    is_used: bool,
}

enum ScriptStep {
    /// A line of Python, behind the name of its socket.
    Line(String),
    /// So many bytes came on a stream.
    Received(usize),
    /// A datagram came.
    Datagram,
    /// The end of a stream came.
    Ended,
}

impl Observer for ScriptedCalls {
    fn saw(&self, call: &KernelCall<'_>) {
        self.steps().saw(call, &self.options);
    }
}

impl ScriptedCalls {
    /// No calls yet, of who is to dial there.
    pub(super) fn of(to: &Endpoint) -> Self {
        let is_given = |name: &str| {
            let mut keys = to.settings().iter().map(|given| given.key.as_str());
            keys.any(|key| key.strip_prefix("no-").unwrap_or(key) == name)
        };
        let rows = TABLE.iter().filter(|row| is_given(row.spec.name));
        let numbers = rows.flat_map(|row| [row.number, row.number_v6]);
        let kept_alive = KEEPING_ALIVE.iter().filter(|_| is_given("keepalive"));
        let options = numbers
            .map(|number| ScriptedOption::of(number.name, number.number))
            .chain(kept_alive.map(|name| ScriptedOption::of(name, 0)))
            .collect();
        ScriptedCalls { options, steps: Mutex::default() }
    }

    fn steps(&self) -> MutexGuard<'_, ScriptSteps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The script; none where nobody was there.
    pub(super) fn script(&self) -> Result<Option<String>> {
        let steps = self.steps();
        if steps.is_too_long {
            let text = "a script holds what was sent, and 64 MiB is the most";
            return Err(Error::new(Kind::MessageTooLong, text));
        }
        let is_used = steps.sockets.iter().any(|socket| socket.is_used);
        Ok(is_used.then(|| steps.script()))
    }
}

impl ScriptedOption {
    fn of(told: &'static str, number: i32) -> Self {
        let (level, name) = told.split_once(", ").unwrap_or((told, ""));
        let name =
            if NAMELESS.contains(&name) { number.to_string() } else { format!("socket.{name}") };
        ScriptedOption { told, python: format!("socket.{level}, {name}") }
    }

    /// The call in a script, if it sets this one.
    fn set(&self, arguments: &str) -> Option<String> {
        let value = arguments.strip_prefix(self.told)?.strip_prefix(", ")?;
        Some(format!(".setsockopt({}, {value})", self.python))
    }
}

impl ScriptSteps {
    fn saw(&mut self, call: &KernelCall<'_>, options: &[ScriptedOption]) {
        if call.result.is_err() || self.is_too_long {
            return;
        }
        let carried = &call.carried;
        if call.name == "socket"
            && let Some(made) = carried.made
        {
            let arguments = call.arguments.to_string();
            let arguments = arguments.strip_suffix(", 0").unwrap_or(&arguments);
            let number = self.sockets.len();
            let is_stream = arguments.contains("SOCK_STREAM");
            self.sockets.push(ScriptedSocket { is_stream, is_used: false });
            self.open.insert(made, number);
            let words = arguments.split(", ").map(|word| match word.parse::<i32>() {
                Ok(_) => word.to_owned(),
                Err(_) => format!("socket.{word}"),
            });
            let words = words.collect::<Vec<_>>().join(", ");
            self.push(number, ScriptStep::Line(format!(" = socket.socket({words})")));
            return;
        }
        let Some(number) =
            call.descriptor.and_then(|descriptor| self.open.get(&descriptor).copied())
        else {
            return;
        };
        let taken = carried.bytes.and_then(|bytes| bytes.get(..carried.count)).unwrap_or_default();
        let socket = &mut self.sockets[number];
        socket.is_used |= matches!(call.name, "connect" | "sendto" | "recvfrom");
        let line = ScriptStep::Line;
        let step = match call.name {
            "setsockopt" => {
                let arguments = call.arguments.to_string();
                match options.iter().find_map(|option| option.set(&arguments)) {
                    Some(set) => line(set),
                    None => return,
                }
            }
            "bind" | "connect" => line(format!(".{}({})", call.name, call.arguments)),
            "send" => line(format!(".sendall({})", literal(taken))),
            "sendto" => {
                let Some(address) = carried.address.map(PythonAddress) else { return };
                line(format!(".sendto({}, {address})", literal(taken)))
            }
            "recv" if socket.is_stream && taken.is_empty() => ScriptStep::Ended,
            "recv" if socket.is_stream => ScriptStep::Received(taken.len()),
            "recv" | "recvfrom" | "recvmsg" => ScriptStep::Datagram,
            "shutdown" => line(format!(".shutdown(socket.{})", call.arguments)),
            "close" => {
                self.open.retain(|_, open| *open != number);
                line(".close()".to_owned())
            }
            _ => return,
        };
        self.push(number, step);
    }

    /// Receives one after the other are one.
    fn push(&mut self, number: usize, step: ScriptStep) {
        if let (ScriptStep::Received(more), Some((before, ScriptStep::Received(count)))) =
            (&step, self.steps.last_mut())
            && *before == number
        {
            *count += more;
            return;
        }
        self.held += match &step {
            ScriptStep::Line(line) => line.len(),
            _ => size_of::<ScriptStep>(),
        };
        self.is_too_long |= self.held > MOST;
        if !self.is_too_long {
            self.steps.push((number, step));
        }
    }

    fn script(&self) -> String {
        let mut out = HEAD.to_owned();
        let packs = |line: &String| line.starts_with(".setsockopt") && line.contains("struct.");
        if self.steps.iter().any(|(_, step)| matches!(step, ScriptStep::Line(line) if packs(line)))
        {
            out.push_str("import struct\n");
        }
        out.push_str(HELPERS);
        let mut names: HashMap<usize, String> = HashMap::new();
        for (number, step) in self.steps.iter().filter(|(number, _)| self.sockets[*number].is_used)
        {
            let next = names.len() + 1;
            let name = names.entry(*number).or_insert_with(|| match next {
                1 => "s".to_owned(),
                _ => format!("s{next}"),
            });
            let _ = match step {
                ScriptStep::Line(line) => writeln!(out, "{name}{line}"),
                ScriptStep::Received(count) => writeln!(out, "receive({name}, {count})"),
                ScriptStep::Datagram => writeln!(out, "show({name}.recv(65536))"),
                ScriptStep::Ended => writeln!(out, "while show({name}.recv(65536)):\n    pass"),
            };
        }
        out
    }
}

/// Bytes as Python writes them, all of them.
fn literal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 3);
    out.push_str("b'");
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\'' => out.push_str("\\'"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_place_in_a_literal() {
        let all: Vec<u8> = (0..=255).collect();
        let text = literal(&all);
        assert!(text.is_ascii() && !text.contains('\n'));
        assert_eq!(literal(b"it's\r\n\x00\\"), r"b'it\'s\r\n\x00\\'");
    }
}
