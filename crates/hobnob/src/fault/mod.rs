//! Faults: what bends the flow of a relay on purpose; and, in the same words, what a service answers on purpose.
//!
//! A fault is a pure decision over a chunk, its place, the time and a seed. It opens nothing, reads no clock and draws no
//! lots: it says to its [`Outbox`] what becomes of the chunk. The link does the rest, and knows no fault by name.
//!
//! ```
//! use hobnob::engine::Server;
//!
//! let mut relay = Server::new("relay")?;
//! relay.set("to", Some("memory:behind"))?;
//! let running = relay.at("memory:before")?.start()?;
//! let panel = running.faults().expect("a relay has knobs");
//! panel.turn(&["down:latency=200ms,jitter=50ms", "up:rate=64k"])?; // also for sessions that are open
//! let on: Vec<_> = panel.state().iter().map(|fault| fault.kind).collect();
//! assert_eq!(on, ["latency", "jitter", "rate"]);
//! panel.clear();
//! # Ok::<(), hobnob::Error>(())
//! ```
//!
//! To add one: a file here with a `FaultRow`, a `mod` line and a line in [`TABLE`]. Nothing else. The law:
//!
//! - What was taken in goes out through the outbox, or is discarded with a word why. Nothing is kept in the fault itself.
//! - A decision depends on the seed and on where it falls, a byte's offset or a packet's number; never on how the stream
//!   was cut, nor on what was decided before. So the same seed gives the same run.
//! - What the row [claims](Claims) is checked, by a test that walks the table.

mod answer;
mod bend;
mod outbox;
mod replies;
mod seed;

mod close_after;
mod corrupt;
mod down;
mod dup;
mod jitter;
mod latency;
mod loss;
mod rate;
mod refuse;
mod reorder;
mod reset;
mod slice;
mod slow_accept;
mod slow_close;
mod stall;
mod timeout;

use std::time::Duration;

use crate::chunk::Chunk;
use crate::error::Result;
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};

pub use answer::{AnswerAct, Answering};
pub use bend::{
    ANSWERS, AnswerQuestion, AnswerVerdict, Bend, Chain, Entry, FaultState, Hit, Hits, KEYS, LINKS,
    Log, Logged, PROFILES, Panel, Profile, Setting, Vocabulary,
};
pub use outbox::{Act, Decision, Item, NEVER, Outbox};
pub use replies::REPLIES;
pub use seed::Seed;

/// Every fault, in the order of the help page.
pub static TABLE: &[&FaultRow] = &[
    &latency::ROW,
    &jitter::ROW,
    &rate::ROW,
    &slice::ROW,
    &stall::ROW,
    &timeout::ROW,
    &slow_close::ROW,
    &reset::ROW,
    &close_after::ROW,
    &refuse::ROW,
    &down::ROW,
    &slow_accept::ROW,
    &corrupt::ROW,
    &loss::ROW,
    &dup::ROW,
    &reorder::ROW,
];

/// Bytes of a stream that are decided on together, where each byte by itself would be too fine.
pub const CELL: u64 = 1_024;

/// One fault of the table.
#[derive(Debug)]
pub struct FaultRow {
    /// How it describes itself. The first of its options, if it is called as the fault is, is its value: `latency=200ms`.
    pub spec: Spec,
    /// One line: what a person sees of it, and what it is good for.
    pub advice: &'static str,
    /// The shapes that it fits.
    pub shapes: &'static [Shape],
    /// Whether its name says enough without a value.
    pub stands_alone: bool,
    /// Whether it decides before the dial, and not along the way.
    pub is_before_the_dial: bool,
    /// What it holds to, whatever its options say.
    pub claims: Claims,
    /// Where it does not fit: what does nearly the same there, each with a word on it.
    pub instead: &'static [(&'static str, &'static str)],
    /// Makes one for one direction of one session.
    pub make: fn(&Options, Chance) -> Result<MadeFault>,
}

/// What a fault holds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// What goes in comes out, once and unchanged, if one waits long enough or takes the fault away.
    pub lossless: bool,
    /// Nothing overtakes.
    pub keeps_order: bool,
    /// Packets come out as they went in, neither cut nor joined.
    pub keeps_boundaries: bool,
}

impl Claims {
    /// It does no more than take its time.
    pub const ALL: Claims = Claims { lossless: true, keeps_order: true, keeps_boundaries: true };
}

/// Where the decisions of a fault come from, in one direction of one session.
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    /// For what is decided once a session.
    pub session: Seed,
    /// For what is decided along the direction.
    pub direction: Seed,
}

/// A fault, made from its options.
pub enum MadeFault {
    /// It bends what passes.
    Flow(Box<dyn Fault>),
    /// It decides before the dial.
    BeforeTheDial(Admission),
    /// It shuts the door of the relay: nobody comes in, and who is in is cut.
    AtTheDoor,
    /// It changes what a service answers.
    Answer(Answering),
}

/// What becomes of a session before anything is dialled for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is dialled for.
    Go,
    /// It is dialled for after so long.
    Wait(Duration),
    /// It is not: its peer is reset.
    Refuse,
}

/// One direction of one session, under one fault. Time is the time since the program's clock began.
pub trait Fault: Send {
    /// Whether it comes on with its session, or as soon as it is turned on, and not with the first thing that comes.
    fn is_prompt(&self) -> bool {
        false
    }

    /// It comes on, right before its first chunk; behind a trigger, as soon as the trigger has been pulled. `at` is
    /// where.
    fn begin(&mut self, _at: u64, _now: Duration, _out: &mut Outbox) {}

    /// Something came: what becomes of it?
    fn chunk(&mut self, chunk: Chunk, now: Duration, out: &mut Outbox);

    /// Nothing more comes.
    fn end(&mut self, _now: Duration, out: &mut Outbox) {
        out.end();
    }

    /// Bytes of the pieces that it cuts a stream into, if it does: each is held for itself, and costs room.
    fn piece(&self) -> Option<usize> {
        None
    }

    /// Bytes that it has to hold to do what it says, unless somebody has said how many it may.
    fn needs(&self) -> usize {
        0
    }

    /// The time has come that it [asked for](Outbox::wake_at).
    fn wake(&mut self, _now: Duration, _out: &mut Outbox) {}
}

/// The option of any fault that holds things back.
const fn hold(default: &'static str) -> OptionSpec {
    OptionSpec {
        name: "hold",
        kind: ValueKind::Bytes,
        default,
        help: "bytes that are held at most a direction; then the sender waits",
    }
}

/// Calls `each` with the parts of a stream's chunk that lie in one cell each, or with a packet whole, and the number of
/// the cell or packet.
fn each_cell(mut chunk: Chunk, mut each: impl FnMut(u64, Chunk)) {
    if chunk.is_packet {
        return each(chunk.at, chunk);
    }
    while !chunk.bytes.is_empty() {
        let room = usize::try_from(CELL - chunk.at % CELL).unwrap_or(usize::MAX);
        let cell = chunk.at / CELL;
        let length = room.min(chunk.bytes.len());
        each(cell, chunk.split_off_front(length));
    }
}
