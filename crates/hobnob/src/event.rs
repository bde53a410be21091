//! Every fact worth telling, typed, in the past tense, with units.

use std::time::Duration;

use crate::address::Address;
use crate::chunk::{Direction, Side};
use crate::error::Error;
use crate::fault::Act;

/// A fact, stamped.
#[derive(Debug, Clone)]
pub struct Event {
    /// Since the program's clock began.
    pub at: Duration,
    /// The session it is about; 0 when it is about none.
    pub session: u64,
    /// What happened.
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fact {
    /// An endpoint was bound.
    Listening {
        /// The transport's name.
        transport: &'static str,
        /// Where: with port 0, the port that the kernel gave.
        address: Address,
        /// The door of the service that it leads to; empty for a service with one.
        door: &'static str,
    },
    /// A session began.
    Opened(Box<Opened>),
    /// Which door of its service a session came in by, where only the layers could tell.
    Entered {
        /// The door's name.
        door: &'static str,
    },
    /// The layers of one of its conns are on.
    Dressed {
        /// Whose conn: the peer's, or that of whom the session has dialled ([`By::Upstream`]).
        with: By,
        /// What the layers learnt in their handshakes.
        learnt: Vec<Learnt>,
    },
    /// It has a conn of its own to somebody else now, on its peer's behalf.
    Dialed(Box<UpstreamDialed>),
    /// Bytes passed, seen by the tap.
    Data(Box<Data>),
    /// A call was made of the kernel. Only for subscribers that ask for calls.
    Called(Box<Called>),
    /// A request was answered, in a protocol that has them.
    Exchanged(Box<Exchanged>),
    /// A letter went a step of its way.
    Mailed(Box<Mailed>),
    /// Something happened between the nodes of a room.
    Clustered(Box<ClusterFact>),
    /// A fault that was asked for did something.
    Bent(Box<Bent>),
    /// A session is over.
    Closed(Box<Closed>),
    /// A peer was turned away before it became a session.
    Refused {
        /// Who.
        peer: Address,
        /// The limit or rule, as the reference page names it.
        limit: &'static str,
    },
    /// Something was dropped instead of slowing others.
    Dropped {
        /// The limit or rule, as the reference page names it.
        limit: &'static str,
        /// How many since the last such event.
        count: u64,
    },
    /// Accepting stopped for want of something, and goes on by itself.
    Paused {
        /// The limit: `max-conns`, `open-files`, `accept-rate`, `memory`, `serial`.
        limit: &'static str,
        /// How many peers wait, where the kernel says it.
        waiting: Option<u64>,
    },
    /// Accepting went on.
    Resumed {
        /// The limit that had paused it.
        limit: &'static str,
    },
    /// Something that a person wants to know: a stale socket replaced, no IPv6 here.
    Note(String),
    /// Something that a person must not overlook: a check that is not made.
    Warning(String),
    /// An operation failed without ending a session.
    Failed(Error),
    /// The drain began: nothing new is accepted.
    Draining {
        /// Sessions still open.
        open: u64,
    },
}

/// How a session began.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The session that it belongs to: a QUIC stream's connection. 0: none.
    pub parent: u64,
    /// The transport's name.
    pub transport: &'static str,
    /// Our end.
    pub local: Address,
    /// The other end.
    pub peer: Address,
    /// The door of the service; empty for a service with one, and where the layers have to tell first.
    pub door: &'static str,
}

/// A conn that a session dialled.
#[derive(Debug, Clone)]
pub struct UpstreamDialed {
    /// The transport's name.
    pub transport: &'static str,
    /// Our end.
    pub local: Address,
    /// The other end.
    pub peer: Address,
    /// How long that took, handshakes and all.
    pub took: Duration,
}

/// One thing that a layer learnt in its handshake: `tls`, `version`, `1.3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    /// The layer's name.
    pub layer: &'static str,
    /// What it is about.
    pub name: &'static str,
    /// As a person reads it. It may come from the peer: who shows it escapes it.
    pub value: String,
}

/// Bytes that passed.
#[derive(Debug, Clone)]
pub struct Data {
    /// Which way.
    pub direction: Direction,
    /// Over which of its session's conns; `In` on the dialled one is from whom was dialled.
    pub side: Side,
    /// The chunk's number in that direction, from 1.
    pub ordinal: u64,
    /// The bytes, at most the subscriber's snap length of them.
    pub bytes: Box<[u8]>,
    /// How many there were.
    pub length: usize,
    /// True where a secret passed: its bytes are not here, only how many there were.
    pub is_hidden: bool,
    /// True where the medium keeps this border.
    pub is_packet: bool,
    /// The other end, where the chunk belongs to no session: a datagram answered in a batch.
    pub peer: Option<Address>,
}

