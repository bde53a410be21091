//! The transcript of a server, for people: one event, one line; what passed may be text of several.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use hobnob::chunk::Direction;
use hobnob::clock::Clock;
use hobnob::event::{
    Bent, By, Closed, Data, End, Event, Exchanged, Fact, How, Learnt, Mailed, Reason,
};
use hobnob::fault::Act;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::report::calls::CallLines;
use crate::report::clip::clip;
use crate::report::cluster;
use crate::report::early::Early;
use crate::report::letter;
use crate::report::look::{Look, Paint, View};
use crate::report::passage::{PassedLine, folded, unfolded};
use crate::report::show::{count, fold, hex_into, safe, size, span, width};

/// The column where a size ends.
const SIZE_ENDS: usize = 71;
/// The column where a note begins, after the time.
const NOTE_BEGINS: usize = 10;
/// Columns that a page has.
const COLUMNS: usize = 80;
/// On a terminal with fewer columns a line has no time: what passed needs the room.
const NARROW: usize = 50;

/// Writes events as lines.
pub(crate) struct Transcript {
    look: Look,
    view: View,
    is_verbose: bool,
    /// Whether the server is a relay: what comes in goes up, and what goes out came down.
    is_between: bool,
    /// Which of several servers a line is about, with the space behind it.
    label: String,
    /// Columns of the terminal that it is written to; none: it goes elsewhere, and nothing is cut.
    columns: Option<usize>,
    began: SystemTime,
    zone: TimeZone,
    /// Which server a line is about, by its place among those that are told about.
    server: usize,
    /// For how long faults held what a session of a server is about to be told, together since it was told something.
    held: HashMap<(usize, u64), Duration>,
    /// Sessions whose peer has said something since it was told that such a thing was held.
    said: HashSet<(usize, u64)>,
    /// What clients of a relay said before their target was dialled.
    early: Early,
    /// How calls to the kernel are told, where they are.
    calls: Option<CallLines>,
    /// The last second written, and how: formatting a time zone for each line would be most of the work.
    second: (u64, String),
}

impl Transcript {
    /// A transcript of events whose times count from now.
    pub(crate) fn new(clock: Clock, look: Look, view: View, is_verbose: bool) -> Self {
        let began = clock.wall().checked_sub(clock.now()).unwrap_or_else(|| clock.wall());
        Transcript {
            look,
            view,
            is_verbose,
            is_between: false,
            label: String::new(),
            columns: None,
            server: 0,
            held: HashMap::new(),
            said: HashSet::new(),
            early: Early::default(),
            calls: None,
            began,
            zone: TimeZone::system(),
            second: (u64::MAX, String::new()),
        }
    }

    /// The same, which tells calls to the kernel, too.
    pub(crate) fn with_calls(self, calls: Option<CallLines>) -> Self {
        Transcript { calls, ..self }
    }

    /// Which of several servers the lines from here on are about.
    pub(crate) fn speak_of(&mut self, server: usize, label: &str) {
        self.server = server;
        label.clone_into(&mut self.label);
    }

    /// How wide the lines from here on may be; none: as wide as they are.
    pub(crate) fn fit(&mut self, columns: Option<usize>) {
        self.columns = columns;
    }

    /// Of how many sessions it keeps something in mind.
    pub(crate) fn in_mind(&self) -> usize {
        self.held.len() + self.said.len() + self.early.sessions()
    }

    /// Forgets the sessions of a server that are not open. The end of each is forgotten by itself where it is told.
    pub(crate) fn forget(&mut self, server: usize, is_open: impl Fn(u64) -> bool) {
        self.held.retain(|(of, session), _| *of != server || is_open(*session));
        self.said.retain(|(of, session)| *of != server || is_open(*session));
        self.early.retain(|(of, session)| of != server || is_open(session));
    }

    /// Whether the lines from here on are about a relay.
    pub(crate) fn speak_between(&mut self, is_between: bool) {
        self.is_between = is_between;
    }

