//! `--as-python`: what was done, as a script that makes the same calls with Python's `socket`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hobnob::endpoint::{Endpoint, Word};
use hobnob::error::{Error, Kind, Result};
use hobnob::socket::observe::PythonAddress;
use hobnob::socket::{KernelCall, Observer};
use hobnob::{streams, thread};

use crate::advice::Propose as _;
use crate::job::Job;
use crate::process::output_failed;
use crate::report::file::{BodyFile, failed};

/// Bytes of calls that are held until the script is written.
const MOST: usize = 64 << 20;

/// The beginning of a script.
const HEAD: &str = "\
#!/usr/bin/env python3
# The calls of a run of hobnob, made again. What comes goes to standard output.
import socket
import sys


def show(data):
    sys.stdout.buffer.write(data)
    return data


def receive(s, count):
    # A stream has no messages: one recv may bring less, and the next one the rest.
    while count > 0 and (data := show(s.recv(min(count, 65536)))):
        count -= len(data)


";

/// A script that is being made.
pub(crate) struct PythonScript {
    calls: Arc<ScriptedCalls>,
    place: ScriptPlace,
}

enum ScriptPlace {
    Stdout,
    File(BodyFile, File),
}

impl PythonScript {
    /// Where `--as-python` was given. The file is opened now, so that what is wrong with it is said before anybody is
    /// called.
    pub(crate) async fn open(job: &Job, to: &Endpoint) -> Result<Option<Self>> {
        let Some(name) = job.text("as-python") else { return Ok(None) };
        check(job, to)?;
        let place = if name == "-" {
            check_stdout(job)?;
            ScriptPlace::Stdout
        } else {
            let (name, may_replace) = (name.to_owned(), job.is_on("force"));
            // A FIFO is open once somebody reads it, which may be never.
            let open = move || BodyFile::open(&name, may_replace, "--as-python");
            let (place, file) = thread::run("open", open).await??;
            ScriptPlace::File(place, file)
        };
        Ok(Some(PythonScript { calls: Arc::default(), place }))
    }

    /// What is to see the calls.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.calls) as _
    }

    /// Writes the script, where there is something to write: a file that was to be replaced stays where nobody was there.
    pub(crate) async fn finish(self) -> Result<()> {
        let Some(text) = self.calls.script()? else { return Ok(()) };
        let write = move || match self.place {
            ScriptPlace::Stdout => {
                let mut out = streams::stdout();
                let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
                written.or_else(|error| output_failed(&error).map(drop))
            }
            ScriptPlace::File(mut place, mut file) => {
                let written = file.write_all(text.as_bytes());
                written.map_err(|error| failed("write", &place.name, &error))?;
                place.finish()
            }
        };
        thread::run("script", write).await?
    }
}

/// Refuses what no plain socket does.
fn check(job: &Job, to: &Endpoint) -> Result<()> {
    let refused = |text: String| {
        let error = Error::new(Kind::DoesNotFit, text);
        Err(error.try_command("hobnob help calls", "what a script can do"))
    };
    if job.is_on("listen") {
        return refused(
            "--as-python writes what a client does, and --listen waits for one".to_owned(),
        );
    }
    if to.is_stdio() {
        return refused("--as-python writes calls on a socket, and - is none".to_owned());
    }
    match to.layers().iter().map(Word::name).find(|name| *name == "tls") {
        Some(layer) => refused(format!(
            "--as-python writes calls on a socket, and not what {layer} makes of them"
        )),
        None => Ok(()),
    }
}

/// Standard output is for the script only where nothing else goes there.
fn check_stdout(job: &Job) -> Result<()> {
    let is_free = job.text("output").is_some_and(|name| name != "-") && !job.is_on("json");
    if is_free {
        return Ok(());
    }
    let error = Error::new(
        Kind::Usage,
        "standard output is for what is received, so the script needs a file",
    );
    Err(error.try_flag("--as-python talk.py", ""))
}

/// The calls that a script is made of.
#[derive(Default)]
struct ScriptedCalls(Mutex<ScriptSteps>);

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
        self.steps().saw(call);
    }
}

impl ScriptedCalls {
    fn steps(&self) -> MutexGuard<'_, ScriptSteps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(&self) -> Result<Option<String>> {
        let steps = self.steps();
        if steps.is_too_long {
            let text = "a script holds what was sent, and 64 MiB is the most";
            return Err(Error::new(Kind::MessageTooLong, text));
        }
        let is_used = steps.sockets.iter().any(|socket| socket.is_used);
        Ok(is_used.then(|| steps.script()))
    }
}

impl ScriptSteps {
    fn saw(&mut self, call: &KernelCall<'_>) {
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
