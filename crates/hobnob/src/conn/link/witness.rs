//! What a link and its owner tell each other.

use std::net::IpAddr;

use super::pipes::Pipes;
use crate::chunk::Side;
use crate::clock::Clock;
use crate::error::Error;
use crate::fault::Hit;

/// Is told what only the link sees, and tells the link what only its owner knows.
pub trait Witness: Sync {
    /// This side has said all, and the other is about to hear so.
    fn ended(&self, by: Side);
    /// This side's direction has ended, and nothing vouches for that end: more may be missing.
    fn was_cut_short(&self, by: Side);
    /// Whether nothing vouches for the end of the accepted side, which seemed to be one in order.
    fn is_accepted_cut_short(&self) -> bool;
    /// Standard input has ended, and nothing has come for a while from this side, for whose end the link waits.
    fn waits_for(&self, side: Side);
    /// This side takes no more. What it still says is passed on.
    fn broke(&self, by: Side);
    /// A packet was larger than the other side carries, and was dropped.
    fn too_large(&self);
    /// Bytes that wait in buffers and pipes.
    fn holds(&self, bytes: usize);
    /// Whether there is room for more such bytes.
    fn has_room(&self) -> bool;
    /// Whether the link is to come to an end in order, as soon as that cuts nothing short.
    fn is_asked_to_end(&self) -> bool;
    /// The link ends because it was asked to: the dialled side is told that no more will come.
    fn ends_as_asked(&self);
    /// The address of the client, if it has one: faults may be for some alone.
    fn peer(&self) -> Option<IpAddr>;
    /// A fault did something to what this side said.
    fn hit(&self, from: Side, hit: Hit);
    /// A fault has ended both directions.
    fn closed_by(&self, fault: &'static str);
    /// The clock that faults go by.
    fn clock(&self) -> Clock;
    /// The pipes that bytes may be spliced through; none: they are copied.
    fn pipes(&self) -> Option<&Pipes>;
}

/// A conn failed, and with it the link. The other is its owner's to tear down.
#[derive(Debug)]
pub struct Broken {
    /// Whose conn.
    pub side: Side,
    /// How.
    pub error: Error,
}