    /// One event of the bus. What the client of a relay says while its target is dialled stands below the line of that dial,
    /// as it is passed on by then.
    pub(crate) fn event(&mut self, out: &mut String, event: &Event) {
        let key = (self.server, event.session);
        if self.is_between && self.early.keeps(key, event) {
            return;
        }
        let said = self.early.take(key, event);
        let is_dialed = matches!(event.fact, Fact::Dialed(_));
        if is_dialed {
            self.tell(out, event);
        }
        for said in &said {
            self.tell(out, said);
        }
        if !is_dialed {
            self.tell(out, event);
        }
    }

    fn tell(&mut self, out: &mut String, event: &Event) {
        let session = event.session;
        match &event.fact {
            Fact::Data(data) => self.data(out, event.at, session, data),
            Fact::Opened(opened) => {
                self.head(out, event.at, session);
                let _ = writeln!(out, "{}  in", safe(&opened.peer.to_string()));
            }
            Fact::Dialed(dialed) => {
                let peer = format!("{}  {}", self.look.sent(), safe(&dialed.peer.to_string()));
                let parts = [peer, format!("connect {}", span(dialed.took))];
                self.parts(out, event.at, session, &parts, self.widest());
            }
            Fact::Dressed { with, learnt } if self.is_verbose => {
                // The target's facts stand beside the target's gutter, as the line before does.
                let side = if *with == By::Upstream { self.look.sent() } else { "" };
                for text in learnt_lines(learnt) {
                    self.note(out, event.at, session, format!("{side}  {text}").trim_start());
                }
            }
            Fact::Exchanged(exchange) => {
                let room = self.widest().saturating_sub(self.head_cells(session));
                self.line(out, event.at, session, &access(exchange, room));
            }
            Fact::Mailed(mailed) => self.mailed(out, event.at, session, mailed),
            Fact::Clustered(fact) => {
                let paint = cluster::is_warning(fact).then_some(Paint::RedBold);
                self.folded(out, event.at, session, &cluster::text(fact), paint);
            }
            Fact::Called(call) => {
                let lines = self.calls.as_mut().map(|calls| calls.lines(call));
                for line in lines.unwrap_or_default() {
                    self.line(out, event.at, session, &line);
                }
            }
            Fact::Bent(bent) => self.bent(out, event.at, session, bent),
            Fact::Closed(closed) => self.closed(out, event.at, session, closed),
            Fact::Note(text) => self.note(out, event.at, session, &safe(text)),
            Fact::Warning(text) => {
                let text = safe(text);
                self.folded(out, event.at, session, &text, Some(Paint::RedBold));
            }
            Fact::Failed(error) => {
                let text = format!("error[{}]: {}", error.kind().slug(), safe(error.message()));
                self.note(out, event.at, session, &text);
            }
            Fact::Paused { limit, waiting } => {
                let peers = match waiting {
                    None => "new peers wait".to_owned(),
                    Some(1) => "1 new peer waits".to_owned(),
                    Some(many) => format!("{many} new peers wait"),
                };
                let text = format!("paused by {limit}: {peers}");
                self.note(out, event.at, session, &text);
            }
            Fact::Resumed { limit } if self.is_verbose => {
                self.note(out, event.at, session, &format!("goes on after {limit}"));
            }
            Fact::Refused { peer, limit } if self.is_verbose => {
                let text = format!("{}  refused by {limit}", safe(&peer.to_string()));
                self.note(out, event.at, session, &text);
            }
            Fact::Dropped { limit, count: number } if self.is_verbose => {
                let text = format!("dropped by {limit}: {number}");
                self.note(out, event.at, session, &text);
            }
            _ => {}
        }
    }

    /// Events that were too many to be shown.
    pub(crate) fn missed(&mut self, out: &mut String, at: Duration, number: u64) {
        // An end may be among them, and what was said before it is to be shown all the same.
        for said in self.early.take_all(self.server) {
            self.tell(out, &said);
        }
        let text = format!("{} not shown: too many at once", count(number, "event"));
        self.note(out, at, 0, &text);
    }

