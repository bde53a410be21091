//! The asking side: what other processes of this user serve, and what is to be done to it.

use std::path::Path;
use std::time::Duration;

use hobnob::address::Address;
use hobnob::clock::Clock;
use hobnob::error::{Error, Kind, Result};
use hobnob::socket::path;
use hobnob::socket::{Family, Flags, Socket, Type};
use nix::unistd::geteuid;
use serde_json::{Value, json};

use super::VERSION;
use super::place::Folder;
use crate::advice::Propose as _;

/// How long an answer may take. A process that is stopped (SIGSTOP) accepts, and says nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of an answer.
const ANSWER: usize = 16 * 1_024 * 1_024;
/// Bytes that are read at once.
const READ: usize = 16 * 1_024;

/// A connection to the control socket of one process.
pub(crate) struct Caller {
    /// The process, as its socket is called.
    pub(crate) pid: u32,
    socket: Socket,
    heard: Vec<u8>,
    clock: Clock,
    /// Until when the answer to what was asked last has to be there, all of it.
    due: Duration,
}

/// What all the processes said.
#[derive(Default)]
pub(crate) struct Survey {
    /// Those that answered, each with its answer to `hello`.
    pub(crate) heard: Vec<(Caller, Value)>,
    /// Those that are there and could not be asked.
    pub(crate) silent: Vec<(u32, Error)>,
}

impl Survey {
    /// Asks every process of this folder what it serves. The sockets of dead processes are removed.
    pub(crate) fn of(folder: &Folder, clock: Clock) -> Result<Self> {
        let mut survey = Survey::default();
        // All are asked before any is waited for: one that is stopped costs its time once.
        let dialled: Vec<_> = folder
            .sockets()?
            .into_iter()
            .map(|(pid, path)| (pid, Caller::dial(pid, &path, clock)))
            .collect();
        for (pid, dialled) in dialled {
            let hello = dialled.and_then(|caller| match caller {
                Some(mut caller) => caller.hear().map(|answer| Some((caller, answer))),
                None => Ok(None),
            });
            match hello {
                Ok(hello) => survey.heard.extend(hello),
                Err(error) => survey.silent.push((pid, error)),
            }
        }
        Ok(survey)
    }
}

impl Caller {
    /// Connects, and says hello; none: nobody is there any more.
    fn dial(pid: u32, path: &Path, clock: Clock) -> Result<Option<Self>> {
        let socket = Socket::new(Family::Unix, Type::Stream, 0)?;
        socket.set_timeout(Some(PATIENCE))?;
        let connected = socket.connect(&Address::path(path));
        match connected.as_ref().map_err(Error::kind) {
            Err(Kind::ConnectionRefused | Kind::NotFound) => {
                path::clear(path);
                return Ok(None);
            }
            _ => connected?,
        }
        let (peer, own) = (socket.peer_process()?.uid, geteuid().as_raw());
        if peer != own && peer != 0 {
            let text = format!("the process at {} is another user's (uid {peer})", path.display());
            return Err(Error::new(Kind::PermissionDenied, text));
        }
        let mut caller = Caller { pid, socket, heard: Vec::new(), clock, due: Duration::ZERO };
        caller.say(&json!({ "v": VERSION, "ask": "hello" }))?;
        Ok(Some(caller))
    }

    /// Asks, and takes the answer: its fields, or its error as if it had happened here.
    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value> {
        self.say(request)?;
        self.hear()
    }

    fn say(&mut self, request: &Value) -> Result<()> {
        self.due = self.clock.now() + PATIENCE;
        self.socket.set_timeout(Some(PATIENCE))?;
        self.socket.send_all(format!("{request}\n").as_bytes())
    }

