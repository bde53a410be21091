//! `talk` in a terminal: what comes appears above the line that is being typed, one line a receive.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::error::{Error, Kind, Result};
use hobnob::spec::Shape;
use hobnob::streams::{self, Patient};
use hobnob::thread;
use nix::unistd::dup2_stdout;
use tokio::sync::oneshot;

use crate::calling::Explainer;
use crate::command::talk::chunk::chunk;
use crate::command::talk::converse::{Converse, Happening};
use crate::command::talk::echoed::Echoed;
use crate::command::talk::editor::{self, Hold, Keyed};
use crate::command::talk::orders::{self, LIST, Order};
use crate::command::talk::pipe::PARTING;
use crate::command::talk::wishes::{Connected, Eol, TalkFlags};
use crate::command::talk::words::{NEWLINE_INSIDE, greeting, learnt, silence};
use crate::job::Job;
use crate::process::signals::Signals;
use crate::process::{INTERRUPTED, bug};
use crate::report::error::tell;
use crate::report::look::{Look, Paint, View, columns_now};
use crate::report::show::{fold, safe, size, span};
use crate::report::text::learnt_lines;
use crate::report::writer::Writer;

/// How long the last lines may take to appear.
const LAST_LINES: Duration = Duration::from_millis(500);
/// Up a line and down again: the editor prints it without a trace. When a second one is through, all before it is drawn.
const BARRIER: &[u8] = b"\x1b[1A\n";

/// Something that is sent in its turn.
enum QueuedInput {
    Bytes(Vec<u8>),
    /// What a file holds, once it was read.
    File(oneshot::Receiver<Result<Vec<u8>>>),
}

/// What a person did, or what came of it.
enum Deed {
    Keyed(Keyed),
    /// The file whose turn it is was read.
    Read(Result<Vec<u8>>),
}

struct Terminal<'a> {
    job: &'a Job,
    wishes: &'a TalkFlags,
    look: Look,
    view: View,
    eol: Eol,
    talk: Converse,
    writer: Writer,
    queue: VecDeque<QueuedInput>,
    save: Option<(File, String)>,
    shape: Shape,
    began: Duration,
    /// When something passed last.
    last: Duration,
    echoed: Echoed,
    /// Enter, Ctrl-D or `half-close` have ended our side.
    is_over: bool,
}

/// Talks until the peer closes or the person leaves.
pub(crate) async fn run(
    job: &Job,
    wishes: &TalkFlags,
    line: Connected,
    calls: &mut Option<Explainer>,
    signals: &mut Signals,
) -> Result<u8> {
    streams::reopen_terminal();
    bug::remember_terminal();
    let look = job.out;
    let shape = line.conn.shape();
    let crlf = line.wants_crlf.filter(|_| wishes.eol.is_none());
    let mut head = format!("{}\n", greeting(&line, job.is_on("listen")));
    if wishes.is_verbose {
        for fact in learnt(&line) {
            let _ = writeln!(head, "{fact}");
        }
    }
    if let Some(port) = crlf {
        let _ =
            writeln!(head, "Enter sends \\r\\n, as port {port} wants it (--eol lf to change that)");
    }
    let end = if shape == Shape::Bytes { "Ctrl-D ends our side, " } else { "" };
    let _ = write!(head, "{end}Ctrl-C leaves, Ctrl-] opens commands");
    let head = format!("{}\n\n", look.broken(&head));
    if !wishes.is_quiet {
        let mut out = streams::stdout();
        let _ = out.write_all(head.as_bytes()).and_then(|()| out.flush());
    }
    let prompt = format!("{}  ", look.sent());
    let (mut typed, printer, hold) = editor::start(prompt, job.environment.state.clone())?;
    let writer = match Writer::new("printer", printer) {
        Ok(writer) => writer,
        Err(error) => {
            hold.settle(job.clock, LAST_LINES).await;
            bug::restore_terminal();
            return Err(error);
        }
    };
    let now = job.clock.now();
    let mut terminal = Terminal {
        look,
        view: job.view,
        eol: if crlf.is_some() { Eol::Crlf } else { wishes.eol(shape) },
        talk: Converse::new(line.conn, job.clock),
        writer,
        queue: VecDeque::new(),
        save: None,
        began: now,
        last: now,
        echoed: Echoed::default(),
        is_over: false,
        job,
        wishes,
        shape,
    };
    let keys = |cx: &mut Context<'_>| typed.poll_recv(cx).map(|typed| typed.unwrap_or(Keyed::Lost));
    let result = terminal.run(calls, signals, keys).await;
    terminal.talk.part(if matches!(result, Ok(0)) { PARTING } else { Duration::ZERO }).await;
    terminal.tell_calls(calls);
    terminal.leave(&hold).await;
    result
}