/// A call to the kernel, as it was made. It belongs to a socket, and so is told without a session.
#[derive(Debug, Clone)]
pub struct Called {
    /// The socket's descriptor; none before there is one.
    pub descriptor: Option<i32>,
    /// The descriptor of a socket that it made.
    pub made: Option<i32>,
    /// Its name: `connect`.
    pub name: &'static str,
    /// Its arguments in Python's notation, without the outer parentheses.
    pub arguments: String,
    /// What came back, in Python's notation; or the errno, or the resolver's (negative) number. A timeout of ours is
    /// `ETIMEDOUT`.
    pub result: Result<String, i32>,
    /// The whole of it in C's notation.
    pub in_c: String,
    /// How long it took, waiting included.
    pub took: Duration,
    /// The bytes that were to be sent, or that came.
    pub bytes: Box<[u8]>,
    /// How many bytes the kernel has taken, or how many came.
    pub count: usize,
    /// Where to, where from, or whose.
    pub address: Option<Address>,
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// `GET`. It comes from the peer, as the target does: who shows it escapes it.
    pub method: String,
    /// What was asked for: `/index.html`.
    pub target: String,
    /// What the answer said: 200.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// From the request's head to the end of the answer, as far as we give it out.
    pub took: Duration,
}

/// A step of a letter's way. Its texts come from peers: who shows them escapes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mailed {
    /// What became of it.
    pub did: MailDeed,
    /// The number by which it is known; 0: it has none.
    pub letter: u64,
    /// The boxes that it lies in, or lay in, each with its number there.
    pub boxes: Vec<(String, u32)>,
    /// The name of its file, below the folder of its box: `new/1764.M1P7Q2.host`.
    pub file: String,
    /// Who sends, as MAIL said; empty: nobody.
    pub from: String,
    /// Whom it is for, as RCPT said.
    pub to: Vec<String>,
    /// Its subject, decoded.
    pub subject: String,
    /// Its bytes, without the lines of our own before it.
    pub size: u64,
    /// The bytes of those lines.
    pub trace: u64,
    /// Its parts, itself among them.
    pub parts: u64,
    /// What its client calls itself.
    pub client: String,
    /// What was spoken: `ESMTPSA`.
    pub with: String,
    /// Who had logged in; empty: nobody.
    pub login: String,
    /// What its sender did wrong, or what is worth knowing.
    pub findings: Vec<MailFinding>,
    /// What both sides said, without secrets: lines behind `> ` of the client, and `< ` of ours.
    pub dialogue: Vec<String>,
    /// Why, or by what.
    pub detail: String,
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MailDeed {
    /// It was kept.
    #[default]
    Kept,
    /// It was not taken.
    Refused,
    /// Somebody fetched it.
    Fetched,
    /// Somebody deleted it.
    Deleted,
    /// The next server has it.
    Forwarded,
    /// The next server does not have it yet, and is asked again.
    Queued,
    /// The next server will never have it, which its sender is told.
    Bounced,
    /// It had to make room.
    Dropped,
    /// Something about it was found out later.
    Noted,
}

impl MailDeed {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            MailDeed::Kept => "kept",
            MailDeed::Refused => "refused",
            MailDeed::Fetched => "fetched",
            MailDeed::Deleted => "deleted",
            MailDeed::Forwarded => "forwarded",
            MailDeed::Queued => "queued",
            MailDeed::Bounced => "bounced",
            MailDeed::Dropped => "dropped",
            MailDeed::Noted => "noted",
        }
    }
}

