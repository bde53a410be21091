//! Services: what we do during a session.
//!
//! To add one: a file here with a `ServiceRow`, a `mod` line and a line in [`TABLE`]. Nothing else.
//!
//! One that answers messages is a [`Responder`]; one that holds a session is a [`Service`], with an example at
//! [`Server::with`](crate::Server::with).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> hobnob::Result<()> {
//! use hobnob::service::{Ask, Reply, Responder};
//! use hobnob::{Dialer, Server, engine::parse};
//! struct Length;
//! impl Responder for Length {
//!     fn answer(&self, ask: &Ask<'_>, out: &mut Reply) {
//!         out.push(ask.message.len().to_string().as_bytes());
//!     }
//! }
//! let at = "memory:example-of-services";
//! let _running = Server::answering(Length).at(at)?.start()?;
//! let mut conn = Dialer::default().dial(&parse(at)?).await?.conn;
//! conn.send(b"twelve chars\n").await?;
//! let mut room = [0; 8];
//! assert_eq!(conn.recv(&mut room).await?, Some(3));
//! assert_eq!(&room[..3], b"12\n");
//! # Ok(())
//! # }
//! ```

mod chat;
mod discard;
mod echo;
mod hello;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "mail")]
mod mail;
mod ok;
pub(crate) mod relay;
mod reply;
mod source;
mod temp;
mod time;
mod upper;

#[cfg(feature = "nats")]
pub use chat::room_over;

use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::clock::Clock;
use crate::conn::{Boxed, Conn};
use crate::error::Result;
use crate::fault::Panel;
use crate::session::{Keeper, Session};
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};
#[cfg(feature = "mail")]
use crate::store::MailStore;

/// Every service, in the order of the catalogue.
pub static TABLE: &[&ServiceRow] = &[
    &echo::ROW,
    &hello::ROW,
    &chat::ROW,
    &temp::ROW,
    &ok::ROW,
    &upper::ROW,
    &time::ROW,
    #[cfg(feature = "http")]
    &http::ROW,
    #[cfg(not(feature = "http"))]
    &HTTP,
    &FILES,
    #[cfg(feature = "mail")]
    &mail::ROW,
    #[cfg(not(feature = "mail"))]
    &MAIL,
    &discard::ROW,
    &source::ROW,
    &reply::ROW,
    &relay::ROW,
];

/// One service of the table.
#[derive(Debug)]
pub struct ServiceRow {
    /// How it describes itself. Its options are the flags of `hobnob serve NAME`.
    pub spec: &'static Spec,
    /// Its doors, at least one; most have one, which needs no name.
    pub doors: &'static [Door],
    /// True where a peer off this machine may have bytes only: on packets its answers would be a weapon.
    pub is_loud: bool,
    /// Makes one from its options; none where it is not built in.
    pub make: Option<fn(&Options) -> Result<Made>>,
}

impl ServiceRow {
    /// Its first door, and for most its only one.
    pub fn door(&self) -> &'static Door {
        self.doors.first().expect("the tables' test: every service has a door")
    }

    /// Its options that name an endpoint to dial. A service that has one stands between two sides.
    pub fn targets(&self) -> impl Iterator<Item = &'static OptionSpec> {
        self.spec.options.iter().filter(|option| option.kind == ValueKind::Endpoint)
    }

    /// Its options that name an endpoint, also those that need not be given.
    pub(crate) fn dialled(&self) -> impl Iterator<Item = &'static OptionSpec> {
        let is_endpoint = |option: &&OptionSpec| {
            matches!(option.kind, ValueKind::Endpoint | ValueKind::NextEndpoint)
        };
        self.spec.options.iter().filter(is_endpoint)
    }
}

/// A way into a service: `serve mail smtp=:1025 pop3=:1110`.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Its name, as a person types it and `session.door()` says it; empty where it is the only one.
    pub name: &'static str,
    /// The protocol that it speaks, where an endpoint can name it: `http://:8000`.
    pub protocol: Option<&'static str>,
    /// The port where none is given.
    pub port: u16,
    /// The shapes that it serves.
    pub shapes: &'static [Shape],
}

impl Door {
    /// The only door of a service.
    pub const fn only(port: u16, shapes: &'static [Shape]) -> Self {
        Door { name: "", protocol: None, port, shapes }
    }

    /// The same, where an endpoint may name this protocol to mean it.
    pub const fn speaking(self, protocol: &'static str) -> Self {
        Door { protocol: Some(protocol), ..self }
    }
}