impl Terminal<'_> {
    async fn run(
        &mut self,
        calls: &mut Option<Explainer>,
        signals: &mut Signals,
        mut keys: impl FnMut(&mut Context<'_>) -> Poll<Keyed>,
    ) -> Result<u8> {
        loop {
            self.rewind_timer();
            let queue = &mut self.queue;
            let ask = |cx: &mut Context<'_>, can_send: bool, _: u64| {
                if can_send && let Some(QueuedInput::File(read)) = queue.front_mut() {
                    let read = Pin::new(read).poll(cx).map(|read| {
                        read.unwrap_or_else(|_| Err(Error::new(Kind::Bug, "a thread panicked")))
                    });
                    if read.is_ready() {
                        return read.map(Deed::Read);
                    }
                }
                keys(cx).map(Deed::Keyed)
            };
            let happened = self.talk.next(signals, &mut self.writer, ask).await;
            self.tell_calls(calls);
            match happened {
                Happening::Received(length) => self.received(length),
                Happening::Input(Deed::Keyed(typed)) => {
                    if let Some(code) = self.typed(typed) {
                        return Ok(code);
                    }
                }
                Happening::Input(Deed::Read(read)) => self.read(read),
                Happening::Sent | Happening::Ended | Happening::Written(Ok(())) => {}
                Happening::PeerEnded => {
                    self.totals("peer closed");
                    return Ok(0);
                }
                Happening::Silence => {
                    if let Some(code) = self.silence()? {
                        return Ok(code);
                    }
                }
                Happening::Asked(asked) => return Ok(asked.code()),
                Happening::Written(Err(_)) => return Ok(INTERRUPTED),
                Happening::Failed(error) => {
                    self.totals("broken");
                    return Err(error);
                }
            }
            let is_next = |next: &mut QueuedInput| matches!(next, QueuedInput::Bytes(_));
            if self.talk.can_send()
                && let Some(QueuedInput::Bytes(bytes)) = self.queue.pop_front_if(is_next)
            {
                self.talk.send(bytes);
            } else if self.is_over && self.queue.is_empty() {
                self.talk.end();
            }
        }
    }

    fn rewind_timer(&mut self) {
        let wait = self.wishes.patience(self.shape).filter(|_| self.is_over);
        self.talk.set_timer(wait.into_iter().chain(self.wishes.idle).min());
    }

    fn silence(&mut self) -> Result<Option<u8>> {
        let ((sent, _), (received, times)) = (self.talk.sent, self.talk.heard);
        let wait = self.wishes.patience(self.shape).filter(|_| self.is_over);
        match (wait, self.wishes.idle) {
            (Some(wait), _) if times == 0 => Err(silence("wait", wait, sent, received)),
            (Some(_), _) => {
                self.totals("silence");
                Ok(Some(0))
            }
            (None, Some(idle)) => Err(silence("idle", idle, sent, received)),
            (None, None) => Ok(None),
        }
    }

    /// What a person did; the exit code, if that is the end.
    fn typed(&mut self, typed: Keyed) -> Option<u8> {
        match typed {
            Keyed::Line(_) if self.is_over => self.say("our side has ended; Ctrl-C leaves"),
            Keyed::Line(line) => {
                self.last = self.job.clock.now();
                let line = [line.as_bytes(), self.eol.bytes()].concat();
                self.echoed.sent(&line);
                self.queue.push_back(QueuedInput::Bytes(line));
            }
            Keyed::Order(line) => match Order::parse(&line) {
                Ok(Order::Quit) => {
                    self.totals("left");
                    return Some(0);
                }
                Ok(order) => self.obey(order),
                Err(error) => self.complain(&error),
            },
            Keyed::End if self.is_over => {
                self.totals("left");
                return Some(0);
            }
            Keyed::End => self.half_close(),
            Keyed::Garbled => self.say("what was typed is not UTF-8, so it was not sent"),
            Keyed::Interrupt => {
                self.totals("left");
                return Some(INTERRUPTED);
            }
            Keyed::Lost => return Some(INTERRUPTED),
        }
        None
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::View(view) => {
                self.view = view;
                self.say(if view == View::Hex { "shown as hex" } else { "shown as text" });
            }
            Order::Eol(eol) => {
                self.eol = eol;
                self.say(match eol {
                    Eol::Lf => r"Enter sends \n",
                    Eol::Crlf => r"Enter sends \r\n",
                    Eol::None => "Enter sends the line alone",
                });
            }
            Order::Send(_) | Order::SendFile(_) if self.is_over => {
                self.say("our side has ended; Ctrl-C leaves");
            }
            Order::Send(bytes) => {
                self.say(&format!("sending {}", size(bytes.len() as u64)));
                self.queue.push_back(QueuedInput::Bytes(bytes));
            }
            Order::SendFile(path) => self.send_file(path),
            Order::HalfClose => self.half_close(),
            Order::Info => self.info(),
            Order::Save(file, path) => {
                self.say(&format!("what comes is kept in {}", safe(&path)));
                self.save = Some((file, path));
            }
            Order::Help => self.say(LIST),
            Order::Quit => {}
        }
    }

    /// Reads a file on a thread of its own, as it may be a FIFO that nobody writes. What is typed meanwhile comes behind.
    fn send_file(&mut self, path: String) {
        if fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            self.say(&format!("reading {} to its end", safe(&path)));
        }
        let (done, read) = oneshot::channel();
        // The send fails where nobody waits for the file any more.
        match thread::start("send", move || drop(done.send(orders::read(&path)))) {
            Ok(_) => self.queue.push_back(QueuedInput::File(read)),
            Err(error) => self.complain(&error),
        }
    }

    /// The file whose turn it is was read.
    fn read(&mut self, read: Result<Vec<u8>>) {
        self.queue.pop_front();
        match read {
            Ok(bytes) => {
                self.say(&format!("sending {}", size(bytes.len() as u64)));
                self.queue.push_front(QueuedInput::Bytes(bytes));
            }
            Err(error) => self.complain(&error),
        }
    }

    fn half_close(&mut self) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        match self.shape {
            Shape::Bytes => self.say("our side has ended; still listening"),
            Shape::Packets => self.say("packets have no end; waiting for what still comes"),
        }
    }

    fn info(&mut self) {
        let facts = self.talk.conn.facts();
        let (local, peer) = (safe(&facts.local.to_string()), safe(&facts.peer.to_string()));
        let mut text =
            format!("{}, {}   local {local}   peer {peer}\n", facts.transport, self.shape);
        if let Some(who) = facts.credentials() {
            let _ = writeln!(text, "process {}   user {}   group {}", who.pid, who.uid, who.gid);
        }
        for line in learnt_lines(facts.learnt()) {
            let _ = writeln!(text, "{line}");
        }
        let ((sent, messages), (received, times)) = (self.talk.sent, self.talk.heard);
        let _ = write!(
            text,
            "sent {} in {messages}   received {} in {times}",
            size(sent),
            size(received)
        );
        if let Some(vitals) = self.talk.conn.vitals() {
            let round_trip = span(vitals.round_trip);
            let _ = write!(text, "   round trip {round_trip}   resent {}", vitals.resent);
        }
        self.say(&text);
    }

    fn received(&mut self, length: usize) {
        let now = self.job.clock.now();
        let since = now.saturating_sub(std::mem::replace(&mut self.last, now));
        let bytes = self.talk.received(length);
        let mut failed = None;
        if let Some((file, path)) = &mut self.save
            && let Err(error) = file.write_all(bytes)
        {
            failed = Some(Error::from_io(&format!("write({path})"), &error));
        }
        let verbose = self.wishes.is_verbose;
        let text = chunk(bytes, self.look, self.view, verbose, since, columns_now());
        let is_newline_inside = self.shape == Shape::Bytes && self.echoed.is_in(bytes);
        let mut out = self.writer.take();
        out.extend_from_slice(text.as_bytes());
        self.writer.give(out);
        if is_newline_inside && !self.wishes.is_quiet {
            self.say(&format!("{NEWLINE_INSIDE} (Ctrl-] eol none)"));
        }
        if let Some(error) = failed {
            self.save = None;
            self.complain(&error);
        }
    }

    fn tell_calls(&mut self, calls: &mut Option<Explainer>) {
        if let Some(calls) = calls {
            let mut out = self.writer.take();
            out.extend_from_slice(calls.text().as_bytes());
            self.writer.give(out);
        }
    }

    /// A line of our own.
    fn say(&mut self, text: &str) {
        let mut out = self.writer.take();
        let room = columns_now().saturating_sub(4);
        for line in text.lines().flat_map(|line| fold(line, room)) {
            let line = self.look.paint(Paint::Dim, &format!("--  {line}"));
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
        self.writer.give(out);
    }

    fn complain(&mut self, error: &Error) {
        let mut out = self.writer.take();
        out.extend_from_slice(tell(error, &self.job.typed, self.look).as_bytes());
        self.writer.give(out);
    }

    fn totals(&mut self, how: &str) {
        if self.wishes.is_quiet {
            return;
        }
        let lasted = span(self.job.clock.now().saturating_sub(self.began));
        let ((sent, messages), (received, times)) = (self.talk.sent, self.talk.heard);
        self.say(&format!(
            "{how} after {lasted}   sent {} in {messages}   received {} in {times}",
            size(sent),
            size(received)
        ));
    }

    /// Waits until everything is drawn, then gives the terminal back as it was.
    async fn leave(&mut self, hold: &Hold) {
        for _ in 0..2 {
            let mut barrier = self.writer.take();
            barrier.extend_from_slice(BARRIER);
            self.writer.give(barrier);
        }
        let _ = self.writer.finish(LAST_LINES).await;
        hold.settle(self.job.clock, LAST_LINES).await;
        // The editor may still be drawing its prompt: it draws into nothing from here on, and what it drew goes.
        if let (Ok(terminal), Ok(nothing)) = (
            std::io::stdout().as_fd().try_clone_to_owned().map(File::from),
            File::options().write(true).open("/dev/null"),
        ) && dup2_stdout(nothing).is_ok()
        {
            let _ = Patient::new(&terminal).write_all(b"\r\x1b[K");
        }
        bug::restore_terminal();
    }
}
