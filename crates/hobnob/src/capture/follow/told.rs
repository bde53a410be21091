//! What is told about a stream.

use std::net::SocketAddr;
use std::time::Duration;

/// Something that happened in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent<'b> {
    /// It began, or was found in its middle.
    Opened(OpenedStream),
    /// Bytes, in order.
    Said {
        /// The stream's number.
        id: u64,
        /// Which way they went.
        way: StreamWay,
        /// When the segment came that made them known.
        at: Duration,
        /// The bytes.
        bytes: &'b [u8],
    },
    /// A segment that did not come in its turn.
    Faulty {
        /// The stream's number.
        id: u64,
        /// Which way it went.
        way: StreamWay,
        /// When it came.
        at: Duration,
        /// What was wrong with it.
        fault: SegmentFault,
        /// The place of its first byte in the stream.
        offset: u64,
        /// How many bytes it has.
        length: u64,
    },
    /// Bytes that passed and were not captured.
    Missed {
        /// The stream's number.
        id: u64,
        /// Which way they went.
        way: StreamWay,
        /// When that was known.
        at: Duration,
        /// How many.
        bytes: u64,
    },
    /// It is over.
    Closed(ClosedStream),
}

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamWay {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

impl StreamWay {
    /// The other one.
    pub fn back(self) -> Self {
        match self {
            StreamWay::Up => StreamWay::Down,
            StreamWay::Down => StreamWay::Up,
        }
    }
}

/// What is wrong with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentFault {
    /// It came before.
    Retransmitted,
    /// It belongs in front of what came before it.
    OutOfOrder,
}

/// The beginning of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedStream {
    /// The stream's number, from 1.
    pub id: u64,
    /// The end that dialled; of a stream that is found in its middle, the one with the larger port.
    pub client: SocketAddr,
    /// The end that was dialled.
    pub server: SocketAddr,
    /// When the handshake was made.
    pub times: StreamTimes,
}

/// When a stream was first seen, and the three times of its handshake, each since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamTimes {
    /// The first segment that was seen.
    pub first: Duration,
    /// The client's SYN.
    pub asked: Option<Duration>,
    /// The server's SYN and ACK.
    pub answered: Option<Duration>,
    /// The client's ACK.
    pub shaken: Option<Duration>,
}

/// The end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedStream {
    /// The stream's number.
    pub id: u64,
    /// The end that dialled.
    pub client: SocketAddr,
    /// The end that was dialled.
    pub server: SocketAddr,
    /// How it ended.
    pub how: HowClosed,
    /// When, since 1970.
    pub at: Duration,
    /// From the first segment to the last.
    pub lasted: Duration,
    /// Segments, both ways.
    pub segments: u64,
    /// What went up.
    pub up: StreamTotals,
    /// What came down.
    pub down: StreamTotals,
}

impl ClosedStream {
    /// Segments that came again, both ways.
    pub fn retransmitted(&self) -> u64 {
        self.up.retransmitted + self.down.retransmitted
    }

    /// Segments that came out of order, both ways.
    pub fn out_of_order(&self) -> u64 {
        self.up.out_of_order + self.down.out_of_order
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowClosed {
    /// By FIN, both ways; the way whose FIN came first.
    Ended(StreamWay),
    /// By RST, which went this way.
    Reset(StreamWay),
    /// Not yet, when the capture was over.
    StillOpen,
    /// Not that anybody saw: a new connection has taken its place.
    Replaced,
    /// It was the oldest of too many streams, and is not followed any more.
    Forgotten,
}

/// What went one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// Bytes in order, those that were not captured too.
    pub bytes: u64,
    /// Those of them that were not captured.
    pub missed: u64,
    /// Segments that came again.
    pub retransmitted: u64,
    /// Segments that came out of order.
    pub out_of_order: u64,
    /// Whether it ended by FIN.
    pub is_ended: bool,
}