    fn line(&mut self, out: &mut String, at: Duration, session: u64, text: &str) {
        self.head(out, at, session);
        out.push_str(text);
        out.push('\n');
    }

    /// A line that may be longer than the page is wide.
    fn note(&mut self, out: &mut String, at: Duration, session: u64, text: &str) {
        self.folded(out, at, session, text, None);
    }

    fn folded(
        &mut self,
        out: &mut String,
        at: Duration,
        session: u64,
        text: &str,
        paint: Option<Paint>,
    ) {
        let begins = self.head_cells(session);
        for (number, line) in fold(text, self.page().saturating_sub(begins)).iter().enumerate() {
            let line = paint.map_or_else(|| line.clone(), |paint| self.look.paint(paint, line));
            match number {
                0 => self.line(out, at, session, &line),
                _ => writeln!(out, "{:begins$}{line}", "").unwrap_or_default(),
            }
        }
    }

    /// `14:02:11  #1  `, or with the name of one of several `14:02:11  echo  #1  `.
    fn head(&mut self, out: &mut String, at: Duration, session: u64) {
        if !self.is_narrow() {
            self.refresh(at);
            out.push_str(&self.look.paint(Paint::Dim, &self.second.1));
            out.push_str("  ");
        }
        out.push_str(&self.label);
        if session != 0 {
            let _ = write!(out, "#{session}  ");
        }
    }

    /// The cells that it takes.
    fn head_cells(&self, session: u64) -> usize {
        let number = if session == 0 { 0 } else { 3 + session.to_string().len() };
        self.note_begins() + width(&self.label) + number
    }

    /// Columns of a line that is cut, where there is an end to them.
    fn widest(&self) -> usize {
        self.columns.unwrap_or(usize::MAX)
    }

    /// Columns of what is folded.
    fn page(&self) -> usize {
        self.widest().min(COLUMNS)
    }

    fn is_narrow(&self) -> bool {
        self.widest() < NARROW
    }

    /// The column where a note begins.
    fn note_begins(&self) -> usize {
        if self.is_narrow() { 0 } else { NOTE_BEGINS }
    }

    fn refresh(&mut self, at: Duration) {
        let time = self.began + at;
        let second = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if self.second.0 != second {
            let shown = Timestamp::try_from(time).map_or_else(
                |_| "--:--:--".to_owned(),
                |at| at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string(),
            );
            self.second = (second, shown);
        }
    }

    fn data(&mut self, out: &mut String, at: Duration, session: u64, data: &Data) {
        self.head(out, at, session);
        let mut cells = self.head_cells(session);
        if let Some(peer) = data.peer.as_ref().filter(|_| session == 0) {
            let peer = safe(&peer.to_string());
            cells += width(&peer) + 2;
            let _ = write!(out, "{peer}  ");
        }
        // Seen from here what comes in points inward; in a relay it goes on to the target.
        let is_in = (data.direction == Direction::In) != self.is_between;
        let gutter = if is_in { self.look.received() } else { self.look.sent() };
        let gutter = if is_in { self.look.paint(Paint::Green, gutter) } else { gutter.to_owned() };
        let _ = write!(out, "{gutter}  ");
        cells += 3;
        if self.is_between && data.direction == Direction::In {
            self.said.insert((self.server, session));
        }
        let mut length = size(data.length as u64);
        if let Some(held) =
            self.held.remove(&(self.server, session)).filter(|_| data.direction == Direction::Out)
        {
            length = format!("held {}   {length:>6}", span(held));
        }
        let shown = self.shown(data);
        let room = self.widest().saturating_sub(cells + 2 + length.len());
        let first = shown.first().map(|line| line.within(room)).unwrap_or_default();
        let end = SIZE_ENDS.min(self.widest());
        let gap = end.saturating_sub(cells + width(&first) + length.len()).max(2);
        let _ = writeln!(out, "{first}{:gap$}{length}", "");
        for line in shown.iter().skip(1) {
            let line = line.within(self.widest().saturating_sub(cells));
            let _ = writeln!(out, "{:cells$}{line}", "");
        }
        if self.view == View::Hex {
            let indent = if self.is_narrow() { "  " } else { "          " };
            hex_into(out, &data.bytes, indent, self.widest());
        }
    }

