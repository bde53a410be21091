//! What is said about a conversation to programs: the events of its data and of its end.

use std::time::Duration;

use hobnob::address::Address;
use hobnob::chunk::{Direction, Side};
use hobnob::error::{Kind, Result};
use hobnob::event::{By, Closed, Data, End, Event, Fact, How, Reason};
use hobnob::spec::Shape;

use crate::command::talk::converse::Converse;
use crate::report::show::safe;

/// Bytes that were sent or received.
pub(super) fn data(
    at: Duration,
    direction: Direction,
    ordinal: u64,
    bytes: &[u8],
    shape: Shape,
) -> Event {
    let data = Data {
        side: Side::Downstream,
        is_hidden: false,
        direction,
        ordinal,
        bytes: bytes.into(),
        length: bytes.len(),
        is_packet: shape == Shape::Packets,
        peer: None::<Address>,
    };
    Event { at, session: 1, fact: Fact::Data(Box::new(data)) }
}

/// How it ended, from what the run answered.
pub(super) fn closed(talk: &Converse, result: &Result<u8>, lasted: Duration) -> Closed {
    let fin = |is_over, by| {
        if is_over { End { by, how: How::Fin } } else { End { by: By::Us, how: How::None } }
    };
    let reason = match result {
        Ok(_) => Reason::Eof,
        Err(error) => match error.kind() {
            Kind::ConnectionReset => Reason::Reset,
            Kind::IdleTimeout => Reason::Timeout("idle"),
            Kind::TimedOut => Reason::Timeout("wait"),
            _ => Reason::Error,
        },
    };
    let reset = End { by: By::Peer, how: How::Rst };
    let is_reset = reason == Reason::Reset;
    Closed {
        upstream: None,
        inward: if is_reset { reset } else { fin(talk.peer_ended, By::Peer) },
        outward: if is_reset { reset } else { fin(talk.has_ended, By::Us) },
        reason,
        detail: result.as_ref().err().map(|error| safe(error.message())),
        bytes_in: talk.heard.0,
        bytes_out: talk.sent.0,
        lasted,
        round_trip: None,
        resent: None,
    }
}
