//! One direction of a stream: what is known of its bytes, and what waits for a gap to be filled.
//!
//! Places are counted from the first byte in 64 bits; sequence numbers, which come round, are compared with the place that
//! is expected next.

use std::collections::BTreeMap;
use std::time::Duration;

use super::told::{SegmentFault, StreamEvent, StreamTotals, StreamWay};
use crate::capture::headers::{TcpFlags, TcpSegment};

/// What a piece costs beside its bytes.
const OVERHEAD: usize = 64;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct StreamLane {
    /// The sequence number of its SYN; of one that is found in its middle, the one before the first that is seen.
    origin: Option<u32>,
    /// The place up to which all bytes were told.
    next: u64,
    /// The place up to which anything was seen; one more where the end was.
    top: u64,
    /// Pieces behind a gap, by their place.
    waiting: BTreeMap<u64, Vec<u8>>,
    held: usize,
    /// The place where it ends.
    end: Option<u64>,
    /// Whether the other side has acknowledged the end.
    is_heard: bool,
    totals: StreamTotals,
}

/// What one direction tells, without the names of its stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum LaneEvent<'b> {
    Said(&'b [u8]),
    Faulty { fault: SegmentFault, offset: u64, length: u64 },
    Missed(u64),
}

impl<'b> LaneEvent<'b> {
    pub(super) fn event(self, id: u64, way: StreamWay, at: Duration) -> StreamEvent<'b> {
        match self {
            LaneEvent::Said(bytes) => StreamEvent::Said { id, way, at, bytes },
            LaneEvent::Faulty { fault, offset, length } => {
                StreamEvent::Faulty { id, way, at, fault, offset, length }
            }
            LaneEvent::Missed(bytes) => StreamEvent::Missed { id, way, at, bytes },
        }
    }
}

