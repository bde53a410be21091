//! Bytes on their way, and which way: what taps, faults, events and recordings say of a chunk.

use std::fmt;

use bytes::Bytes;

/// What holding a chunk costs beside its bytes, so that a bound on what is held bounds empty packets too.
pub const COST: usize = 64;

/// Bytes as they came, or one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes. A packet may have none.
    pub bytes: Bytes,
    /// Where it stands in its direction, from 0: of a stream the offset of its first byte, of packets its number.
    pub at: u64,
    /// Whether its borders mean something.
    pub is_packet: bool,
}

impl Chunk {
    /// Splits the first `length` bytes off a stream's chunk, and leaves the rest.
    pub fn split_off_front(&mut self, length: usize) -> Chunk {
        let front =
            Chunk { bytes: self.bytes.split_to(length), at: self.at, is_packet: self.is_packet };
        self.at += length as u64;
        front
    }
}

/// Which way bytes go, seen from hobnob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer to us; in a relay up, from the client to the target.
    In,
    /// From us to the peer; in a relay down.
    Out,
}

impl Direction {
    /// Both.
    pub const BOTH: [Direction; 2] = [Direction::In, Direction::Out];

    /// The word for it between two sides: `up`, `down`.
    pub fn between(self) -> &'static str {
        match self {
            Direction::In => "up",
            Direction::Out => "down",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::In => "in",
            Direction::Out => "out",
        })
    }
}

/// Which of the two conns of a session that stands between two peers. Of most sessions there is the first alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The accepted conn.
    Downstream,
    /// The conn that the session dialled.
    Upstream,
}
