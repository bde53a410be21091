//! What is said about an exchange: to a person on stderr, to a program as events on stdout.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use hobnob::bus::{Subscription, Wish};
use hobnob::chunk::{Direction, Side};
use hobnob::clock::Clock;
use hobnob::endpoint::Word;
use hobnob::engine::Dialer;
use hobnob::error::{Error, Kind, Result};
use hobnob::event::{By, Closed, Data, End, Event, Fact, How, Opened, Reason};
use hobnob::exchange::{Asked, Exchange, Head, Length, Redirect, Times};
use hobnob::streams;

use crate::calling::Explainer;
use crate::command::get::body::WrittenBody;
use crate::job::Job;
use crate::process::output_failed;
use crate::report::fetched::Fetched;
use crate::report::json::Json;
use crate::report::look::{Look, Paint};
use crate::report::show::{fold, one_line, safe, size, span, width};
use crate::report::text::learnt_lines;
use crate::report::writer::Writer;

/// The column where what stands on the right ends.
const RIGHT: usize = 71;
/// Notes that are kept until a conn is there.
const NOTES: usize = 16;
/// How long the last events may take once all is over; a signal is served meanwhile.
const LAST_WORDS: Duration = Duration::from_hours(1);

/// Tells it.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag, or where it stands")]
pub(super) struct ExchangeTeller {
    look: Look,
    clock: Clock,
    /// Whether anything but what is wrong is said on stderr.
    talks: bool,
    is_quiet: bool,
    is_verbose: bool,
    /// Whether the body stands below the head, on the same terminal.
    is_followed: bool,
    notes: Subscription,
    calls: Option<Explainer>,
    events: Option<Events>,
    /// Which request of a row of redirects this is, from 1.
    number: u64,
    began: Duration,
}

struct Events {
    json: Json,
    writer: Writer,
    /// Whether the bytes are told: they are not where a file has them.
    has_data: bool,
    received: u64,
}

impl ExchangeTeller {
    pub(super) fn new(job: &Job, dialer: &Dialer, has_file: bool) -> Result<Self> {
        let is_on = |flag| job.is_on(flag);
        let is_quiet = is_on("quiet") || is_on("silent");
        let is_seen =
            std::io::stdout().is_terminal() || (has_file && std::io::stderr().is_terminal());
        let writer = is_on("json").then(Writer::stdout).transpose()?;
        let events = writer.map(|writer| Events {
            json: Json::new(job.clock).called("get"),
            writer,
            has_data: !has_file,
            received: 0,
        });
        Ok(ExchangeTeller {
            look: job.err,
            clock: job.clock,
            talks: !is_quiet && (is_on("verbose") || (is_seen && !is_on("json"))),
            is_quiet,
            is_verbose: is_on("verbose"),
            is_followed: !has_file && std::io::stdout().is_terminal(),
            notes: dialer.bus().subscribe(Wish {
                data: false,
                upstream: false,
                snap: 0,
                capacity: NOTES,
            }),
            calls: Explainer::of(job, dialer.bus())?,
            events,
            number: 0,
            began: Duration::ZERO,
        })
    }

    /// What a person wants to know in any case: that nobody checks who the peer is.
    pub(super) fn notes(&mut self) {
        self.tell_calls();
        let mut events = Vec::new();
        self.notes.pull(&mut events);
        for event in events {
            match event.fact {
                Fact::Note(text) => self.say(&safe(&text)),
                Fact::Warning(text) => self.say(&self.look.paint(Paint::RedBold, &safe(&text))),
                _ => {}
            }
        }
    }

    /// Tells the calls since the last time, where they are asked for.
    fn tell_calls(&mut self) {
        match (&mut self.calls, &mut self.events) {
            (Some(calls), Some(events)) => {
                let mut out = events.writer.take();
                calls.write(&mut events.json, &mut out);
                events.writer.give(out);
            }
            // Between the lines about the exchange, in their order.
            (Some(calls), None) if self.talks => {
                let _ = streams::stderr().write_all(calls.text().as_bytes());
            }
            (Some(calls), None) => calls.pump(),
            (None, _) => {}
        }
    }

    /// A line that only `-q` keeps back.
    pub(super) fn say(&self, line: &str) {
        if !self.is_quiet {
            let _ = writeln!(streams::stderr(), "{line}");
        }
    }

    fn lines(&self, lines: &str) {
        if self.talks {
            let _ = streams::stderr().write_all(lines.as_bytes());
        }
    }

