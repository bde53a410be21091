//! One client: its requests in their order, each with one answer, and the events that it watches.

use std::sync::Arc;

use hobnob::error::{Error, Kind, Result};
use hobnob::fault::{Panel, Setting};
use hobnob::socket::AsyncSocket;
use tokio::sync::watch;

use super::answer::{self, AnswerFields};
use super::request::{ControlRequest, Demand};
use super::served::{Served, passed};
use super::steered;
use super::watch::ClientWatch;
use super::{LINE, TICK};

/// Bytes that are read at once.
const READ: usize = 4_096;

/// A client that was let in.
pub(super) struct Client {
    served: Arc<Served>,
    socket: AsyncSocket,
    lines: RequestLines,
    watch: Option<ClientWatch>,
    /// It asks nothing more, and may watch on.
    has_asked_all: bool,
    out: Vec<u8>,
}

/// What happens next.
enum Next {
    /// A line.
    Line(Vec<u8>),
    /// There are no more.
    End,
    /// It is time to see what has happened.
    Look,
    /// All is over.
    Over,
}

impl Client {
    pub(super) fn of(served: Arc<Served>, socket: AsyncSocket) -> Self {
        Client {
            served,
            socket,
            lines: RequestLines::default(),
            watch: None,
            has_asked_all: false,
            out: Vec::new(),
        }
    }

    /// Answers until it leaves, or everything is over. A client that does not read is not read from either, and its events are
    /// dropped and counted where they were made: nobody else waits.
    pub(super) async fn hold(mut self, mut over: watch::Receiver<bool>) {
        loop {
            let next = tokio::select! {
                line = self.lines.next(&self.socket), if !self.has_asked_all => line,
                () = look(self.watch.as_ref()) => Ok(Next::Look),
                () = passed(&mut over) => Ok(Next::Over),
            };
            let is_over = matches!(next, Ok(Next::Over) | Err(_));
            match next {
                Ok(Next::Line(line)) => self.answer(&line),
                Ok(Next::Look) => self.pull(),
                Ok(Next::End) if self.watch.is_none() => return,
                Ok(Next::End) => self.has_asked_all = true,
                Ok(Next::Over) => self.part(),
                Err(error) => self.out = answer::refusal(&error),
            }
            // Also where there is nothing to say: that fails where nobody is left to hear it.
            let said = self.socket.send_all(&self.out).await;
            self.out.clear();
            if is_over || said.is_err() {
                return;
            }
        }
    }

    fn pull(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.pull(&self.served.parts, &mut self.out);
        }
    }

    /// The last events, and how it all went.
    fn part(&mut self) {
        self.pull();
        if let Some(watch) = &mut self.watch {
            watch.sum_up(&self.served.parts, &mut self.out);
        }
    }

    fn answer(&mut self, line: &[u8]) {
        let request = ControlRequest::read(line);
        // What was seen before stands before the answer.
        self.pull();
        let answered = request.ask.and_then(|ask| self.obey(ask));
        answer::write(&mut self.out, request.word, request.tag.as_ref(), answered);
    }

    /// Does what is asked.
    fn obey(&mut self, ask: Demand) -> Result<AnswerFields> {
        let parts = &self.served.parts;
        match ask {
            Demand::Hello => Ok(answer::hello(self.served.verb, self.served.began, parts)),
            Demand::List { name, after, most } => {
                let meant = steered::some(parts, name.as_deref())?;
                if after > 0 {
                    steered::one(parts, name.as_deref())?;
                }
                Ok(answer::list(&meant, after, most))
            }
            Demand::Watch { name, data, snap } => self.watch(name.as_deref(), data, snap),
            Demand::Kill { name, id } => {
                let part = steered::one(parts, name.as_deref())?;
                if part.control.kill(id) {
                    return Ok(AnswerFields::none());
                }
                let text = format!("{} has no open session {id}", part.name);
                Err(Error::new(Kind::NotRunning, text))
            }
            Demand::Drain { name } => {
                let part = steered::one(parts, name.as_deref())?;
                let open = part.control.open();
                part.control.drain();
                Ok(AnswerFields::of(|line| line.number("sessions", open)))
            }
            Demand::Fault { name, like, set } => {
                let part = steered::one(parts, name.as_deref())?;
                let panel = part.panel()?;
                if like.is_some() || set.is_some() {
                    turn(&panel, like.as_deref(), &set.unwrap_or_default())?;
                    part.control.note(turned(&panel));
                }
                Ok(answer::faults(part, &panel))
            }
        }
    }

    fn watch(&mut self, name: Option<&str>, data: bool, snap: u64) -> Result<AnswerFields> {
        if self.watch.is_some() {
            let text = "this connection watches already, and another one may";
            return Err(Error::new(Kind::Usage, text));
        }
        let parts = &self.served.parts;
        let meant = steered::some(parts, name)?;
        self.watch = Some(ClientWatch::of(&self.served, &meant, data, snap));
        Ok(AnswerFields::none())
    }
}

/// What is on from now on, for the server's own terminal.
fn turned(panel: &Panel) -> String {
    let settings = panel.settings();
    let texts: Vec<_> = settings.iter().map(Setting::text).collect();
    match texts.as_slice() {
        [] => format!("{} from now on: none", panel.words().topic),
        texts => format!("{} from now on: {}", panel.words().topic, texts.join("   ")),
    }
}

/// Those of a profile first, as on the command line of a relay.
fn turn(panel: &Panel, like: Option<&str>, set: &[String]) -> Result<()> {
    let texts: Vec<_> = set.iter().map(String::as_str).collect();
    match like {
        Some(like) => panel.turn_like(like, &texts),
        None => panel.turn(&texts),
    }
}

/// Resolves when there is something to see, and not more often than at each tick.
async fn look(watch: Option<&ClientWatch>) {
    let Some(watch) = watch else { return std::future::pending().await };
    tokio::time::sleep(TICK).await;
    watch.changed().await;
}

/// The lines of a client. What has come of the next one stays where a read is given up.
#[derive(Default)]
struct RequestLines {
    buffer: Vec<u8>,
}

impl RequestLines {
    async fn next(&mut self, socket: &AsyncSocket) -> Result<Next> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                return Ok(Next::Line(line));
            }
            if self.buffer.len() > LINE {
                let text = format!("a line is at most {LINE} bytes");
                return Err(Error::limit("control-line", text));
            }
            let mut piece = [0; READ];
            match socket.recv(&mut piece).await {
                Ok(0) | Err(_) => return Ok(Next::End),
                Ok(read) => self.buffer.extend_from_slice(&piece[..read]),
            }
        }
    }
}
