//! `hobnob talk`: type to any socket; pipe in, pipe out.

mod chunk;
mod converse;
mod editor;
mod event;
mod input;
mod orders;
mod pipe;
mod show;
mod source;
mod terminal;

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use hobnob::bus::{Subscription, Wish};
use hobnob::conn::Conn;
use hobnob::endpoint::Endpoint;
use hobnob::engine::{self, Dialer};
use hobnob::error::{Error, Kind, Result};
use hobnob::event::Fact;
use hobnob::spec::Shape;

use crate::args;
use crate::command::signals::Signals;
use crate::command::{BROKEN_PIPE, INTERRUPTED, Scene, runtime};
use crate::report::advice::Propose as _;
use crate::report::json::Json;
use crate::report::look::Paint;
use crate::report::show::{safe, span};
use crate::report::text::learnt_lines;

/// How long connecting may take, where nobody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a datagram's answer is waited for, where nobody says otherwise.
const DATAGRAM_WAIT: Duration = Duration::from_secs(1);
/// Notes that are kept until a conn is there.
const NOTES: usize = 16;
/// Ports whose protocols want `\r\n` from a person who types.
const CRLF_PORTS: [u16; 5] = [25, 80, 110, 143, 587];

/// What a line or a message has at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eol {
    Lf,
    Crlf,
    None,
}

impl Eol {
    /// Its bytes.
    pub(crate) fn bytes(self) -> &'static [u8] {
        match self {
            Eol::Lf => b"\n",
            Eol::Crlf => b"\r\n",
            Eol::None => b"",
        }
    }

    /// Reads `lf`, `crlf`, `none`.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "lf" => Some(Eol::Lf),
            "crlf" => Some(Eol::Crlf),
            "none" => Some(Eol::None),
            _ => None,
        }
    }
}

/// What the flags say.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Wishes {
    pub(crate) messages: Vec<String>,
    pub(crate) eol: Option<Eol>,
    pub(crate) wait: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) half_close: bool,
    pub(crate) is_verbose: bool,
    pub(crate) is_quiet: bool,
    pub(crate) is_json: bool,
}

/// A conn and how long it took to have it.
pub(crate) struct Line {
    pub(crate) conn: Conn,
    pub(crate) took: Duration,
    /// Whether nobody types but the protocol there wants `\r\n`.
    pub(crate) wants_crlf: Option<u16>,
}

impl Wishes {
    fn read(scene: &Scene, messages: Vec<String>) -> Result<Self> {
        let eol = args::choice(&scene.matches, "eol", &["lf", "crlf", "none"])?;
        if scene.is_on("half-close") && scene.is_on("no-half-close") {
            let text = "--half-close and --no-half-close exclude each other";
            return Err(Error::new(Kind::Usage, text).try_command("hobnob help eof", ""));
        }
        Ok(Wishes {
            messages,
            eol: eol.and_then(Eol::parse),
            wait: args::duration(&scene.matches, "wait")?,
            idle: args::duration(&scene.matches, "idle")?,
            half_close: !scene.is_on("no-half-close"),
            is_verbose: scene.is_on("verbose"),
            is_quiet: scene.is_on("quiet"),
            is_json: scene.is_on("json"),
        })
    }

    /// The silence that is allowed after our side has ended.
    pub(crate) fn patience(&self, shape: Shape) -> Option<Duration> {
        self.wait.or((shape == Shape::Packets).then_some(DATAGRAM_WAIT))
    }

    /// What a line or message has at its end.
    pub(crate) fn eol(&self, shape: Shape) -> Eol {
        self.eol.unwrap_or(if shape == Shape::Bytes { Eol::Lf } else { Eol::None })
    }
}

/// Runs the verb.
pub(crate) fn run(scene: &Scene) -> Result<u8> {
    let endpoint = scene.endpoint("talk to whom? an address is missing")?;
    scene.check_stdout(std::slice::from_ref(&endpoint))?;
    let messages = scene.words().into_iter().skip(1).collect();
    let wishes = Wishes::read(scene, messages)?;
    let runtime = runtime()?;
    let local = tokio::task::LocalSet::new();
    let result = local.block_on(&runtime, converse(scene, &wishes, &endpoint));
    // A read of stdin may still be blocked on its thread.
    runtime.shutdown_background();
    result
}

async fn converse(scene: &Scene, wishes: &Wishes, endpoint: &Endpoint) -> Result<u8> {
    let mut signals = Signals::catch()?;
    let line = tokio::select! {
        line = connect(scene, wishes, endpoint) => line?,
        asked = signals.next() => return Ok(interrupted(asked.code())),
    };
    if is_typed(wishes) {
        terminal::run(scene, wishes, line, signals).await
    } else {
        pipe::run(scene, wishes, line, signals).await.map(interrupted)
    }
}

