//! 64 MiB through every service, on every transport: each byte stands where it should, so nothing was lost, repeated
//! or moved. That is what a hash would tell, and where it differs too.

use std::collections::HashSet;
use std::future::poll_fn;
use std::io::Write;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::conn::Conn;
use hobnob::event::Reason;
use hobnob::spec::Shape;

use super::cell::{self, Cell};
use super::expected::{self, Talk};

const MUCH: u64 = UNITS as u64 * UNIT as u64;
/// Bytes of a unit: a line that is a number, and a line that begins with it.
const UNIT: usize = 2_048;
const UNITS: u32 = 32_768;
const TEXT: Text = Text { units: UNITS, say, counted: MUCH };
/// The same amount as the body of one request, whose head is the first unit.
const UPLOAD: Text = Text { units: TEXT.units, say: upload, counted: MUCH };
/// Letters that change when they are shouted, within ASCII and beyond.
const LETTERS: &str = "Jackdaws love my big sphinx of quartz: straße, ça, жизнь, ώρα, 张三";
/// Units that are made at once.
const BATCH: u32 = 32;

/// What is said: lines, in units.
#[derive(Clone, Copy)]
pub(super) struct Text {
    pub(super) units: u32,
    pub(super) say: fn(u32, &mut Vec<u8>),
    /// Bytes as the session counts them: a layer's lines without their newlines.
    pub(super) counted: u64,
}

/// Once for each kind of cell: not for every address family of its transport.
pub(super) fn once_each() -> impl Fn(&Cell) -> bool {
    let seen = Mutex::new(HashSet::new());
    move |cell| {
        let kind = (cell.transport.spec.name, cell.service.spec.name, cell.layer);
        seen.lock().expect("no panic").insert(kind)
    }
}

#[test]
fn sixty_four_mebibytes_through_every_service_stand_where_they_should() {
    let is_new = once_each();
    cell::each(
        move |cell| cell.shape == Shape::Bytes && is_new(cell),
        async |cell: Cell| match cell.talk {
            Talk::Pours => poured(cell).await,
            _ => pass(cell, TEXT).await,
        },
    );
}

/// A text passes a service whole, and what it makes of it comes back whole.
pub(super) async fn pass(cell: Cell, text: Text) {
    match cell.talk {
        Talk::Answers { greeting, answer } => answered(cell, text, greeting, answer).await,
        Talk::Silent => swallowed(cell, text).await,
        Talk::Tells { .. } | Talk::Once { .. } => outtalked(cell, text).await,
        Talk::Unknown => taken(cell, text).await,
        Talk::Refuses { .. } => taken(cell, UPLOAD).await,
        Talk::Pours => cell.is_unheard_of(),
    }
}

/// All that is said is answered, and each answer is the one that is due.
async fn answered(cell: Cell, text: Text, greeting: &str, answer: fn(&[u8]) -> Vec<u8>) {
    let served = cell.serve(|server| server.cutting.rule = hobnob::codec::text::Rule::Lines);
    let greeting = match cell.layer {
        Some(_) if !greeting.is_empty() => format!("{}\n", greeting.trim_end()),
        _ => greeting.to_owned(),
    };
    let mut due = Due { text, bytes: greeting.into(), at: 0, unit: 0, total: 0, answer };
    let mut flow = Flow::new(&cell, served.dial_bare().await, Some(text));
    poll_fn(|cx| flow.poll(cx, true, &mut |heard| due.hear(&cell, heard))).await;
    assert!(due.is_over(), "{}: it ended after unit {}", cell.name(), due.unit);
    let closed = served.closed(1).await;
    assert_eq!(closed.reason, Reason::Eof, "{}: {:?}", cell.name(), closed.detail);
    assert_eq!(closed.bytes_in, text.counted, "{}", cell.name());
    assert!(cell.layer.is_some() || closed.bytes_out == due.total, "{}", cell.name());
    drop(flow);
    served.survives().await;
}