/// A service, made from its options: one value for all its endpoints and sessions.
pub enum Made {
    /// It answers messages, and the engine does the rest.
    Responder(Box<dyn Responder>),
    /// It holds sessions from open to close.
    Service(Box<dyn Service>),
}

/// Holds a session from open to close. One value serves all sessions, on all endpoints and shards.
pub trait Service: Send + Sync {
    /// Touches the world: reads files and standard input, creates what it writes to. Called once, after the last
    /// address is bound; what is to be taken back when the start fails after all goes to [`Site::undo`].
    fn open<'a>(&'a self, _site: &'a mut Site) -> Boxed<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Keeps house: work that belongs to no session, from the opening to the end of the drain. It is to end soon after
    /// [`Keeper::asked_to_end`] resolves. An error is told, and ends the server.
    fn keep<'a>(&'a self, _keeper: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Runs until the session is over. When it returns well, the engine ends the conn in order; on an error it aborts it.
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()>;

    /// The knobs of its faults, where it has links to bend, or answers to give on purpose.
    fn panel(&self) -> Option<&Panel> {
        None
    }

    /// The letters that it keeps, where it keeps some.
    #[cfg(feature = "mail")]
    fn letters(&self) -> Option<Arc<MailStore>> {
        None
    }

    /// Whether it has each peer that could forge its address prove that it hears what is sent there, and says so by
    /// [`Session::proven`]. Until then the peer takes none of the places that all share.
    fn has_proofs(&self) -> bool {
        false
    }

    /// Whether each message of its own is one line. One with a newline in it does not pass where a message is a line.
    fn says_lines(&self) -> bool {
        true
    }
}

/// Where a service opens.
pub struct Site {
    keeper: Keeper,
    undos: Vec<Box<dyn FnOnce() + Send>>,
    is_for_others: bool,
}

impl Site {
    /// A site with these powers.
    pub(crate) fn new(keeper: Keeper, is_for_others: bool) -> Self {
        Site { keeper, undos: Vec::new(), is_for_others }
    }

    /// Whether peers on other machines can reach what was bound.
    pub fn is_for_others(&self) -> bool {
        self.is_for_others
    }

    /// The engine's powers.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// What takes back something that was just done. The last is called first, when a later step of the start fails
    /// or the start is given up.
    pub fn undo(&mut self, undo: impl FnOnce() + Send + 'static) {
        self.undos.push(Box::new(undo));
    }

    /// The server runs: nothing is taken back any more.
    pub(crate) fn settle(mut self) {
        self.undos.clear();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        while let Some(undo) = self.undos.pop() {
            undo();
        }
    }
}

impl Made {
    /// Opens it, as [`Service::open`].
    pub(crate) fn open<'a>(&'a self, site: &'a mut Site) -> Boxed<'a, ()> {
        match self {
            Made::Responder(_) => Box::pin(std::future::ready(Ok(()))),
            Made::Service(service) => service.open(site),
        }
    }

    /// Keeps its house, as [`Service::keep`].
    pub(crate) fn keep<'a>(&'a self, keeper: &'a Keeper) -> Boxed<'a, ()> {
        match self {
            Made::Responder(_) => Box::pin(std::future::ready(Ok(()))),
            Made::Service(service) => service.keep(keeper),
        }
    }

    /// The knobs of its faults, where it has some.
    pub(crate) fn panel(&self) -> Option<&Panel> {
        match self {
            Made::Responder(_) => None,
            Made::Service(service) => service.panel(),
        }
    }

    /// The letters that it keeps, where it keeps some.
    #[cfg(feature = "mail")]
    pub(crate) fn letters(&self) -> Option<Arc<MailStore>> {
        match self {
            Made::Responder(_) => None,
            Made::Service(service) => service.letters(),
        }
    }

    /// Whether it has peers prove themselves, as [`Service::has_proofs`].
    pub(crate) fn has_proofs(&self) -> bool {
        match self {
            Made::Responder(_) => false,
            Made::Service(service) => service.has_proofs(),
        }
    }

    /// Whether each message of its own is one line.
    pub fn says_lines(&self) -> bool {
        match self {
            Made::Responder(responder) => responder.says_lines(),
            Made::Service(service) => service.says_lines(),
        }
    }
}

/// A service without I/O and without memory: a message in, at most one message out, perhaps goodbye.
///
/// The engine runs it over bytes, through a framing; over packets, in batches; over memory, in tests.
pub trait Responder: Send + Sync {
    /// How bytes become messages.
    fn framing(&self) -> Framing {
        Framing::Text
    }