    /// What passed, as lines.
    fn shown(&self, data: &Data) -> Vec<PassedLine> {
        if data.is_hidden {
            return vec![PassedLine::said("(hidden)")];
        }
        let is_whole = data.bytes.len() == data.length;
        match self.view {
            View::Hex => Vec::new(),
            View::Raw => vec![PassedLine::raw(&data.bytes, is_whole)],
            View::Text if self.is_verbose => unfolded(&data.bytes, is_whole),
            View::Text => folded(&data.bytes, is_whole),
        }
    }

    /// A step of a letter's way: of one that came, who sent it, how, and where it lies.
    fn mailed(&mut self, out: &mut String, at: Duration, session: u64, mailed: &Mailed) {
        for (number, text) in letter::lines(mailed, self.look).iter().enumerate() {
            if number == 0 {
                self.note(out, at, session, text);
                continue;
            }
            let begins = self.note_begins();
            let room = self.page().saturating_sub(begins + letter::INDENT).max(1);
            let (mark, text) = text.split_at(letter::INDENT.min(text.len()));
            for (part, line) in fold(text, room).iter().enumerate() {
                let mark = if part == 0 { mark } else { "" };
                let _ =
                    writeln!(out, "{:begins$}{mark:indent$}{line}", "", indent = letter::INDENT);
            }
        }
    }

    /// What a fault did. For how long it held what goes down stands where that is shown. What goes up was shown when it came,
    /// so that it has a line of its own when it is passed on; its other pieces and faults have one with `-v` alone.
    fn bent(&mut self, out: &mut String, at: Duration, session: u64, bent: &Bent) {
        let is_down = bent.direction == Direction::Out;
        let did = match bent.act {
            Act::Held(time) if is_down => {
                // Each fault of a row holds a while: together it is their sum.
                *self.held.entry((self.server, session)).or_default() += time;
                return;
            }
            Act::Held(_) if !self.said.remove(&(self.server, session)) && !self.is_verbose => {
                return;
            }
            Act::Held(time) => format!("held {}", span(time)),
            Act::Discarded(bytes) => format!("discarded {}", size(bytes)),
            Act::Changed(what) => what.to_owned(),
            Act::Ended if !self.is_between => "closed without an answer".to_owned(),
            Act::Ended => "closed both sides".to_owned(),
            Act::Aborted => "reset both sides".to_owned(),
            Act::Answered(code) => format!("answered {code} on purpose"),
        };
        // Down is to the client, which is out where nobody is behind us.
        let is_received = is_down == self.is_between;
        let gutter = if is_received { self.look.received() } else { self.look.sent() };
        self.line(out, at, session, &format!("{gutter}  {}: {did}", bent.kind));
    }

    fn closed(&mut self, out: &mut String, at: Duration, session: u64, closed: &Closed) {
        self.held.remove(&(self.server, session));
        self.said.remove(&(self.server, session));
        let (bytes_in, bytes_out) = (size(closed.bytes_in), size(closed.bytes_out));
        let lasted = format!("out after {}", span(closed.lasted));
        if self.is_between {
            let (up, down) = (ended(closed.inward), ended(closed.outward));
            let mut parts =
                vec![lasted, format!("up {bytes_in} ({up})"), format!("down {bytes_out} ({down})")];
            parts.extend(vitals(closed));
            parts.extend(why(closed).filter(|_| closed.reason != Reason::Reset));
            return self.parts(out, at, session, &parts, self.page());
        }
        let parts: Vec<_> = [lasted, format!("{bytes_in} in, {bytes_out} out")]
            .into_iter()
            .chain(why(closed))
            .collect();
        self.parts(out, at, session, &parts, self.widest());
    }