/// All is taken and counted, and nothing is said.
async fn swallowed(cell: Cell, text: Text) {
    let served = cell.serve(|_| {});
    let mut flow = Flow::new(&cell, served.dial_bare().await, Some(text));
    poll_fn(|cx| flow.poll(cx, true, &mut |heard| panic!("{}: {heard:?}", cell.name()))).await;
    let closed = served.closed(1).await;
    assert_eq!((closed.bytes_in, closed.bytes_out), (text.counted, 0), "{}", cell.name());
    let summary = served.running.summary();
    assert_eq!((summary.bytes_in, summary.bytes_out), (text.counted, 0), "{}", cell.name());
    drop(flow);
    served.survives().await;
}

/// All is taken and counted, whatever is said to it.
async fn taken(cell: Cell, text: Text) {
    let served = cell.serve(|_| {});
    let mut flow = Flow::new(&cell, served.dial_bare().await, Some(text));
    poll_fn(|cx| flow.poll(cx, true, &mut |_| {})).await;
    let closed = served.closed(1).await;
    assert_eq!(closed.reason, Reason::Eof, "{}: {:?}", cell.name(), closed.detail);
    assert_eq!(closed.bytes_in, text.counted, "{}", cell.name());
    drop(flow);
    served.survives().await;
}

/// What pours does so without being asked.
async fn poured(cell: Cell) {
    let served = cell.serve(|server| {
        server.set("bytes", Some("64m")).expect("its option");
    });
    let mut flow = Flow::new(&cell, served.dial().await, None);
    let (mut offset, mut held) = (0, Vec::new());
    let mut hear = |heard: &[u8]| {
        held.extend_from_slice(heard);
        let whole = held.len() - held.len() % 64;
        for line in held[..whole].chunks_exact(64) {
            expected::check_line(offset, line).expect("each line at its place");
            offset += 64;
        }
        held.drain(..whole);
    };
    poll_fn(|cx| flow.poll(cx, true, &mut hear)).await;
    assert_eq!((offset, held.len()), (MUCH, 0), "{}", cell.name());
    drop(flow);
    assert_eq!(served.closed(1).await.bytes_out, MUCH, "{}", cell.name());
    served.running.drain();
    cell.within("the drain", served.running.finished()).await;
}

/// Who has said goodbye still hears the other out, so that its answer arrives whole: a close with bytes unread would be
/// a reset, which may overtake it.
async fn outtalked(cell: Cell, text: Text) {
    let served = cell.serve(|server| server.limits.linger = Duration::from_mins(2));
    let mut flow = Flow::new(&cell, served.dial_bare().await, Some(text));
    let mut all = Vec::new();
    poll_fn(|cx| flow.poll(cx, false, &mut |heard| all.extend_from_slice(heard))).await;
    let closed = served.closed(1).await;
    cell.check(&[b"much"], &[all]);
    assert_eq!(closed.reason, Reason::Eof, "{}: {:?}", cell.name(), closed.detail);
    assert_eq!(closed.bytes_in, text.counted, "{}", cell.name());
    drop(flow);
    served.survives().await;
}

fn upload(unit: u32, out: &mut Vec<u8>) {
    let whole = out.len() + UNIT;
    if unit == 0 {
        let length = MUCH - UNIT as u64;
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nX-Pad: ");
        out.extend(head.bytes());
        fill(out, whole - 4);
        out.extend(b"\r\n\r\n");
    }
    fill(out, whole);
}

/// To so many bytes. (`resize` writes them one by one where nothing is optimised much.)
fn fill(out: &mut Vec<u8>, whole: usize) {
    out.extend_from_slice(&[b'x'; UNIT][..whole - out.len()]);
}

/// One side of a conversation: says so many units and then its end, and hears the other's.
struct Flow {
    cell: Cell,
    conn: Conn,
    /// What is being said, from `sent` on.
    saying: Vec<u8>,
    sent: usize,
    /// The unit that is next.
    unit: u32,
    text: Option<Text>,
    has_ended: bool,
    is_over: bool,
    room: Vec<u8>,
}