    /// The conn is there, and the request leaves.
    pub(super) fn opened(&mut self, exchange: &Exchange, asked: &Asked) {
        self.number += 1;
        self.began = self.clock.now();
        let facts = asked.facts();
        let mut text = String::new();
        for learnt in learnt_lines(facts.learnt()).iter().filter(|_| self.is_verbose) {
            for line in fold(learnt, RIGHT) {
                let _ = writeln!(text, "   {line}");
            }
        }
        let head = exchange.head();
        let host = safe(exchange.host());
        let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        for (at, line) in lines.filter(|line| !line.is_empty()).enumerate() {
            let right = if at == 0 { host.as_str() } else { "" };
            self.line(&mut text, self.look.sent(), line, right);
        }
        if let Some(body) = &exchange.request().body {
            let _ = writeln!(text, "   with a body of {}", size(body.len() as u64));
        }
        self.lines(&text);
        let (transport, local, peer) = (facts.transport, facts.local.clone(), facts.peer.clone());
        self.event(Fact::Opened(Box::new(Opened { parent: 0, transport, local, peer, door: "" })));
        if !facts.learnt().is_empty() {
            self.event(Fact::Dressed { with: By::Peer, learnt: facts.learnt().to_vec() });
        }
        let body = exchange.request().body.as_deref().unwrap_or_default();
        self.data(Direction::Out, 1, &[&head, body].concat());
    }

