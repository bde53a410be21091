//! What passes through a conn: the unit of taps, faults and recordings.

use std::fmt;
use std::time::Duration;

/// Which way bytes go, seen from hobnob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer to us.
    In,
    /// From us to the peer.
    Out,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::In => "in",
            Direction::Out => "out",
        })
    }
}

/// Bytes as one receive or send had them. On packets it is one packet, and may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Box<[u8]>,
    /// Which way.
    pub direction: Direction,
    /// When, since the program's clock began.
    pub at: Duration,
    /// True where the medium keeps this border.
    pub is_packet: bool,
}