/// A terminal that is not in the editor's hands has printed ^C, and no newline.
fn interrupted(code: u8) -> u8 {
    if code == INTERRUPTED && std::io::stderr().is_terminal() {
        let _ = std::io::stderr().lock().write_all(b"\n");
    }
    code
}

/// Whether a person types, and sees what comes.
fn is_typed(wishes: &Wishes) -> bool {
    wishes.messages.is_empty()
        && !wishes.is_json
        && std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal()
}

async fn connect(scene: &Scene, wishes: &Wishes, endpoint: &Endpoint) -> Result<Line> {
    let timeout = args::duration(&scene.matches, "timeout")?.or(scene.environment.timeout);
    let dialer = Dialer::default().family(scene.family()?).timeout(timeout.unwrap_or(TIMEOUT));
    let notes =
        dialer.bus().subscribe(Wish { data: false, upstream: false, snap: 0, capacity: NOTES });
    if scene.is_on("listen") {
        let began = scene.clock.now();
        let waiting = dialer.listen(endpoint).await;
        tell_notes(scene, wishes, &notes);
        let waiting = waiting?;
        announce(scene, wishes, &waiting)?;
        let (conn, pump) = waiting.accept().await?;
        // Packets of a shared socket come through the pump, for as long as we talk.
        tokio::task::spawn_local(pump.run());
        let took = scene.clock.now().saturating_sub(began);
        return Ok(Line { conn, took, wants_crlf: None });
    }
    let open = dialer.retry(scene.is_on("retry")).dial(endpoint).await;
    tell_notes(scene, wishes, &notes);
    let open = open?;
    let wants_crlf = endpoint.port().filter(|port| CRLF_PORTS.contains(port));
    Ok(Line { conn: open.conn, took: open.took, wants_crlf })
}

/// What a person wants to know before anything is said: that nobody checks who the peer is.
fn tell_notes(scene: &Scene, wishes: &Wishes, notes: &Subscription) {
    let mut events = Vec::new();
    notes.pull(&mut events);
    for event in events {
        let text = match event.fact {
            Fact::Note(text) => safe(&text),
            Fact::Warning(text) => scene.err.paint(Paint::RedBold, &safe(&text)),
            _ => continue,
        };
        if !wishes.is_quiet {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

/// Says where a peer is waited for.
fn announce(scene: &Scene, wishes: &Wishes, waiting: &engine::Waiting) -> Result<()> {
    let mut lines = Vec::new();
    let mut json = Json::new(scene.clock, "talk", "");
    let mut text = String::new();
    for bound in waiting.bound() {
        let address = bound.address.to_string();
        json.listening(&mut lines, bound.transport, &bound.endpoint, &address, None);
        let _ = writeln!(text, "waiting for one peer on {}, {}", bound.transport, safe(&address));
    }
    if wishes.is_json {
        let mut out = std::io::stdout().lock();
        out.write_all(&lines).and_then(|()| out.flush()).map_err(|error| write_failed(&error))?;
    } else if !wishes.is_quiet {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
    Ok(())
}

/// The error of a write to stdout.
pub(crate) fn write_failed(error: &std::io::Error) -> Error {
    Error::from_io("write(stdout)", error).with_kind(Kind::OutputFailed)
}

/// The exit code, or the error, of a write to stdout that failed.
pub(crate) fn broken_output(error: &std::io::Error) -> Result<u8> {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Ok(BROKEN_PIPE);
    }
    Err(write_failed(error))
}

/// `connected to 127.0.0.1:9000 over tcp in 0.2 ms, from port 53142`.
pub(crate) fn greeting(line: &Line, is_listening: bool) -> String {
    let facts = line.conn.facts();
    let peer = safe(&facts.peer.to_string());
    if is_listening {
        return format!("{peer} has come over {}", facts.transport);
    }
    let from = match (&facts.peer, facts.local.ip()) {
        (_, Some(local)) => format!(", from port {}", local.port()),
        _ => String::new(),
    };
    format!("connected to {peer} over {} in {}{from}", facts.transport, span(line.took))
}

/// What the layers learnt in their handshakes, for `-v`: a line each.
pub(crate) fn learnt(line: &Line) -> Vec<String> {
    learnt_lines(line.conn.facts().learnt())
}

/// The error of silence, after our side had ended or at all.
pub(crate) fn silence(flag: &str, time: Duration, sent: u64, received: u64) -> Error {
    let time = span(time);
    let why = format!("sent {sent} B, received {received} B");
    match flag {
        "idle" => Error::new(
            Kind::IdleTimeout,
            format!("silence for {time}, so I closed the connection (--idle)"),
        )
        .why(if received == 0 && sent > 0 {
            format!("{why}: did the peer wait for CRLF?")
        } else {
            why
        })
        .try_flag("--eol crlf", "if it speaks a mail or web protocol"),
        _ => Error::new(Kind::TimedOut, format!("no answer within {time}"))
            .why(why)
            .try_flag("--wait 10s", "to wait longer"),
    }
}