/// Is told what happens.
type Tell<'t> = &'t mut dyn FnMut(LaneEvent<'_>);

impl StreamLane {
    /// Whether its SYN had this number.
    pub(super) fn began_at(&self, sequence: u32) -> bool {
        self.origin == Some(sequence)
    }

    /// Bytes that wait, with what they cost.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether its end was seen, and all before it told.
    pub(super) fn is_ended(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }

    /// The same, and the other side knows.
    pub(super) fn is_ended_and_heard(&self) -> bool {
        self.is_ended() && self.is_heard
    }

    pub(super) fn totals(&self) -> StreamTotals {
        StreamTotals { bytes: self.next, is_ended: self.is_ended(), ..self.totals }
    }

    /// Takes a segment; what waits for a gap may take so much room.
    pub(super) fn segment(&mut self, segment: &TcpSegment<'_>, room: usize, tell: Tell<'_>) {
        let is_syn = segment.flags.has(TcpFlags::SYN);
        if self.origin.is_none() {
            // An acknowledgment alone has the number of the next byte, which a segment that was not captured may have.
            let first = if is_syn { segment.sequence } else { segment.sequence.wrapping_sub(1) };
            self.origin = Some(first);
        } else if is_syn {
            self.faulty(SegmentFault::Retransmitted, 0, 0, tell);
        }
        let begins = segment.sequence.wrapping_add(u32::from(is_syn));
        let Some(place) = self.place(begins) else { return };
        let ends = place.saturating_add_unsigned(segment.length as u64);
        let is_end = segment.flags.has(TcpFlags::FIN);
        if segment.length == 0 && !is_end {
            return;
        }
        self.judge(place, ends, is_end, tell);
        let seen = u64::try_from(ends).unwrap_or(0);
        self.top = self.top.max(seen + u64::from(is_end));
        self.take(place, seen, segment.payload, tell);
        if is_end && self.end.is_none() {
            self.end = Some(seen);
        }
        while self.held > room {
            self.give_up_gap(tell);
        }
    }

    /// The other side expects this number next: what came before it has passed, whether or not it was captured.
    pub(super) fn acknowledged(&mut self, sequence: u32, tell: Tell<'_>) {
        let Some(place) = self.place(sequence) else { return };
        let Ok(place) = u64::try_from(place) else { return };
        self.is_heard |= self.end.is_some_and(|end| place > end);
        let known = self.end.map_or(place, |end| place.min(end));
        while self.next < known && self.waiting.keys().next().is_some_and(|first| *first <= known) {
            self.give_up_gap(tell);
        }
        self.miss(known, tell);
        self.catch_up(tell);
    }

    /// What waits still is told, with the gaps before it.
    pub(super) fn flush(&mut self, tell: Tell<'_>) {
        while !self.waiting.is_empty() {
            self.give_up_gap(tell);
        }
    }

    /// The place of a number, in the half of all numbers around the one that is expected next; below zero: before the
    /// first. None: nothing is known to compare it with.
    fn place(&self, sequence: u32) -> Option<i64> {
        let expected = self.origin?.wrapping_add(1).wrapping_add(low_bits(self.next));
        let distance = sequence.wrapping_sub(expected).cast_signed();
        Some(i64::try_from(self.next).unwrap_or(i64::MAX).saturating_add(distance.into()))
    }

    /// Whether a segment comes in its turn. One that ends where all is known already came again; one that does not is out
    /// of order, for what is behind it came before it.
    fn judge(&mut self, place: i64, ends: i64, is_end: bool, tell: Tell<'_>) {
        let top = i64::try_from(self.top).unwrap_or(i64::MAX);
        if place >= top {
            return;
        }
        // A question whether the other side still lives repeats the last byte (RFC 9293, 3.8.4), and is no fault.
        if place == top - 1 && ends - place <= 1 && !is_end && self.end.is_none() {
            return;
        }
        let is_known = self.knows(place, ends) || ends > top;
        let fault = if is_known { SegmentFault::Retransmitted } else { SegmentFault::OutOfOrder };
        let offset = u64::try_from(place).unwrap_or(0);
        let length = u64::try_from(ends - place).unwrap_or(0);
        self.faulty(fault, offset, length, tell);
    }

    fn faulty(&mut self, fault: SegmentFault, offset: u64, length: u64, tell: Tell<'_>) {
        match fault {
            SegmentFault::Retransmitted => self.totals.retransmitted += 1,
            SegmentFault::OutOfOrder => self.totals.out_of_order += 1,
        }
        tell(LaneEvent::Faulty { fault, offset, length });
    }

    /// Whether all of these bytes were seen.
    fn knows(&self, place: i64, ends: i64) -> bool {
        let Ok(ends) = u64::try_from(ends) else { return true };
        let mut known = self.next.max(u64::try_from(place).unwrap_or(0));
        for (begins, piece) in self.waiting.range(..=ends) {
            if *begins <= known {
                known = known.max(begins + piece.len() as u64);
            }
        }
        known >= ends
    }

    /// Tells bytes where they are next, and keeps them where something is missing before them.
    fn take(&mut self, place: i64, ends: u64, payload: &[u8], tell: Tell<'_>) {
        if ends <= self.next {
            return;
        }
        match u64::try_from(place) {
            Ok(place) if place > self.next => self.keep(place, payload),
            _ => {
                self.say(place, payload, tell);
                // What the frame was cut off of is known to have passed.
                self.miss(ends, tell);
                self.catch_up(tell);
            }
        }
    }

    fn keep(&mut self, place: u64, payload: &[u8]) {
        let known = self.waiting.get(&place).map_or(0, Vec::len);
        if payload.len() <= known {
            return;
        }
        let before = self.waiting.insert(place, payload.to_vec());
        self.held += payload.len() + OVERHEAD;
        self.held -= before.map_or(0, |piece| piece.len() + OVERHEAD);
    }

    /// Tells what of this piece is new; it begins no later than what is next.
    fn say(&mut self, place: i64, payload: &[u8], tell: Tell<'_>) {
        let next = i64::try_from(self.next).unwrap_or(i64::MAX);
        let known = usize::try_from(next.saturating_sub(place)).unwrap_or(usize::MAX);
        let Some(bytes) = payload.get(known..).filter(|bytes| !bytes.is_empty()) else { return };
        self.next += bytes.len() as u64;
        tell(LaneEvent::Said(bytes));
    }

    /// What waits may be next now.
    fn catch_up(&mut self, tell: Tell<'_>) {
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() > self.next {
                return;
            }
            let (place, piece) = first.remove_entry();
            self.held -= piece.len() + OVERHEAD;
            self.say(i64::try_from(place).unwrap_or(i64::MAX), &piece, tell);
        }
    }

    /// Nobody will fill the gap before what waits.
    fn give_up_gap(&mut self, tell: Tell<'_>) {
        if let Some(place) = self.waiting.keys().next().copied() {
            self.miss(place, tell);
            self.catch_up(tell);
        }
    }

    fn miss(&mut self, up_to: u64, tell: Tell<'_>) {
        let missed = up_to.saturating_sub(self.next);
        if missed > 0 {
            self.next = up_to;
            self.totals.missed += missed;
            tell(LaneEvent::Missed(missed));
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "sequence numbers come round")]
fn low_bits(place: u64) -> u32 {
    place as u32
}