impl Flow {
    fn new(cell: &Cell, conn: Conn, text: Option<Text>) -> Self {
        let (saying, room) = (Vec::new(), vec![0; 65_536]);
        // Who says nothing does not end either: its end would be read as a wish to hear no more.
        let has_ended = text.is_none();
        let (sent, unit, is_over) = (0, 0, false);
        Flow { cell: cell.clone(), conn, saying, sent, unit, text, has_ended, is_over, room }
    }

    /// Ready when both have ended. What it does not hear while it talks it hears afterwards.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        hears_meanwhile: bool,
        hear: &mut dyn FnMut(&[u8]),
    ) -> Poll<()> {
        loop {
            let is_talking = !self.has_ended && self.poll_say(cx);
            let is_hearing =
                !self.is_over && (hears_meanwhile || self.has_ended) && self.poll_hear(cx, hear);
            if self.is_over && self.has_ended {
                return Poll::Ready(());
            }
            if !is_talking && !is_hearing {
                return Poll::Pending;
            }
        }
    }

    /// Whether anything moved.
    fn poll_say(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(text) = self.text.filter(|_| self.sent == self.saying.len()) {
            self.saying.clear();
            self.sent = 0;
            for unit in self.unit..text.units.min(self.unit + BATCH) {
                (text.say)(unit, &mut self.saying);
                self.unit += 1;
            }
        }
        if self.saying.is_empty() {
            self.has_ended = self.conn.channel().poll_end(cx).is_ready();
            return self.has_ended;
        }
        match self.conn.channel().poll_send(cx, &self.saying[self.sent..]) {
            Poll::Ready(length) => {
                let unit = self.unit;
                self.sent += length
                    .unwrap_or_else(|error| panic!("{} by {unit}: {error:?}", self.cell.name()));
                true
            }
            Poll::Pending => false,
        }
    }

    fn poll_hear(&mut self, cx: &mut Context<'_>, hear: &mut dyn FnMut(&[u8])) -> bool {
        match self.conn.channel().poll_recv(cx, &mut self.room) {
            Poll::Ready(Ok(Some(length))) => hear(&self.room[..length]),
            Poll::Ready(Ok(None)) => self.is_over = true,
            Poll::Ready(Err(error)) => panic!("{}: {error:?}", self.cell.name()),
            Poll::Pending => return false,
        }
        true
    }
}

/// A unit: one number, twice.
fn say(unit: u32, out: &mut Vec<u8>) {
    let end = out.len() + UNIT - 1;
    write!(out, "{unit}\n{unit:08} {LETTERS} ").expect("room");
    fill(out, end);
    out.push(b'\n');
}

/// The answer that is due, of which as much is made as is heard.
struct Due {
    text: Text,
    bytes: Vec<u8>,
    at: usize,
    unit: u32,
    total: u64,
    answer: fn(&[u8]) -> Vec<u8>,
}

impl Due {
    fn hear(&mut self, cell: &Cell, mut heard: &[u8]) {
        self.total += heard.len() as u64;
        while !heard.is_empty() {
            if self.at == self.bytes.len() {
                assert!(self.unit < self.text.units, "{}: more came than was due", cell.name());
                self.next();
            }
            let due = &self.bytes[self.at..];
            let length = due.len().min(heard.len());
            assert!(heard[..length] == due[..length], "{}: wrong at {}", cell.name(), self.unit);
            self.at += length;
            heard = &heard[length..];
        }
    }

    fn next(&mut self) {
        let mut said = Vec::with_capacity(UNIT);
        (self.bytes, self.at) = (Vec::with_capacity(2 * UNIT), 0);
        (self.text.say)(self.unit, &mut said);
        let mut begins = 0;
        for end in memchr::memchr_iter(b'\n', &said) {
            self.bytes.extend_from_slice(&(self.answer)(&said[begins..end]));
            self.bytes.push(b'\n');
            begins = end + 1;
        }
        self.unit += 1;
    }

    fn is_over(&self) -> bool {
        self.unit == self.text.units && self.at == self.bytes.len()
    }
}