/// What happened between the nodes of a room. Its texts come from peers: who shows them escapes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterFact {
    /// The servers are there, and so is the room's stream.
    Linked {
        /// The servers, as they were named.
        server: String,
        /// The version of the one that has us: `2.15.1`.
        version: String,
        /// Copies that are kept of the stream.
        replicas: u64,
    },
    /// The other nodes cannot be reached: what members say is heard here only.
    Parted {
        /// Why, in plain words.
        why: String,
    },
    /// The other nodes are back.
    Rejoined {
        /// For how long they were away.
        away: Duration,
        /// Lines that were said here meanwhile.
        said_here: u64,
        /// Lines that were said there.
        said_there: u64,
    },
    /// Lines of a node are missing, and members were told so.
    Missed {
        /// The node.
        node: String,
        /// How many; none: that is not known.
        count: Option<u64>,
        /// `lost`: they were said and did not come; `dropped`: their node had to drop them; `version`: they came, and are of
        /// another version of the protocol.
        why: &'static str,
    },
    /// Another node came, is not reached, or is gone.
    Node {
        /// What people call it.
        node: String,
        /// `came`, `unreachable` or `gone`.
        is: &'static str,
        /// How many members it has, or had.
        members: u64,
    },
}

/// What a sender of mail did wrong, or what is worth knowing of its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailFinding {
    /// Its name: `no-date`.
    pub slug: &'static str,
    /// Where it is written down: `RFC 5322 3.6`.
    pub source: &'static str,
    /// In plain words.
    pub text: &'static str,
    /// Whether it breaks a rule.
    pub is_wrong: bool,
}

/// What a fault did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bent {
    /// The fault's name.
    pub kind: &'static str,
    /// Which way what it did it to was going.
    pub direction: Direction,
    /// What it did.
    pub act: Act,
}

/// How a session ended.
#[derive(Debug, Clone)]
pub struct Closed {
    /// How the peer's direction ended.
    pub inward: End,
    /// How our direction ended.
    pub outward: End,
    /// Why the session is over.
    pub reason: Reason,
    /// In plain words, where there is more to say: `said exit`, or an error's sentence.
    pub detail: Option<String>,
    /// Bytes from the peer.
    pub bytes_in: u64,
    /// Bytes to the peer.
    pub bytes_out: u64,
    /// How long it lasted.
    pub lasted: Duration,
    /// The kernel's smoothed round trip (`TCP_INFO`), where it has one.
    pub round_trip: Option<Duration>,
    /// Segments sent again (`TCP_INFO`), where known.
    pub resent: Option<u32>,
    /// The same of the conn that the session dialled, if it did.
    pub upstream: Option<Upstream>,
}

/// The far side of a session that dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Who.
    pub peer: Address,
    /// The kernel's smoothed round trip (`TCP_INFO`), where it has one.
    pub round_trip: Option<Duration>,
    /// Segments sent again (`TCP_INFO`), where known.
    pub resent: Option<u32>,
}

/// How one direction of a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Who ended it.
    pub by: By,
    /// How.
    pub how: How,
}

/// Who ended a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// We did.
    Us,
    /// The peer did.
    Peer,
    /// The kernel did: a timeout, an ICMP message.
    Kernel,
    /// The side that the session dialled did.
    Upstream,
}

impl By {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            By::Us => "us",
            By::Peer => "peer",
            By::Kernel => "kernel",
            By::Upstream => "upstream",
        }
    }
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// In order: everything sent before was delivered first.
    Fin,
    /// Torn down.
    Rst,
    /// Not at all: the medium has no end, or the session was cut first.
    None,
    /// The connection ended in order, but what it carries had not: TLS without its `close_notify` (RFC 8446, section
    /// 6.1). Somebody may have cut it, so nothing vouches for the end of what came.
    Truncated,
}

impl How {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            How::Fin => "fin",
            How::Rst => "rst",
            How::None => "none",
            How::Truncated => "truncated",
        }
    }
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Both sides had said all.
    Eof,
    /// The peer tore it down.
    Reset,
    /// It ran out of a time: `idle`, `stall`, `handshake`.
    Timeout(&'static str),
    /// It went past a limit.
    Limit(&'static str),
    /// A fault that was asked for ended it; its name.
    Fault(&'static str),
    /// We stopped: the drain.
    Stopped,
    /// Something failed.
    Error,
}

impl Reason {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Eof => "eof",
            Reason::Reset => "reset",
            Reason::Timeout(_) => "timeout",
            Reason::Limit(_) => "limit",
            Reason::Fault(_) => "fault",
            Reason::Stopped => "stopped",
            Reason::Error => "error",
        }
    }

    /// The limit that cut it, as the reference page names it.
    pub fn limit(self) -> Option<&'static str> {
        match self {
            Reason::Timeout(limit) | Reason::Limit(limit) => Some(limit),
            _ => None,
        }
    }
}