    /// Bytes that came, in whatever part of the answer.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        self.tell_calls();
        if let Some(events) = self.events.as_mut().filter(|_| !bytes.is_empty()) {
            events.received += 1;
            let ordinal = events.received;
            self.data(Direction::In, ordinal, bytes);
        }
    }

    fn data(&mut self, direction: Direction, ordinal: u64, bytes: &[u8]) {
        if self.events.as_ref().is_some_and(|events| events.has_data) {
            self.event(Fact::Data(Box::new(Data {
                side: Side::Downstream,
                is_hidden: false,
                direction,
                ordinal,
                bytes: bytes.into(),
                length: bytes.len(),
                is_packet: false,
                peer: None,
            })));
        }
    }

    fn event(&mut self, fact: Fact) {
        let event = Event { at: self.clock.now(), session: self.number, fact };
        if let Some(events) = &mut self.events {
            let mut out = events.writer.take();
            events.json.event(&mut out, &event);
            events.writer.give(out);
        }
    }

    /// A head, the interim ones too.
    pub(super) fn head(&self, head: &Head) {
        let mut text = String::new();
        let length = format!("head {}", size(head.raw.len() as u64));
        for (at, line) in head.lines().enumerate() {
            let right = if at == 0 { length.as_str() } else { "" };
            self.line(&mut text, self.look.received(), line, right);
        }
        let has_body = head.length != Length::Nothing && head.status >= 200;
        if has_body && self.is_followed {
            text.push('\n');
        }
        self.lines(&text);
    }

    /// The lines behind the last chunk.
    pub(super) fn trailers(&self, lines: &[u8]) {
        let mut text = String::new();
        let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        for line in lines.filter(|line| !line.is_empty()) {
            self.line(&mut text, self.look.received(), line, "");
        }
        self.lines(&text);
    }

    fn line(&self, out: &mut String, gutter: &str, line: &[u8], right: &str) {
        let shown = one_line(line);
        let is_in = gutter == self.look.received();
        let gutter = if is_in { self.look.paint(Paint::Green, gutter) } else { gutter.to_owned() };
        let _ = write!(out, "{gutter}  {shown}");
        if !right.is_empty() {
            let gap = RIGHT.saturating_sub(3 + width(&shown) + width(right)).max(2);
            let _ = write!(out, "{:gap$}{right}", "");
        }
        out.push('\n');
    }

    /// The answer leads on.
    pub(super) fn elsewhere(
        &mut self,
        exchange: &Exchange,
        head: &Head,
        asked: &Asked,
        redirect: &Redirect,
    ) {
        let next = &redirect.exchange;
        let mut text = format!("   which leads to {}", safe(next.host()));
        if !redirect.dropped.is_empty() {
            let _ = write!(text, ", who is not told {}", safe(&redirect.dropped.join(", ")));
        }
        text.push_str("\n\n");
        self.lines(&text);
        self.answered(exchange, head, asked.times(), 0, None);
    }

    /// The answer is whole.
    pub(super) fn whole(
        &mut self,
        exchange: &Exchange,
        head: &Head,
        asked: &Asked,
        page: &WrittenBody,
    ) {
        let times = asked.times();
        let mut text = body_line(head, page);
        let surplus = asked.surplus();
        if surplus > 0 {
            let _ = writeln!(text, "   {surplus} B behind the answer belong to nothing");
        }
        let _ = writeln!(text, "   {}", times_line(&times, exchange));
        self.lines(&text);
        self.answered(exchange, head, times, page.bytes, page.name());
    }

    fn answered(
        &mut self,
        exchange: &Exchange,
        head: &Head,
        times: Times,
        bytes: u64,
        file: Option<&str>,
    ) {
        let Some(events) = &mut self.events else { return };
        let told = Fetched { session: self.number, exchange, head, times, bytes, file };
        let mut out = events.writer.take();
        events.json.answered(&mut out, self.clock.now(), &told);
        events.writer.give(out);
    }

    /// The conn is over.
    pub(super) fn closed(&mut self, asked: &Asked, error: Option<&Error>) {
        let (bytes_out, bytes_in) = asked.passed();
        let lasted = self.clock.now().saturating_sub(self.began);
        let reason = match error.map(Error::kind) {
            None => Reason::Eof,
            Some(Kind::ConnectionReset) => Reason::Reset,
            Some(Kind::IdleTimeout) => Reason::Timeout("idle"),
            Some(_) => Reason::Error,
        };
        let end = match reason {
            Reason::Reset => End { by: By::Peer, how: How::Rst },
            Reason::Eof => End { by: By::Us, how: How::Fin },
            _ => End { by: By::Us, how: How::None },
        };
        self.event(Fact::Closed(Box::new(Closed {
            upstream: None,
            inward: end,
            outward: end,
            reason,
            detail: error.map(|error| safe(error.message())),
            bytes_in,
            bytes_out,
            lasted,
            round_trip: None,
            resent: None,
        })));
    }

    /// `--check` says no; without the head on the screen, a line says why.
    pub(super) fn refused(&self, head: &Head) {
        if !self.talks {
            self.say(&format!("the answer is {} {}", head.status, one_line(head.reason())));
        }
    }

    /// Waits until more may be told. The exit code, where the reader has left.
    pub(super) async fn room(&mut self) -> Result<Option<u8>> {
        let Some(Events { writer, .. }) = &mut self.events else { return Ok(None) };
        while !writer.has_room() {
            if let Err(error) = poll_fn(|cx| writer.poll_back(cx)).await {
                return output_failed(&error).map(Some);
            }
        }
        writer.reap().map_or_else(|error| output_failed(&error).map(Some), |()| Ok(None))
    }

    /// Writes the last events.
    pub(super) async fn finish(&mut self) -> Result<Option<u8>> {
        self.tell_calls();
        if let Some(calls) = self.calls.as_mut().filter(|_| self.events.is_none()) {
            calls.finish().await;
        }
        let Some(Events { writer, .. }) = &mut self.events else { return Ok(None) };
        let written = writer.finish(LAST_WORDS).await;
        written.map_or_else(|error| output_failed(&error).map(Some), |()| Ok(None))
    }
}

/// `   body 1,256 B saved to page.html`.
fn body_line(head: &Head, page: &WrittenBody) -> String {
    let how = match head.length {
        Length::Nothing => return "   no body\n".to_owned(),
        Length::Exactly(_) => "",
        Length::Chunked => " in chunks",
        Length::ToTheEnd => " to the end of the connection",
    };
    let saved = page.name().map(|name| format!(" saved to {}", safe(name))).unwrap_or_default();
    format!("   body {}{how}{saved}\n", size(page.bytes))
}

/// `dns 11 ms   connect 14 ms   first byte 31 ms   total 32 ms`.
fn times_line(times: &Times, exchange: &Exchange) -> String {
    let layers: Vec<_> = exchange.endpoint().layers().iter().map(Word::name).collect();
    let layers = layers.join("+");
    let all = [
        ("dns", times.look_up),
        ("connect", times.connect),
        (layers.as_str(), times.layers),
        ("first byte", times.first_byte),
        ("total", Some(times.total)),
    ];
    let said = all.iter().filter_map(|(name, time)| Some(format!("{name} {}", span((*time)?))));
    said.collect::<Vec<_>>().join("   ")
}