    fn hear(&mut self) -> Result<Value> {
        let line = self.line()?;
        let answer: Value = serde_json::from_slice(&line).map_err(|error| self.strange(error))?;
        match &answer["ok"] {
            Value::Bool(true) => Ok(answer),
            Value::Bool(false) => Err(retold(&answer["error"])),
            _ => Err(self.strange("it is no answer")),
        }
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        let mut piece = vec![0; READ];
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                return Ok(self.heard.drain(..=end).collect());
            }
            if self.heard.len() > ANSWER {
                return Err(self.strange("its line has no end"));
            }
            let read = self.read(&mut piece);
            match read.map_err(|error| self.late(error))? {
                0 => return Err(Error::new(Kind::CutShort, format!("process {} left", self.pid))),
                read => self.heard.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// What has come, within the time that is left: a process that says a byte now and then holds up nobody.
    fn read(&self, piece: &mut [u8]) -> Result<usize> {
        let left = self.due.saturating_sub(self.clock.now());
        if left.is_zero() {
            return Err(Error::new(Kind::TimedOut, "the time is over"));
        }
        self.socket.set_timeout(Some(left))?;
        self.socket.recv(piece, Flags::NONE)
    }

    fn late(&self, error: Error) -> Error {
        if error.kind() != Kind::TimedOut {
            return error;
        }
        error
            .with_message(format!("process {} does not answer", self.pid))
            .why("it accepts and says nothing: it may be stopped")
            .try_command(format!("kill -CONT {}", self.pid), "lets a stopped process go on")
    }

    fn strange(&self, why: impl std::fmt::Display) -> Error {
        let text = format!("process {} does not speak this protocol", self.pid);
        Error::new(Kind::BadFrame, text).why(why.to_string())
    }
}

/// An error of another process, as it was there.
fn retold(told: &Value) -> Error {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let slug = text(&told["slug"]);
    let kind = Kind::ALL.iter().find(|kind| kind.slug() == slug);
    let mut error = Error::new(*kind.unwrap_or(&Kind::System), text(&told["message"]));
    let each = |key: &str| told[key].as_array().cloned().unwrap_or_default();
    for why in each("why") {
        error = error.why(text(&why));
    }
    for one in each("try") {
        let note = text(&one["note"]);
        error = match (one["command"].as_str(), one["flag"].as_str(), one["endpoint"].as_str()) {
            (Some(command), ..) => error.try_command(command, note),
            (_, Some(flag), _) => error.try_flag(flag, note),
            (.., Some(endpoint)) => error.try_endpoint(endpoint, note),
            _ => error,
        };
    }
    let at = &told["at"];
    let place = |key: &str| at[key].as_u64().and_then(|place| usize::try_from(place).ok());
    match (at["text"].as_str(), place("from"), place("to")) {
        (Some(typed), Some(from), Some(to)) if typed.get(from..to).is_some() => {
            error.at(typed, from..to, text(&at["label"]))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_arrives_as_it_was() {
        let told = json!({
            "slug": "unknown-option",
            "message": "there is no such thing",
            "why": ["because"],
            "try": [{ "command": "hobnob help", "note": "a note" }, { "flag": "--x", "note": "" }],
            "exit": 2,
            "at": { "text": "latncy=1s", "from": 0, "to": 6, "label": "latency?" },
        });
        let error = retold(&told);
        let expected = Error::new(Kind::UnknownOption, "there is no such thing")
            .why("because")
            .try_command("hobnob help", "a note")
            .try_flag("--x", "")
            .at("latncy=1s", 0..6, "latency?");
        assert_eq!(error, expected);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a peer that takes its time")]
    fn who_says_a_byte_now_and_then_is_silent() {
        use std::io::Write as _;
        let home = tempfile::tempdir().expect("a folder");
        let environment = crate::env::Environment {
            runtime: Some(home.path().to_owned()),
            ..crate::env::Environment::default()
        };
        let folder = Folder::make(&environment).expect("it can be made");
        let at = home.path().join("hobnob/7.sock");
        let listener = std::os::unix::net::UnixListener::bind(at).expect("bound");
        std::thread::spawn(move || {
            let mut caller = listener.accept().expect("a caller").0;
            while caller.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let (done, asked) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(Survey::of(&folder, Clock::start())));
        let survey = asked.recv_timeout(10 * PATIENCE).expect("it gives up");
        let survey = survey.expect("the folder is there");
        assert_eq!((survey.heard.len(), survey.silent.len()), (0, 1));
        assert_eq!(survey.silent[0].1.kind(), Kind::TimedOut);
        assert_eq!(survey.silent[0].1.message(), "process 7 does not answer");
    }

    #[test]
    fn nothing_that_is_told_is_believed_to_be_whole() {
        for told in [
            json!(null),
            json!({ "slug": "of-a-later-version", "message": 7, "why": "x", "try": [1] }),
            json!({ "at": { "text": "é", "from": 1, "to": 2 } }),
            json!({ "at": { "text": "a", "from": 7, "to": 2 } }),
        ] {
            let error = retold(&told);
            assert_eq!((error.kind(), error.span()), (Kind::System, None), "{told}");
        }
    }
}