    /// What to say first. Asked only where the [scene has an opening](Whence::has_opening).
    fn greet(&self, _scene: &Whence<'_>, _out: &mut Reply) {}

    /// Answers one message.
    fn answer(&self, ask: &Ask<'_>, out: &mut Reply);

    /// Whether each answer is the message, byte for byte, so that it may be sent from where the message lies. It is true of
    /// every message, or this says false.
    fn is_mirror(&self) -> bool {
        false
    }

    /// Whether each message of its own is one line; a newline that ends the greeting does not count. One with a newline
    /// in it does not pass where a message is a line.
    fn says_lines(&self) -> bool {
        true
    }
}

/// How a responder's messages are cut from bytes. On packets a message is a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Bytes as they come, in either direction.
    Raw,
    /// Text messages by the rule of `--framing`. The answer ends as the message ended: with its newline or without.
    Text,
}

/// Where a message came from.
#[derive(Clone, Copy)]
pub struct Whence<'a> {
    /// The other end.
    pub peer: &'a Address,
    /// Our end.
    pub local: &'a Address,
    /// The shape of the conn.
    pub shape: Shape,
    /// Whether somebody arrives and leaves here. False on plain datagrams, where a peer is no more than an
    /// address; seqpacket sockets and framed streams are packets too, and have an opening and an end.
    pub has_opening: bool,
    /// For who must know the time.
    pub clock: Clock,
}

/// One message.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The message, without the newline that ended it.
    pub message: &'a [u8],
    /// Where it came from.
    pub scene: Whence<'a>,
}

/// What a responder says to one message.
///
/// An answer that pushes nothing and does not say so is silence; see [`Reply::push`].
#[derive(Debug, Default)]
pub struct Reply {
    bytes: Vec<u8>,
    is_said: bool,
    goodbye: Option<String>,
    hold: Option<Duration>,
}

impl Reply {
    /// Adds to the answer. Pushing nothing still answers: an empty message.
    pub fn push(&mut self, bytes: &[u8]) {
        self.is_said = true;
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the session once the answer is out. `why` is what the transcript says: `said exit`.
    pub fn bye(&mut self, why: &str) {
        self.goodbye = Some(why.to_owned());
    }

    /// Holds the answer back for so long. The engine keeps the time.
    pub fn hold(&mut self, hold: Duration) {
        self.hold = Some(hold);
    }

    /// Whether there is an answer at all.
    pub fn is_said(&self) -> bool {
        self.is_said
    }

    /// The answer so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The answer, for a driver that keeps it in a buffer of its own.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Why the session is to end, if it is.
    pub fn goodbye(&self) -> Option<&str> {
        self.goodbye.as_deref()
    }

    /// For how long the answer is to be held back.
    pub fn held(&self) -> Option<Duration> {
        self.hold
    }

    /// Ready for the next message of a batch: what was said stays, and whether this one is answered is open.
    pub(crate) fn turn(&mut self) {
        self.is_said = false;
    }

    /// Ready for another peer; keeps the room.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.is_said = false;
        self.goodbye = None;
        self.hold = None;
    }
}

#[cfg(not(feature = "http"))]
static HTTP: ServiceRow = later(
    &Spec { name: "http", summary: "one page: Hello, world! (--body, --status)", ..NOT_BUILT_IN },
    &[Door::only(8000, &[Shape::Bytes])],
);

static FILES: ServiceRow = later(
    &Spec { name: "files", summary: "a folder (--dir)", ..NOT_BUILT_IN },
    &[Door::only(8000, &[Shape::Bytes])],
);

#[cfg(not(feature = "mail"))]
static MAIL: ServiceRow = later(
    &Spec {
        name: "mail",
        summary: "keeps every letter that is sent to it; SMTP in",
        ..NOT_BUILT_IN
    },
    &[Door { name: "smtp", protocol: None, port: 1025, shapes: &[Shape::Bytes] }],
);

const NOT_BUILT_IN: Spec =
    Spec { name: "", summary: "", options: &[], examples: &[], is_built_in: false };

/// A service that is listed so that the error says "not built in", not "unknown".
const fn later(spec: &'static Spec, doors: &'static [Door]) -> ServiceRow {
    ServiceRow { spec, doors, is_loud: false, make: None }
}

#[cfg(test)]
mod tests;