    /// Parts that may be more than one line of so many columns holds.
    fn parts(
        &mut self,
        out: &mut String,
        at: Duration,
        session: u64,
        parts: &[String],
        columns: usize,
    ) {
        let begins = self.note_begins();
        let mut cells = self.head_cells(session);
        self.head(out, at, session);
        for (number, part) in parts.iter().enumerate() {
            let is_first = number == 0;
            if !is_first && cells + 3 + width(part) > columns {
                cells = begins;
                let lines = fold(part, columns - begins);
                for line in &lines {
                    let _ = write!(out, "\n{:begins$}{line}", "");
                }
                cells += lines.last().map_or(0, |line| width(line));
                continue;
            }
            let gap = if is_first { "" } else { "   " };
            cells += gap.len() + width(part);
            let _ = write!(out, "{gap}{part}");
        }
        out.push('\n');
    }
}

/// Why a session is over, where there is more to say than that both sides had said all.
fn why(closed: &Closed) -> Option<String> {
    Some(match (&closed.detail, closed.reason) {
        // A reset has one cause far more often than any other.
        (_, Reason::Reset) => "reset: the peer left, perhaps with our answer unread".to_owned(),
        (Some(detail), _) => safe(detail),
        (None, Reason::Timeout(limit)) => format!("ran out of time: {limit}"),
        (None, Reason::Limit(limit)) => format!("cut by the limit {limit}"),
        (None, Reason::Stopped) => "stopped".to_owned(),
        (None, Reason::Error) => "failed".to_owned(),
        (None, Reason::Fault(fault)) => format!("ended by the fault {fault}"),
        (None, Reason::Eof) => return None,
    })
}

/// Which side ended a direction of a relay, and how.
fn ended(end: End) -> String {
    let who = match end.by {
        By::Us => "us",
        By::Peer => "client",
        By::Kernel => "kernel",
        By::Upstream => "target",
    };
    match end.how {
        How::None => "not ended".to_owned(),
        how => format!("{who} {}", how.word()),
    }
}

/// What the kernel counted on both sides of a relay: `rtt 0.1 ms, 0.9 ms` and `resent 0, 0`.
fn vitals(closed: &Closed) -> Vec<String> {
    let Some(upstream) = &closed.upstream else { return Vec::new() };
    let micros = |time: Duration| match time.as_micros() {
        micros @ 0..1_000 => format!("{micros} us"),
        _ => span(time),
    };
    let times = [closed.round_trip, upstream.round_trip].into_iter().flatten().map(micros);
    let resent = [closed.resent, upstream.resent].into_iter().flatten().map(|n| n.to_string());
    let list = |name, values: Vec<String>| {
        Some(format!("{name} {}", values.join(", "))).filter(|_| !values.is_empty())
    };
    let lists = [list("rtt", times.collect()), list("resent", resent.collect())];
    lists.into_iter().flatten().collect()
}

/// `GET /index.html   200   4.1 KB   0.4 ms`, in so many cells.
fn access(exchange: &Exchanged, room: usize) -> String {
    let (bytes, took) = (size(exchange.bytes), span(exchange.took));
    let asked = format!("{} {}", safe(&exchange.method), safe(&exchange.target));
    let answered = format!("   {}   {bytes}   {took}", exchange.status);
    format!("{}{answered}", clip(&asked, room.saturating_sub(width(&answered))))
}

/// What each layer learnt, a line each: `tls: version 1.3, cipher TLS13_AES_256_GCM_SHA384`.
pub(crate) fn learnt_lines(learnt: &[Learnt]) -> Vec<String> {
    let of_one_layer = learnt.chunk_by(|one, next| one.layer == next.layer);
    let line = |group: &[Learnt]| {
        let facts = group.iter().map(|fact| format!("{} {}", fact.name, safe(&fact.value)));
        format!("{}: {}", group[0].layer, facts.collect::<Vec<_>>().join(", "))
    };
    of_one_layer.map(line).collect()
}

#[cfg(test)]
mod tests;
